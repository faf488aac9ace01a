import { Field, ID, Int, ObjectType, registerEnumType } from 'type-graphql';
import { decimal, formatDecimal } from '../money/index.js';
import { connectionOf, DecimalScalar, JsonScalar, MoneyType, Node } from '../platform/index.js';
import { outcomeRuleOf, type ChargeRow, type UnpricedRow } from './rating.queries.js';

@ObjectType('Charge', {
  implements: Node,
  description: 'Money for one price, contract and period, with its explanation.',
})
export class ChargeType extends Node {
  @Field(() => ID, { description: 'The contract under which it is charged.' })
  contractId!: string;

  @Field(() => Date, { description: 'The service period begins here …' })
  periodStart!: Date;

  @Field(() => Date, { description: '… and ends before here.' })
  periodEnd!: Date;

  @Field(() => ID, { description: 'The price that priced it, or the discount that was taken off.' })
  priceId!: string;

  @Field(() => ID, {
    description: 'The version of the price book that priced it; of outcomes, the version of their rule.',
  })
  priceBookVersionId!: string;

  @Field(() => ID, { nullable: true, description: 'The outcome rule whose outcomes it is for; null for usage.' })
  outcomeRuleId!: string | null;

  @Field(() => ID, { nullable: true, description: 'The version of that rule which priced them; null for usage.' })
  outcomeRuleVersionId!: string | null;

  @Field(() => Int, { description: '0 at first; each adjustment after an invoice is one more.' })
  generation!: number;

  @Field(() => DecimalScalar, { description: 'Units charged; negative in an adjustment that takes back.' })
  quantity!: string;

  @Field(() => MoneyType, { description: 'The exact amount, not rounded.' })
  amount!: MoneyType;

  @Field(() => JsonScalar, {
    description:
      'Why: the price, the running quantity, the tiers, and what was billed before. amount = cumulativeAmount − billedBefore.',
  })
  explanation!: unknown;

  @Field(() => String, {
    nullable: true,
    description:
      'The arithmetic of the period as one sentence, to be checked by hand; null when nothing asks for it any more.',
  })
  sentence!: string | null;

  @Field(() => ID, { nullable: true, description: 'The invoice it is on; null while it is open.' })
  invoiceId!: string | null;

  @Field(() => Date, { description: 'When it was last brought up to date.' })
  ratedAt!: Date;

  static from(row: ChargeRow): ChargeType {
    const outcomeRuleId = outcomeRuleOf(row);

    return Object.assign(new ChargeType(), {
      id: row.id,
      contractId: row.contract_id,
      periodStart: row.period_start,
      periodEnd: row.period_end,
      priceId: row.price_id,
      priceBookVersionId: row.price_version_id,
      outcomeRuleId,
      outcomeRuleVersionId: outcomeRuleId === null ? null : row.price_version_id,
      generation: row.generation,
      quantity: formatDecimal(decimal(row.quantity)),
      amount: MoneyType.of(decimal(row.amount), row.currency),
      explanation: row.explanation,
      sentence: sentenceIn(row.explanation),
      invoiceId: row.invoice_id,
      ratedAt: row.rated_at,
    });
  }
}

export const ChargeConnection = connectionOf('Charge', () => ChargeType);

export enum UnpricedReasonEnum {
  NO_CONTRACT = 'NO_CONTRACT',
  NO_PRICE = 'NO_PRICE',
  NO_COST = 'NO_COST',
}
registerEnumType(UnpricedReasonEnum, {
  name: 'UnpricedReason',
  description: 'Why usage has no price.',
  valuesConfig: {
    NO_CONTRACT: { description: 'The tenant had no contract at the time.' },
    NO_PRICE: {
      description:
        'No price of the book matches its meter and dimensions, or none of the rule the attributes of outcomes.',
    },
    NO_COST: { description: 'Its price is a markup on the cost of the model, and no cost is entered.' },
  },
});

@ObjectType('UnpricedUsage', {
  description:
    'Usage, or outcomes, without a price, or without the cost that a price marks up: kept and counted. It is rated at once when a contract or a price comes, and with the next rating of its month when a cost is entered.',
})
export class UnpricedUsageType {
  @Field(() => Date, { description: 'The period begins here …' })
  periodStart!: Date;

  @Field(() => Date, { description: '… and ends before here.' })
  periodEnd!: Date;

  @Field(() => ID, { description: 'The meter that counted it; of outcomes, their rule.' })
  meterId!: string;

  @Field(() => JsonScalar, { description: 'Its dimensions; the attributes of outcomes.' })
  dimensions!: unknown;

  @Field(() => DecimalScalar, { description: 'How much there is.' })
  quantity!: string;

  @Field(() => UnpricedReasonEnum, { description: 'Why it has no price.' })
  reason!: UnpricedReasonEnum;

  static from(row: UnpricedRow): UnpricedUsageType {
    return Object.assign(new UnpricedUsageType(), {
      periodStart: row.period_start,
      periodEnd: row.period_end,
      meterId: row.meter_id,
      dimensions: JSON.parse(row.dimensions) as unknown,
      quantity: row.quantity,
      reason: UnpricedReasonEnum[row.reason],
    });
  }
}

export const UnpricedUsageConnection = connectionOf('UnpricedUsage', () => UnpricedUsageType);

function sentenceIn(explanation: unknown): string | null {
  const sentence = (explanation as { readonly sentence?: unknown } | null)?.sentence;

  return typeof sentence === 'string' ? sentence : null;
}

import { Field, ID, Int, ObjectType } from 'type-graphql';
import { formatDecimal } from '../money/index.js';
import { connectionOf, DecimalScalar, MoneyType, Node } from '../platform/index.js';
import type { CreditBalance } from './credit-balance.queries.js';
import type { StoredPrepaid } from './credit-prepaid.queries.js';
import type { EntryRead, GrantRead, TransactionRead } from './credit-reading.queries.js';
import { CreditKindEnum, CreditTransactionKindEnum } from './credit.enums.js';

const UNIT = { description: 'What they are counted in: an ISO 4217 code, or a word such as credit.' } as const;

@ObjectType('CreditGrant', {
  implements: Node,
  description: 'Credits that a tenant was given, to pay for what it uses.',
})
export class CreditGrantType extends Node {
  @Field(() => ID, { description: 'The tenant that has them.' })
  tenantId!: string;

  @Field(() => CreditKindEnum, { description: 'Whether somebody paid for them.' })
  kind!: CreditKindEnum;

  @Field(() => String, UNIT)
  unit!: string;

  @Field(() => MoneyType, {
    nullable: true,
    description: 'What one unit pays for; null where the unit is a currency, which pays for itself.',
  })
  unitWorth!: MoneyType | null;

  @Field(() => DecimalScalar, { description: 'How many were granted.' })
  amount!: string;

  @Field(() => DecimalScalar, { description: 'How many are left, whether or not they can be used now.' })
  left!: string;

  @Field(() => MoneyType, { description: 'What was paid for all that were granted; 0 for promotional ones.' })
  costBasis!: MoneyType;

  @Field(() => Int, { description: 'Of those that expire together, less burns first.' })
  priority!: number;

  @Field(() => [ID], { description: 'The meters whose usage they pay for, at most 100; all when there is none.' })
  meterIds!: string[];

  @Field(() => [String], {
    description:
      'The models whose usage they pay for, at most 100: names, or beginnings of names and *; all when there is none.',
  })
  models!: string[];

  @Field(() => Date, { description: 'From when they pay.' })
  effectiveAt!: Date;

  @Field(() => Date, { nullable: true, description: 'Until before when; null for ever.' })
  expiresAt!: Date | null;

  @Field(() => Date, { description: 'When they were granted.' })
  createdAt!: Date;

  static from({ grant, left }: GrantRead): CreditGrantType {
    const { worth, worthCurrency } = grant;

    return Object.assign(new CreditGrantType(), {
      id: grant.id,
      tenantId: grant.tenantId,
      kind: CreditKindEnum[grant.kind],
      unit: grant.unit,
      unitWorth: worth && worthCurrency ? MoneyType.of(worth, worthCurrency) : null,
      amount: formatDecimal(grant.amount),
      left: formatDecimal(left),
      costBasis: MoneyType.of(grant.cost, grant.costCurrency),
      priority: grant.priority,
      meterIds: grant.meterIds,
      models: grant.models,
      effectiveAt: grant.effectiveAt,
      expiresAt: grant.expiresAt ?? null,
      createdAt: grant.createdAt,
    });
  }
}

export const CreditGrantConnection = connectionOf('CreditGrant', () => CreditGrantType);

@ObjectType('CreditEntry', { description: 'What one account got in a transaction, or gave.' })
export class CreditEntryType {
  @Field(() => String, {
    description: 'The account: issued, used, expired, transferred, or grant: and the id of a grant.',
  })
  account!: string;

  @Field(() => String, UNIT)
  unit!: string;

  @Field(() => DecimalScalar, { description: 'What the account got; below 0 for what it gave.' })
  amount!: string;

  @Field(() => DecimalScalar, {
    nullable: true,
    description:
      'Of a grant in a burn: what that pays of what was used, in its currency; in a reversal below 0. Null otherwise.',
  })
  pays!: string | null;

  static from({ account, unit, amount, pays }: EntryRead): CreditEntryType {
    return Object.assign(new CreditEntryType(), {
      account,
      unit,
      amount: formatDecimal(amount),
      pays: pays && formatDecimal(pays),
    });
  }
}

@ObjectType('CreditTransaction', {
  implements: Node,
  description: 'A movement of credits between accounts. Its entries sum to 0 in each unit, and it never changes.',
})
export class CreditTransactionType extends Node {
  @Field(() => CreditTransactionKindEnum, { description: 'What moved them.' })
  kind!: CreditTransactionKindEnum;

  @Field(() => Date, { description: 'When what it tells of happened.' })
  at!: Date;

  @Field(() => String, { description: 'What caused it: one cause is one transaction of its kind.' })
  reference!: string;

  @Field(() => String, {
    nullable: true,
    description: 'Why, in the words of whoever did it; null when nothing was said.',
  })
  reason!: string | null;

  @Field(() => MoneyType, {
    nullable: true,
    description:
      'Of a burn: what was to be paid, of which its entries say what credits paid; of a reversal: what was given back. Null otherwise.',
  })
  asked!: MoneyType | null;

  @Field(() => ID, { nullable: true, description: 'Of a reversal: the burn. Null otherwise.' })
  reverses!: string | null;

  @Field(() => [CreditEntryType], { description: 'At most 2 for each grant that it moved.' })
  entries!: CreditEntryType[];

  @Field(() => Date, { description: 'When it was written.' })
  createdAt!: Date;

  static from({ transaction, entries }: TransactionRead): CreditTransactionType {
    const { asked, currency } = transaction;

    return Object.assign(new CreditTransactionType(), {
      id: transaction.id,
      kind: CreditTransactionKindEnum[transaction.kind],
      at: transaction.at,
      reference: transaction.reference,
      reason: transaction.reason ?? null,
      asked: asked && currency ? MoneyType.of(asked, currency) : null,
      reverses: transaction.ofId ?? null,
      entries: entries.map(CreditEntryType.from),
      createdAt: transaction.createdAt,
    });
  }
}

export const CreditTransactionConnection = connectionOf('CreditTransaction', () => CreditTransactionType);

@ObjectType('CreditExpiry', { description: 'Credits that expire together.' })
export class CreditExpiryType {
  @Field(() => DecimalScalar, { description: 'How many.' })
  amount!: string;

  @Field(() => Date, { description: 'When.' })
  at!: Date;
}

@ObjectType('CreditRecharge', { description: 'When to tell that credits run low. Nobody is charged by it.' })
export class CreditRechargeType {
  @Field(() => DecimalScalar, { description: 'The message credits.low is sent when less than this is available.' })
  below!: string;

  @Field(() => DecimalScalar, { description: 'How many are to be added then, as the message says.' })
  amount!: string;

  @Field(() => Boolean, { description: 'Whether that was told, and not enough has been there since.' })
  isLow!: boolean;
}

@ObjectType('CreditBalance', { description: 'What a tenant has of credits of one unit.' })
export class CreditBalanceType {
  @Field(() => String, UNIT)
  unit!: string;

  @Field(() => DecimalScalar, {
    description: 'Effective by now, and not expired. Some of it may be for certain meters or models only.',
  })
  available!: string;

  @Field(() => DecimalScalar, { description: 'Granted, and effective later.' })
  upcoming!: string;

  @Field(() => CreditExpiryType, { nullable: true, description: 'What of it expires next; null when nothing does.' })
  nextExpiry!: CreditExpiryType | null;

  @Field(() => CreditRechargeType, { nullable: true, description: 'When to tell that it runs low; null for never.' })
  recharge!: CreditRechargeType | null;

  static from({ unit, available, upcoming, nextExpiry, recharge }: CreditBalance): CreditBalanceType {
    return Object.assign(new CreditBalanceType(), {
      unit,
      available: formatDecimal(available),
      upcoming: formatDecimal(upcoming),
      nextExpiry:
        nextExpiry &&
        Object.assign(new CreditExpiryType(), { amount: formatDecimal(nextExpiry.amount), at: nextExpiry.at }),
      recharge:
        recharge &&
        Object.assign(new CreditRechargeType(), {
          below: formatDecimal(recharge.below),
          amount: formatDecimal(recharge.amount),
          isLow: recharge.isLow,
        }),
    });
  }
}

@ObjectType('CreditPrepaid', { description: 'Whether the calls of a tenant are paid in advance.' })
export class CreditPrepaidType {
  @Field(() => Boolean, { description: 'Whether they go ahead only as far as its credits reach.' })
  isPrepaid!: boolean;

  @Field(() => Date, { nullable: true, description: 'When that was said; null when it never was.' })
  setAt!: Date | null;

  static from({ isPrepaid, setAt }: StoredPrepaid): CreditPrepaidType {
    return Object.assign(new CreditPrepaidType(), { isPrepaid, setAt });
  }
}

export const CreditBalanceConnection = connectionOf('CreditBalance', () => CreditBalanceType);

import { Field, ID, Int, ObjectType } from 'type-graphql';
import { decimal } from '../money/index.js';
import { connectionOf, MoneyType, Node } from '../platform/index.js';
import type { ReceiptRow } from './outcome-receipt.queries.js';

@ObjectType('OutcomeReceipt', {
  implements: Node,
  description:
    'What one outcome has in one charge of an issued invoice; never changed. Those of a charge sum to its exact amount.',
})
export class OutcomeReceiptType extends Node {
  @Field(() => ID, { description: 'The invoice.' })
  invoiceId!: string;

  @Field(() => ID, { description: 'The charge, which is a line of the invoice.' })
  chargeId!: string;

  @Field(() => Int, { description: 'Its place among the receipts of the charge, from 1.' })
  position!: number;

  @Field(() => ID, {
    nullable: true,
    description: 'The outcome; null for what a line holds beside outcomes: a true-up, what a sample audit takes off.',
  })
  outcomeId!: string | null;

  @Field(() => MoneyType, {
    description: 'The exact amount, not rounded; negative where it takes back what an earlier receipt said.',
  })
  amount!: MoneyType;

  @Field(() => String, {
    description:
      'Canonical JSON of all that it says: rule, version, verdict, facts, price, agents, links, and the hash of the receipt before it.',
  })
  body!: string;

  @Field(() => String, { description: 'SHA-256, in hex, of `body`.' })
  hash!: string;

  @Field(() => Date, { description: 'When its invoice was issued.' })
  sealedAt!: Date;

  tenantId!: string;

  /** The version of the rule that its charge was priced by. */
  versionId!: string;

  static from(row: ReceiptRow): OutcomeReceiptType {
    const { currency, versionId } = JSON.parse(row.body) as { readonly currency: string; readonly versionId: string };

    return Object.assign(new OutcomeReceiptType(), {
      ...row,
      versionId,
      amount: MoneyType.of(decimal(row.amount), currency),
    });
  }
}

export const OutcomeReceiptConnection = connectionOf('OutcomeReceipt', () => OutcomeReceiptType);

import { Field, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import {
  connectionOf,
  DecimalScalar,
  IDEMPOTENCY_KEY,
  MoneyType,
  Node,
  TENANT_ID,
  OncePayload,
} from '../platform/index.js';
import { formatDecimal } from '../money/index.js';
import type { Invoice } from './invoice.entity.js';
import type { Line } from './invoice.rules.js';

export enum InvoiceStatusEnum {
  DRAFT = 'DRAFT',
  ISSUED = 'ISSUED',
}
registerEnumType(InvoiceStatusEnum, {
  name: 'InvoiceStatus',
  description: 'Where an invoice is in its life. More states will come.',
  valuesConfig: {
    DRAFT: { description: 'Follows the charges as they are rated.' },
    ISSUED: { description: 'Numbered, hashed, and never changed.' },
  },
});

@ObjectType('InvoiceLine', { description: 'One charge, rounded once.' })
export class InvoiceLineType {
  @Field(() => Int, { description: 'Counted from 1.' })
  position!: number;

  @Field(() => ID, { description: 'The charge behind it, with its explanation.' })
  chargeId!: string;

  @Field(() => String, { description: 'What it is for.' })
  description!: string;

  @Field(() => DecimalScalar, { description: 'Units.' })
  quantity!: string;

  @Field(() => MoneyType, { description: 'The exact amount before rounding.' })
  exactAmount!: MoneyType;

  @Field(() => MoneyType, { description: 'The amount, rounded half-even to the minor unit of the currency.' })
  amount!: MoneyType;

  @Field(() => Date, { description: 'The service period begins here …' })
  serviceStart!: Date;

  @Field(() => Date, { description: '… and ends before here.' })
  serviceEnd!: Date;

  @Field(() => Boolean, { description: 'Whether it adjusts a period that was invoiced before.' })
  isAdjustment!: boolean;

  static from(line: Line, index: number, currency: string): InvoiceLineType {
    return Object.assign(new InvoiceLineType(), {
      position: index + 1,
      chargeId: line.chargeId,
      description: line.description,
      quantity: formatDecimal(line.quantity),
      exactAmount: MoneyType.of(line.exactAmount, currency),
      amount: MoneyType.of(line.amount, currency),
      serviceStart: line.serviceStart,
      serviceEnd: line.serviceEnd,
      isAdjustment: line.isAdjustment,
    });
  }
}

export const InvoiceLineConnection = connectionOf('InvoiceLine', () => InvoiceLineType);

@ObjectType('Invoice', { implements: Node, description: 'What a tenant owes for one period of one contract.' })
export class InvoiceType extends Node {
  @Field(() => ID, { description: 'The tenant that owes it.' })
  tenantId!: string;

  @Field(() => ID, { description: 'The tenant that issues it.' })
  issuerId!: string;

  @Field(() => ID, { description: 'The contract it is for.' })
  contractId!: string;

  @Field(() => InvoiceStatusEnum, { description: 'Where it is in its life.' })
  status!: InvoiceStatusEnum;

  @Field(() => String, { nullable: true, description: "The issuer's number, without gaps; null in a draft." })
  number!: string | null;

  @Field(() => String, { description: 'ISO 4217 code.' })
  currency!: string;

  @Field(() => Date, { description: 'The billing period begins here …' })
  periodStart!: Date;

  @Field(() => Date, { description: '… and ends before here.' })
  periodEnd!: Date;

  @Field(() => Date, { description: 'When a draft issues itself.' })
  dueAt!: Date;

  @Field(() => Date, { nullable: true, description: 'When it was issued.' })
  issuedAt!: Date | null;

  @Field(() => String, { nullable: true, description: 'SHA-256, in hex, of `document`; null in a draft.' })
  documentHash!: string | null;

  static from(invoice: Invoice): InvoiceType {
    return Object.assign(new InvoiceType(), {
      id: invoice.id,
      tenantId: invoice.tenantId,
      issuerId: invoice.issuerId,
      contractId: invoice.contractId,
      status: InvoiceStatusEnum[invoice.status],
      number: invoice.number ?? null,
      currency: invoice.currency,
      periodStart: invoice.periodStart,
      periodEnd: invoice.periodEnd,
      dueAt: invoice.dueAt,
      issuedAt: invoice.issuedAt ?? null,
      documentHash: invoice.documentHash ?? null,
    });
  }
}

export const InvoiceConnection = connectionOf('Invoice', () => InvoiceType);

@InputType({ description: 'A draft to issue.' })
export class InvoiceIssueInput {
  @Field(() => String, IDEMPOTENCY_KEY)
  idempotencyKey!: string;

  @Field(() => ID, TENANT_ID)
  tenantId?: string | null;

  @Field(() => ID, { description: 'The draft; its period has ended.' })
  invoiceId!: string;

  @Field(() => Boolean, {
    defaultValue: false,
    description: 'Issue although usage of the period has no price; it is billed later, once it has.',
  })
  acceptUnpriced!: boolean;
}

@ObjectType({ description: 'The answer of invoiceIssue.' })
export class InvoiceIssuePayload extends OncePayload {
  @Field(() => InvoiceType, { nullable: true, description: 'The invoice; null when refused.' })
  invoice?: InvoiceType | null;
}

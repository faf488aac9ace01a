import { registerEnumType } from 'type-graphql';

/** Whether somebody paid for credits. */
export enum CreditKindEnum {
  PAID = 'PAID',
  PROMOTIONAL = 'PROMOTIONAL',
}
registerEnumType(CreditKindEnum, {
  name: 'CreditKind',
  description: 'Whether somebody paid for credits.',
  valuesConfig: {
    PAID: { description: 'Bought in advance: what is unused can be refunded.' },
    PROMOTIONAL: { description: 'Given away: what is unused can be voided.' },
  },
});

/** What moved credits. */
export enum CreditTransactionKindEnum {
  GRANT = 'GRANT',
  BURN = 'BURN',
  REVERSAL = 'REVERSAL',
  REFUND = 'REFUND',
  VOID = 'VOID',
  EXPIRE = 'EXPIRE',
  TRANSFER_OUT = 'TRANSFER_OUT',
  TRANSFER_IN = 'TRANSFER_IN',
}
registerEnumType(CreditTransactionKindEnum, {
  name: 'CreditTransactionKind',
  description: 'What moved credits.',
  valuesConfig: {
    GRANT: { description: 'They were granted.' },
    BURN: { description: 'They paid for usage.' },
    REVERSAL: { description: 'A burn gave them back to the grants they came from.' },
    REFUND: { description: 'Unused credits of a paid grant were taken off.' },
    VOID: { description: 'Unused credits of a promotional grant were taken off.' },
    EXPIRE: { description: 'They were left when their grant expired.' },
    TRANSFER_OUT: { description: 'They went to another tenant.' },
    TRANSFER_IN: { description: 'They came from another tenant.' },
  },
});

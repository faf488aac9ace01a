import { DateTime } from 'luxon';
import { formatDecimal, roundMoney, sum, type Decimal } from '../money/index.js';

/** A charge that is to be a line. */
export interface BillableCharge {
  readonly id: string;
  readonly priceName: string;
  readonly quantity: Decimal;
  readonly amount: Decimal;
  readonly periodStart: Date;
  readonly periodEnd: Date;
  readonly generation: number;
}

export interface Line {
  readonly chargeId: string;
  readonly description: string;
  readonly quantity: Decimal;
  readonly exactAmount: Decimal;
  /** Rounded half-even to the currency's minor unit: the one rounding there is. */
  readonly amount: Decimal;
  readonly serviceStart: Date;
  readonly serviceEnd: Date;
  readonly isAdjustment: boolean;
}

/**
 * The lines of an invoice, in the order they are printed: the invoice's own period first, adjustments of earlier ones
 * after it, named by the month of the customer's zone that they adjust. A charge that comes to nothing at all is no line.
 */
export function linesOf(
  charges: readonly BillableCharge[],
  {
    currency,
    periodStart,
    timeZone,
  }: { readonly currency: string; readonly periodStart: Date; readonly timeZone: string },
): Line[] {
  return charges
    .filter(charge => !charge.amount.isZero() || !charge.quantity.isZero())
    .map(charge => {
      const isAdjustment = charge.generation > 0 || charge.periodStart < periodStart;

      return {
        chargeId: charge.id,
        description: isAdjustment
          ? `${monthText(charge.periodStart, timeZone)} adjustment: ${charge.priceName}`
          : charge.priceName,
        quantity: charge.quantity,
        exactAmount: charge.amount,
        amount: roundMoney(charge.amount, currency),
        serviceStart: charge.periodStart,
        serviceEnd: charge.periodEnd,
        isAdjustment,
      };
    })
    .sort(
      (a, b) =>
        Number(a.isAdjustment) - Number(b.isAdjustment) ||
        a.serviceStart.getTime() - b.serviceStart.getTime() ||
        (a.description < b.description ? -1 : a.description > b.description ? 1 : 0) ||
        (a.chargeId < b.chargeId ? -1 : 1),
    );
}

/** The month of an instant in a zone, such as `Nov 2026`; the same in every locale of the machine. */
function monthText(at: Date, timeZone: string): string {
  return DateTime.fromJSDate(at, { zone: timeZone }).setLocale('en').toFormat('LLL yyyy');
}

/** Sums lines that are already rounded: a total never disagrees with what is printed above it. */
export function totalOf(lines: readonly Line[]): Decimal {
  return sum(lines.map(line => line.amount));
}

/** The number people see: `INV-` and at least six digits, counted per issuer without a gap. */
export function numberText(number: bigint): string {
  return `INV-${number.toString().padStart(6, '0')}`;
}

/** What holds the receipts of a charge for outcomes together. */
export interface ReceiptsSeal {
  readonly chargeId: string;
  readonly receipts: number;
  /** Their exact sum. */
  readonly amount: Decimal;
  /** SHA-256, in hex, over their hashes in order, joined by line breaks. */
  readonly hash: string;
}

/** A seal as the audit log names it. */
export function sealJson({ chargeId, receipts, amount, hash }: ReceiptsSeal): object {
  return { chargeId, receipts, amount: formatDecimal(amount), hash };
}

/**
 * What is hashed and kept for ever: everything that the invoice says, with decimal strings and ISO instants; of a line for
 * outcomes also how many receipts it has, and the hash of their seal.
 */
export function documentOf(invoice: {
  readonly id: string;
  readonly number: string;
  readonly issuer: { readonly id: string; readonly name: string };
  readonly customer: { readonly id: string; readonly name: string };
  readonly currency: string;
  readonly periodStart: Date;
  readonly periodEnd: Date;
  readonly issuedAt: Date;
  readonly lines: readonly Line[];
  readonly seals: readonly ReceiptsSeal[];
}): object {
  const seals = new Map(invoice.seals.map(seal => [seal.chargeId, seal]));

  return {
    id: invoice.id,
    number: invoice.number,
    issuer: invoice.issuer,
    customer: invoice.customer,
    currency: invoice.currency,
    period: { start: invoice.periodStart.toISOString(), end: invoice.periodEnd.toISOString() },
    issuedAt: invoice.issuedAt.toISOString(),
    lines: invoice.lines.map((line, index) => ({
      position: index + 1,
      chargeId: line.chargeId,
      description: line.description,
      quantity: formatDecimal(line.quantity),
      exactAmount: formatDecimal(line.exactAmount),
      amount: formatDecimal(line.amount),
      service: { start: line.serviceStart.toISOString(), end: line.serviceEnd.toISOString() },
      isAdjustment: line.isAdjustment,
      ...sealed(seals.get(line.chargeId)),
    })),
    total: formatDecimal(totalOf(invoice.lines)),
  };
}

function sealed(seal: ReceiptsSeal | undefined): object {
  return seal ? { receipts: seal.receipts, receiptsHash: seal.hash } : {};
}

/** Why a draft cannot be issued yet, or null. */
export function refuseIssue(
  invoice: { readonly periodEnd: Date },
  now: Date,
  unpriced: number,
  acceptUnpriced: boolean,
): { readonly code: 'PERIOD_OPEN' | 'UNPRICED_USAGE'; readonly message: string } | null {
  if (invoice.periodEnd > now) {
    return { code: 'PERIOD_OPEN', message: `its period ends at ${invoice.periodEnd.toISOString()}` };
  }

  return unpriced > 0 && !acceptUnpriced
    ? {
        code: 'UNPRICED_USAGE',
        message: `${unpriced} combinations of meter and dimensions in its period have no price; price them, or issue with acceptUnpriced`,
      }
    : null;
}

/** When a draft issues itself: a grace after its period, and never sooner than that after the draft was made. */
export function dueAt(periodEnd: Date, createdAt: Date, graceHours: number): Date {
  const from = periodEnd > createdAt ? periodEnd : createdAt;

  return new Date(from.getTime() + graceHours * 3_600_000);
}

import { type BillableCharge, linesOf } from '../invoicing/invoice.rules.js';
import { compare, sum, ZERO, type Decimal } from '../money/index.js';
import { type PriceWindow, type PriceWindowJson, priceWindowJson, windowKey } from '../pricing/window.rules.js';

/** What stays the same when a price is written anew in another version: by this, old and new are set against each other. */
export interface ComparedPrice {
  readonly name: string;
  /** Null for what is no price of a meter, such as a discount. */
  readonly meterId: string | null;
  readonly pattern: Readonly<Record<string, string>>;
  readonly window: PriceWindow | null;
}

/** A charge that was made, or would be, with its price. */
export type ComparedCharge = BillableCharge & { readonly price: ComparedPrice };

/** A line as an invoice prints it, with its price. */
export interface ComparedLine {
  readonly price: ComparedPrice;
  readonly quantity: Decimal;
  readonly exactAmount: Decimal;
  /** Rounded, as lines of invoices are. */
  readonly amount: Decimal;
}

/** What the lines of one price come to. */
export type Side = Omit<ComparedLine, 'price'>;

/** One price, before and after. */
export interface ComparedItem {
  readonly price: ComparedPrice;
  readonly old: Side;
  readonly new: Side;
}

/** The lines that charges of one period are on an invoice: each rounded once, and none for a charge that comes to nothing. */
export function comparedLines(
  charges: readonly ComparedCharge[],
  currency: string,
  periodStart: Date,
): readonly ComparedLine[] {
  const prices = new Map(charges.map(({ id, price }) => [id, price]));

  // What a line is called is not compared, so whose months they are does not matter.
  return linesOf(charges, { currency, periodStart, timeZone: 'UTC' }).flatMap(
    ({ chargeId, quantity, exactAmount, amount }) => {
      const price = prices.get(chargeId);

      return price ? [{ price, quantity, exactAmount, amount }] : [];
    },
  );
}

/** Old and new lines by price, the one whose rounded amount changes most first. A side without lines is zero. */
export function comparedItems(before: readonly ComparedLine[], after: readonly ComparedLine[]): ComparedItem[] {
  const sides = [before, after].map(lines => Map.groupBy(lines, ({ price }) => keyOf(price)));
  const prices = new Map([...before, ...after].map(({ price }) => [keyOf(price), price]));

  return [...prices]
    .map(([key, price]) => ({ key, price, old: sideOf(sides[0]?.get(key)), new: sideOf(sides[1]?.get(key)) }))
    .sort((a, b) => compare(changeOf(b).abs(), changeOf(a).abs()) || (a.key < b.key ? -1 : 1))
    .map(({ key: _key, ...item }) => item);
}

/** How much more the new side comes to, rounded. */
export function changeOf(item: Pick<ComparedItem, 'old' | 'new'>): Decimal {
  return item.new.amount.minus(item.old.amount);
}

/** What lines come to: for a tenant as for one of its prices. */
export function sideOf(lines: readonly Side[] = []): Side {
  return lines.length === 0
    ? { quantity: ZERO, exactAmount: ZERO, amount: ZERO }
    : {
        quantity: sum(lines.map(line => line.quantity)),
        exactAmount: sum(lines.map(line => line.exactAmount)),
        amount: sum(lines.map(line => line.amount)),
      };
}

/** The window of a price as jsonb stores it. */
export function windowJsonOf({ window }: ComparedPrice): PriceWindowJson | null {
  return window && priceWindowJson(window);
}

/** By name first, so that prices with one change stand in the order of their names. */
function keyOf({ name, meterId, pattern, window }: ComparedPrice): string {
  const entries = Object.entries(pattern).sort(([a], [b]) => (a < b ? -1 : 1));

  return JSON.stringify([name, meterId, entries, window && windowKey(window)]);
}

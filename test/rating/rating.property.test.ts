import fc from 'fast-check';
import { decimal, divide, formatDecimal, maxOf, ONE, ZERO, type Decimal } from '../../src/money/index.js';
import type { PriceTermsJson } from '../../src/pricing/price.rules.js';
import { rate as priceOf, rateBetween } from '../../src/pricing/rate.rules.js';
import { aContract, aMeter, aPriceBook, aTenant, aVersion, rate } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aProduct, type Product } from '../support/product.js';
import { terms } from './period.js';

const AGGREGATIONS = ['SUM', 'COUNT', 'MAX', 'LATEST', 'UNIQUE_COUNT'] as const;
type Aggregation = (typeof AGGREGATIONS)[number];

/** When the second version takes effect; both months are October and November in UTC. */
const CUT = Date.UTC(2026, 9, 17, 6, 30);
const MONTHS = [Date.UTC(2026, 9, 1), Date.UTC(2026, 10, 1), Date.UTC(2026, 11, 1)] as const;
const PRICES: Readonly<Record<Aggregation, readonly [old: PriceTermsJson, fresh: PriceTermsJson]>> = {
  SUM: [
    {
      model: 'GRADUATED',
      tiers: [
        { upTo: '40', unitAmount: '0.37', per: '3', flatAmount: '2' },
        { upTo: null, unitAmount: '0.11', flatAmount: '0.5' },
      ],
    },
    {
      model: 'VOLUME',
      per: '1000',
      tiers: [
        { upTo: '60', unitAmount: '2.345678901234' },
        { upTo: null, unitAmount: '1.1', flatAmount: '3' },
      ],
    },
  ],
  COUNT: [
    { model: 'PACKAGE', packageAmount: '0.7', packageSize: '3', freeUnits: '2' },
    { model: 'UNIT', unitAmount: '0.05', minimum: '0.4' },
  ],
  MAX: [
    { model: 'UNIT', unitAmount: '3', per: '7' },
    { model: 'UNIT', unitAmount: '4', per: '7' },
  ],
  LATEST: [
    { model: 'UNIT', unitAmount: '1.25' },
    { model: 'UNIT', unitAmount: '1.5' },
  ],
  UNIQUE_COUNT: [
    { model: 'FLAT', flatAmount: '5' },
    { model: 'UNIT', unitAmount: '2' },
  ],
};

interface Event {
  readonly id: string;
  readonly time: number;
  readonly value: string;
  readonly user: string;
  readonly model: string;
}

const event: fc.Arbitrary<Omit<Event, 'id'>> = fc.record({
  // A handful of quarter hours and the edges, so that buckets are shared and cut.
  time: fc.oneof(
    fc.constantFrom(CUT - 1, CUT, MONTHS[1] - 1, MONTHS[1], MONTHS[0]),
    fc.tuple(fc.nat(8), fc.nat(899_999)).map(([slot, ms]) => MONTHS[0] + slot * 7 * 86_400_000 + ms),
  ),
  value: fc.integer({ min: 0, max: 3_000 }).map(n => formatDecimal(decimal(n).div(64))),
  user: fc.constantFrom('ada', 'bob', 'cyd', 'dan'),
  model: fc.constantFrom('a', 'b'),
});

/** The aggregate of events up to an instant, in one pass over all that there is. */
function aggregate(events: readonly Event[], aggregation: Aggregation): Decimal {
  switch (aggregation) {
    case 'SUM':
      return events.reduce((total, { value }) => total.plus(decimal(value)), ZERO);

    case 'COUNT':
      return decimal(events.length);

    case 'MAX':
      return events.reduce((most, { value }) => maxOf(most, decimal(value)), ZERO);

    case 'LATEST': {
      const last = events.toSorted((a, b) => a.time - b.time || (a.id < b.id ? -1 : 1)).at(-1);

      return last ? decimal(last.value) : ZERO;
    }

    case 'UNIQUE_COUNT':
      return decimal(new Set(events.map(({ user }) => user)).size);

    default:
      return aggregation satisfies never;
  }
}

/**
 * What has to be charged, as one computation over all events: period, version → quantity and amount. Both months are over,
 * so minimums hold for a month as a whole; what is due at zero quantity is asked for by the first version that has any.
 */
function oracle(events: readonly Event[], aggregation: Aggregation): string[] {
  const due: string[] = [];
  const [one, two] = PRICES[aggregation];

  for (const [start, end] of [
    [MONTHS[0], MONTHS[1]],
    [MONTHS[1], MONTHS[2]],
  ] as const) {
    const cuts = start < CUT && CUT < end ? [start, CUT, end] : [start, end];

    const lastIndex = cuts.length - 2;
    let hasBegun = false;
    let [free, bound] = [ZERO, ZERO];

    for (const [index, until] of cuts.slice(1).entries()) {
      const from = cuts[index] ?? start;
      const running = (upTo: number): Decimal =>
        ['a', 'b'].reduce(
          (total, name) =>
            total.plus(
              aggregate(
                events.filter(({ time, model: used }) => used === name && time >= start && time < upTo),
                aggregation,
              ),
            ),
          ZERO,
        );
      const price = terms(from < CUT ? one : two);
      const bare = { ...price, minimum: null, maximum: null };
      const isLast = index === lastIndex;
      // The latest value is priced whole, by the version that holds last.
      const isLatest = aggregation === 'LATEST';
      const before = isLatest ? ZERO : running(from);
      const after = isLatest && !isLast ? ZERO : running(until);
      const part = rateBetween(bare, { quantity: before }, { quantity: after });
      let steps = part.steps.map(step => step.amount);

      if (bare.pricing.model === 'VOLUME' && !before.isZero()) {
        // The tier that the month reaches prices the units of this part; its flat amount comes once, with the last.
        const [tier] = priceOf(bare, { quantity: running(end) }).steps;
        const { amount = ZERO, per = ONE } = tier?.unitAmount ?? {};
        steps = [divide(after.minus(before).times(amount), per).plus(isLast ? (tier?.flat ?? ZERO) : ZERO)];
      } else if (!hasBegun && (!isLatest || isLast)) {
        const whole = before.isZero() ? priceOf(bare, { quantity: after }) : part;
        const base = priceOf(bare, { quantity: ZERO }).amount;
        steps = whole.steps.map(step => step.amount);
        hasBegun = !base.isZero();
        expect(before.isZero() || base.isZero()).toBe(true);
      }

      const asked = steps.reduce((total, amount) => total.plus(amount), ZERO);
      free = free.plus(asked);
      const within = isLast && price.minimum && free.lt(price.minimum) ? price.minimum : free;
      const amount = within.minus(bound);
      bound = within;

      if (!amount.eq(asked)) {
        steps = [...steps, amount.minus(asked)];
      }

      const hasUsage = events.some(({ time }) => time >= start && time < end);

      if (!before.eq(after) || (hasUsage && !amount.isZero())) {
        const version = from < CUT ? 'Old' : 'New';
        due.push(
          JSON.stringify([
            new Date(start).toISOString(),
            version,
            formatDecimal(after.minus(before)),
            formatDecimal(amount),
            formatDecimal(before),
            formatDecimal(after),
            steps.map(formatDecimal),
          ]),
        );
      }
    }
  }

  return due.toSorted();
}

describe('rating, whatever the order, the batches, the repeats and the moments', () => {
  let product: Product;
  const books = new Map<Aggregation, string>();

  beforeAll(async () => {
    product = await aProduct({ now: new Date('2026-12-05T12:00:00Z') });

    for (const aggregation of AGGREGATIONS) {
      const meterId = await aMeter(product, {
        eventType: `prop.${aggregation}`,
        aggregation,
        valueProperty: aggregation === 'COUNT' ? null : aggregation === 'UNIQUE_COUNT' ? 'user' : 'value',
      });
      const [one, two] = PRICES[aggregation];
      const { bookId } = await aPriceBook(product, { prices: [{ meterId, name: 'Old', terms: one }] });
      await aVersion(product, {
        bookId,
        prices: [{ meterId, name: 'New', terms: two }],
        effectiveAt: new Date(CUT),
      });
      books.set(aggregation, bookId);
    }
  });

  afterAll(() => product.close());

  test.each(AGGREGATIONS)(
    'charges of %s equal one computation over all events, to the last digit',
    async aggregation => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(event, { minLength: 1, maxLength: 30 }),
          fc.array(fc.record({ at: fc.nat(1_000), repeat: fc.nat(2), rates: fc.boolean(), cuts: fc.boolean() }), {
            minLength: 40,
            maxLength: 40,
          }),
          async (drawn, plan) => {
            const events = drawn.map((given, index) => ({ ...given, id: `e${String(index).padStart(3, '0')}` }));
            const tenantId = await aTenant(product);
            await aContract(product, { buyerId: tenantId, bookId: books.get(aggregation) ?? '' });
            // Shuffled, some sent again, cut into batches, with ratings in between.
            const sent = events
              .flatMap((given, index) =>
                Array.from({ length: 1 + (plan[index]?.repeat ?? 0) }, (_, again) => ({
                  given,
                  place: ((plan[index]?.at ?? 0) * (again + 7)) % 997,
                })),
              )
              .toSorted((a, b) => a.place - b.place);
            let batch: object[] = [];
            let accepted = 0;
            const flush = async (): Promise<void> => {
              const receipt = await product.app.services.usage.accept(product.scope(tenantId), batch, {
                keyId: 'test',
                isDryRun: false,
              });
              expect([receipt.conflicts, receipt.rejected]).toEqual([[], []]);
              accepted += receipt.accepted;
              batch = [];
            };

            for (const [index, { given }] of sent.entries()) {
              batch.push({
                id: given.id,
                type: `prop.${aggregation}`,
                time: new Date(given.time).toISOString(),
                properties: { value: given.value, user: given.user, model: given.model },
              });

              if (plan[index % plan.length]?.cuts) {
                await flush();

                if (plan[index % plan.length]?.rates) {
                  await rate(product, tenantId);
                }
              }
            }

            await flush();
            await rate(product, tenantId);
            expect(accepted).toBe(events.length);
            const found = await asSuperuser<{
              start: Date;
              name: string;
              quantity: string;
              amount: string;
              explanation: { quantityFrom: string; quantityTo: string; steps: { amount: string }[] };
            }>(
              product.database,
              `select period_start as start, price_name as name, trim_scale(quantity)::text as quantity,
                 trim_scale(amount)::text as amount, explanation
               from charge where tenant_id = $1 and (quantity <> 0 or amount <> 0)`,
              [tenantId],
            );
            expect(
              found
                .map(({ start, name, quantity, amount, explanation }) =>
                  JSON.stringify([
                    start.toISOString(),
                    name,
                    quantity,
                    amount,
                    explanation.quantityFrom,
                    explanation.quantityTo,
                    explanation.steps.map(step => step.amount),
                  ]),
                )
                .toSorted(),
            ).toEqual(oracle(events, aggregation));
          },
        ),
        { numRuns: 8 },
      );
    },
  );
});

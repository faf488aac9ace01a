import fc from 'fast-check';
import { decimal, formatDecimal, maxOf, ZERO, type Decimal } from '../../src/money/index.js';
import { readPricingModel, type PricingModel } from '../../src/pricing/price.rules.js';
import { rateBetween } from '../../src/pricing/rate.rules.js';
import { aContract, aMeter, aPriceBook, aTenant, aVersion, rate } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aProduct, type Product } from '../support/product.js';

const AGGREGATIONS = ['SUM', 'COUNT', 'MAX', 'LATEST', 'UNIQUE_COUNT'] as const;
type Aggregation = (typeof AGGREGATIONS)[number];

/** When the second version takes effect; both months are October and November in UTC. */
const CUT = Date.UTC(2026, 9, 17, 6, 30);
const MONTHS = [Date.UTC(2026, 9, 1), Date.UTC(2026, 10, 1), Date.UTC(2026, 11, 1)] as const;
const PRICES: Readonly<Record<Aggregation, readonly [unknown, unknown]>> = {
  SUM: [
    {
      kind: 'GRADUATED',
      tiers: [
        { upTo: '40', rate: { amount: '0.37', per: '3' } },
        { upTo: null, rate: { amount: '0.11', per: '1' }, flat: '0.5' },
      ],
    },
    {
      kind: 'VOLUME',
      tiers: [
        { upTo: '60', rate: { amount: '2.345678901234', per: '1000' } },
        { upTo: null, rate: { amount: '1.1', per: '1000' }, flat: '3' },
      ],
    },
  ],
  COUNT: [
    { kind: 'PACKAGE', amount: '0.7', size: '3', free: '2' },
    { kind: 'PER_UNIT', rate: { amount: '0.05', per: '1' } },
  ],
  MAX: [
    { kind: 'PER_UNIT', rate: { amount: '3', per: '7' } },
    { kind: 'PER_UNIT', rate: { amount: '4', per: '7' } },
  ],
  LATEST: [
    { kind: 'PER_UNIT', rate: { amount: '1.25', per: '1' } },
    { kind: 'PER_UNIT', rate: { amount: '1.5', per: '1' } },
  ],
  UNIQUE_COUNT: [
    { kind: 'FLAT', amount: '5' },
    { kind: 'PER_UNIT', rate: { amount: '2', per: '1' } },
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

function model(json: unknown): PricingModel {
  const read = readPricingModel(json);

  if ('refusals' in read) {
    throw new Error(JSON.stringify(read.refusals));
  }

  return read.model;
}

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

/** What has to be charged, as one computation over all events: period, version → quantity and amount. */
function oracle(events: readonly Event[], aggregation: Aggregation): string[] {
  const due: string[] = [];
  const [one, two] = PRICES[aggregation];

  for (const [start, end] of [
    [MONTHS[0], MONTHS[1]],
    [MONTHS[1], MONTHS[2]],
  ] as const) {
    const cuts = start < CUT && CUT < end ? [start, CUT, end] : [start, end];

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
      const [before, after] = [running(from), running(until)];

      if (!before.eq(after)) {
        const version = from < CUT ? 'Old' : 'New';
        const { amount, steps } = rateBetween(model(from < CUT ? one : two), before, after);
        due.push(
          JSON.stringify([
            new Date(start).toISOString(),
            version,
            formatDecimal(after.minus(before)),
            formatDecimal(amount),
            formatDecimal(before),
            formatDecimal(after),
            steps.map(step => formatDecimal(step.amount)),
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
      const { bookId } = await aPriceBook(product, { prices: [{ meterId, name: 'Old', model: one }] });
      await aVersion(product, {
        bookId,
        prices: [{ meterId, name: 'New', model: two }],
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

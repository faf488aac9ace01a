import fc from 'fast-check';
import { decimal, divide, formatDecimal, ZERO, type Decimal } from '../../src/money/index.js';
import { inTransaction } from '../../src/platform/index.js';
import { foldMeasures, levelsBefore, measureEvent, usageBySegment } from '../../src/usage/index.js';
import { anEvent, aTenant } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aProduct, type Product } from '../support/product.js';
import { accept, aMeterLike, bucketsOf } from './meters.js';

const NOW = new Date('2026-11-20T12:00:00Z');

describe('a meter of a level', () => {
  let product: Product;
  let meterId: string;

  beforeAll(async () => {
    product = await aProduct({ now: NOW });
    ({ meterId } = await aMeterLike(product, {
      eventType: 'seats.changed',
      aggregation: 'TIME_WEIGHTED',
      valueProperty: 'change',
      dimensions: [{ name: 'plan', property: 'plan' }],
    }));
    await aMeterLike(product, { eventType: 'plain', dimensions: [{ name: 'plan', property: 'plan' }] });
  });

  afterAll(() => product.close());

  const change = (time: string, by: unknown, plan?: string) =>
    anEvent({ type: 'seats.changed', time, properties: { change: by, ...(plan ? { plan } : {}) } });

  const segments = (tenantId: string, start: string, end: string, cuts: readonly string[] = []) =>
    inTransaction(product.scope(tenantId), tx =>
      usageBySegment(
        tx,
        new Date(start),
        new Date(end),
        cuts.map(cut => new Date(cut)),
        [meterId],
      ),
    );

  const levels = (tenantId: string, start: string) =>
    inTransaction(product.scope(tenantId), tx => levelsBefore(tx, new Date(start), [meterId]));

  /** The time-weighted average over [start, end) of the level under one combination of dimensions, as rating takes it. */
  async function average(tenantId: string, start: string, end: string, dimensions = '{}'): Promise<Decimal> {
    const [rows, before] = [await segments(tenantId, start, end), await levels(tenantId, start)];
    const length = decimal(Date.parse(end) - Date.parse(start));
    const integral = decimal(rows.find(row => row.dimensions === dimensions)?.integral ?? '0');
    const level = decimal(before.find(row => row.dimensions === dimensions)?.level ?? '0');

    return divide(level.times(length).plus(integral), length);
  }

  const touched = async (tenantId: string) =>
    (
      await asSuperuser<{ month: string; n: string }>(
        product.database,
        'select month::text, n::text from usage_touch where tenant_id = $1 order by month',
        [tenantId],
      )
    ).map(({ month, n }) => [month, n]);

  test('adds the changes of a quarter hour and what each comes to until it ends', async () => {
    const tenantId = await aTenant(product);
    expect(
      await accept(product, tenantId, [
        change('2026-11-10T10:00:00Z', 2),
        change('2026-11-10T10:05:00.001Z', '-0.5'),
        change('2026-11-10T10:14:59.999Z', -6),
        change('2026-11-10T10:15:00Z', 1),
        change('2026-11-10T10:00:00Z', 3, 'pro'),
      ]),
    ).toMatchObject({ accepted: 5, rejected: [] });
    expect(await bucketsOf(product, tenantId)).toEqual(
      [
        // 2 × 900,000 − 0.5 × 599,999 − 6 × 1
        ['2026-11-10T10:00:00.000Z', '{"plan":"pro"}', '3', '2700000', 1],
        ['2026-11-10T10:00:00.000Z', '{}', '-4.5', '1499994.5', 3],
        ['2026-11-10T10:15:00.000Z', '{}', '1', '900000', 1],
      ].map(([slot, dimensions, quantity, moment, events]) => ({
        meter: meterId,
        slot,
        dimensions,
        quantity,
        moment,
        events,
      })),
    );
  });

  test('comes to the weighted sums that a peer publishes', async () => {
    const [one, other] = [await aTenant(product), await aTenant(product)];
    const [start, end] = ['2023-08-01T00:00:00Z', '2023-09-01T00:00:00Z'];
    const changes: readonly (readonly [string, number])[] = [
      ['00:00', 2],
      ['01:00', 3],
      ['01:30', 1],
      ['02:00', -4],
      ['04:00', -2],
      ['05:00', 10],
      ['05:30', -10],
    ];
    await accept(
      product,
      one,
      changes.map(([time, by]) => change(`2023-08-01T${time}:00Z`, by)),
    );
    // 16.5 unit hours of 744.
    const exact = await average(one, start, end);
    expect(exact.eq(divide(decimal('16.5'), decimal('744')))).toBe(true);
    expect(exact.decimalPlaces(5).toString()).toBe('0.02218');
    await accept(product, other, [change(start, 3), change(start, 3)]);
    expect(formatDecimal(await average(other, start, end))).toBe('6');
  });

  test('stays across periods until it is changed, and ends with the change that ends it', async () => {
    const tenantId = await aTenant(product);
    await accept(product, tenantId, [
      change('2026-08-16T12:00:00Z', 4),
      change('2026-10-16T12:00:00Z', '-4'),
      change('2026-08-01T00:00:00Z', 1, 'pro'),
    ]);
    const of = async (start: string, end: string, dimensions?: string) =>
      formatDecimal(await average(tenantId, start, end, dimensions));
    // From noon of the 16th, half of August is left, and so it is of October.
    expect(await of('2026-08-01T00:00:00Z', '2026-09-01T00:00:00Z')).toBe('2');
    expect(await of('2026-09-01T00:00:00Z', '2026-10-01T00:00:00Z')).toBe('4');
    expect(await of('2026-10-01T00:00:00Z', '2026-11-01T00:00:00Z')).toBe('2');
    expect(await of('2026-11-01T00:00:00Z', '2026-12-01T00:00:00Z')).toBe('0');
    expect(await of('2026-11-01T00:00:00Z', '2026-12-01T00:00:00Z', '{"plan":"pro"}')).toBe('1');
    expect(await levels(tenantId, '2026-09-01T00:00:00Z')).toEqual([
      { meterId, dimensions: '{"plan":"pro"}', level: '1' },
      { meterId, dimensions: '{}', level: '4' },
    ]);
    // A level that came back to nothing is none.
    expect(await levels(tenantId, '2026-11-01T00:00:00Z')).toEqual([
      { meterId, dimensions: '{"plan":"pro"}', level: '1' },
    ]);
    expect(await levels(tenantId, '2026-08-01T00:00:00Z')).toEqual([]);
  });

  test('is integrated to the end of each segment that cuts make, and for no other meter', async () => {
    const tenantId = await aTenant(product);
    await accept(product, tenantId, [
      change('2026-11-10T10:07:30Z', 2),
      change('2026-11-10T23:00:00Z', 1),
      change('2026-11-11T00:00:00Z', -3),
      anEvent({ type: 'plain', time: '2026-11-10T10:00:00Z', properties: { value: 7 } }),
    ]);
    const rows = await segments(tenantId, '2026-11-01T00:00:00Z', '2026-12-01T00:00:00Z', [
      '2026-11-10T12:00:00Z',
      '2026-11-11T00:00:00Z',
    ]);
    expect(
      rows
        .filter(row => row.meterId === meterId)
        .map(({ segment, change: by, integral, sum }) => [segment, by, integral, sum]),
    ).toEqual([
      [0, '2', String(2 * (112.5 * 60_000)), '2'],
      [1, '1', String(3_600_000), '1'],
      [2, '-3', String(-3 * 20 * 86_400_000), '-3'],
    ]);
    expect(rows.filter(row => row.meterId !== meterId)).toMatchObject([
      { segment: 0, sum: '7', change: null, integral: null },
    ]);
    // Whoever asks for no levels gets none.
    const plain = await inTransaction(product.scope(tenantId), tx =>
      usageBySegment(tx, new Date('2026-11-01T00:00:00Z'), new Date('2026-12-01T00:00:00Z'), []),
    );
    expect(plain.every(row => row.change === null && row.integral === null)).toBe(true);
    expect(plain).toHaveLength(2);
  });

  test('has every month that a change reaches rated anew: its own, those up to now, and later ones with usage', async () => {
    const tenantId = await aTenant(product);
    await accept(product, tenantId, [
      anEvent({ type: 'plain', time: '2026-10-05T00:00:00Z', properties: { value: 1 } }),
      anEvent({ type: 'plain', time: '2026-08-05T00:00:00Z', properties: { value: 1 } }),
    ]);
    expect(await touched(tenantId)).toEqual([
      ['2026-08-01', '1'],
      ['2026-10-01', '1'],
    ]);
    // Late: September's level is that of October and November as well; August's is not.
    await accept(product, tenantId, [change('2026-09-30T23:59:59.999Z', 1)]);
    expect(await touched(tenantId)).toEqual([
      ['2026-08-01', '1'],
      ['2026-09-01', '1'],
      ['2026-10-01', '2'],
      ['2026-11-01', '1'],
    ]);
    // Each month once, however many changes a batch brings.
    await accept(product, tenantId, [
      change('2026-11-01T00:00:00Z', 1),
      change('2026-10-31T23:59:59.999Z', 1),
      anEvent({ type: 'plain', time: '2026-08-06T00:00:00Z', properties: { value: 1 } }),
    ]);
    expect(await touched(tenantId)).toEqual([
      ['2026-08-01', '2'],
      ['2026-09-01', '1'],
      ['2026-10-01', '3'],
      ['2026-11-01', '2'],
    ]);
    // Usage of another kind touches its own month and no other.
    await accept(product, tenantId, [
      anEvent({ type: 'plain', time: '2026-08-07T00:00:00Z', properties: { value: 1 } }),
    ]);
    expect(await touched(tenantId)).toEqual([
      ['2026-08-01', '3'],
      ['2026-09-01', '1'],
      ['2026-10-01', '3'],
      ['2026-11-01', '2'],
    ]);
  });

  test('touches a month that begins within the day, when that is where the change or other usage lies', async () => {
    const tenantId = await aTenant(product);
    product.setClock(new Date('2026-11-30T18:00:00Z'));

    try {
      await accept(product, tenantId, [change('2026-12-01T00:30:00Z', 1)]);
      expect(await touched(tenantId)).toEqual([['2026-12-01', '1']]);
      await accept(product, tenantId, [change('2026-11-30T17:00:00Z', 1)]);
      expect(await touched(tenantId)).toEqual([
        ['2026-11-01', '1'],
        ['2026-12-01', '2'],
      ]);
    } finally {
      product.setClock(NOW);
    }
  });

  test('touches nothing for what it has seen before', async () => {
    const tenantId = await aTenant(product);
    const event = change('2026-11-10T00:00:00Z', 1);
    await accept(product, tenantId, [event]);
    const before = [await touched(tenantId), await bucketsOf(product, tenantId)];
    expect(await accept(product, tenantId, [event])).toMatchObject({ accepted: 0, duplicates: [0] });
    expect([await touched(tenantId), await bucketsOf(product, tenantId)]).toEqual(before);
  });

  test('changes at once from many senders lose nothing and deadlock nowhere', async () => {
    const tenantId = await aTenant(product);
    const months = ['06', '07', '08', '09', '10', '11'];
    const receipts = await Promise.all(
      Array.from({ length: 24 }, (_, turn) =>
        accept(product, tenantId, [
          turn % 2 === 0
            ? change(`2026-${months[turn % 6]}-03T00:00:00Z`, 1)
            : anEvent({ type: 'plain', time: `2026-${months[(turn * 5) % 6]}-04T00:00:00Z`, properties: { value: 1 } }),
          anEvent({ type: 'plain', time: `2026-${months[(turn + 3) % 6]}-04T00:00:00Z`, properties: { value: 1 } }),
        ]),
      ),
    );
    expect(receipts.reduce((total, { accepted }) => total + accepted, 0)).toBe(48);
    expect(await levels(tenantId, '2026-12-01T00:00:00Z')).toEqual([{ meterId, dimensions: '{}', level: '12' }]);
  });

  test('is the same in whatever batches and order its changes come, to the last digit', async () => {
    const start = Date.UTC(2026, 10, 1);
    const hours = 8;
    const cut = start + 3 * 3_600_000;
    const end = start + hours * 3_600_000;
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            time: fc.integer({ min: start - 7_200_000, max: end + 3_600_000 }),
            by: fc.integer({ min: -1_000_000, max: 1_000_000 }).map(n => formatDecimal(decimal(n).shiftedBy(-6))),
            plan: fc.constantFrom('a', 'b'),
          }),
          { minLength: 1, maxLength: 24 },
        ),
        fc.array(fc.nat(1_000), { minLength: 24, maxLength: 24 }),
        fc.integer({ min: 1, max: 7 }),
        async (drawn, places, size) => {
          const [one, other] = [await aTenant(product), await aTenant(product)];
          const events = drawn.map(({ time, by, plan }) => change(new Date(time).toISOString(), by, plan));
          const order = events.map((_, index) => index).sort((a, b) => (places[a] ?? 0) - (places[b] ?? 0));
          expect(await accept(product, one, events)).toMatchObject({ accepted: events.length });

          for (let from = 0; from < order.length; from += size) {
            await accept(
              product,
              other,
              order.slice(from, from + size).map(index => events[index]),
            );
          }

          expect(await bucketsOf(product, other)).toEqual(await bucketsOf(product, one));

          // Against the integral of the level itself, change by change.
          const [from, to] = [new Date(start).toISOString(), new Date(end).toISOString()];
          const rows = await segments(one, from, to, [new Date(cut).toISOString()]);
          const before = await levels(one, from);

          for (const plan of ['a', 'b']) {
            const own = drawn.filter(event => event.plan === plan);
            const dimensions = JSON.stringify({ plan });
            const level = before.find(row => row.dimensions === dimensions)?.level ?? '0';
            const of = (segment: number) =>
              rows.find(row => row.dimensions === dimensions && row.segment === segment) ?? {
                integral: '0',
                change: '0',
              };
            const integralTo = (until: number): Decimal =>
              own.reduce(
                (total, { time, by }) =>
                  time < until ? total.plus(decimal(by).times(decimal(until - Math.max(time, start)))) : total,
                ZERO,
              );
            const toCut = decimal(level)
              .times(decimal(cut - start))
              .plus(of(0).integral ?? '0');
            const toEnd = decimal(level)
              .times(decimal(end - start))
              .plus(of(0).integral ?? '0')
              .plus(decimal(of(0).change ?? '0').times(decimal(end - cut)))
              .plus(of(1).integral ?? '0');
            expect(formatDecimal(toCut)).toBe(formatDecimal(integralTo(cut)));
            expect(formatDecimal(toEnd)).toBe(formatDecimal(integralTo(end)));
          }
        },
      ),
      { numRuns: 15 },
    );
  });

  test('multiplies a change by its factors, and refuses what is no change', async () => {
    const { eventType, meterId: gpus } = await aMeterLike(product, {
      aggregation: 'TIME_WEIGHTED',
      valueProperty: 'replicas',
      factorProperties: ['gpus_each'],
      keepsEvents: true,
    });
    const tenantId = await aTenant(product);
    const sent = (properties: object) =>
      anEvent({ type: eventType, time: '2026-11-10T10:00:00Z', properties: { ...properties } });
    expect(
      await accept(product, tenantId, [
        sent({ replicas: 2, gpus_each: 8 }),
        sent({ replicas: -1, gpus_each: 8 }),
        sent({ replicas: 1, gpus_each: -8 }),
        sent({ replicas: 'some', gpus_each: 8 }),
      ]),
    ).toMatchObject({
      accepted: 2,
      rejected: [
        { index: 2, code: 'INVALID_QUANTITY', field: 'properties.gpus_each' },
        { index: 3, code: 'INVALID_QUANTITY', field: 'properties.replicas' },
      ],
    });
    expect(await bucketsOf(product, tenantId)).toMatchObject([{ meter: gpus, quantity: '8', moment: '7200000' }]);
    expect(
      await asSuperuser(product.database, 'select value::text from usage_value where tenant_id = $1 order by value', [
        tenantId,
      ]),
    ).toEqual([{ value: '-8' }, { value: '16' }]);
  });
});

test('measures fold into the same buckets whichever way they are split', () => {
  const meter = {
    id: 'mtr',
    filter: { text: '', matches: () => true },
    definition: {
      key: 'level',
      eventType: 'x',
      filter: '',
      source: 'PROPERTY',
      aggregation: 'TIME_WEIGHTED',
      valueProperty: 'by',
      factorProperties: [],
      conversion: null,
      dimensions: [],
      unit: 'seat',
      keepsEvents: false,
    },
  } as const;
  const measure = (time: number, by: number) => {
    const event = { id: `${time}`, source: '', type: 'x', time: new Date(time), subject: null, properties: { by } };
    const result = measureEvent(event, [meter], () => undefined);

    return 'measures' in result ? result.measures : [];
  };
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(3_600_000), fc.integer({ min: -50, max: 50 })), { minLength: 2, maxLength: 30 }),
      fc.nat(30),
      (drawn, at) => {
        const measures = drawn.flatMap(([time, by]) => measure(time, by));
        const whole = foldMeasures(measures);
        const halves = [...foldMeasures(measures.slice(0, at)), ...foldMeasures(measures.slice(at))];

        for (const { slot, quantity, moment } of whole) {
          const parts = halves.filter(fold => fold.slot === slot);
          expect(formatDecimal(parts.reduce((total, fold) => total.plus(fold.quantity), ZERO))).toBe(
            formatDecimal(quantity),
          );
          expect(formatDecimal(parts.reduce((total, fold) => total.plus(fold.moment), ZERO))).toBe(
            formatDecimal(moment),
          );
        }
      },
    ),
  );
});

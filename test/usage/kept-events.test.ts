import fc from 'fast-check';
import { randomUUID } from 'node:crypto';
import { formatDecimal } from '../../src/money/index.js';
import { inTransaction } from '../../src/platform/index.js';
import {
  eventValues,
  foldMeasures,
  measureEvent,
  streamEvents,
  type EventPlace,
  type EventValue,
  type MeteredEvent,
} from '../../src/usage/index.js';
import { anEvent, aTenant } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aKey, aProduct, type Product } from '../support/product.js';
import { accept, aMeterLike, aModel, bucketsOf, quantitiesOf } from './meters.js';

const NOW = new Date('2026-11-20T12:00:00Z');
const TIME = '2026-11-10T10:00:00Z';

let product: Product;

beforeAll(async () => {
  product = await aProduct({ now: NOW });
});

afterAll(() => product.close());

describe('the value of an event', () => {
  const one = async (draft: Parameters<typeof aMeterLike>[1], ...sent: readonly object[]) => {
    const { eventType } = await aMeterLike(product, draft);
    const tenantId = await aTenant(product);
    const receipt = await accept(
      product,
      tenantId,
      sent.map(properties => anEvent({ type: eventType, time: TIME, properties: { ...properties } })),
    );

    return { receipt, quantities: await quantitiesOf(product, tenantId) };
  };

  test('is converted by itself, before it is added up', async () => {
    const units = { valueProperty: 'documents', conversion: { divideBy: '100', rounding: 'CEILING' } };
    expect((await one(units, { documents: 250 })).quantities).toEqual([[{}, '3']]);
    expect((await one(units, { documents: 150 }, { documents: 150 })).quantities).toEqual([[{}, '4']]);
    expect((await one(units, { documents: 100 }, { documents: 0 }, { documents: 1 })).quantities).toEqual([[{}, '2']]);
  });

  test('is converted and then multiplied by its factors: seconds as minutes that each replica has begun', async () => {
    const draft = {
      valueProperty: 'seconds',
      factorProperties: ['scale.replicas'],
      conversion: { divideBy: '60', rounding: 'CEILING' },
    };
    const { receipt, quantities } = await one(
      draft,
      { seconds: 61, scale: { replicas: 3 } },
      { seconds: '0.5', scale: { replicas: 1 } },
      { seconds: 10 },
    );
    expect(receipt).toMatchObject({
      accepted: 2,
      rejected: [{ index: 2, code: 'INVALID_QUANTITY', field: 'properties.scale.replicas' }],
    });
    expect(quantities).toEqual([[{}, '7']]);
  });

  test('is the greatest, or the latest, by what values come to', async () => {
    const draft = { valueProperty: 'gb', factorProperties: ['copies'] };
    const sent = [
      { gb: 5, copies: 3 },
      { gb: 9, copies: 1 },
    ];
    expect((await one({ ...draft, aggregation: 'MAX' }, ...sent)).quantities).toEqual([[{}, '15']]);
    expect((await one({ ...draft, aggregation: 'LATEST' }, { gb: 5, copies: 3 })).quantities).toEqual([[{}, '15']]);
  });

  test('falls under the default of a dimension that the event does not tell', async () => {
    const dimensions = [
      { name: 'tier', property: 'tier', default: 'standard' },
      { name: 'zone', property: 'zone' },
    ];
    const { quantities } = await one(
      { dimensions },
      { value: 1 },
      { value: 2, tier: null, zone: null },
      { value: 4, tier: 'batch', zone: 'eu' },
      { value: 8, tier: 'standard' },
    );
    expect(quantities).toEqual([
      [{ tier: 'batch', zone: 'eu' }, '4'],
      [{ tier: 'standard' }, '11'],
    ]);
  });
});

describe('a meter that keeps its events', () => {
  const kept = (tenantId: string) =>
    asSuperuser<{ id: string; source: string; value: string }>(
      product.database,
      'select id, source, value::text from usage_value where tenant_id = $1 order by id, source',
      [tenantId],
    );

  const values = async (tenantId: string, meterIds: readonly string[], start: string, end: string) => {
    const found: EventValue[] = [];
    await inTransaction(product.scope(tenantId), async tx => {
      for await (const value of eventValues(tx, meterIds, new Date(start), new Date(end))) {
        found.push(value);
      }
    });

    return found;
  };

  test('keeps the value as it was counted, once, whatever is sent again', async () => {
    const { eventType } = await aMeterLike(product, {
      keepsEvents: true,
      conversion: { divideBy: '100', rounding: 'CEILING' },
    });
    const tenantId = await aTenant(product);
    const event = (id: string, value: unknown, source?: string) => ({
      ...anEvent({ id, type: eventType, time: TIME, properties: { value } }),
      ...(source ? { source } : {}),
    });
    expect(
      await accept(product, tenantId, [
        event('a', 250),
        event('a', 250),
        event('b', '0'),
        event('a', 1, 'eu'),
        event('a', 7),
      ]),
    ).toMatchObject({ accepted: 3, duplicates: [1], conflicts: [{ index: 4 }] });
    const expected = [
      { id: 'a', source: '', value: '3' },
      { id: 'a', source: 'eu', value: '1' },
      { id: 'b', source: '', value: '0' },
    ];
    expect(await kept(tenantId)).toEqual(expected);
    await accept(product, tenantId, [event('b', '0'), event('a', 250), event('b', 5)]);
    expect(await kept(tenantId)).toEqual(expected);
    expect(
      await product.app.services.usage.accept(product.scope(tenantId), [event('dry', 1)], {
        keyId: 'k',
        isDryRun: true,
      }),
    ).toMatchObject({ accepted: 1 });
    expect(await kept(tenantId)).toEqual(expected);
  });

  test('keeps a one for each event that it counts', async () => {
    const { eventType } = await aMeterLike(product, { aggregation: 'COUNT', valueProperty: null, keepsEvents: true });
    const tenantId = await aTenant(product);
    await accept(product, tenantId, [
      anEvent({ id: 'a', type: eventType, time: TIME }),
      anEvent({ id: 'b', type: eventType, time: TIME }),
    ]);
    expect(await kept(tenantId)).toEqual([
      { id: 'a', source: '', value: '1' },
      { id: 'b', source: '', value: '1' },
    ]);
  });

  test('keeps each once where the same batches come at once', async () => {
    const { eventType, meterId } = await aMeterLike(product, { keepsEvents: true });
    const tenantId = await aTenant(product);
    const events = Array.from({ length: 40 }, (_, index) =>
      anEvent({
        id: `e${index}`,
        type: eventType,
        time: new Date(NOW.getTime() - index * 1_200_000).toISOString(),
        properties: { value: index },
      }),
    );
    const receipts = await Promise.all(
      Array.from({ length: 8 }, (_, turn) =>
        accept(product, tenantId, turn % 2 === 0 ? events : [...events.slice(turn * 3), ...events.slice(0, turn * 3)]),
      ),
    );
    expect(receipts.reduce((total, { accepted }) => total + accepted, 0)).toBe(40);
    const all = await values(tenantId, [meterId], '2026-11-01T00:00:00Z', '2026-12-01T00:00:00Z');
    expect(all.map(({ value }) => value)).toEqual(Array.from({ length: 40 }, (_, index) => String(39 - index)));
    const total = (await bucketsOf(product, tenantId)).reduce((sum, { quantity }) => sum + Number(quantity), 0);
    expect(total).toBe((39 * 40) / 2);
  });

  test('keeps nothing for a meter that does not, or where no filter matches', async () => {
    const { eventType } = await aMeterLike(product, {});
    await aMeterLike(product, { eventType, keepsEvents: true, filter: 'properties.value > 5' });
    const tenantId = await aTenant(product);
    await accept(product, tenantId, [
      anEvent({ id: 'low', type: eventType, time: TIME, properties: { value: 1 } }),
      anEvent({ id: 'high', type: eventType, time: TIME, properties: { value: 9 } }),
    ]);
    expect(await kept(tenantId)).toEqual([{ id: 'high', source: '', value: '9' }]);
  });

  test('gives them by time, id and source, in code point order, of the meters and the stretch that are asked for', async () => {
    const { eventType, meterId } = await aMeterLike(product, {
      keepsEvents: true,
      dimensions: [{ name: 'model', property: 'model' }],
    });
    const other = await aMeterLike(product, { keepsEvents: true });
    const tenantId = await aTenant(product);
    const event = (id: string, value: number, time = TIME, source = '') => ({
      ...anEvent({ id, type: eventType, time, properties: { value, model: 'm' } }),
      ...(source ? { source } : {}),
    });
    await accept(product, tenantId, [
      event('😀', 7),
      event('\uff5e', 6),
      event('a', 3, TIME, 'b'),
      event('a', 2, TIME, 'B'),
      event('B', 1),
      event('ab', 5),
      event('a-', 4),
      event('z', 0, '2026-11-10T09:59:59.999Z'),
      event('before', 0, '2026-11-09T23:59:59.999Z'),
      event('end', 99, '2026-11-11T00:00:00Z'),
      anEvent({ type: other.eventType, time: TIME, properties: { value: 1_000 } }),
    ]);
    const [start, end] = ['2026-11-10T00:00:00Z', '2026-11-11T00:00:00Z'];
    const all = await values(tenantId, [meterId], start, end);
    expect(all.map(({ value }) => value)).toEqual(['0', '1', '2', '3', '4', '5', '6', '7']);
    expect(all[0]).toEqual({
      id: 'z',
      source: '',
      meterId,
      dimensions: '{"model":"m"}',
      time: new Date('2026-11-10T09:59:59.999Z'),
      value: '0',
    });
    expect(await values(tenantId, [meterId, other.meterId], start, end)).toHaveLength(9);
    expect(await values(tenantId, [], start, end)).toEqual([]);
    expect(await values(await aTenant(product), [meterId], start, end)).toEqual([]);
  });

  test('gives more of them than a page holds, each once', async () => {
    const { meterId } = await aMeterLike(product, { keepsEvents: true });
    const tenantId = await aTenant(product);
    // Many of one instant, so that a page ends among them.
    await asSuperuser(
      product.database,
      `insert into usage_value (tenant_id, time, id, source, meter_id, part, slot, dimensions, value)
       select $1, $2::timestamptz + n % 3 * interval '1 millisecond', 'e' || n, '', $3, p, $2, '{}', n
       from generate_series(0, 5499) n, generate_series(0, 1) p`,
      [tenantId, TIME, meterId],
    );
    const all = await values(tenantId, [meterId], '2026-11-01T00:00:00Z', '2026-12-01T00:00:00Z');
    expect(all).toHaveLength(11_000);
    expect(new Set(all.map(({ value }) => value)).size).toBe(5_500);
    expect(all.map(({ time }) => time.getTime())).toEqual(
      all.map(({ time }) => time.getTime()).toSorted((a, b) => a - b),
    );
  });

  test('takes the longest ids, sources and dimensions there can be', async () => {
    const names = ['a', 'b', 'c', 'd', 'e'];
    const { eventType } = await aMeterLike(product, {
      keepsEvents: true,
      dimensions: names.map(name => ({ name, property: name })),
    });
    const tenantId = await aTenant(product);
    const wide = (length: number, seed: number) =>
      Array.from({ length }, (_, index) =>
        String.fromCharCode(0x4e00 + ((index * 7_919 + seed * 104_729) % 20_000)),
      ).join('');
    const properties = Object.fromEntries(names.map((name, seed) => [name, wide(128, seed)]));
    expect(
      await accept(product, tenantId, [
        {
          ...anEvent({ id: wide(255, 7), type: eventType, time: TIME, properties: { ...properties, value: 1 } }),
          source: wide(255, 8),
        },
      ]),
    ).toMatchObject({ accepted: 1, rejected: [] });
    expect(await kept(tenantId)).toMatchObject([{ value: '1' }]);
  });

  test('keeps the subject of its event with each value, found by the id and the source of the event', async () => {
    const { meterId, eventType } = await aMeterLike(product, { keepsEvents: true });
    const other = await aMeterLike(product, { eventType, keepsEvents: true });
    const [tenantId, stranger] = [await aTenant(product), await aTenant(product)];
    const sent = (event: object) => ({
      ...anEvent({ type: eventType, time: TIME, properties: { value: 1 } }),
      ...event,
    });
    await accept(product, stranger, [sent({ id: 'a', subject: 'theirs' })]);
    await accept(product, tenantId, [
      sent({ id: 'a', subject: 's' }),
      sent({ id: 'a', source: 'other', subject: 't' }),
      sent({ id: 'b' }),
      sent({ id: 'Ä b', subject: 'S t ö' }),
    ]);
    // Again, and one more: what is kept already stays as it is.
    await accept(product, tenantId, [sent({ id: 'a', subject: 's' }), sent({ id: 'c', subject: 's' })]);
    const subjects = [
      { id: 'a', source: '', subject: 's' },
      { id: 'a', source: 'other', subject: 't' },
      { id: 'b', source: '', subject: null },
      { id: 'c', source: '', subject: 's' },
      { id: 'Ä b', source: '', subject: 'S t ö' },
    ];

    for (const meter of [meterId, other.meterId]) {
      expect(
        await asSuperuser(
          product.database,
          'select id, source, subject from usage_value where tenant_id = $1 and meter_id = $2 order by id, source',
          [tenantId, meter],
        ),
      ).toEqual(subjects);
    }
  });

  test('has values that are never changed or deleted, not even by the superuser', async () => {
    const { eventType } = await aMeterLike(product, { keepsEvents: true });
    const tenantId = await aTenant(product);
    await accept(product, tenantId, [anEvent({ id: 'a', type: eventType, time: TIME, properties: { value: 5 } })]);

    for (const sql of [
      'update usage_value set value = 6 where tenant_id = $1',
      "update usage_value set subject = 's' where tenant_id = $1",
      'delete from usage_value where tenant_id = $1',
    ]) {
      await expect(asSuperuser(product.database, sql, [tenantId])).rejects.toThrow('never changed or deleted');
    }

    expect(await kept(tenantId)).toEqual([{ id: 'a', source: '', value: '5' }]);
  });
});

describe('stored events, read again', () => {
  const all = async (tenantId: string, from: string, until: string, limit: number): Promise<MeteredEvent[]> => {
    const found: MeteredEvent[] = [];
    let place: EventPlace | null = null;

    for (;;) {
      const after: EventPlace | null = place;
      const page: MeteredEvent[] = await inTransaction(product.scope(tenantId), tx =>
        streamEvents(tx, { from: new Date(from), until: new Date(until) }, after, limit),
      );
      found.push(...page);
      place = page.at(-1) ?? null;

      if (page.length < limit) {
        return found;
      }
    }
  };

  test('come oldest first, by id and source in code point order, page by page, each once', async () => {
    const { eventType } = await aMeterLike(product, {});
    const tenantId = await aTenant(product);
    const event = (id: string, time: string, source = '') => ({
      ...anEvent({ id, type: eventType, time, subject: 'ann', properties: { value: 1 } }),
      ...(source ? { source } : {}),
    });
    await accept(product, tenantId, [
      event('before', '2026-10-31T23:59:59.999Z'),
      event('end', '2026-11-20T00:00:00Z'),
      event('z', '2026-11-01T00:00:00Z'),
      event('b', TIME),
      event('a', TIME, 'x'),
      event('a', TIME),
      event('B', TIME),
      event('😀', TIME),
      event('\uff5e', TIME),
      event('late', '2026-11-10T10:15:00Z'),
      event('later', '2026-11-17T00:00:00Z'),
    ]);
    const expected = ['z', 'B', 'a', 'a/x', 'b', '\uff5e', '😀', 'late', 'later'];

    for (const limit of [1, 2, 3, 4, 9, 10]) {
      const found = await all(tenantId, '2026-11-01T00:00:00Z', '2026-11-20T00:00:00Z', limit);
      expect([limit, found.map(({ id, source }) => (source ? `${id}/${source}` : id))]).toEqual([limit, expected]);
    }

    const [first] = await all(tenantId, '2026-11-01T00:00:00Z', '2026-11-20T00:00:00Z', 5);
    expect(first).toEqual({
      id: 'z',
      source: '',
      type: eventType,
      time: new Date('2026-11-01T00:00:00Z'),
      subject: 'ann',
      properties: { value: 1 },
    });
    expect(await all(await aTenant(product), '2026-11-01T00:00:00Z', '2026-11-20T00:00:00Z', 5)).toEqual([]);
  });

  test('have the very numbers that were sent, however they were written', async () => {
    const { eventType } = await aMeterLike(product, { aggregation: 'COUNT', valueProperty: null });
    const tenantId = await aTenant(product);
    const key = await aKey(product.app, product.scope(tenantId), ['usage:write']);
    const numbers = [
      '0',
      '-0',
      '1.0',
      '0.1',
      '0.30000000000000004',
      '1e21',
      '1E+2',
      '5e-324',
      '1.7976931348623157e308',
      '9007199254740993',
      '12345678901234567890.123456789',
      '100000000000000.000000000001',
      '1e-400',
    ];
    const body = `[{"id":"a","type":"${eventType}","time":"${TIME}","properties":{"n":[${numbers.join(',')}]}}]`;
    expect(await product.postUsage(key, body)).toMatchObject({ status: 200, body: { accepted: 1 } });
    const [event] = await all(tenantId, '2026-11-01T00:00:00Z', '2026-12-01T00:00:00Z', 10);
    expect(event?.properties['n']).toEqual([
      0,
      0,
      1,
      0.1,
      0.30000000000000004,
      1e21,
      100,
      5e-324,
      1.7976931348623157e308,
      '9007199254740993',
      '12345678901234567890.123456789',
      '100000000000000.000000000001',
      '1e-400',
    ]);
  });

  test('are the doubles that were sent, for every double', async () => {
    const { eventType } = await aMeterLike(product, { aggregation: 'COUNT', valueProperty: null });
    const tenantId = await aTenant(product);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { minLength: 1, maxLength: 60 }),
        async numbers => {
          const id = randomUUID();
          await accept(product, tenantId, [anEvent({ id, type: eventType, time: TIME, properties: { n: numbers } })]);
          const found = await all(tenantId, '2026-11-01T00:00:00Z', '2026-12-01T00:00:00Z', 5_000);
          expect(found.find(event => event.id === id)?.properties['n']).toEqual(numbers.map(n => (n === 0 ? 0 : n)));
        },
      ),
      { numRuns: 25 },
    );
  });

  test('measure into the buckets that they were folded into when they came', async () => {
    const { eventType } = await aMeterLike(product, {
      source: 'TOKEN_USAGE',
      valueProperty: 'usage',
      dimensions: [{ name: 'model', property: 'model' }],
    });
    await aMeterLike(product, { eventType, aggregation: 'TIME_WEIGHTED', valueProperty: 'by' });
    await aMeterLike(product, { eventType, aggregation: 'LATEST', valueProperty: 'share', filter: 'subject != "x"' });
    await aMeterLike(product, {
      eventType,
      valueProperty: 'share',
      conversion: { divideBy: '7', rounding: 'HALF_EVEN', precision: 9 },
      keepsEvents: true,
    });
    await aModel(product, { key: 'replayed-1', contextBands: [{ above: '100', name: 'long' }] });
    const tenantId = await aTenant(product);
    const ancestors = [product.platformId, tenantId];
    const sent = Array.from({ length: 60 }, (_, index) =>
      anEvent({
        id: `e${index}`,
        type: eventType,
        time: new Date(Date.parse(TIME) + ((index * 37) % 60) * 60_000 + index).toISOString(),
        ...(index % 3 === 0 ? { subject: 'x' } : {}),
        properties: {
          model: 'replayed-1',
          by: index % 2 === 0 ? index / 8 : -index,
          share: index % 5 === 0 ? (1 / (index + 2) ** 2 < 1e-3 ? '0.000000000001' : 0.125) : index,
          usage: {
            prompt_tokens: index * 10,
            completion_tokens: index,
            prompt_tokens_details: { cached_tokens: index },
          },
        },
      }),
    );
    const receipt = await accept(product, tenantId, sent);
    expect(receipt).toMatchObject({ accepted: 60, rejected: [] });
    const scope = product.scope(tenantId);
    const meters = await product.app.services.catalog.metersFor(scope, ancestors, eventType);
    const modelOf = await product.app.services.catalog.modelsFor(scope, ancestors);
    const measures = (await all(tenantId, '2026-11-01T00:00:00Z', '2026-12-01T00:00:00Z', 7)).flatMap(event => {
      const result = measureEvent(event, meters, modelOf);

      return 'measures' in result ? result.measures : [];
    });
    const folds = foldMeasures(measures).map(fold => ({
      meter: fold.meterId,
      slot: new Date(fold.slot).toISOString(),
      dimensions: fold.dimensions,
      quantity: formatDecimal(fold.quantity),
      moment: formatDecimal(fold.moment),
      events: fold.events,
    }));
    expect(folds).toEqual(await bucketsOf(product, tenantId));
    expect(folds.length).toBeGreaterThan(20);
  });

  test('are whole over a window of many pages', async () => {
    const { eventType } = await aMeterLike(product, {});
    const tenantId = await aTenant(product);
    await asSuperuser(
      product.database,
      `insert into usage_event (tenant_id, id, source, type, time, properties, content_hash, accepted_at, key_id)
       select $1, 'e' || n, '', $2, '2026-09-01T00:00:00Z'::timestamptz + n * interval '2 minutes', '{"value": 1}', '\\x00', now(), 'k'
       from generate_series(0, 29999) n`,
      [tenantId, eventType],
    );
    const found = await all(tenantId, '2026-08-01T00:00:00Z', '2026-11-01T00:00:00Z', 5_000);
    expect(found).toHaveLength(30_000);
    expect(found.map(({ id }) => id)).toEqual(Array.from({ length: 30_000 }, (_, index) => `e${index}`));
  });
});

import fc from 'fast-check';
import { randomUUID } from 'node:crypto';
import { decimal, formatDecimal, maxOf, ZERO, type Decimal } from '../../src/money/index.js';
import { canonicalJson } from '../../src/platform/index.js';
import { contentOf } from '../../src/usage/content-hash.js';
import { readUsageItems } from '../../src/usage/usage-item.rules.js';
import { aMeter, anEvent, aTenant } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aKey, aProduct, type Product } from '../support/product.js';

const NOW = new Date('2026-11-20T12:00:00Z');
const AGGREGATIONS = ['SUM', 'COUNT', 'MAX', 'LATEST', 'UNIQUE_COUNT'] as const;
type Aggregation = (typeof AGGREGATIONS)[number];

const hashOf = (event: Record<string, unknown>): string => {
  const [item] = readUsageItems([event], NOW).items;

  return item ? contentOf(item).hash : 'unreadable';
};

describe('usage', () => {
  let product: Product;
  let meterId: string;

  beforeAll(async () => {
    product = await aProduct({ now: NOW });
    meterId = await aMeter(product, { key: 'tokens' });
  });

  afterAll(() => product.close());

  const accept = (tenantId: string, events: readonly unknown[], isDryRun = false) =>
    product.app.services.usage.accept(product.scope(tenantId), events, { keyId: 'key_test', isDryRun });

  const event = (id: string, tokens: unknown = 1, time = '2026-11-10T10:00:00Z') =>
    anEvent({ id, time, properties: { model: 'm', tokens } });

  const stored = (tenantId: string) =>
    asSuperuser(product.database, 'select * from usage_event where tenant_id = $1 order by id, source', [tenantId]);

  const buckets = (tenantId: string) =>
    asSuperuser<{ meter_id: string; slot: Date; dimensions: string; quantity: string; events: number }>(
      product.database,
      `select meter_id, slot, dimensions, trim_scale(quantity)::text as quantity, event_count::int as events
       from usage_bucket where tenant_id = $1 order by meter_id, slot, dimensions`,
      [tenantId],
    );

  const everything = async (tenantId: string) => ({
    events: await stored(tenantId),
    buckets: await asSuperuser(product.database, 'select * from usage_bucket where tenant_id = $1 order by 2, 3, 4', [
      tenantId,
    ]),
    uniques: await asSuperuser(
      product.database,
      'select * from usage_unique where tenant_id = $1 order by 2, 3, 4, 5',
      [tenantId],
    ),
    touches: await asSuperuser(product.database, 'select * from usage_touch where tenant_id = $1 order by month', [
      tenantId,
    ]),
    facts: await asSuperuser(product.database, 'select * from outbox where tenant_id = $1 order by id', [tenantId]),
  });

  describe('accepting', () => {
    test('stores the event, folds it, touches its month and tells so', async () => {
      const tenantId = await aTenant(product);
      const sent = { ...event('a', '2.5'), subject: 'user-1' };
      expect(await accept(tenantId, [sent])).toEqual({ accepted: 1, duplicates: [], conflicts: [], rejected: [] });
      const found = await everything(tenantId);
      expect(found.events).toMatchObject([
        {
          id: 'a',
          source: '',
          type: 'llm.request',
          time: new Date('2026-11-10T10:00:00Z'),
          subject: 'user-1',
          properties: { model: 'm', tokens: '2.5' },
          content_hash: Buffer.from(hashOf(sent), 'hex'),
          key_id: 'key_test',
        },
      ]);
      expect(await buckets(tenantId)).toEqual([
        {
          meter_id: meterId,
          slot: new Date('2026-11-10T10:00:00Z'),
          dimensions: '{"model":"m"}',
          quantity: '2.5',
          events: 1,
        },
      ]);
      expect(found.touches).toMatchObject([{ n: '1' }]);
      expect(found.facts).toMatchObject([{ topic: 'usage.accepted', payload: {} }]);
    });

    test('answers an empty batch with nothing and leaves no trace', async () => {
      const tenantId = await aTenant(product);
      expect(await accept(tenantId, [])).toEqual({ accepted: 0, duplicates: [], conflicts: [], rejected: [] });
      expect(await everything(tenantId)).toEqual({ events: [], buckets: [], uniques: [], touches: [], facts: [] });
    });

    test('an event again with the same content is a duplicate, and changes nothing', async () => {
      const tenantId = await aTenant(product);
      await accept(tenantId, [event('a', 5)]);
      const before = await everything(tenantId);

      for (const again of [
        event('a', 5),
        { ...event('a', 5), properties: { tokens: 5, model: 'm' } },
        { ...event('a', 5), time: '2026-11-10T11:00:00+01:00' },
        { ...event('a', 5), time: '2026-11-10T10:00:00.000Z' },
      ]) {
        expect(await accept(tenantId, [again])).toEqual({
          accepted: 0,
          duplicates: [0],
          conflicts: [],
          rejected: [],
        });
      }

      expect(await everything(tenantId)).toEqual(before);
    });

    test('an id again with other content is a conflict that names both hashes, and changes nothing', async () => {
      const tenantId = await aTenant(product);
      const first = event('a', 5);
      await accept(tenantId, [first]);
      const before = await everything(tenantId);

      for (const other of [
        event('a', 6),
        event('a', 5, '2026-11-10T10:00:01Z'),
        { ...first, subject: 'somebody' },
        { ...first, properties: { model: 'm', tokens: 5, more: true } },
      ]) {
        expect(await accept(tenantId, [other])).toEqual({
          accepted: 0,
          duplicates: [],
          conflicts: [{ index: 0, id: 'a', storedHash: hashOf(first), givenHash: hashOf(other) }],
          rejected: [],
        });
      }

      expect(await everything(tenantId)).toEqual(before);
    });

    test('tells duplicates and conflicts within one batch by their places', async () => {
      const tenantId = await aTenant(product);
      const [a, other, b] = [event('a', 1), event('a', 2), event('b', 3)];
      expect(await accept(tenantId, [a, a, other, b, a, b])).toEqual({
        accepted: 2,
        duplicates: [1, 4, 5],
        conflicts: [{ index: 2, id: 'a', storedHash: hashOf(a), givenHash: hashOf(other) }],
        rejected: [],
      });
      expect(await buckets(tenantId)).toMatchObject([{ quantity: '4', events: 2 }]);
    });

    test('judges repeats within a batch against what was stored before it', async () => {
      const tenantId = await aTenant(product);
      const [first, other] = [event('a', 1), event('a', 2)];
      await accept(tenantId, [first]);
      expect(await accept(tenantId, [other, first, other])).toMatchObject({
        accepted: 0,
        duplicates: [1],
        conflicts: [
          { index: 0, storedHash: hashOf(first), givenHash: hashOf(other) },
          { index: 2, storedHash: hashOf(first), givenHash: hashOf(other) },
        ],
      });
      expect(await buckets(tenantId)).toMatchObject([{ quantity: '1', events: 1 }]);
    });

    test('takes one id once per source', async () => {
      const tenantId = await aTenant(product);
      const from = (source: string) => ({ ...event('a', 1), ...(source ? { source } : {}) });
      expect(await accept(tenantId, [from(''), from('eu'), from('us'), from('eu')])).toMatchObject({
        accepted: 3,
        duplicates: [3],
      });
      expect(await buckets(tenantId)).toMatchObject([{ quantity: '3', events: 3 }]);
    });

    test('rejects item by item, and the rest stands', async () => {
      const tenantId = await aTenant(product);
      const receipt = await accept(tenantId, [
        event('good', 1),
        'no object',
        event('', 1),
        event('late', 1, 'yesterday'),
        event('future', 1, '2026-11-21T12:10:00Z'),
        { ...event('unknown', 1), type: 'nobody.counts' },
        event('negative', -1),
        event('text', 'many'),
        { ...event('missing'), properties: { model: 'm' } },
        { ...event('dim', 1), properties: { model: { nested: true }, tokens: 1 } },
        { ...event('typo', 1), propertys: {} },
        { ...event('nowhere', 1), tenant: `ten_${'0'.repeat(26)}` },
        event('also good', 2),
      ]);
      expect(receipt.accepted).toBe(2);
      expect(receipt.duplicates).toEqual([]);
      expect(receipt.conflicts).toEqual([]);
      expect(receipt.rejected.map(({ index, id, code, field }) => [index, id, code, field])).toEqual([
        [1, null, 'INVALID_ITEM', ''],
        [2, null, 'INVALID_ID', 'id'],
        [3, 'late', 'INVALID_TIME', 'time'],
        [4, 'future', 'INVALID_TIME', 'time'],
        [5, 'unknown', 'UNKNOWN_EVENT_TYPE', 'type'],
        [6, 'negative', 'INVALID_QUANTITY', 'properties.tokens'],
        [7, 'text', 'INVALID_QUANTITY', 'properties.tokens'],
        [8, 'missing', 'INVALID_QUANTITY', 'properties.tokens'],
        [9, 'dim', 'INVALID_DIMENSION', 'properties.model'],
        [10, 'typo', 'INVALID_ITEM', 'propertys'],
        [11, 'nowhere', 'UNKNOWN_TENANT', 'tenant'],
      ]);
      expect((await stored(tenantId)).map(({ id }) => id)).toEqual(['also good', 'good']);
      expect(await buckets(tenantId)).toMatchObject([{ quantity: '3', events: 2 }]);
    });

    test('an item that was rejected can be mended and sent again under its id', async () => {
      const tenantId = await aTenant(product);
      expect((await accept(tenantId, [event('a', -1)])).rejected).toHaveLength(1);
      expect(await everything(tenantId)).toMatchObject({ events: [], buckets: [], touches: [], facts: [] });
      expect(await accept(tenantId, [event('a', 1)])).toMatchObject({ accepted: 1 });
    });

    test('takes items of several tenants in one batch, each into its own books', async () => {
      const reseller = await aTenant(product, { kind: 'RESELLER' });
      const [one, two] = [
        await aTenant(product, { parentId: reseller }),
        await aTenant(product, { parentId: reseller }),
      ];
      const same = event('same', 1);
      const receipt = await accept(reseller, [
        { ...same, tenant: two },
        { ...same, tenant: one },
        same,
        { ...same, tenant: one },
      ]);
      expect(receipt).toEqual({ accepted: 3, duplicates: [3], conflicts: [], rejected: [] });

      for (const tenantId of [reseller, one, two]) {
        expect(await stored(tenantId)).toHaveLength(1);
        expect(await buckets(tenantId)).toMatchObject([{ quantity: '1', events: 1 }]);
        expect((await everything(tenantId)).facts).toHaveLength(1);
      }
    });

    test('rejects an item of a tenant beside or above exactly like one of a tenant that is not there', async () => {
      const [mine, beside] = [await aTenant(product), await aTenant(product)];
      const random = `ten_${'7'.repeat(26)}`;
      const { rejected, accepted } = await accept(mine, [
        { ...event('a'), tenant: beside },
        { ...event('b'), tenant: product.platformId },
        { ...event('c'), tenant: random },
        { ...event('d'), tenant: mine },
      ]);
      expect(accepted).toBe(1);
      expect(rejected.map(({ code, field, reason }) => [code, field, reason])).toEqual(
        [beside, product.platformId, random].map(id => ['UNKNOWN_TENANT', 'tenant', `tenant ${id} does not exist`]),
      );
      expect(await stored(beside)).toEqual([]);
      // Nor does it help that somebody who may has just done it.
      expect(await accept(product.platformId, [{ ...event('a'), tenant: beside }])).toMatchObject({ accepted: 1 });
      expect((await accept(mine, [{ ...event('e'), tenant: beside }])).rejected).toHaveLength(1);
      expect(await stored(beside)).toHaveLength(1);
    });

    test('takes an event of any age and folds it into the quarter hour of its own time', async () => {
      const tenantId = await aTenant(product);
      expect(
        await accept(tenantId, [
          event('a', 1, '1970-01-01T00:00:00Z'),
          event('b', 2, '1999-12-31T23:59:59.999Z'),
          event('c', 3, '2026-11-21T12:00:00Z'),
        ]),
      ).toMatchObject({ accepted: 3 });
      expect((await buckets(tenantId)).map(({ slot, quantity }) => [slot.toISOString(), quantity])).toEqual([
        ['1970-01-01T00:00:00.000Z', '1'],
        ['1999-12-31T23:45:00.000Z', '2'],
        ['2026-11-21T12:00:00.000Z', '3'],
      ]);
      expect((await everything(tenantId)).touches).toHaveLength(3);
    });

    test('counts by the meters of the tenant and of everyone above it, and by no other', async () => {
      const eventType = `own.${randomUUID().slice(0, 8)}`;
      const [reseller, other] = [
        await aTenant(product, { kind: 'RESELLER' }),
        await aTenant(product, { kind: 'RESELLER' }),
      ];
      const tenantId = await aTenant(product, { parentId: reseller });
      const make = (owner: string, key: string) =>
        product.app.services.catalog.createMeter(product.scope(owner), {
          key,
          eventType,
          filter: '',
          aggregation: 'COUNT',
          valueProperty: null,
          dimensions: [],
          unit: 'call',
          idempotencyKey: randomUUID(),
        });
      const made = [(await make(product.platformId, 'top')).meter.id, (await make(reseller, 'mid')).meter.id];
      await make(other, 'beside');
      expect(await accept(tenantId, [anEvent({ type: eventType, time: NOW.toISOString() })])).toMatchObject({
        accepted: 1,
      });
      expect((await buckets(tenantId)).map(({ meter_id }) => meter_id)).toEqual(made.toSorted());
    });

    test('stores an event that no filter matches, and counts it nowhere', async () => {
      const eventType = `filtered.${randomUUID().slice(0, 8)}`;
      await aMeter(product, { eventType, filter: 'properties.tier == "paid"' });
      const tenantId = await aTenant(product);
      const sent = (id: string, tier: string) =>
        anEvent({ id, type: eventType, time: NOW.toISOString(), properties: { tier, tokens: 1 } });
      expect(await accept(tenantId, [sent('a', 'free'), sent('b', 'paid')])).toMatchObject({ accepted: 2 });
      expect(await stored(tenantId)).toHaveLength(2);
      expect(await buckets(tenantId)).toMatchObject([{ quantity: '1', events: 1 }]);
    });

    test('a dry run answers like the real thing and stores nothing', async () => {
      const tenantId = await aTenant(product);
      await accept(tenantId, [event('old', 1)]);
      const before = await everything(tenantId);
      const batch = [event('old', 1), event('old', 2), event('new', 1), event('new', 1), event('bad', -1)];
      const dry = await accept(tenantId, batch, true);
      expect(await everything(tenantId)).toEqual(before);
      expect(dry).toMatchObject({
        accepted: 1,
        duplicates: [0, 3],
        conflicts: [{ index: 1 }],
        rejected: [{ index: 4 }],
      });
      expect(await accept(tenantId, batch)).toEqual(dry);
    });

    test('events are never changed or deleted, not even by the superuser', async () => {
      const tenantId = await aTenant(product);
      await accept(tenantId, [event('a', 1)]);
      const before = await stored(tenantId);

      for (const sql of [
        `update usage_event set properties = '{}' where tenant_id = $1`,
        'delete from usage_event where tenant_id = $1',
      ]) {
        await expect(asSuperuser(product.database, sql, [tenantId])).rejects.toThrow('never changed or deleted');
      }

      expect(await stored(tenantId)).toEqual(before);
    });

    test('the same batches at once, in any order, count each event once and deadlock nowhere', async () => {
      const tenantId = await aTenant(product);
      const events = Array.from({ length: 40 }, (_, index) =>
        event(`e${index}`, index, new Date(NOW.getTime() - index * 1_200_000).toISOString()),
      );
      const receipts = await Promise.all(
        Array.from({ length: 8 }, (_, turn) =>
          accept(
            tenantId,
            turn % 2 === 0 ? events : [...events.slice(turn * 3), ...events.slice(0, turn * 3)].reverse(),
          ),
        ),
      );
      expect(receipts.reduce((total, { accepted }) => total + accepted, 0)).toBe(40);
      expect(receipts.every(({ conflicts, rejected }) => conflicts.length + rejected.length === 0)).toBe(true);
      const total = (await buckets(tenantId)).reduce((sum, { quantity }) => sum + Number(quantity), 0);
      expect(total).toBe((39 * 40) / 2);
    });

    test('one id at once with other contents is accepted once and a conflict for all others', async () => {
      const tenantId = await aTenant(product);
      const receipts = await Promise.all(Array.from({ length: 8 }, (_, turn) => accept(tenantId, [event('a', turn)])));
      expect(receipts.filter(({ accepted }) => accepted === 1)).toHaveLength(1);
      expect(receipts.filter(({ conflicts }) => conflicts.length === 1)).toHaveLength(7);
      expect(await stored(tenantId)).toHaveLength(1);
    });
  });

  describe('buckets', () => {
    const meters = new Map<string, Aggregation>();

    beforeAll(async () => {
      for (const aggregation of AGGREGATIONS) {
        const id = await aMeter(product, {
          eventType: 'fold',
          aggregation,
          valueProperty: aggregation === 'COUNT' ? null : aggregation === 'UNIQUE_COUNT' ? 'user' : 'value',
          dimensions: [{ name: 'model', property: 'model' }],
        });
        meters.set(id, aggregation);
      }
    });

    const folded: Readonly<Record<Aggregation, (events: readonly Sent[]) => Decimal>> = {
      SUM: events => events.reduce((total, { value }) => total.plus(decimal(value)), ZERO),
      COUNT: events => decimal(events.length),
      MAX: events => events.reduce((most, { value }) => maxOf(most, decimal(value)), ZERO),
      LATEST: events => {
        const last = events.toSorted((a, b) => a.time - b.time || (a.id < b.id ? -1 : 1)).at(-1);

        return last ? decimal(last.value) : ZERO;
      },
      // The values are kept one by one beside the bucket.
      UNIQUE_COUNT: () => ZERO,
    };

    interface Sent {
      readonly id: string;
      readonly time: number;
      readonly value: string;
      readonly user: string;
      readonly model: string | null;
    }

    test('equal an independent fold of the events, whatever the order and the batches of their arrival', async () => {
      const slot = Date.UTC(2026, 10, 10, 10);
      await fc.assert(
        fc.asyncProperty(
          fc.array(
            fc.record({
              time: fc.integer({ min: slot - 2_000, max: slot + 900_000 + 2_000 }),
              value: fc.integer({ min: 0, max: 100 }).map(n => formatDecimal(decimal(n).div(8))),
              user: fc.constantFrom('ada', 'bob', 'cyd'),
              model: fc.constantFrom('a', 'b', null),
            }),
            { minLength: 1, maxLength: 24 },
          ),
          fc.array(fc.nat(1_000), { minLength: 24, maxLength: 24 }),
          fc.integer({ min: 1, max: 6 }),
          async (drawn, places, size) => {
            const tenantId = await aTenant(product);
            const events: Sent[] = drawn.map((given, index) => ({ ...given, id: `e${index}` }));
            const shuffled = events.toSorted(
              (a, b) => (places[events.indexOf(a)] ?? 0) - (places[events.indexOf(b)] ?? 0),
            );

            for (let from = 0; from < shuffled.length; from += size) {
              const batch = shuffled.slice(from, from + size).map(({ id, time, value, user, model }) => ({
                id,
                type: 'fold',
                time: new Date(time).toISOString(),
                properties: { value, user, model },
              }));
              expect(await accept(tenantId, batch)).toMatchObject({ accepted: batch.length });
            }

            const groups = Map.groupBy(events, ({ time, model }) =>
              JSON.stringify([
                new Date(Math.floor(time / 900_000) * 900_000).toISOString(),
                canonicalJson(model === null ? {} : { model }),
              ]),
            );
            const expected = [...groups].flatMap(([key, group]) =>
              [...meters].map(([id, aggregation]) =>
                JSON.stringify([id, key, formatDecimal(folded[aggregation](group)), group.length]),
              ),
            );
            expect(
              (await buckets(tenantId))
                .map(row =>
                  JSON.stringify([
                    row.meter_id,
                    JSON.stringify([row.slot.toISOString(), row.dimensions]),
                    row.quantity,
                    row.events,
                  ]),
                )
                .toSorted(),
            ).toEqual(expected.toSorted());
            const uniques = await asSuperuser<{ slot: Date; dimensions: string; value: string }>(
              product.database,
              'select slot, dimensions, value from usage_unique where tenant_id = $1',
              [tenantId],
            );
            expect(
              uniques.map(row => JSON.stringify([row.slot.toISOString(), row.dimensions, row.value])).toSorted(),
            ).toEqual(
              [...groups]
                .flatMap(([key, group]) =>
                  [...new Set(group.map(({ user }) => user))].map(user =>
                    JSON.stringify([...(JSON.parse(key) as string[]), user]),
                  ),
                )
                .toSorted(),
            );
          },
        ),
        { numRuns: 12 },
      );
    });
  });

  describe('over HTTP', () => {
    test('a single event, an array, an envelope and lines are all taken', async () => {
      const tenantId = await aTenant(product);
      const key = await aKey(product.app, product.scope(tenantId), ['usage:write']);
      const ok = (accepted: number) => ({
        status: 200,
        body: { accepted, duplicates: [], conflicts: [], rejected: [] },
      });
      expect(await product.postUsage(key, event('a'))).toEqual(ok(1));
      expect(await product.postUsage(key, [event('b'), event('c')])).toEqual(ok(2));
      expect(await product.postUsage(key, { events: [event('d')] })).toEqual(ok(1));
      expect(
        await product.postUsage(
          key,
          `${JSON.stringify(event('e'))}\n\n${JSON.stringify(event('f'))}\n`,
          'application/x-ndjson',
        ),
      ).toEqual(ok(2));
      expect(await buckets(tenantId)).toMatchObject([{ quantity: '6', events: 6 }]);
    });

    test('a line that is no JSON is rejected in its place, and the other lines stand', async () => {
      const tenantId = await aTenant(product);
      const key = await aKey(product.app, product.scope(tenantId), ['usage:write']);
      const { status, body } = await product.postUsage(
        key,
        `${JSON.stringify(event('a'))}\n{"id": "b"\n${JSON.stringify(event('c'))}`,
        'application/x-ndjson; charset=utf-8',
      );
      expect(status).toBe(200);
      expect(body).toMatchObject({ accepted: 2, rejected: [{ index: 1, id: null, code: 'INVALID_ITEM' }] });
    });

    test('CloudEvents are taken singly and in batches', async () => {
      const tenantId = await aTenant(product);
      const key = await aKey(product.app, product.scope(tenantId), ['usage:write']);
      const cloud = (id: string) => ({
        specversion: '1.0',
        id,
        source: 'urn:gateway:eu-1',
        type: 'llm.request',
        time: '2026-11-10T10:00:00Z',
        subject: 'user-1',
        datacontenttype: 'application/json',
        data: { model: 'm', tokens: 3 },
      });
      expect(await product.postUsage(key, cloud('a'), 'application/cloudevents+json')).toMatchObject({
        status: 200,
        body: { accepted: 1 },
      });
      expect(
        await product.postUsage(key, [cloud('a'), cloud('b')], 'application/cloudevents-batch+json'),
      ).toMatchObject({ status: 200, body: { accepted: 1, duplicates: [0] } });
      expect(await stored(tenantId)).toMatchObject([
        { id: 'a', source: 'urn:gateway:eu-1', subject: 'user-1', properties: { model: 'm', tokens: 3 } },
        { id: 'b' },
      ]);
      expect(await buckets(tenantId)).toMatchObject([{ quantity: '6', events: 2 }]);
    });

    test('a CloudEvent without a time happened when it arrived, and its retry is a duplicate', async () => {
      const tenantId = await aTenant(product);
      const key = await aKey(product.app, product.scope(tenantId), ['usage:write']);
      const cloud = { specversion: '1.0', id: 'a', source: 's', type: 'llm.request', data: { tokens: 1 } };
      expect(await product.postUsage(key, cloud, 'application/cloudevents+json')).toMatchObject({
        body: { accepted: 1 },
      });
      await new Promise(resolve => setTimeout(resolve, 5));
      expect(await product.postUsage(key, cloud, 'application/cloudevents+json')).toMatchObject({
        status: 200,
        body: { accepted: 0, duplicates: [0] },
      });
      const [found] = await asSuperuser<{ time: Date; accepted_at: Date }>(
        product.database,
        'select time, accepted_at from usage_event where tenant_id = $1',
        [tenantId],
      );
      expect(found?.time).toEqual(found?.accepted_at);
    });

    test('numbers that a double cannot carry are counted to the last digit', async () => {
      const tenantId = await aTenant(product);
      const key = await aKey(product.app, product.scope(tenantId), ['usage:write']);
      expect(
        await product.postUsage(
          key,
          '[{"id":"a","type":"llm.request","time":"2026-11-10T10:00:00Z","properties":{"tokens":100000000000000.000000000001}}]',
        ),
      ).toMatchObject({ body: { accepted: 1 } });
      expect(await buckets(tenantId)).toMatchObject([{ quantity: '100000000000000.000000000001' }]);
    });

    test('says 409 when all it has is conflicts, and 422 when all it has is rejections', async () => {
      const tenantId = await aTenant(product);
      const key = await aKey(product.app, product.scope(tenantId), ['usage:write']);
      await product.postUsage(key, event('a', 1));
      expect((await product.postUsage(key, [event('a', 2)])).status).toBe(409);
      expect((await product.postUsage(key, [event('b', -2)])).status).toBe(422);
      expect((await product.postUsage(key, [event('a', 1), event('b', -2)])).status).toBe(200);
      expect((await product.postUsage(key, [])).status).toBe(200);
    });

    test.each([
      ['no key', null, 401],
      ['a key without usage:write', ['usage:read'], 403],
    ] as const)('with %s is turned away and stores nothing', async (_what, permissions, status) => {
      const tenantId = await aTenant(product);
      const key = permissions ? await aKey(product.app, product.scope(tenantId), permissions) : 'none';
      expect((await product.postUsage(key, [event('a', 1)])).status).toBe(status);
      expect(await stored(tenantId)).toEqual([]);
    });

    test('a test key is told what would be accepted, and nothing is stored', async () => {
      const tenantId = await aTenant(product);
      const key = await aKey(product.app, product.scope(tenantId), ['usage:write'], 'TEST');
      expect(await product.postUsage(key, [event('a', 1), event('b', -1)])).toMatchObject({
        status: 200,
        body: { accepted: 1, rejected: [{ index: 1 }], isDryRun: true },
      });
      expect(await everything(tenantId)).toEqual({ events: [], buckets: [], uniques: [], touches: [], facts: [] });
    });
  });

  describe('by GraphQL', () => {
    const RECORD = `mutation ($events: [JSON!]!) { usageRecord(input: { events: $events }) {
      accepted duplicates conflicts { index eventId storedHash givenHash } rejected { index eventId code field }
      isDryRun userErrors { code field } } }`;

    test('usageRecord answers each event', async () => {
      const tenantId = await aTenant(product);
      const key = await aKey(product.app, product.scope(tenantId), ['usage:write']);
      const [a, other] = [event('a', 1), event('a', 2)];
      const answer = await product.graphql(key, RECORD, { events: [a, a, other, event('b', -1)] });
      expect(answer.data.usageRecord).toEqual({
        accepted: 1,
        duplicates: [1],
        conflicts: [{ index: 2, eventId: 'a', storedHash: hashOf(a), givenHash: hashOf(other) }],
        rejected: [{ index: 3, eventId: 'b', code: 'INVALID_QUANTITY', field: 'properties.tokens' }],
        isDryRun: false,
        userErrors: [],
      });
    });

    test('usageRecord with a test key is a dry run', async () => {
      const tenantId = await aTenant(product);
      const key = await aKey(product.app, product.scope(tenantId), ['usage:write'], 'TEST');
      const answer = await product.graphql(key, RECORD, { events: [event('a', 1)] });
      expect(answer.data.usageRecord).toMatchObject({ accepted: 1, isDryRun: true, userErrors: [] });
      expect(await stored(tenantId)).toEqual([]);
    });

    test('usageRecord refuses more than a thousand events as a whole', async () => {
      const tenantId = await aTenant(product);
      const key = await aKey(product.app, product.scope(tenantId), ['usage:write']);
      const events = Array.from({ length: 1_001 }, (_, index) => event(`e${index}`));
      const answer = await product.graphql(key, RECORD, { events });
      expect(answer.data.usageRecord).toMatchObject({
        accepted: 0,
        userErrors: [{ code: 'INVALID_INPUT', field: ['events'] }],
      });
      expect(await stored(tenantId)).toEqual([]);
    });

    test('usageEvents pages through a window, latest first, each event once', async () => {
      const tenantId = await aTenant(product);
      const times = ['2026-11-10T10:00:00Z', '2026-11-10T10:00:00Z', '2026-11-10T10:00:00.001Z'];
      await accept(tenantId, [
        ...Array.from({ length: 7 }, (_, index) => event(`e${index}`, 1, times[index % 3])),
        { ...event('e0', 1, times[0]), source: 'other' },
        event('before', 1, '2026-11-09T23:59:59.999Z'),
        event('at the end', 1, '2026-11-11T00:00:00Z'),
      ]);
      const seen: string[] = [];
      let after: string | null = null;

      do {
        const answer: Awaited<ReturnType<Product['graphql']>> = await product.graphql(
          product.platformKey,
          `query ($id: ID, $after: String) { tenant(id: $id) {
            usageEvents(from: "2026-11-10T00:00:00Z", until: "2026-11-11T00:00:00Z", first: 3, after: $after) {
              edges { node { eventId source } } pageInfo { hasNextPage endCursor } } } }`,
          { id: tenantId, after },
        );
        const { edges, pageInfo } = answer.data.tenant.usageEvents;
        seen.push(
          ...edges.map(({ node }: { node: { eventId: string; source: string } }) => `${node.eventId}/${node.source}`),
        );
        after = pageInfo.hasNextPage ? pageInfo.endCursor : null;
      } while (after !== null);

      expect(seen).toEqual(['e5/', 'e2/', 'e6/', 'e4/', 'e3/', 'e1/', 'e0/other', 'e0/']);
    });

    test('usageEvents pages over the longest ids and sources there can be', async () => {
      const tenantId = await aTenant(product);
      await accept(
        tenantId,
        ['a', 'b'].map(letter => ({ ...event(letter.repeat(255)), source: letter.repeat(255) })),
      );
      const page = (after: string | null) =>
        product.graphql(
          product.platformKey,
          `query ($id: ID, $after: String) { tenant(id: $id) {
            usageEvents(from: "2026-11-10T00:00:00Z", until: "2026-11-11T00:00:00Z", first: 1, after: $after) {
              edges { node { eventId } } pageInfo { endCursor } } } }`,
          { id: tenantId, after },
        );
      const first = (await page(null)).data.tenant.usageEvents;
      const second = (await page(first.pageInfo.endCursor)).data.tenant.usageEvents;
      expect([first.edges[0].node.eventId, second.edges[0].node.eventId]).toEqual(['b'.repeat(255), 'a'.repeat(255)]);
    });

    test.each([
      ['backwards', '2026-11-11T00:00:00Z', '2026-11-10T00:00:00Z'],
      ['empty', '2026-11-11T00:00:00Z', '2026-11-11T00:00:00Z'],
      ['longer than 92 days', '2026-01-01T00:00:00Z', '2026-04-04T00:00:00Z'],
    ])('usageEvents refuses a window that is %s', async (_what, from, until) => {
      await expect(
        product.app.services.usage.events(
          product.scope(),
          { from: new Date(from), until: new Date(until) },
          { first: 10 },
        ),
      ).rejects.toMatchObject({ code: 'INVALID_INPUT', field: ['until'] });
    });

    test('dimensions too long for a bucket’s key are refused by themselves, and the rest of the batch stands', async () => {
      const tenantId = await aTenant(product);
      const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
      await aMeter(product, {
        eventType: 'wide.event',
        dimensions: names.map(name => ({ name, property: name })),
      });
      const wide = (length: number) => ({
        tokens: 1,
        ...Object.fromEntries(
          names.map((name, place) => [
            name,
            Array.from({ length }, (_, index) =>
              String.fromCharCode(0x4e00 + ((index * 37 + place * 101) % 20_000)),
            ).join(''),
          ]),
        ),
      });
      const receipt = await product.app.services.usage.accept(
        product.scope(tenantId),
        [
          anEvent({ type: 'wide.event', time: '2026-11-10T00:00:00Z', properties: wide(128) }),
          anEvent({ type: 'wide.event', time: '2026-11-10T00:00:00Z', properties: wide(70) }),
        ],
        { keyId: 'test', isDryRun: false },
      );
      expect(receipt).toMatchObject({
        accepted: 1,
        rejected: [{ index: 0, code: 'INVALID_DIMENSION', field: 'properties' }],
      });
      expect(receipt.rejected[0]?.reason).toContain('more than 2000 bytes together');
    });

    test.each(['', 'nonsense', 'MjAyNg', Buffer.from('2026-13-99\0a\0b').toString('base64url')])(
      'usageEvents with the cursor %j never fails as an outage',
      async after => {
        const answer = await product.graphql(
          product.platformKey,
          `query ($after: String) { tenant { usageEvents(from: "2026-11-10T00:00:00Z", until: "2026-11-11T00:00:00Z", after: $after) {
            edges { node { eventId } } } } }`,
          { after },
        );
        expect(answer.errors?.map(({ extensions }) => extensions.code) ?? []).not.toContain('INTERNAL');
      },
    );
  });
});

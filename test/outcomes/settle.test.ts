import { createHash } from 'node:crypto';
import { lockRating } from '../../src/usage/index.js';
import { inTransaction } from '../../src/platform/index.js';
import { aContract, aMeter, anEvent, aTenant } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aKey, aProduct, until, type Product } from '../support/product.js';
import {
  anOffer,
  aRule,
  aSale,
  claimType,
  outcomesOf,
  send,
  settle,
  standings,
  stepsOf,
  type Sent,
} from './settling.js';

const NOW = new Date('2026-11-20T12:00:00Z');
const ALL = { accepted: 1, duplicates: [], conflicts: [], rejected: [] };

describe('settling', () => {
  let product: Product;

  beforeAll(async () => {
    product = await aProduct({ now: NOW });
  });

  afterAll(() => product.close());

  beforeEach(() => product.setClock(NOW));

  const rows = <Row extends object>(sql: string, tenantId: string) =>
    asSuperuser<Row & Record<string, unknown>>(product.database, sql, [tenantId]);

  const months = async (tenantId: string) =>
    await rows<{ month: string; n: string }>(
      'select month::text, n::text from usage_touch where tenant_id = $1 order by 1',
      tenantId,
    );

  const at = (time: string) => product.setClock(new Date(time));

  describe('what comes in', () => {
    test('a claim that no meter counts is accepted, waits in the intake, and is an outcome once it is judged', async () => {
      const { tenantId, eventType, ruleId, versionId, contractId } = await aSale(product, { maturationHours: 72 });
      const claim = { id: 'c1', type: eventType, time: '2026-11-20T10:00:00.000Z', subject: 'talk 1' };

      expect(await send(product, tenantId, [claim])).toEqual(ALL);
      expect(await rows('select ids, sources, party from outcome_intake where tenant_id = $1', tenantId)).toEqual([
        { ids: ['c1'], sources: [''], party: 'SELLER' },
      ]);
      expect(await rows('select topic from outbox where tenant_id = $1', tenantId)).toEqual([
        { topic: 'contract.changed' },
        { topic: 'outcome.received' },
      ]);
      expect(await months(tenantId)).toEqual([]);

      await settle(product, tenantId);
      expect(await rows('select 1 from outcome_intake where tenant_id = $1', tenantId)).toEqual([]);
      expect(await outcomesOf(product, tenantId)).toEqual([
        {
          rule_id: ruleId,
          version_id: versionId,
          version_number: 1,
          currency: 'USD',
          event_id: 'c1',
          source: '',
          subject: 'talk 1',
          customer: null,
          started_at: '2026-11-20T10:00:00+00:00',
          occurred_at: '2026-11-20T10:00:00+00:00',
          verified_at: '2026-11-20T10:00:00+00:00',
          matures_at: '2026-11-23T10:00:00+00:00',
          period_at: '2026-11-23T10:00:00+00:00',
          due_at: '2026-11-23T10:00:00+00:00',
          judged_state: 'VERIFIED',
          judged_reason: null,
          state: 'VERIFIED',
          reason: null,
          instead: null,
          cap: null,
          billed_at: null,
          is_live: true,
          dedupe_key: null,
          dedupe_until: null,
          is_free: false,
          units: 1,
          value: null,
          reimbursement: 0,
          attributes: '{}',
          agents: [],
          fact_ids: ['c1'],
          other_facts: 0,
          other_facts_hash: null,
        },
      ]);
      expect(await rows('select contract_id from outcome where tenant_id = $1', tenantId)).toEqual([
        { contract_id: contractId },
      ]);
      // Nothing is charged yet, so nothing is to be rated.
      expect(await months(tenantId)).toEqual([]);

      at('2026-11-23T10:00:00Z');
      await settle(product, tenantId);
      expect(await stepsOf(product, tenantId)).toEqual({ c1: ['1 - VERIFIED', '2 VERIFIED MATURED'] });
      expect(await months(tenantId)).toEqual([{ month: '2026-11-01', n: '1' }]);
    });

    test('the key of the tenant itself speaks as the buyer', async () => {
      const { tenantId, eventType } = await aSale(product);
      const key = await aKey(product.app, product.scope(tenantId));
      await product.postUsage(key, [{ id: 'c1', type: eventType, time: '2026-11-20T10:00:00Z', properties: {} }]);
      await settle(product, tenantId);
      expect(await rows('select party from outcome_event where tenant_id = $1', tenantId)).toEqual([
        { party: 'BUYER' },
      ]);
    });

    test('what a meter counts and a rule looks at is folded and judged; what only a meter counts is folded alone', async () => {
      const both = claimType();
      const counted = claimType();
      await aMeter(product, { eventType: both });
      await aMeter(product, { eventType: counted });
      const { tenantId } = await aSale(product, { claim: { eventType: both, filter: '' } });
      const properties = { model: 'm', tokens: 1 };

      expect(
        await send(product, tenantId, [
          { id: 'a', type: both, time: '2026-11-20T10:00:00Z', properties },
          { id: 'b', type: counted, time: '2026-11-20T10:00:00Z', properties },
        ]),
      ).toEqual({ ...ALL, accepted: 2 });
      expect(await rows('select ids from outcome_intake where tenant_id = $1', tenantId)).toEqual([{ ids: ['a'] }]);
      expect(
        await rows('select sum(event_count)::int as events from usage_bucket where tenant_id = $1', tenantId),
      ).toEqual([{ events: 2 }]);
      expect(await months(tenantId)).toEqual([{ month: '2026-11-01', n: '1' }]);
    });

    test('a type that neither a meter nor a rule knows is refused, and a test key stores nothing', async () => {
      const { tenantId, eventType } = await aSale(product);
      expect(await send(product, tenantId, [{ id: 'a', type: 'nobody.knows', time: '2026-11-20T10:00:00Z' }])).toEqual({
        accepted: 0,
        duplicates: [],
        conflicts: [],
        rejected: [
          {
            index: 0,
            id: 'a',
            code: 'UNKNOWN_EVENT_TYPE',
            field: 'type',
            reason:
              'no meter counts events of type nobody.knows, and no outcome rule looks at them; define one, or mend the type',
          },
        ],
      });
      const key = await aKey(product.app, product.scope(tenantId), undefined, 'TEST');
      const dry = await product.postUsage(key, [
        { id: 'b', type: eventType, time: '2026-11-20T10:00:00Z', properties: {} },
      ]);
      expect(dry.body).toEqual({ ...ALL, isDryRun: true });
      expect(await rows('select 1 from usage_event where tenant_id = $1', tenantId)).toEqual([]);
      expect(await rows('select 1 from outcome_intake where tenant_id = $1', tenantId)).toEqual([]);
    });

    test('the same claim again is a duplicate and comes in once', async () => {
      const { tenantId, eventType } = await aSale(product);
      const claim = { id: 'c1', type: eventType, time: '2026-11-20T10:00:00Z', subject: 's' };
      await send(product, tenantId, [claim, claim]);
      await settle(product, tenantId);
      const before = await outcomesOf(product, tenantId);
      expect(await send(product, tenantId, [claim])).toEqual({ ...ALL, accepted: 0, duplicates: [0] });
      expect(await rows('select 1 from outcome_intake where tenant_id = $1', tenantId)).toEqual([]);
      await settle(product, tenantId);
      expect(await outcomesOf(product, tenantId)).toEqual(before);
      expect(await stepsOf(product, tenantId)).toEqual({ c1: ['1 - MATURED'] });
    });

    test('a batch of 3,000 claims is 3,000 outcomes, in one batch of transitions whose digest anybody can recompute', async () => {
      const { tenantId, eventType } = await aSale(product);
      const events = Array.from({ length: 3_000 }, (_, index) => ({
        id: `c${index}`,
        type: eventType,
        time: '2026-11-20T10:00:00Z',
        subject: `s${index}`,
      }));
      expect(await send(product, tenantId, events)).toEqual({ ...ALL, accepted: 3_000 });
      await settle(product, tenantId);
      const lines = await rows<{ line: string; batch: string }>(
        `select batch, concat_ws(' ', outcome_id, n, coalesce(from_state, '-'), to_state, coalesce(reason, '-')) as line
         from outcome_transition where tenant_id = $1 order by concat_ws(' ', outcome_id, n) collate "C"`,
        tenantId,
      );
      expect(lines).toHaveLength(3_000);
      expect(
        await rows(
          "select subject_id, after from audit_line where tenant_id = $1 and action = 'outcome.judged'",
          tenantId,
        ),
      ).toEqual([
        {
          subject_id: lines[0]?.batch,
          after: {
            transitions: 3_000,
            digest: createHash('sha256')
              .update(lines.map(({ line }) => line).join('\n'))
              .digest('hex'),
            first: lines.slice(0, 100).map(({ line }) => line),
          },
        },
      ]);
    });
  });

  describe('the order in which facts arrive', () => {
    const terms = {
      customerProperty: 'customer',
      maturationHours: 24,
      dedupe: { scope: 'CUSTOMER', windowHours: 96 },
      verification: { verifiers: ['LLM'], parties: 'ANY', eventType: 'chat.judged', expiresAfterHours: 48 },
      exclusions: [
        { reason: 'ESCALATED', filter: '', eventType: 'chat.escalated', scope: 'SUBJECT', withinHours: 24 },
        { reason: 'CAME_BACK', filter: '', eventType: 'chat.opened', scope: 'CUSTOMER', withinHours: 24 },
      ],
      quality: { property: 'score', minimum: '4', whenMissing: 'REJECT', eventType: 'chat.rated' },
      reversal: { clause: { eventType: 'chat.reopened', filter: '' }, windowHours: 336, amountProperty: 'amount' },
      valueProperty: 'value',
    };

    const facts = (eventType: string): Sent[] => {
      const claims = Array.from({ length: 24 }, (_, index) => ({
        id: `c${index}`,
        type: eventType,
        time: new Date(Date.parse('2026-11-02T00:00:00Z') + index * 7 * 3_600_000).toISOString(),
        ...(index % 8 === 7 ? {} : { subject: `s${index % 10}` }),
        properties: { value: '100', ...(index % 5 === 4 ? {} : { customer: index % 9 }) },
      }));
      const others = claims.flatMap(({ id, time, subject, properties }, index) => {
        const later = (hours: number): string => new Date(Date.parse(time) + hours * 3_600_000).toISOString();
        const about = subject ? { subject } : {};
        const { customer } = properties as { customer?: number };

        return [
          {
            id: `${id} judged`,
            type: 'chat.judged',
            time: later(12),
            ...about,
            properties: { passes: index % 7 !== 3, verifier: 'LLM', ...(index % 4 === 0 ? { score: '5' } : {}) },
          },
          ...(index % 3 === 1 ? [{ id: `${id} again`, type: eventType, time: later(10), ...about, properties }] : []),
          ...(index % 3 === 0
            ? [{ id: `${id} rated`, type: 'chat.rated', time: later(2), ...about, properties: { score: index % 6 } }]
            : []),
          ...(index % 11 === 1
            ? [{ id: `${id} escalated`, type: 'chat.escalated', time: later(3), ...about, properties: {} }]
            : []),
          ...(index % 6 === 2
            ? [{ id: `${id} reopened`, type: 'chat.reopened', time: later(70), ...about, properties: { amount: '30' } }]
            : []),
          ...(index % 10 === 5
            ? [
                {
                  id: `${id} opened`,
                  type: 'chat.opened',
                  time: later(5),
                  subject: `other ${index}`,
                  properties: { customer },
                },
              ]
            : []),
        ];
      });

      return [...claims, ...others];
    };

    test('makes no difference to what they come to, in however many batches and whenever they are judged', async () => {
      const offer = await anOffer(product, terms);
      const verifier = await aKey(product.app, product.scope());
      const events = facts(offer.eventType);
      const results: { outcomes: unknown; sums: unknown }[] = [];

      for (let seed = 0; seed < 6; seed++) {
        const tenantId = await aTenant(product);
        await aContract(product, { buyerId: tenantId, bookId: offer.bookId });
        const shuffled = seed === 0 ? events : inOrderOf(events, seed);
        const size = seed === 0 ? events.length : seed * 3;

        for (let start = 0; start < shuffled.length; start += size) {
          // Judged at instants between, when less has matured.
          at(
            seed % 2 === 1
              ? new Date(Date.parse('2026-11-02T00:00:00Z') + start * 4 * 3_600_000).toISOString()
              : NOW.toISOString(),
          );
          product.setClock(new Date(Math.max(Date.parse('2026-11-10T00:00:00Z'), product.app.clock().getTime())));
          const batch = shuffled.slice(start, start + size);
          const isClaim = ({ type }: Sent): boolean => type === offer.eventType;
          // Whoever claims does not verify.
          await send(product, tenantId, batch.filter(isClaim));
          await send(
            product,
            tenantId,
            batch.filter(event => !isClaim(event)),
            verifier,
          );

          if (seed !== 2) {
            await settle(product, tenantId);
          }
        }

        product.setClock(NOW);
        await settle(product, tenantId);
        results.push({
          outcomes: await outcomesOf(product, tenantId),
          sums: await rows(
            'select coalesce(reason, state) as reason, count(*)::int as n from outcome where tenant_id = $1 group by 1 order by 1',
            tenantId,
          ),
        });
      }

      const [first, ...others] = results;
      expect(first?.outcomes).toHaveLength(32);
      expect(first?.sums).toEqual([
        { reason: 'CAME_BACK', n: 2 },
        { reason: 'DUPLICATE', n: 2 },
        { reason: 'ESCALATED', n: 7 },
        { reason: 'MATURED', n: 1 },
        { reason: 'PARTLY_REVERSED', n: 4 },
        { reason: 'QUALITY_BELOW', n: 3 },
        { reason: 'QUALITY_MISSING', n: 6 },
        { reason: 'UNVERIFIED', n: 3 },
        { reason: 'VERIFICATION_FAILED', n: 4 },
      ]);
      others.forEach(other => expect(other).toEqual(first));
    });
  });

  describe('again, at once or later', () => {
    test('two at a time share the work: nothing is there twice', async () => {
      const { tenantId, eventType } = await aSale(product, { maturationHours: 1 });

      for (let batch = 0; batch < 4; batch++) {
        await send(product, tenantId, [
          { id: `c${batch}`, type: eventType, time: '2026-11-20T10:00:00Z', subject: `s${batch}` },
          { id: `d${batch}`, type: eventType, time: '2026-11-20T11:30:00Z', subject: `s${batch}` },
        ]);
      }

      await Promise.all([settle(product, tenantId), settle(product, tenantId), settle(product, tenantId)]);
      at('2026-11-20T13:00:00Z');
      await Promise.all([settle(product, tenantId), settle(product, tenantId), settle(product, tenantId)]);
      expect(Object.values(await stepsOf(product, tenantId))).toEqual([
        ...Array.from({ length: 4 }, () => ['1 - MATURED']),
        ...Array.from({ length: 4 }, () => ['1 - VERIFIED', '2 VERIFIED MATURED']),
      ]);
    });

    test('a second time changes nothing at all', async () => {
      const { tenantId, eventType } = await aSale(product, { maturationHours: 1 });
      await send(product, tenantId, [{ id: 'c', type: eventType, time: '2026-11-20T10:00:00Z', subject: 's' }]);
      await settle(product, tenantId);
      const before = await everythingOf(tenantId);
      await settle(product, tenantId);
      await rejudge(tenantId, new Date('2026-01-01T00:00:00Z'));
      expect(await everythingOf(tenantId)).toEqual(before);
    });

    test('claims wait for a contract that is made later, and are judged by it from the instant at which it begins', async () => {
      const { bookId, eventType } = await anOffer(product, { customerProperty: 'who', dedupe: { scope: 'CUSTOMER' } });
      const tenantId = await aTenant(product);
      const claim = (id: string, time: string) => ({
        id,
        type: eventType,
        time,
        subject: id,
        properties: { who: 'w' },
      });
      await send(product, tenantId, [claim('early', '2026-11-01T00:00:00Z'), claim('late', '2026-11-12T00:00:00Z')]);
      await settle(product, tenantId);
      expect(await standings(product, tenantId)).toEqual({});

      await aContract(product, { buyerId: tenantId, bookId, startsAt: new Date('2026-11-10T00:00:00Z') });
      await settle(product, tenantId);
      expect(await standings(product, tenantId)).toEqual({ late: 'MATURED' });
      expect(await rows('select id, customer from outcome_event where tenant_id = $1 order by 1', tenantId)).toEqual([
        { id: 'early', customer: 'w' },
        { id: 'late', customer: 'w' },
      ]);
    });

    test('a contract on another book takes its claims from the old one, and both months are rated anew', async () => {
      const { tenantId, eventType } = await aSale(product, { periodAnchor: 'OCCURRED' });
      const other = await anOffer(product, { claim: { eventType, filter: '' }, periodAnchor: 'OCCURRED' });
      const none = await anOffer(product);
      const claim = (id: string, time: string) => ({ id, type: eventType, time, subject: id });
      await send(product, tenantId, [
        claim('oct', '2026-10-05T00:00:00Z'),
        claim('nov', '2026-11-01T00:00:00Z'),
        claim('mid', '2026-11-12T00:00:00Z'),
      ]);
      await settle(product, tenantId);
      expect(await standings(product, tenantId)).toEqual({ oct: 'MATURED', nov: 'MATURED', mid: 'MATURED' });
      const before = await months(tenantId);
      expect(before).toEqual([
        { month: '2026-10-01', n: '1' },
        { month: '2026-11-01', n: '1' },
      ]);

      await aContract(product, { buyerId: tenantId, bookId: none.bookId, startsAt: new Date('2026-11-01T00:00:00Z') });
      await aContract(product, { buyerId: tenantId, bookId: other.bookId, startsAt: new Date('2026-11-10T00:00:00Z') });
      await rejudge(tenantId, new Date('2026-11-01T00:00:00Z'));
      const ruleIds = await rows<{ rule: string; text: string }>(
        "select rule_id as rule, concat_ws(' ', event_id, state, reason) as text from outcome where tenant_id = $1 order by occurred_at, text",
        tenantId,
      );
      expect(ruleIds.map(({ text }) => text)).toEqual([
        'oct MATURED',
        'nov REJECTED NO_RULE',
        'mid MATURED',
        'mid REJECTED NO_RULE',
      ]);
      expect(ruleIds[2]?.rule).toBe(other.ruleId);
      expect(await months(tenantId)).toEqual([
        { month: '2026-10-01', n: '1' },
        { month: '2026-11-01', n: '2' },
      ]);
    });
  });

  describe('cases', () => {
    test('reach over subjects and customers that name each other, however long the chain', async () => {
      const { tenantId, eventType } = await aSale(product, { customerProperty: 'who', dedupe: { scope: 'CUSTOMER' } });
      const chain = Array.from({ length: 12 }, (_, index) => ({
        id: `c${String(index).padStart(2, '0')}`,
        type: eventType,
        time: new Date(Date.parse('2026-11-01T00:00:00Z') + index * 60_000).toISOString(),
        subject: `s${Math.floor(index / 2)}`,
        properties: { who: `w${Math.floor((index + 1) / 2)}` },
      }));

      // The links come first, from the end to the beginning.
      for (const event of [...chain].reverse()) {
        await send(product, tenantId, [event]);
        await settle(product, tenantId);
      }

      expect(Object.values(await standings(product, tenantId))).toEqual(
        chain.map((_, index) => (index % 2 === 1 || index === 0 ? 'MATURED' : 'REJECTED DUPLICATE')),
      );
    });

    test('an event without a subject or a customer is a case by itself, of every rule that knows it', async () => {
      const { tenantId, eventType, bookId, ruleId } = await aSale(product, {
        dedupe: { scope: 'SUBJECT' },
        maturationHours: 1,
      });
      const second = await aRule(product, bookId, { claim: { eventType, filter: '' } });
      await send(product, tenantId, [
        { id: 'a', type: eventType, time: '2026-11-20T11:30:00Z' },
        { id: 'b', type: eventType, time: '2026-11-20T11:30:00Z' },
      ]);
      await settle(product, tenantId);
      at('2026-11-20T12:30:00Z');
      await settle(product, tenantId);
      await rejudge(tenantId, new Date('2026-11-20T00:00:00Z'));
      expect(
        await rows(
          'select event_id as event, rule_id as rule, state, n from outcome where tenant_id = $1 order by 1, n',
          tenantId,
        ),
      ).toEqual(
        ['a', 'b'].flatMap(event => [
          { event, rule: second.ruleId, state: 'MATURED', n: 1 },
          { event, rule: ruleId, state: 'MATURED', n: 2 },
        ]),
      );
    });

    test('a customer that no rule counts by ties nothing together', async () => {
      const { tenantId, eventType } = await aSale(product, { customerProperty: 'who', dedupe: { scope: 'SUBJECT' } });
      await send(
        product,
        tenantId,
        ['a', 'b', 'c'].map((id, index) => ({
          id,
          type: eventType,
          time: `2026-11-20T10:0${index}:00Z`,
          ...(id === 'c' ? {} : { subject: `s ${id}` }),
          properties: { who: 'everybody' },
        })),
      );
      await settle(product, tenantId);
      expect(await standings(product, tenantId)).toEqual({ a: 'MATURED', b: 'MATURED', c: 'MATURED' });
    });
  });

  describe('what time brings', () => {
    test('a claim that nobody verifies expires, and what it kept out counts then', async () => {
      const { tenantId, eventType } = await aSale(product, {
        dedupe: { scope: 'SUBJECT' },
        verification: { verifiers: ['LLM'], parties: 'ANY', expiresAfterHours: 24 },
      });
      await send(product, tenantId, [
        { id: 'a', type: eventType, time: '2026-11-20T10:00:00Z', subject: 's' },
        { id: 'b', type: eventType, time: '2026-11-20T11:00:00Z', subject: 's' },
      ]);
      await settle(product, tenantId);
      expect(await standings(product, tenantId)).toEqual({ a: 'CLAIMED', b: 'REJECTED DUPLICATE' });
      at('2026-11-21T10:00:00Z');
      await settle(product, tenantId);
      expect(await standings(product, tenantId)).toEqual({ a: 'EXPIRED UNVERIFIED', b: 'CLAIMED' });
      at('2026-11-21T11:00:00Z');
      await settle(product, tenantId);
      expect(await standings(product, tenantId)).toEqual({ a: 'EXPIRED UNVERIFIED', b: 'EXPIRED UNVERIFIED' });
    });

    test('a rating that did not come in time is missed at the maturation', async () => {
      const { tenantId, eventType } = await aSale(product, {
        maturationHours: 24,
        quality: { property: 'score', minimum: '4', whenMissing: 'REJECT', eventType: 'chat.rated' },
      });
      await send(product, tenantId, [{ id: 'a', type: eventType, time: '2026-11-20T10:00:00Z', subject: 's' }]);
      await settle(product, tenantId);
      expect(await standings(product, tenantId)).toEqual({ a: 'VERIFIED' });
      at('2026-11-21T10:00:00Z');
      await settle(product, tenantId);
      expect(await standings(product, tenantId)).toEqual({ a: 'REJECTED QUALITY_MISSING' });
    });
  });

  test('a part that is taken back is a transition in the same state, and its month is rated anew', async () => {
    const { tenantId, eventType } = await aSale(product, {
      measure: 'VALUE',
      valueProperty: 'value',
      reversal: { clause: { eventType: 'chat.refunded', filter: '' }, windowHours: 336, amountProperty: 'amount' },
    });
    await send(product, tenantId, [
      { id: 'a', type: eventType, time: '2026-11-01T10:00:00Z', subject: 's', properties: { value: '200' } },
    ]);
    await settle(product, tenantId);

    for (const id of ['r1', 'r2']) {
      await send(product, tenantId, [
        { id, type: 'chat.refunded', time: '2026-11-03T10:00:00Z', subject: 's', properties: { amount: '50' } },
      ]);
      await settle(product, tenantId);
    }

    expect(await stepsOf(product, tenantId)).toEqual({
      a: ['1 - MATURED', '2 MATURED MATURED PARTLY_REVERSED', '3 MATURED MATURED PARTLY_REVERSED'],
    });
    expect(await outcomesOf(product, tenantId)).toMatchObject([{ value: 100, units: 1, fact_ids: ['a', 'r1', 'r2'] }]);
    expect(await months(tenantId)).toEqual([{ month: '2026-11-01', n: '3' }]);
  });

  test('an outcome that stands for usage has the months rated in which that usage lies, before and after it', async () => {
    const eventType = claimType();
    const used = claimType();
    const meterId = await aMeter(product, {
      eventType: used,
      keepsEvents: true,
    });
    const { tenantId } = await aSale(product, {
      claim: { eventType, filter: '' },
      startedProperty: 'startedAt',
      usage: { relation: 'FALLBACK', meterIds: [meterId] },
    });
    const usage = (time: string, subject: string) =>
      anEvent({
        tenant: tenantId,
        type: used,
        time,
        subject,
        properties: { model: 'm', tokens: 1 },
      }) as unknown as Sent;
    await send(product, tenantId, [
      usage('2026-07-01T00:00:00Z', 's'),
      usage('2026-08-20T00:00:00Z', 't'),
      usage('2026-11-03T00:00:00Z', 's'),
      usage('2026-11-03T00:00:00Z', 't'),
    ]);
    await send(product, tenantId, [
      {
        id: 'a',
        type: eventType,
        time: '2026-10-02T00:00:00Z',
        subject: 's',
        properties: { startedAt: '2026-09-05T00:00:00Z' },
      },
    ]);
    await settle(product, tenantId);
    expect(await months(tenantId)).toEqual([
      { month: '2026-07-01', n: '2' },
      { month: '2026-08-01', n: '1' },
      { month: '2026-10-01', n: '1' },
      { month: '2026-11-01', n: '2' },
    ]);
  });

  test('a queue that loses everything delays it: the sweeps find what came in and what is due', async () => {
    const { tenantId, eventType } = await aSale(product, { maturationHours: 2 });
    await send(product, tenantId, [{ id: 'a', type: eventType, time: '2026-11-20T11:00:00Z', subject: 's' }]);

    while ((await product.app.relay.relayOnce()) > 0) {
      // Until nothing is left to tell.
    }

    expect((await asSuperuser(product.database, 'delete from bullmq.job returning 1')).length).toBeGreaterThan(0);
    product.app.work();
    await until(async () => (await standings(product, tenantId))['a'] === 'VERIFIED');
    at('2026-11-20T13:00:00Z');
    await until(async () => (await standings(product, tenantId))['a'] === 'MATURED');
    expect(await stepsOf(product, tenantId)).toEqual({ a: ['1 - VERIFIED', '2 VERIFIED MATURED'] });
  });

  async function rejudge(tenantId: string, from: Date): Promise<void> {
    await inTransaction(product.scope(tenantId), async tx => {
      await lockRating(tx);
      await product.app.services.outcomes.settleWithin(tx);
      await product.app.services.outcomes.rejudge(tx, from);
    });
  }

  /** Every row of a tenant that judging may write. */
  async function everythingOf(tenantId: string): Promise<unknown[]> {
    const tables = [
      'outcome',
      'outcome_event',
      'outcome_transition',
      'outcome_intake',
      'usage_touch',
      'audit_line',
      'outbox',
    ];

    return Promise.all(
      tables.map(table => rows(`select to_jsonb(t) as row from ${table} t where tenant_id = $1 order by 1`, tenantId)),
    );
  }
});

/** The same items in another order, the same for the same seed. */
function inOrderOf<T>(items: readonly T[], seed: number): T[] {
  const keyed = items.map((item, index) => ({
    item,
    key: createHash('sha256').update(`${seed} ${index}`).digest('hex'),
  }));

  return keyed.sort((a, b) => (a.key < b.key ? -1 : 1)).map(({ item }) => item);
}

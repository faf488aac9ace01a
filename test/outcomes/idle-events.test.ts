import { DateTime } from 'luxon';
import { type IdleEventPage, idleEventsOf, placeOf } from '../../src/outcomes/idle-events.js';
import { inTransaction, type PageArguments } from '../../src/platform/index.js';
import { aContract, aMeter, aPriceBook, aTenant, perMillion } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aKey } from '../support/product.js';
import { readAll, standings, totals } from './acceptance/reading.js';
import {
  aMarket,
  arrive,
  aRule,
  aSale,
  aVersion,
  charged,
  CLAIM,
  instant,
  later,
  type Market,
  type Sale,
  type Sent,
  send,
  times,
  work,
  workAnew,
} from './acceptance/support.js';

/*
 * Accepted events that rules look at and that bear on nothing, as the API lists them. Which of them are awaited under which
 * rules and contracts is tested against the judge in idle-event.rules.test.ts.
 */

const T = '2026-11-10T10:00:00Z';
const NOW = '2026-11-12T00:00:00Z';
const NOVEMBER = ', from: "2026-11-01T00:00:00Z", until: "2026-12-01T00:00:00Z"';
const REOPENED = 'conversation.reopened';
const REVERSAL = { reversal: { clause: { eventType: REOPENED }, windowHours: 336 } };

let market: Market;

beforeAll(async () => {
  market = await aMarket();
});

afterAll(() => market.product.close());

const anEvent = (type: string, id: string, given: Partial<Sent> & { readonly hours?: number } = {}): Sent => {
  const { hours = 0, ...more } = given;

  return { id, type, time: later(T, hours), subject: id, ...more };
};

const claim = (id: string, given: Parameters<typeof anEvent>[2] = {}): Sent => anEvent(CLAIM, id, given);

const back = (id: string, given: Parameters<typeof anEvent>[2] = {}): Sent =>
  anEvent(REOPENED, id, { subject: 'a', hours: 1, ...given });

const FIELDS = 'eventId role state reason pendingUntil';

/** What the API says of idle events, by their ids, in the order of the list. */
async function idle(sale: Sale, filter = ''): Promise<Record<string, string>> {
  const events = await readAll(sale, 'idleOutcomeEvents', FIELDS, NOVEMBER + filter);

  return Object.fromEntries(
    events.map(({ eventId, role, state, reason, pendingUntil }) => [
      eventId,
      [
        role,
        state,
        reason,
        ...(pendingUntil ? [DateTime.fromISO(pendingUntil).toUTC().toFormat('dd HH:mm')] : []),
      ].join(' '),
    ]),
  );
}

/** A sale with one rule and these events, which arrive on 12 November. */
async function arrived(terms: object, events: readonly Sent[]): Promise<Sale & { readonly ruleId: string }> {
  const sale = await aSale(market);
  const rule = await aRule(sale, { ...terms });
  await arrive(sale, NOW, events);

  return { ...sale, ...rule };
}

describe('a reversal before its claim', () => {
  test('is PENDING, then EXPIRED, and no more there when the claim comes, with which it nets to nothing', async () => {
    const sale = await arrived(REVERSAL, [back('back')]);
    expect(await idle(sale)).toEqual({ back: 'REVERSAL PENDING NO_OUTCOME 24 11:00' });
    market.product.setClock(instant('2026-11-24T10:59:00Z'));
    expect(await idle(sale)).toEqual({ back: 'REVERSAL PENDING NO_OUTCOME 24 11:00' });
    market.product.setClock(instant('2026-11-24T11:00:00Z'));
    expect(await idle(sale)).toEqual({ back: 'REVERSAL EXPIRED NO_OUTCOME 24 11:00' });
    expect(await totals(sale)).toEqual({});
    await arrive(sale, '2026-11-26T00:00:00Z', [claim('a')]);
    expect(await idle(sale)).toEqual({});
    expect(await standings(sale)).toEqual({ a: 'REVERSED REVERSED' });
    expect(await totals(sale)).toEqual({});
  });

  test('tells everything that is known of it', async () => {
    const sale = await arrived(REVERSAL, []);
    await arrive(sale, NOW, [{ ...back('back'), source: 'desk' } as Sent]);
    expect(
      await readAll(
        sale,
        'idleOutcomeEvents',
        'eventId source eventType time subject role outcomeRuleId state reason pendingUntil',
        NOVEMBER,
      ),
    ).toEqual([
      {
        eventId: 'back',
        source: 'desk',
        eventType: REOPENED,
        time: '2026-11-10T11:00:00.000Z',
        subject: 'a',
        role: 'REVERSAL',
        outcomeRuleId: sale.ruleId,
        state: 'PENDING',
        reason: 'NO_OUTCOME',
        pendingUntil: '2026-11-24T11:00:00.000Z',
      },
    ]);
    await arrive(sale, NOW, [claim('a')]);
    expect(await idle(sale)).toEqual({});
  });
});

describe('what bears on nothing', () => {
  test('is listed by its role, for as long as its rule waits', async () => {
    const sale = await arrived(
      {
        ...REVERSAL,
        valueProperty: 'value',
        guarantee: { clause: { eventType: 'charged_back' }, windowHours: 48 },
        verification: { verifiers: ['LLM'], eventType: 'checked', expiresAfterHours: 24 },
      },
      [
        claim('a'),
        back('of nothing', { subject: 'nobody' }),
        anEvent('charged_back', 'paid', { hours: 2, subject: 'nobody' }),
        anEvent('checked', 'word', { hours: 3, subject: 'nobody', properties: { passes: true, verifier: 'LLM' } }),
      ],
    );
    expect(await idle(sale)).toEqual({
      word: 'VERIFICATION EXPIRED NO_OUTCOME 11 13:00',
      paid: 'GUARANTEE PENDING NO_OUTCOME 12 12:00',
      'of nothing': 'REVERSAL PENDING NO_OUTCOME 24 11:00',
    });
    expect(await standings(sale)).toEqual({ a: 'EXPIRED UNVERIFIED' });
  });

  test('is no event that an outcome is, or rests on, with a subject or without', async () => {
    const verification = { verifiers: ['LLM'], eventType: 'checked', expiresAfterHours: 24 };
    const sale = await arrived({ ...REVERSAL, verification }, [claim('a'), { id: 'loose', type: CLAIM, time: T }]);
    const word = (id: string) =>
      anEvent('checked', id, { subject: 'a', properties: { passes: true, verifier: 'LLM' } });
    await arrive(sale, NOW, [word('own word'), back('back')]);
    expect(await standings(sale)).toEqual({ a: 'EXPIRED UNVERIFIED', loose: 'EXPIRED UNVERIFIED' });
    expect(await idle(sale)).toEqual({
      back: 'REVERSAL PENDING NO_EFFECT 24 11:00',
      'own word': 'VERIFICATION EXPIRED NO_EFFECT 11 10:00',
    });
    await send(sale, [word('word')], await aKey(market.product.app, market.product.scope(), ['usage:write']));
    await work(sale);
    expect(await standings(sale)).toEqual({ a: 'REVERSED REVERSED', loose: 'EXPIRED UNVERIFIED' });
    expect(await idle(sale)).toEqual({ 'own word': 'VERIFICATION EXPIRED NO_EFFECT 11 10:00' });
  });

  test('is no fact that excludes, rates or touches: none of these waits for a claim', async () => {
    const sale = await arrived(
      {
        maturationHours: 24,
        exclusions: [{ reason: 'ESCALATED', eventType: 'escalated', filter: '', withinHours: 24 }],
        quality: { property: 'score', minimum: '4', whenMissing: 'ACCEPT', eventType: 'rated' },
        attribution: {
          touch: { eventType: 'touched', filter: '' },
          windowHours: 24,
          model: 'LAST',
          agentProperty: 'agent',
        },
      },
      ['escalated', 'rated', 'touched'].map(type => anEvent(type, type)),
    );
    expect(await idle(sale)).toEqual({});
    // They are kept: a claim that comes is judged by them.
    await arrive(sale, NOW, [claim('a', { subject: 'escalated' })]);
    expect(await standings(sale)).toEqual({ a: 'REJECTED ESCALATED' });
  });

  test('is not what excludes an outcome of the same customer, though it reverses nothing of its own subject', async () => {
    const terms = {
      ...REVERSAL,
      maturationHours: 24,
      customerProperty: 'customer',
      exclusions: [{ reason: 'CAME_AGAIN', eventType: REOPENED, filter: '', scope: 'CUSTOMER', withinHours: 24 }],
    };
    const of = (customer: string) => ({ properties: { customer } });
    const sale = await arrived(terms, [
      claim('a', of('ann')),
      back('again', { subject: 'other', ...of('ann') }),
      back('alone', { subject: 'other too', ...of('bob') }),
    ]);
    expect(await standings(sale)).toEqual({ a: 'REJECTED CAME_AGAIN' });
    expect(await idle(sale)).toEqual({ alone: 'REVERSAL PENDING NO_OUTCOME 24 11:00' });
  });

  test('says why: it names no subject, is not matched, came too late, or changes nothing', async () => {
    const clause = { eventType: REOPENED, filter: 'properties.by == "customer"' };
    const by = { properties: { by: 'customer' } };
    const sale = await arrived({ reversal: { clause, windowHours: 24 } }, [
      claim('a'),
      claim('b'),
      back('first', by),
      back('second', { ...by, hours: 2 }),
      back('late', { ...by, subject: 'b', hours: 25 }),
      back('before', { ...by, subject: 'b', hours: -1 }),
      back('unmatched'),
      { id: 'loose', type: REOPENED, time: T, properties: { by: 'customer' } },
    ]);
    expect(await standings(sale)).toEqual({ a: 'REVERSED REVERSED', b: 'MATURED' });
    expect(await idle(sale)).toEqual({
      late: 'REVERSAL PENDING TOO_LATE 12 11:00',
      second: 'REVERSAL EXPIRED NO_EFFECT 11 12:00',
      unmatched: 'REVERSAL EXPIRED NOT_MATCHED',
      loose: 'REVERSAL EXPIRED NO_SUBJECT',
      before: 'REVERSAL EXPIRED NO_OUTCOME 11 09:00',
    });
  });

  test('is listed under the rule that awaits it longest', async () => {
    const sale = await aSale(market);
    await aRule(sale, {
      claim: { eventType: 'solved' },
      reversal: { clause: { eventType: REOPENED }, windowHours: 1 },
    });
    const long = await aRule(sale, REVERSAL, { key: 'long' });
    await arrive(sale, NOW, [back('back')]);
    const [event] = await readAll(sale, 'idleOutcomeEvents', 'outcomeRuleId', NOVEMBER);
    expect(event).toEqual({ outcomeRuleId: long.ruleId });
  });
});

describe('a claim that is no outcome', () => {
  test('without a contract says so, until there is one', async () => {
    const sale = await aSale(market, { startsAt: '2026-11-15T00:00:00Z' });
    await aRule(sale);
    await arrive(sale, NOW, [claim('a')]);
    expect(await idle(sale)).toEqual({ a: 'CLAIM EXPIRED NO_CONTRACT' });
    expect(await standings(sale)).toEqual({});
  });

  test('of a tenant that never had a contract waits for one, and is not listed', async () => {
    const sale = await aSale(market);
    await aRule(sale);
    const nobody = { ...sale, buyerId: await aTenant(market.product) };
    await arrive(nobody, NOW, [claim('a')]);
    expect(await idle(nobody)).toEqual({});
    await aContract(market.product, { buyerId: nobody.buyerId, bookId: sale.bookId, startsAt: instant(NOW) });
    await workAnew(nobody, '2026-11-01T00:00:00Z');
    expect(await idle(nobody)).toEqual({ a: 'CLAIM EXPIRED NO_CONTRACT' });
  });

  test('before the first version, or that the filter does not match', async () => {
    const sale = await aSale(market);
    const filter = 'properties.status == "ok"';
    await aRule(sale, { claim: { eventType: CLAIM, filter } }, { effectiveAt: '2026-11-05T00:00:00Z' });
    const properties = { status: 'ok' };
    await arrive(sale, NOW, [
      claim('early', { time: '2026-11-04T23:59:59.999Z', properties }),
      claim('first', { time: '2026-11-05T00:00:00Z', properties }),
      claim('bad', { properties: { status: 'failed' } }),
      claim('good', { properties }),
    ]);
    expect(await standings(sale)).toEqual({ first: 'MATURED', good: 'MATURED' });
    expect(await idle(sale)).toEqual({ bad: 'CLAIM EXPIRED NOT_MATCHED', early: 'CLAIM EXPIRED NO_RULE_VERSION' });
  });

  test('under a contract that is pinned, by a rule that was published after it began', async () => {
    const meterId = await aMeter(market.product);
    const { bookId, versionId } = await aPriceBook(market.product, { prices: [{ meterId, terms: perMillion('1') }] });
    const sale = await aSale(market, { bookId });
    const buyerId = await aTenant(market.product);
    await market.product.app.services.contracts.create(market.product.scope(), {
      buyerId,
      priceBookId: sale.bookId,
      priceBookVersionId: versionId,
      startsAt: instant('2026-11-03T00:00:00Z'),
      graceHours: 24,
      idempotencyKey: buyerId,
    });
    await aRule(sale, REVERSAL, { effectiveAt: '2026-11-05T00:00:00Z' });
    const pinned = { ...sale, buyerId };
    await arrive(pinned, NOW, [claim('a'), back('back')]);
    expect(await idle(pinned)).toEqual({
      back: 'REVERSAL EXPIRED NO_RULE_VERSION',
      a: 'CLAIM EXPIRED NO_RULE_VERSION',
    });
  });

  test('after a change of contracts, by the rules of the contract before; what reverses its claims is still awaited', async () => {
    const sale = await aSale(market);
    await aRule(sale, REVERSAL);
    const next = await aSale(market);
    await aContract(market.product, { ...sale, bookId: next.bookId, startsAt: instant('2026-11-10T00:00:00Z') });
    await arrive(sale, NOW, [claim('a'), back('back')]);
    expect(await idle(sale)).toEqual({
      back: 'REVERSAL PENDING NO_OUTCOME 24 11:00',
      a: 'CLAIM EXPIRED NO_RULE_VERSION',
    });
    await arrive(sale, NOW, [claim('before', { subject: 'a', time: '2026-11-09T00:00:00Z' })]);
    expect(await standings(sale)).toEqual({ before: 'REVERSED REVERSED' });
    expect(await idle(sale)).toEqual({ a: 'CLAIM EXPIRED NO_RULE_VERSION' });
  });

  test('by the old terms, after a version that claims otherwise', async () => {
    const sale = await aSale(market);
    const { ruleId } = await aRule(sale);
    await aVersion(sale, ruleId, { claim: { eventType: 'solved' } }, '2026-11-10T00:00:00Z');
    await arrive(sale, NOW, [claim('old'), anEvent('solved', 'new')]);
    expect(await standings(sale)).toEqual({ new: 'MATURED' });
    expect(await idle(sale)).toEqual({ old: 'CLAIM EXPIRED NO_RULE_VERSION' });
  });
});

describe('the list', () => {
  test('holds nothing of other tenants, and opens to a key that may read outcomes', async () => {
    const sale = await arrived(REVERSAL, [back('own')]);
    const other = { ...sale, buyerId: await aTenant(market.product) };
    await aContract(market.product, { buyerId: other.buyerId, bookId: sale.bookId, startsAt: instant(T) });
    await arrive(other, NOW, [back('of another')]);
    expect(Object.keys(await idle(sale))).toEqual(['own']);
    expect(Object.keys(await idle(other))).toEqual(['of another']);

    const ask = async (key: string, id: string | null) =>
      market.product.graphql(
        key,
        `query ($id: ID) { tenant(id: $id) { idleOutcomeEvents(first: 5${NOVEMBER}) { edges { node { eventId } } } } }`,
        { id },
      );
    const scope = market.product.scope(sale.buyerId);
    const reads = await aKey(market.product.app, scope, ['outcomes:read', 'tenants:read']);
    const edges = (await ask(reads, null)).data.tenant.idleOutcomeEvents.edges;
    expect(edges).toEqual([{ node: { eventId: 'own' } }]);
    expect((await ask(reads, other.buyerId)).data.tenant).toBeNull();
    const blind = await aKey(market.product.app, scope, ['usage:read', 'tenants:read']);
    expect((await ask(blind, null)).errors?.map(({ message }) => message)).toEqual([
      'this key lacks the permission outcomes:read',
    ]);
  });

  test('is paged, latest first, those of one instant too, each once', async () => {
    const minutes = (minute: number): string => later(T, minute / 60);
    const many = times(230, index =>
      back(`e${String(index).padStart(3, '0')}`, { subject: 'nobody', time: minutes(Math.floor(index / 4)) }),
    );
    const sale = await arrived(REVERSAL, [...many, claim('a'), claim('b'), back('of b', { subject: 'b', hours: 2 })]);
    const inOrder = many.map(({ id }) => id ?? '').reverse();
    expect(Object.keys(await idle(sale))).toEqual(inOrder);

    // Four of the instant at which the window begins, and four of a later one.
    const [from, until] = [minutes(3), minutes(5)];

    for (const size of [1, 3, 5, 8, 100]) {
      const seen: string[] = [];

      for (let after: string | null = null; ;) {
        const { data } = await market.product.graphql(
          sale.keys.reads,
          `query ($id: ID!, $from: DateTime!, $until: DateTime!, $first: Int!, $after: String) { tenant(id: $id) {
             idleOutcomeEvents(from: $from, until: $until, first: $first, after: $after) {
               edges { cursor node { eventId } } pageInfo { hasNextPage endCursor } } } }`,
          { id: sale.buyerId, from, until, first: size, after },
        );
        const { edges, pageInfo } = data.tenant.idleOutcomeEvents;
        expect(edges.length).toBeLessThanOrEqual(size);
        seen.push(...edges.map(({ node }: { node: { eventId: string } }) => node.eventId));
        expect(pageInfo).toEqual({ hasNextPage: seen.length < 8, endCursor: edges.at(-1)?.cursor });
        after = pageInfo.endCursor as string;

        if (!pageInfo.hasNextPage) {
          break;
        }
      }

      expect([size, seen]).toEqual([size, inOrder.slice(-20, -12)]);
    }
  });

  test('of one state skips the others, however many lie between', async () => {
    const clause = { eventType: REOPENED, filter: 'properties.by == "customer"' };
    const by = { properties: { by: 'customer' } };
    const sale = await arrived({ reversal: { clause, windowHours: 24 } }, [
      back('old', { ...by, hours: -30 }),
      back('oldest', { ...by, hours: -200 }),
      // Half of them at the instant at which others wait, the other half before.
      ...times(300, index => back(`unmatched ${index}`, { hours: index % 2 === 0 ? 5 : 21 })),
      back('pending', { ...by, hours: 20 }),
      claim('unclaimed', { hours: -180, properties: { x: 1 } }),
      ...times(150, index => back(`waiting ${index}`, { ...by, hours: 21 })),
    ]);
    const first = async (filter: string, most: number) =>
      (await readAll(sale, 'idleOutcomeEvents', 'eventId', NOVEMBER + filter, most)).map(({ eventId }) => eventId);
    expect((await first(', state: PENDING', 1_000)).length).toBe(151);
    expect((await first(', state: PENDING', 1_000)).at(-1)).toBe('pending');
    const expired = await first(', state: EXPIRED', 1_000);
    expect(expired).toHaveLength(302);
    expect(expired.slice(-3)).toEqual(['unmatched 0', 'old', 'oldest']);
    expect(await first('', 1_000)).toHaveLength(453);
  });

  test('looks at so many events for a page and says where to go on, though the page is short or empty', async () => {
    const used = times(40, index => claim(`used ${index}`, { time: later(T, index / 60) }));
    const idleOnes = [5, 20, 39].map(minute => back(`idle ${minute}`, { subject: 'x', time: later(T, minute / 60) }));
    const sale = await arrived(REVERSAL, [...used, ...idleOnes]);
    const { outcomes } = market.product.app.services;
    const window = { from: instant('2026-11-01T00:00:00Z'), until: instant('2026-12-01T00:00:00Z'), state: null };
    const pages: string[][] = [];
    let after: string | null = null;

    do {
      const args: PageArguments = { first: 2, after };
      const { events, reached }: IdleEventPage = await inTransaction(market.product.scope(sale.buyerId), async tx =>
        idleEventsOf(tx, await outcomes.heldContracts(tx), window, args, 10),
      );
      pages.push(events.map(({ event }) => event.id));
      after = reached && Buffer.from(placeOf(reached)).toString('base64url');
    } while (after !== null);

    // 43 events, ten of them for each page, the latest first.
    expect(pages).toEqual([['idle 39'], [], ['idle 20'], ['idle 5'], []]);
  });

  test('goes on behind 20,000 events that are not asked for', async () => {
    const clause = { eventType: REOPENED, filter: 'properties.by == "customer"' };
    const sale = await arrived({ reversal: { clause, windowHours: 336 } }, [
      back('awaited', { properties: { by: 'customer' } }),
    ]);

    for (const insert of [
      `insert into usage_event (tenant_id, id, source, type, time, subject, properties, content_hash, accepted_at, key_id)
       select $1, 'e' || i, '', $2, $3::timestamptz + i * interval '1 second', 's' || i, '{}', 'x', now(), 'key'`,
      `insert into outcome_event (tenant_id, id, source, type, time, subject, key_id, party)
       select $1, 'e' || i, '', $2, $3::timestamptz + i * interval '1 second', 's' || i, 'key', 'SELLER'`,
    ]) {
      await asSuperuser(market.product.database, `${insert} from generate_series(1, 20000) i`, [
        sale.buyerId,
        REOPENED,
        later(T, 1),
      ]);
    }

    const page = async (after: string | null) => {
      const { data } = await market.product.graphql(
        sale.keys.reads,
        `query ($id: ID!, $after: String) { tenant(id: $id) {
           idleOutcomeEvents(first: 10, after: $after, state: PENDING${NOVEMBER}) {
             edges { node { eventId } } pageInfo { hasNextPage endCursor } } } }`,
        { id: sale.buyerId, after },
      );

      return data.tenant.idleOutcomeEvents;
    };
    const first = await page(null);
    expect(first).toEqual({ edges: [], pageInfo: { hasNextPage: true, endCursor: expect.any(String) } });
    expect(await page(first.pageInfo.endCursor)).toMatchObject({
      edges: [{ node: { eventId: 'awaited' } }],
      pageInfo: { hasNextPage: false },
    });
  });

  test.each([
    ['ends before it begins', T, later(T, -1), 'until'],
    ['is empty', T, T, 'until'],
    ['is longer than 31 days', '2026-11-01T00:00:00Z', '2026-12-02T00:00:00.001Z', 'until'],
  ])('of a stretch that %s is refused', async (_what, from, until, field) => {
    const sale = await arrived(REVERSAL, []);
    const { errors } = await asked(sale, { from, until });
    expect(errors).toMatchObject([
      { message: 'until is after from, by at most 31 days', extensions: { code: 'INVALID_INPUT', field: [field] } },
    ]);
  });

  test('of exactly 31 days answers, from its first instant until before its last', async () => {
    const [from, until] = ['2026-10-31T10:00:00Z', '2026-12-01T10:00:00Z'];
    const sale = await aSale(market, { opensAt: '2026-10-01T00:00:00Z' });
    await aRule(sale, REVERSAL);
    await arrive(sale, '2026-12-02T00:00:00Z', [
      back('before', { time: '2026-10-31T09:59:59.999Z' }),
      back('first', { time: from }),
      back('last', { time: '2026-12-01T09:59:59.999Z' }),
      back('beyond', { time: until }),
    ]);
    const { data } = await asked(sale, { from, until });
    expect(data.tenant.idleOutcomeEvents.edges.map(({ node }: { node: { eventId: string } }) => node.eventId)).toEqual([
      'last',
      'first',
    ]);
  });

  test.each([
    ['no cursor', 'nonsense', 'after'],
    ['a place without a source', Buffer.from(`${T}\nid`).toString('base64url'), 'after'],
    ['a place of no time', Buffer.from('then\nid\n').toString('base64url'), 'after'],
  ])('after %s is refused', async (_what, after, field) => {
    const sale = await arrived(REVERSAL, [back('back')]);
    const { errors } = await asked(sale, { from: T, until: later(T, 24), after });
    expect(errors).toMatchObject([{ extensions: { code: 'INVALID_INPUT', field: [field] } }]);
  });

  async function asked(sale: Sale, variables: object) {
    return market.product.graphql(
      sale.keys.reads,
      `query ($id: ID!, $from: DateTime!, $until: DateTime!, $after: String) { tenant(id: $id) {
         idleOutcomeEvents(from: $from, until: $until, after: $after) { edges { node { eventId } } } } }`,
      { id: sale.buyerId, ...variables },
    );
  }

  test('says nothing of what is not judged yet', async () => {
    const sale = await charged(market, REVERSAL, []);
    market.product.setClock(instant(NOW));
    await market.product.postUsage(sale.keys.sends, [{ ...back('back'), properties: {}, tenant: sale.buyerId }]);
    expect(await idle(sale)).toEqual({});
    await work(sale);
    expect(Object.keys(await idle(sale))).toEqual(['back']);
  });
});

import { idsOf, invoices, readAll, receipts, standings, stats, tally, totals } from './reading.js';
import {
  aMarket,
  arrive,
  aRule,
  aSale,
  ask,
  aVersion,
  charged,
  CLAIM,
  each,
  graduated,
  issue,
  later,
  type Market,
  type Sale,
  send,
  type Sent,
  times,
  verify,
  work,
} from './support.js';

let market: Market;

beforeAll(async () => {
  market = await aMarket();
});

afterAll(() => market.product.close());

describe('O1: a definition is versioned and effective-dated, and says which instant decides the version', () => {
  // 31 May 24:00 in New York.
  const MIDNIGHT = '2026-06-01T04:00:00.000Z';

  /** v1 at $0.99 until 31 May 24:00 of the tenant's time, v2 at $1.10; a conversation that starts and is resolved. */
  async function aConversation(versionAnchor: string, started: string, resolved: string, more: object = {}) {
    const sale = await aSale(market, { opensAt: '2026-05-01T04:00:00Z', timeZone: 'America/New_York' });
    const terms = { versionAnchor, startedProperty: 'started', periodAnchor: 'OCCURRED', ...more };
    const { ruleId } = await aRule(sale, { ...terms, prices: each('0.99') });
    await aVersion(sale, ruleId, { ...terms, prices: each('1.10') }, MIDNIGHT);
    market.product.setClock(new Date('2026-06-20T12:00:00Z'));
    await send(sale, [{ type: CLAIM, time: resolved, subject: 'c1', properties: { started } }]);
    await work(sale);
    const [outcome] = await readAll(sale, 'outcomes', 'versionNumber state');

    return { version: outcome.versionNumber as number, state: outcome.state as string, totals: await totals(sale) };
  }

  const [STARTED, RESOLVED] = ['2026-05-31T23:50:00-04:00', '2026-06-01T00:10:00-04:00'];

  test('O1: starts 31 May 23:50, resolves 1 June 00:10: anchor started is $0.99', async () => {
    expect(await aConversation('STARTED', STARTED, RESOLVED)).toEqual({
      version: 1,
      state: 'MATURED',
      totals: { '2026-06': '0.99' },
    });
  });

  test('O1: starts 31 May 23:50, resolves 1 June 00:10: anchor occurred is $1.10', async () => {
    expect(await aConversation('OCCURRED', STARTED, RESOLVED)).toEqual({
      version: 2,
      state: 'MATURED',
      totals: { '2026-06': '1.1' },
    });
  });

  test('O1: resolves 31 May 23:50, matures two days later: anchor matured is $1.10', async () => {
    expect(await aConversation('MATURED', STARTED, STARTED, { maturationHours: 48 })).toEqual({
      version: 2,
      state: 'MATURED',
      totals: { '2026-05': '1.1' },
    });
  });

  test('O1: the new version holds from its very instant', async () => {
    expect(await aConversation('OCCURRED', STARTED, MIDNIGHT)).toMatchObject({ version: 2 });
    expect(await aConversation('OCCURRED', STARTED, '2026-06-01T03:59:59.999Z')).toMatchObject({ version: 1 });
  });
});

describe('O2: what is not billed is excluded, and counted by reason', () => {
  const TIME = '2026-11-10T10:00:00Z';

  test('O2: 1,000 conversations − 120 greetings − 60 tests − 320 escalated = 500 × $0.99 = $495.00', async () => {
    const sale = await aSale(market);
    const { ruleId } = await aRule(sale, {
      claim: { eventType: CLAIM, filter: 'properties.channel == "chat"' },
      exclusions: [
        { reason: 'GREETING', filter: 'properties.turns <= 1' },
        { reason: 'ESCALATED', eventType: 'conversation.escalated' },
      ],
      environment: { filter: 'properties.environment == "test"', policy: 'REJECT' },
    });
    const claim = (subject: string, properties: object) => ({
      type: CLAIM,
      time: TIME,
      subject,
      properties: { channel: 'chat', turns: 5, environment: 'live', ...properties },
    });
    await arrive(sale, '2026-11-21T00:00:00Z', [
      ...times(120, index => claim(`greeting ${index}`, { turns: 1 })),
      ...times(60, index => claim(`test ${index}`, { environment: 'test' })),
      ...times(320, index => claim(`escalated ${index}`, {})),
      ...times(500, index => claim(`resolved ${index}`, {})),
      ...times(320, index => ({
        type: 'conversation.escalated',
        time: later(TIME, -1),
        subject: `escalated ${index}`,
      })),
      // The predicate qualifies: by telephone it is no outcome at all.
      claim('by telephone', { channel: 'voice' }),
    ]);
    expect(await tally(sale)).toEqual({
      MATURED: 500,
      'REJECTED GREETING': 120,
      'REJECTED TEST_ENVIRONMENT': 60,
      'REJECTED ESCALATED': 320,
    });
    expect(await invoices(sale)).toEqual({
      '2026-11': { status: 'DRAFT', total: '495', lines: [['resolution: Each', '500', '495']] },
    });
    expect(await stats(sale, ruleId)).toEqual({
      MATURED: { count: 500, amount: '495', listAmount: '495' },
      'REJECTED GREETING': { count: 120, amount: '0', listAmount: '0' },
      'REJECTED TEST_ENVIRONMENT': { count: 60, amount: '0', listAmount: '0' },
      'REJECTED ESCALATED': { count: 320, amount: '0', listAmount: '0' },
    });
  });

  test('O2: whom a person has touched, or who is of another region, is counted by that reason; the first one says why', async () => {
    const exclusions = [
      { reason: 'HUMAN_TOUCHED', filter: 'properties.touched == true' },
      { reason: 'REGION', filter: '!(properties.region in ["eu", "us"])' },
    ];
    const sale = await charged(market, { exclusions }, [
      { id: 'a', type: CLAIM, time: TIME, properties: { touched: true, region: 'cn' } },
      { id: 'b', type: CLAIM, time: TIME, properties: { touched: false, region: 'cn' } },
      { id: 'c', type: CLAIM, time: TIME, properties: { touched: false, region: 'eu' } },
    ]);
    expect(await standings(sale)).toEqual({ a: 'REJECTED HUMAN_TOUCHED', b: 'REJECTED REGION', c: 'MATURED' });
    expect(await totals(sale)).toEqual({ '2026-11': '0.99' });
  });
});

describe('O3: a claim is no charge before its evidence is there and somebody has verified it', () => {
  const TIME = '2026-11-10T10:00:00Z';
  const VERIFICATION = { verifiers: ['LLM'], expiresAfterHours: 168 };

  test('O3: 500 claims, 470 verified: $465.30; 30 stay rejected with their reason, at $0', async () => {
    const sale = await aSale(market);
    await aRule(sale, { verification: VERIFICATION });
    market.product.setClock(new Date(later(TIME, 1)));
    await send(
      sale,
      times(500, index => ({ type: CLAIM, time: TIME, subject: `c${index}` })),
    );
    await work(sale);
    expect(await tally(sale)).toEqual({ CLAIMED: 500 });
    expect(await invoices(sale)).toEqual({});
    const ids = await idsOf(sale);
    await verify(sale, ids.slice(0, 470));
    await verify(sale, ids.slice(470), { passes: false, reason: 'NOT_RESOLVED' });
    await work(sale);
    expect(await tally(sale)).toEqual({ MATURED: 470, 'REJECTED NOT_RESOLVED': 30 });
    expect(await invoices(sale)).toEqual({
      '2026-11': { status: 'DRAFT', total: '465.3', lines: [['resolution: Each', '470', '465.3']] },
    });
    await work(sale, '2026-12-20T00:00:00Z');
    expect(await tally(sale)).toEqual({ MATURED: 470, 'REJECTED NOT_RESOLVED': 30 });
    expect(await totals(sale)).toEqual({ '2026-11': '465.3' });
  });

  test('O3: evidence is needed of the claim or of its verification; a pass without it passes nothing', async () => {
    const sale = await aSale(market);
    await aRule(sale, { verification: VERIFICATION, evidence: ['transcript', 'ticket'] });
    market.product.setClock(new Date(later(TIME, 1)));
    const properties = { transcript: 't' };
    await send(sale, [{ id: 'a', type: CLAIM, time: TIME, subject: 'a', properties }]);
    await work(sale);
    const ids = await idsOf(sale);
    await verify(sale, ids);
    await work(sale);
    expect(await standings(sale)).toEqual({ a: 'CLAIMED EVIDENCE_MISSING' });
    expect(await totals(sale)).toEqual({});
    await verify(sale, ids, { evidence: { ticket: 'https://example.com/t/1' } });
    await work(sale);
    expect(await standings(sale)).toEqual({ a: 'MATURED' });
    expect(await totals(sale)).toEqual({ '2026-11': '0.99' });
  });

  test('O3: a system verifies by an event; a verifier that the rule does not name is refused', async () => {
    const sale = await aSale(market);
    await aRule(sale, {
      verification: { verifiers: ['SYSTEM'], eventType: 'ticket.closed', expiresAfterHours: 168 },
    });
    market.product.setClock(new Date(later(TIME, 2)));
    await send(sale, [
      { id: 'a', type: CLAIM, time: TIME, subject: 'a' },
      { id: 'b', type: CLAIM, time: TIME, subject: 'b' },
    ]);
    await work(sale);
    const system = { verifier: 'SYSTEM', passes: true };
    const closed = { type: 'ticket.closed', time: later(TIME, 1) };
    // By the key of somebody else: nobody verifies what the same key claimed.
    await send(sale, [{ ...closed, subject: 'a', properties: system }], market.product.platformKey);
    await work(sale);
    const { userErrors } = await ask(market.product, market.keys.verifies, 'outcomeVerify', 'replayed', {
      tenantId: sale.buyerId,
      outcomeIds: await idsOf(sale, 'CLAIMED'),
      passes: true,
      verifier: 'HUMAN',
    });
    expect(userErrors).toMatchObject([{ code: 'INVALID_INPUT', field: ['verifier'] }]);
    expect(await standings(sale)).toEqual({ a: 'MATURED', b: 'CLAIMED' });
  });
});

describe('O4: an outcome has to be good enough', () => {
  const TIME = '2026-11-10T10:00:00Z';
  /** 253 resolutions, 13 of which are rated 1 to 3, and 100 of which are rated 4 or 5. */
  const RESOLVED: readonly Sent[] = [
    ...times(253, index => ({ type: CLAIM, time: TIME, subject: `c${index}` })),
    ...times(113, index => ({
      type: 'conversation.rated',
      time: later(TIME, 5),
      subject: `c${index * 2}`,
      properties: { csat: index < 13 ? (index % 3) + 1 : (index % 2) + 4 },
    })),
  ];

  const quality = (whenMissing: string) => ({
    maturationHours: 24,
    quality: { property: 'csat', minimum: '4', whenMissing, eventType: 'conversation.rated' },
  });

  test('O4: 253 resolutions of which 13 have CSAT ≤ 3: 240 billed, 47.50 + 45.00 + 140 × 0.85 = $211.50', async () => {
    const sale = await charged(market, { prices: graduated(), ...quality('ACCEPT') }, RESOLVED);
    expect(await tally(sale)).toEqual({ MATURED: 240, 'REJECTED QUALITY_BELOW': 13 });
    expect(await invoices(sale)).toEqual({
      '2026-11': { status: 'DRAFT', total: '211.5', lines: [['resolution: Graduated', '240', '211.5']] },
    });
  });

  test('O4: all 253 are $222.55', async () => {
    const sale = await charged(market, { prices: graduated() }, RESOLVED.slice(0, 253));
    expect(await invoices(sale)).toEqual({
      '2026-11': { status: 'DRAFT', total: '222.55', lines: [['resolution: Graduated', '253', '222.55']] },
    });
  });

  test('O4: where a missing score rejects, the 140 that nobody rated wait, and are rejected when they would mature', async () => {
    const sale = await charged(market, { prices: graduated(), ...quality('REJECT') }, RESOLVED);
    // 100 × rated 4 or 5: 47.50 + 45.00.
    expect(await tally(sale)).toEqual({ MATURED: 100, 'REJECTED QUALITY_BELOW': 13, 'REJECTED QUALITY_MISSING': 140 });
    expect(await totals(sale)).toEqual({ '2026-11': '92.5' });
  });

  test('O4: the score of a verification, such as the confidence of a model, goes before', async () => {
    const sale = await aSale(market);
    await aRule(sale, {
      verification: { verifiers: ['LLM'], expiresAfterHours: 168 },
      quality: { property: 'confidence', minimum: '0.8', whenMissing: 'REJECT' },
    });
    market.product.setClock(new Date(later(TIME, 1)));
    const properties = { confidence: 0.9 };
    await send(
      sale,
      ['a', 'b', 'c'].map((id, index) => ({ id, type: CLAIM, time: later(TIME, index / 60), subject: id, properties })),
    );
    await work(sale);
    const [a = '', b = '', c = ''] = await idsOf(sale);
    await verify(sale, [a], { score: '0.79' });
    await verify(sale, [b], { score: '0.8' });
    await verify(sale, [c]);
    await work(sale);
    expect(await standings(sale)).toEqual({ a: 'REJECTED QUALITY_BELOW', b: 'MATURED', c: 'MATURED' });
  });
});

describe('O5: an outcome matures, in the period in which it occurred or in that in which it matured', () => {
  const OCCURRED = '2026-11-30T20:00:00Z';

  /** $1.50, occurred 30 November 20:00, held 72 hours. */
  async function held(periodAnchor: string, graceHours: number): Promise<Sale> {
    const sale = await aSale(market, { graceHours });
    await aRule(sale, { periodAnchor, maturationHours: 72, prices: each('1.50') });
    await arrive(sale, later(OCCURRED, 1), [{ id: 'a', type: CLAIM, time: OCCURRED, subject: 'c1' }]);
    await work(sale, '2026-12-03T19:59:00Z');
    expect(await standings(sale)).toEqual({ a: 'VERIFIED' });
    expect(await totals(sale)).toEqual({});
    await work(sale, '2026-12-03T20:00:00Z');
    expect(await standings(sale)).toEqual({ a: 'MATURED' });
    const [outcome] = await readAll(sale, 'outcomes', 'maturesAt');
    expect(outcome.maturesAt).toBe('2026-12-03T20:00:00.000Z');

    return sale;
  }

  test('O5: occurred 30 Nov 20:00, hold 72 h, period = matured: December $1.50', async () => {
    expect(await totals(await held('MATURED', 24))).toEqual({ '2026-12': '1.5' });
  });

  test('O5: period = occurred: November $1.50, on its invoice after a grace of 72 h', async () => {
    const sale = await held('OCCURRED', 72);
    expect(await totals(sale)).toEqual({ '2026-11': '1.5' });
    market.product.setClock(new Date('2026-12-04T00:00:00Z'));
    await issue(sale, '2026-11');
    expect(await invoices(sale)).toEqual({
      '2026-11': { status: 'ISSUED', total: '1.5', lines: [['resolution: Each', '1', '1.5']] },
    });
  });

  test('O5: period = occurred with less grace: it comes too late for November’s invoice, and adjusts December’s', async () => {
    const sale = await aSale(market, { graceHours: 24 });
    await aRule(sale, { periodAnchor: 'OCCURRED', maturationHours: 72, prices: each('1.50') });
    await arrive(sale, later(OCCURRED, 1), [
      { type: CLAIM, time: '2026-11-20T20:00:00Z', subject: 'c0' },
      { type: CLAIM, time: OCCURRED, subject: 'c1' },
    ]);
    await work(sale, '2026-12-02T00:00:00Z');
    await issue(sale, '2026-11');
    await work(sale, '2026-12-03T20:00:00Z');
    expect(await invoices(sale)).toEqual({
      '2026-11': { status: 'ISSUED', total: '1.5', lines: [['resolution: Each', '1', '1.5']] },
      '2026-12': { status: 'DRAFT', total: '1.5', lines: [['Nov 2026 adjustment: resolution: Each', '1', '1.5']] },
    });
  });
});

describe('O6: an outcome is somebody’s work within a window', () => {
  const TOUCHED = '2026-11-05T09:00:00Z';

  /** A $50 lead of a 7-day window, touched by agents and converted so many days after the first touch. */
  async function converted(model: string, days: number, touches: readonly (readonly [string, number, number])[]) {
    const touch = { eventType: 'lead.touched' };
    const shareProperty = model === 'SPLIT' ? { shareProperty: 'weight' } : {};
    const attribution = { touch, windowHours: 168, model, agentProperty: 'agent', ...shareProperty };
    const terms = { claim: { eventType: 'lead.converted' }, prices: each('50'), attribution };
    const sale = await charged(market, terms, [
      ...touches.map(([agent, weight, hours]) => ({
        type: 'lead.touched',
        time: later(TOUCHED, hours),
        subject: 'lead 1',
        properties: { agent, weight },
      })),
      { id: 'a', type: 'lead.converted', time: later(TOUCHED, days * 24), subject: 'lead 1' },
    ]);
    const [outcome] = await readAll(sale, 'outcomes', 'state reason agents { agent share }');

    return { sale, outcome, totals: await totals(sale) };
  }

  test('O6: $50 lead, 7-day window: converts on day 6: $50', async () => {
    expect(await converted('LAST', 6, [['ada', 1, 0]])).toMatchObject({
      outcome: { state: 'MATURED', reason: null, agents: [{ agent: 'ada', share: '1' }] },
      totals: { '2026-11': '50' },
    });
  });

  test('O6: converts on day 9: $0', async () => {
    const { outcome, totals: due } = await converted('LAST', 9, [['ada', 1, 0]]);
    expect([outcome, due]).toEqual([{ state: 'REJECTED', reason: 'OUTSIDE_ATTRIBUTION', agents: [] }, {}]);
  });

  test('O6: split 60/40 between two agents: $30 and $20', async () => {
    const touches = [
      ['ada', 60, 0],
      ['bob', 40, 24],
    ] as const;
    const { sale, outcome, totals: due } = await converted('SPLIT', 6, touches);
    expect(outcome.agents).toEqual([
      { agent: 'ada', share: '0.6' },
      { agent: 'bob', share: '0.4' },
    ]);
    expect(due).toEqual({ '2026-11': '50' });
    await work(sale, '2026-12-02T00:00:00Z');
    const [{ receipt } = { receipt: null }] = await receipts(sale, await issue(sale, '2026-11'));
    expect(receipt).toMatchObject({
      amount: '50',
      agents: [
        { agent: 'ada', share: '0.6', amount: '30' },
        { agent: 'bob', share: '0.4', amount: '20' },
      ],
    });
  });

  test.each([
    ['FIRST', 'ada'],
    ['LAST', 'bob'],
  ])('O6: the model %s credits %s with all of it', async (model, agent) => {
    const touches = [
      ['ada', 1, 0],
      ['bob', 1, 24],
    ] as const;
    const { outcome, totals: due } = await converted(model, 6, touches);
    expect(outcome.agents).toEqual([{ agent, share: '1' }]);
    expect(due).toEqual({ '2026-11': '50' });
  });
});

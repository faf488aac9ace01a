import { invoices, readAll, standings, stats, tally, totals } from './reading.js';
import {
  aMarket,
  arrive,
  aRule,
  aSale,
  charged,
  CLAIM,
  each,
  instant,
  issue,
  later,
  type Market,
  type Sale,
  send,
  type Sent,
  type Terms,
  times,
  work,
  workAnew,
} from './support.js';

const T = '2026-11-10T10:00:00Z';
const NOW = '2026-11-20T00:00:00Z';

let market: Market;

beforeAll(async () => {
  market = await aMarket();
});

afterAll(() => market.product.close());

const claim = (id: string, hours: number, subject: string, properties: object = {}): Sent => ({
  id,
  type: CLAIM,
  time: later(T, hours),
  subject,
  properties: { ...properties },
});

/** So many outcomes, each of a subject of its own and a minute after the one before it. */
const claims = (count: number, properties: object = {}): Sent[] =>
  times(count, index => claim(`n${index}`, index / 60, `c${index}`, properties));

describe('O7: what counts once', () => {
  test('O7: 3 "resolved" events in one conversation: 1 × $0.99', async () => {
    const sale = await charged(market, { dedupe: { scope: 'SUBJECT' } }, [
      claim('a', 0, 'c1'),
      claim('b', 1, 'c1'),
      claim('c', 200, 'c1'),
    ]);
    expect(await standings(sale)).toEqual({ a: 'MATURED', b: 'REJECTED DUPLICATE', c: 'REJECTED DUPLICATE' });
    const outcomes = await readAll(sale, 'outcomes', 'id eventId insteadId');
    const winner = outcomes.find(({ eventId }) => eventId === 'a');
    expect(outcomes.map(({ insteadId }) => insteadId)).toEqual([winner.id, winner.id, null]);
    expect(await invoices(sale)).toEqual({
      '2026-11': { status: 'DRAFT', total: '0.99', lines: [['resolution: Each', '1', '0.99']] },
    });
  });

  test('O7: 48 h rolling: at T, T + 10 h, T + 50 h: 2 × $0.20 = $0.40', async () => {
    const sale = await charged(market, { dedupe: { scope: 'SUBJECT', windowHours: 48 }, prices: each('0.20') }, [
      claim('a', 0, 'c1'),
      claim('b', 10, 'c1'),
      claim('c', 50, 'c1'),
    ]);
    expect(await standings(sale)).toEqual({ a: 'MATURED', b: 'REJECTED DUPLICATE', c: 'MATURED' });
    expect(await invoices(sale)).toEqual({
      '2026-11': { status: 'DRAFT', total: '0.4', lines: [['resolution: Each', '2', '0.4']] },
    });
  });

  test('O7: subject and type: another kind of outcome of the conversation counts by its own rule', async () => {
    const sale = await aSale(market);
    const dedupe = { scope: 'SUBJECT' };
    await aRule(sale, { dedupe });
    await aRule(
      sale,
      { dedupe, claim: { eventType: 'lead.qualified' }, prices: each('9.99') },
      { key: 'qualification' },
    );
    await arrive(sale, NOW, [
      claim('a', 0, 'c1'),
      claim('b', 1, 'c1'),
      { ...claim('q', 2, 'c1'), type: 'lead.qualified' },
      { ...claim('r', 3, 'c1'), type: 'lead.qualified' },
    ]);
    expect(await invoices(sale)).toEqual({
      '2026-11': {
        status: 'DRAFT',
        total: '10.98',
        lines: [
          ['qualification: Each', '1', '9.99'],
          ['resolution: Each', '1', '0.99'],
        ],
      },
    });
  });

  test.each([
    [20, 'REJECTED CAME_BACK', {}],
    [25, 'MATURED', { '2026-11': '0.99' }],
  ])(
    'O7: cross-channel: a chat is resolved, its customer writes a mail %i h later: %s (24 h, the chat does not count)',
    async (hours, standing, due) => {
      const sale = await charged(
        market,
        {
          customerProperty: 'customer',
          maturationHours: 24,
          exclusions: [{ reason: 'CAME_BACK', eventType: 'conversation.opened', scope: 'CUSTOMER', withinHours: 24 }],
        },
        [
          { type: 'conversation.opened', time: later(T, -1), subject: 'chat 1', properties: { customer: 'ada' } },
          claim('chat', 0, 'chat 1', { customer: 'ada' }),
          { type: 'conversation.opened', time: later(T, hours), subject: 'mail 1', properties: { customer: 'ada' } },
          // Somebody else's mail changes nothing.
          { type: 'conversation.opened', time: later(T, 2), subject: 'mail 2', properties: { customer: 'bob' } },
        ],
      );
      expect(await standings(sale)).toEqual({ chat: standing });
      expect(await totals(sale)).toEqual(due);
    },
  );

  test.each([
    [20, 'REJECTED DUPLICATE', '1.98'],
    [25, 'MATURED', '2.97'],
  ])(
    'O7: cross-channel: a chat is resolved, its customer’s mail is resolved %i h later: %s (24 h, the mail does not count)',
    async (hours, standing, due) => {
      const sale = await charged(
        market,
        { customerProperty: 'customer', dedupe: { scope: 'CUSTOMER', windowHours: 24 } },
        [
          claim('chat', 0, 'chat 1', { customer: 'ada' }),
          claim('mail', hours, 'mail 1', { customer: 'ada' }),
          claim('other', 1, 'mail 2', { customer: 'bob' }),
        ],
      );
      expect(await standings(sale)).toEqual({ chat: 'MATURED', mail: standing, other: 'MATURED' });
      // Of which 0.99 are somebody else's.
      expect(await totals(sale)).toEqual({ '2026-11': due });
    },
  );
});

describe('O8: of exclusive outcomes of a subject one counts', () => {
  /** A resolution at $0.99 and a qualification at $9.99, of which one counts. */
  async function rivals(choice: string): Promise<Sale> {
    const sale = await aSale(market);
    const exclusive = (priority: number) => ({ exclusive: { group: 'conversation', choice, priority } });
    await aRule(sale, exclusive(1));
    await aRule(
      sale,
      { ...exclusive(2), claim: { eventType: 'lead.qualified' }, prices: each('9.99') },
      { key: 'qualification' },
    );

    return sale;
  }

  const qualified = (hours: number): Sent => ({ ...claim('q', hours, 'c1'), type: 'lead.qualified' });

  test.each([
    ['HIGHEST', { r: 'REJECTED SUPERSEDED', q: 'MATURED' }, '9.99'],
    ['FIRST', { r: 'MATURED', q: 'REJECTED SUPERSEDED' }, '0.99'],
    ['PRIORITY', { r: 'MATURED', q: 'REJECTED SUPERSEDED' }, '0.99'],
  ])(
    'O8: resolution $0.99 and qualification $9.99 in one conversation, %s: one of them once',
    async (choice, by, due) => {
      const sale = await rivals(choice);
      await arrive(sale, NOW, [claim('r', 0, 'c1'), qualified(1)]);
      expect(await standings(sale)).toEqual(by);
      expect(await totals(sale)).toEqual({ '2026-11': due });
    },
  );

  test('O8: the qualification arrives when the resolution is invoiced: −0.99 + 9.99', async () => {
    const sale = await rivals('HIGHEST');
    await arrive(sale, NOW, [claim('r', 0, 'c1')]);
    expect(await totals(sale)).toEqual({ '2026-11': '0.99' });
    await work(sale, '2026-12-02T00:00:00Z');
    await issue(sale, '2026-11');
    await send(sale, [{ ...qualified(0), time: '2026-12-01T09:00:00Z' }]);
    await work(sale);
    expect(await standings(sale)).toEqual({ r: 'REJECTED SUPERSEDED', q: 'MATURED' });
    expect(await invoices(sale)).toEqual({
      '2026-11': { status: 'ISSUED', total: '0.99', lines: [['resolution: Each', '1', '0.99']] },
      '2026-12': {
        status: 'DRAFT',
        total: '9',
        lines: [
          ['qualification: Each', '1', '9.99'],
          ['Nov 2026 adjustment: resolution: Each', '-1', '-0.99'],
        ],
      },
    });
  });
});

describe('O9: shapes of prices', () => {
  /** What one outcome of this value costs at a percentage. */
  async function percentage(terms: Terms, amount: string): Promise<Record<string, string>> {
    const prices = [{ name: 'Part', currency: 'USD', terms: { model: 'PERCENTAGE', ...terms } }];

    return totals(await charged(market, { measure: 'VALUE', valueProperty: 'amount', prices }, claims(1, { amount })));
  }

  const BOUNDED = { rate: '0.8', perEventMinimum: '0.30', perEventMaximum: '75' };

  test.each([
    ['25 % of $184.00 recovered = $46.00', { rate: '25' }, '184.00', '46'],
    ['0.8 % of $12,500 = $100 with max $75: $75.00', BOUNDED, '12500', '75'],
    ['0.8 % of $20 = $0.16 with min $0.30: $0.30', BOUNDED, '20', '0.3'],
  ])('O9: %s', async (_what, terms, amount, due) => {
    expect(await percentage(terms, amount)).toEqual({ '2026-11': due });
  });

  test.each([
    ['flat: 10 × $0.99 = $9.90', 10, { model: 'UNIT', unitAmount: '0.99' }, '9.9'],
    ['graduated: 253 at 0.95, 0.90, 0.85 = $222.55', 253, { model: 'GRADUATED' }, '222.55'],
    ['volume: 253 × $0.85 = $215.05', 253, { model: 'VOLUME' }, '215.05'],
  ])('O9: %s', async (_what, count, terms, due) => {
    const tiers = [
      { upTo: '50', unitAmount: '0.95' },
      { upTo: '100', unitAmount: '0.90' },
      { upTo: null, unitAmount: '0.85' },
    ];
    const prices = [
      { name: 'Each', currency: 'USD', terms: { ...terms, ...(terms.model === 'UNIT' ? {} : { tiers }) } },
    ];
    expect(await totals(await charged(market, { prices }, claims(count)))).toEqual({ '2026-11': due });
  });

  test('O9: a table by attribute: chat $0.99, voice $1.99, anything else $0.50', async () => {
    const price = (name: string, unitAmount: string, pattern: readonly object[]) => ({
      name,
      currency: 'USD',
      pattern,
      terms: { model: 'UNIT', unitAmount },
    });
    const sale = await charged(
      market,
      {
        attributes: [{ name: 'channel', property: 'channel' }],
        prices: [
          price('Chat', '0.99', [{ name: 'channel', value: 'chat' }]),
          price('Voice', '1.99', [{ name: 'channel', value: 'voice' }]),
          price('Other', '0.50', []),
        ],
      },
      [...claims(2, { channel: 'chat' }), claim('v', 0, 'v', { channel: 'voice' }), claim('m', 0, 'm')],
    );
    expect((await invoices(sale))['2026-11']?.lines).toEqual([
      ['resolution: Chat', '2', '1.98'],
      ['resolution: Other', '1', '0.5'],
      ['resolution: Voice', '1', '1.99'],
    ]);
  });
});

describe('O10: credits that are included', () => {
  test('O10: 3,000 credits included, 50 per resolution, $10/1,000: 100 resolutions = 5,000, 2,000 over: $20.00', async () => {
    const terms = { model: 'UNIT', unitAmount: '10', per: '1000', freeUnits: '3000' };
    const sale = await charged(
      market,
      { units: { weights: [{ units: '50' }] }, prices: [{ name: 'Credits', currency: 'USD', terms }] },
      claims(100),
    );
    expect(await invoices(sale)).toEqual({
      '2026-11': { status: 'DRAFT', total: '20', lines: [['resolution: Credits', '5000', '20']] },
    });
  });
});

describe('O11: a minimum per period', () => {
  const MINIMUM = { minimum: { quantity: '50', isProrated: true } };

  test('O11: min 50 × $0.99: 12 resolutions: 11.88 + true-up 37.62 = $49.50', async () => {
    const sale = await charged(market, MINIMUM, claims(12));
    expect(await totals(sale)).toEqual({ '2026-11': '11.88' });
    await work(sale, '2026-12-01T00:00:00Z');
    expect((await invoices(sale))['2026-11']).toEqual({
      status: 'DRAFT',
      total: '49.5',
      lines: [
        ['resolution: Each', '12', '11.88'],
        ['resolution: minimum', '0', '37.62'],
      ],
    });
  });

  test.each([
    [12, '12.87'],
    [0, '24.75'],
  ])('O11: starts mid 30-day month: min $24.75, of which %i resolutions leave $%s', async (count, rest) => {
    const opensAt = '2026-11-16T00:00:00Z';
    const sale = await aSale(market, { opensAt });
    await aRule(sale, MINIMUM);
    await workAnew(sale, opensAt);
    market.product.setClock(instant('2026-11-20T00:00:00Z'));
    await send(
      sale,
      claims(count).map(event => ({ ...event, time: later(event.time, 7 * 24) })),
    );
    await work(sale, '2026-12-01T00:00:00Z');
    const { lines = [], total } = (await invoices(sale))['2026-11'] ?? {};
    expect(lines.at(-1)).toEqual(['resolution: minimum', '0', rest]);
    expect(total).toBe('24.75');
  });

  test('O11: a minimum amount: $49.50 a period, whatever it is made of', async () => {
    const sale = await charged(market, { minimum: { amount: { amount: '49.50', currency: 'USD' } } }, claims(12));
    await work(sale, '2026-12-01T00:00:00Z');
    expect((await totals(sale))['2026-11']).toBe('49.5');
    const enough = await charged(market, { minimum: { amount: { amount: '49.50', currency: 'USD' } } }, claims(51));
    await work(enough, '2026-12-01T00:00:00Z');
    expect((await totals(enough))['2026-11']).toBe('50.49');
  });
});

describe('O12: caps', () => {
  const cap = (mode: string, more: object = { amount: { amount: '500', currency: 'USD' } }) => ({
    caps: [{ mode, ...more }],
  });

  test('O12: hard $500 at $0.99: 505 outcomes = $499.95, the 506th is refused', async () => {
    const sale = await charged(market, cap('HARD'), claims(506));
    expect(await stats(sale, sale.ruleId)).toMatchObject({ 'REJECTED CAP_EXHAUSTED': { count: 1, amount: '0' } });
    expect(await tally(sale)).toEqual({ MATURED: 505, 'REJECTED CAP_EXHAUSTED': 1 });
    expect((await standings(sale))['n505']).toBe('REJECTED CAP_EXHAUSTED');
    expect(await invoices(sale)).toEqual({
      '2026-11': { status: 'DRAFT', total: '499.95', lines: [['resolution: Each', '505', '499.95']] },
    });
  });

  test('O12: free after the cap: 600 outcomes: $499.95, 95 recorded at $0 as exhausted', async () => {
    const sale = await charged(market, cap('FREE'), claims(600));
    expect(await tally(sale)).toEqual({ MATURED: 505, 'MATURED CAP_EXHAUSTED': 95 });
    expect(await stats(sale, sale.ruleId)).toEqual({
      MATURED: { count: 505, amount: '499.95', listAmount: '499.95' },
      'MATURED CAP_EXHAUSTED': { count: 95, amount: '0', listAmount: '94.05' },
    });
    expect(await invoices(sale)).toEqual({
      '2026-11': { status: 'DRAFT', total: '499.95', lines: [['resolution: Each', '505', '499.95']] },
    });
  });

  test('O12: a soft cap refuses nothing', async () => {
    const sale = await charged(market, cap('SOFT', { count: '3' }), claims(5));
    expect(await tally(sale)).toEqual({ MATURED: 5 });
    expect(await totals(sale)).toEqual({ '2026-11': '4.95' });
  });

  test('O12: by count, per subject: the third of a conversation is beyond 2', async () => {
    const sale = await charged(market, cap('HARD', { count: '2', per: 'SUBJECT' }), [
      claim('a', 0, 'c1'),
      claim('b', 1, 'c1'),
      claim('c', 2, 'c1'),
      claim('d', 3, 'c2'),
    ]);
    expect(await standings(sale)).toEqual({
      a: 'MATURED',
      b: 'MATURED',
      c: 'REJECTED CAP_EXHAUSTED',
      d: 'MATURED',
    });
    expect(await totals(sale)).toEqual({ '2026-11': '2.97' });
  });

  test('O12: by money, per day of the tenant’s zone', async () => {
    const sale = await aSale(market, { opensAt: '2026-11-01T04:00:00Z', timeZone: 'America/New_York' });
    await aRule(sale, cap('FREE', { amount: { amount: '1.98', currency: 'USD' }, per: 'DAY' }));
    const midnight = '2026-11-12T05:00:00Z';
    const of = (id: string, minutes: number): Sent => ({ ...claim(id, 0, id), time: later(midnight, minutes / 60) });
    await arrive(sale, NOW, [of('a', -3), of('b', -2), of('c', -1), of('d', 0), of('e', 1), of('f', 2)]);
    expect(await standings(sale)).toEqual({
      a: 'MATURED',
      b: 'MATURED',
      c: 'MATURED CAP_EXHAUSTED',
      d: 'MATURED',
      e: 'MATURED',
      f: 'MATURED CAP_EXHAUSTED',
    });
    expect(await totals(sale)).toEqual({ '2026-11': '3.96' });
  });
});

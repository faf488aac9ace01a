import { invoices, readAll, standings, tally, totals } from './acceptance/reading.js';
import {
  aMarket,
  arrive,
  aRule,
  aSale,
  ask,
  charged,
  CLAIM,
  later,
  type Market,
  mutate,
  type Sale,
  type Sent,
  work,
  workAnew,
} from './acceptance/support.js';

const T = '2026-11-10T10:00:00Z';
const NOW = '2026-11-20T00:00:00Z';
const REOPENED = 'conversation.reopened';
const REVERSAL = { reversal: { clause: { eventType: REOPENED }, windowHours: 336, amountProperty: 'amount' } };
const FEE = {
  measure: 'VALUE',
  valueProperty: 'order.amount',
  prices: [{ name: 'Fee', currency: 'USD', terms: { model: 'PERCENTAGE', rate: '10' } }],
};

let market: Market;

beforeAll(async () => {
  market = await aMarket();
});

afterAll(() => market.product.close());

const claim = (id: string, properties: object = {}, subject: string | null = id): Sent => ({
  id,
  type: CLAIM,
  time: T,
  ...(subject === null ? {} : { subject }),
  properties: { ...properties },
});

const reopened = (subject: string, hours: number, properties: object = {}): Sent => ({
  id: `back ${subject} ${hours}`,
  type: REOPENED,
  time: later(T, hours),
  subject,
  properties: { ...properties },
});

/** The events that were accepted and kept, by id. */
async function kept(sale: Sale): Promise<string[]> {
  const events = await readAll(
    sale,
    'usageEvents',
    'eventId',
    ', from: "2026-11-01T00:00:00Z", until: "2026-12-01T00:00:00Z"',
  );

  return events.map(({ eventId }) => eventId as string).sort();
}

describe('reversals out of place', () => {
  test('a reversal before its claim is kept, and the two net to nothing', async () => {
    const sale = await charged(market, REVERSAL, [reopened('a', 1)]);
    expect([await kept(sale), await standings(sale), await totals(sale)]).toEqual([['back a 1'], {}, {}]);
    await arrive(sale, NOW, [claim('a')]);
    expect(await kept(sale)).toEqual(['a', 'back a 1']);
    expect(await standings(sale)).toEqual({ a: 'REVERSED REVERSED' });
    expect(await totals(sale)).toEqual({});
  });

  test('a reversal of nothing is kept and has no effect', async () => {
    const sale = await charged(market, REVERSAL, [claim('a'), reopened('nobody', 1)]);
    expect(await kept(sale)).toEqual(['a', 'back nobody 1']);
    expect(await standings(sale)).toEqual({ a: 'MATURED' });
    expect(await totals(sale)).toEqual({ '2026-11': '0.99' });
  });

  test('a reversal of a time before the claim, or after the window, has no effect', async () => {
    const sale = await charged(market, { reversal: { clause: { eventType: REOPENED }, windowHours: 24 } }, [
      claim('a'),
      reopened('a', -1),
      reopened('a', 25),
    ]);
    expect(await standings(sale)).toEqual({ a: 'MATURED' });
    expect(await totals(sale)).toEqual({ '2026-11': '0.99' });
  });

  test.each([
    ['a part of an outcome without a value', {}, { amount: 5 }, 'MATURED PARTIAL_WITHOUT_VALUE', '0.99'],
    ['an amount that is none', {}, { amount: 'half' }, 'MATURED REVERSAL_INVALID', '0.99'],
    ['an amount of nothing', {}, { amount: 0 }, 'MATURED REVERSAL_INVALID', '0.99'],
    ['a negative amount', {}, { amount: -1 }, 'MATURED REVERSAL_INVALID', '0.99'],
  ])('%s takes nothing back, and says so', async (_what, more, properties, standing, due) => {
    const sale = await charged(market, { ...REVERSAL, ...more }, [claim('a'), reopened('a', 1, properties)]);
    expect(await standings(sale)).toEqual({ a: standing });
    expect(await totals(sale)).toEqual({ '2026-11': due });
  });

  test('more than the value takes back the value, and not more', async () => {
    const sale = await charged(market, { ...FEE, ...REVERSAL }, [
      claim('a', { order: { amount: '200' } }),
      claim('b', { order: { amount: '100' } }),
      reopened('a', 1, { amount: '500' }),
    ]);
    expect(await standings(sale)).toEqual({ a: 'REVERSED REVERSED', b: 'MATURED' });
    expect(await totals(sale)).toEqual({ '2026-11': '10' });
  });

  test('the mutation refuses what there is nothing to take back of', async () => {
    const sale = await charged(market, REVERSAL, [claim('a')]);
    const [outcome] = await readAll(sale, 'outcomes', 'id');
    const reverse = async (input: object) =>
      (
        await ask(market.product, market.keys.reverses, 'outcomeReverse', 'replayed', {
          tenantId: sale.buyerId,
          outcomeIds: [outcome.id],
          ...input,
        })
      ).userErrors.map(({ code }: { code: string }) => code);
    expect(await reverse({ outcomeIds: ['out_0123456789ABCDEFGHJKMNPQRS'] })).toEqual(['NOT_FOUND']);
    expect(await reverse({ amount: '0.1' })).toEqual(['INVALID_TRANSITION']);
    expect(await reverse({ isGuarantee: true })).toEqual(['INVALID_TRANSITION']);
    expect(await reverse({ at: later(T, -1) })).toEqual(['INVALID_TRANSITION']);
    expect(await reverse({})).toEqual([]);
    expect(await reverse({})).toEqual(['INVALID_TRANSITION']);
    await work(sale);
    expect(await totals(sale)).toEqual({ '2026-11': '0' });
  });
});

describe('values that cannot be', () => {
  test.each([
    ['missing', {}, 'VALUE_MISSING'],
    ['null', { order: { amount: null } }, 'VALUE_MISSING'],
    ['under a text', { order: 'ten' }, 'VALUE_MISSING'],
    ['a text', { order: { amount: 'ten' } }, 'VALUE_INVALID'],
    ['empty', { order: { amount: '' } }, 'VALUE_INVALID'],
    ['below zero', { order: { amount: -1 } }, 'VALUE_INVALID'],
    ['a boolean', { order: { amount: true } }, 'VALUE_INVALID'],
    ['a list', { order: { amount: [10] } }, 'VALUE_INVALID'],
    ['an object', { order: { amount: { cents: 10 } } }, 'VALUE_INVALID'],
  ])(
    'a value that is %s is rejected with its reason, and what is beside it is charged',
    async (_what, given, reason) => {
      const sale = await charged(market, FEE, [claim('bad', given), claim('good', { order: { amount: '10.00' } })]);
      expect(await standings(sale)).toEqual({ bad: `REJECTED ${reason}`, good: 'MATURED' });
      expect(await totals(sale)).toEqual({ '2026-11': '1' });
    },
  );

  test('a value of nothing is an outcome of nothing', async () => {
    const sale = await charged(market, FEE, [claim('a', { order: { amount: 0 } })]);
    expect(await standings(sale)).toEqual({ a: 'MATURED' });
    expect(Object.values(await totals(sale)).filter(total => total !== '0')).toEqual([]);
  });

  test('a value in another currency is rejected, and not converted', async () => {
    const sale = await charged(market, { ...FEE, currencyProperty: 'order.currency' }, [
      claim('a', { order: { amount: '10', currency: 'EUR' } }),
      claim('b', { order: { amount: '10', currency: 'USD' } }),
      claim('c', { order: { amount: '10', currency: 'usd' } }),
      claim('d', { order: { amount: '10' } }),
      claim('e', { order: { amount: '10', currency: 840 } }),
    ]);
    expect(await standings(sale)).toEqual({
      a: 'REJECTED CURRENCY_MISMATCH',
      b: 'MATURED',
      c: 'REJECTED CURRENCY_MISMATCH',
      d: 'MATURED',
      e: 'REJECTED CURRENCY_MISMATCH',
    });
    expect(await totals(sale)).toEqual({ '2026-11': '2' });
  });

  test('units, people’s shares and starts that are none are rejected, each with its reason', async () => {
    const sale = await charged(
      market,
      { units: { property: 'tokens', per: '1000' }, humanShareProperty: 'human', startedProperty: 'started' },
      [
        claim('missing', {}),
        claim('text', { tokens: 'many' }),
        claim('negative', { tokens: -1 }),
        claim('share', { tokens: 1, human: 101 }),
        claim('share text', { tokens: 1, human: 'half' }),
        claim('start', { tokens: 1, started: 'yesterday' }),
        claim('after', { tokens: 1, started: later(T, 1) }),
        claim('good', { tokens: 1, human: 0, started: later(T, -1) }),
      ],
    );
    expect(await standings(sale)).toEqual({
      missing: 'REJECTED UNITS_MISSING',
      text: 'REJECTED UNITS_INVALID',
      negative: 'REJECTED UNITS_INVALID',
      share: 'REJECTED SHARE_INVALID',
      'share text': 'REJECTED SHARE_INVALID',
      start: 'REJECTED STARTED_INVALID',
      after: 'REJECTED STARTED_INVALID',
      good: 'MATURED',
    });
    expect(await totals(sale)).toEqual({ '2026-11': '0.99' });
  });
});

describe('what is not there', () => {
  test('evidence that is missing rejects, where nobody is to verify it', async () => {
    const sale = await charged(market, { evidence: ['transcript.url', 'ticket'] }, [
      claim('none'),
      claim('half', { ticket: 1 }),
      claim('null', { ticket: 1, transcript: { url: null } }),
      claim('all', { ticket: 1, transcript: { url: 'https://example.com' } }),
    ]);
    expect(await standings(sale)).toEqual({
      none: 'REJECTED EVIDENCE_MISSING',
      half: 'REJECTED EVIDENCE_MISSING',
      null: 'REJECTED EVIDENCE_MISSING',
      all: 'MATURED',
    });
  });

  test('a predicate over fields that are not there, or of another kind, does not match, and breaks nothing', async () => {
    const sale = await charged(
      market,
      {
        claim: { eventType: CLAIM, filter: 'properties.turns > 1' },
        exclusions: [{ reason: 'SHORT', filter: 'properties.meta.seconds < 5' }],
        environment: { filter: 'properties.environment == "test"', policy: 'REJECT' },
      },
      [
        claim('nothing'),
        claim('text', { turns: 'many' }),
        claim('turns', { turns: 2 }),
        claim('meta', { turns: 2, meta: 'none' }),
        claim('short', { turns: 2, meta: { seconds: 4 } }),
        claim('number', { turns: 2, environment: 1 }),
      ],
    );
    expect(await standings(sale)).toEqual({
      turns: 'MATURED',
      meta: 'MATURED',
      short: 'REJECTED SHORT',
      number: 'MATURED',
    });
  });

  test('without a subject, what goes by subject has nothing to go by; each claim counts', async () => {
    const sale = await charged(market, { ...REVERSAL, dedupe: { scope: 'SUBJECT' } }, [
      claim('a', {}, null),
      claim('b', {}, null),
      { id: 'back', type: REOPENED, time: later(T, 1) },
    ]);
    expect(await standings(sale)).toEqual({ a: 'MATURED', b: 'MATURED' });
    expect(await totals(sale)).toEqual({ '2026-11': '1.98' });
  });

  test('an attribute without a price is unpriced, and keeps the invoice from being issued', async () => {
    const sale = await charged(
      market,
      {
        attributes: [{ name: 'channel', property: 'channel' }],
        prices: [
          {
            name: 'Chat',
            currency: 'USD',
            pattern: [{ name: 'channel', value: 'chat' }],
            terms: { model: 'UNIT', unitAmount: '0.99' },
          },
        ],
      },
      [claim('a', { channel: 'chat' }), claim('b', { channel: 'voice' }), claim('c')],
    );
    expect(await totals(sale)).toEqual({ '2026-11': '0.99' });
    const unpriced = await readAll(sale, 'unpricedUsage', 'dimensions quantity reason');
    expect(unpriced).toHaveLength(2);
    expect(unpriced).toEqual(
      expect.arrayContaining([
        { dimensions: { channel: 'voice' }, quantity: '1', reason: 'NO_PRICE' },
        { dimensions: {}, quantity: '1', reason: 'NO_PRICE' },
      ]),
    );
    await work(sale, '2026-12-02T00:00:00Z');
    const [draft] = await readAll(sale, 'invoices', 'id');
    const { userErrors } = await ask(market.product, market.keys.issues, 'invoiceIssue', 'replayed', {
      tenantId: sale.buyerId,
      invoiceId: draft.id,
    });
    expect(userErrors).toMatchObject([{ code: 'UNPRICED_USAGE' }]);
    expect((await invoices(sale))['2026-11']?.status).toBe('DRAFT');
  });

  test('a claim of a time before the contract is kept, and is no outcome of it', async () => {
    const sale = await aSale(market, { startsAt: '2026-11-15T00:00:00Z' });
    await aRule(sale);
    await arrive(sale, NOW, [claim('early'), { ...claim('later'), time: '2026-11-16T00:00:00Z' }]);
    expect(await kept(sale)).toEqual(['early', 'later']);
    expect(await standings(sale)).toEqual({ later: 'MATURED' });
    expect(await totals(sale)).toEqual({ '2026-11': '0.99' });
  });

  test('a tenant without any contract: its claim waits, and is charged when one is made', async () => {
    const elsewhere = await aSale(market);
    await aRule(elsewhere);
    const { product, keys } = market;
    const { tenant } = await mutate(product, product.platformKey, 'tenantCreate', 'tenant { id }', {
      kind: 'CUSTOMER',
      name: 'Nobody yet',
      currency: 'USD',
      timeZone: 'UTC',
      region: 'eu',
    });
    const sale = { ...elsewhere, buyerId: tenant.id as string };
    await arrive(sale, NOW, [claim('a')]);
    expect(await kept(sale)).toEqual(['a']);
    expect(await standings(sale)).toEqual({});
    expect(await totals(sale)).toEqual({});
    await mutate(product, keys.contracts, 'contractCreate', 'contract { id }', {
      buyerId: sale.buyerId,
      priceBookId: sale.bookId,
      startsAt: '2026-11-01T00:00:00Z',
    });
    await workAnew(sale, '2026-11-01T00:00:00Z');
    expect(await standings(sale)).toEqual({ a: 'MATURED' });
    expect(await totals(sale)).toEqual({ '2026-11': '0.99' });
  });
});

describe('the same event again', () => {
  test('is a duplicate, and changes nothing; with other content it is a conflict, and the first one counts', async () => {
    const sale = await charged(market, {}, [claim('a', { turns: 2 })]);
    const post = async (properties: object) =>
      (await market.product.postUsage(market.keys.sends, [{ ...claim('a', properties), tenant: sale.buyerId }])).body;
    expect(await post({ turns: 2 })).toMatchObject({ accepted: 0, duplicates: [0], conflicts: [], rejected: [] });
    expect(await post({ turns: 3 })).toMatchObject({
      accepted: 0,
      duplicates: [],
      conflicts: [{ index: 0, id: 'a' }],
      rejected: [],
    });
    await work(sale);
    expect(await tally(sale)).toEqual({ MATURED: 1 });
    expect(await totals(sale)).toEqual({ '2026-11': '0.99' });
  });

  test('claimed by mutation it answers the same outcome; with other content it is refused', async () => {
    const sale = await charged(market, {}, []);
    const told = (properties: object) =>
      ask(market.product, market.keys.sends, 'outcomeClaim', 'outcomes { id state }', {
        tenantId: sale.buyerId,
        event: claim('a', properties),
      });
    const first = await told({ turns: 2 });
    expect(first).toMatchObject({ outcomes: [{ state: 'MATURED' }], userErrors: [] });
    expect(await told({ turns: 2 })).toEqual(first);
    expect(await told({ turns: 3 })).toMatchObject({ outcomes: [], userErrors: [{ code: 'ALREADY_EXISTS' }] });
    await work(sale);
    expect(await totals(sale)).toEqual({ '2026-11': '0.99' });
  });

  test('under another source it is another event', async () => {
    const sale = await charged(market, {}, [claim('a')]);
    const { body } = await market.product.postUsage(market.keys.sends, [
      { ...claim('a'), source: 'another', tenant: sale.buyerId },
    ]);
    expect(body).toMatchObject({ accepted: 1 });
    await work(sale);
    expect(await totals(sale)).toEqual({ '2026-11': '1.98' });
  });

  test('in one batch it is taken once, and a bad one beside it does not keep it out', async () => {
    const sale = await charged(market, {}, []);
    const { body } = await market.product.postUsage(market.keys.sends, [
      { ...claim('a'), tenant: sale.buyerId },
      { ...claim('a'), tenant: sale.buyerId },
      { ...claim('b'), tenant: sale.buyerId, time: 'yesterday' },
      { ...claim('c'), tenant: sale.buyerId, type: 'nobody.knows.this' },
      { ...claim('d'), tenant: 'ten_nobody' },
    ]);
    expect(body).toMatchObject({
      accepted: 1,
      duplicates: [1],
      rejected: [
        { index: 2, code: 'INVALID_TIME' },
        { index: 3, code: 'UNKNOWN_EVENT_TYPE' },
        { index: 4, code: 'UNKNOWN_TENANT' },
      ],
    });
    await work(sale);
    expect(await standings(sale)).toEqual({ a: 'MATURED' });
  });
});

import { randomUUID } from 'node:crypto';
import { aMeter, aPriceBook, perMillion } from '../../support/builders.js';
import { until } from '../../support/product.js';
import { invoices, receipts, standings, tally, totals } from './reading.js';
import {
  aMarket,
  arrive,
  aRule,
  aSale,
  aVersion,
  charged,
  CLAIM,
  each,
  instant,
  issue,
  later,
  type Market,
  mutate,
  type Sale,
  send,
  type Sent,
  type Terms,
  times,
  work,
} from './support.js';

const T = '2026-11-10T10:00:00Z';
const NOW = '2026-11-20T00:00:00Z';

let market: Market;

beforeAll(async () => {
  market = await aMarket();
});

afterAll(() => market.product.close());

const claim = (id: string, time = T, properties: object = {}, subject = id): Sent => ({
  id,
  type: CLAIM,
  time,
  subject,
  properties: { ...properties },
});

const claims = (count: number, properties: object = {}, name = 'n'): Sent[] =>
  times(count, index => claim(`${name}${index}`, later(T, index / 3_600), properties));

describe('O19: a sample stands for all', () => {
  /** 2,000 outcomes at $1.00 in November, of a sample of which so many are wrong; tolerated are 5 %. */
  async function audited(wrong: number, sampleSize = 100): Promise<Sale> {
    const sale = await charged(market, { prices: each('1.00'), sampleAudit: { tolerance: '5' } }, claims(2_000));
    await work(sale, '2026-12-02T00:00:00Z');
    await issue(sale, '2026-11');
    const { product, keys } = market;
    const { outcomeSampleAudit } = await mutate(
      product,
      keys.decides,
      'outcomeSampleAuditStart',
      'outcomeSampleAudit { id population sampleOutcomeIds tolerance }',
      { tenantId: sale.buyerId, outcomeRuleId: sale.ruleId, at: T, sampleSize },
    );
    expect(outcomeSampleAudit).toMatchObject({ population: 2_000, tolerance: '5' });
    expect(outcomeSampleAudit.sampleOutcomeIds).toHaveLength(sampleSize);
    const finished = await mutate(
      product,
      keys.decides,
      'outcomeSampleAuditFinish',
      'outcomeSampleAudit { isBeyondTolerance }',
      {
        tenantId: sale.buyerId,
        outcomeSampleAuditId: outcomeSampleAudit.id,
        wrongOutcomeIds: outcomeSampleAudit.sampleOutcomeIds.slice(0, wrong),
      },
    );
    expect(finished.outcomeSampleAudit.isBeyondTolerance).toBe(wrong * 20 > sampleSize);
    await work(sale);

    return sale;
  }

  test('O19: sample 100 of 2,000 at $1.00, 8 wrong (> 5 % tolerance): −8 % = −$160.00', async () => {
    expect(await invoices(await audited(8))).toEqual({
      '2026-11': { status: 'ISSUED', total: '2000', lines: [['resolution: Each', '2000', '2000']] },
      '2026-12': { status: 'DRAFT', total: '-160', lines: [['Nov 2026 adjustment: resolution: audit', '0', '-160']] },
    });
  });

  test('O19: 5 wrong of 100 are tolerated', async () => {
    expect(await totals(await audited(5))).toEqual({ '2026-11': '2000' });
  });
});

describe('O20: what comes late, and in whichever order', () => {
  /** $0.99 in November, $1.10 from December on; November is closed with one outcome on its invoice. */
  async function closed(terms: Terms = {}): Promise<Sale> {
    const sale = await aSale(market);
    const { ruleId } = await aRule(sale, { periodAnchor: 'OCCURRED', ...terms });
    await aVersion(sale, ruleId, { periodAnchor: 'OCCURRED', ...terms, prices: each('1.10') }, '2026-12-01T00:00:00Z');
    await arrive(sale, NOW, [claim('first')]);
    await work(sale, '2026-12-02T00:00:00Z');
    await issue(sale, '2026-11');

    return sale;
  }

  test('O20: occurred 3 Nov, received 4 Dec after November closed: December’s invoice, November’s price $0.99', async () => {
    const sale = await closed();
    await arrive(sale, '2026-12-04T09:00:00Z', [
      claim('late', '2026-11-03T09:00:00Z'),
      claim('new', '2026-12-03T09:00:00Z'),
    ]);
    expect(await invoices(sale)).toEqual({
      '2026-11': { status: 'ISSUED', total: '0.99', lines: [['resolution: Each', '1', '0.99']] },
      '2026-12': {
        status: 'DRAFT',
        total: '2.09',
        lines: [
          ['resolution: Each', '1', '1.1'],
          ['Nov 2026 adjustment: resolution: Each', '1', '0.99'],
        ],
      },
    });
  });

  test.each([
    ['the reversal first', ['back', 'claimed']],
    ['the claim first', ['claimed', 'back']],
  ])('O20: %s: net $0', async (_what, order) => {
    const sale = await closed({ reversal: { clause: { eventType: 'conversation.reopened' }, windowHours: 336 } });
    const events: Readonly<Record<string, Sent>> = {
      claimed: claim('late', '2026-11-03T09:00:00Z'),
      back: { id: 'back', type: 'conversation.reopened', time: '2026-11-05T09:00:00Z', subject: 'late' },
    };

    for (const [day, name] of order.entries()) {
      await arrive(sale, `2026-12-0${4 + day}T09:00:00Z`, events[name] ? [events[name]] : []);
    }

    expect(await standings(sale)).toMatchObject({ late: 'REVERSED REVERSED' });
    const { '2026-12': december } = await totals(sale);
    expect(december ?? '0').toBe('0');
    expect(await standings(sale)).toHaveProperty('first');
  });
});

describe('O21: how outcomes stand to usage', () => {
  /**
   * 1,000 conversations of 40,000 tokens, which cost us $3 per million ($0.12 each) and are sold at $5 per million ($0.20
   * each); 500 of them are resolved.
   */
  async function conversations(relation: string): Promise<Sale & { readonly ruleId: string }> {
    const { product } = market;
    const key = `tokens_${randomUUID().slice(0, 8)}`;
    const model = `model-${key}`;
    const eventType = `llm.${key}`;
    const meterId = await aMeter(product, { key, eventType, keepsEvents: true });
    const made = await mutate(product, product.platformKey, 'modelCreate', 'model { id }', {
      key: model,
      provider: 'us',
      family: 'ours',
      modality: 'text',
    });
    await mutate(product, product.platformKey, 'modelCostSet', 'model { id }', {
      modelId: made.model.id,
      effectiveAt: '2026-01-01T00:00:00Z',
      currency: 'USD',
      rates: [{ kind: key, amount: '3', per: '1000000' }],
      source: 'a test',
    });
    const { bookId } = await aPriceBook(product, { prices: [{ meterId, terms: perMillion('5') }] });
    const sale = await aSale(market, { bookId });
    const { ruleId } = await aRule(sale, { usage: { relation, meterIds: [meterId] } });
    await arrive(sale, NOW, [
      ...times(1_000, index => ({
        type: eventType,
        time: later(T, -1),
        subject: `n${index}`,
        properties: { model, tokens: 40_000 },
      })),
      ...claims(500),
    ]);

    return { ...sale, ruleId };
  }

  /** What the rule has earned in November. */
  async function margin({ buyerId, ruleId, keys }: Sale & { readonly ruleId: string }) {
    const { data, errors } = await market.product.graphql(
      keys.reads,
      `query ($id: ID!, $tenantId: ID!) { node(id: $id) { ... on OutcomeRule {
         margin(tenantId: $tenantId, from: "2026-11-01T00:00:00Z", until: "2026-12-01T00:00:00Z") {
           outcomeCount revenue { amount currency } cost { amount currency } margin { amount currency } marginPercent
           costPerOutcome { amount } unknownCostCount } } } }`,
      { id: ruleId, tenantId: buyerId },
    );
    expect(errors).toBeUndefined();

    return data.node.margin;
  }

  test('O21: replace: revenue $495, cost $120, margin $375 = 75.76 %', async () => {
    const sale = await conversations('REPLACE');
    expect(await invoices(sale)).toEqual({
      '2026-11': { status: 'DRAFT', total: '495', lines: [['resolution: Each', '500', '495']] },
    });
    expect(await margin(sale)).toEqual([
      {
        outcomeCount: 500,
        revenue: { amount: '495', currency: 'USD' },
        cost: { amount: '120', currency: 'USD' },
        margin: { amount: '375', currency: 'USD' },
        marginPercent: '75.76',
        costPerOutcome: { amount: '0.24' },
        unknownCostCount: 0,
      },
    ]);
  });

  test('O21: fallback at $0.20 for the other 500: +$100', async () => {
    const sale = await conversations('FALLBACK');
    expect(await invoices(sale)).toEqual({
      '2026-11': {
        status: 'DRAFT',
        total: '595',
        lines: [
          ['Tokens', '20000000', '100'],
          ['resolution: Each', '500', '495'],
        ],
      },
    });
  });

  test('O21: add: usage is charged besides: $495 + $200', async () => {
    expect(await totals(await conversations('ADD'))).toEqual({ '2026-11': '695' });
  });
});

describe('O22: conversations boxed by time', () => {
  const TERMS = {
    claim: { eventType: 'message.sent' },
    prices: each('2'),
    dedupe: { scope: 'SUBJECT', windowHours: 24 },
  };
  const message = (hours: number): Sent => ({ type: 'message.sent', time: later(T, hours), subject: 'c1' });

  test('O22: 24 h window $2: messages at T, T + 23 h: $2', async () => {
    expect(await totals(await charged(market, TERMS, [message(0), message(23)]))).toEqual({ '2026-11': '2' });
  });

  test('O22: at T + 24 h the window is over: $4', async () => {
    expect(await totals(await charged(market, TERMS, [message(0), message(24)]))).toEqual({ '2026-11': '4' });
  });

  test('O22: T + 25 h: $4', async () => {
    expect(await totals(await charged(market, TERMS, [message(0), message(23), message(25)]))).toEqual({
      '2026-11': '4',
    });
  });
});

describe('O23: an action holds so much, then it is a further one', () => {
  /** $500 for 100,000 credits; an action covers 10,000 tokens and is 20 credits, by voice 30. */
  const TERMS = {
    claim: { eventType: 'action.done' },
    attributes: [{ name: 'channel', property: 'channel' }],
    units: {
      property: 'tokens',
      per: '10000',
      weights: [{ units: '20' }, { pattern: [{ name: 'channel', value: 'voice' }], units: '30' }],
    },
    prices: [{ name: 'Credits', currency: 'USD', terms: { model: 'UNIT', unitAmount: '500', per: '100000' } }],
  };

  test.each([
    ['24,000 tokens: ceil 3 × 20 = 60 credits = $0.30', 'chat', 24_000, '60', '0.3'],
    ['by voice: 3 × 30 = 90 credits = $0.45', 'voice', 24_000, '90', '0.45'],
    ['10,000 tokens: 1 × 20 credits = $0.10', 'chat', 10_000, '20', '0.1'],
    ['10,001 tokens: 2 × 20 credits = $0.20', 'chat', 10_001, '40', '0.2'],
  ])('O23: %s', async (_what, channel, tokens, credits, due) => {
    const sale = await charged(market, TERMS, [{ ...claim('a', T, { channel, tokens }), type: 'action.done' }]);
    expect(await invoices(sale)).toEqual({
      '2026-11': { status: 'DRAFT', total: due, lines: [['resolution: Credits', credits, due]] },
    });
  });
});

describe('O24: what costs nothing is recorded', () => {
  test('O24: 300 contained ($0), 80 assisted ($0), 120 resolved × $1.50: $180.00, 500 receipts', async () => {
    const price = (value: string, unitAmount: string) => ({
      name: value,
      currency: 'USD',
      pattern: [{ name: 'tier', value }],
      terms: { model: 'UNIT', unitAmount },
    });
    const terms = {
      attributes: [{ name: 'tier', property: 'tier' }],
      prices: [price('contained', '0'), price('assisted', '0'), price('resolved', '1.50')],
    };
    const sale = await charged(market, terms, [
      ...claims(300, { tier: 'contained' }, 'c'),
      ...claims(80, { tier: 'assisted' }, 'a'),
      ...claims(120, { tier: 'resolved' }, 'r'),
    ]);
    await work(sale, '2026-12-02T00:00:00Z');
    const invoiceId = await issue(sale, '2026-11');
    expect((await invoices(sale))['2026-11']).toEqual({
      status: 'ISSUED',
      total: '180',
      lines: [
        ['resolution: assisted', '80', '0'],
        ['resolution: contained', '300', '0'],
        ['resolution: resolved', '120', '180'],
      ],
    });
    expect(await tally(sale)).toEqual({ BILLED: 500 });
    const told = (await receipts(sale, invoiceId)).map(({ receipt }) => `${receipt.price} ${receipt.amount}`);
    expect([told.length, new Set(told)]).toEqual([500, new Set(['contained 0', 'assisted 0', 'resolved 1.5'])]);
  });
});

// The worker runs from here on: what was left open above is invoiced by itself too.
describe('O20: by the product’s own jobs', () => {
  test('O20: November closes itself; what occurred in it and comes in December is on December’s draft', async () => {
    const sale = await aSale(market, { opensAt: '2027-11-01T00:00:00Z', graceHours: 1 });
    await aRule(sale, { dedupe: { scope: 'SUBJECT' } });
    market.product.app.work();
    market.product.setClock(instant('2027-11-20T00:00:00Z'));
    await send(sale, [claim('worked', '2027-11-10T00:00:00Z')]);
    await until(async () => (await totals(sale))['2027-11'] === '0.99');
    market.product.setClock(instant('2027-12-01T01:30:00Z'));
    await until(async () => (await invoices(sale))['2027-11']?.status === 'ISSUED', 30);
    market.product.setClock(instant('2027-12-04T00:00:00Z'));
    await send(sale, [claim('late', '2027-11-03T00:00:00Z')]);
    await until(async () => (await totals(sale))['2027-12'] === '0.99', 30);
    expect((await invoices(sale))['2027-12']?.lines).toEqual([['Nov 2027 adjustment: resolution: Each', '1', '0.99']]);
    // It came with a subject of its own; the same conversation again is nothing.
    await send(sale, [claim('again', '2027-12-03T00:00:00Z', {}, 'late')]);
    await until(async () => (await standings(sale))['again'] === 'REJECTED DUPLICATE');
    expect(await totals(sale)).toEqual({ '2027-11': '0.99', '2027-12': '0.99' });
  });
});

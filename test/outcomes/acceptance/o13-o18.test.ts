import { createHash } from 'node:crypto';
import { verifyReceipts } from '../../../src/invoicing/index.js';
import { decimal, formatDecimal, sum } from '../../../src/money/index.js';
import { asSuperuser } from '../../support/database.js';
import type { Answer } from '../../support/product.js';
import { counts, exported, idsOf, invoices, read, readAll, standings, stats, totals, type Receipt } from './reading.js';
import {
  aMarket,
  arrive,
  charged,
  CLAIM,
  each,
  graduated,
  instant,
  issue,
  later,
  type Market,
  mutate,
  type Rule,
  type Sale,
  type Sent,
  type Terms,
  times,
  verify,
  work,
} from './support.js';

const RESOLVED = '2026-11-20T10:00:00Z';
const REOPENED = 'conversation.reopened';
/** An event of this type takes back what its conversation came to, within 14 days. */
const REVERSAL = { reversal: { clause: { eventType: REOPENED }, windowHours: 14 * 24 } };

let market: Market;

beforeAll(async () => {
  market = await aMarket();
});

afterAll(() => market.product.close());

/** A sale with one rule and these events, whose invoice of November is issued. */
async function invoiced(terms: Terms, events: readonly Sent[]): Promise<Sale & Rule> {
  const sale = await charged(market, terms, events);
  market.product.setClock(instant('2026-12-01T12:00:00Z'));
  await issue(sale, '2026-11');

  return sale;
}

const claim = (id: string, time = RESOLVED, properties: object = {}, subject = 'c1'): Sent => ({
  id,
  type: CLAIM,
  time,
  subject,
  properties: { ...properties },
});

describe('O13: an outcome is taken back within its window, also from a closed period', () => {
  test('O13: resolved 20 Nov (billed $0.99), reopened 2 Dec, window 14 d: −$0.99 on December', async () => {
    const sale = await invoiced(REVERSAL, [claim('a')]);
    expect(await totals(sale)).toEqual({ '2026-11': '0.99' });
    await arrive(sale, '2026-12-02T12:00:00Z', [{ type: REOPENED, time: '2026-12-02T10:00:00Z', subject: 'c1' }]);
    expect(await standings(sale)).toEqual({ a: 'REVERSED REVERSED' });
    expect(await invoices(sale)).toEqual({
      '2026-11': { status: 'ISSUED', total: '0.99', lines: [['resolution: Each', '1', '0.99']] },
      '2026-12': { status: 'DRAFT', total: '-0.99', lines: [['Nov 2026 adjustment: resolution: Each', '-1', '-0.99']] },
    });
  });

  test('O13: reopened 5 Dec (15 d): no reversal', async () => {
    const sale = await invoiced(REVERSAL, [claim('a')]);
    const [before] = await readAll(sale, 'outcomes', 'state');
    await arrive(sale, '2026-12-05T12:00:00Z', [{ type: REOPENED, time: '2026-12-05T10:00:00Z', subject: 'c1' }]);
    expect(await readAll(sale, 'outcomes', 'state')).toEqual([before]);
    expect(await totals(sale)).toEqual({ '2026-11': '0.99' });
  });

  test('O13: by mutation too, with a key that may: refused after the window', async () => {
    const sale = await invoiced(REVERSAL, [claim('a'), claim('b', later(RESOLVED, 1), {}, 'c2')]);
    const [a = '', b = ''] = await idsOf(sale);
    const input = (id: string) => ({ tenantId: sale.buyerId, outcomeIds: [id], reason: 'REOPENED' });
    const want = 'outcomes { state reason }';
    market.product.setClock(instant('2026-12-04T10:30:00Z'));
    await mutate(market.product, market.keys.reverses, 'outcomeReverse', want, input(b));
    await expect(mutate(market.product, market.keys.reverses, 'outcomeReverse', want, input(a))).rejects.toThrow(
      'INVALID_TRANSITION',
    );
    await work(sale);
    expect(await totals(sale)).toEqual({ '2026-11': '1.98', '2026-12': '-0.99' });
  });
});

describe('O14: a part is taken back, and a guarantee pays back', () => {
  /** A fee of 0.5 % of a $200 order. */
  const FEE = {
    claim: { eventType: 'order.approved' },
    measure: 'VALUE',
    valueProperty: 'amount',
    prices: [{ name: 'Fee', currency: 'USD', terms: { model: 'PERCENTAGE', rate: '0.5' } }],
    reversal: { clause: { eventType: 'order.refunded' }, windowHours: 30 * 24, amountProperty: 'amount' },
    guarantee: { clause: { eventType: 'order.charged_back' }, windowHours: 90 * 24 },
  };
  const order: Sent = { ...claim('a', RESOLVED, { amount: '200' }), type: 'order.approved' };

  test('O14: fee 0.5 % of $200 = $1.00; $50 refunded: −$0.25', async () => {
    const sale = await invoiced(FEE, [order]);
    expect(await totals(sale)).toEqual({ '2026-11': '1' });
    const refund = {
      type: 'order.refunded',
      time: '2026-12-02T10:00:00Z',
      subject: 'c1',
      properties: { amount: '50' },
    };
    await arrive(sale, '2026-12-02T12:00:00Z', [refund]);
    expect(await totals(sale)).toEqual({ '2026-11': '1', '2026-12': '-0.25' });
    const [outcome] = await readAll(sale, 'outcomes', 'reason value { amount currency }');
    expect(outcome).toEqual({ reason: 'PARTLY_REVERSED', value: { amount: '150', currency: 'USD' } });
  });

  test('O14: a chargeback under the guarantee: −($200 + $1.00)', async () => {
    const sale = await invoiced(FEE, [order]);
    const back = { type: 'order.charged_back', time: '2026-12-10T10:00:00Z', subject: 'c1' };
    await arrive(sale, '2026-12-10T12:00:00Z', [back]);
    expect(await standings(sale)).toEqual({ a: 'REVERSED GUARANTEE' });
    expect((await invoices(sale))['2026-12']).toEqual({
      status: 'DRAFT',
      total: '-201',
      lines: [
        ['Nov 2026 adjustment: resolution: Fee', '-200', '-1'],
        ['Nov 2026 adjustment: resolution: guarantee', '0', '-200'],
      ],
    });
  });

  test('O14: refunded in parts until nothing is left: the fee is gone, and not more than it', async () => {
    const sale = await invoiced(FEE, [order]);
    const refunds = ['50', '100', '50', '10'].map((amount, index) => ({
      type: 'order.refunded',
      time: later('2026-12-02T10:00:00Z', index),
      subject: 'c1',
      properties: { amount },
    }));
    await arrive(sale, '2026-12-03T12:00:00Z', refunds);
    expect(await standings(sale)).toEqual({ a: 'REVERSED REVERSED' });
    expect(await totals(sale)).toEqual({ '2026-11': '1', '2026-12': '-1' });
  });
});

describe('O15: what is taken back is as if it had never happened, whatever tier it was in', () => {
  const GRADUATED = {
    ...REVERSAL,
    prices: graduated(),
  };
  const hundredAndOne = times(101, index => claim(`n${index + 1}`, later(RESOLVED, index / 60), {}, `c${index + 1}`));
  const tenth = { type: REOPENED, time: '2026-12-02T10:00:00Z', subject: 'c10' };

  test('O15: 101 outcomes: 47.50 + 45 + 0.85 = $93.35; the 10th reversed: 100 = $92.50', async () => {
    const sale = await charged(market, GRADUATED, hundredAndOne);
    expect(await totals(sale)).toEqual({ '2026-11': '93.35' });
    await arrive(sale, '2026-12-02T12:00:00Z', [tenth]);
    expect(await invoices(sale)).toEqual({
      '2026-11': { status: 'DRAFT', total: '92.5', lines: [['resolution: Graduated', '100', '92.5']] },
    });
  });

  test('O15: after the invoice of $93.35: a credit of $0.85, not $0.95', async () => {
    const sale = await invoiced(GRADUATED, hundredAndOne);
    await arrive(sale, '2026-12-02T12:00:00Z', [tenth]);
    expect(await invoices(sale)).toEqual({
      '2026-11': { status: 'ISSUED', total: '93.35', lines: [['resolution: Graduated', '101', '93.35']] },
      '2026-12': {
        status: 'DRAFT',
        total: '-0.85',
        lines: [['Nov 2026 adjustment: resolution: Graduated', '-1', '-0.85']],
      },
    });
  });

  test('O15: everything reversed: exactly nothing is left', async () => {
    const sale = await invoiced(GRADUATED, hundredAndOne);
    const all = times(101, index => ({ ...tenth, subject: `c${index + 1}` }));
    await arrive(sale, '2026-12-02T12:00:00Z', all);
    expect(await totals(sale)).toEqual({ '2026-11': '93.35', '2026-12': '-93.35' });
  });
});

describe('O16: what was taken back may be achieved again', () => {
  /** How many outcomes of the conversation may be charged, or are. */
  const live = async (sale: Sale): Promise<number> =>
    (await readAll(sale, 'outcomes', 'state')).filter(({ state }) =>
      ['CLAIMED', 'VERIFIED', 'MATURED', 'BILLED', 'DISPUTED'].includes(state),
    ).length;

  test('O16: +0.99, −0.99 (reopened), +0.99 (resolved again): net $0.99; at most one counts at every instant', async () => {
    const sale = await invoiced({ ...REVERSAL, dedupe: { scope: 'SUBJECT' } }, [claim('a')]);
    expect([await live(sale), await totals(sale)]).toEqual([1, { '2026-11': '0.99' }]);
    await arrive(sale, '2026-12-02T12:00:00Z', [{ type: REOPENED, time: '2026-12-02T10:00:00Z', subject: 'c1' }]);
    expect([await live(sale), await totals(sale)]).toEqual([0, { '2026-11': '0.99', '2026-12': '-0.99' }]);
    await arrive(sale, '2026-12-03T12:00:00Z', [claim('b', '2026-12-03T10:00:00Z')]);
    expect([await live(sale), await totals(sale)]).toEqual([1, { '2026-11': '0.99', '2026-12': '0' }]);
    await arrive(sale, '2026-12-04T12:00:00Z', [claim('c', '2026-12-04T10:00:00Z')]);
    expect(await live(sale)).toBe(1);
    expect((await invoices(sale))['2026-12']?.lines).toEqual([
      ['resolution: Each', '1', '0.99'],
      ['Nov 2026 adjustment: resolution: Each', '-1', '-0.99'],
    ]);
    expect(Object.values(await standings(sale)).sort()).toEqual(['MATURED', 'REJECTED DUPLICATE', 'REVERSED REVERSED']);
  });
});

describe('O17: disputes', () => {
  const TERMS = {
    prices: each('1.00'),
    dispute: { windowHours: 30 * 24, responseHours: 240, whenSilent: 'CREDIT' },
  };
  const twoThousand = times(2_000, index => claim(`n${index}`, later(RESOLVED, index / 3_600), {}, `c${index}`));
  const OPENED = '2026-12-02T10:00:00Z';

  /** 300 of the sale's outcomes are disputed by the buyer. */
  async function disputed(sale: Sale): Promise<{ readonly id: string; readonly outcomeIds: readonly string[] }> {
    market.product.setClock(instant(OPENED));
    const outcomeIds = (await readAll(sale, 'outcomes', 'id', '', 300)).map(({ id }) => id as string);
    const want = 'outcomeDispute { id openedBy outcomeCount heldCount respondBy }';
    const { outcomeDispute } = await mutate(market.product, sale.buyer.disputes, 'outcomeDisputeOpen', want, {
      outcomeIds,
      reason: 'they came back',
    });
    expect(outcomeDispute).toMatchObject({ openedBy: 'BUYER', outcomeCount: 300, heldCount: 300 });
    expect(outcomeDispute.respondBy).toMatch(/^2026-12-12T10:00:/);
    await work(sale);
    const [{ held }] = await readAll(sale, 'outcomeDisputes', 'held { amount currency }');
    expect(held).toEqual([{ amount: '300', currency: 'USD' }]);

    return { id: outcomeDispute.id, outcomeIds };
  }

  /** Of the disputed, 180 are accepted and 120 are not. */
  async function decided(sale: Sale, { id, outcomeIds }: Awaited<ReturnType<typeof disputed>>): Promise<void> {
    market.product.setClock(instant(later(OPENED, 48)));
    await mutate(market.product, market.keys.decides, 'outcomeDisputeDecide', 'outcomeDispute { heldCount }', {
      tenantId: sale.buyerId,
      outcomeDisputeId: id,
      acceptedOutcomeIds: outcomeIds.slice(0, 180),
      rejectedOutcomeIds: outcomeIds.slice(180),
    });
    await work(sale);
  }

  test('O17: 2,000 × $1.00, 300 disputed: due $1,700, held $300; 180 accepted, 120 rejected: due $120 more', async () => {
    const sale = await charged(market, TERMS, twoThousand);
    expect(await totals(sale)).toEqual({ '2026-11': '2000' });
    const dispute = await disputed(sale);
    expect(await totals(sale)).toEqual({ '2026-11': '1700' });
    expect(await stats(sale, sale.ruleId)).toEqual({
      MATURED: { count: 1_700, amount: '1700', listAmount: '1700' },
      DISPUTED: { count: 300, amount: '0', listAmount: '300', held: '300' },
    });
    await decided(sale, dispute);
    expect(await counts(sale, sale.ruleId)).toEqual({ MATURED: 1_820, 'REVERSED DISPUTE_ACCEPTED': 180 });
    expect(await totals(sale)).toEqual({ '2026-11': '1820' });
  });

  test('O17: after the invoice of $2,000: held $300; 180 accepted: a credit of $180; 120 rejected: due again', async () => {
    const sale = await invoiced(TERMS, twoThousand);
    const dispute = await disputed(sale);
    expect(await totals(sale)).toEqual({ '2026-11': '2000', '2026-12': '-300' });
    await decided(sale, dispute);
    expect(await totals(sale)).toEqual({ '2026-11': '2000', '2026-12': '-180' });
  });

  test('O17: invoiced while they are held: $1,700; then the 120 that are rejected are due: $120', async () => {
    const sale = await charged(market, TERMS, twoThousand);
    const dispute = await disputed(sale);
    await issue(sale, '2026-11');
    await decided(sale, dispute);
    expect(await totals(sale)).toEqual({ '2026-11': '1700', '2026-12': '120' });
  });

  test('O17: the vendor is silent for 10 d: all 300 are credited', async () => {
    const sale = await invoiced(TERMS, twoThousand);
    await disputed(sale);
    await work(sale, later(OPENED, 239.9));
    expect((await counts(sale, sale.ruleId))['DISPUTED']).toBe(300);
    await work(sale, later(OPENED, 240.1));
    expect((await counts(sale, sale.ruleId))['REVERSED DISPUTE_UNANSWERED']).toBe(300);
    expect(await totals(sale)).toEqual({ '2026-11': '2000', '2026-12': '-300' });
    await work(sale, '2027-01-20T00:00:00Z');
    expect(await totals(sale)).toEqual({ '2026-11': '2000', '2026-12': '-300' });
  });
});

describe('O18: a sealed receipt for each outcome', () => {
  /** 1,847 verified outcomes at $0.50, invoiced. */
  async function receipted() {
    const terms = {
      prices: each('0.50'),
      evidence: ['transcript'],
      verification: { verifiers: ['LLM'], expiresAfterHours: 168 },
    };
    const properties = { transcript: 't', trace_id: 'tr-1', conversation_id: 'co-1', request_id: ['re-1', 're-2'] };
    const sale = await charged(
      market,
      terms,
      times(1_847, index => claim(`n${index}`, later(RESOLVED, index / 3_600), properties, `c${index}`)),
    );
    const ids = await idsOf(sale);
    await verify(sale, ids.slice(0, 1_000), { score: '0.97' });
    await verify(sale, ids.slice(1_000), { score: '0.97' });
    await work(sale, '2026-12-01T12:00:00Z');
    const invoiceId = await issue(sale, '2026-11');

    return { sale, ids, invoiceId, verified: () => verifyReceipts(market.product.scope(sale.buyerId)) };
  }

  test('O18: 1,847 rows × $0.50 = $923.50 = the line, to the cent; altering one row breaks the seal', async () => {
    const { sale, ids, invoiceId, verified } = await receipted();
    expect(await invoices(sale)).toEqual({
      '2026-11': { status: 'ISSUED', total: '923.5', lines: [['resolution: Each', '1847', '923.5']] },
    });
    const lines = await exported(sale, invoiceId);
    const rows = lines.map(line => JSON.parse(line) as Receipt);
    expect(rows.map(({ position }) => position)).toEqual(times(1_847, index => index + 1));
    expect(new Set(rows.map(({ receipt }) => receipt.outcomeId))).toEqual(new Set(ids));
    expect(formatDecimal(sum(rows.map(({ receipt }) => decimal(receipt.amount))))).toBe('923.5');
    // Anybody can check a hash: it is that of the receipt's text as it is sent.
    expect(rows.map(({ hash }) => hash)).toEqual(
      lines.map(line =>
        createHash('sha256')
          .update(line.slice(line.indexOf('"receipt":') + 10, -1))
          .digest('hex'),
      ),
    );
    expect(rows[0]?.receipt).toMatchObject({
      invoiceId,
      ruleId: sale.ruleId,
      ruleKey: 'resolution',
      versionId: sale.versionId,
      versionNumber: 1,
      price: 'Each',
      amount: '0.5',
      currency: 'USD',
      state: 'MATURED',
      subject: 'c0',
      verdict: {
        verifiedAt: expect.stringMatching(/^2026-11-/),
        words: [
          {
            fact: expect.stringMatching(/^oac_/),
            at: rows[0]?.receipt.verdict.verifiedAt,
            passes: true,
            verifier: 'LLM',
            party: 'SELLER',
            score: '0.97',
            reason: null,
          },
        ],
      },
      inputsHash: expect.stringMatching(/^[0-9a-f]{64}$/),
      facts: ['n0', expect.stringMatching(/^oac_/)],
      links: { traceId: 'tr-1', conversationId: 'co-1', requestIds: ['re-1', 're-2'] },
    });
    expect(await verified()).toMatchObject({ receipts: 1_847, seals: 1, fault: null });

    const { database } = market.product;
    const change = `update outcome_receipt set amount = 0.49 where invoice_id = $1 and position = 17`;
    await expect(asSuperuser(database, change, [invoiceId])).rejects.toThrow('never changed');
    await asSuperuser(database, 'alter table outcome_receipt disable trigger outcome_receipt_is_final');
    await asSuperuser(database, change, [invoiceId]);
    await asSuperuser(database, 'alter table outcome_receipt enable trigger outcome_receipt_is_final');
    expect((await verified()).fault?.place).toContain('receipt 17 (');
  });

  test('O18: what is taken back afterwards has a receipt of its own that follows the first', async () => {
    const sale = await invoiced({ ...REVERSAL, prices: each('0.50') }, [claim('a')]);
    await arrive(sale, '2026-12-02T12:00:00Z', [{ type: REOPENED, time: '2026-12-02T10:00:00Z', subject: 'c1' }]);
    await arrive(sale, '2026-12-03T12:00:00Z', [claim('b', '2026-12-03T10:00:00Z', {}, 'c2')]);
    await work(sale, '2027-01-02T00:00:00Z');
    await issue(sale, '2026-12');
    const { outcomes } = await read(
      sale,
      'outcomes(first: 2) { edges { node { receipts(first: 5) { edges { node { amount { amount } hash body } } } } } }',
    );
    const [resolvedAgain, takenBack] = outcomes.edges.map(({ node }: Answer['data']) =>
      node.receipts.edges.map((edge: Answer['data']) => edge.node),
    );
    expect(resolvedAgain).toMatchObject([{ amount: { amount: '0.5' } }]);
    expect(takenBack).toMatchObject([{ amount: { amount: '0.5' } }, { amount: { amount: '-0.5' } }]);
    expect(JSON.parse(takenBack[1].body)).toMatchObject({ previousHash: takenBack[0].hash, state: 'REVERSED' });
  });
});

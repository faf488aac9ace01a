import { createHash } from 'node:crypto';
import { verifyReceipts } from '../../src/invoicing/index.js';
import { decimal } from '../../src/money/index.js';
import { judgeCase } from '../../src/outcomes/case.rules.js';
import { factCount, factsOfKind, namesIn } from '../../src/outcomes/fact-run.rules.js';
import { factsHash } from '../../src/outcomes/other-facts.js';
import { readOutcomeTerms } from '../../src/outcomes/outcome-terms-reading.rules.js';
import type { LiveRule, OutcomeEvent, Verdict } from '../../src/outcomes/outcome.rules.js';
import { canonicalJson } from '../../src/platform/index.js';
import { asSuperuser } from '../support/database.js';
import { receipts } from './acceptance/reading.js';
import {
  aMarket,
  charged,
  CLAIM,
  each,
  instant,
  issue,
  later,
  work,
  arrive,
  type Market,
  type Sent,
} from './acceptance/support.js';

/** What the hash of facts is, as its documentation says it, without any of the product's own code. */
function hashOf(names: readonly string[]): string {
  const sum = names.reduce(
    (total, name) => total + BigInt(`0x${createHash('shake256', { outputLength: 256 }).update(name).digest('hex')}`),
    0n,
  );
  const bytes = (sum % 2n ** 2048n).toString(16).padStart(512, '0');

  return createHash('sha256').update(Buffer.from(bytes, 'hex')).digest('hex');
}

const numbered = (count: number): string[] => Array.from({ length: count }, (_, place) => `f${place}`);

describe('facts of one kind', () => {
  test('are named one by one while they are few, else the first and the last, and one hash stands for the others', () => {
    const few = numbered(50);
    expect(factsOfKind([{ list: few, from: 0, until: 50 }])).toEqual({ named: few, others: [] });
    const list = numbered(200);
    const runs = [
      { list, from: 10, until: 30 },
      { list: ['act'], from: 0, until: 1 },
      { list, from: 31, until: 130 },
    ];
    const { named, others } = factsOfKind(runs);
    const all = namesIn(runs);
    expect(all).toHaveLength(120);
    expect(named).toEqual([...all.slice(0, 40), ...all.slice(110)]);
    expect(factCount(others)).toBe(70);
    expect(namesIn(others)).toEqual(all.slice(40, 110));
    expect(factsHash(others)).toBe(hashOf(all.slice(40, 110)));
  });

  test('have another hash where one is missing, is another or is there twice, however they lie in runs', () => {
    const list = numbered(10);
    const whole = factsHash([{ list, from: 0, until: 10 }]);
    expect(
      factsHash([
        { list, from: 0, until: 4 },
        { list: [...list], from: 4, until: 10 },
      ]),
    ).toBe(whole);
    expect(factsHash([])).toBe(hashOf([]));
    const others = [list.slice(1), list.with(3, 'é'), [...list, 'f0']];
    const hashes = others.map(names => factsHash([{ list: names, from: 0, until: names.length }]));
    expect(hashes).toEqual(others.map(hashOf));
    expect(new Set([whole, ...hashes]).size).toBe(4);
  });
});

describe('a case of thirty thousand facts, each of which bears on every claim', () => {
  const HALF = 15_000;
  const START = Date.parse('2026-11-02T12:00:00Z');

  const aRule = (given: object): LiveRule => {
    const prices = [{ name: 'Each', currency: 'USD', pattern: {}, terms: { model: 'UNIT', unitAmount: '1' } }];
    const read = readOutcomeTerms({ claim: { eventType: 'sold', filter: '' }, prices, ...given });

    if ('refusals' in read) {
      throw new Error(JSON.stringify(read.refusals));
    }

    const { terms } = read;
    const all = { matches: () => true };
    const filters = { claim: all, exclusions: [], environment: null, touch: all, reversal: all, guarantee: all };
    const version = { id: 'v', number: 1, effectiveAt: new Date(0), terms, filters, listAmount: () => decimal('1') };

    return { id: 'rule', key: 'rule', versions: [version] };
  };
  const many = (type: string, from: number, properties: (place: number) => object): OutcomeEvent[] =>
    Array.from({ length: HALF }, (_, place) => ({
      id: `${type}-${place}`,
      source: '',
      type,
      time: new Date(START + from + place),
      subject: 's',
      customer: null,
      properties: { ...properties(place) },
      keyId: type,
      party: 'SELLER',
    }));

  /** What is judged, and in how many seconds. */
  function judged(rule: LiveRule, events: readonly OutcomeEvent[]): { verdicts: readonly Verdict[]; seconds: number } {
    const started = performance.now();
    const verdicts = judgeCase({
      events,
      acts: [],
      now: new Date(START + 3_600_000),
      rulesAt: () => ({ contractId: 'ctr', currency: 'USD', endsAt: null, rules: [rule] }),
      outcomeId: (_, event) => event.id,
    });

    return { verdicts, seconds: (performance.now() - started) / 1_000 };
  }

  const reversal = {
    clause: { eventType: 'refund', filter: '' },
    windowHours: 100,
    amountProperty: 'amount',
    targetProperty: null,
    sentBy: 'ANY',
  };
  const attribution = {
    touch: { eventType: 'touch', filter: '' },
    windowHours: 100,
    model: 'SPLIT',
    agentProperty: 'agent',
    shareProperty: null,
  };
  const verification = {
    verifiers: ['HUMAN'],
    parties: 'BOTH',
    eventType: 'checked',
    sentBy: 'ANY',
    expiresAfterHours: 168,
  };

  // One for each claim would be 225 million steps, and as many names.
  test.each([
    ['parts taken back', { valueProperty: 'value', reversal }, many('refund', HALF, () => ({ amount: '0.5' }))],
    ['touches', { attribution }, many('touch', 0, place => ({ agent: `a${place % 3}` }))],
    ['words of one side', { verification }, many('checked', HALF, () => ({ passes: true, verifier: 'HUMAN' }))],
  ])(
    'is judged in about linear time, and no verdict grows with it: %s',
    (_what, terms, others) => {
      const claims = many('sold', 0, () => ({ value: '100000' })).map(claim => ({
        ...claim,
        time: new Date(claim.time.getTime() + (others[0]?.type === 'touch' ? HALF : 0)),
      }));
      const { verdicts, seconds } = judged(aRule(terms), [...claims, ...others]);
      expect(verdicts).toHaveLength(HALF);
      expect(Math.max(...verdicts.map(({ factIds }) => factIds.length))).toBe(51);
      const [first] = verdicts;
      expect(factCount(first?.otherFacts ?? [])).toBe(HALF - 50);
      expect(seconds).toBeLessThan(8);

      if (others[0]?.type === 'refund') {
        expect(first?.value?.toFixed()).toBe('92500');
      }
    },
    120_000,
  );
});

describe('a claim of which a hundred and twenty parts are taken back', () => {
  const RESOLVED = '2026-11-20T10:00:00Z';
  const PART = 'order.refunded';
  const COUNT = 120;
  let market: Market;

  beforeAll(async () => {
    market = await aMarket();
  });

  afterAll(() => market.product.close());

  const TERMS = {
    prices: each('1'),
    valueProperty: 'value',
    reversal: { clause: { eventType: PART }, windowHours: 240, amountProperty: 'amount' },
  };
  const claim: Sent = { id: 'claim', type: CLAIM, time: RESOLVED, subject: 's', properties: { value: 240 } };
  const part = (place: number): Sent => ({
    id: `r${String(place).padStart(3, '0')}`,
    type: PART,
    time: later(RESOLVED, (place + 1) / 3_600),
    subject: 's',
    properties: { amount: 1 },
  });
  const parts = Array.from({ length: COUNT }, (_, place) => part(place));
  const idsOf = (events: readonly Sent[]): string[] => events.map(({ id = '' }) => id);
  const rows = <Row extends object>(sql: string, tenantId: string) =>
    asSuperuser<Row & Record<string, unknown>>(market.product.database, sql, [tenantId]);
  const kept = (tenantId: string) =>
    rows(
      `select state, trim_scale(units)::text as units, trim_scale(value)::text as value, fact_ids as named,
         other_facts as others, other_facts_hash as hash from outcome where tenant_id = $1`,
      tenantId,
    );
  const unnamed = async (tenantId: string): Promise<string[]> =>
    (
      await rows<{ id: string }>(
        'select id from outcome_event where tenant_id = $1 and is_unnamed order by id',
        tenantId,
      )
    ).map(({ id }) => id);

  test('names the first and the last of them, counts the others and has one hash for them, whatever came first', async () => {
    const middle = idsOf(parts).slice(40, COUNT - 10);
    const whole = [
      {
        state: 'MATURED',
        units: '0.5',
        value: '120',
        named: ['claim', ...idsOf(parts).slice(0, 40), ...idsOf(parts).slice(COUNT - 10)],
        others: middle.length,
        hash: hashOf(middle),
      },
    ];
    const inOrder = await charged(market, TERMS, [claim, ...parts]);
    expect(await kept(inOrder.buyerId)).toEqual(whole);
    expect(await unnamed(inOrder.buyerId)).toEqual(middle);
    // Those that it does not name bear on it all the same.
    const idle = await market.product.app.services.outcomeActs.idleEvents(
      market.product.scope(inOrder.buyerId),
      { from: instant('2026-11-01T00:00:00Z'), until: instant('2026-12-01T00:00:00Z'), state: null },
      { first: 100 },
    );
    expect(idle.events).toEqual([]);
    const reversed = await charged(market, TERMS, parts.toReversed());
    await arrive(reversed, '2026-11-30T00:00:00Z', [claim]);
    expect(await kept(reversed.buyerId)).toEqual(whole);
    expect(await unnamed(reversed.buyerId)).toEqual(middle);
    // The same once more is no change; one more part is.
    await work(inOrder);
    expect(await kept(inOrder.buyerId)).toEqual(whole);
    await arrive(inOrder, '2026-11-30T00:00:00Z', [part(COUNT)]);
    expect(await unnamed(inOrder.buyerId)).toEqual([...middle, `r${COUNT - 10}`]);
    // What takes back all of it before them leaves them nothing to take.
    const early = { type: PART, time: later(RESOLVED, 0.5 / 3_600), subject: 's', id: 'all', properties: {} };
    await arrive(inOrder, '2026-11-30T00:00:00Z', [early]);
    expect(await kept(inOrder.buyerId)).toEqual([
      { state: 'REVERSED', units: '1', value: '240', named: ['claim', 'all'], others: 0, hash: null },
    ]);
    expect(await unnamed(inOrder.buyerId)).toEqual([]);
  });

  test('has a receipt that says how many it does not name, and whose seal is over their hash', async () => {
    const sale = await charged(market, TERMS, [claim, ...parts]);
    market.product.setClock(instant('2026-12-01T12:00:00Z'));
    const invoiceId = await issue(sale, '2026-11');
    const [first] = await receipts(sale, invoiceId);
    const middle = idsOf(parts).slice(40, COUNT - 10);
    const named = ['claim', ...idsOf(parts).slice(0, 40), ...idsOf(parts).slice(COUNT - 10)];
    const receipt = first?.receipt as unknown as { readonly facts: readonly string[]; readonly inputsHash: string };
    expect(receipt.facts).toEqual([...named, `and ${middle.length} more\n${hashOf(middle)}`]);
    const contents = new Map(
      (
        await rows<{ id: string; content: string }>(
          "select id, encode(content_hash, 'hex') as content from usage_event where tenant_id = $1",
          sale.buyerId,
        )
      ).map(({ id, content }) => [id, content]),
    );
    expect(receipt.inputsHash).toBe(
      createHash('sha256')
        .update(canonicalJson([...named.map(id => contents.get(id)), hashOf(middle)]))
        .digest('hex'),
    );
    expect((await verifyReceipts(sale.product.scope(sale.buyerId))).fault).toBe(null);
  });
});

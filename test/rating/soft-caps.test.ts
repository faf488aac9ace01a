import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { decimal } from '../../src/money/index.js';
import { inTransaction } from '../../src/platform/index.js';
import { gonePast } from '../../src/rating/outcome-caps.rules.js';
import { groupedOutcomeDues } from '../../src/rating/outcome-dues.rules.js';
import { exceededBySums, SoftCapsService } from '../../src/rating/soft-caps.js';
import { softCapsOf } from '../../src/rating/soft-caps.rules.js';
import { groupsOf, isCharged, type BillableOutcome } from '../../src/outcomes/billable.rules.js';
import { aSale, send, type Sale, type Sent } from '../outcomes/settling.js';
import { aContract, anOutcomeVersion, aTenant, rate } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aProduct, type Product } from '../support/product.js';
import { cap, outcome, outcomePrice, rule, ruleVersion } from './outcomes.js';

/* A SOFT cap keeps nothing out; whoever pays is told when it is exceeded, once for a rule and period. */

const NOW = new Date('2026-11-20T12:00:00Z');
const price = (terms: object) => [{ name: 'Each', currency: 'USD', pattern: {}, terms }];
const money = (amount: string, currency = 'USD') => ({ amount, currency });

let product: Product;

beforeAll(async () => {
  product = await aProduct({ now: NOW });
});

beforeEach(() => product.setClock(NOW));

afterAll(() => product.close());

/** A buyer under a rule with these caps, at $0.99 each, who hears of everything. */
async function aCapped(caps: readonly object[], terms: object = {}): Promise<Sale> {
  const sale = await aSale(product, { caps, ...terms });
  await hears(sale.tenantId);

  return sale;
}

async function hears(tenantId: string): Promise<void> {
  await product.app.services.webhooks.createEndpoint(product.scope(tenantId), {
    url: 'https://example.com/hook',
    eventTypes: ['outcome_rule.cap_exceeded'],
    idempotencyKey: randomUUID(),
  });
}

let made = 0;

/** Claims of these times, as `dd hh:mm` of November or with the month before it, and has them rated. */
async function claim(sale: Sale, times: readonly string[], given: Partial<Sent> = {}): Promise<void> {
  const events = times.map(text => {
    const [, month = '11', day, time] = /^(?:(\d\d)-)?(\d\d) (.*)$/.exec(text) ?? [];

    return { id: `c${(made += 1)}`, type: sale.eventType, time: `2026-${month}-${day}T${time}:00Z`, ...given };
  });
  expect(await send(product, sale.tenantId, events)).toMatchObject({ accepted: events.length });
  await rate(product, sale.tenantId);
}

/** What was posted, kept, written in the audit log and announced. */
async function told({ tenantId }: Pick<Sale, 'tenantId'>) {
  const rows = async <T extends object>(sql: string): Promise<T[]> => asSuperuser<T>(product.database, sql, [tenantId]);
  const bodies = await rows<{ body: string }>(
    `select body from webhook_delivery where tenant_id = $1 and event_type = 'outcome_rule.cap_exceeded' order by created_at`,
  );
  const lines = await rows<{ after: Record<string, unknown> }>(
    `select after from audit_line where tenant_id = $1 and action = 'outcome_rule.cap_exceeded' order by seq`,
  );
  const kept = await rows('select from outcome_cap_exceeded where tenant_id = $1');
  const facts = await rows(`select from outbox where tenant_id = $1 and topic = 'outcome_rule.cap_exceeded'`);
  const data = bodies.map(({ body }) => (JSON.parse(body) as { data: Record<string, unknown> }).data);
  // All of them at once, or none.
  expect(lines.map(({ after }) => after)).toEqual(data);
  expect([kept.length, facts.length]).toEqual([data.length, data.length]);

  return data;
}

/** What was told, as `month per count amount: outcomes amount`. */
const shown = async (sale: Pick<Sale, 'tenantId'>): Promise<string[]> =>
  (await told(sale)).map(data => {
    const {
      period,
      cap: of,
      outcomes,
      amount,
    } = data as unknown as {
      period: { start: string };
      cap: { per: string; count: string | null; amount: { amount: string } | null };
      outcomes: number;
      amount: string;
    };

    return `${period.start.slice(0, 7)} ${of.per} ${of.count ?? of.amount?.amount ?? '-'}: ${outcomes} ${amount}`;
  });

describe('a SOFT cap is told', () => {
  test('when it is exceeded and not when it is reached, once for the period, whatever comes then', async () => {
    const sale = await aCapped([{ mode: 'SOFT', per: 'PERIOD', count: '3' }], {
      reversal: { clause: { eventType: 'back' }, windowHours: 500 },
    });
    await claim(sale, ['10 08:00', '10 09:00', '10 10:00'], { subject: 's' });
    expect(await told(sale)).toEqual([]);
    await claim(sale, ['10 11:00']);
    const data = {
      exceededId: expect.stringMatching(/^oce_/),
      outcomeRuleId: sale.ruleId,
      outcomeRuleKey: expect.stringMatching(/^rule_/),
      outcomeRuleVersionId: sale.versionId,
      tenantId: sale.tenantId,
      contractId: sale.contractId,
      period: { start: '2026-11-01T00:00:00.000Z', end: '2026-12-01T00:00:00.000Z' },
      cap: { per: 'PERIOD', count: '3', amount: null },
      outcomes: 4,
      amount: '3.96',
      currency: 'USD',
    };
    expect(await told(sale)).toEqual([data]);
    // More of it, rated by two at once, and again from the beginning.
    await claim(sale, ['11 08:00', '11 09:00']);
    await Promise.all([rate(product, sale.tenantId), rate(product, sale.tenantId)]);
    await product.app.services.rating.rerate(product.scope(sale.tenantId), new Date('2026-10-01T00:00:00Z'));
    // Taken back until it is not exceeded any more, and exceeded again.
    await send(product, sale.tenantId, [{ id: 'back', type: 'back', time: '2026-11-12T00:00:00Z', subject: 's' }]);
    await rate(product, sale.tenantId);
    const [left] = await asSuperuser<{ n: number }>(
      product.database,
      `select count(*)::int as n from outcome where tenant_id = $1 and state = 'MATURED'`,
      [sale.tenantId],
    );
    expect(left?.n).toBe(3);
    await claim(sale, ['13 08:00']);
    expect(await told(sale)).toEqual([data]);
  });

  test('anew in each period, and to each tenant', async () => {
    const sale = await aCapped([{ mode: 'SOFT', per: 'PERIOD', count: '1' }]);
    const other = { ...sale, tenantId: await aTenant(product) };
    await aContract(product, { buyerId: other.tenantId, bookId: sale.bookId });
    await hears(other.tenantId);
    await claim(sale, ['10-10 08:00', '10-10 09:00', '10 08:00']);
    expect(await shown(sale)).toEqual(['2026-10 PERIOD 1: 2 1.98']);
    await claim(sale, ['10 09:00']);
    expect((await shown(sale)).sort()).toEqual(['2026-10 PERIOD 1: 2 1.98', '2026-11 PERIOD 1: 2 1.98']);
    expect(await shown(other)).toEqual([]);
    await claim(other, ['10 08:00', '10 09:00']);
    expect(await shown(other)).toEqual(['2026-11 PERIOD 1: 2 1.98']);
  });

  test('by the day of the tenant, and by subject, of which each without one is its own', async () => {
    const daily = await aCapped([{ mode: 'SOFT', per: 'DAY', count: '2' }]);
    await claim(daily, ['10 08:00', '10 23:59', '11 00:00', '12 09:00', '12 10:00']);
    expect(await shown(daily)).toEqual([]);
    await claim(daily, ['12 11:00']);
    expect(await shown(daily)).toEqual(['2026-11 DAY 2: 6 5.94']);

    const bySubject = await aCapped([{ mode: 'SOFT', per: 'SUBJECT', count: '1' }]);
    await claim(bySubject, ['10 08:00', '10 09:00', '10 10:00']);
    await claim(bySubject, ['11 08:00'], { subject: 'a' });
    await claim(bySubject, ['11 09:00'], { subject: 'b' });
    expect(await shown(bySubject)).toEqual([]);
    await claim(bySubject, ['12 08:00'], { subject: 'b' });
    expect(await shown(bySubject)).toEqual(['2026-11 SUBJECT 1: 6 5.94']);
  });

  test('in money of the contract, over the period, a day, or at prices that fall', async () => {
    const tiers = [
      { upTo: '2', unitAmount: '2' },
      { upTo: null, unitAmount: '1' },
    ];
    const graduated = await aCapped([{ mode: 'SOFT', per: 'PERIOD', amount: money('5') }], {
      prices: price({ model: 'GRADUATED', tiers }),
    });
    await claim(graduated, ['10 08:00', '10 09:00', '10 10:00']);
    expect(await shown(graduated)).toEqual([]);
    await claim(graduated, ['10 11:00']);
    expect(await shown(graduated)).toEqual(['2026-11 PERIOD 5: 4 6']);

    const daily = await aCapped([{ mode: 'SOFT', per: 'DAY', amount: money('1.98') }]);
    await claim(daily, ['10 08:00', '10 09:00', '11 08:00', '11 09:00']);
    expect(await shown(daily)).toEqual([]);
    await claim(daily, ['11 10:00']);
    expect(await shown(daily)).toEqual(['2026-11 DAY 1.98: 5 4.95']);

    // The second one comes to four dollars; all three come to three.
    const falling = await aCapped([{ mode: 'SOFT', per: 'PERIOD', amount: money('3.5') }], {
      prices: price({ model: 'VOLUME', tiers }),
    });
    await claim(falling, ['10 08:00', '10 09:00', '10 10:00']);
    expect(await shown(falling)).toEqual(['2026-11 PERIOD 3.5: 3 3']);

    const foreign = await aCapped([{ mode: 'SOFT', per: 'PERIOD', amount: money('1', 'INR') }]);
    await claim(foreign, ['10 08:00', '10 09:00']);
    expect(await shown(foreign)).toEqual([]);
  });

  test('by the cap of the version that judged the outcome, over outcomes of all versions', async () => {
    const sale = await aCapped([{ mode: 'SOFT', per: 'PERIOD', count: '5' }]);
    product.setClock(new Date('2026-11-09T00:00:00Z'));
    await anOutcomeVersion(product, {
      ruleId: sale.ruleId,
      effectiveAt: new Date('2026-11-15T00:00:00Z'),
      terms: {
        claim: { eventType: sale.eventType, filter: '' },
        caps: [{ mode: 'SOFT', per: 'PERIOD', count: '2', amount: null }],
      },
    });
    product.setClock(NOW);
    await claim(sale, ['10 08:00', '10 09:00', '10 10:00']);
    expect(await shown(sale)).toEqual([]);
    await claim(sale, ['16 08:00']);
    expect(await shown(sale)).toEqual(['2026-11 PERIOD 2: 4 3.96']);
  });

  test('beside caps that bind, which keep out what would have exceeded it', async () => {
    const below = await aCapped([
      { mode: 'HARD', per: 'PERIOD', count: '2' },
      { mode: 'SOFT', per: 'PERIOD', count: '2' },
    ]);
    await claim(below, ['10 08:00', '10 09:00', '10 10:00', '10 11:00']);
    expect(await shown(below)).toEqual([]);

    const above = await aCapped([
      { mode: 'FREE', per: 'PERIOD', count: '3' },
      { mode: 'SOFT', per: 'PERIOD', count: '1' },
    ]);
    await claim(above, ['10 08:00']);
    expect(await shown(above)).toEqual([]);
    await claim(above, ['10 09:00', '10 10:00', '10 11:00']);
    expect(await shown(above)).toEqual(['2026-11 PERIOD 1: 3 2.97']);
  });

  test('and a cap that binds is not, nor what a rating that was taken back found', async () => {
    const hard = await aCapped([{ mode: 'HARD', per: 'PERIOD', count: '1' }]);
    await claim(hard, ['10 08:00', '10 09:00']);
    expect(await told(hard)).toEqual([]);

    const sale = await aCapped([{ mode: 'SOFT', per: 'PERIOD', count: '1' }]);
    await send(product, sale.tenantId, [
      { id: 'a', type: sale.eventType, time: '2026-11-10T08:00:00Z' },
      { id: 'b', type: sale.eventType, time: '2026-11-10T09:00:00Z' },
    ]);
    await expect(
      inTransaction(product.scope(sale.tenantId), async tx => {
        await product.app.services.rating.rateTouched(tx);

        throw new Error('taken back');
      }),
    ).rejects.toThrow('taken back');
    expect(await told(sale)).toEqual([]);
    await rate(product, sale.tenantId);
    expect(await shown(sale)).toEqual(['2026-11 PERIOD 1: 2 1.98']);
  });
});

test('whoever finds it again after it was told tells nothing', async () => {
  const sale = await aCapped([]);
  const period = {
    contractId: sale.contractId,
    sellerId: product.platformId,
    currency: 'USD',
    graceHours: 24,
    start: new Date('2026-11-01T00:00:00Z'),
    end: new Date('2026-12-01T00:00:00Z'),
    spend: decimal(4),
    corrections: [],
    exceededCaps: [
      {
        ruleId: sale.ruleId,
        ruleKey: 'rule_x',
        versionId: sale.versionId,
        cap: cap({ mode: 'SOFT', count: '3' }),
        outcomes: 4,
        amount: decimal('3.96'),
      },
    ],
  };

  for (let turn = 0; turn < 3; turn++) {
    await inTransaction(product.scope(sale.tenantId), tx =>
      new SoftCapsService(product.app.services.webhooks).tell(tx, [period, period]),
    );
    expect(await shown(sale)).toEqual(['2026-11 PERIOD 3: 4 3.96']);
  }
});

test('what was told is never changed', async () => {
  const sale = await aCapped([{ mode: 'SOFT', per: 'PERIOD', count: '1' }]);
  await claim(sale, ['10 08:00', '10 09:00']);
  await expect(
    asSuperuser(product.database, 'update outcome_cap_exceeded set told_at = now() where tenant_id = $1', [
      sale.tenantId,
    ]),
  ).rejects.toThrow('never changed');
});

describe('by their sums outcomes exceed the caps', () => {
  const PRICES = [
    { model: 'UNIT', unitAmount: '0.99' },
    { model: 'PACKAGE', packageAmount: '3', packageSize: '4' },
    {
      model: 'GRADUATED',
      tiers: [
        { upTo: '3', unitAmount: '2' },
        { upTo: null, unitAmount: '1', flatAmount: '5' },
      ],
    },
  ] as const;
  const someCaps = fc.array(
    fc.record({
      per: fc.constantFrom('PERIOD' as const, 'DAY' as const, 'SUBJECT' as const),
      of: fc.constantFrom({ count: '1' }, { count: '3' }, { amount: '2' }, { amount: '7.5' }),
    }),
    { minLength: 1, maxLength: 3 },
  );
  const someOutcomes = fc.array(
    fc.record({ day: fc.nat(2), subject: fc.constantFrom(null, 'a', 'b'), isFree: fc.boolean(), paidBack: fc.nat(6) }),
    { maxLength: 12 },
  );

  test('that they exceed one by one', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(PRICES.length - 1), someCaps, someOutcomes, async (index, caps, list) => {
        const asked = rule(
          ruleVersion({
            prices: [outcomePrice(PRICES[index] ?? PRICES[0])],
            caps: caps.map(({ per, of }) => cap({ mode: 'SOFT', per, ...of })),
          }),
        );
        const outcomes = list.map(({ day, subject, isFree, paidBack }, place) =>
          outcome(place, {
            subject,
            isFree,
            occurredAt: new Date(Date.UTC(2026, 10, 10 + day, 0, place)),
            day: `2026-11-${10 + day}`,
            reimbursement: paidBack === 0 && !isFree ? '4' : '0',
          }),
        );
        const together = (per: 'DAY' | 'SUBJECT') => {
          const scopeOf = ({ id, day, subject }: BillableOutcome) => (per === 'DAY' ? day : (subject ?? id));
          const counts = [...Map.groupBy(outcomes.filter(isCharged), scopeOf).values()].map(own => own.length);

          return Promise.resolve(Math.max(0, ...counts));
        };
        const soft = softCapsOf(asked, groupsOf(outcomes), groupedOutcomeDues(asked, groupsOf(outcomes)).dues);
        const found = soft.caps.length === 0 ? null : await exceededBySums(soft, together);
        const { exceeded } = gonePast(asked, outcomes);

        // Where sums do not tell they are asked one by one.
        if (found !== undefined) {
          expect(found !== null).toBe(exceeded !== null);
        }

        if (soft.caps.every(one => one.count !== null || one.per === 'PERIOD') && soft.versionId !== null) {
          expect(found).not.toBeUndefined();
        }
      }),
    );
  });
});

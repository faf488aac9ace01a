import { randomUUID } from 'node:crypto';
import { decimal, formatDecimal, sum } from '../../src/money/index.js';
import type { OutcomeSimulation } from '../../src/simulation/index.js';
import {
  aContract,
  aMeter,
  anOutcomeRule,
  anOutcomeVersion,
  aPriceBook,
  aTenant,
  perUnit,
  rate,
} from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aKey, aProduct, type Product } from '../support/product.js';

const START = new Date('2026-10-01T00:00:00Z');
const NOW = new Date('2026-12-10T12:00:00Z');
const NOVEMBER = { from: new Date('2026-11-01T00:00:00Z'), until: new Date('2026-12-01T00:00:00Z') };
const COUNT = Number(process.env['SIMULATED'] ?? 4_100);

type Terms = Readonly<Record<string, unknown>>;

/** An outcome that changes, as the API tells it. */
interface Item {
  readonly eventId: string;
  readonly oldState: string | null;
  readonly oldReason: string | null;
  readonly oldAmount: { readonly amount: string };
  readonly newState: string | null;
  readonly newReason: string | null;
  readonly newAmount: { readonly amount: string };
}

interface Offer {
  readonly bookId: string;
  readonly ruleId: string;
  readonly versionId: string;
}

describe('a simulation of an outcome rule', () => {
  let product: Product;

  beforeAll(async () => {
    product = await aProduct({ now: START });
  });

  afterAll(() => product.close());

  const each = (unitAmount: string) => [{ name: 'Each', currency: 'USD', pattern: {}, terms: perUnit(unitAmount) }];

  /** A book with a rule from October on, and nobody on it yet. */
  async function anOffer(terms: Terms = {}): Promise<Offer> {
    const meterId = await aMeter(product, { eventType: 'nothing.happens' });
    const { bookId } = await aPriceBook(product, { prices: [{ meterId, terms: perUnit('1') }] });
    product.setClock(START);

    return { bookId, ...(await anOutcomeRule(product, { bookId, publishedAt: START, terms: terms as never })) };
  }

  async function aBuyer({ bookId }: Offer, tenant: { timeZone?: string; name?: string } = {}): Promise<string> {
    const buyerId = await aTenant(product, tenant);
    await aContract(product, { buyerId, bookId });

    return buyerId;
  }

  /** A draft of the rule. */
  async function aDraft({ ruleId }: Offer, terms: Terms): Promise<string> {
    const { version } = await product.app.services.outcomeRules.createVersion(product.scope(), {
      outcomeRuleId: ruleId,
      terms: { claim: { eventType: 'conversation.resolved', filter: '' }, prices: each('0.99'), ...terms },
      idempotencyKey: randomUUID(),
    });

    return version.id;
  }

  interface Told {
    readonly id?: string;
    readonly type?: string;
    readonly time: string;
    readonly subject?: string;
    readonly properties?: object;
  }

  async function tell(tenantId: string, events: readonly Told[], keyId = 'key_of_a_test'): Promise<void> {
    for (let at = 0; at < events.length; at += 1_000) {
      const receipt = await product.app.services.usage.accept(
        product.scope(),
        events.slice(at, at + 1_000).map(event => ({
          id: randomUUID(),
          type: 'conversation.resolved',
          properties: {},
          ...event,
          tenant: tenantId,
        })),
        { keyId, isDryRun: false },
      );
      expect(receipt).toMatchObject({ rejected: [], conflicts: [] });
    }
  }

  const start = async (
    outcomeRuleVersionId: string,
    over: object = {},
    tenantId = product.platformId,
  ): Promise<OutcomeSimulation> => {
    const { simulation } = await product.app.services.outcomeSimulations.start(product.scope(tenantId), {
      outcomeRuleVersionId,
      tenantIds: null,
      ...NOVEMBER,
      idempotencyKey: randomUUID(),
      ...over,
    });

    return simulation;
  };

  const RESULTS = `query ($id: ID!) { node(id: $id) { ... on OutcomeSimulation { status error progress tenantsDone
    totals { currency tenants oldOutcomes newOutcomes oldAmount { amount } newAmount { amount } difference { amount }
      differencePercent oldUnpriced newUnpriced }
    items(first: 100) { edges { node { tenantId eventId subject oldState oldReason oldAmount { amount } newState newReason
      newAmount { amount } } } pageInfo { hasNextPage } } } } }`;

  /** Runs a simulation as the job would, and reads it. */
  async function simulated(versionId: string, over: object = {}) {
    const { id } = await start(versionId, over);
    await product.app.services.outcomeSimulationRunner.run(product.scope(), id);
    const { data, errors } = await product.graphql(product.platformKey, RESULTS, { id });
    expect(errors).toBeUndefined();
    expect(data.node).toMatchObject({ status: 'DONE', error: null, progress: '100' });
    const [total] = data.node.totals;

    return {
      id,
      totals: data.node.totals,
      /** `oldOutcomes oldAmount newOutcomes newAmount difference percent`. */
      total: `${total.oldOutcomes} ${total.oldAmount.amount} ${total.newOutcomes} ${total.newAmount.amount} ${total.difference.amount} ${total.differencePercent}`,
      /** `event: old state, reason, amount → new ones`. */
      items: (data.node.items.edges as { readonly node: Item }[]).map(({ node }) =>
        [
          `${node.eventId}:`,
          node.oldState ?? '-',
          node.oldReason ?? '-',
          node.oldAmount.amount,
          '→',
          node.newState ?? '-',
          node.newReason ?? '-',
          node.newAmount.amount,
        ].join(' '),
      ),
      hasMore: data.node.items.pageInfo.hasNextPage as boolean,
    };
  }

  /** What tenants are charged for outcomes in periods that begin in November. */
  async function charged(tenantIds: readonly string[], start_ = '2026-11'): Promise<string> {
    const rows = await asSuperuser<{ amount: string }>(
      product.database,
      `select trim_scale(amount)::text as amount from charge where tenant_id = any ($1) and price_version_id like 'orv_%'
         and to_char(period_end - interval '1 day', 'YYYY-MM') = $2`,
      [tenantIds, start_],
    );

    return formatDecimal(sum(rows.map(({ amount }) => decimal(amount))));
  }

  test('tells 41 conversations from 27 that nobody opened again and that were rated well, with all that change', async () => {
    const offer = await anOffer();
    const buyerId = await aBuyer(offer);
    product.setClock(NOW);
    const good = Math.floor((COUNT * 27) / 41);
    const reopened = Math.floor((COUNT - good) / 2);
    const at = (index: number) => new Date(Date.UTC(2026, 10, 2, 0, 0, index)).toISOString();
    await tell(
      buyerId,
      Array.from({ length: COUNT }, (_, index) => ({
        id: `c${String(index).padStart(6, '0')}`,
        time: at(index),
        subject: `s${index}`,
        properties: { csat: index < good + reopened ? 5 : 2 },
      })),
    );
    // No version that is published names these, so that nobody looks at them: a meter counts them.
    await product.app.services.catalog.createMeter(product.scope(), {
      key: `m_${randomUUID().replaceAll('-', '')}`,
      eventType: 'conversation.reopened',
      filter: '',
      aggregation: 'COUNT',
      valueProperty: null,
      dimensions: [],
      unit: 'event',
      idempotencyKey: randomUUID(),
    });
    await tell(
      buyerId,
      Array.from({ length: reopened }, (_, index) => ({
        type: 'conversation.reopened',
        time: new Date(Date.UTC(2026, 10, 4, 0, 0, index)).toISOString(),
        subject: `s${good + index}`,
      })),
    );
    await rate(product, buyerId);
    const draft = await aDraft(offer, {
      maturationHours: 336,
      periodAnchor: 'OCCURRED',
      exclusions: [
        { reason: 'REOPENED', eventType: 'conversation.reopened', filter: '', scope: 'SUBJECT', withinHours: 336 },
      ],
      quality: { property: 'csat', minimum: '4', whenMissing: 'REJECT' },
    });
    const began = performance.now();
    const { total, items, hasMore, id } = await simulated(draft);

    if (process.env['SIMULATED']) {
      console.error(`${COUNT} in ${Math.round(performance.now() - began)} ms: ${total}`);
    }

    const amount = (count: number) => formatDecimal(decimal(count).times('0.99'));
    expect(total).toBe(
      `${COUNT} ${amount(COUNT)} ${good} ${amount(good)} ${amount(good - COUNT)} ${COUNT % 41 === 0 ? '-34.15' : '?'}`,
    );
    expect(await charged([buyerId])).toBe(amount(COUNT));
    const named = (index: number) => `c${String(index).padStart(6, '0')}`;
    expect(items[0]).toBe(`${named(good)}: MATURED - 0.99 → REJECTED REOPENED 0`);
    expect(hasMore).toBe(true);
    const reasons = await asSuperuser<{ new_reason: string; n: number }>(
      product.database,
      'select new_reason, count(*)::int as n from outcome_simulation_item where simulation_id = $1 group by 1 order by 1',
      [id],
    );
    expect(reasons).toEqual([
      { new_reason: 'QUALITY_BELOW', n: COUNT - good - reopened },
      { new_reason: 'REOPENED', n: reopened },
    ]);
  }, 600_000);

  test('of the version that is published comes to what is billed, and changes nothing, whatever the rule is made of', async () => {
    const offer = await anOffer({
      customerProperty: 'customer',
      dedupe: { scope: 'CUSTOMER', windowHours: 48 },
      maturationHours: 24,
      periodAnchor: 'MATURED',
      environment: { filter: 'has(properties.env) && properties.env == "test"', policy: 'FREE' },
      exclusions: [
        {
          reason: 'GREETING',
          filter: 'has(properties.kind) && properties.kind == "hi"',
          scope: 'SUBJECT',
          withinHours: 0,
        },
      ],
      verification: { verifiers: ['HUMAN'], parties: 'ANY', eventType: 'conversation.checked', expiresAfterHours: 100 },
      units: { property: 'size', per: '3' },
      prices: [
        {
          name: 'Each',
          currency: 'USD',
          pattern: {},
          terms: {
            model: 'GRADUATED',
            tiers: [
              { upTo: '20', unitAmount: '0.333333333' },
              { upTo: null, unitAmount: '0.1', flatAmount: '1' },
            ],
          },
        },
      ],
      caps: [{ mode: 'FREE', per: 'DAY', count: '2' }],
      minimum: { amount: { amount: '9', currency: 'USD' }, isProrated: true },
      reversal: { clause: { eventType: 'conversation.reopened', filter: '' }, windowHours: 60 },
      exclusive: { group: 'one', choice: 'FIRST', priority: 0 },
      dispute: { windowHours: 2_000, responseHours: 2_000, whenSilent: 'CREDIT' },
    });
    await anOutcomeRule(product, {
      bookId: offer.bookId,
      publishedAt: START,
      terms: {
        customerProperty: 'customer',
        claim: { eventType: 'lead.won', filter: '' },
        valueProperty: 'amount',
        measure: 'VALUE',
        prices: [
          {
            name: 'Fee',
            currency: 'USD',
            pattern: {},
            terms: { model: 'PERCENTAGE', rate: '0.7', perEventMinimum: '0.5' },
          },
        ],
        exclusive: { group: 'one', choice: 'FIRST', priority: 1 },
        guarantee: { clause: { eventType: 'lead.lost', filter: '' }, windowHours: 300 },
      } as never,
    });
    const buyers = [await aBuyer(offer), await aBuyer(offer, { timeZone: 'Asia/Kathmandu' })];
    product.setClock(NOW);
    let state = 7;
    const roll = (sides: number): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;

      // The low bits of such numbers come round again soon.
      return (state >>> 8) % sides;
    };

    for (const buyerId of buyers) {
      const events = Array.from({ length: 1_500 }, (_, index) => ({
        id: `e${index}`,
        type: ['conversation.resolved', 'conversation.checked', 'conversation.reopened', 'lead.won', 'lead.lost'][
          [0, 0, 0, 0, 1, 1, 2, 3, 3, 4][roll(10)] ?? 0
        ] as string,
        time: new Date(Date.UTC(2026, 9, 25) + roll(40 * 1_440) * 60_000).toISOString(),
        ...(roll(12) === 0 ? {} : { subject: `s${roll(220)}` }),
        properties: {
          ...(roll(3) === 0 ? {} : { customer: `c${roll(90)}` }),
          ...(roll(10) === 0 ? { env: 'test' } : {}),
          ...(roll(10) === 0 ? { kind: 'hi' } : {}),
          size: roll(9),
          amount: String(roll(400)),
          passes: roll(5) > 0,
          verifier: 'HUMAN',
        },
      }));
      // Nobody verifies what the same key claimed.
      const isCheck = ({ type }: { readonly type: string }) => type === 'conversation.checked';
      await tell(
        buyerId,
        events.filter(event => !isCheck(event)),
      );
      await tell(buyerId, events.filter(isCheck), 'key_of_another');
      await rate(product, buyerId);
    }

    // Somebody disputes, too.
    const [open] = await asSuperuser<{ id: string }>(
      product.database,
      `select id from outcome where tenant_id = $1 and state = 'MATURED' and rule_id = $2 and to_char(period_at, 'YYYY-MM') = '2026-11' order by id limit 1`,
      [buyers[0], offer.ruleId],
    );
    await product.app.services.outcomeDisputes.open(
      product.scope(buyers[0]),
      { outcomeIds: [open?.id ?? ''], reason: 'x', evidence: {}, idempotencyKey: randomUUID() },
      { keyId: 'key_of_a_buyer', party: 'BUYER' },
    );
    await rate(product, buyers[0] ?? '');

    const { totals, items } = await simulated(offer.versionId, {
      from: START,
      // In Kathmandu December begins a quarter of an hour later.
      until: new Date('2026-11-30T18:00:00Z'),
    });
    const billed = [await charged(buyers, '2026-10'), await charged(buyers, '2026-11')];
    const amount = formatDecimal(sum(billed.map(text => decimal(text))));
    expect(decimal(amount).isZero()).toBe(false);
    expect(items).toEqual([]);
    const [stored] = await asSuperuser<{ n: number; states: string[] }>(
      product.database,
      `select count(*) filter (where state = 'MATURED')::int as n, array_agg(distinct concat_ws(' ', state, reason)) as states
       from outcome o join tenant t on t.id = o.tenant_id
       where tenant_id = any ($1) and period_at < '2026-12-01'::timestamp at time zone t.time_zone`,
      [buyers],
    );
    expect(totals).toEqual([
      {
        currency: 'USD',
        tenants: 2,
        oldOutcomes: stored?.n,
        newOutcomes: stored?.n,
        oldAmount: { amount },
        newAmount: { amount },
        difference: { amount: '0' },
        differencePercent: '0',
        oldUnpriced: 0,
        newUnpriced: 0,
      },
    ]);
    // November alone: some of it occurred, or began, in October.
    const november = await simulated(offer.versionId, { until: new Date('2026-11-30T18:00:00Z') });
    expect(november.items).toEqual([]);
    expect(november.totals).toMatchObject([{ oldAmount: { amount: billed[1] }, newAmount: { amount: billed[1] } }]);
    // The facts tell of nearly everything there is.
    expect(stored?.states).toEqual(
      expect.arrayContaining([
        'DISPUTED',
        'EXPIRED UNVERIFIED',
        'MATURED',
        'MATURED CAP_EXHAUSTED',
        'MATURED SANDBOX',
        'REJECTED DUPLICATE',
        'REJECTED GREETING',
        'REJECTED SUPERSEDED',
        'REJECTED VERIFICATION_FAILED',
        'REVERSED GUARANTEE',
        'REVERSED REVERSED',
      ]),
    );
  }, 120_000);

  test('says before a version is published what is billed once it is', async () => {
    const offer = await anOffer();
    const buyerId = await aBuyer(offer);
    const terms = {
      dedupe: { scope: 'SUBJECT', windowHours: 48 },
      prices: [
        {
          name: 'Each',
          currency: 'USD',
          pattern: {},
          terms: {
            model: 'GRADUATED',
            tiers: [
              { upTo: '3', unitAmount: '2' },
              { upTo: null, unitAmount: '1.5' },
            ],
          },
        },
      ],
      caps: [{ mode: 'HARD', per: 'PERIOD', count: '5' }],
    };
    const draft = await aDraft(offer, terms);
    // The same terms, published in the middle of November, before anything happens.
    product.setClock(new Date('2026-11-01T00:00:00Z'));
    const twin = await anOffer();
    const twinBuyer = await aBuyer(twin);
    await anOutcomeVersion(product, {
      ruleId: twin.ruleId,
      terms: terms as never,
      effectiveAt: new Date('2026-11-15T00:00:00Z'),
    });
    product.setClock(NOW);
    const events = ['02', '03', '14', '16', '17', '18', '20', '22', '24', '26'].map((day, index) => ({
      id: `e${day}`,
      time: `2026-11-${day}T08:00:00Z`,
      subject: `s${Math.floor(index / 2)}`,
    }));

    for (const tenantId of [buyerId, twinBuyer]) {
      await tell(tenantId, events);
      await rate(product, tenantId);
    }

    const { total, items } = await simulated(draft, { from: new Date('2026-11-15T00:00:00Z') });
    expect(await charged([buyerId])).toBe('9.9');
    expect(await charged([twinBuyer])).toBe('5.97');
    expect(total).toBe('10 9.9 5 5.97 -3.93 -39.7');
    expect(items).toEqual([
      'e16: MATURED - 0.99 → MATURED - 1.5',
      'e17: MATURED - 0.99 → MATURED - 1.5',
      'e18: MATURED - 0.99 → REJECTED DUPLICATE 0',
      'e20: MATURED - 0.99 → REJECTED CAP_EXHAUSTED 0',
      'e22: MATURED - 0.99 → REJECTED CAP_EXHAUSTED 0',
      'e24: MATURED - 0.99 → REJECTED CAP_EXHAUSTED 0',
      'e26: MATURED - 0.99 → REJECTED CAP_EXHAUSTED 0',
    ]);
  });

  test('takes what is billed as it is: what nobody looked at when it came counts on trial alone', async () => {
    const terms = {
      exclusions: [{ reason: 'OPEN', eventType: 'ticket.opened', filter: '', scope: 'SUBJECT', withinHours: 0 }],
    };
    product.setClock(new Date('2026-09-20T00:00:00Z'));
    const meterId = await aMeter(product, { eventType: 'ticket.opened', aggregation: 'COUNT', valueProperty: null });
    const { bookId } = await aPriceBook(product, { prices: [{ meterId, terms: perUnit('1') }] });
    const buyerId = await aTenant(product);
    await aContract(product, { buyerId, bookId });
    await tell(buyerId, [{ type: 'ticket.opened', time: '2026-09-20T00:00:00Z', subject: 'early' }]);
    const rule = await anOutcomeRule(product, { bookId, publishedAt: START, terms: terms as never });
    product.setClock(NOW);
    await tell(buyerId, [
      { id: 'a', time: '2026-11-10T08:00:00Z', subject: 'early' },
      { type: 'ticket.opened', time: '2026-10-20T00:00:00Z', subject: 'seen' },
      { id: 'b', time: '2026-11-10T08:00:00Z', subject: 'seen' },
    ]);
    await rate(product, buyerId);
    expect(await charged([buyerId])).toBe('0.99');
    // From when the ticket was opened on, so that it is read.
    const { items } = await simulated(rule.versionId, { from: new Date('2026-09-01T00:00:00Z') });
    expect(items).toEqual(['a: MATURED - 0.99 → REJECTED OPEN 0']);
  });

  test('finds what occurred before the compared time and is charged in it', async () => {
    const terms = { maturationHours: 72, periodAnchor: 'MATURED' };
    const offer = await anOffer(terms);
    const buyerId = await aBuyer(offer);
    product.setClock(NOW);
    await tell(buyerId, [{ id: 'a', time: '2026-10-30T08:00:00Z', subject: 'once' }]);
    await rate(product, buyerId);
    expect(await charged([buyerId])).toBe('0.99');
    const { total } = await simulated(await aDraft(offer, { ...terms, prices: each('2') }));
    // The version that held when it occurred prices it on both sides.
    expect(total).toBe('1 0.99 1 0.99 0 0');
  });

  test('lists outcomes of other rules that share an exclusive group, and leaves those that share none alone', async () => {
    const offer = await anOffer({ exclusive: { group: 'one', choice: 'HIGHEST', priority: 0 } });
    const others = (terms: Terms) =>
      anOutcomeRule(product, { bookId: offer.bookId, publishedAt: START, terms: terms as never });
    await others({
      claim: { eventType: 'lead.won', filter: '' },
      prices: each('5'),
      exclusive: { group: 'one', choice: 'HIGHEST', priority: 0 },
    });
    await others({ claim: { eventType: 'order.made', filter: '' }, prices: each('7') });
    const buyerId = await aBuyer(offer);
    product.setClock(NOW);
    const time = '2026-11-10T08:00:00Z';
    await tell(buyerId, [
      { id: 'a', time, subject: 's' },
      { id: 'b', type: 'lead.won', time, subject: 's' },
      { id: 'c', type: 'order.made', time, subject: 's' },
    ]);
    await rate(product, buyerId);
    const draft = await aDraft(offer, {
      prices: each('9.99'),
      exclusive: { group: 'one', choice: 'HIGHEST', priority: 0 },
    });
    const { total, items } = await simulated(draft);
    expect(total).toBe('1 5 1 9.99 4.99 99.8');
    expect(items.sort()).toEqual([
      'a: REJECTED SUPERSEDED 0 → MATURED - 9.99',
      'b: MATURED - 5 → REJECTED SUPERSEDED 0',
    ]);
  });

  test('counts what somebody told of outcomes on both sides, and what has no price on neither', async () => {
    const offer = await anOffer({ reversal: { windowHours: 1_000 } });
    const buyerId = await aBuyer(offer);
    product.setClock(NOW);
    await tell(buyerId, [
      { id: 'kept', time: '2026-11-10T08:00:00Z' },
      { id: 'back', time: '2026-11-10T09:00:00Z' },
      { id: 'late', time: '2026-11-30T09:00:00Z' },
    ]);
    await rate(product, buyerId);
    const [back] = await asSuperuser<{ id: string }>(
      product.database,
      `select id from outcome where tenant_id = $1 and event_id = 'back'`,
      [buyerId],
    );
    await product.app.services.outcomeActs.reverse(
      product.scope(buyerId),
      {
        outcomeIds: [back?.id ?? ''],
        amount: null,
        isGuarantee: false,
        at: null,
        reason: null,
        idempotencyKey: randomUUID(),
      },
      { keyId: 'key_of_a_seller', party: 'SELLER' },
    );
    await rate(product, buyerId);
    const draft = await aDraft(offer, {
      reversal: { windowHours: 1_000 },
      // It matures in December, which is not compared.
      maturationHours: 24,
      periodAnchor: 'MATURED',
      prices: [{ name: 'Each', currency: 'USD', pattern: { kind: 'x' }, terms: perUnit('2') }],
      attributes: [{ name: 'kind', property: 'kind' }],
    });
    const { totals, items } = await simulated(draft);
    expect(totals).toMatchObject([
      { oldOutcomes: 2, newOutcomes: 1, oldAmount: { amount: '1.98' }, newAmount: { amount: '0' }, newUnpriced: 1 },
    ]);
    expect(items).toEqual(['kept: MATURED - 0.99 → MATURED - 0', 'late: MATURED - 0.99 → MATURED - 0']);
  });

  test('goes on at the tenants that are not done, ends once, and is found by the sweeps', async () => {
    const offer = await anOffer();
    const buyers = [await aBuyer(offer, { name: 'A' }), await aBuyer(offer, { name: 'B' })];
    product.setClock(NOW);

    for (const buyerId of buyers) {
      await tell(buyerId, [{ id: 'a', time: '2026-11-10T08:00:00Z', subject: 's' }]);
      await rate(product, buyerId);
    }

    const { id } = await start(await aDraft(offer, { prices: each('2') }));
    const { outcomeSimulationRunner: runner } = product.app.services;
    await Promise.all([runner.run(product.scope(), id), runner.run(product.scope(), id)]);
    await runner.run(product.scope(), id);
    const rows = await asSuperuser<Record<string, unknown>>(
      product.database,
      `select s.status, s.tenants_done, s.lease,
         (select count(*)::int from outcome_simulation_tenant t where t.simulation_id = s.id) as tenants,
         (select count(*)::int from outcome_simulation_item i where i.simulation_id = s.id) as items,
         s.totals -> 0 ->> 'newAmount' as amount
       from outcome_simulation s where id = $1`,
      [id],
    );
    expect(rows).toEqual([{ status: 'DONE', tenants_done: 2, lease: null, tenants: 2, items: 2, amount: '4' }]);
    await expect(
      asSuperuser(product.database, `update outcome_simulation set error = 'x' where id = $1`, [id]),
    ).rejects.toThrow('a simulation that has ended is never changed');
    const page = await product.graphql(
      product.platformKey,
      'query ($id: ID!, $of: ID!) { node(id: $id) { ... on OutcomeSimulation { items(first: 1, tenantId: $of) { edges { node { tenantId } } pageInfo { hasNextPage endCursor } } } } }',
      { id, of: buyers[1] },
    );
    expect(page.data.node.items).toEqual({
      edges: [{ node: { tenantId: buyers[1] } }],
      pageInfo: { hasNextPage: false, endCursor: expect.any(String) },
    });

    const waiting = await start(await aDraft(offer, {}));
    product.setClock(new Date(NOW.getTime() + 60_000));
    expect(await product.app.sweeps.sweepOnce()).toBeGreaterThan(0);
    product.setClock(NOW);
    await runner.run(product.scope(), waiting.id);
  });

  describe('is refused', () => {
    const REFUSED = `mutation ($input: OutcomeSimulationStartInput!) { outcomeSimulationStart(input: $input) {
      outcomeSimulation { id } userErrors { code field } } }`;
    let offer: Offer;
    let draft: string;

    beforeAll(async () => {
      offer = await anOffer();
      await aBuyer(offer);
      draft = await aDraft(offer, {});
      product.setClock(NOW);
    });

    const refused = async (input: object, key = product.platformKey) => {
      const count = () => asSuperuser(product.database, 'select count(*) from outcome_simulation');
      const before = await count();
      const { data, errors } = await product.graphql(key, REFUSED, {
        input: { idempotencyKey: randomUUID(), outcomeRuleVersionId: draft, ...NOVEMBER, ...input },
      });
      expect(errors).toBeUndefined();
      expect(await count()).toEqual(before);
      expect(data.outcomeSimulationStart.outcomeSimulation).toBeNull();

      return data.outcomeSimulationStart.userErrors.map(({ code, field }: { code: string; field: string[] }) =>
        [code, ...field].join(' '),
      );
    };

    test('when the time runs backwards, or reaches beyond now', async () => {
      expect(await refused({ until: NOVEMBER.from })).toEqual(['INVALID_INPUT until']);
      expect(await refused({ until: new Date(NOW.getTime() + 86_400_000) })).toEqual(['INVALID_INPUT until']);
    });

    test('for a version that is withdrawn, is not there, or is another seller’s', async () => {
      const later = await anOutcomeVersion(product, {
        ruleId: offer.ruleId,
        effectiveAt: new Date('2027-01-01T00:00:00Z'),
      });
      await product.app.services.outcomeRules.withdraw(product.scope(), later);
      expect(await refused({ outcomeRuleVersionId: later })).toEqual(['INVALID_INPUT outcomeRuleVersionId']);
      expect(await refused({ outcomeRuleVersionId: 'orv_0123456789ABCDEFGHJKMNPQRS' })).toEqual([
        'NOT_FOUND outcomeRuleVersionId',
      ]);
      const reseller = await aTenant(product, { kind: 'RESELLER' });
      const key = await aKey(product.app, product.scope(reseller));
      expect(await refused({}, key)).toEqual(['NOT_FOUND outcomeRuleVersionId']);
      expect(await refused({ tenantId: product.platformId }, key)).toEqual(['NOT_FOUND tenantId']);
    });

    test('for a tenant that does not buy on the book, and for a book on which nobody does', async () => {
      const stranger = await aTenant(product);
      expect(await refused({ tenantIds: [stranger] })).toEqual(['NOT_FOUND tenantIds 0']);
      expect(await refused({ tenantIds: [] })).toEqual(['INVALID_INPUT tenantIds']);
      const lonely = await anOffer();
      product.setClock(NOW);
      expect(await refused({ outcomeRuleVersionId: await aDraft(lonely, {}) })).toEqual(['INVALID_INPUT tenantIds']);
    });

    test('to a key that may not start it; and amounts take billing:read', async () => {
      const reader = await aKey(product.app, product.scope(), ['pricing:read']);
      const { errors } = await product.graphql(reader, REFUSED, {
        input: { idempotencyKey: randomUUID(), outcomeRuleVersionId: draft, ...NOVEMBER },
      });
      expect(errors?.map(({ message }) => message)).toEqual(['this key lacks the permission pricing:write']);
      const { id } = await start(draft);
      const blind = await product.graphql(reader, RESULTS, { id });
      expect(blind.errors?.map(({ message }) => message)).toEqual(['this key lacks the permission billing:read']);
    });
  });
});

import { hash, randomUUID } from 'node:crypto';
import { decimal, formatDecimal, sum } from '../../src/money/index.js';
import { inTransaction } from '../../src/platform/index.js';
import { allocatePeriod } from '../../src/rating/index.js';
import { aRule, aSale, send, type Sale, type Sent } from '../outcomes/settling.js';
import { aContract, aMeter, aPriceBook, aTenant, perUnit, rate } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aKey, aProduct, type Product } from '../support/product.js';

const at = (text: string): Date => new Date(text);
const price = (terms: object, rest: object = {}) => ({ name: 'Each', currency: 'USD', pattern: {}, terms, ...rest });
const each = (unitAmount: string) => price({ model: 'UNIT', unitAmount });
const REDO = price({
  model: 'GRADUATED',
  tiers: [
    { upTo: '50', unitAmount: '0.95' },
    { upTo: '100', unitAmount: '0.90' },
    { upTo: null, unitAmount: '0.85' },
  ],
});

describe('rating outcomes', () => {
  let product: Product;

  beforeAll(async () => {
    product = await aProduct();
  });

  beforeEach(() => product.setClock(at('2026-11-20T12:00:00Z')));

  afterAll(() => product.close());

  const claims = (sale: Sale, count: number, rest: Partial<Sent> = {}, first = 1): Sent[] =>
    Array.from({ length: count }, (_, index) => ({
      id: `c${first + index}`,
      type: sale.eventType,
      time: new Date(Date.UTC(2026, 10, 10, 0, 0, first + index)).toISOString(),
      ...rest,
    }));

  async function told(sale: Sale, events: readonly Sent[]): Promise<void> {
    expect(await send(product, sale.tenantId, events)).toMatchObject({ accepted: events.length });
    await rate(product, sale.tenantId);
  }

  const charges = (tenantId: string) =>
    asSuperuser<{
      price_id: string;
      price_name: string;
      generation: number;
      quantity: string;
      amount: string;
      period_start: Date;
      explanation: Readonly<Record<string, unknown>>;
    }>(
      product.database,
      `select price_id, price_name, generation, trim_scale(quantity)::text as quantity, trim_scale(amount)::text as amount,
         period_start, explanation
       from charge where tenant_id = $1 order by period_start, price_name, price_version_id, generation`,
      [tenantId],
    );

  /** Each charge as `month name #generation quantity amount`, in the order of these texts. */
  const charged = async (tenantId: string): Promise<string[]> =>
    (await charges(tenantId))
      .map(row => {
        const name = row.price_name.split(': ')[1] ?? row.price_name;

        return `${row.period_start.toISOString().slice(0, 7)} ${name} #${row.generation} ${row.quantity} ${row.amount}`;
      })
      .sort();

  const standing = (tenantId: string) =>
    asSuperuser<{ event_id: string; state: string; reason: string | null; n: number }>(
      product.database,
      'select event_id, state, reason, n from outcome where tenant_id = $1 order by occurred_at, event_id',
      [tenantId],
    );

  const unpriced = (tenantId: string) =>
    asSuperuser(
      product.database,
      'select meter_id, dimensions, quantity::text, reason from unpriced_usage where tenant_id = $1 order by dimensions',
      [tenantId],
    );

  async function issue(tenantId: string): Promise<{ lines: string[]; total: string }> {
    const { invoicing } = product.app.services;
    const scope = product.scope(tenantId);
    const draft = (await invoicing.list(scope, { first: 10, after: null })).findLast(
      ({ status }) => status === 'DRAFT',
    );
    const { invoice } = await invoicing.issue(scope, {
      invoiceId: draft?.id ?? '',
      acceptUnpriced: false,
      idempotencyKey: randomUUID(),
    });
    const lines = await invoicing.lines(scope, invoice.id);

    return {
      lines: lines.map(line => `${line.isAdjustment ? 'adjustment ' : ''}${formatDecimal(line.exactAmount)}`),
      total: formatDecimal(invoice.total ?? decimal('0')),
    };
  }

  test('charges what matured, explained, under its rule', async () => {
    const sale = await aSale(product, { prices: [each('0.99')] });
    await told(sale, claims(sale, 3));
    expect(await charged(sale.tenantId)).toEqual(['2026-11 Each #0 3 2.97']);
    const [row] = await charges(sale.tenantId);
    expect(row?.price_id).toBe(`${sale.ruleId}:Each`);
    expect(row?.explanation).toMatchObject({
      outcomeRuleId: sale.ruleId,
      outcomeRuleVersionId: sale.versionId,
      outcomeRuleVersionNumber: 1,
      outcomeCharge: 'PRICE',
      outcomes: 3,
      model: 'UNIT',
      cumulativeAmount: '2.97',
      sentence: '3 × 0.99 = 2.97; in total 2.97 USD.',
    });
    expect(row?.explanation).not.toHaveProperty('priceBookVersionId');
    const { data } = await product.graphql(
      product.platformKey,
      'query ($id: ID!) { tenant(id: $id) { charges(first: 1) { edges { node { outcomeRuleId outcomeRuleVersionId sentence } } } } }',
      { id: sale.tenantId },
    );
    expect(data.tenant.charges.edges).toEqual([
      {
        node: {
          outcomeRuleId: sale.ruleId,
          outcomeRuleVersionId: sale.versionId,
          sentence: '3 × 0.99 = 2.97; in total 2.97 USD.',
        },
      },
    ]);
    // Nothing new: nothing is rated, and nothing more is charged.
    await rate(product, sale.tenantId);
    await product.app.services.rating.rerate(product.scope(sale.tenantId), at('2026-01-01T00:00:00Z'));
    expect(await charged(sale.tenantId)).toEqual(['2026-11 Each #0 3 2.97']);
  });

  test('takes back after the invoice what is reversed, at the tier that it leaves (O13, O15)', async () => {
    const sale = await aSale(product, {
      prices: [REDO],
      reversal: { clause: { eventType: 'reopened', filter: '' }, windowHours: 8_760 },
    });
    await told(sale, [...claims(sale, 9), ...claims(sale, 1, { subject: 'tenth' }, 10), ...claims(sale, 91, {}, 11)]);
    expect(await charged(sale.tenantId)).toEqual(['2026-11 Each #0 101 93.35']);
    product.setClock(at('2026-12-02T00:00:00Z'));
    expect(await issue(sale.tenantId)).toEqual({ lines: ['93.35'], total: '93.35' });
    await told(sale, [{ id: 'r1', type: 'reopened', time: '2026-12-01T12:00:00Z', subject: 'tenth' }]);
    expect(await charged(sale.tenantId)).toEqual(['2026-11 Each #0 101 93.35', '2026-11 Each #1 -1 -0.85']);
  });

  test('raises to the minimum at the end of every period, with and without outcomes (O11)', async () => {
    const sale = await aSale(product, { prices: [each('0.99')], minimum: { quantity: '50', isProrated: true } });
    const end = async (instant: string): Promise<void> => {
      product.setClock(at(instant));

      for (let round = 0; round < 4; round++) {
        await rate(product, sale.tenantId);
      }
    };
    await told(sale, claims(sale, 12));
    expect(await charged(sale.tenantId)).toEqual(['2026-11 Each #0 12 11.88']);
    await end('2026-11-30T23:59:59Z');
    expect(await charged(sale.tenantId)).toEqual(['2026-11 Each #0 12 11.88']);
    await end('2026-12-01T00:00:00Z');
    expect(await charged(sale.tenantId)).toEqual(['2026-11 Each #0 12 11.88', '2026-11 minimum #0 0 37.62']);
    await end('2027-01-05T00:00:00Z');
    expect(await charged(sale.tenantId)).toEqual([
      '2026-11 Each #0 12 11.88',
      '2026-11 minimum #0 0 37.62',
      '2026-12 minimum #0 0 49.5',
    ]);
    // Later ones use up what was made up for.
    await told(sale, claims(sale, 2, { time: '2026-12-30T00:00:00Z' }, 100));
    expect((await charged(sale.tenantId)).slice(2)).toEqual(['2026-12 Each #0 2 1.98', '2026-12 minimum #0 0 47.52']);
  });

  test('asks a contract that nobody uses for its minimum, from the middle of a month on (O11)', async () => {
    const other = await aSale(product, { prices: [each('0.99')], minimum: { quantity: '50', isProrated: true } });
    const tenantId = await aTenant(product);
    await aContract(product, { buyerId: tenantId, bookId: other.bookId, startsAt: at('2026-11-16T00:00:00Z') });
    await product.app.services.rating.rerate(product.scope(tenantId), at('2026-11-16T00:00:00Z'));
    expect(await charged(tenantId)).toEqual([]);
    product.setClock(at('2026-12-01T00:00:00Z'));
    await rate(product, tenantId);
    expect(await charged(tenantId)).toEqual(['2026-11 minimum #0 0 24.75']);
  });

  test('opens no month of a contract that ends as the version with the minimum takes effect', async () => {
    const offer = await aSale(product, { prices: [each('0.99')], minimum: { quantity: '50' } });
    const { bookId } = await aPriceBook(product, { prices: [{ meterId: await aMeter(product), terms: perUnit('1') }] });
    const touched = async (endsAt: string) => {
      const tenantId = await aTenant(product);
      await aContract(product, { buyerId: tenantId, bookId: offer.bookId, startsAt: at('2026-09-01T00:00:00Z') });
      await aContract(product, { buyerId: tenantId, bookId, startsAt: at(endsAt) });
      await product.app.services.rating.rerate(product.scope(tenantId), at('2026-09-01T00:00:00Z'));

      return asSuperuser(
        product.database,
        'select month::text from usage_touch where tenant_id = $1 order by month limit 1',
        [tenantId],
      );
    };
    expect(await touched('2026-10-01T00:00:00Z')).toEqual([]);
    expect(await touched('2026-10-01T00:15:00Z')).toEqual([{ month: '2026-09-01' }]);
  });

  test('marks what a hard cap keeps out, and lets it in when there is room again (O12)', async () => {
    const sale = await aSale(product, {
      prices: [each('0.99')],
      caps: [{ mode: 'HARD', amount: { amount: '2', currency: 'USD' } }],
      reversal: { clause: { eventType: 'reopened', filter: '' }, windowHours: 100 },
    });
    await told(sale, [
      ...claims(sale, 1, { subject: 's' }),
      ...claims(sale, 1, { subject: 't' }, 2),
      ...claims(sale, 2, {}, 3),
    ]);
    expect(await charged(sale.tenantId)).toEqual(['2026-11 Each #0 2 1.98']);
    expect((await standing(sale.tenantId)).map(row => [row.event_id, row.state, row.reason, row.n])).toEqual([
      ['c1', 'MATURED', null, 1],
      ['c2', 'MATURED', null, 1],
      ['c3', 'REJECTED', 'CAP_EXHAUSTED', 2],
      ['c4', 'REJECTED', 'CAP_EXHAUSTED', 2],
    ]);
    const steps = () =>
      asSuperuser<{ batch: string; line: string }>(
        product.database,
        `select batch, concat_ws(' ', outcome_id, n, coalesce(from_state, '-'), to_state, coalesce(reason, '-')) as line
         from outcome_transition where tenant_id = $1 order by at, line`,
        [sale.tenantId],
      );
    const lines = () =>
      asSuperuser<{ subject_id: string; after: { transitions: number; digest: string; ruleId: string } }>(
        product.database,
        "select subject_id, after from audit_line where tenant_id = $1 and action = 'outcome.capped' order by seq",
        [sale.tenantId],
      );
    const [first] = await lines();
    const batch = (await steps()).filter(step => step.batch === first?.subject_id).map(({ line }) => line);
    expect(batch).toHaveLength(2);
    expect(first?.after).toMatchObject({
      ruleId: sale.ruleId,
      transitions: 2,
      digest: hash('sha256', batch.sort().join('\n'), 'hex'),
    });

    const before = await steps();
    await product.app.services.rating.rerate(product.scope(sale.tenantId), at('2026-11-01T00:00:00Z'));
    expect(await steps()).toEqual(before);
    await told(sale, [{ id: 'r', type: 'reopened', time: '2026-11-10T10:00:00Z', subject: 's' }]);
    expect(await charged(sale.tenantId)).toEqual(['2026-11 Each #0 2 1.98']);
    expect((await standing(sale.tenantId)).map(({ event_id, state, n }) => [event_id, state, n])).toEqual([
      ['c1', 'REVERSED', 2],
      ['c2', 'MATURED', 1],
      ['c3', 'MATURED', 3],
      ['c4', 'REJECTED', 2],
    ]);
    expect(await lines()).toHaveLength(2);
    await told(sale, [{ id: 'q', type: 'reopened', time: '2026-11-10T10:00:00Z', subject: 't' }]);
    expect(
      (await standing(sale.tenantId)).slice(1).map(({ event_id, state, reason }) => [event_id, state, reason]),
    ).toEqual([
      ['c2', 'REVERSED', 'REVERSED'],
      ['c3', 'MATURED', null],
      ['c4', 'MATURED', null],
    ]);
  });

  test('forgets what a cap made of an outcome that is taken back', async () => {
    const sale = await aSale(product, {
      prices: [each('1')],
      caps: [{ mode: 'HARD', count: '1' }],
      reversal: { clause: { eventType: 'reopened', filter: '' }, windowHours: 720 },
    });
    const caps = () =>
      asSuperuser(product.database, 'select state, cap from outcome where tenant_id = $1 order by event_id', [
        sale.tenantId,
      ]);
    await told(sale, [...claims(sale, 1, { subject: 's' }), ...claims(sale, 1, { subject: 't' }, 2)]);
    expect(await caps()).toEqual([
      { state: 'MATURED', cap: null },
      { state: 'REJECTED', cap: 'HARD' },
    ]);
    await told(sale, [{ id: 'r', type: 'reopened', time: '2026-11-12T00:00:00Z', subject: 't' }]);
    expect(await caps()).toEqual([
      { state: 'MATURED', cap: null },
      { state: 'REVERSED', cap: null },
    ]);
  });

  test('records at nothing what a free cap keeps out (O12)', async () => {
    const sale = await aSale(product, { prices: [each('0.99')], caps: [{ mode: 'FREE', count: '2' }] });
    await told(sale, claims(sale, 3));
    expect(await charged(sale.tenantId)).toEqual(['2026-11 Each #0 2 1.98']);
    expect((await standing(sale.tenantId)).at(-1)).toEqual({
      event_id: 'c3',
      state: 'MATURED',
      reason: 'CAP_EXHAUSTED',
      n: 2,
    });
  });

  test('keeps outcomes without a price as unpriced, which no invoice closes over', async () => {
    const sale = await aSale(product, {
      attributes: [{ name: 'channel', property: 'channel' }],
      prices: [price({ model: 'UNIT', unitAmount: '1' }, { pattern: { channel: 'chat' } })],
    });
    await told(sale, [
      ...claims(sale, 2, { properties: { channel: 'chat' } }),
      ...claims(sale, 3, { properties: { channel: 'mail' } }, 3),
    ]);
    expect(await charged(sale.tenantId)).toEqual(['2026-11 Each #0 2 2']);
    expect(await unpriced(sale.tenantId)).toEqual([
      { meter_id: sale.ruleId, dimensions: '{"channel":"mail"}', quantity: '3', reason: 'NO_PRICE' },
    ]);
    product.setClock(at('2026-12-05T00:00:00Z'));
    await expect(issue(sale.tenantId)).rejects.toThrow(/price/);
    expect(await unpriced(sale.tenantId)).toHaveLength(1);
  });

  test('pays the value back under a guarantee, with the fee (O14)', async () => {
    const sale = await aSale(product, {
      measure: 'VALUE',
      valueProperty: 'value',
      prices: [price({ model: 'PERCENTAGE', rate: '0.5' })],
      guarantee: { clause: { eventType: 'chargeback', filter: '' }, windowHours: 720 },
    });
    await told(sale, claims(sale, 1, { subject: 'o', properties: { value: '200' } }));
    expect(await charged(sale.tenantId)).toEqual(['2026-11 Each #0 200 1']);
    await told(sale, [{ id: 'b', type: 'chargeback', time: '2026-11-12T00:00:00Z', subject: 'o' }]);
    expect(await charged(sale.tenantId)).toEqual(['2026-11 Each #0 0 0', '2026-11 guarantee #0 0 -200']);
  });

  test('pays nothing back for what a hard cap keeps out, until there is room for it', async () => {
    const sale = await aSale(product, {
      valueProperty: 'value',
      prices: [each('1')],
      caps: [{ mode: 'HARD', count: '1' }],
      reversal: { clause: { eventType: 'reopened', filter: '' }, windowHours: 720 },
      guarantee: { clause: { eventType: 'chargeback', filter: '' }, windowHours: 720 },
    });
    await told(sale, [
      ...claims(sale, 1, { subject: 's', properties: { value: '200' } }),
      ...claims(sale, 1, { subject: 't', properties: { value: '300' } }, 2),
    ]);
    await told(sale, [{ id: 'b', type: 'chargeback', time: '2026-11-12T00:00:00Z', subject: 't' }]);
    expect(await charged(sale.tenantId)).toEqual(['2026-11 Each #0 1 1']);
    expect((await standing(sale.tenantId)).map(({ event_id, state, reason }) => [event_id, state, reason])).toEqual([
      ['c1', 'MATURED', null],
      ['c2', 'REVERSED', 'GUARANTEE'],
    ]);
    await product.app.services.rating.rerate(product.scope(sale.tenantId), at('2026-01-01T00:00:00Z'));
    expect(await charged(sale.tenantId)).toEqual(['2026-11 Each #0 1 1']);
    await told(sale, [{ id: 'r', type: 'reopened', time: '2026-11-12T00:00:00Z', subject: 's' }]);
    expect(await charged(sale.tenantId)).toEqual(['2026-11 Each #0 0 0', '2026-11 guarantee #0 0 -300']);
  });

  test('pays back what is verified only after the guarantee was called on', async () => {
    const sale = await aSale(product, {
      valueProperty: 'value',
      prices: [each('1')],
      // The word comes before it would mature, so that nothing but what is paid back differs by it.
      maturationHours: 24,
      verification: { verifiers: ['HUMAN'], eventType: 'checked', expiresAfterHours: 500 },
      guarantee: { clause: { eventType: 'chargeback', filter: '' }, windowHours: 720 },
    });
    await told(sale, [
      ...claims(sale, 1, { subject: 's', properties: { value: '200' } }),
      { id: 'b', type: 'chargeback', time: '2026-11-12T00:00:00Z', subject: 's' },
    ]);
    expect(await charged(sale.tenantId)).toEqual([]);
    expect(await standing(sale.tenantId)).toEqual([{ event_id: 'c1', state: 'REVERSED', reason: 'GUARANTEE', n: 1 }]);
    const reviewer = await aKey(product.app, product.scope());
    expect(
      await send(
        product,
        sale.tenantId,
        [
          {
            id: 'v',
            type: 'checked',
            time: '2026-11-11T00:00:00Z',
            subject: 's',
            properties: { passes: true, verifier: 'HUMAN' },
          },
        ],
        reviewer,
      ),
    ).toMatchObject({ accepted: 1 });
    await rate(product, sale.tenantId);
    expect(await charged(sale.tenantId)).toEqual(['2026-11 guarantee #0 0 -200']);
    expect(await standing(sale.tenantId)).toEqual([{ event_id: 'c1', state: 'REVERSED', reason: 'GUARANTEE', n: 2 }]);
  });

  test('pays nothing back for what was free, so that the invoice can be issued', async () => {
    const sale = await aSale(product, {
      valueProperty: 'value',
      prices: [each('1')],
      environment: { filter: 'properties.env == "test"', policy: 'FREE' },
      guarantee: { clause: { eventType: 'chargeback', filter: '' }, windowHours: 720 },
    });
    await told(sale, [
      ...claims(sale, 1, { subject: 's', properties: { value: '200', env: 'test' } }),
      ...claims(sale, 1, { subject: 't', properties: { value: '200' } }, 2),
      { id: 'b', type: 'chargeback', time: '2026-11-12T00:00:00Z', subject: 's' },
    ]);
    expect(await charged(sale.tenantId)).toEqual(['2026-11 Each #0 1 1']);
    product.setClock(at('2026-12-05T00:00:00Z'));
    await rate(product, sale.tenantId);
    expect(await issue(sale.tenantId)).toEqual({ lines: ['1'], total: '1' });
  });

  test('splits every charge over its outcomes exactly', async () => {
    const sale = await aSale(product, {
      attributes: [{ name: 'channel', property: 'channel' }],
      prices: [
        REDO,
        price(
          {
            model: 'VOLUME',
            per: '3',
            tiers: [
              { upTo: '2', unitAmount: '2' },
              { upTo: null, unitAmount: '1' },
            ],
          },
          { name: 'Voice', pattern: { channel: 'voice' } },
        ),
      ],
      caps: [{ mode: 'FREE', count: '60' }],
      minimum: { amount: { amount: '100', currency: 'USD' } },
    });
    await told(sale, [
      ...claims(sale, 52, { properties: { channel: 'chat' } }),
      ...claims(sale, 10, { properties: { channel: 'voice' } }, 53),
    ]);
    product.setClock(at('2026-12-01T00:00:00Z'));
    await rate(product, sale.tenantId);
    const rows = await charges(sale.tenantId);
    const scope = product.scope(sale.tenantId);
    const allocated = await inTransaction(scope, async tx => {
      const { contracts, outcomes, tenants } = product.app.services;
      const [contract] = await contracts.all(tx);
      const { timeZone } = await tenants.own(tx);

      if (!contract) {
        throw new Error('the sale has a contract');
      }

      return allocatePeriod(
        tx,
        {
          contract,
          period: { start: at('2026-11-01T00:00:00Z'), end: at('2026-12-01T00:00:00Z') },
          rules: await outcomes.rulesOf(tx, contract),
          timeZone,
        },
        sale.ruleId,
      );
    });
    expect(rows.map(row => [row.price_id, row.amount])).toEqual(
      rows.map(row => [
        row.price_id,
        formatDecimal(sum(allocated.filter(one => one.priceId === row.price_id).map(one => one.amount))),
      ]),
    );
    expect(rows).toHaveLength(3);
    expect(allocated.filter(({ waived }) => waived === 'CAP_EXHAUSTED')).toHaveLength(2);
    expect(allocated.filter(({ outcomeId }) => outcomeId !== null)).toHaveLength(62);
  });

  describe('beside usage', () => {
    interface MixedSale extends Sale {
      /** The type of its usage, which no other test's meter counts. */
      readonly used: string;
    }

    /** A sale whose book also prices tokens, by a rule that stands to them as told. */
    async function aMixedSale(
      relation: 'ADD' | 'REPLACE' | 'FALLBACK',
      rest: { terms?: object; tokens?: object } = {},
    ): Promise<MixedSale> {
      const used = `agent.used.${randomUUID().slice(0, 8)}`;
      const meterId = await aMeter(product, { eventType: used, keepsEvents: true, dimensions: [] });
      const { bookId } = await aPriceBook(product, {
        prices: [{ meterId, name: 'Tokens', terms: { model: 'UNIT', unitAmount: '0.20', ...rest.tokens } }],
      });
      const eventType = `resolved.${randomUUID().slice(0, 8)}`;
      const made = await aRule(product, bookId, {
        claim: { eventType, filter: '' },
        prices: [each('0.99')],
        usage: { relation, meterIds: [meterId] },
        ...rest.terms,
      });
      const tenantId = await aTenant(product);
      const contractId = await aContract(product, { buyerId: tenantId, bookId });

      return { ...made, bookId, eventType, tenantId, contractId, used };
    }

    const use = (sale: MixedSale, subject: string, id: string, time = '2026-11-10T00:00:00Z'): Sent => ({
      id,
      type: sale.used,
      subject,
      time,
      properties: { tokens: 1 },
    });

    test('charges both where they add up', async () => {
      const sale = await aMixedSale('ADD');
      await told(sale, [use(sale, 's', 'u1'), use(sale, 't', 'u2'), ...claims(sale, 1, { subject: 's' })]);
      expect(await charged(sale.tenantId)).toEqual(['2026-11 Each #0 1 0.99', '2026-11 Tokens #0 2 0.4']);
    });

    test('charges no usage that they replace, while the rule says so (O21)', async () => {
      const sale = await aMixedSale('REPLACE');
      await told(sale, [
        use(sale, 's', 'u1'),
        use(sale, 't', 'u2'),
        // The rule begins with October.
        use(sale, 't', 'u3', '2026-09-30T23:59:59Z'),
        use(sale, 't', 'u4', '2026-10-01T00:00:00Z'),
        ...claims(sale, 1, { subject: 's' }),
      ]);
      expect(await charged(sale.tenantId)).toEqual(['2026-09 Tokens #0 1 0.2', '2026-11 Each #0 1 0.99']);
      expect(await unpriced(sale.tenantId)).toEqual([]);
    });

    test('charges usage of subjects that came to nothing (O21)', async () => {
      const sale = await aMixedSale('FALLBACK', {
        terms: { reversal: { clause: { eventType: 'reopened', filter: '' }, windowHours: 100 } },
      });
      await told(sale, [use(sale, 's', 'u1'), use(sale, 's', 'u2'), use(sale, 't', 'u3')]);
      expect(await charged(sale.tenantId)).toEqual(['2026-11 Tokens #0 3 0.6']);
      await told(sale, claims(sale, 1, { subject: 's' }));
      expect(await charged(sale.tenantId)).toEqual(['2026-11 Each #0 1 0.99', '2026-11 Tokens #0 1 0.2']);
      await told(sale, [{ id: 'r', type: 'reopened', time: '2026-11-11T00:00:00Z', subject: 's' }]);
      expect(await charged(sale.tenantId)).toEqual(['2026-11 Each #0 0 0', '2026-11 Tokens #0 3 0.6']);
    });

    test('charges usage that an outcome beyond a cap does not stand for', async () => {
      const sale = await aMixedSale('FALLBACK', { terms: { caps: [{ mode: 'HARD', count: '1' }] } });
      await told(sale, [
        use(sale, 's', 'u1'),
        use(sale, 't', 'u2'),
        ...claims(sale, 1, { subject: 's' }),
        ...claims(sale, 1, { subject: 't' }, 2),
      ]);
      expect(await charged(sale.tenantId)).toEqual(['2026-11 Each #0 1 0.99', '2026-11 Tokens #0 1 0.2']);
    });

    test('charges usage of months after the outcome that stood for it when that is taken back', async () => {
      product.setClock(at('2026-12-20T00:00:00Z'));
      const sale = await aMixedSale('FALLBACK', {
        terms: { reversal: { clause: { eventType: 'reopened', filter: '' }, windowHours: 8_760 } },
      });
      await told(sale, [
        use(sale, 's', 'u1', '2026-12-01T00:00:00Z'),
        use(sale, 't', 'u2', '2026-12-01T00:00:00Z'),
        ...claims(sale, 1, { subject: 's', time: '2026-11-30T00:00:00Z' }),
      ]);
      expect(await charged(sale.tenantId)).toEqual(['2026-11 Each #0 1 0.99', '2026-12 Tokens #0 1 0.2']);
      product.setClock(at('2027-01-04T00:00:00Z'));
      await told(sale, [{ id: 'r', type: 'reopened', time: '2027-01-04T00:00:00Z', subject: 's' }]);
      expect(await charged(sale.tenantId)).toEqual(['2026-11 Each #0 0 0', '2026-12 Tokens #0 2 0.4']);
    });

    test('takes off usage that lies long before the outcome, as a rating of everything does', async () => {
      const sale = await aMixedSale('FALLBACK', { terms: { maturationHours: 1 } });
      await told(sale, [
        use(sale, 's', 'u1', '2026-06-01T00:00:00Z'),
        use(sale, 't', 'u2', '2026-06-01T00:00:00Z'),
        use(sale, 't', 'u3', '2026-07-01T00:00:00Z'),
      ]);
      expect(await charged(sale.tenantId)).toEqual(['2026-06 Tokens #0 2 0.4', '2026-07 Tokens #0 1 0.2']);
      await told(sale, claims(sale, 1, { subject: 's' }));
      const left = ['2026-06 Tokens #0 1 0.2', '2026-07 Tokens #0 1 0.2', '2026-11 Each #0 1 0.99'];
      expect(await charged(sale.tenantId)).toEqual(left);
      await product.app.services.rating.rerate(product.scope(sale.tenantId), at('2026-01-01T00:00:00Z'));
      expect(await charged(sale.tenantId)).toEqual(left);
      // Those that time alone has mature likewise.
      await told(sale, claims(sale, 1, { subject: 't', time: '2026-11-20T11:30:00Z' }, 2));
      product.setClock(at('2026-11-20T12:30:00Z'));
      await rate(product, sale.tenantId);
      expect(await charged(sale.tenantId)).toEqual([
        '2026-06 Tokens #0 0 0',
        '2026-07 Tokens #0 0 0',
        '2026-11 Each #0 2 1.98',
      ]);
    });

    test('charges usage of another month that an outcome beyond a cap does not stand for, until the cap lets it in', async () => {
      const sale = await aMixedSale('FALLBACK', {
        terms: {
          caps: [{ mode: 'HARD', count: '1' }],
          reversal: { clause: { eventType: 'reopened', filter: '' }, windowHours: 8_760 },
        },
      });
      await told(sale, [
        use(sale, 't', 'u1', '2026-10-31T00:00:00Z'),
        ...claims(sale, 1, { subject: 's' }),
        ...claims(sale, 1, { subject: 't' }, 2),
      ]);
      await rate(product, sale.tenantId);
      expect(await charged(sale.tenantId)).toEqual(['2026-10 Tokens #0 1 0.2', '2026-11 Each #0 1 0.99']);
      const touches = () =>
        asSuperuser(product.database, 'select month::text, n::text from usage_touch where tenant_id = $1 order by 1', [
          sale.tenantId,
        ]);
      const before = await touches();
      await rate(product, sale.tenantId);
      expect(await touches()).toEqual(before);
      await told(sale, [{ id: 'r', type: 'reopened', time: '2026-11-11T00:00:00Z', subject: 's' }]);
      await rate(product, sale.tenantId);
      expect(await charged(sale.tenantId)).toEqual(['2026-10 Tokens #0 0 0', '2026-11 Each #0 1 0.99']);
    });

    test('takes single events off prices that look at them', async () => {
      const sale = await aMixedSale('FALLBACK', {
        tokens: { model: 'PERCENTAGE', unitAmount: undefined, rate: '10', perEventMinimum: '0.3' },
      });
      await told(sale, [use(sale, 's', 'u1'), use(sale, 't', 'u2'), use(sale, 't', 'u3')]);
      expect(await charged(sale.tenantId)).toEqual(['2026-11 Tokens #0 3 0.9']);
      await told(sale, claims(sale, 1, { subject: 's' }));
      expect(await charged(sale.tenantId)).toEqual(['2026-11 Each #0 1 0.99', '2026-11 Tokens #0 2 0.6']);
    });
  });
});

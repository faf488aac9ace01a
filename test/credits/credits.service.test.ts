import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { verifyTenantCredits } from '../../src/commands/credits-verify.js';
import { verifyCredits } from '../../src/credits/index.js';
import type { CreditGrantDraft } from '../../src/credits/grant.rules.js';
import { decimal, formatDecimal } from '../../src/money/index.js';
import { inTransaction } from '../../src/platform/index.js';
import { aMeter, aTenant } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aProduct, until, type Product } from '../support/product.js';
import { accountsOf, aGrant, burn, burnOf, leftOf, ledgerOf, reverse } from './credits.js';

const NOW = new Date('2026-11-20T12:00:00Z');
const day = (n: number): Date => new Date(NOW.getTime() + n * 86_400_000);

let product: Product;
let tenantId: string;

beforeAll(async () => {
  product = await aProduct({ now: NOW });
});

afterAll(() => product.close());

beforeEach(async () => {
  product.setClock(NOW);
  tenantId = await aTenant(product);
});

/** After whatever a test did, the ledger holds. */
afterEach(async () => {
  expect(await verifyCredits(product.scope(tenantId))).toMatchObject({ fault: null });
});

const credits = () => product.app.services.credits;
const scope = () => product.scope(tenantId);
const sum = (values: readonly string[]): string =>
  formatDecimal(values.reduce((total, value) => total.plus(decimal(value)), decimal('0')));

describe('a grant', () => {
  test('is there to be used at once, or from when it is effective, until before it expires', async () => {
    await aGrant(product, tenantId, { amount: '10.000000000001' });
    await aGrant(product, tenantId, { amount: '5', expiresAt: day(2) });
    await aGrant(product, tenantId, { amount: '4', expiresAt: day(2) });
    await aGrant(product, tenantId, { amount: '7', effectiveAt: day(1), expiresAt: day(3) });
    await aGrant(product, tenantId, { amount: '1', unit: 'EUR' });
    const told = async () => {
      const balance = await credits().balance(scope(), 'USD');

      return [balance?.available, balance?.upcoming, balance?.nextExpiry?.amount].map(value => value?.toString());
    };

    expect(await told()).toEqual(['19.000000000001', '7', '9']);
    product.setClock(day(1));
    expect(await told()).toEqual(['26.000000000001', '0', '9']);
    product.setClock(day(2));
    expect(await told()).toEqual(['17.000000000001', '0', '7']);
    product.setClock(day(3));
    expect(await told()).toEqual(['10.000000000001', '0', undefined]);
    expect((await credits().balances(scope(), { first: 10 })).map(({ unit }) => unit)).toEqual(['EUR', 'USD']);
    expect((await credits().balances(scope(), { first: 1 })).map(({ unit }) => unit)).toEqual(['EUR', 'USD']);
    expect(await credits().balance(scope(), 'CHF')).toBeNull();
  });

  test('asked for twice with one key, also at once, is made once', async () => {
    const given = { idempotencyKey: 'one' };
    const ids = await Promise.all(Array.from({ length: 5 }, () => aGrant(product, tenantId, given)));

    expect(new Set(ids).size).toBe(1);
    expect(await leftOf(product, tenantId)).toEqual({ [ids[0] ?? '']: '10' });
    expect(await accountsOf(product, tenantId)).toEqual({ 'issued USD': '-10' });
  });

  test.each<readonly [field: string, given: Partial<CreditGrantDraft>]>([
    ['unit', { unit: 'usd!' }],
    ['unit', { unit: 'Credit' }],
    ['unit', { unit: 'XXX' }],
    ['unitWorth', { unit: 'credit' }],
    ['unitWorth', { unitWorth: { amount: '1', currency: 'USD' } }],
    ['unitWorth', { unit: 'credit', unitWorth: { amount: '0', currency: 'USD' } }],
    ['unitWorth', { unit: 'credit', unitWorth: { amount: '1', currency: 'credit' } }],
    ['amount', { amount: '0' }],
    ['amount', { amount: '-1' }],
    ['amount', { amount: '1e3' }],
    ['costBasis', { costBasis: { amount: '-1', currency: 'USD' } }],
    ['costBasis', { costBasis: { amount: '1', currency: 'usd' } }],
    ['costBasis', { kind: 'PROMOTIONAL', costBasis: { amount: '1', currency: 'USD' } }],
    ['priority', { priority: 0.5 }],
    ['priority', { priority: 1_000_001 }],
    ['meterIds', { meterIds: ['nonsense'] }],
    ['meterIds', { meterIds: ['mtr_0123456789ABCDEFGHJKMNPQRS'] }],
    ['models', { models: ['*'] }],
    ['models', { models: ['a\0'] }],
    ['models', { models: Array.from({ length: 101 }, (_, n) => `m${n}`) }],
    ['expiresAt', { expiresAt: NOW }],
    ['expiresAt', { effectiveAt: day(2), expiresAt: day(2) }],
  ])('is refused for its %s: %j', async (field, given) => {
    const before = await ledgerOf(product, tenantId);

    await expect(aGrant(product, tenantId, given)).rejects.toMatchObject({ field: [field] });
    expect(await ledgerOf(product, tenantId)).toEqual(before);
  });

  test('is for meters that count for its tenant, and for no others', async () => {
    const own = await aMeter(product);
    const elsewhere = await aTenant(product, { kind: 'RESELLER' });
    const { meter: foreign } = await product.app.services.catalog.createMeter(product.scope(elsewhere), {
      key: 'of_another',
      eventType: 'llm.request',
      filter: '',
      aggregation: 'COUNT',
      valueProperty: null,
      dimensions: [],
      unit: 'call',
      keepsEvents: false,
      idempotencyKey: randomUUID(),
    });
    const given = { meterIds: [own], idempotencyKey: 'k' };
    const grantId = await aGrant(product, tenantId, given);
    expect(await aGrant(product, tenantId, given)).toBe(grantId);
    const before = await ledgerOf(product, tenantId);
    await expect(aGrant(product, tenantId, { meterIds: [own, foreign.id] })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: `meter ${foreign.id} does not exist`,
      field: ['meterIds'],
    });
    expect(await ledgerOf(product, tenantId)).toEqual(before);
  });

  test('given away may be worth nothing in money', async () => {
    const unitWorth = { amount: '0', currency: 'USD' };
    await aGrant(product, tenantId, { kind: 'PROMOTIONAL', unit: 'credit', unitWorth });

    expect((await burn(product, tenantId, { amount: '1' })).covered.toString()).toBe('0');
    expect((await burn(product, tenantId, { amount: '1', currency: 'credit' })).covered.toString()).toBe('1');
  });
});

describe('a burn', () => {
  test('is paid by the grants in their order, and tells what they do not pay', async () => {
    const never = await aGrant(product, tenantId, { amount: '3' });
    const soon = await aGrant(product, tenantId, { amount: '2', expiresAt: day(1), models: ['gpt*'] });
    await aGrant(product, tenantId, { amount: '9', models: ['claude*'] });
    const burned = await burn(product, tenantId, { amount: '6.5' });

    expect(burned.parts.map(({ grantId, amount }) => [grantId, amount.toString()])).toEqual([
      [soon, '2'],
      [never, '3'],
    ]);
    expect([burned.covered, burned.uncovered].map(String)).toEqual(['5', '1.5']);
    expect(await leftOf(product, tenantId)).toMatchObject({ [soon]: '0', [never]: '0' });
    expect(await accountsOf(product, tenantId)).toEqual({ 'issued USD': '-14', 'used USD': '5' });
  });

  test('pays by the worth of a unit that is no currency', async () => {
    const unitWorth = { amount: '0.03', currency: 'USD' };
    const grantId = await aGrant(product, tenantId, { unit: 'credit', unitWorth, amount: '100' });
    const third = await burn(product, tenantId, { reference: 'a third', amount: '1' });

    expect([third.covered, third.uncovered].map(String)).toEqual(['1', '0']);
    expect(third.parts[0]?.amount.toString()).toBe('33.333333333333333333333333333333333333');
    const rest = await burn(product, tenantId, { amount: '5' });
    expect(rest.parts[0]?.amount.toString()).toBe('66.666666666666666666666666666666666667');
    expect(rest.covered.plus(rest.uncovered).toString()).toBe('5');
    await reverse(product, tenantId, { burnReference: 'a third', amount: '0.7' });
    await reverse(product, tenantId, { burnReference: 'a third' });
    expect(await leftOf(product, tenantId)).toEqual({ [grantId]: '33.333333333333333333333333333333333333' });
  });

  test('under one reference happens once, whatever came in between', async () => {
    const first = await burn(product, tenantId, { reference: 'hld_1', amount: '4' });
    expect([first.covered, first.uncovered].map(String)).toEqual(['0', '4']);
    await aGrant(product, tenantId);

    expect(await burn(product, tenantId, { reference: 'hld_1', amount: '4' })).toEqual(first);
    const second = await burn(product, tenantId, { reference: 'hld_2', amount: '4' });
    await reverse(product, tenantId, { burnReference: 'hld_2' });
    expect(await burn(product, tenantId, { reference: 'hld_2', amount: '4' })).toEqual(second);

    const before = await ledgerOf(product, tenantId);
    await expect(burn(product, tenantId, { reference: 'hld_2', amount: '5' })).rejects.toMatchObject({
      code: 'IDEMPOTENCY_KEY_REUSED',
    });
    await expect(burn(product, tenantId, { reference: 'hld_2', amount: '4', currency: 'EUR' })).rejects.toMatchObject({
      code: 'IDEMPOTENCY_KEY_REUSED',
    });
    await expect(burn(product, tenantId, { reference: '', amount: '5' })).rejects.toMatchObject({
      field: ['reference'],
    });
    expect(await ledgerOf(product, tenantId)).toEqual(before);
  });

  test('in one go with others sees what those before it have left', async () => {
    await aGrant(product, tenantId);
    const burns = ['a', 'b', 'a', 'c'].map(reference => burnOf(product, { reference, amount: '6' }));
    const burned = await inTransaction(scope(), tx => product.app.services.creditBurns.burn(tx, burns));

    expect(burned.map(({ reference, covered }) => [reference, covered.toString()])).toEqual([
      ['a', '6'],
      ['b', '4'],
      ['a', '6'],
      ['c', '0'],
    ]);
    expect(burned[2]).toEqual(burned[0]);
    expect(await inTransaction(scope(), tx => product.app.services.creditBurns.burn(tx, []))).toEqual([]);
  });

  test('can be planned without burning', async () => {
    await aGrant(product, tenantId);
    const before = await ledgerOf(product, tenantId);
    const { uses, ...terms } = burnOf(product, { amount: '12' });
    const plan = await inTransaction(scope(), tx => product.app.services.creditBurns.plan(tx, terms, uses));

    expect([plan.parts[0]?.pays, plan.left].map(String)).toEqual(['10', '2']);
    expect(await ledgerOf(product, tenantId)).toEqual(before);
  });

  test('of many at once never takes more than there is, and none is lost', async () => {
    await aGrant(product, tenantId, { amount: '10', expiresAt: day(1) });
    await aGrant(product, tenantId, { amount: '10' });
    const burned = await Promise.all(
      Array.from({ length: 40 }, (_, n) => burn(product, tenantId, { reference: `ref ${n % 30}`, amount: '0.7' })),
    );
    const byReference = new Map(burned.map(each => [each.reference, each]));

    // Thirty burns of 0.7 come to 21, of which 20 are there.
    expect(sum([...byReference.values()].map(({ covered }) => covered.toString()))).toBe('20');
    expect(sum([...byReference.values()].map(({ uncovered }) => uncovered.toString()))).toBe('1');
    expect(sum(Object.values(await leftOf(product, tenantId)))).toBe('0');
    expect(burned.every(each => byReference.get(each.reference)?.transactionId === each.transactionId)).toBe(true);
  });

  test('that is undone with its transaction leaves nothing', async () => {
    await aGrant(product, tenantId);
    const before = await ledgerOf(product, tenantId);
    const undone = inTransaction(scope(), async tx => {
      await product.app.services.creditBurns.burn(tx, [burnOf(product, { reference: 'x', amount: '4' })]);
      throw new Error('of the caller');
    });

    await expect(undone).rejects.toThrow('of the caller');
    expect(await ledgerOf(product, tenantId)).toEqual(before);
    expect((await burn(product, tenantId, { reference: 'x', amount: '4' })).covered.toString()).toBe('4');
  });

  test('that tells of earlier usage is paid by what was effective then and has not expired by now', async () => {
    const old = await aGrant(product, tenantId, { effectiveAt: day(-5), expiresAt: day(1) });
    await aGrant(product, tenantId);
    const burned = await burn(product, tenantId, { amount: '4', at: day(-2) });

    expect(burned.parts.map(({ grantId }) => grantId)).toEqual([old]);
    product.setClock(day(1));
    // Whether or not the expiry has run.
    expect((await burn(product, tenantId, { amount: '1', at: day(-2) })).covered.toString()).toBe('0');
  });
});

describe('a reversal', () => {
  test('gives back to the grants it came from, the last first, in parts or all of it', async () => {
    const soon = await aGrant(product, tenantId, { expiresAt: day(1) });
    const never = await aGrant(product, tenantId);
    await burn(product, tenantId, { reference: 'b', amount: '15' });
    const part = await reverse(product, tenantId, { burnReference: 'b', reference: 'r1', amount: '7' });
    expect(part.parts.map(({ grantId, amount }) => [grantId, amount.toString()])).toEqual([
      [never, '5'],
      [soon, '2'],
    ]);
    expect(await reverse(product, tenantId, { burnReference: 'b', reference: 'r1', amount: '7' })).toEqual(part);
    expect(await leftOf(product, tenantId)).toEqual({ [soon]: '2', [never]: '10' });

    const before = await ledgerOf(product, tenantId);
    const refusals: readonly [Parameters<typeof reverse>[2], object][] = [
      [{ burnReference: 'b', amount: '8.000000000001' }, { field: ['amount'] }],
      [{ burnReference: 'b', amount: '-1' }, { field: ['amount'] }],
      [{ burnReference: 'c' }, { code: 'NOT_FOUND' }],
      [{ burnReference: 'b', reference: 'r1', amount: '6' }, { code: 'IDEMPOTENCY_KEY_REUSED' }],
    ];

    for (const [given, refusal] of refusals) {
      await expect(reverse(product, tenantId, given)).rejects.toMatchObject(refusal);
    }

    expect(await ledgerOf(product, tenantId)).toEqual(before);
    const rest = await reverse(product, tenantId, { burnReference: 'b' });
    expect(rest.covered.toString()).toBe('8');
    expect(await leftOf(product, tenantId)).toEqual({ [soon]: '10', [never]: '10' });
    expect(await accountsOf(product, tenantId)).toEqual({ 'issued USD': '-20', 'used USD': '0' });
  });

  test('of many at once gives back once', async () => {
    const grantId = await aGrant(product, tenantId);
    await burn(product, tenantId, { reference: 'b', amount: '9' });
    const outcomes = await Promise.allSettled(
      Array.from({ length: 12 }, (_, n) =>
        reverse(product, tenantId, { burnReference: 'b', reference: `r${n % 6}`, amount: '2' }),
      ),
    );

    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(8);
    expect(await leftOf(product, tenantId)).toEqual({ [grantId]: '9' });
  });
});

describe('what somebody gives back of a burn', () => {
  const draft = (creditTransactionId: string, amount: string | null = null) => ({
    creditTransactionId,
    amount,
    reason: 'counted twice',
    idempotencyKey: randomUUID(),
  });
  const giveBack = (given: ReturnType<typeof draft>) => product.app.services.creditReversals.reverse(scope(), given);

  test('goes to the grants it came from, the last first, once for each key, and is in the audit log', async () => {
    const soon = await aGrant(product, tenantId, { expiresAt: day(1) });
    const never = await aGrant(product, tenantId);
    const { transactionId } = await burn(product, tenantId, { amount: '15' });
    const given = draft(transactionId, '7');
    const { transaction, replayed } = await giveBack(given);
    expect([replayed, transaction.transaction.kind, transaction.transaction.ofId]).toEqual([
      false,
      'REVERSAL',
      transactionId,
    ]);
    expect(
      transaction.entries.map(({ account, amount, pays }) => [account, amount.toString(), pays?.toString()]),
    ).toEqual([
      [`grant:${never}`, '5', '-5'],
      [`grant:${soon}`, '2', '-2'],
      ['used', '-7', undefined],
    ]);
    expect(await giveBack(given)).toEqual({ transaction, replayed: true });
    expect(await leftOf(product, tenantId)).toEqual({ [soon]: '2', [never]: '10' });
    expect(
      await asSuperuser(
        product.database,
        `select subject_id, after from audit_line where tenant_id = $1 and action = 'credit_burn.reversed'`,
        [tenantId],
      ),
    ).toEqual([
      {
        subject_id: transactionId,
        after: {
          creditTransactionId: transaction.transaction.id,
          amount: '7',
          currency: 'USD',
          reason: 'counted twice',
        },
      },
    ]);
    const rest = await giveBack(draft(transactionId));
    expect(rest.transaction.transaction.asked?.toString()).toBe('8');
    expect(await leftOf(product, tenantId)).toEqual({ [soon]: '10', [never]: '10' });
  });

  test('is refused of what is no burn of the tenant, and beyond what is still burned', async () => {
    const grantId = await aGrant(product, tenantId);
    const { transactionId } = await burn(product, tenantId, { amount: '4' });
    const { transaction } = await giveBack(draft(transactionId, '3'));
    const elsewhere = await aTenant(product);
    await aGrant(product, elsewhere);
    const others = await burn(product, elsewhere, { amount: '1' });
    const before = await ledgerOf(product, tenantId);
    const unknown = { code: 'NOT_FOUND', field: ['creditTransactionId'] };
    const refusals: readonly [ReturnType<typeof draft>, object][] = [
      [draft(transactionId, '1.000000000001'), { code: 'INVALID_INPUT', field: ['amount'] }],
      [draft(transactionId, '0'), { code: 'INVALID_INPUT', field: ['amount'] }],
      [draft(transactionId, '-1'), { code: 'INVALID_INPUT', field: ['amount'] }],
      [draft(transactionId, 'all'), { code: 'INVALID_INPUT', field: ['amount'] }],
      [
        { ...draft(transactionId), reason: ' ' },
        { code: 'INVALID_INPUT', field: ['reason'] },
      ],
      [draft(transaction.transaction.id), unknown],
      [draft(others.transactionId), unknown],
      [draft(grantId), unknown],
      [draft('nothing'), unknown],
    ];

    for (const [given, refusal] of refusals) {
      await expect(giveBack(given)).rejects.toMatchObject(refusal);
    }

    expect(await ledgerOf(product, tenantId)).toEqual(before);
    await giveBack(draft(transactionId));
    const all = await ledgerOf(product, tenantId);
    await expect(giveBack(draft(transactionId))).rejects.toMatchObject({
      code: 'INVALID_TRANSITION',
      field: ['creditTransactionId'],
    });
    expect(await ledgerOf(product, tenantId)).toEqual(all);
  });

  test('at once is never more than was burned', async () => {
    const grantId = await aGrant(product, tenantId);
    const { transactionId } = await burn(product, tenantId, { amount: '9' });
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => giveBack(draft(transactionId, '2'))));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(4);
    expect(await leftOf(product, tenantId)).toEqual({ [grantId]: '9' });
  });
});

describe('what expires', () => {
  test('is taken off by the expiry, once, also what was given back later', async () => {
    const soon = await aGrant(product, tenantId, { expiresAt: day(1) });
    const later = await aGrant(product, tenantId, { expiresAt: day(2) });
    await burn(product, tenantId, { reference: 'b', amount: '4' });
    product.setClock(day(1));
    await Promise.all([credits().expire(scope()), credits().expire(scope())]);
    expect(await leftOf(product, tenantId)).toEqual({ [soon]: '0', [later]: '10' });
    expect(await accountsOf(product, tenantId)).toEqual({ 'expired USD': '6', 'issued USD': '-20', 'used USD': '4' });

    await reverse(product, tenantId, { burnReference: 'b' });
    expect(await leftOf(product, tenantId)).toEqual({ [soon]: '4', [later]: '10' });
    // It pays nothing meanwhile.
    expect((await credits().balance(scope(), 'USD'))?.available.toString()).toBe('10');
    expect((await burn(product, tenantId, { amount: '11' })).covered.toString()).toBe('10');
    await credits().expire(scope());
    const before = await ledgerOf(product, tenantId);
    await credits().expire(scope());
    expect(await ledgerOf(product, tenantId)).toEqual(before);
    expect(await accountsOf(product, tenantId)).toEqual({ 'expired USD': '10', 'issued USD': '-20', 'used USD': '10' });
  });

  test('is found by the sweeps', async () => {
    const other = await aProduct({ now: NOW });

    try {
      const id = await aTenant(other);
      const grantId = await aGrant(other, id, { expiresAt: day(1) });
      expect(await other.app.sweeps.sweepOnce()).toBe(0);
      other.setClock(day(1));
      other.app.work();
      await until(async () => (await leftOf(other, id))[grantId] === '0');
    } finally {
      await other.close();
    }
  });
});

describe('a refund', () => {
  const refund = (creditGrantId: string, amount: string | null, idempotencyKey: string = randomUUID()) =>
    credits().refund(scope(), { creditGrantId, amount, reason: 'asked for', idempotencyKey });

  test('takes unused credits off, and says what was paid for them', async () => {
    const grantId = await aGrant(product, tenantId, { amount: '30', costBasis: { amount: '24', currency: 'EUR' } });
    await burn(product, tenantId, { amount: '5' });
    const first = await refund(grantId, '10', 'key');
    expect([first.cost.toString(), first.left.toString(), first.transaction.transaction.kind]).toEqual([
      '8',
      '15',
      'REFUND',
    ]);
    expect(await refund(grantId, '10', 'key')).toMatchObject({ replayed: true, cost: first.cost });
    const rest = await refund(grantId, null);
    expect([rest.cost.toString(), rest.left.toString()]).toEqual(['12', '0']);
    expect(await accountsOf(product, tenantId)).toEqual({ 'issued USD': '-5', 'used USD': '5' });

    const before = await ledgerOf(product, tenantId);
    await expect(refund(grantId, null)).rejects.toMatchObject({ code: 'INVALID_TRANSITION' });
    await expect(refund(grantId, '0')).rejects.toMatchObject({ field: ['amount'] });
    await expect(refund('crg_0123456789ABCDEFGHJKMNPQRS', null)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await ledgerOf(product, tenantId)).toEqual(before);
  });

  test('of promotional credits is a void, for which nobody paid', async () => {
    const grantId = await aGrant(product, tenantId, { kind: 'PROMOTIONAL' });
    const { cost, transaction } = await refund(grantId, null);

    expect([cost.toString(), transaction.transaction.kind]).toEqual(['0', 'VOID']);
  });

  test('never takes more than is left, whoever burns meanwhile', async () => {
    const grantId = await aGrant(product, tenantId);
    const outcomes = await Promise.allSettled([
      ...Array.from({ length: 6 }, () => refund(grantId, '3')),
      ...Array.from({ length: 6 }, () => burn(product, tenantId, { amount: '1' })),
    ]);
    const refunded = outcomes.slice(0, 6).filter(({ status }) => status === 'fulfilled').length;
    const accounts = await accountsOf(product, tenantId);
    const left = (await leftOf(product, tenantId))[grantId] ?? '';

    expect(sum([accounts['issued USD'] ?? '', accounts['used USD'] ?? '0', left])).toBe('0');
    expect(accounts['issued USD']).toBe(String(-10 + 3 * refunded));
  });
});

describe('credits that run low', () => {
  const set = (below: string | null, amount: string | null, unit = 'USD') =>
    credits().setRecharge(scope(), { unit, below, amount, idempotencyKey: randomUUID() });
  const messages = async (): Promise<object[]> =>
    (
      await asSuperuser<{ body: string }>(
        product.database,
        `select body from webhook_delivery where tenant_id = $1 and event_type = 'credits.low' order by id`,
        [tenantId],
      )
    ).map(({ body }) => (JSON.parse(body) as { data: object }).data);
  const told = async (): Promise<number> => (await messages()).length;

  beforeEach(async () => {
    await product.app.services.webhooks.createEndpoint(scope(), {
      url: 'https://example.com/hook',
      eventTypes: ['credits.low'],
      idempotencyKey: 'endpoint',
    });
  });

  test('are told once for each time that they do', async () => {
    await aGrant(product, tenantId);
    const { balance } = await set('4', '50');
    expect(balance?.recharge).toMatchObject({ isLow: false });
    await burn(product, tenantId, { amount: '6' });
    expect(await told()).toBe(0);
    await burn(product, tenantId, { reference: 'low', amount: '0.5' });
    await burn(product, tenantId, { reference: 'low', amount: '0.5' });
    await burn(product, tenantId, { amount: '1' });
    expect(await messages()).toEqual([
      {
        lowId: expect.stringMatching(/^crl_/),
        tenantId,
        unit: 'USD',
        available: '3.5',
        below: '4',
        rechargeAmount: '50',
      },
    ]);
    expect((await credits().balance(scope(), 'USD'))?.recharge).toMatchObject({ isLow: true });

    await aGrant(product, tenantId, { unit: 'EUR' });
    await aGrant(product, tenantId, { amount: '50' });
    await burn(product, tenantId, { amount: '40' });
    expect(await told()).toBe(1);
    await burn(product, tenantId, { amount: '9' });
    expect(await told()).toBe(2);
  });

  test('of many burns at once are told once', async () => {
    await aGrant(product, tenantId);
    await set('5', '50');
    await Promise.all(Array.from({ length: 12 }, () => burn(product, tenantId, { amount: '0.75' })));

    expect(await told()).toBe(1);
  });

  test('are told at once where they are low already, by whatever takes them, and no more when nobody asks', async () => {
    const grantId = await aGrant(product, tenantId);
    await set('11', '50');
    expect(await told()).toBe(1);
    await set('5', '50');
    await credits().refund(scope(), { creditGrantId: grantId, amount: '6', reason: null, idempotencyKey: 'r' });
    expect(await told()).toBe(2);
    await set(null, null);
    await burn(product, tenantId, { amount: '4' });
    expect(await told()).toBe(2);
    expect((await credits().balance(scope(), 'USD'))?.recharge).toBeNull();
  });

  test.each([
    ['below', '5', null],
    ['below', null, '5'],
    ['below', '0', '5'],
    ['amount', '5', '0'],
    ['amount', '5', 'x'],
  ])('are not watched with a wrong %s: %j, %j', async (field, below, amount) => {
    await expect(set(below, amount)).rejects.toMatchObject({ field: [field] });
    await expect(set('1', '1', 'U')).rejects.toMatchObject({ field: ['unit'] });
    expect(await asSuperuser(product.database, 'select from credit_recharge where tenant_id = $1', [tenantId])).toEqual(
      [],
    );
  });
});

describe('the database', () => {
  let asApp: pg.Client;
  let grantId: string;

  beforeEach(async () => {
    asApp = new pg.Client({ connectionString: product.database.appUrl });
    await asApp.connect();
    grantId = await aGrant(product, tenantId);
    await burn(product, tenantId, { reference: 'b', amount: '4' });
  });

  afterEach(() => asApp.end());

  const tryIt = async (sql: string): Promise<string> => {
    await asApp.query('begin');

    try {
      await asApp.query(`set local app.tenant = '${tenantId}'`);
      await asApp.query(sql);
      await asApp.query('commit');

      return 'done';
    } catch (error) {
      await asApp.query('rollback');

      return (error as Error).message;
    }
  };
  const entry = (amounts: readonly (readonly [account: string, unit: string, amount: string])[]): string =>
    `insert into credit_entry (tenant_id, transaction_id, n, account, unit, amount) select '${tenantId}',
       (select id from credit_transaction where kind = 'BURN'), 100 + n, account, unit, amount from (values ${amounts
         .map(([account, unit, amount], n) => `(${n}, '${account}', '${unit}', ${amount}::numeric)`)
         .join(', ')}) v (n, account, unit, amount)`;

  test.each<readonly [what: string, sql: () => string, message: RegExp]>([
    ['entries that do not sum to zero', () => entry([[`grant:${grantId}`, 'USD', '-1']]), /sum to zero/],
    [
      'entries that sum to zero over units only',
      () =>
        entry([
          [`grant:${grantId}`, 'USD', '-1'],
          ['used', 'EUR', '1'],
        ]),
      /sum to zero/,
    ],
    [
      'a grant below 0',
      () =>
        entry([
          [`grant:${grantId}`, 'USD', '-6.000000000001'],
          ['used', 'USD', '6.000000000001'],
        ]),
      /credit_balance_is_not_negative/,
    ],
    [
      'an entry in another unit than its grant',
      () =>
        entry([
          [`grant:${grantId}`, 'EUR', '-1'],
          ['used', 'EUR', '1'],
        ]),
      /foreign key/,
    ],
    [
      'an account that is none',
      () =>
        entry([
          ['pocket', 'USD', '-1'],
          ['used', 'USD', '1'],
        ]),
      /credit_entry_account/,
    ],
    ['a balance moved by hand', () => 'update credit_balance set balance = 7', /moved by entries only/],
    [
      'the same cause again',
      () =>
        `insert into credit_transaction (tenant_id, id, kind, at, reference, currency, asked, created_at)
         values ('${tenantId}', 'crt_x', 'BURN', now(), 'b', 'USD', 1, now())`,
      /credit_transaction_once/,
    ],
    ['an entry that changes', () => 'update credit_entry set amount = 0', /permission denied/],
    ['a transaction that goes', () => 'delete from credit_transaction', /permission denied/],
    ['a grant that grows', () => 'update credit_grant set amount = 100', /permission denied/],
  ])('refuses %s', async (_what, sql, message) => {
    const before = await ledgerOf(product, tenantId);

    expect(await tryIt(sql())).toMatch(message);
    expect(await ledgerOf(product, tenantId)).toEqual(before);
  });

  test.each(['credit_grant', 'credit_transaction', 'credit_entry'])(
    'refuses even its owner to change %s',
    async table => {
      await expect(asSuperuser(product.database, `update ${table} set tenant_id = tenant_id`)).rejects.toThrow();
      await expect(asSuperuser(product.database, `delete from ${table}`)).rejects.toThrow();
    },
  );
});

describe('the verification', () => {
  const tampered = async (sql: string): Promise<string[]> => {
    const lines: string[] = [];
    const client = new pg.Client({ connectionString: product.database.adminUrl });
    await client.connect();

    try {
      await client.query('set session_replication_role = replica');
      await client.query(`create table kept as table credit_${sql.split(' ')[1]?.replace('credit_', '')}`);
      await client.query(sql);
      expect(await verifyTenantCredits(product.app, line => lines.push(line))).toBe(1);
    } finally {
      const table = sql.split(' ')[1] ?? '';
      const columns = table === 'credit_entry' ? 'tenant_id, transaction_id, n, account, unit, amount, pays' : '*';
      await client.query(`delete from ${table}`);
      await client.query(
        columns === '*'
          ? `insert into ${table} select * from kept`
          : `insert into ${table} (${columns}) select ${columns} from kept`,
      );
      await client.query('drop table kept');
      await client.end();
    }

    return lines.filter(line => line.includes('BROKEN')).map(line => line.replace(/^.*BROKEN\S*\s+/, ''));
  };

  test('tells which ledger does not hold, where and why', async () => {
    const grantId = await aGrant(product, tenantId);
    const { transactionId } = await burn(product, tenantId, { amount: '4' });
    const where = `where tenant_id = '${tenantId}'`;
    expect(await verifyTenantCredits(product.app, () => undefined)).toBe(0);

    expect(await tampered(`update credit_balance set balance = balance + 1 ${where}`)).toEqual([
      `${tenantId}  ${grantId}: its balance is 7 and its entries come to 6`,
    ]);
    expect(await tampered(`update credit_entry set amount = 5 ${where} and account = 'used'`)).toEqual([
      `${tenantId}  ${transactionId}: its entries come to 1 USD and not to 0`,
    ]);
    expect(await tampered(`update credit_grant set amount = 100 ${where}`)).toEqual([
      `${tenantId}  ${grantId}: it was granted 100 and its first entry is 10`,
    ]);
    expect(await tampered(`update credit_entry set account = 'transferred' ${where} and account = 'used'`)).toEqual([
      'what went from tenant to tenant comes to -4 USD and not to 0',
    ]);
    expect(await verifyTenantCredits(product.app, () => undefined)).toBe(0);
  });
});

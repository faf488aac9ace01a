import { randomUUID } from 'node:crypto';
import { verifyTenantCredits } from '../../src/commands/credits-verify.js';
import { aMeter, aTenant } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aKey, aProduct, type Product } from '../support/product.js';
import { accountsOf, aGrant, burn, leftOf, ledgerOf } from './credits.js';

const NOW = new Date('2026-11-20T12:00:00Z');
const day = (n: number): Date => new Date(NOW.getTime() + n * 86_400_000);

let product: Product;
let resellerId: string;
let childId: string;

beforeAll(async () => {
  product = await aProduct({ now: NOW });
});

afterAll(() => product.close());

beforeEach(async () => {
  resellerId = await aTenant(product, { kind: 'RESELLER' });
  childId = await aTenant(product, { parentId: resellerId });
});

/** What went out came in, in every ledger. */
afterEach(async () => {
  expect(await verifyTenantCredits(product.app, () => undefined)).toBe(0);
});

interface Given {
  readonly from?: string;
  readonly to?: string;
  readonly amount: string;
  readonly unit?: string;
  readonly key?: string;
  readonly as?: string;
}

const transfer = ({ from = resellerId, to = childId, amount, unit = 'USD', key, as = resellerId }: Given) =>
  product.app.services.creditTransfers.transfer(product.scope(as), {
    fromTenantId: from,
    toTenantId: to,
    unit,
    amount,
    reason: null,
    idempotencyKey: key ?? randomUUID(),
  });

test('credits that move keep what they are, and take their share of what was paid along', async () => {
  const meterIds = [await aMeter(product)];
  const unitWorth = { amount: '0.5', currency: 'EUR' };
  const costBasis = { amount: '20', currency: 'EUR' };
  const unit = { unit: 'credit', unitWorth };
  const soon = { ...unit, amount: '40', costBasis, priority: 3, expiresAt: day(9), meterIds, models: ['gpt*'] };
  await aGrant(product, resellerId, { ...unit, kind: 'PROMOTIONAL', amount: '40' });
  await aGrant(product, resellerId, soon);
  const { grants, transaction, replayed } = await transfer({ amount: '50', unit: 'credit', key: 'k' });

  expect(replayed).toBe(false);
  expect(transaction.transaction).toMatchObject({ tenantId: resellerId, kind: 'TRANSFER_OUT' });
  const shown = grants
    .map(({ grant, left }) => ({ ...grant, worth: String(grant.worth), cost: String(grant.cost), left: String(left) }))
    .sort((a, b) => b.priority - a.priority);
  expect(shown).toMatchObject([
    {
      tenantId: childId,
      kind: 'PAID',
      worth: '0.5',
      worthCurrency: 'EUR',
      left: '40',
      cost: '20',
      costCurrency: 'EUR',
      priority: 3,
      expiresAt: day(9),
      meterIds,
      models: ['gpt*'],
    },
    {
      kind: 'PROMOTIONAL',
      worth: '0.5',
      left: '10',
      cost: '0',
      priority: 0,
      expiresAt: null,
      meterIds: [],
      models: [],
    },
  ]);
  expect(Object.values(await leftOf(product, resellerId)).sort()).toEqual(['0', '30']);
  expect(await accountsOf(product, resellerId)).toEqual({ 'issued credit': '-80', 'transferred credit': '50' });
  expect(await accountsOf(product, childId)).toEqual({ 'transferred credit': '-50' });

  const before = await ledgerOf(product, childId);
  expect(await transfer({ amount: '50', unit: 'credit', key: 'k' })).toEqual({ grants, transaction, replayed: true });
  expect(await ledgerOf(product, childId)).toEqual(before);

  // A part that moves on, and back up, takes its share again.
  const back = await transfer({ from: childId, to: resellerId, amount: '10', unit: 'credit' });
  expect(back.grants.map(({ grant }) => [grant.kind, String(grant.cost)])).toEqual([['PAID', '5']]);
  const lines = await asSuperuser<{ tenant_id: string }>(
    product.database,
    `select tenant_id from audit_line where action = 'credits.transferred' order by tenant_id`,
  );
  expect(lines.map(line => line.tenant_id)).toEqual([resellerId, resellerId, childId, childId].sort());
});

test('of ten transfers of 100 at once, eight are in 800, and the rest change nothing', async () => {
  await aGrant(product, resellerId, { amount: '500', expiresAt: day(1) });
  await aGrant(product, resellerId, { amount: '300' });
  const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => transfer({ amount: '100' })));

  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(8);
  expect(
    outcomes.flatMap(outcome => (outcome.status === 'rejected' ? [(outcome.reason as { code: string }).code] : [])),
  ).toEqual(['INVALID_TRANSITION', 'INVALID_TRANSITION']);
  expect(Object.values(await leftOf(product, resellerId))).toEqual(['0', '0']);
  expect(Object.values(await leftOf(product, childId))).toEqual(Array.from({ length: 8 }, () => '100'));
  expect(await accountsOf(product, childId)).toEqual({ 'transferred USD': '-800' });
});

test('transfers up and down, and burns, at once neither deadlock nor lose anything', async () => {
  const other = await aTenant(product, { parentId: resellerId });
  const tenants = [resellerId, childId, other];

  for (const id of tenants) {
    await aGrant(product, id, { amount: '100' });
  }

  const outcomes = await Promise.allSettled(
    Array.from({ length: 36 }, (_, n) => {
      const child = n % 2 ? childId : other;
      const [from, to] = n % 3 ? [resellerId, child] : [child, resellerId];

      return n % 4 === 3
        ? burn(product, from, { amount: '3' })
        : transfer({ from, to, amount: '7', as: product.platformId });
    }),
  );
  const codes = outcomes.flatMap(each => (each.status === 'rejected' ? [(each.reason as { code: string }).code] : []));
  expect(new Set([...codes, 'INVALID_TRANSITION'])).toEqual(new Set(['INVALID_TRANSITION']));

  const [total] = await asSuperuser<{ left: string; used: string }>(
    product.database,
    `select trim_scale((select sum(balance) from credit_balance where tenant_id = any ($1)))::text as left,
       trim_scale(sum(amount))::text as used from credit_entry where tenant_id = any ($1) and account = 'used'`,
    [tenants],
  );
  expect(Number(total?.left) + Number(total?.used)).toBe(300);
});

test('a transfer is refused between strangers, of nothing, and of more than is there', async () => {
  const sibling = await aTenant(product, { parentId: resellerId });
  await aGrant(product, resellerId);
  await aGrant(product, resellerId, { amount: '5', effectiveAt: day(1) });
  await aGrant(product, childId);
  const before = [await ledgerOf(product, resellerId), await ledgerOf(product, childId)];
  const refusals: readonly (readonly [Given, object])[] = [
    [{ amount: '10.000000000001' }, { code: 'INVALID_TRANSITION', field: ['amount'] }],
    [{ amount: '0' }, { field: ['amount'] }],
    [{ amount: '-1' }, { field: ['amount'] }],
    [{ amount: '1', unit: '' }, { field: ['unit'] }],
    [{ amount: '1', unit: 'EUR' }, { code: 'INVALID_TRANSITION' }],
    [{ amount: '1', to: resellerId }, { field: ['toTenantId'] }],
    [{ amount: '1', from: childId, to: sibling }, { field: ['toTenantId'] }],
    [
      { amount: '1', to: product.platformId },
      { code: 'NOT_FOUND', field: ['toTenantId'] },
    ],
    // The child's own key, in either direction.
    [
      { amount: '1', as: childId },
      { code: 'NOT_FOUND', field: ['fromTenantId'] },
    ],
    [
      { amount: '1', from: childId, to: resellerId, as: childId },
      { code: 'NOT_FOUND', field: ['toTenantId'] },
    ],
  ];

  for (const [given, refusal] of refusals) {
    await expect(transfer(given)).rejects.toMatchObject(refusal);
  }

  expect([await ledgerOf(product, resellerId), await ledgerOf(product, childId)]).toEqual(before);
});

test('the API grants, moves, takes off and tells', async () => {
  const key = await aKey(product.app, product.scope(resellerId));
  const call = async (name: string, input: object, answer: string, by = key) => {
    const type = `${name.charAt(0).toUpperCase()}${name.slice(1)}Input!`;
    const { data, errors } = await product.graphql(
      by,
      `mutation ($input: ${type}) { ${name}(input: $input) { userErrors { code field } replayed ${answer} } }`,
      { input: { idempotencyKey: randomUUID(), ...input } },
    );
    expect(errors).toBeUndefined();

    return data[name];
  };
  const given = {
    tenantId: resellerId,
    kind: 'PAID',
    unit: 'credit',
    unitWorth: { amount: '0.01', currency: 'USD' },
    amount: '1000',
    costBasis: { amount: '8', currency: 'USD' },
  };
  // Nobody gives credits to itself but the platform.
  expect(await call('creditGrantCreate', given, 'creditGrant { id }')).toEqual({
    userErrors: [{ code: 'FORBIDDEN', field: ['tenantId'] }],
    replayed: false,
    creditGrant: null,
  });
  const grant = await call(
    'creditGrantCreate',
    {
      tenantId: resellerId,
      kind: 'PAID',
      unit: 'credit',
      unitWorth: { amount: '0.01', currency: 'USD' },
      amount: '1000',
      costBasis: { amount: '8', currency: 'USD' },
      expiresAt: '2027-01-01T00:00:00Z',
    },
    'creditGrant { id tenantId kind unit unitWorth { amount currency } amount left costBasis { amount } priority meterIds models expiresAt }',
    product.platformKey,
  );
  expect(grant).toEqual({
    userErrors: [],
    replayed: false,
    creditGrant: {
      id: expect.stringMatching(/^crg_/),
      tenantId: resellerId,
      kind: 'PAID',
      unit: 'credit',
      unitWorth: { amount: '0.01', currency: 'USD' },
      amount: '1000',
      left: '1000',
      costBasis: { amount: '8' },
      priority: 0,
      meterIds: [],
      models: [],
      expiresAt: '2027-01-01T00:00:00.000Z',
    },
  });
  expect(
    await call(
      'creditTransfer',
      { fromTenantId: resellerId, toTenantId: childId, unit: 'credit', amount: '250' },
      'creditTransaction { kind } creditGrants { tenantId left costBasis { amount } }',
    ),
  ).toEqual({
    userErrors: [],
    replayed: false,
    creditTransaction: { kind: 'TRANSFER_OUT' },
    creditGrants: [{ tenantId: childId, left: '250', costBasis: { amount: '2' } }],
  });
  // Nor takes any off by itself: of what was paid for them its seller would owe it the cost.
  expect(
    await call('creditGrantRefund', { creditGrantId: grant.creditGrant.id, amount: '500' }, 'cost { amount }'),
  ).toEqual({ userErrors: [{ code: 'FORBIDDEN', field: ['tenantId'] }], replayed: false, cost: null });
  expect(
    await call(
      'creditGrantRefund',
      { tenantId: resellerId, creditGrantId: grant.creditGrant.id, amount: '500', reason: 'too many' },
      'creditGrant { left } creditTransaction { kind reason entries { account unit amount pays } } cost { amount currency }',
      product.platformKey,
    ),
  ).toEqual({
    userErrors: [],
    replayed: false,
    creditGrant: { left: '250' },
    creditTransaction: {
      kind: 'REFUND',
      reason: 'too many',
      entries: [
        { account: `grant:${grant.creditGrant.id}`, unit: 'credit', amount: '-500', pays: null },
        { account: 'issued', unit: 'credit', amount: '500', pays: null },
      ],
    },
    cost: { amount: '4', currency: 'USD' },
  });
  const recharge = { unit: 'credit', below: '100', amount: '1000' };
  expect(
    await call('creditRechargeSet', { tenantId: childId, ...recharge }, 'creditBalance { recharge { below isLow } }'),
  ).toMatchObject({ creditBalance: { recharge: { below: '100', isLow: false } } });
  await burn(product, childId, { amount: '1.8' });

  const { data } = await product.graphql(
    key,
    `query ($id: ID) { tenant(id: $id) {
      creditBalances { edges { node { unit available upcoming nextExpiry { amount at } recharge { below amount isLow } } } }
      creditGrants { edges { node { left } } }
      creditTransactions(first: 1) { edges { node { kind asked { amount currency } reverses entries { account amount pays } } } pageInfo { hasNextPage } } } }`,
    { id: childId },
  );
  expect(data.tenant).toEqual({
    creditBalances: {
      edges: [
        {
          node: {
            unit: 'credit',
            available: '70',
            upcoming: '0',
            nextExpiry: { amount: '70', at: '2027-01-01T00:00:00.000Z' },
            recharge: { below: '100', amount: '1000', isLow: true },
          },
        },
      ],
    },
    creditGrants: { edges: [{ node: { left: '70' } }] },
    creditTransactions: {
      edges: [
        {
          node: {
            kind: 'BURN',
            asked: { amount: '1.8', currency: 'USD' },
            reverses: null,
            entries: [
              { account: expect.stringMatching(/^grant:crg_/), amount: '-180', pays: '1.8' },
              { account: 'used', amount: '180', pays: null },
            ],
          },
        },
      ],
      pageInfo: { hasNextPage: true },
    },
  });

  // What usage has burned is given back by whoever sells to it, by the id that its ledger tells.
  const [burned] = (
    await product.graphql(
      key,
      'query ($id: ID) { tenant(id: $id) { creditTransactions(first: 1) { edges { node { id } } } } }',
      { id: childId },
    )
  ).data.tenant.creditTransactions.edges;
  const back = { tenantId: childId, creditTransactionId: burned.node.id, amount: '0.8', reason: 'counted twice' };
  const ownKey = await aKey(product.app, product.scope(childId));
  expect(await call('creditBurnReverse', { ...back, tenantId: null }, 'creditTransaction { id }', ownKey)).toEqual({
    userErrors: [{ code: 'FORBIDDEN', field: ['tenantId'] }],
    replayed: false,
    creditTransaction: null,
  });
  expect(
    await call(
      'creditBurnReverse',
      back,
      'creditTransaction { kind reason reverses asked { amount currency } entries { account amount pays } }',
    ),
  ).toEqual({
    userErrors: [],
    replayed: false,
    creditTransaction: {
      kind: 'REVERSAL',
      reason: 'counted twice',
      reverses: burned.node.id,
      asked: { amount: '0.8', currency: 'USD' },
      entries: [
        { account: expect.stringMatching(/^grant:crg_/), amount: '80', pays: '-0.8' },
        { account: 'used', amount: '-80', pays: null },
      ],
    },
  });
});

import { randomUUID } from 'node:crypto';
import { aMeter, aPriceBook, aTenant, aVersion, perUnit } from '../support/builders.js';
import { aKey, aProduct, type Product } from '../support/product.js';

const NOW = new Date('2026-11-20T12:00:00Z');

let product: Product;
let meterId: string;

beforeAll(async () => {
  product = await aProduct({ now: NOW });
  meterId = await aMeter(product);
});

afterAll(() => product.close());

const ask = async (query: string, variables: object = {}, key = product.platformKey) => {
  const { data, errors } = await product.graphql(key, query, variables);
  expect(errors).toBeUndefined();

  return data;
};

const SNAPSHOT = `mutation ($input: FxSnapshotCreateInput!) { fxSnapshotCreate(input: $input) {
  fxSnapshot { id base quote rate asOf source createdAt } replayed userErrors { code field } } }`;

const snapshot = () =>
  ask(SNAPSHOT, {
    input: {
      idempotencyKey: randomUUID(),
      base: 'USD',
      quote: 'EUR',
      rate: '0.920',
      asOf: '2026-11-19T00:00:00Z',
      source: 'ECB',
    },
  });

const VERSION = `mutation ($input: PriceBookVersionCreateInput!) { priceBookVersionCreate(input: $input) {
  priceBookVersion { id
    basis { priceBookId versionId fxSnapshotId adjustments { meterId dimensions { name value } percent floor { unitAmount per } } }
    discounts { id name meterId dimensions { name value } currency basis mode tiers { upTo rate } } }
  userErrors { code message field } } }`;

const aBook = async (currency = 'USD'): Promise<string> =>
  (
    await product.app.services.pricing.createBook(product.scope(), {
      name: `Book ${randomUUID()}`,
      currency,
      idempotencyKey: randomUUID(),
    })
  ).book.id;

const version = async (input: object) => {
  const data = await ask(VERSION, { input: { idempotencyKey: randomUUID(), ...input } });

  return data.priceBookVersionCreate;
};

describe('the API of price books', () => {
  test('enters an exchange rate, lists it and finds it by its id', async () => {
    const { fxSnapshotCreate } = await snapshot();
    const { fxSnapshot } = fxSnapshotCreate;
    expect(fxSnapshotCreate).toEqual({
      fxSnapshot: {
        id: expect.stringMatching(/^fxs_/),
        base: 'USD',
        quote: 'EUR',
        rate: '0.92',
        asOf: '2026-11-19T00:00:00.000Z',
        source: 'ECB',
        createdAt: expect.stringMatching(/^2026-11-20T12:00/),
      },
      replayed: false,
      userErrors: [],
    });
    const { node, tenant } = await ask(
      `query ($id: ID!) { node(id: $id) { ... on FxSnapshot { rate } }
        tenant { fxSnapshots(first: 1) { edges { node { id } } pageInfo { hasNextPage } } } }`,
      { id: fxSnapshot.id },
    );
    expect(node).toEqual({ rate: '0.92' });
    expect(tenant.fxSnapshots).toEqual({ edges: [{ node: { id: fxSnapshot.id } }], pageInfo: { hasNextPage: false } });
  });

  test('writes a version with a basis and discounts, and shows them as they were given', async () => {
    const { bookId: parent } = await aPriceBook(product, {
      prices: [{ meterId, pattern: { model: 'sol' }, terms: perUnit('10') }],
    });
    const { fxSnapshot } = (await snapshot()).fxSnapshotCreate;
    const { priceBookVersion, userErrors } = await version({
      priceBookId: await aBook('EUR'),
      prices: [],
      basis: {
        priceBookId: parent,
        fxSnapshotId: fxSnapshot.id,
        adjustments: [
          { percent: '15' },
          { meterId, dimensions: [{ name: 'model', value: 's*' }], percent: '-20', floor: { unitAmount: '7' } },
        ],
      },
      discounts: [{ name: 'Much', basis: 'SPEND', tiers: [{ upTo: '100', rate: '0' }, { rate: '5.50' }] }],
    });
    expect(userErrors).toEqual([]);
    expect(priceBookVersion.basis).toEqual({
      priceBookId: parent,
      versionId: null,
      fxSnapshotId: fxSnapshot.id,
      adjustments: [
        { meterId: null, dimensions: [], percent: '15', floor: null },
        {
          meterId,
          dimensions: [{ name: 'model', value: 's*' }],
          percent: '-20',
          floor: { unitAmount: '7', per: '1' },
        },
      ],
    });
    expect(priceBookVersion.discounts).toEqual([
      {
        id: expect.stringMatching(/^dsc_/),
        name: 'Much',
        meterId: null,
        dimensions: [],
        currency: 'EUR',
        basis: 'SPEND',
        mode: 'VOLUME',
        tiers: [
          { upTo: '100', rate: '0' },
          { upTo: null, rate: '5.5' },
        ],
      },
    ]);

    // 10 × 0.8 × 0.92 is 7.36 and above the floor.
    const { node } = await ask(
      `query ($id: ID!) { node(id: $id) { ... on PriceBookVersion { livePrices { edges { node { name currency unitAmount
        dimensions { name value } inheritedFrom { percent fxSnapshotId isFloored inheritedFrom { percent } } } } } } } }`,
      { id: priceBookVersion.id },
    );
    expect(node.livePrices.edges).toEqual([
      {
        node: {
          name: 'Tokens',
          currency: 'EUR',
          unitAmount: '7.36',
          dimensions: [{ name: 'model', value: 'sol' }],
          inheritedFrom: { percent: '-20', fxSnapshotId: fxSnapshot.id, isFloored: false, inheritedFrom: null },
        },
      },
    ]);
  });

  test('names the field at fault of a basis and of a discount', async () => {
    const { bookId: parent } = await aPriceBook(product, { prices: [{ meterId, terms: perUnit('10') }] });
    const priceBookId = await aBook();
    const refused = async (given: object) => (await version({ priceBookId, prices: [], ...given })).userErrors;
    expect(await refused({ basis: { priceBookId: parent, adjustments: [{ percent: '-100' }] } })).toMatchObject([
      { code: 'INVALID_INPUT', field: ['basis', 'adjustments', '0', 'percent'] },
    ]);
    expect(
      await refused({
        basis: { priceBookId: parent },
        discounts: [{ name: 'x', basis: 'SPEND', tiers: [{ rate: '101' }] }],
      }),
    ).toMatchObject([{ code: 'INVALID_INPUT', field: ['discounts', '0', 'tiers', '0', 'rate'] }]);
    const off = { basis: 'SPEND', tiers: [{ rate: '60' }] };
    expect(
      await refused({
        basis: { priceBookId: parent },
        discounts: [
          { name: 'One', ...off },
          { name: 'Other', ...off },
        ],
      }),
    ).toMatchObject([{ code: 'INVALID_INPUT', field: ['discounts', '0'] }]);
  });

  test('shows the live prices of a version page by page, at any instant', async () => {
    const models = ['a', 'b', 'c'];
    const prices = (unitAmount: string) =>
      models.map(model => ({ meterId, pattern: { model }, terms: perUnit(unitAmount) }));
    const { bookId: parent } = await aPriceBook(product, { prices: prices('10') });
    await aVersion(product, { bookId: parent, prices: prices('20'), effectiveAt: new Date('2026-12-01T00:00:00Z') });
    const { priceBookVersion } = await version({
      priceBookId: await aBook(),
      prices: [{ meterId, name: 'Own', dimensions: [{ name: 'model', value: 'b' }], model: 'UNIT', unitAmount: '5' }],
      basis: { priceBookId: parent },
    });
    const page = async (at: string | null, after: string | null) =>
      (
        await ask(
          `query ($id: ID!, $at: DateTime, $after: String) { node(id: $id) { ... on PriceBookVersion {
            livePrices(at: $at, first: 2, after: $after) { edges { node { unitAmount dimensions { value } } } pageInfo { hasNextPage endCursor } } } } }`,
          { id: priceBookVersion.id, at, after },
        )
      ).node.livePrices;
    const all = async (at: string | null) => {
      const first = await page(at, null);
      const second = await page(at, first.pageInfo.endCursor);
      expect([first.pageInfo.hasNextPage, second.pageInfo.hasNextPage]).toEqual([true, false]);

      return [...first.edges, ...second.edges]
        .map(({ node }) => `${node.dimensions[0].value} ${node.unitAmount}`)
        .sort();
    };
    expect(await all(null)).toEqual(['a 10', 'b 5', 'c 10']);
    expect(await all('2026-12-01T00:00:00Z')).toEqual(['a 20', 'b 5', 'c 20']);
  });

  test('compares two versions price by price, with what they take over', async () => {
    const { bookId: parent } = await aPriceBook(product, {
      prices: [
        { meterId, pattern: { model: 'both' }, terms: perUnit('80') },
        { meterId, pattern: { model: 'replaced' }, terms: perUnit('50') },
      ],
    });
    const own = (model: string, unitAmount: string, more: object = {}) => ({
      meterId,
      name: model,
      dimensions: [{ name: 'model', value: model }],
      model: 'UNIT',
      unitAmount,
      ...more,
    });
    const priceBookId = await aBook();
    const { priceBookVersion: one } = await version({
      priceBookId,
      prices: [own('gone', '1'), own('same', '2'), own('minimum', '3')],
      basis: { priceBookId: parent },
    });
    const { priceBookVersion: two } = await version({
      priceBookId,
      prices: [own('same', '2.0'), own('minimum', '3', { minimum: '10' }), own('replaced', '40'), own('new', '7')],
      basis: { priceBookId: parent, adjustments: [{ percent: '22.5' }] },
    });
    const DIFF = `query ($id: ID!, $toId: ID!, $first: Int!, $after: String) { node(id: $id) { ... on PriceBookVersion {
      diff(toId: $toId) { added changed removed same changes(first: $first, after: $after) {
        edges { node { kind ratio before { unitAmount minimum dimensions { value } inheritedFrom { percent } }
          after { unitAmount minimum dimensions { value } inheritedFrom { percent } } } } pageInfo { hasNextPage endCursor } } } } } }`;
    const read = async (first: number, after: string | null = null) =>
      (await ask(DIFF, { id: one.id, toId: two.id, first, after })).node.diff;
    const diff = await read(20);
    expect(diff).toMatchObject({ added: 1, changed: 3, removed: 1, same: 1 });
    const side = (given: { unitAmount: string; dimensions: { value: string }[] } | null) =>
      given && `${given.dimensions[0]?.value} ${given.unitAmount}`;
    expect(
      diff.changes.edges.map(({ node }: { node: Record<string, never> }) => [
        node['kind'],
        side(node['before'] ?? null),
        side(node['after'] ?? null),
        node['ratio'],
      ]),
    ).toEqual([
      ['CHANGED', 'both 80', 'both 98', '1.225'],
      ['CHANGED', 'minimum 3', 'minimum 3', null],
      ['CHANGED', 'replaced 50', 'replaced 40', '0.8'],
      ['ADDED', null, 'new 7', null],
      ['REMOVED', 'gone 1', null, null],
    ]);
    const [both, , replaced] = diff.changes.edges;
    expect([replaced.node.before.inheritedFrom, replaced.node.after.inheritedFrom]).toEqual([{ percent: '0' }, null]);
    expect(both.node.after.inheritedFrom).toEqual({ percent: '22.5' });

    // Page by page it is the same list; and nothing differs from itself.
    const pages: unknown[] = [];

    for (let after: string | null = null, more = true; more;) {
      const { changes } = await read(2, after);
      pages.push(...changes.edges);
      ({ endCursor: after, hasNextPage: more } = changes.pageInfo);
    }

    expect(pages).toEqual(diff.changes.edges);
    const itself = await ask(DIFF, { id: one.id, toId: one.id, first: 5 });
    expect(itself.node.diff).toMatchObject({ added: 0, changed: 0, removed: 0, same: 5, changes: { edges: [] } });
  });

  test('compares with no version of another tenant, and answers as for one that is not there', async () => {
    const reseller = await aTenant(product, { kind: 'RESELLER' });
    const { versionId: foreign } = await aPriceBook(product, {
      ownerId: reseller,
      prices: [{ meterId, terms: perUnit('1') }],
    });
    const { versionId } = await aPriceBook(product, { prices: [{ meterId, terms: perUnit('1') }] });
    const refused = async (toId: string) => {
      const { data, errors } = await product.graphql(
        product.platformKey,
        'query ($id: ID!, $toId: ID!) { node(id: $id) { ... on PriceBookVersion { diff(toId: $toId) { same } } } }',
        { id: versionId, toId },
      );
      expect(data.node).toBeNull();

      return errors?.map(({ message, extensions }) => [extensions.code, message.replace(toId, '<id>')]);
    };
    const random = await refused(`pbv_${'0'.repeat(26)}`);
    expect(random).toEqual([['NOT_FOUND', 'price book version <id> does not exist']]);
    expect(await refused(foreign)).toEqual(random);
  });

  test('makes contracts in a currency, pinned and with a commitment, and shows what they say', async () => {
    const { bookId, versionId } = await aPriceBook(product, {
      prices: [{ meterId, currency: 'EUR', terms: perUnit('1') }],
    });
    const buyerId = await aTenant(product);
    const { contractCreate } = await ask(
      `mutation ($input: ContractCreateInput!) { contractCreate(input: $input) {
        contract { currency priceBookVersionId commitmentAmount } userErrors { code field } } }`,
      {
        input: {
          idempotencyKey: randomUUID(),
          buyerId,
          priceBookId: bookId,
          priceBookVersionId: versionId,
          currency: 'EUR',
          commitmentAmount: '1000.50',
          startsAt: '2026-11-01T00:00:00Z',
        },
      },
    );
    expect(contractCreate).toEqual({
      contract: { currency: 'EUR', priceBookVersionId: versionId, commitmentAmount: '1000.5' },
      userErrors: [],
    });
    // The buyer sees its own contract.
    const key = await aKey(product.app, product.scope(buyerId));
    expect(
      (await ask('{ tenant { contracts { edges { node { currency } } } } }', {}, key)).tenant.contracts.edges,
    ).toEqual([{ node: { currency: 'EUR' } }]);
  });
});

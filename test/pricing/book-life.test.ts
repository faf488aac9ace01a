import { randomUUID } from 'node:crypto';
import { inTransaction } from '../../src/platform/index.js';
import { priceTermsJson, type PriceTermsJson } from '../../src/pricing/price.rules.js';
import type { VersionDraft } from '../../src/pricing/pricing.service.js';
import { aMeter, anEvent, aPriceBook, aTenant, aVersion, perUnit, rate } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aProduct, type Product } from '../support/product.js';

const at = (text: string): Date => new Date(text);
const NOW = at('2026-11-20T12:00:00Z');
const LONG_AGO = at('2020-01-01T00:00:00Z');

let product: Product;
let meterId: string;

beforeAll(async () => {
  product = await aProduct({ now: NOW });
  meterId = await aMeter(product, { key: 'tokens' });
});

beforeEach(() => product.setClock(NOW));

afterAll(() => product.close());

const pricing = () => product.app.services.pricing;

const aBook = async (name = `Book ${randomUUID()}`, currency = 'USD'): Promise<string> =>
  (await pricing().createBook(product.scope(), { name, currency, idempotencyKey: randomUUID() })).book.id;

const draft = async (priceBookId: string, given: Partial<Omit<VersionDraft, 'priceBookId'>> = {}): Promise<string> =>
  (
    await pricing().createVersion(product.scope(), {
      priceBookId,
      prices: [],
      idempotencyKey: randomUUID(),
      ...given,
    })
  ).version.id;

const publish = (versionId: string, effectiveAt = LONG_AGO) =>
  pricing().publish(product.scope(), { versionId, effectiveAt });

/** A version that is published at once. */
const published = async (
  priceBookId: string,
  given: Parameters<typeof draft>[1] = {},
  effectiveAt = LONG_AGO,
): Promise<string> => {
  const id = await draft(priceBookId, given);
  await publish(id, effectiveAt);

  return id;
};

const price = (unitAmount: string, pattern: Readonly<Record<string, string>> = {}, more: object = {}) => ({
  meterId,
  name: `Tokens at ${unitAmount}`,
  pattern,
  terms: perUnit(unitAmount),
  ...more,
});

/** A book on another one, published. */
const derived = async (
  basis: NonNullable<VersionDraft['basis']>,
  prices: VersionDraft['prices'] = [],
  when = LONG_AGO,
) => {
  const bookId = await aBook();

  return { bookId, versionId: await published(bookId, { basis, prices }, when) };
};

const fx = async (base: string, quote: string, value: string): Promise<string> =>
  (
    await product.app.services.fxSnapshots.create(product.scope(), {
      base,
      quote,
      rate: value,
      asOf: at('2026-11-01T00:00:00Z'),
      source: 'the central bank',
      idempotencyKey: randomUUID(),
    })
  ).snapshot.id;

/** The terms of a version's live prices as the model's amounts, by dimensions. */
const live = async (versionId: string, when = NOW) => {
  const { prices } = await pricing().live(product.scope(), versionId, when);

  return prices
    .map(({ pattern, currency, terms }) => {
      const json: PriceTermsJson = priceTermsJson(terms);

      return `${JSON.stringify(pattern)} ${json.unitAmount ?? json.flatAmount ?? json.markup ?? ''} ${currency}`;
    })
    .sort();
};

const left = async (): Promise<object> => ({
  versions: await asSuperuser(product.database, 'select * from price_book_version order by id'),
  prices: await asSuperuser(product.database, 'select count(*)::int as n from price'),
  rates: await asSuperuser(product.database, 'select * from fx_snapshot order by id'),
  contracts: await asSuperuser(product.database, 'select * from contract order by id'),
  keys: await asSuperuser(product.database, 'select key from idempotency order by key'),
  lines: await asSuperuser(product.database, 'select tenant_id, seq from audit_head order by tenant_id'),
  facts: await asSuperuser(product.database, 'select id from outbox order by id'),
});

async function refused(work: () => Promise<unknown>, expected: object): Promise<void> {
  const before = await left();
  await expect(work()).rejects.toMatchObject(expected);
  expect(await left()).toEqual(before);
}

interface Charge {
  readonly name: string;
  readonly amount: string;
  readonly quantity: string;
  readonly currency: string;
  readonly version: string;
  readonly meter: string | null;
  readonly explanation: Readonly<Record<string, unknown>> & { readonly sentence: string };
}

const charges = (tenantId: string) =>
  asSuperuser<Charge>(
    product.database,
    `select price_name as name, trim_scale(amount)::text as amount, trim_scale(quantity)::text as quantity, currency,
       price_version_id as version, meter_id as meter, explanation
     from charge where tenant_id = $1 order by period_start, price_name, taken_by, generation`,
    [tenantId],
  );

const amounts = async (tenantId: string) => (await charges(tenantId)).map(({ name, amount }) => [name, amount]);

const use = async (
  tenantId: string,
  ...events: readonly (readonly [time: string, tokens: string, model?: string])[]
) => {
  await product.app.services.usage.accept(
    product.scope(tenantId),
    events.map(([time, tokens, model = 'm']) => anEvent({ time, properties: { model, tokens } })),
    { keyId: 'test', isDryRun: false },
  );
};

const aBuyer = async (
  bookId: string,
  more: Partial<Parameters<Product['app']['services']['contracts']['create']>[1]> = {},
) => {
  const buyerId = await aTenant(product);
  await product.app.services.contracts.create(product.scope(), {
    buyerId,
    priceBookId: bookId,
    startsAt: LONG_AGO,
    graceHours: 24,
    idempotencyKey: randomUUID(),
    ...more,
  });

  return buyerId;
};

/** Does what a change of a book asks for, as the jobs would, and tells whose usage was rated anew. */
const reprice = async (bookId: string, from: Date): Promise<string[]> => {
  await asSuperuser(product.database, 'delete from outbox');
  await product.app.services.rating.reprice(product.scope(), bookId, from);
  const told = await asSuperuser<{ tenant: string }>(
    product.database,
    `delete from outbox where topic = 'contract.changed' returning tenant_id as tenant`,
  );

  for (const { tenant } of told) {
    await product.app.services.rating.rerate(product.scope(tenant), from);
  }

  return told.map(({ tenant }) => tenant).sort();
};

describe('an exchange rate', () => {
  const create = (given: object = {}) =>
    product.app.services.fxSnapshots.create(product.scope(), {
      base: 'USD',
      quote: 'EUR',
      rate: '0.92',
      asOf: at('2026-11-19T00:00:00Z'),
      source: 'ECB',
      idempotencyKey: randomUUID(),
      ...given,
    });

  test('is entered once by its idempotency key, with a line in the audit log', async () => {
    const idempotencyKey = randomUUID();
    const { snapshot } = await create({ idempotencyKey });
    expect(await create({ idempotencyKey })).toMatchObject({ snapshot: { id: snapshot.id }, replayed: true });
    await refused(() => create({ idempotencyKey, rate: '0.93' }), { code: 'IDEMPOTENCY_KEY_REUSED' });
    expect(
      await asSuperuser(product.database, 'select action, after from audit_line where subject_id = $1', [snapshot.id]),
    ).toEqual([
      {
        action: 'fx_snapshot.created',
        after: { base: 'USD', quote: 'EUR', rate: '0.92', asOf: '2026-11-19T00:00:00.000Z', source: 'ECB' },
      },
    ]);
  });

  test.each([
    ['a currency that is none', { base: 'XYZ' }, 'base'],
    ['one currency twice', { quote: 'USD' }, 'quote'],
    ['a rate of zero', { rate: '0' }, 'rate'],
    ['a negative rate', { rate: '-1' }, 'rate'],
    ['a rate that is no decimal', { rate: '1e3' }, 'rate'],
    ['an instant to come', { asOf: at('2026-11-20T12:05:00Z') }, 'asOf'],
    ['no source', { source: ' ' }, 'source'],
    ['a source with a NUL', { source: 'a\0' }, 'source'],
  ])('with %s is refused', async (_what, given, field) => {
    await refused(() => create(given), { code: 'INVALID_INPUT', field: [field] });
  });

  test('is never changed or deleted', async () => {
    const { snapshot } = await create();

    for (const sql of ['update fx_snapshot set rate = 1 where id = $1', 'delete from fx_snapshot where id = $1']) {
      await expect(asSuperuser(product.database, sql, [snapshot.id])).rejects.toThrow('never changed or deleted');
    }
  });

  test('converts what names it, 80 dollars at 0.92 to 73.60 euro, and a later one changes nothing of that', async () => {
    const { bookId: list } = await aPriceBook(product, { prices: [{ meterId, terms: perUnit('80') }] });
    const snapshot = await fx('USD', 'EUR', '0.92');
    const { bookId } = await derived({ priceBookId: list, fxSnapshotId: snapshot });
    const buyer = await aBuyer(bookId, { currency: 'EUR' });
    await use(buyer, ['2026-11-03T10:00:00Z', '1']);
    await rate(product, buyer);
    const [charge] = await charges(buyer);
    expect(charge).toMatchObject({
      amount: '73.6',
      currency: 'EUR',
      explanation: { inheritedFrom: { percent: '0', fxSnapshotId: snapshot, isFloored: false, inheritedFrom: null } },
    });
    await fx('USD', 'EUR', '0.5');
    await reprice(list, LONG_AGO);
    expect(await charges(buyer)).toEqual([charge]);
  });
});

describe('a version on another book', () => {
  test('takes every price over as it is, and one by one as its adjustments say', async () => {
    const { bookId: parent } = await aPriceBook(product, {
      prices: [
        { meterId, pattern: { model: 'inherit' }, terms: perUnit('100') },
        { meterId, pattern: { model: 'less' }, terms: perUnit('100') },
        { meterId, pattern: { model: 'more' }, terms: perUnit('100') },
        { meterId, pattern: { model: 'fixed' }, terms: perUnit('100') },
        { meterId, pattern: { model: 'floor' }, terms: perUnit('100') },
        { meterId, pattern: { model: 'floor-high' }, terms: perUnit('200') },
      ],
    });
    const { versionId } = await derived(
      {
        priceBookId: parent,
        adjustments: [
          { dimensions: { model: 'less' }, percent: '-20' },
          { dimensions: { model: 'more' }, percent: '15' },
          { dimensions: { model: 'floor*' }, percent: '-30', floor: { unitAmount: '90' } },
        ],
      },
      [price('95', { model: 'fixed' }), price('1', { model: 'extra' })],
    );
    expect(await live(versionId)).toEqual([
      '{"model":"extra"} 1 USD',
      '{"model":"fixed"} 95 USD',
      '{"model":"floor"} 90 USD',
      '{"model":"floor-high"} 140 USD',
      '{"model":"inherit"} 100 USD',
      '{"model":"less"} 80 USD',
      '{"model":"more"} 115 USD',
    ]);
  });

  test('follows its parent: a list that goes from 80 to 98 takes a book of 15 per cent on it from 92 to 112.70', async () => {
    const { bookId: parent } = await aPriceBook(product, { prices: [{ meterId, terms: perUnit('80') }] });
    const { bookId, versionId } = await derived({ priceBookId: parent, adjustments: [{ percent: '15' }] });
    const buyer = await aBuyer(bookId);
    await use(buyer, ['2026-11-03T10:00:00Z', '1'], ['2026-11-17T10:00:00Z', '2']);
    await rate(product, buyer);
    expect(await amounts(buyer)).toEqual([['Tokens', '276']]);

    const cut = at('2026-11-10T00:00:00Z');
    const later = await aVersion(product, {
      bookId: parent,
      prices: [{ meterId, terms: perUnit('98') }],
      effectiveAt: cut,
    });
    expect(await reprice(parent, cut)).toEqual([buyer]);
    expect(await live(versionId, at('2026-11-09T23:59:59Z'))).toEqual(['{} 92 USD']);
    expect(await live(versionId, cut)).toEqual(['{} 112.7 USD']);
    const [before, after] = await charges(buyer);
    expect([before?.amount, after?.amount]).toEqual(['92', '225.4']);
    expect([before?.version, after?.version]).toEqual([versionId, versionId]);
    expect(after?.explanation).toMatchObject({
      priceBookVersionId: versionId,
      priceBookVersionNumber: 1,
      inheritedFrom: { priceBookVersionId: later, percent: '15', fxSnapshotId: null, isFloored: false },
      sentence:
        'For 3 since the period began: 3 × 112.7 = 338.1; in total 338.1 USD. Less the first 1, at the same prices: 1 × 112.7 = 112.7; in total 112.7 USD. That is 225.4 USD.',
    });
  });

  test('is one list of slices, each from the instant at which either book changed', async () => {
    const { bookId: parent, versionId: first } = await aPriceBook(product, {
      prices: [{ meterId, terms: perUnit('10') }],
      effectiveAt: at('2026-01-01T00:00:00Z'),
    });
    const bookId = await aBook();
    const one = await published(bookId, { basis: { priceBookId: parent } }, at('2025-06-01T00:00:00Z'));
    const two = await published(
      bookId,
      { basis: { priceBookId: parent, adjustments: [{ percent: '10' }] } },
      at('2026-03-01T00:00:00Z'),
    );
    const second = await aVersion(product, {
      bookId: parent,
      prices: [{ meterId, terms: perUnit('20') }],
      effectiveAt: at('2026-02-01T00:00:00Z'),
    });
    const third = await aVersion(product, {
      bookId: parent,
      prices: [{ meterId, terms: perUnit('30') }],
      effectiveAt: at('2026-12-01T00:00:00Z'),
    });
    const told = (versions: Awaited<ReturnType<ReturnType<typeof pricing>['published']>>) =>
      versions.map(({ id, number, effectiveAt, key, prices }) => [
        id,
        number,
        effectiveAt.toISOString().slice(0, 10),
        key,
        ...prices.map(({ terms }) => priceTermsJson(terms).unitAmount),
      ]);
    const all = [
      [one, 1, '2025-06-01', `${one}()`],
      [one, 1, '2026-01-01', `${one}(${first})`, '10'],
      [one, 1, '2026-02-01', `${one}(${second})`, '20'],
      [two, 2, '2026-03-01', `${two}(${second})`, '22'],
      [two, 2, '2026-12-01', `${two}(${third})`, '33'],
    ];
    const read = (within?: { start: Date; end: Date | null }) =>
      inTransaction(product.scope(), scope => pricing().published(scope, bookId, within ? { within } : {}));
    expect(told(await read())).toEqual(all);
    // Read again from what the process remembers, and only what a stretch of time needs.
    expect(told(await read())).toEqual(all);
    expect(
      told(await read({ start: at('2026-02-15T00:00:00Z'), end: at('2026-03-15T00:00:00Z') })).map(
        ([, , , key]) => key,
      ),
    ).toEqual([`${one}(${second})`, `${two}(${second})`]);
    // A version that is withdrawn before it takes effect is gone from the book below, too.
    await pricing().withdraw(product.scope(), third);
    expect(told(await read())).toEqual(all.slice(0, 4));
  });
});

describe('a version that is fixed to a version of another book', () => {
  test('keeps its prices whatever the other book publishes, from that version’s effective instant on', async () => {
    const { bookId: parent } = await aPriceBook(product, { prices: [{ meterId, terms: perUnit('80') }] });
    const fixed = await aVersion(product, {
      bookId: parent,
      prices: [{ meterId, terms: perUnit('90') }],
      effectiveAt: at('2026-11-10T00:00:00Z'),
    });
    const { versionId } = await derived({ priceBookId: parent, versionId: fixed });
    await aVersion(product, {
      bookId: parent,
      prices: [{ meterId, terms: perUnit('98') }],
      effectiveAt: at('2026-11-15T00:00:00Z'),
    });
    expect(await live(versionId, at('2026-11-09T23:45:00Z'))).toEqual([]);
    expect(await live(versionId, at('2026-11-10T00:00:00Z'))).toEqual(['{} 90 USD']);
    expect(await live(versionId, at('2027-01-01T00:00:00Z'))).toEqual(['{} 90 USD']);
  });

  test('holds off the withdrawal of that version until it is withdrawn itself', async () => {
    const { bookId: parent } = await aPriceBook(product, { prices: [{ meterId, terms: perUnit('80') }] });
    const soon = at('2026-12-01T00:00:00Z');
    const fixed = await aVersion(product, {
      bookId: parent,
      prices: [{ meterId, terms: perUnit('90') }],
      effectiveAt: soon,
    });
    const { versionId } = await derived({ priceBookId: parent, versionId: fixed }, [], soon);
    await refused(() => pricing().withdraw(product.scope(), fixed), {
      code: 'INVALID_TRANSITION',
      message: expect.stringContaining('1 published versions of other books take its prices over'),
    });
    await expect(
      asSuperuser(
        product.database,
        `update price_book_version set status = 'WITHDRAWN', withdrawn_at = now() where id = $1`,
        [fixed],
      ),
    ).rejects.toThrow('a published version takes its prices over');
    await pricing().withdraw(product.scope(), versionId);
    expect(await pricing().withdraw(product.scope(), fixed)).toMatchObject({ status: 'WITHDRAWN' });
  });

  test('is refused when that version is of another book, no published one, or no version at all', async () => {
    const { bookId: parent } = await aPriceBook(product, { prices: [{ meterId, terms: perUnit('80') }] });
    const { versionId: other } = await aPriceBook(product, { prices: [{ meterId, terms: perUnit('80') }] });
    const unpublished = await draft(parent, { prices: [price('1')] });
    const bookId = await aBook();

    for (const [versionId, code] of [
      [other, 'NOT_FOUND'],
      [unpublished, 'INVALID_TRANSITION'],
      [`pbv_${'0'.repeat(26)}`, 'NOT_FOUND'],
      ['', 'NOT_FOUND'],
    ]) {
      await refused(() => draft(bookId, { basis: { priceBookId: parent, versionId: versionId ?? '' } }), {
        code,
        field: ['basis', 'versionId'],
      });
    }
  });

  test('is not published once that version was withdrawn', async () => {
    const { bookId: parent } = await aPriceBook(product, { prices: [{ meterId, terms: perUnit('80') }] });
    const fixed = await aVersion(product, {
      bookId: parent,
      prices: [{ meterId, terms: perUnit('90') }],
      effectiveAt: at('2026-12-01T00:00:00Z'),
    });
    const versionId = await draft(await aBook(), { basis: { priceBookId: parent, versionId: fixed } });
    await pricing().withdraw(product.scope(), fixed);
    await refused(() => publish(versionId), { code: 'INVALID_TRANSITION', field: ['versionId'] });
  });
});

describe('a basis', () => {
  const parentOf = async (...prices: Parameters<typeof aPriceBook>[1]['prices']): Promise<string> =>
    (await aPriceBook(product, { prices: prices.length > 0 ? prices : [{ meterId, terms: perUnit('1') }] })).bookId;

  test.each<[string, (parent: string) => NonNullable<VersionDraft['basis']>, string, readonly string[]]>([
    ['a book that is none', () => ({ priceBookId: `pb_${'0'.repeat(26)}` }), 'NOT_FOUND', ['basis', 'priceBookId']],
    [
      'an exchange rate that is none',
      priceBookId => ({ priceBookId, fxSnapshotId: `fxs_${'0'.repeat(26)}` }),
      'NOT_FOUND',
      ['basis', 'fxSnapshotId'],
    ],
    [
      'an adjustment to nothing at all',
      priceBookId => ({
        priceBookId,
        adjustments: [{ percent: '5' }, { percent: '-100', meterId: null, dimensions: { model: 'm' } }],
      }),
      'INVALID_INPUT',
      ['basis', 'adjustments', '1', 'percent'],
    ],
    [
      'a meter that is none',
      priceBookId => ({ priceBookId, adjustments: [{ percent: '5', meterId: 'mtr_none' }] }),
      'NOT_FOUND',
      ['basis', 'adjustments', '0', 'meterId'],
    ],
    [
      'a dimension that the meter has not',
      priceBookId => ({ priceBookId, adjustments: [{ percent: '5', meterId, dimensions: { kind: 'x' } }] }),
      'INVALID_INPUT',
      ['basis', 'adjustments', '0', 'dimensions'],
    ],
    [
      'a star in the middle',
      priceBookId => ({ priceBookId, adjustments: [{ percent: '5', dimensions: { model: 'a*b' } }] }),
      'INVALID_INPUT',
      ['basis', 'adjustments', '0', 'dimensions'],
    ],
    [
      'an adjustment that changes nothing, for the price names no model',
      priceBookId => ({ priceBookId, adjustments: [{ percent: '5', dimensions: { model: 'gpt-6' } }] }),
      'INVALID_INPUT',
      ['basis', 'adjustments', '0'],
    ],
    [
      '1,001 adjustments',
      priceBookId => ({
        priceBookId,
        adjustments: Array.from({ length: 1_001 }, (_, n) => ({ percent: '1', dimensions: { model: `m${n}` } })),
      }),
      'INVALID_INPUT',
      ['basis', 'adjustments'],
    ],
  ])('with %s is refused', async (_what, basis, code, field) => {
    const parent = await parentOf();
    const bookId = await aBook();
    await refused(() => draft(bookId, { basis: basis(parent) }), { code, field });
  });

  test('on the book itself is refused, and so is a version without prices and without a basis', async () => {
    const bookId = await parentOf();
    await refused(() => draft(bookId, { basis: { priceBookId: bookId } }), {
      code: 'INVALID_INPUT',
      field: ['basis', 'priceBookId'],
    });
    await refused(() => draft(bookId), { code: 'INVALID_INPUT', field: ['prices'] });
  });

  test('with an exchange rate from a currency in which the parent has no price is refused', async () => {
    const parent = await parentOf();
    const snapshot = await fx('GBP', 'EUR', '1.1');
    const bookId = await aBook();
    await refused(() => draft(bookId, { basis: { priceBookId: parent, fxSnapshotId: snapshot } }), {
      code: 'INVALID_INPUT',
      field: ['basis', 'fxSnapshotId'],
    });
  });

  test('of another tenant is as if it were not there', async () => {
    const reseller = await aTenant(product, { kind: 'RESELLER' });
    const { bookId: foreign } = await aPriceBook(product, {
      ownerId: reseller,
      prices: [{ meterId, terms: perUnit('1') }],
    });
    const bookId = await aBook();
    await refused(() => draft(bookId, { basis: { priceBookId: foreign } }), {
      code: 'NOT_FOUND',
      field: ['basis', 'priceBookId'],
      message: `price book ${foreign} does not exist`,
    });
  });

  test('that closes a circle is refused with the way round, however it is written', async () => {
    const [a, b, c] = [
      await aBook(`A ${randomUUID()}`),
      await aBook(`B ${randomUUID()}`),
      await aBook(`C ${randomUUID()}`),
    ];
    await published(a, { prices: [price('1')] });
    await published(b, { basis: { priceBookId: a } });
    await published(c, { basis: { priceBookId: b } });
    const names = await asSuperuser<{ id: string; name: string }>(product.database, 'select id, name from price_book');
    const nameOf = (id: string) => names.find(book => book.id === id)?.name ?? '';
    await refused(() => draft(a, { basis: { priceBookId: c } }), {
      code: 'INVALID_INPUT',
      field: ['basis', 'priceBookId'],
      message: `the book would take over its own prices: ${[a, c, b, a].map(nameOf).join(' → ')}; choose a book that stands on none of these`,
    });
  });

  test('that closes a circle by drafts is refused when the second of them is published, also at once', async () => {
    const [a, b] = [await aBook(), await aBook()];
    const one = await draft(a, { basis: { priceBookId: b } });
    const other = await draft(b, { basis: { priceBookId: a } });
    const outcomes = await Promise.allSettled([publish(one), publish(other)]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const [lost] = outcomes.flatMap(outcome => (outcome.status === 'rejected' ? [outcome.reason as object] : []));
    expect(lost).toMatchObject({ code: 'INVALID_INPUT', field: ['versionId'] });
  });

  test('is taken five books high and refused six high, from below and from above', async () => {
    const books: string[] = [await aBook()];
    await published(books[0] ?? '', { prices: [price('1')] });

    for (let height = 2; height <= 5; height++) {
      const bookId = await aBook();
      await published(bookId, { basis: { priceBookId: books.at(-1) ?? '', adjustments: [{ percent: '100' }] } });
      books.push(bookId);
    }

    const [top] = await pricing().versions(product.scope(), books.at(-1) ?? '', { first: 1 });
    expect(await live(top?.id ?? '')).toEqual(['{} 16 USD']);
    const above = await aBook();
    await refused(() => draft(above, { basis: { priceBookId: books.at(-1) ?? '' } }), {
      code: 'INVALID_INPUT',
      message: expect.stringContaining('too many books would stand above each other'),
    });
    const below = await parentOf();
    await refused(() => draft(books[0] ?? '', { basis: { priceBookId: below } }), { code: 'INVALID_INPUT' });

    // What the lowest of them charges changes with the highest, and tells where it has it from, level by level.
    const buyer = await aBuyer(books[4] ?? '');
    await use(buyer, ['2026-11-18T10:00:00Z', '1']);
    await rate(product, buyer);
    await aVersion(product, {
      bookId: books[0] ?? '',
      prices: [{ meterId, terms: perUnit('2') }],
      effectiveAt: at('2026-11-15T00:00:00Z'),
    });
    expect(await reprice(books[0] ?? '', at('2026-11-15T00:00:00Z'))).toEqual([buyer]);
    const paid = (await charges(buyer)).filter(({ amount }) => amount !== '0');
    expect(paid.map(({ amount }) => amount)).toEqual(['32']);
    const levels: unknown[] = [];

    for (
      let from = paid[0]?.explanation['inheritedFrom'];
      from;
      from = (from as { inheritedFrom: unknown }).inheritedFrom
    ) {
      levels.push((from as { percent: string }).percent);
    }

    expect(levels).toEqual(['100', '100', '100', '100']);
  });

  test('in which an own price and one that is taken over match the same usage equally well is not published', async () => {
    const wide = await aMeter(product, {
      dimensions: [
        { name: 'model', property: 'model' },
        { name: 'region', property: 'region' },
      ],
    });
    const parent = await parentOf({ meterId: wide, name: 'By model', pattern: { model: 'm' }, terms: perUnit('1') });
    const own = { meterId: wide, name: 'By region', pattern: { region: 'r' }, terms: perUnit('2') };
    const versionId = await draft(await aBook(), { prices: [own], basis: { priceBookId: parent } });
    await refused(() => publish(versionId), {
      code: 'PRICES_AMBIGUOUS',
      message:
        'prices "By region" and "By model" (taken over) match the same usage and neither is more specific; narrow one of them',
    });
  });

  test('whose parent comes to match the same usage equally well later prices it by the own price', async () => {
    const eventType = `wide.${randomUUID()}`;
    const wide = await aMeter(product, {
      eventType,
      dimensions: [
        { name: 'model', property: 'model' },
        { name: 'region', property: 'region' },
      ],
    });
    const parent = await parentOf({ meterId: wide, name: 'All', terms: perUnit('1') });
    // Written first, so that its id is the lesser one and would win if ids decided.
    const later = await draft(parent, {
      prices: [{ meterId: wide, name: 'By model', pattern: { model: 'm' }, terms: perUnit('5') }],
    });
    const { bookId } = await derived({ priceBookId: parent }, [
      { meterId: wide, name: 'By region', pattern: { region: 'r' }, terms: perUnit('2') },
    ]);
    await publish(later, at('2026-11-01T00:00:00Z'));
    const buyer = await aBuyer(bookId);
    await product.app.services.usage.accept(
      product.scope(buyer),
      [anEvent({ type: eventType, time: '2026-11-05T10:00:00Z', properties: { model: 'm', region: 'r', tokens: 3 } })],
      { keyId: 'test', isDryRun: false },
    );
    await rate(product, buyer);
    expect(await amounts(buyer)).toEqual([['By region', '6']]);
  });
});

describe('an own price that goes on while its parent publishes', () => {
  test('is one charge, counted on over the change, and what is taken over is one for each version of the parent', async () => {
    const { bookId: parent } = await aPriceBook(product, {
      prices: [{ meterId, name: 'Taken', pattern: { model: 'taken' }, terms: perUnit('1') }],
    });
    const tiers: PriceTermsJson = {
      model: 'GRADUATED',
      tiers: [
        { upTo: '10', unitAmount: '10' },
        { upTo: null, unitAmount: '1' },
      ],
    };
    const { bookId } = await derived({ priceBookId: parent, adjustments: [{ percent: '50' }] }, [
      { meterId, name: 'Own', pattern: { model: 'own' }, terms: tiers },
    ]);
    await aVersion(product, {
      bookId: parent,
      prices: [{ meterId, name: 'Taken', pattern: { model: 'taken' }, terms: perUnit('2') }],
      effectiveAt: at('2026-11-10T00:00:00Z'),
    });
    const buyer = await aBuyer(bookId);
    await use(
      buyer,
      ['2026-11-02T10:00:00Z', '8', 'own'],
      ['2026-11-12T10:00:00Z', '8', 'own'],
      ['2026-11-02T10:00:00Z', '4', 'taken'],
      ['2026-11-12T10:00:00Z', '4', 'taken'],
    );
    await rate(product, buyer);
    expect((await charges(buyer)).map(({ name, quantity, amount }) => [name, quantity, amount])).toEqual([
      ['Own', '16', '106'],
      ['Taken', '4', '6'],
      ['Taken', '4', '12'],
    ]);
    const [own] = await charges(buyer);
    expect(own?.explanation).toMatchObject({ quantityFrom: '0', quantityTo: '16', cumulativeAmount: '106' });
    expect(own?.explanation.sentence).toBe(
      'Tier 1 (0 to 10): 8 × 10 = 80; in total 80 USD. For 16 since the period began: Tier 1 (0 to 10): 10 × 10 = 100; ' +
        'tier 2 (10 to any quantity): 6 × 1 = 6; in total 106 USD. Less the first 8, at the same prices: Tier 1 (0 to 10): 8 × 10 = 80; in total 80 USD. That is 26 USD.',
    );

    // Rating again, and after late usage, keeps them apart and adds up.
    await use(buyer, ['2026-11-03T10:00:00Z', '1', 'taken']);
    await rate(product, buyer);
    expect((await charges(buyer)).map(({ name, amount }) => [name, amount])).toEqual([
      ['Own', '106'],
      ['Taken', '7.5'],
      ['Taken', '12'],
    ]);
  });

  test('keeps the same price apart for each way it came, through books that change in between', async () => {
    const { bookId: top } = await aPriceBook(product, { prices: [{ meterId, terms: perUnit('100') }] });
    const middle = await aBook();
    const one = await published(middle, { basis: { priceBookId: top } });
    const { bookId, versionId } = await derived({ priceBookId: middle });
    const two = await published(
      middle,
      { basis: { priceBookId: top, adjustments: [{ percent: '10' }] } },
      at('2026-11-10T00:00:00Z'),
    );
    const buyer = await aBuyer(bookId);
    await use(buyer, ['2026-11-02T10:00:00Z', '1'], ['2026-11-12T10:00:00Z', '1']);
    await rate(product, buyer);
    const rows = await asSuperuser<{ price_id: string; taken_by: string; amount: string }>(
      product.database,
      'select price_id, taken_by, trim_scale(amount)::text as amount from charge where tenant_id = $1 order by amount',
      [buyer],
    );
    expect(rows.map(({ taken_by, amount }) => [taken_by, amount])).toEqual([
      [`${one} ${versionId}`, '100'],
      [`${two} ${versionId}`, '110'],
    ]);
    expect(new Set(rows.map(({ price_id }) => price_id)).size).toBe(1);
  });
});

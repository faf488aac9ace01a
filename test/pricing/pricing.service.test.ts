import { randomUUID } from 'node:crypto';
import type { PriceTermsJson } from '../../src/pricing/price.rules.js';
import type { PriceDraft } from '../../src/pricing/index.js';
import { isQuarterHour, nextQuarterHour, refuseWithdrawal } from '../../src/pricing/version.rules.js';
import { aMeter, aPriceBook, aTenant, aVersion } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aProduct, type Product } from '../support/product.js';

const at = (text: string): Date => new Date(text);
const FLAT: PriceTermsJson = { model: 'FLAT', flatAmount: '1' };

describe('version rules', () => {
  test.each([
    ['2026-11-20T12:00:00.000Z', '2026-11-20T12:00:00.000Z'],
    ['2026-11-20T12:00:00.001Z', '2026-11-20T12:15:00.000Z'],
    ['2026-11-20T23:59:59.999Z', '2026-11-21T00:00:00.000Z'],
  ])('the first quarter hour at or after %s is %s', (now, expected) => {
    expect(nextQuarterHour(at(now)).toISOString()).toBe(expected);
  });

  test.each([
    ['2026-11-20T12:45:00Z', true],
    ['2026-11-20T12:45:00.001Z', false],
    ['2026-11-20T12:50:00Z', false],
    ['1969-12-31T23:45:00Z', true],
  ])('%s is on a quarter hour: %s', (instant, expected) => {
    expect(isQuarterHour(at(instant))).toBe(expected);
  });

  test('only a published version that has not taken effect can be withdrawn', () => {
    const now = at('2026-11-20T12:00:00Z');
    expect(refuseWithdrawal('PUBLISHED', at('2026-11-20T12:00:00.001Z'), now)).toBeNull();
    expect(refuseWithdrawal('PUBLISHED', now, now)).toContain('took effect');
    expect(refuseWithdrawal('DRAFT', null, now)).toContain('DRAFT');
    expect(refuseWithdrawal('WITHDRAWN', at('2027-01-01T00:00:00Z'), now)).toContain('WITHDRAWN');
  });
});

describe('price books', () => {
  let product: Product;
  let meterId: string;

  beforeAll(async () => {
    product = await aProduct();
    meterId = await aMeter(product, { key: 'tokens' });
  });

  beforeEach(() => product.setClock(at('2026-11-20T12:07:00Z')));

  afterAll(() => product.close());

  const pricing = () => product.app.services.pricing;

  const aBook = async (ownerId = product.platformId, name = `Book ${randomUUID()}`): Promise<string> =>
    (await pricing().createBook(product.scope(ownerId), { name, currency: 'USD', idempotencyKey: randomUUID() })).book
      .id;

  const draft = (
    priceBookId: string,
    prices: readonly Partial<PriceDraft>[] = [{}],
    options: { ownerId?: string; idempotencyKey?: string } = {},
  ) =>
    pricing().createVersion(product.scope(options.ownerId), {
      priceBookId,
      prices: prices.map(price => ({ meterId, name: 'Tokens', pattern: {}, terms: FLAT, ...price })),
      idempotencyKey: options.idempotencyKey ?? randomUUID(),
    });

  const left = async (): Promise<object> => ({
    books: await asSuperuser(product.database, 'select * from price_book order by id'),
    versions: await asSuperuser(product.database, 'select * from price_book_version order by id'),
    prices: await asSuperuser(product.database, 'select * from price order by id'),
    keys: await asSuperuser(product.database, 'select key from idempotency order by key'),
    lines: await asSuperuser(product.database, 'select tenant_id, seq from audit_head order by tenant_id'),
    facts: await asSuperuser(product.database, 'select id from outbox order by id'),
  });

  async function refused(work: () => Promise<unknown>, expected: object): Promise<void> {
    const before = await left();
    await expect(work()).rejects.toMatchObject(expected);
    expect(await left()).toEqual(before);
  }

  const version = async (id: string) => {
    const [row] = await asSuperuser<{ status: string; effective_at: Date | null; number: number }>(
      product.database,
      'select status, effective_at, number from price_book_version where id = $1',
      [id],
    );

    return row;
  };

  test.each([
    ['an empty name', { name: ' ' }, 'name'],
    ['a name with NUL', { name: 'a\u0000' }, 'name'],
    ['a name of 201 characters', { name: 'n'.repeat(201) }, 'name'],
    ['a currency that is none', { currency: 'XYZ' }, 'currency'],
  ])('a book with %s is refused', async (_what, input, field) => {
    await refused(
      () =>
        pricing().createBook(product.scope(), {
          name: 'Book',
          currency: 'USD',
          idempotencyKey: randomUUID(),
          ...input,
        }),
      { code: 'INVALID_INPUT', field: [field] },
    );
  });

  test('a book has its name alone among the books of its owner', async () => {
    const reseller = await aTenant(product, { kind: 'RESELLER' });
    await aBook(product.platformId, 'List');
    await refused(() => aBook(product.platformId, 'List'), { code: 'ALREADY_EXISTS', field: ['name'] });
    await aBook(reseller, 'List');
  });

  test('a book is replayed by its idempotency key, and refused with other input', async () => {
    const input = { name: `Book ${randomUUID()}`, currency: 'USD', idempotencyKey: randomUUID() };
    const first = await pricing().createBook(product.scope(), input);
    expect(await pricing().createBook(product.scope(), input)).toMatchObject({
      book: { id: first.book.id },
      replayed: true,
    });
    await refused(() => pricing().createBook(product.scope(), { ...input, currency: 'EUR' }), {
      code: 'IDEMPOTENCY_KEY_REUSED',
    });
  });

  test('versions are numbered from 1 in their book, also when they are written at once', async () => {
    const bookId = await aBook();
    const made = await Promise.all(Array.from({ length: 5 }, () => draft(bookId)));
    expect(made.map(({ version: { number } }) => number).toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5]);
  });

  test('a draft is replayed by its idempotency key, and refused with other input', async () => {
    const bookId = await aBook();
    const idempotencyKey = randomUUID();
    const first = await draft(bookId, [{}], { idempotencyKey });
    expect(await draft(bookId, [{}], { idempotencyKey })).toMatchObject({
      version: { id: first.version.id },
      replayed: true,
    });
    await refused(() => draft(bookId, [{ name: 'Other' }], { idempotencyKey }), { code: 'IDEMPOTENCY_KEY_REUSED' });
  });

  test.each<[string, Parameters<typeof draft>[1], string, readonly string[]]>([
    ['no prices', [], 'INVALID_INPUT', ['prices']],
    ['a meter that is not there', [{}, { meterId: 'mtr_none' }], 'NOT_FOUND', ['prices', '1', 'meterId']],
    ['an empty name', [{ name: '' }], 'INVALID_INPUT', ['prices', '0', 'name']],
    [
      'a dimension that its meter has not',
      [{ pattern: { region: 'eu' } }],
      'INVALID_INPUT',
      ['prices', '0', 'dimensions'],
    ],
    ['an empty value', [{ pattern: { model: '' } }], 'INVALID_INPUT', ['prices', '0', 'dimensions']],
    ['a star in the middle', [{ pattern: { model: 'a*b' } }], 'INVALID_INPUT', ['prices', '0', 'dimensions']],
    [
      'a value that is too long',
      [{ pattern: { model: 'm'.repeat(129) } }],
      'INVALID_INPUT',
      ['prices', '0', 'dimensions'],
    ],
    ['a model without an amount', [{ terms: { model: 'FLAT' } }], 'INVALID_INPUT', ['prices', '0', 'flatAmount']],
    [
      'a number for an amount',
      [{ terms: { model: 'UNIT', unitAmount: 1, per: '1' } }],
      'INVALID_INPUT',
      ['prices', '0', 'unitAmount'],
    ],
    ['an unknown model', [{}, {}, { terms: { model: 'MAGIC' } }], 'INVALID_INPUT', ['prices', '2', 'model']],
    ['a currency that is none', [{ currency: 'usd' }], 'INVALID_INPUT', ['prices', '0', 'currency']],
    ['a source with NUL', [{ source: 'page\u0000' }], 'INVALID_INPUT', ['prices', '0', 'source']],
    [
      'a closed last tier',
      [{ terms: { model: 'VOLUME', tiers: [{ upTo: '10', unitAmount: '1' }] } }],
      'INVALID_INPUT',
      ['prices', '0', 'tiers', '0', 'upTo'],
    ],
    [
      'a price that looks at single events on a meter that keeps none',
      [{ terms: { model: 'PERCENTAGE', rate: '1', fixedAmount: '2' } }],
      'INVALID_INPUT',
      ['prices', '0', 'meterId'],
    ],
    [
      'a prorated price on a meter that keeps no events',
      [{ terms: { model: 'UNIT', unitAmount: '1', prorated: true } }],
      'INVALID_INPUT',
      ['prices', '0', 'meterId'],
    ],
    [
      'a window that ends before it begins',
      [{ window: { from: '2026-11-21T00:00:00Z', until: '2026-11-20T00:00:00Z' } }],
      'INVALID_INPUT',
      ['prices', '0', 'window', 'until'],
    ],
  ])('a draft with %s is refused, and the field is named', async (_what, prices, code, field) => {
    const bookId = await aBook();
    await refused(() => draft(bookId, prices), { code, field });
  });

  test('a draft in another owner’s book is refused like one in no book', async () => {
    const reseller = await aTenant(product, { kind: 'RESELLER' });
    const [mine, theirs] = [await aBook(), await aBook(reseller)];
    await refused(() => draft(theirs), { code: 'NOT_FOUND', message: `price book ${theirs} does not exist` });
    await refused(() => draft(mine, [{}], { ownerId: reseller }), { code: 'NOT_FOUND', field: ['priceBookId'] });
  });

  test('a reseller prices the platform’s meters and its own, and not those of another', async () => {
    const [reseller, other] = [
      await aTenant(product, { kind: 'RESELLER' }),
      await aTenant(product, { kind: 'RESELLER' }),
    ];
    const own = async (ownerId: string): Promise<string> =>
      (
        await product.app.services.catalog.createMeter(product.scope(ownerId), {
          key: 'own',
          eventType: 'own.event',
          filter: '',
          aggregation: 'COUNT',
          valueProperty: null,
          dimensions: [],
          unit: 'call',
          idempotencyKey: randomUUID(),
        })
      ).meter.id;
    const [mine, theirs] = [await own(reseller), await own(other)];
    const bookId = await aBook(reseller);
    await draft(bookId, [{}, { meterId: mine }], { ownerId: reseller });
    await refused(() => draft(bookId, [{ meterId: theirs }], { ownerId: reseller }), {
      code: 'NOT_FOUND',
      field: ['prices', '0', 'meterId'],
    });
  });

  describe('publishing', () => {
    test('takes effect at the next quarter hour unless told otherwise', async () => {
      const { version: made } = await draft(await aBook());
      const published = await pricing().publish(product.scope(), { versionId: made.id, effectiveAt: null });
      expect([published.status, published.effectiveAt]).toEqual(['PUBLISHED', at('2026-11-20T12:15:00Z')]);
    });

    test.each(['2026-11-20T12:10:00Z', '2026-11-20T12:15:00.001Z', '2026-11-20T12:15:01Z'])(
      'off the quarter hour, at %s, is refused',
      async effectiveAt => {
        const { version: made } = await draft(await aBook());
        await refused(() => pricing().publish(product.scope(), { versionId: made.id, effectiveAt: at(effectiveAt) }), {
          code: 'INVALID_INPUT',
          field: ['effectiveAt'],
        });
      },
    );

    test('is also possible in the past, and tells from when prices changed', async () => {
      const bookId = await aBook();
      const { version: made } = await draft(bookId);
      await pricing().publish(product.scope(), { versionId: made.id, effectiveAt: at('2020-01-01T00:00:00Z') });
      const [fact] = await asSuperuser<{ payload: object }>(
        product.database,
        "select payload from outbox where topic = 'price_book.changed' order by id desc limit 1",
      );
      expect(fact?.payload).toEqual({ priceBookId: bookId, from: '2020-01-01T00:00:00.000Z' });
    });

    test('two versions of a book at one instant is refused, also when they are published at once', async () => {
      const bookId = await aBook();
      const effectiveAt = at('2026-12-01T00:00:00Z');
      const drafts = await Promise.all([draft(bookId), draft(bookId), draft(bookId)]);
      const outcomes = await Promise.allSettled(
        drafts.map(({ version: { id } }) => pricing().publish(product.scope(), { versionId: id, effectiveAt })),
      );
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);

      for (const outcome of outcomes) {
        if (outcome.status === 'rejected') {
          expect(outcome.reason).toMatchObject({ code: 'ALREADY_EXISTS', field: ['effectiveAt'] });
        }
      }
    });

    test('a version a second time is refused', async () => {
      const { version: made } = await draft(await aBook());
      await pricing().publish(product.scope(), { versionId: made.id, effectiveAt: null });
      await refused(
        () => pricing().publish(product.scope(), { versionId: made.id, effectiveAt: at('2027-01-01T00:00:00Z') }),
        { code: 'INVALID_TRANSITION', field: ['versionId'] },
      );
    });

    test('prices that match the same usage equally well is refused', async () => {
      const { version: made } = await draft(await aBook(), [
        { name: 'One', pattern: { model: 'gpt-*' } },
        { name: 'Two', pattern: { model: 'gpt-*' } },
      ]);
      await refused(() => pricing().publish(product.scope(), { versionId: made.id, effectiveAt: null }), {
        code: 'PRICES_AMBIGUOUS',
      });
      expect(await version(made.id)).toMatchObject({ status: 'DRAFT', effective_at: null });
    });

    test('another owner’s version is refused like one that is not there', async () => {
      const reseller = await aTenant(product, { kind: 'RESELLER' });
      const { version: made } = await draft(await aBook());
      await refused(() => pricing().publish(product.scope(reseller), { versionId: made.id, effectiveAt: null }), {
        code: 'NOT_FOUND',
        message: `price book version ${made.id} does not exist`,
      });
    });
  });

  describe('a published version', () => {
    test.each([
      ['a price’s model', `update price set terms = '{"kind": "FLAT", "amount": "0"}' where version_id = $1`],
      ['a price’s pattern', `update price set pattern = '{"model": "x"}' where version_id = $1`],
      ['its prices, by deleting them', 'delete from price where version_id = $1'],
      [
        'its prices, by adding one',
        `insert into price select tenant_id, id || 'X', version_id, meter_id, name, pattern, terms, currency from price where version_id = $1`,
      ],
      [
        'its prices, by moving them to another version',
        `update price set version_id = 'pbv_00000000000000000000000000' where version_id = $1`,
      ],
      ['its book', `update price_book_version set price_book_id = 'pb_00000000000000000000000000' where id = $1`],
      ['its withdrawal, while it stands', `update price_book_version set withdrawn_at = now() where id = $1`],
      ['its instant', `update price_book_version set effective_at = '2027-01-01' where id = $1`],
      ['its number', 'update price_book_version set number = 99 where id = $1'],
      [
        'its status, back to a draft',
        `update price_book_version set status = 'DRAFT', effective_at = null where id = $1`,
      ],
      ['itself, by deleting it', 'delete from price_book_version where id = $1'],
    ])('cannot be changed even by the superuser: %s', async (_what, sql) => {
      const { versionId } = await aPriceBook(product, { prices: [{ meterId, terms: FLAT }] });
      const before = await left();
      await expect(asSuperuser(product.database, sql, [versionId])).rejects.toMatchObject({
        code: expect.stringMatching(/^23/),
      });
      expect(await left()).toEqual(before);
    });

    test('that was withdrawn cannot come back', async () => {
      const { bookId } = await aPriceBook(product, { prices: [{ meterId, terms: FLAT }] });
      const scheduled = await aVersion(product, {
        bookId,
        prices: [{ meterId, terms: FLAT }],
        effectiveAt: at('2026-12-01T00:00:00Z'),
      });
      await pricing().withdraw(product.scope(), scheduled);
      await expect(
        asSuperuser(product.database, "update price_book_version set status = 'PUBLISHED' where id = $1", [scheduled]),
      ).rejects.toThrow('never changed');
    });
  });

  describe('withdrawing', () => {
    test('takes back a scheduled version until the instant at which it takes effect', async () => {
      const { bookId } = await aPriceBook(product, { prices: [{ meterId, terms: FLAT }] });
      const effectiveAt = at('2026-11-20T12:30:00Z');
      const scheduled = await aVersion(product, { bookId, prices: [{ meterId, terms: FLAT }], effectiveAt });
      await pricing().withdraw({ ...product.scope(), now: new Date(effectiveAt.getTime() - 1) }, scheduled);
      expect(await version(scheduled)).toMatchObject({ status: 'WITHDRAWN', effective_at: effectiveAt });
      const again = await aVersion(product, { bookId, prices: [{ meterId, terms: FLAT }], effectiveAt });
      await refused(() => pricing().withdraw({ ...product.scope(), now: effectiveAt }, again), {
        code: 'INVALID_TRANSITION',
        field: ['versionId'],
      });
      expect(await version(again)).toMatchObject({ status: 'PUBLISHED' });
    });

    test('a draft, or a version twice, is refused', async () => {
      const { version: made } = await draft(await aBook());
      await refused(() => pricing().withdraw(product.scope(), made.id), { code: 'INVALID_TRANSITION' });
      await pricing().publish(product.scope(), { versionId: made.id, effectiveAt: at('2026-12-01T00:00:00Z') });
      await pricing().withdraw(product.scope(), made.id);
      await refused(() => pricing().withdraw(product.scope(), made.id), { code: 'INVALID_TRANSITION' });
    });

    test('leaves the instant free for another version', async () => {
      const bookId = await aBook();
      const effectiveAt = at('2026-12-01T00:00:00Z');
      const first = await aVersion(product, { bookId, prices: [{ meterId, terms: FLAT }], effectiveAt });
      await pricing().withdraw(product.scope(), first);
      await aVersion(product, { bookId, prices: [{ meterId, terms: FLAT }], effectiveAt });
    });
  });
});

import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { importPriceList } from '../../src/commands/price-import.js';
import { inTransaction, query } from '../../src/platform/index.js';
import type { ImportDecision } from '../../src/pricing/price-import.queries.js';
import { aMeter, aPriceBook, aTenant, aVersion, perMillion, type PriceGiven } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aKey, aProduct, type Product } from '../support/product.js';

const NOW = new Date('2026-11-20T12:07:00Z');
const DAY = '2026-11-01';

let product: Product;
let meterId: string;

beforeAll(async () => {
  product = await aProduct({ now: NOW });
  const made = await product.app.services.catalog.createMeter(product.scope(), {
    key: 'llm_tokens',
    eventType: 'llm.response',
    filter: '',
    source: 'TOKEN_USAGE',
    aggregation: 'SUM',
    valueProperty: 'usage',
    dimensions: [{ name: 'model', property: 'model' }],
    unit: 'token',
    idempotencyKey: randomUUID(),
  });
  meterId = made.meter.id;
});

afterAll(() => product.close());

const imports = () => product.app.services.priceImports;
const costImports = () => product.app.services.costImports;

/** Two models as LiteLLM's map has them: input and output per token. */
const mapOf = (models: Readonly<Record<string, string>>): string =>
  `{${Object.entries(models)
    .map(([name, fields]) => `"${name}": {"litellm_provider": "openai", "mode": "chat", ${fields}}`)
    .join(', ')}}`;
const costs = (input: string, output: string, more = ''): string =>
  `"input_cost_per_token": ${input}, "output_cost_per_token": ${output}${more}`;

const input = (content: string, more: object = {}) => ({
  format: 'LITELLM' as const,
  content,
  source: 'the map',
  sourceDate: DAY,
  models: [],
  meters: [],
  idempotencyKey: randomUUID(),
  ...more,
});

const propose = (priceBookId: string, content: string, more: object = {}, ownerId = product.platformId) =>
  imports().propose(product.scope(ownerId), { ...input(content, more), priceBookId, meterId, ...more });

const price = (model: string, kind: string, amount: string): PriceGiven => ({
  meterId,
  name: `${model} ${kind} by hand`,
  pattern: { model, token_kind: kind, service_tier: 'standard' },
  terms: perMillion(amount),
});

const aBook = (prices: readonly PriceGiven[]) => aPriceBook(product, { prices });

const key = (model: string, kind: string): string => `token:model=${model}&service_tier=standard&token_kind=${kind}`;

const decide = (importId: string, decision: ImportDecision, ...keys: readonly string[]) =>
  imports().decide(product.scope(), 'BOOK', { importId, keys, allUnflagged: keys.length === 0, decision });

/** The lines of an import in a word each. */
const linesOf = async (importId: string): Promise<string[]> => {
  const rows = await imports().rows(product.scope(), importId, {}, { first: 100 });

  return rows.map(({ key: name, change, flags, proposed, ratio, decision }) =>
    [
      change,
      name.replace(/^token:|service_tier=standard&/g, '').replaceAll(/(model|token_kind)=/g, ''),
      proposed ? `${proposed.terms.unitAmount}/${proposed.terms.per}` : 'nothing',
      ...(ratio === null ? [] : [`×${ratio}`]),
      ...flags,
      ...(decision === 'OPEN' ? [] : [decision]),
    ].join(' '),
  );
};

const pricesOf = async (versionId: string) =>
  asSuperuser<{ name: string; pattern: object; terms: object; source: string | null; currency: string }>(
    product.database,
    'select name, pattern, terms, source, currency from price where version_id = $1 order by name',
    [versionId],
  );

const left = async (): Promise<object> => ({
  imports: await asSuperuser(product.database, 'select * from price_import order by id'),
  rows: await asSuperuser(product.database, 'select * from price_import_row order by import_id, key'),
  versions: await asSuperuser(product.database, 'select * from price_book_version order by id'),
  prices: await asSuperuser(product.database, 'select id from price order by id'),
  models: await asSuperuser(product.database, 'select * from model order by id'),
  costs: await asSuperuser(product.database, 'select * from model_cost order by id'),
  keys: await asSuperuser(product.database, 'select key from idempotency order by key'),
  lines: await asSuperuser(product.database, 'select tenant_id, seq from audit_head order by tenant_id'),
});

async function refused(work: () => Promise<unknown>, expected: object): Promise<void> {
  const before = await left();
  await expect(work()).rejects.toMatchObject(expected);
  expect(await left()).toEqual(before);
}

describe('an import for a price book', () => {
  test('is laid beside the newest published version, and changes nothing', async () => {
    const { bookId, versionId } = await aBook([
      price('same', 'input', '1'),
      price('same', 'output', '4'),
      price('dearer', 'input', '2'),
      price('dearer', 'output', '8'),
      price('dearer', 'cache_read', '0.2'),
      price('unlisted', 'input', '5'),
    ]);
    const before = await left();
    const { priceImport, replayed } = await propose(
      bookId,
      mapOf({ same: costs('1e-06', '4e-06'), dearer: costs('3e-06', '8e-06'), new: costs('5e-06', '9e-06') }),
    );
    expect(replayed).toBe(false);
    expect(priceImport).toMatchObject({
      target: 'BOOK',
      priceBookId: bookId,
      baseVersionId: versionId,
      format: 'LITELLM',
      source: 'the map',
      sourceDate: DAY,
      status: 'PROPOSED',
      meters: { token: 'llm_tokens', query: 'llm_tokens' },
      counts: { entries: 3, added: 2, changed: 1, removed: 1, same: 3, flagged: 0, skipped: 0 },
    });
    expect(await linesOf(priceImport.id)).toEqual([
      'REMOVED dearer&cache_read nothing',
      'CHANGED dearer&input 3/1000000 ×1.5',
      'SAME dearer&output 8/1000000',
      'ADDED new&input 5/1000000',
      'ADDED new&output 9/1000000',
      'SAME same&input 1/1000000',
      'SAME same&output 4/1000000',
    ]);
    const { versions, prices, models } = (await left()) as Record<string, unknown>;
    expect({ versions, prices, models }).toEqual({
      versions: (before as Record<string, unknown>)['versions'],
      prices: (before as Record<string, unknown>)['prices'],
      models: (before as Record<string, unknown>)['models'],
    });
  });

  test('of a book without versions is all new', async () => {
    const { book } = await product.app.services.pricing.createBook(product.scope(), {
      name: `Book ${randomUUID()}`,
      currency: 'EUR',
      idempotencyKey: randomUUID(),
    });
    const { priceImport } = await propose(book.id, mapOf({ a: costs('1e-06', '2e-06') }));
    expect(priceImport).toMatchObject({ baseVersionId: null, counts: { added: 2 } });
    await decide(priceImport.id, 'APPROVED');
    const { version } = await imports().draft(product.scope(), priceImport.id);
    // A list is in dollars, whatever the book is in.
    expect((await pricesOf(version.id)).map(({ name, currency }) => [name, currency])).toEqual([
      ['a input', 'USD'],
      ['a output', 'USD'],
    ]);
  });

  test('is replayed by its idempotency key, and refused with another list', async () => {
    const { bookId } = await aBook([price('a', 'input', '1')]);
    const idempotencyKey = randomUUID();
    const list = mapOf({ a: costs('1e-06', '2e-06') });
    const { priceImport } = await propose(bookId, list, { idempotencyKey });
    expect(await propose(bookId, list, { idempotencyKey })).toMatchObject({
      priceImport: { id: priceImport.id },
      replayed: true,
    });
    await refused(() => propose(bookId, `${list} `, { idempotencyKey }), { code: 'IDEMPOTENCY_KEY_REUSED' });
  });

  test.each<readonly [what: string, more: object, field: readonly string[]]>([
    ['no source', { source: ' ' }, ['source']],
    ['a source with a NUL', { source: 'a\0' }, ['source']],
    ['a source of 201 characters', { source: 'x'.repeat(201) }, ['source']],
    ['no day', { sourceDate: 'yesterday' }, ['sourceDate']],
    ['the 31st of February', { sourceDate: '2026-02-31' }, ['sourceDate']],
    ['a day with a time', { sourceDate: '2026-02-01T00:00:00Z' }, ['sourceDate']],
    ['51 models', { models: Array.from({ length: 51 }, () => 'a') }, ['models']],
    ['a model with a star inside', { models: ['a*b'] }, ['models']],
    ['models that the list does not have', { models: ['b*'] }, ['models']],
    ['no JSON', { content: '{' }, ['content']],
    ['a list of the other kind', { format: 'LANGFUSE' }, ['content']],
    ['a list without prices', { content: '{"a": {}}' }, ['content']],
    ['a book that is not there', { priceBookId: 'pb_none' }, ['priceBookId']],
    ['a meter that is not there', { meterId: 'mtr_none' }, ['meterId']],
    ['an empty idempotency key', { idempotencyKey: '' }, ['idempotencyKey']],
  ])('is refused with %s', async (_what, more, field) => {
    const { bookId } = await aBook([price('a', 'input', '1')]);
    await refused(() => propose(bookId, mapOf({ a: costs('1e-06', '2e-06') }), more), { field });
  });

  test('is refused with meters that cannot hold its prices', async () => {
    const { bookId } = await aBook([price('a', 'input', '1')]);
    const bare = await aMeter(product, { dimensions: [{ name: 'region', property: 'region' }] });
    const kindless = await aMeter(product);
    const list = mapOf({ a: costs('1e-06', '2e-06') });
    const tries: readonly (readonly [more: object, field: readonly string[]])[] = [
      [{ meterId: kindless }, ['meterId']],
      [{ meters: [{ unit: 'image', meterId: bare }] }, ['meters', '0', 'meterId']],
      [{ meters: [{ unit: 'image', meterId }] }, ['meters', '0', 'meterId']],
      [{ meters: [{ unit: 'token', meterId }] }, ['meters', '0', 'unit']],
      [
        {
          meters: [
            { unit: 'image', meterId: kindless },
            { unit: 'image', meterId: kindless },
          ],
        },
        ['meters', '1', 'unit'],
      ],
    ];

    for (const [more, field] of tries) {
      await refused(() => propose(bookId, list, more), { code: 'INVALID_INPUT', field });
    }
  });

  test('reads only the models asked for', async () => {
    const { bookId } = await aBook([price('gpt-6', 'input', '1'), price('claude', 'input', '1')]);
    const list = mapOf({
      'gpt-6': costs('2e-06', '4e-06'),
      'gpt-6-mini': costs('1e-06', '4e-06'),
      claude: costs('9e-06', '9e-06'),
      'bison#1': costs('1e-06', '1e-06'),
    });
    const { priceImport } = await propose(bookId, list, { models: ['GPT-6*'] });
    expect(await linesOf(priceImport.id)).toEqual([
      'CHANGED gpt-6&input 2/1000000 ×2',
      'ADDED gpt-6&output 4/1000000',
      'ADDED gpt-6-mini&input 1/1000000',
      'ADDED gpt-6-mini&output 4/1000000',
    ]);
    expect(priceImport.counts).toMatchObject({ entries: 4, skipped: 0 });
  });
});

describe('decisions', () => {
  /** One line of every kind: new, changed, gone, the same, and a zero. */
  const anImport = async (): Promise<string> => {
    const { bookId } = await aBook([
      price('m', 'input', '1'),
      price('m', 'output', '4'),
      price('m', 'cache_read', '0.1'),
    ]);
    const list = mapOf({ m: costs('2e-06', '4e-06'), n: costs('0.0', '3e-06') });

    return (await propose(bookId, list)).priceImport.id;
  };

  test('about all that is unflagged leave zeros and removals to a person', async () => {
    const id = await anImport();
    expect(await decide(id, 'APPROVED')).toMatchObject({ decided: 2 });
    expect(await linesOf(id)).toEqual([
      'REMOVED m&cache_read nothing',
      'CHANGED m&input 2/1000000 ×2 APPROVED',
      'SAME m&output 4/1000000',
      'ADDED n&input 0/1000000 ZERO_PRICE',
      'ADDED n&output 3/1000000 APPROVED',
    ]);
    expect(await imports().decisions(product.scope(), id)).toEqual({ OPEN: 2, APPROVED: 2, REJECTED: 0 });
  });

  test('by keys reach every change, and may be taken back', async () => {
    const id = await anImport();
    const keys = [key('n', 'input'), key('m', 'cache_read')];
    expect(await decide(id, 'APPROVED', ...keys)).toMatchObject({ decided: 2 });
    expect(await decide(id, 'APPROVED', ...keys)).toMatchObject({ decided: 0 });
    expect(await decide(id, 'REJECTED', key('n', 'input'))).toMatchObject({ decided: 1 });
    expect(await decide(id, 'OPEN', key('m', 'cache_read'))).toMatchObject({ decided: 1 });
    const rows = await imports().rows(product.scope(), id, { decision: 'REJECTED' }, { first: 10 });
    expect(rows).toMatchObject([{ key: key('n', 'input'), decidedBy: 'test', decidedAt: expect.any(Date) }]);
    expect(await imports().decisions(product.scope(), id)).toEqual({ OPEN: 3, APPROVED: 0, REJECTED: 1 });
    // What somebody has rejected by hand is not swept up by the next "all".
    expect(await decide(id, 'APPROVED')).toMatchObject({ decided: 2 });
  });

  test('leave one line of audit each that changes something', async () => {
    const id = await anImport();
    await decide(id, 'APPROVED');
    await decide(id, 'APPROVED');
    await decide(id, 'REJECTED', key('n', 'input'));
    const lines = await asSuperuser<{ after: object }>(
      product.database,
      `select after from audit_line where subject_id = $1 and action = 'price_import.decided' order by seq`,
      [id],
    );
    expect(lines.map(({ after }) => after)).toEqual([
      { decision: 'APPROVED', allUnflagged: 2 },
      { decision: 'REJECTED', keys: [key('n', 'input')] },
    ]);
  });

  test('are refused about nothing, too much, what is the same and what is not there', async () => {
    const id = await anImport();
    const all = { importId: id, keys: [key('m', 'input')], allUnflagged: true, decision: 'APPROVED' } as const;
    await refused(() => imports().decide(product.scope(), 'BOOK', all), { field: ['keys'] });
    await refused(() => imports().decide(product.scope(), 'BOOK', { ...all, keys: [], allUnflagged: false }), {
      field: ['keys'],
    });
    const many = Array.from({ length: 501 }, () => 'k');
    await refused(() => decide(id, 'APPROVED', ...many), { code: 'INVALID_INPUT', field: ['keys'] });
    await refused(() => decide(id, 'APPROVED', 'k\0'), { code: 'INVALID_INPUT', field: ['keys'] });
    await refused(() => decide(id, 'APPROVED', key('m', 'input'), key('m', 'output')), {
      code: 'NOT_FOUND',
      field: ['keys'],
    });
    await refused(() => decide('pim_none', 'APPROVED'), { code: 'NOT_FOUND', field: ['importId'] });
    await refused(() => imports().decide(product.scope(), 'COSTS', { ...all, keys: [] }), {
      code: 'NOT_FOUND',
      field: ['importId'],
    });
  });

  test('of another tenant are nobody’s', async () => {
    const id = await anImport();
    const reseller = await aTenant(product, { kind: 'RESELLER' });
    const asked = { importId: id, keys: [], allUnflagged: true, decision: 'APPROVED' } as const;
    await refused(() => imports().decide(product.scope(reseller), 'BOOK', asked), { code: 'NOT_FOUND' });
    await refused(() => imports().draft(product.scope(reseller), id), { code: 'NOT_FOUND' });
    await refused(() => imports().discard(product.scope(reseller), 'BOOK', id), { code: 'NOT_FOUND' });
    expect(await imports().rows(product.scope(reseller), id, {}, { first: 10 })).toEqual([]);
    expect(await imports().skipped(product.scope(reseller), id, { first: 10 })).toEqual([]);
  });

  test('end with the import, and the database holds that', async () => {
    const id = await anImport();
    await imports().discard(product.scope(), 'BOOK', id);
    await refused(() => decide(id, 'APPROVED'), { code: 'INVALID_TRANSITION', field: ['importId'] });
    await refused(() => imports().draft(product.scope(), id), { code: 'INVALID_TRANSITION', field: ['importId'] });
    await refused(() => imports().discard(product.scope(), 'BOOK', id), { code: 'INVALID_TRANSITION' });

    const statements = [
      `update price_import set status = 'PROPOSED' where id = $1`,
      `update price_import_row set decision = 'APPROVED', decided_by = 'x', decided_at = now() where import_id = $1`,
    ];

    for (const statement of statements) {
      const before = await left();
      const work = inTransaction(product.scope(), tx => query(tx, statement, [id]));
      await expect(work).rejects.toMatchObject({ code: '23000' });
      expect(await left()).toEqual(before);
    }
  });
});

describe('a draft of an import', () => {
  test('is the newest version with what was approved, and is not published', async () => {
    const { bookId, versionId } = await aBook([
      { ...price('m', 'input', '1'), name: 'Input, as we call it', terms: { ...perMillion('1'), freeUnits: '1000' } },
      price('m', 'output', '4'),
      price('m', 'cache_read', '0.1'),
      { ...price('m', 'cache_write', '1.25'), currency: 'EUR' },
      price('house', 'input', '7'),
      { meterId, name: 'Everything else', pattern: { token_kind: 'input' }, terms: perMillion('3') },
    ]);
    const list = mapOf({ m: costs('2e-06', '5e-06'), n: costs('1e-06', '3e-06'), z: costs('0.0', '3e-06') });
    const { priceImport } = await propose(bookId, list);
    await decide(priceImport.id, 'APPROVED');
    await decide(priceImport.id, 'REJECTED', key('m', 'output'));
    await decide(priceImport.id, 'APPROVED', key('m', 'cache_read'), key('z', 'input'));

    const { priceImport: drafted, version, replayed } = await imports().draft(product.scope(), priceImport.id);
    expect(replayed).toBe(false);
    expect(version).toMatchObject({ priceBookId: bookId, number: 2, status: 'DRAFT', effectiveAt: null });
    expect(drafted).toMatchObject({ status: 'DRAFTED', draftVersionId: version.id });
    expect(
      (await pricesOf(version.id)).map(({ name, terms, source, currency }) => [
        name,
        (terms as { unitAmount: string }).unitAmount,
        currency,
        source,
      ]),
    ).toEqual([
      ['Everything else', '3', 'USD', null],
      ['Input, as we call it', '2', 'USD', 'the map, 2026-11-01'],
      ['house input by hand', '7', 'USD', null],
      ['m cache_write by hand', '1.25', 'EUR', null],
      ['m output by hand', '4', 'USD', null],
      ['n input', '1', 'USD', 'the map, 2026-11-01'],
      ['n output', '3', 'USD', 'the map, 2026-11-01'],
      ['z input', '0', 'USD', 'the map, 2026-11-01'],
      ['z output', '3', 'USD', 'the map, 2026-11-01'],
    ]);
    expect((await pricesOf(version.id))[1]?.terms).toEqual({
      model: 'UNIT',
      unitAmount: '2',
      per: '1000000',
      freeUnits: '1000',
    });
    expect(
      await asSuperuser(
        product.database,
        `select id from price_book_version where price_book_id = $1 and status = 'PUBLISHED'`,
        [bookId],
      ),
    ).toEqual([{ id: versionId }]);

    // It is an ordinary draft: publishing it is an ordinary step, and then the list says nothing new.
    await product.app.services.pricing.publish(product.scope(), { versionId: version.id, effectiveAt: null });
    const again = await propose(bookId, list);
    expect(await linesOf(again.priceImport.id)).toEqual([
      'SAME m&input 2/1000000',
      'CHANGED m&output 5/1000000 ×1.25',
      'SAME n&input 1/1000000',
      'SAME n&output 3/1000000',
      'SAME z&input 0/1000000',
      'SAME z&output 3/1000000',
    ]);
  });

  test('takes over the discounts of the version before it', async () => {
    const { bookId } = await aBook([price('m', 'input', '1')]);
    const { pricing } = product.app.services;
    const discount = {
      name: 'Volume',
      basis: 'SPEND',
      tiers: [
        { upTo: '100', rate: '0' },
        { upTo: null, rate: '10' },
      ],
    } as const;
    const { version: discounted } = await pricing.createVersion(product.scope(), {
      priceBookId: bookId,
      prices: [{ ...price('m', 'input', '1'), name: 'Input', pattern: { token_kind: 'input' } }],
      discounts: [discount],
      idempotencyKey: randomUUID(),
    });
    await pricing.publish(product.scope(), { versionId: discounted.id, effectiveAt: new Date('2026-12-01T00:00:00Z') });
    const { priceImport } = await propose(bookId, mapOf({ m: costs('2e-06', '5e-06') }));
    await decide(priceImport.id, 'APPROVED');
    const { version } = await imports().draft(product.scope(), priceImport.id);
    expect(version.discounts).toMatchObject([{ name: 'Volume', basis: 'SPEND', tiers: discount.tiers }]);
  });

  test('is written once, also when two ask at once', async () => {
    const { bookId } = await aBook([price('m', 'input', '1')]);
    const { priceImport } = await propose(bookId, mapOf({ m: costs('2e-06', '5e-06') }));
    await decide(priceImport.id, 'APPROVED');
    const drafts = await Promise.all(Array.from({ length: 3 }, () => imports().draft(product.scope(), priceImport.id)));
    expect(new Set(drafts.map(({ version }) => version.id)).size).toBe(1);
    expect(drafts.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect(
      await asSuperuser(product.database, 'select number from price_book_version where price_book_id = $1 order by 1', [
        bookId,
      ]),
    ).toEqual([{ number: 1 }, { number: 2 }]);
  });

  test('needs something approved, and something left', async () => {
    const { bookId } = await aBook([price('m', 'cache_read', '1')]);
    const { priceImport } = await propose(bookId, mapOf({ m: costs('2e-06', '5e-06') }));
    await refused(() => imports().draft(product.scope(), priceImport.id), {
      code: 'INVALID_INPUT',
      field: ['importId'],
      message: 'nothing of the import is approved: approve changes first',
    });
    await decide(priceImport.id, 'APPROVED', key('m', 'cache_read'));
    await refused(() => imports().draft(product.scope(), priceImport.id), {
      code: 'INVALID_INPUT',
      field: ['importId'],
      message: expect.stringContaining('the draft cannot be written: a version has 1 to 10000 prices'),
    });
  });

  test('is refused when another version was published since the list was laid beside the book', async () => {
    const { bookId } = await aBook([price('m', 'input', '1')]);
    const { priceImport } = await propose(bookId, mapOf({ m: costs('2e-06', '5e-06') }));
    await decide(priceImport.id, 'APPROVED');
    await aVersion(product, {
      bookId,
      prices: [price('m', 'input', '1.5')],
      effectiveAt: new Date('2026-12-01T00:00:00Z'),
    });
    await refused(() => imports().draft(product.scope(), priceImport.id), {
      code: 'INVALID_TRANSITION',
      field: ['importId'],
    });
  });

  test('binds prices of bands to the bands of the catalog', async () => {
    const { bookId } = await aBook([price('m', 'input', '1')]);
    const name = `long-${randomUUID().slice(0, 8)}`;
    const list = mapOf({
      [name]: costs(
        '1e-06',
        '4e-06',
        ', "input_cost_per_token_above_200k_tokens": 2e-06, "output_cost_per_token_above_200k_tokens": 6e-06',
      ),
    });
    const flags = async (): Promise<string[]> => {
      const { priceImport } = await propose(bookId, list);

      return (await linesOf(priceImport.id)).map(text => text.split(' ').slice(3).join(' '));
    };
    expect(await flags()).toEqual(['UNKNOWN_MODEL', 'UNKNOWN_MODEL', 'UNKNOWN_MODEL', 'UNKNOWN_MODEL']);
    await product.app.services.catalog.createModel(product.scope(), {
      key: name,
      provider: 'openai',
      family: 'long',
      modality: 'text',
      contextBands: [{ above: '200000', name: 'long' }],
      idempotencyKey: randomUUID(),
    });
    expect(await flags()).toEqual(['', '', '', '']);
  });

  test('puts images on a meter of their own', async () => {
    const images = await aMeter(product);
    const { bookId } = await aBook([price('m', 'input', '1')]);
    const list = mapOf({ painter: `"output_cost_per_image": 0.04, ${costs('1e-06', '2e-06')}` });
    const { priceImport } = await propose(bookId, list, { meters: [{ unit: 'image', meterId: images }] });
    await decide(priceImport.id, 'APPROVED');
    const { version } = await imports().draft(product.scope(), priceImport.id);
    expect((await pricesOf(version.id)).find(({ name }) => name === 'painter output image')).toMatchObject({
      pattern: { model: 'painter' },
      terms: { model: 'UNIT', unitAmount: '0.04', per: '1' },
    });
  });
});

describe('an import of costs', () => {
  const COSTS = 'COSTS' as const;
  const at = new Date('2026-12-01T00:00:00Z');

  const aModel = async (rates: readonly object[] = [], currency = 'USD'): Promise<string> => {
    const name = `m-${randomUUID().slice(0, 8)}`;
    const { catalog } = product.app.services;
    const { model } = await catalog.createModel(product.scope(), {
      key: name,
      provider: 'openai',
      family: 'f',
      modality: 'text',
      contextBands: [],
      idempotencyKey: randomUUID(),
    });

    if (rates.length > 0) {
      await catalog.setCost(product.scope(), {
        modelId: model.id,
        effectiveAt: new Date('2026-01-01T00:00:00Z'),
        currency,
        rates: rates as never,
        source: 'by hand',
        idempotencyKey: randomUUID(),
      });
    }

    return name;
  };
  const rate = (kind: string, amount: string) => ({
    kind,
    amount,
    per: '1000000',
    dimensions: [{ name: 'service_tier', value: 'standard' }],
  });
  const seats = { kind: 'seats', amount: '9', per: '1', dimensions: [] };
  const proposeCosts = (content: string, more: object = {}) =>
    costImports().propose(product.scope(), { ...input(content), ...more });
  const approve = (importId: string, ...keys: readonly string[]) =>
    imports().decide(product.scope(), COSTS, {
      importId,
      keys,
      allUnflagged: keys.length === 0,
      decision: 'APPROVED',
    });
  const apply = (importId: string, more: object = {}) =>
    costImports().apply(product.scope(), { importId, effectiveAt: at, enterModels: false, ...more });
  const costsOf = async (name: string) =>
    asSuperuser<{ effective_at: Date; rates: object[]; source: string; currency: string }>(
      product.database,
      `select c.effective_at, c.rates, c.source, c.currency from model_cost c join model m on m.id = c.model_id
       where m.key = $1 order by c.effective_at`,
      [name],
    );

  test('is laid beside what models cost now, and sets what was approved from an instant on', async () => {
    const name = await aModel([rate('input', '1'), rate('output', '4'), seats]);
    const { priceImport } = await proposeCosts(
      mapOf({ [name]: costs('2e-06', '4e-06', ', "cache_read_input_token_cost": 2e-07') }),
    );
    expect(priceImport).toMatchObject({
      target: 'COSTS',
      priceBookId: null,
      counts: { added: 1, changed: 1, same: 1 },
    });
    await approve(priceImport.id);
    const { priceImport: applied, replayed } = await apply(priceImport.id);
    expect([applied.status, applied.effectiveAt, replayed]).toEqual(['APPLIED', at, false]);
    expect((await costsOf(name)).at(-1)).toEqual({
      effective_at: at,
      currency: 'USD',
      source: 'the map, 2026-11-01',
      rates: [rate('input', '2'), rate('output', '4'), seats, rate('cache_read', '0.2')],
    });
    expect(await apply(priceImport.id)).toMatchObject({ replayed: true });
    expect(await costsOf(name)).toHaveLength(2);
    await refused(() => apply(priceImport.id, { effectiveAt: new Date('2027-01-01T00:00:00Z') }), {
      code: 'INVALID_TRANSITION',
      field: ['importId'],
    });
  });

  test('enters models only when told to', async () => {
    const name = `new-${randomUUID().slice(0, 8)}`;
    const banded = costs(
      '1e-06',
      '4e-06',
      ', "input_cost_per_token_above_200k_tokens": 2e-06, "output_cost_per_token_above_200k_tokens": 6e-06',
    );
    const { priceImport } = await proposeCosts(mapOf({ [name]: banded }));
    await approve(priceImport.id);
    await refused(() => apply(priceImport.id), {
      code: 'INVALID_INPUT',
      field: ['enterModels'],
      message: `1 of the models are not in the catalog, such as ${name}: enter them, or have them entered`,
    });
    await apply(priceImport.id, { enterModels: true });
    expect(
      await asSuperuser(
        product.database,
        'select provider, family, modality, context_bands from model where key = $1',
        [name],
      ),
    ).toEqual([
      {
        provider: 'openai',
        family: name,
        modality: 'text',
        context_bands: [{ above: '200000', inclusive: false, name: 'long' }],
      },
    ]);
    expect((await costsOf(name))[0]?.rates).toHaveLength(4);
  });

  test('is refused when what a model costs has changed since', async () => {
    const name = await aModel([rate('input', '1')]);
    const { priceImport } = await proposeCosts(mapOf({ [name]: costs('2e-06', '4e-06') }));
    await approve(priceImport.id);
    const [model] = await asSuperuser<{ id: string }>(product.database, 'select id from model where key = $1', [name]);
    await product.app.services.catalog.setCost(product.scope(), {
      modelId: model?.id ?? '',
      effectiveAt: new Date('2026-11-30T00:00:00Z'),
      currency: 'USD',
      rates: [rate('input', '1.5')],
      source: 'by hand',
      idempotencyKey: randomUUID(),
    });
    await refused(() => apply(priceImport.id), { code: 'INVALID_TRANSITION', field: ['importId'] });
    await refused(() => apply(priceImport.id, { effectiveAt: new Date('2026-01-01T00:00:00Z') }), {
      code: 'ALREADY_EXISTS',
      field: ['effectiveAt'],
    });
  });

  test('leaves costs in another currency alone', async () => {
    const euros = await aModel([rate('input', '1')], 'EUR');
    const dollars = await aModel([rate('input', '1')]);
    const { priceImport } = await proposeCosts(
      mapOf({ [euros]: costs('2e-06', '4e-06'), [dollars]: costs('2e-06', '4e-06') }),
    );
    const rows = await imports().rows(product.scope(), priceImport.id, {}, { first: 10 });
    expect(new Set(rows.map(({ model }) => model))).toEqual(new Set([dollars]));
    expect(await imports().skipped(product.scope(), priceImport.id, { first: 10 })).toEqual([
      { place: 1, name: euros, field: null, reason: 'what it costs is set in another currency than USD' },
    ]);
  });

  test('is refused with nothing approved, and with nothing left of a cost', async () => {
    const name = await aModel([rate('cache_read', '1')]);
    const { priceImport } = await proposeCosts(mapOf({ [name]: costs('2e-06', '4e-06') }));
    await refused(() => apply(priceImport.id), { code: 'INVALID_INPUT', field: ['importId'] });
    await approve(priceImport.id, key(name, 'cache_read'));
    await refused(() => apply(priceImport.id), {
      code: 'INVALID_INPUT',
      field: ['importId'],
      message: `nothing would be left of what model ${name} costs; reject some removals`,
    });
  });

  test('of what is not counted in tokens goes by the key of its meter', async () => {
    const meterKey = `images_${randomUUID().slice(0, 8)}`;
    const images = await aMeter(product, { key: meterKey });
    const name = await aModel([{ kind: meterKey, amount: '0.03', per: '1', dimensions: [] }]);
    const { priceImport } = await proposeCosts(mapOf({ [name]: '"output_cost_per_image": 0.04' }), {
      meters: [{ unit: 'image', meterId: images }],
    });
    expect(priceImport.counts).toMatchObject({ changed: 1, added: 0, removed: 0 });
    await approve(priceImport.id);
    await apply(priceImport.id);
    expect((await costsOf(name)).at(-1)?.rates).toEqual([{ kind: meterKey, amount: '0.04', per: '1', dimensions: [] }]);
  });

  test('is no import for a book, and the other way round', async () => {
    const name = await aModel();
    const { priceImport } = await proposeCosts(mapOf({ [name]: costs('2e-06', '4e-06') }));
    expect(priceImport.id).toMatch(/^cim_/);
    await refused(() => imports().draft(product.scope(), priceImport.id), { code: 'NOT_FOUND' });
    await refused(() => decide(priceImport.id, 'APPROVED'), { code: 'NOT_FOUND' });
    const { bookId } = await aBook([price('m', 'input', '1')]);
    const { priceImport: other } = await propose(bookId, mapOf({ m: costs('2e-06', '5e-06') }));
    await refused(() => apply(other.id), { code: 'NOT_FOUND' });
  });
});

describe('on the command line', () => {
  const options = {
    format: 'LITELLM',
    book: null,
    meter: 'llm_tokens',
    meters: {},
    source: 'the map',
    sourceDate: DAY,
    models: [],
    tenantId: null,
    approve: false,
    draft: false,
  } as const;
  const bookName = async (prices: readonly PriceGiven[]): Promise<string> => {
    const { bookId } = await aBook(prices);
    const [row] = await asSuperuser<{ name: string }>(product.database, 'select name from price_book where id = $1', [
      bookId,
    ]);

    return row?.name ?? '';
  };

  test('a list is proposed, approved where nothing is odd, and drafted', async () => {
    const book = await bookName([price('m', 'input', '1'), price('m', 'cache_read', '0.1')]);
    const list = mapOf({ m: costs('2e-06', '4e-06'), n: costs('0.0', '3e-06') });
    const [id, ...told] = await importPriceList(product.app, list, { ...options, book, approve: true, draft: true });
    expect(id).toMatch(/^import {3}pim_\w+ \(2 entries\)$/);
    expect(told.map(text => text.replace(/pbv_\w+/, '<id>'))).toEqual([
      'changes  3 added, 1 changed, 1 removed; 0 the same, 0 left out',
      'to look at one by one: 1 flagged, 1 removed',
      `CHANGED  ${key('m', 'input')}  1 per 1000000 → 2 per 1000000`,
      `REMOVED  ${key('m', 'cache_read')}  0.1 per 1000000 → nothing`,
      `ADDED    ${key('m', 'output')}  nothing → 4 per 1000000`,
      `ADDED    ${key('n', 'input')}  nothing → 0 per 1000000  (the list says 0, which may be unknown as well as free)`,
      `ADDED    ${key('n', 'output')}  nothing → 3 per 1000000`,
      'approved 3 changes without a flag',
      'draft    version 2 (<id>); publish it when it is right',
    ]);
  });

  test('costs need no book', async () => {
    const list = mapOf({ [`m-${randomUUID().slice(0, 8)}`]: costs('2e-06', '4e-06') });
    const [id, counts] = await importPriceList(product.app, list, { ...options, meter: null });
    expect(id).toMatch(/^import {3}cim_/);
    expect(counts).toBe('changes  2 added, 0 changed, 0 removed; 0 the same, 0 left out');
  });

  test.each<readonly [what: string, more: object, message: string]>([
    ['a book that is not there', { book: 'Nobody’s' }, 'there is no price book Nobody’s'],
    ['no meter', { book: 'x', meter: null }, 'a price book needs the meter of tokens: --meter KEY'],
    ['a meter that is not there', { meters: { image: 'none' } }, 'there is no meter none'],
    ['a unit that is none', { meters: { mile: 'llm_tokens' } }, 'mile is no unit of a price list'],
  ])('%s is refused', async (_what, more, message) => {
    const before = await left();
    const list = mapOf({ m: costs('2e-06', '4e-06') });
    await expect(importPriceList(product.app, list, { ...options, ...more })).rejects.toThrow(message);
    expect(await left()).toEqual(before);
  });
});

describe('over the API', () => {
  const PROPOSE = `mutation ($input: PriceImportProposeInput!) { priceImportPropose(input: $input) {
    replayed userErrors { code field message }
    priceImport { id target status format source sourceDate priceBookId
      counts { entries added changed removed same flagged skipped } decisions { open approved rejected } } } }`;
  const ROWS = `query ($id: ID!, $first: Int!, $after: String, $change: PriceImportChange, $flag: PriceProposalFlag) {
    node(id: $id) { ... on PriceImport { status
      rows(first: $first, after: $after, change: $change, flag: $flag) {
        edges { node { key modelKey change flags note ratio decision decidedBy
          before { name unitAmount per } proposed { name unit meterId model unitAmount per source fields dimensions { name value } } } }
        pageInfo { hasNextPage endCursor } }
      skipped { edges { node { name listField reason } } } } } }`;

  const variables = (priceBookId: string, content: string, more: object = {}) => ({
    input: {
      idempotencyKey: randomUUID(),
      priceBookId,
      meterId,
      format: 'LITELLM',
      content,
      source: 'the map',
      sourceDate: DAY,
      ...more,
    },
  });

  test('a list is proposed, read, decided about and drafted', async () => {
    const { bookId } = await aBook([price('m', 'input', '1')]);
    const list = mapOf({ m: costs('2e-06', '4e-06'), n: costs('0.0', '3e-06'), 'b#1': costs('1e-06', '1e-06') });
    const made = await product.graphql(product.platformKey, PROPOSE, variables(bookId, list));
    const { id, ...rest } = made.data.priceImportPropose.priceImport;
    expect(rest).toEqual({
      target: 'BOOK',
      status: 'PROPOSED',
      format: 'LITELLM',
      source: 'the map',
      sourceDate: DAY,
      priceBookId: bookId,
      counts: { entries: 3, added: 3, changed: 1, removed: 0, same: 0, flagged: 1, skipped: 1 },
      decisions: { open: 4, approved: 0, rejected: 0 },
    });

    const first = await product.graphql(product.platformKey, ROWS, { id, first: 1 });
    expect(first.data.node.rows.edges[0].node).toEqual({
      key: key('m', 'input'),
      modelKey: 'm',
      change: 'CHANGED',
      flags: [],
      note: null,
      ratio: '2',
      decision: 'OPEN',
      decidedBy: null,
      before: { name: 'm input by hand', unitAmount: '1', per: '1000000' },
      proposed: {
        name: 'm input',
        unit: 'TOKEN',
        meterId,
        model: 'UNIT',
        unitAmount: '2',
        per: '1000000',
        source: 'the map, 2026-11-01',
        fields: ['input_cost_per_token'],
        dimensions: [
          { name: 'model', value: 'm' },
          { name: 'service_tier', value: 'standard' },
          { name: 'token_kind', value: 'input' },
        ],
      },
    });
    expect(first.data.node.skipped.edges).toEqual([
      { node: { name: 'b#1', listField: null, reason: expect.stringContaining('key has 1 to 128') } },
    ]);
    const second = await product.graphql(product.platformKey, ROWS, {
      id,
      first: 100,
      after: first.data.node.rows.pageInfo.endCursor,
    });
    expect(second.data.node.rows.edges.map((edge: { node: { key: string } }) => edge.node.key)).toEqual([
      key('m', 'output'),
      key('n', 'input'),
      key('n', 'output'),
    ]);
    const zeros = await product.graphql(product.platformKey, ROWS, { id, first: 9, flag: 'ZERO_PRICE' });
    expect(zeros.data.node.rows.edges.map((edge: { node: { key: string } }) => edge.node.key)).toEqual([
      key('n', 'input'),
    ]);

    const decided = await product.graphql(
      product.platformKey,
      `mutation ($input: PriceImportDecideInput!) { priceImportDecide(input: $input) { decided userErrors { code } } }`,
      { input: { importId: id, allUnflagged: true, decision: 'APPROVED' } },
    );
    expect(decided.data.priceImportDecide).toEqual({ decided: 3, userErrors: [] });
    const drafted = await product.graphql(
      product.platformKey,
      `mutation ($input: PriceImportDraftInput!) { priceImportDraft(input: $input) { replayed userErrors { code }
        priceImport { status draftVersionId } priceBookVersion { id number status } } }`,
      { input: { importId: id } },
    );
    const { priceImport, priceBookVersion } = drafted.data.priceImportDraft;
    expect(priceBookVersion).toMatchObject({ number: 2, status: 'DRAFT' });
    expect(priceImport).toEqual({ status: 'DRAFTED', draftVersionId: priceBookVersion.id });
    const listed = await product.graphql(
      product.platformKey,
      'query ($id: ID!) { node(id: $id) { ... on PriceBook { priceImports { edges { node { id status } } } } } }',
      { id: bookId },
    );
    expect(listed.data.node.priceImports.edges).toEqual([{ node: { id, status: 'DRAFTED' } }]);
  });

  test('costs are for those who may read costs', async () => {
    const name = `c-${randomUUID().slice(0, 8)}`;
    const made = await product.graphql(
      product.platformKey,
      `mutation ($input: ModelCostImportProposeInput!) { modelCostImportPropose(input: $input) {
        priceImport { id target } userErrors { code } } }`,
      {
        input: {
          idempotencyKey: randomUUID(),
          format: 'LITELLM',
          content: mapOf({ [name]: costs('1e-06', '2e-06') }),
          source: 'the map',
          sourceDate: DAY,
        },
      },
    );
    const { id, target } = made.data.modelCostImportPropose.priceImport;
    expect(target).toBe('COSTS');
    const reader = await aKey(product.app, product.scope(), ['pricing:read', 'tenants:read']);
    expect((await product.graphql(reader, ROWS, { id, first: 1 })).data).toEqual({ node: null });
    const accountant = await aKey(product.app, product.scope(), ['costs:read']);
    const { data } = await product.graphql(accountant, ROWS, { id, first: 1 });
    expect(data.node.rows.edges).toHaveLength(1);
    const listed = await product.graphql(
      accountant,
      '{ viewer { tenant { modelCostImports { edges { node { id decisions { open } } } } } } }',
    );
    expect(listed.data.viewer.tenant.modelCostImports.edges[0].node).toEqual({ id, decisions: { open: 2 } });

    // And the other way round: costs:read alone shows no line of a book's import.
    const { bookId } = await aBook([price('m', 'input', '1')]);
    const { priceImport } = await propose(bookId, mapOf({ m: costs('2e-06', '5e-06') }));
    expect((await product.graphql(accountant, ROWS, { id: priceImport.id, first: 1 })).data).toEqual({ node: null });
  });

  test('who may write an import and not read what it is about is shown no line of it', async () => {
    const { bookId } = await aBook([price('m', 'input', '1')]);
    const list = mapOf({ m: costs('2e-06', '4e-06') });
    const forbidden = async (permission: string, document: string, given: object): Promise<string[] | undefined> => {
      const answer = await product.graphql(await aKey(product.app, product.scope(), [permission]), document, given);

      return answer.errors?.map(({ message }) => message);
    };
    const rows = '{ priceImport { rows { edges { node { key } } } } }';
    const { input: asked } = variables(bookId, list);
    const { priceBookId: _book, meterId: _meter, ...bare } = asked;
    expect(
      await forbidden(
        'pricing:write',
        `mutation ($input: PriceImportProposeInput!) { priceImportPropose(input: $input) ${rows} }`,
        { input: asked },
      ),
    ).toEqual(['this key lacks the permission pricing:read']);
    expect(
      await forbidden(
        'catalog:write',
        `mutation ($input: ModelCostImportProposeInput!) { modelCostImportPropose(input: $input) ${rows} }`,
        { input: bare },
      ),
    ).toEqual(['this key lacks the permission costs:read']);
  });

  test('a list of more than 1,500,000 characters is for the command line', async () => {
    const { bookId } = await aBook([price('m', 'input', '1')]);
    const content = `${mapOf({ m: costs('2e-06', '4e-06') })}${' '.repeat(1_500_000)}`;
    const answer = await product.graphql(product.platformKey, PROPOSE, variables(bookId, content));
    expect(answer.data.priceImportPropose.userErrors).toEqual([
      {
        code: 'INVALID_INPUT',
        field: ['content'],
        message: 'content has at most 1500000 characters here; the command line reads larger files',
      },
    ]);
  });

  const FILE = '/work/shared/data/litellm_model_prices_2025-09.json';

  if (!existsSync(FILE)) {
    test.skip(`${FILE} is absent`, () => undefined);

    return;
  }

  test('a whole list goes through', async () => {
    const { bookId } = await aBook([price('gpt-4o', 'input', '25'), price('gpt-4o', 'output', '10')]);
    const content = readFileSync(FILE, 'utf8');
    const made = await product.graphql(product.platformKey, PROPOSE, variables(bookId, content));
    const { priceImport } = made.data.priceImportPropose;
    // Everything but what is counted in characters, images, seconds, pixels and requests, and searches by their size.
    expect(priceImport.counts).toMatchObject({ entries: 1701, changed: 1, removed: 0, same: 1 });
    const { added, skipped } = priceImport.counts;
    expect(added).toBe(3727);
    expect(skipped).toBe(727);
    const changed = await product.graphql(product.platformKey, ROWS, {
      id: priceImport.id,
      first: 5,
      change: 'CHANGED',
    });
    expect(changed.data.node.rows.edges.map((edge: { node: object }) => edge.node)).toMatchObject([
      {
        key: key('gpt-4o', 'input'),
        ratio: '0.1',
        flags: ['SUSPICIOUS'],
        note: '0.1 times the price in force',
      },
    ]);
    await decide(priceImport.id, 'APPROVED');
    const { version } = await imports().draft(product.scope(), priceImport.id);
    const [{ n } = { n: 0 }] = await asSuperuser<{ n: number }>(
      product.database,
      'select count(*)::int as n from price where version_id = $1',
      [version.id],
    );
    expect(n).toBeGreaterThan(2_500);
    // Nothing of it is ambiguous: it could be published as it is.
    await product.app.services.pricing.publish(product.scope(), { versionId: version.id, effectiveAt: null });
  });
});

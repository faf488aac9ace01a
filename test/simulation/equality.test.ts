import { randomUUID } from 'node:crypto';
import { accept, aMeterLike, aModel } from '../usage/meters.js';
import { aContract, aPriceBook, aTenant, aVersion, rate, type PriceGiven } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aProduct, type Product } from '../support/product.js';
import { amounts, linesOf, plain, simulate } from './simulate.js';

/*
 * Rating published versions by simulation equals the issued invoices, line by line: exact amount and rounded amount.
 * Each price of the second version has a name of its own, so that every line is an item.
 */

/** The second version takes effect in the middle of November. */
const SECOND = new Date('2026-11-16T00:00:00Z');
const MONTHS = [
  ['2026-10-10T00:00:00Z', '2026-10-20T00:00:00Z'],
  ['2026-11-10T00:00:00Z', '2026-11-20T00:00:00Z'],
] as const;

/** The same numbers in each run. */
function* dice(seed: number): Generator<number, never> {
  for (let state = seed; ;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state / 2 ** 32;
  }
}

describe('published versions, rated by simulation', () => {
  let product: Product;
  let bookId: string;
  let versions: { first: string; second: string; derived: string };
  /** On a book that takes the other one's prices over. */
  let dora: string;
  let tenants: readonly string[];
  const rolls = dice(20_261_123);
  const roll = (sides: number): number => Math.floor(rolls.next().value * sides);
  const pick = <T>(values: readonly T[]): T => values[roll(values.length)] as T;

  beforeAll(async () => {
    product = await aProduct({ now: new Date('2026-10-01T00:00:00Z') });
    const model = [{ name: 'model', property: 'model' }];
    const meters = {
      tokens: await aMeterLike(product, { eventType: 'llm.request', valueProperty: 'tokens', dimensions: model }),
      usage: await aMeterLike(product, {
        eventType: 'llm.answer',
        source: 'TOKEN_USAGE',
        valueProperty: 'usage',
        dimensions: model,
      }),
      calls: await aMeterLike(product, { eventType: 'llm.request', aggregation: 'COUNT', valueProperty: null }),
      users: await aMeterLike(product, {
        eventType: 'llm.request',
        aggregation: 'UNIQUE_COUNT',
        valueProperty: 'user',
        filter: 'has(properties.user)',
      }),
      peak: await aMeterLike(product, { eventType: 'gauge.read', aggregation: 'MAX', dimensions: model }),
      gauge: await aMeterLike(product, { eventType: 'gauge.read', aggregation: 'LATEST', dimensions: model }),
      volume: await aMeterLike(product, { eventType: 'image.made' }),
      seats: await aMeterLike(product, { eventType: 'seat.changed', aggregation: 'TIME_WEIGHTED' }),
      shares: await aMeterLike(product, { eventType: 'seat.changed', aggregation: 'TIME_WEIGHTED', keepsEvents: true }),
      payments: await aMeterLike(product, { eventType: 'payment.made', keepsEvents: true, dimensions: model }),
      minutes: await aMeterLike(product, {
        eventType: 'job.ran',
        factorProperties: ['replicas'],
        conversion: { divideBy: '60', rounding: 'CEILING' },
        dimensions: model,
      }),
    };
    await aModel(product, {
      key: 'banded',
      contextBands: [
        { above: '1000', name: 'long' },
        { above: '20000', inclusive: true, name: 'huge' },
      ],
    });
    const { catalog } = product.app.services;
    const smallId = await aModel(product, { key: 'small' });

    for (const [index, effectiveAt] of ['2020-01-01T00:00:00Z', '2026-11-07T10:07:00Z'].entries()) {
      await catalog.setCost(product.scope(), {
        modelId: smallId,
        effectiveAt: new Date(effectiveAt),
        currency: 'USD',
        rates: [{ kind: 'input', amount: `${index + 2}.123456`, per: '7000' }],
        source: 'a list',
        idempotencyKey: randomUUID(),
      });
    }

    const night = { daily: { start: '22:00', end: '06:00', timeZone: 'Europe/Berlin', weekdays: null } };
    /** All prices of a version; `n` moves every amount. */
    const prices = (n: number, suffix: string): PriceGiven[] =>
      (
        [
          ['Small', 'tokens', { model: 'small' }, { model: 'UNIT', unitAmount: `2.34567890123${n}`, per: '1000' }],
          [
            'Large',
            'tokens',
            { model: 'large' },
            {
              model: 'GRADUATED',
              freeUnits: '100.5',
              tiers: [
                { upTo: '20000', unitAmount: `0.002${n}`, flatAmount: '1.5' },
                { upTo: null, unitAmount: `0.001${n}75`, flatAmount: `0.${n}5` },
              ],
            },
          ],
          ['Others', 'tokens', {}, { model: 'UNIT', unitAmount: `0.00${n}1`, discountRate: '7.5' }],
          ['Calls by day', 'calls', {}, { model: 'UNIT', unitAmount: `0.0${n}3` }],
          ['Calls by night', 'calls', {}, { model: 'UNIT', unitAmount: `0.00${n}7` }, night],
          ['Users', 'users', {}, { model: 'PACKAGE', packageAmount: `9.9${n}`, packageSize: '3', freeUnits: '1' }],
          ['Peak', 'peak', {}, { model: 'UNIT', unitAmount: `7.25${n}`, per: '3' }],
          [
            'Gauge',
            'gauge',
            {},
            {
              model: 'STAIRSTEP',
              tiers: [
                { upTo: '50', flatAmount: `4.0${n}` },
                { upTo: null, flatAmount: '8.115' },
              ],
            },
          ],
          [
            'Images',
            'volume',
            {},
            {
              model: 'VOLUME',
              tiers: [
                { upTo: '300', unitAmount: `0.${n}33333` },
                { upTo: null, unitAmount: `0.${n}11111` },
              ],
            },
          ],
          ['Seats', 'seats', {}, { model: 'UNIT', unitAmount: `12.0${n}`, minimum: '5' }],
          ['Shares', 'shares', {}, { model: 'UNIT', unitAmount: `11.1${n}`, prorated: true }],
          [
            'Payments',
            'payments',
            { model: 'card' },
            {
              model: 'PERCENTAGE',
              rate: `2.${n}`,
              fixedAmount: '0.305',
              freeEvents: '3',
              freeAmount: '90',
              perEventMinimum: '0.5',
              perEventMaximum: `3.0${n}`,
            },
          ],
          [
            'Transfers',
            'payments',
            {},
            {
              model: 'GRADUATED_PERCENTAGE',
              tiers: [
                { upTo: '500', rate: `1.${n}` },
                { upTo: null, rate: '0.45', flatAmount: '2' },
              ],
            },
          ],
          ['Minutes', 'minutes', {}, { model: 'UNIT', unitAmount: `0.10${n}` }],
          ...['input', 'cache_read', 'output'].flatMap(kind =>
            ['short', 'long', 'huge'].map(band => [
              `${kind} ${band}`,
              'usage',
              { model: 'banded', token_kind: kind, context_band: band },
              { model: 'UNIT', unitAmount: `${band.length}.${kind.length}${n}`, per: '1000000' },
            ]),
          ),
          ['Input at cost', 'usage', { model: 'small', token_kind: 'input' }, { model: 'COST_PLUS', markup: `1.${n}` }],
          ['Platform fee', 'gauge', { model: 'nobody' }, { model: 'FLAT', flatAmount: `19.99${n}` }],
        ] as const
      ).map(
        ([name, meter, pattern, terms, window]) =>
          ({
            name: `${name as string}${suffix}`,
            meterId: meters[meter as keyof typeof meters].meterId,
            pattern,
            terms,
            ...(window ? { window } : {}),
          }) as PriceGiven,
      );
    const made = await aPriceBook(product, { prices: prices(1, '') });
    bookId = made.bookId;
    versions = {
      first: made.versionId,
      second: await aVersion(product, { bookId, prices: prices(7, ' (new)'), effectiveAt: SECOND }),
      derived: '',
    };
    tenants = [
      await aTenant(product, { name: 'Acme' }),
      await aTenant(product, { name: 'Berta', timeZone: 'Europe/Berlin' }),
      await aTenant(product, { name: 'Yeti', timeZone: 'Asia/Kathmandu' }),
    ];

    for (const [index, buyerId] of tenants.entries()) {
      // The last one begins within October, on a day that is no first.
      await aContract(product, {
        buyerId,
        bookId,
        startsAt: new Date(index === 2 ? '2026-10-05T10:15:00Z' : '2026-09-01T00:00:00Z'),
      });
    }

    dora = await onDerivedBook(meters.tokens.meterId);

    for (const at of ['2026-10-30T12:00:00Z', '2026-12-01T12:00:00Z']) {
      product.setClock(new Date(at));

      for (const tenantId of [...tenants, dora]) {
        await accept(product, tenantId, someEvents(700, new Date(at)));
      }
    }

    // Periods in their order, after each has ended everywhere and been rated.
    for (const at of ['2026-11-03T00:00:00Z', '2026-12-04T00:00:00Z']) {
      product.setClock(new Date(at));

      for (const tenantId of [...tenants, dora]) {
        await rate(product, tenantId);
        const { invoicing } = product.app.services;

        for (const invoice of await invoicing.list(product.scope(tenantId), { first: 100 })) {
          if (invoice.status === 'DRAFT' && invoice.periodEnd < new Date(at)) {
            await invoicing.issue(product.scope(tenantId), {
              invoiceId: invoice.id,
              acceptUnpriced: true,
              idempotencyKey: randomUUID(),
            });
          }
        }
      }
    }
  });

  afterAll(() => product.close());

  /** A tenant on a book that follows the other one: cheaper, and with discounts on what it spends and commits to. */
  async function onDerivedBook(meterId: string): Promise<string> {
    const { pricing, contracts } = product.app.services;
    const { book } = await pricing.createBook(product.scope(), {
      name: 'Cheaper',
      currency: 'USD',
      idempotencyKey: randomUUID(),
    });
    const tiers = [{ upTo: '20', rate: '3.3' }, { rate: '7.77' }];
    const { version } = await pricing.createVersion(product.scope(), {
      priceBookId: book.id,
      prices: [],
      basis: { priceBookId: bookId, adjustments: [{ meterId, percent: '-12.5' }] },
      discounts: [
        { name: 'Off tokens', meterId, basis: 'SPEND', mode: 'GRADUATED', tiers },
        { name: 'Committed', basis: 'COMMITMENT', tiers: [{ upTo: '1000', rate: '1' }, { rate: '2.5' }] },
      ],
      idempotencyKey: randomUUID(),
    });
    await pricing.publish(product.scope(), { versionId: version.id, effectiveAt: new Date('2026-01-01T00:00:00Z') });
    versions = { ...versions, derived: version.id };
    const tenantId = await aTenant(product, { name: 'Dora' });
    await contracts.create(product.scope(), {
      buyerId: tenantId,
      priceBookId: book.id,
      commitmentAmount: '2000',
      startsAt: new Date('2026-09-01T00:00:00Z'),
      graceHours: 24,
      idempotencyKey: randomUUID(),
    });

    return tenantId;
  }

  /** Events of the 28 days before an instant, many of them at the same millisecond. */
  function someEvents(count: number, end: Date): object[] {
    return Array.from({ length: count }, (_, index) => {
      const time = new Date(end.getTime() - roll(28 * 24) * 3_600_000 - roll(3) * 1_234_567).toISOString();
      const event = (type: string, properties: object) => ({
        id: `${pick(['a', 'ä', '😀', '\uffee', 'Z'])}-${index}-${roll(1e9)}`,
        ...(roll(3) === 0 ? { source: pick(['eu', 'us']) } : {}),
        type,
        time,
        properties,
      });

      switch (roll(7)) {
        case 0:
          return event('llm.request', {
            model: pick(['small', 'large', 'ünknown']),
            tokens: `${roll(4_000)}.${roll(1e9)}`,
            user: `user ${roll(40)}`,
          });

        case 1:
          return event('llm.answer', {
            model: pick(['banded', 'banded', 'small']),
            usage: {
              input_tokens: roll(30_000),
              input_tokens_details: { cached_tokens: 0 },
              output_tokens: roll(2_000),
            },
          });

        case 2:
          return event('gauge.read', { model: pick(['x', 'y', 'z']), value: `${roll(100)}.${roll(1_000)}` });

        case 3:
          return event('image.made', { value: roll(9) });

        case 4:
          return event('seat.changed', { value: pick(['1', '2.5', '-1', '3', '-0.75']) });

        case 5:
          return event('payment.made', { model: pick(['card', 'sepa', 'wire']), value: `${roll(120)}.${roll(100)}` });

        default:
          return event('job.ran', { model: pick(['x', 'y']), value: roll(500), replicas: 1 + roll(4) });
      }
    });
  }

  /** The lines of the tenant's issued invoice of the period that holds an instant. */
  async function invoiced(tenantId: string, at: string): Promise<{ lines: string[]; total: string }> {
    const lines = await asSuperuser<{ text: string }>(
      product.database,
      `select concat_ws(' ', l.description, trim_scale(l.quantity), trim_scale(l.exact_amount), trim_scale(l.amount)) as text
       from invoice i join invoice_line l on l.tenant_id = i.tenant_id and l.invoice_id = i.id
       where i.tenant_id = $1 and i.period_start <= $2 and i.period_end > $2 and i.status = 'ISSUED' and not l.is_adjustment`,
      [tenantId, at],
    );
    const [invoice] = await asSuperuser<{ total: string }>(
      product.database,
      'select total::text from invoice where tenant_id = $1 and period_start <= $2 and period_end > $2',
      [tenantId, at],
    );

    return { lines: lines.map(({ text }) => text).sort(), total: plain(invoice?.total ?? '') };
  }

  test('the invoices have lines of every model, in both months', async () => {
    for (const [from] of MONTHS) {
      for (const tenantId of tenants) {
        const { lines } = await invoiced(tenantId, from);
        expect([from, lines.length > 20, lines]).toEqual([from, true, expect.any(Array)]);
      }
    }
  });

  test.each(MONTHS)('equal the invoices of the months from %s, line by line', async (from, until) => {
    const asked = { priceBookVersionId: versions.second, from: new Date(from), until: new Date(until) };
    const replayed = await simulate(product, { ...asked, baseline: 'PUBLISHED' });
    const charged = await simulate(product, { ...asked, baseline: 'CHARGED' });
    expect(replayed.simulation).toMatchObject({ status: 'DONE', tenantsDone: 3, tenantsTotal: 3 });
    expect(replayed.tenants.map(({ name }) => name)).toEqual(['Acme', 'Berta', 'Yeti']);

    for (const [index, tenantId] of tenants.entries()) {
      const invoice = await invoiced(tenantId, from);
      expect(linesOf(replayed.items.get(tenantId), 'old')).toEqual(invoice.lines);
      expect(linesOf(charged.items.get(tenantId), 'old')).toEqual(invoice.lines);
      expect(amounts(replayed.tenants[index])?.[0]).toBe(invoice.total);
      expect(amounts(charged.tenants[index])).toEqual(amounts(replayed.tenants[index]));
      expect(linesOf(charged.items.get(tenantId), 'new')).toEqual(linesOf(replayed.items.get(tenantId), 'new'));
      expect(replayed.tenants[index]?.old_unpriced).toBe(charged.tenants[index]?.old_unpriced);
    }
  });

  test('the version that held all October comes to the invoices of October', async () => {
    const [from, until] = MONTHS[0];
    const { tenants: rows, items } = await simulate(product, {
      priceBookVersionId: versions.first,
      from: new Date(from),
      until: new Date(until),
    });

    for (const [index, tenantId] of tenants.entries()) {
      const invoice = await invoiced(tenantId, from);
      expect(linesOf(items.get(tenantId), 'new')).toEqual(invoice.lines);
      expect(rows[index]?.difference).toBe('0');
    }
  });

  test.each(MONTHS)(
    'of a book that takes prices over equal the invoices of the months from %s, as the book they follow went on',
    async (from, until) => {
      const asked = { priceBookVersionId: versions.derived, from: new Date(from), until: new Date(until) };
      const replayed = await simulate(product, { ...asked, baseline: 'PUBLISHED' });
      const charged = await simulate(product, { ...asked, baseline: 'CHARGED' });
      const { lines, total } = await invoiced(dora, from);
      expect(lines.filter(line => /^(Off tokens|Committed) /.test(line))).toHaveLength(2);

      for (const { items, tenants: rows } of [replayed, charged]) {
        expect(linesOf(items.get(dora), 'old')).toEqual(lines);
        expect(linesOf(items.get(dora), 'new')).toEqual(lines);
        expect(amounts(rows[0])?.slice(0, 2)).toEqual([total, total]);
      }
    },
  );

  test('the version on trial holds all the time, also before it took effect', async () => {
    const [from, until] = MONTHS[0];
    const asked = { from: new Date(from), until: new Date(until) };
    const { items } = await simulate(product, { ...asked, priceBookVersionId: versions.second });
    const names = linesOf(items.get(tenants[0] ?? ''), 'new').map(line => line.includes('(new)'));
    expect(names.length).toBeGreaterThan(20);
    expect(new Set(names)).toEqual(new Set([true]));
  });
});

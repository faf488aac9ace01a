import { importDemoBooks, seedDemo } from '../../src/demo/index.js';
import { Api } from '../../src/demo/replay-api.js';
import { priceBookFor } from '../../src/demo/replay-book.js';
import { monthOfUsage } from '../../src/demo/traffic.js';
import { GALLERY, importGalleryBook } from '../../src/gallery/index.js';
import { decimal, divide, formatDecimal, sum, type Decimal } from '../../src/money/index.js';
import { asSuperuser } from '../support/database.js';
import { aProduct, type Product } from '../support/product.js';

const NOW = new Date('2026-11-23T12:00:00Z');

interface Request {
  readonly type: string;
  readonly time: string;
  readonly properties: {
    readonly provider: 'openai' | 'anthropic' | 'google';
    readonly model: string;
    readonly service_tier?: string;
    readonly usage: Readonly<Record<string, unknown>>;
  };
}

/** What the provider's API says was used, by kind, and the length of the prompt: read here as each provider documents it. */
function tokensOf({ provider, usage, service_tier: tier }: Request['properties']) {
  const count = (path: string): number => {
    const value = path
      .split('.')
      .reduce<unknown>((found, part) => (found as Record<string, unknown> | undefined)?.[part], usage);

    return typeof value === 'number' ? value : 0;
  };

  switch (provider) {
    case 'openai': {
      const [read, write] = [
        count('input_tokens_details.cached_tokens'),
        count('input_tokens_details.cache_write_tokens'),
      ];
      const kinds = { cache_read: read, cache_write: write, output: count('output_tokens') };

      return {
        prompt: count('input_tokens'),
        tier: tier === 'batch' ? 'batch' : 'standard',
        kinds: { input: count('input_tokens') - read - write, ...kinds },
      };
    }

    case 'anthropic': {
      const [input, read, write] = [
        count('input_tokens'),
        count('cache_read_input_tokens'),
        count('cache_creation.ephemeral_5m_input_tokens'),
      ];

      return {
        prompt: input + read + write,
        tier: String(usage['service_tier']),
        kinds: { input, cache_read: read, cache_write_5m: write, output: count('output_tokens') },
      };
    }

    case 'google': {
      const [prompt, read] = [count('promptTokenCount'), count('cachedContentTokenCount')];
      const output = count('candidatesTokenCount') + count('thoughtsTokenCount');

      return { prompt, tier: 'standard', kinds: { input: prompt - read, cache_read: read, output } };
    }

    default:
      return provider satisfies never;
  }
}

/** The list price of a request, from the gallery's data alone. */
function listPriceOf({ time, properties }: Request): Decimal {
  const book = GALLERY.find(({ key }) => key === properties.provider);
  const version = book?.versions.findLast(({ effectiveAt, withdrawn }) => !withdrawn && effectiveAt <= time);
  const above = book?.models.find(({ key }) => key === properties.model)?.contextBands[0]?.above;
  const { prompt, tier, kinds } = tokensOf(properties);
  const band = above === undefined ? {} : { context_band: prompt > Number(above) ? 'long' : 'short' };
  const amounts = Object.entries(kinds).map(([kind, quantity]) => {
    const wanted = { model: properties.model, token_kind: kind, service_tier: tier, ...band };
    const price = version?.prices.find(
      ({ dimensions }) =>
        Object.keys(dimensions).length === Object.keys(wanted).length &&
        Object.entries(wanted).every(([name, value]) => dimensions[name] === value),
    );

    if (!price && quantity > 0) {
      throw new Error(`no list price of ${JSON.stringify(wanted)} at ${time}`);
    }

    return divide(decimal(String(quantity)).times(price?.unitAmount ?? '0'), decimal('1000000'));
  });

  return sum(amounts);
}

/** Customers by name. */
async function customersOf(product: Product): Promise<Map<string, string>> {
  const rows = await asSuperuser<{ id: string; name: string }>(
    product.database,
    "select id, name from tenant where kind = 'CUSTOMER' order by name",
  );

  return new Map(rows.map(({ id, name }) => [name, id]));
}

describe('the demo business', () => {
  let product: Product;
  let customers: Map<string, string>;

  beforeAll(async () => {
    product = await aProduct({ now: NOW });
    await seedDemo(product.app, product.platformId, () => undefined);
    customers = await customersOf(product);
  });

  afterAll(() => product.close());

  test('has usage without anything unpriced, and the month before on invoices', async () => {
    const { invoicing, rating } = product.app.services;
    expect([...customers.keys()]).toEqual(['Brightdesk', 'Kestrel Health', 'Lumen Legal', 'Orchard Foods']);

    for (const id of customers.values()) {
      expect(await rating.unpriced(product.scope(id), { first: 100 })).toEqual([]);
      const invoices = await invoicing.list(product.scope(id), { first: 100 });
      const states = invoices.map(({ status, periodEnd }) => [status, periodEnd < NOW ? 'over' : 'open']);
      expect(states).toContainEqual(['DRAFT', 'open']);
      expect(states).toContainEqual(['ISSUED', 'over']);
      expect(states.filter(state => !['DRAFT open', 'ISSUED over'].includes(state.join(' ')))).toEqual([]);
    }
  });

  test('asks direct customers for the list price of every token, a quarter more', async () => {
    for (const [seed, [key, name]] of [
      ['brightdesk', 'Brightdesk'],
      ['kestrel', 'Kestrel Health'],
    ].entries()) {
      const charges = await product.app.services.rating.charges(product.scope(customers.get(name ?? '')), {
        first: 100,
      });
      const ofTokens = charges.filter(({ price_name: price }) => price.includes('list price'));
      const events = await asSuperuser<{ n: number }>(
        product.database,
        "select count(*)::int as n from usage_event where tenant_id = $1 and type = 'llm.request'",
        [customers.get(name ?? '')],
      );
      const sent = ([...monthOfUsage(key ?? '', seed, NOW)] as Request[]).filter(({ type }) => type === 'llm.request');

      // The seeding's own instant is a little later than this one.
      expect(sent.length).toBe(events[0]?.n);
      expect(formatDecimal(sum(ofTokens.map(({ amount }) => decimal(amount))))).toBe(
        formatDecimal(sum(sent.map(listPriceOf)).times('1.25')),
      );
    }
  });

  test('has requests of every model, of both sides of a band, in batches, and with cache reads and writes', () => {
    const sent = ([...monthOfUsage('brightdesk', 0, NOW), ...monthOfUsage('kestrel', 1, NOW)] as Request[]).filter(
      ({ type }) => type === 'llm.request',
    );
    const seen = new Set(
      sent.flatMap(({ properties }) => {
        const { prompt, tier, kinds } = tokensOf(properties);
        const used = Object.entries(kinds).flatMap(([kind, quantity]) => (quantity > 0 ? [kind] : []));

        return [properties.model, tier, prompt > 272_000 ? 'long' : 'short', ...used];
      }),
    );

    expect([...seen].toSorted()).toEqual([
      'batch',
      'cache_read',
      'cache_write',
      'cache_write_5m',
      'claude-haiku-4.5',
      'claude-opus-5.5',
      'claude-sonnet-5.5',
      'gemini-2.5-flash',
      'gemini-3.1-pro',
      'gpt-5-mini',
      'gpt-6-luna',
      'gpt-6.2-sol',
      'input',
      'long',
      'output',
      'short',
      'standard',
    ]);
  });

  test('makes the same events whenever it is made', () => {
    const later = new Map(
      [...monthOfUsage('lumen', 2, new Date('2026-11-23T18:00:00Z'))].map(event => [
        (event as { id: string }).id,
        event,
      ]),
    );

    for (const event of monthOfUsage('lumen', 2, NOW)) {
      expect(later.get((event as { id: string }).id)).toEqual(event);
    }
  });

  test('has no requests where the clock stands before the lists begin', () => {
    const events = [...monthOfUsage('lumen', 2, new Date('2024-06-10T12:00:00Z'))] as Request[];

    expect(new Set(events.map(({ type }) => type))).toEqual(new Set(['agent.run']));
  });

  test('seeded again, as after a kill before its keys were kept, is the same but for new keys', async () => {
    const rows = async () =>
      asSuperuser(
        product.database,
        `select ${[
          'tenant',
          'model',
          'model_cost',
          'meter',
          'price_book',
          'price',
          'contract',
          'spend_alert',
          'charge',
          'invoice',
          'usage_event',
        ]
          .map(table => `(select count(*)::int from ${table}) as ${table}`)
          .join(', ')}, (select sum(amount)::text from charge) as charged`,
      );
    product.setClock(NOW);
    const before = await rows();

    await seedDemo(product.app, product.platformId, () => undefined);

    expect(await rows()).toEqual(before);
  });

  test('gets the whole lists as price books, once, and changes no charge by them', async () => {
    const books = () =>
      asSuperuser<{ name: string; prices: number }>(
        product.database,
        `select b.name, count(p.id)::int as prices from price_book b
         join price_book_version v on v.price_book_id = b.id join price p on p.version_id = v.id
         where b.tenant_id = $1 group by b.id, b.name order by b.id`,
        [product.platformId],
      );
    const charges = () => asSuperuser(product.database, 'select id, amount::text from charge order by id');
    const before = await charges();
    let steps = 0;

    await importDemoBooks(product.app, product.platformId, () => (steps += 1));

    const entered = await books();
    expect(steps).toBeGreaterThan(70);
    expect(entered).toEqual([
      { name: 'Meridian prices', prices: 29 },
      { name: 'OpenAI list prices', prices: 4_612 },
      { name: 'Anthropic list prices', prices: 1_936 },
      { name: 'Google Gemini list prices', prices: 50 },
    ]);
    await importDemoBooks(product.app, product.platformId, () => undefined);
    expect(await books()).toEqual(entered);
    expect(await charges()).toEqual(before);
  });

  test('has a book for the replay of every model of its own, whatever books come after it', async () => {
    for (const key of ['stability', 'replicate', 'tidewater'] as const) {
      await importGalleryBook(product.app.services, product.scope(), key);
    }

    const api = new Api(product.server.url, product.platformKey);
    const rates = async (model: string) => {
      const { rates: found } = await priceBookFor(api, model);

      return [found.input.amount, found.output.amount, found.input.per];
    };

    expect(await rates('gpt-6.2-sol')).toEqual(['2.5', '12.5', '1000000']);
    expect(await rates('claude-opus-5.5')).toEqual(['5', '25', '1000000']);
    expect(await rates('gemini-3.1-pro')).toEqual(['2.5', '15', '1000000']);
    await expect(priceBookFor(api, 'gpt-1')).rejects.toThrow(
      "no price book of this key's tenant has plain unit prices of input_tokens and output_tokens for gpt-1",
    );
  });
});

test('the demo leaves nothing unpriced after the promotions of its lists have ended', async () => {
  const product = await aProduct({ now: new Date('2027-03-10T08:00:00Z') });

  try {
    await seedDemo(product.app, product.platformId, () => undefined);

    for (const id of (await customersOf(product)).values()) {
      expect(await product.app.services.rating.unpriced(product.scope(id), { first: 100 })).toEqual([]);
    }
  } finally {
    await product.close();
  }
});

import { importDemoBooks, seedDemo } from '../../src/demo/index.js';
import { ticketsSince } from '../../src/demo/demo-outcomes.js';
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

/** How many outcomes of tickets there are by state and reason, and what all that matured are charged. */
async function ticketsIn(product: Product): Promise<Record<string, number | string>> {
  const tenants = await customersOf(product);
  const counts = await asSuperuser<{ standing: string; n: number }>(
    product.database,
    "select concat_ws(' ', state, reason) as standing, count(*)::int as n from outcome group by 1",
  );
  const charges = await asSuperuser<{ tenant_id: string; amount: string }>(
    product.database,
    `select tenant_id, trim_scale(amount)::text as amount from charge where price_version_id like 'orv_%'`,
  );
  expect(charges.map(charge => charge.tenant_id)).toEqual([tenants.get('Brightdesk')]);

  return {
    ...Object.fromEntries(counts.map(({ standing, n }) => [standing, n])),
    charged: charges[0]?.amount ?? 'nothing',
  };
}

const TICKETS = {
  MATURED: 32,
  'REJECTED DUPLICATE': 3,
  'REJECTED GREETING_ONLY': 1,
  'REJECTED QUALITY_BELOW': 1,
  'REVERSED REVERSED': 2,
  // 32 × 0.99.
  charged: '31.68',
};

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

  test('shows tickets of Brightdesk in several states at once, and charges those that stand', async () => {
    expect(await ticketsIn(product)).toEqual(TICKETS);
    const { data } = await product.graphql(
      product.platformKey,
      `query ($id: ID!, $from: DateTime!, $until: DateTime!) {
        tenant(id: $id) {
          outcomes(first: 9) { edges { node { subject state reason } } }
          outcomesOfPerson: outcomes(subject: "ticket-1033") { edges { node { id } } }
        }
        seller: tenant {
          priceBooks { edges { node { outcomeRules { edges { node {
            key name stats(tenantId: $id, from: $from, until: $until) { state reason count amount { amount } }
          } } } } } }
        }
      }`,
      { id: customers.get('Brightdesk'), from: NOW, until: new Date(NOW.getTime() + 60_000) },
    );
    expect(
      data.tenant.outcomes.edges.map(({ node }: { node: Record<string, string> }) => Object.values(node).join(' ')),
    ).toEqual([
      'ticket-1037 REVERSED REVERSED',
      'ticket-1036 REVERSED REVERSED',
      'ticket-1035 REJECTED QUALITY_BELOW',
      'ticket-1034 REJECTED GREETING_ONLY',
      'ticket-1020 REJECTED DUPLICATE',
      'ticket-1011 REJECTED DUPLICATE',
      'ticket-1003 REJECTED DUPLICATE',
      'ticket-1032 MATURED ',
      'ticket-1031 MATURED ',
    ]);
    expect(data.tenant.outcomesOfPerson.edges).toEqual([]);
    expect(data.seller.priceBooks.edges[0].node.outcomeRules.edges).toEqual([
      {
        node: {
          key: 'ticket_resolved',
          name: 'A ticket resolved by the agent',
          stats: [
            { state: 'MATURED', reason: null, count: 32, amount: { amount: '31.68' } },
            { state: 'REJECTED', reason: 'DUPLICATE', count: 3, amount: { amount: '0' } },
            { state: 'REJECTED', reason: 'GREETING_ONLY', count: 1, amount: { amount: '0' } },
            { state: 'REJECTED', reason: 'QUALITY_BELOW', count: 1, amount: { amount: '0' } },
            { state: 'REVERSED', reason: 'REVERSED', count: 2, amount: { amount: '0' } },
          ],
        },
      },
    ]);
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
          'outcome_rule',
          'outcome_rule_version',
          'outcome_intake',
          'outcome_event',
          'outcome',
          'outcome_transition',
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
         where b.tenant_id = $1 group by b.id, b.name order by b.name`,
        [product.platformId],
      );
    const charges = () => asSuperuser(product.database, 'select id, amount::text from charge order by id');
    const before = await charges();
    let steps = 0;

    await importDemoBooks(product.app, product.platformId, () => (steps += 1));

    const entered = await books();
    expect(steps).toBeGreaterThan(70);
    expect(entered).toEqual([
      { name: 'Anthropic list prices', prices: 1_936 },
      { name: 'Google Gemini list prices', prices: 50 },
      { name: 'Meridian prices', prices: 29 },
      { name: 'OpenAI list prices', prices: 4_612 },
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

test('the demo, killed at each of its steps and run again hours later, has one rule and each ticket once', async () => {
  const product = await aProduct({ now: NOW });
  const { usage } = product.app.services;
  const hoursLater = (hours: number) => new Date(NOW.getTime() + hours * 3_600_000);
  const versions = () =>
    asSuperuser<{ status: string; at: Date }>(
      product.database,
      'select status, effective_at as at from outcome_rule_version',
    );
  /** Seeds until it gets to a step that no run has got to; answers that step, or null at the end. */
  const seedOn = async (seen: readonly string[]): Promise<string | null> => {
    const next = new Error('killed');
    let killedAt: string | null = null;
    await seedDemo(product.app, product.platformId, step => {
      if (!seen.includes(step)) {
        killedAt = step;
        throw next;
      }
    }).catch((error: unknown) => {
      if (error !== next) {
        throw error;
      }
    });

    return killedAt;
  };

  try {
    const steps: string[] = [];

    for (let step = await seedOn(steps); step !== null; step = await seedOn(steps)) {
      steps.push(step);
      product.setClock(hoursLater(steps.length));

      // Killed when tickets had been accepted and not judged.
      if (step.startsWith('a month of usage')) {
        const [version] = await versions();
        const buyer = product.scope((await customersOf(product)).get('Brightdesk'));
        const tickets = ticketsSince(version?.at ?? NOW);
        expect(await usage.accept(buyer, tickets, { keyId: 'demo', isDryRun: false })).toMatchObject({ accepted: 42 });
      }
    }

    expect(steps).toEqual([
      'tenants',
      'models and meters',
      'price books and contracts',
      'a month of usage, and tickets resolved',
      'the invoices of the month before',
      'keys',
    ]);
    const [version, ...others] = await versions();
    expect([version?.status, others]).toEqual(['PUBLISHED', []]);
    // As of the first run that came so far.
    expect(Math.floor(((version?.at.getTime() ?? 0) - NOW.getTime()) / 3_600_000)).toBe(3);
    expect(await ticketsIn(product)).toEqual(TICKETS);
  } finally {
    await product.close();
  }
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

import { ALL_PERMISSIONS, type Permission } from '../access/index.js';
import type { App } from '../app.js';
import { newId, type Scope } from '../platform/index.js';
import { DEMO_MODELS, PLATFORM_RATES, RESELLER_TIERS } from './demo-prices.js';

/** The demo's keys by role. They open a demonstration on one machine and nothing else. */
export interface DemoKeys {
  readonly platform: string;
  readonly reseller: string;
  readonly customer: string;
  readonly gateway: string;
}

const CUSTOMERS = [
  { key: 'brightdesk', name: 'Brightdesk', timeZone: 'America/New_York', region: 'us', seller: 'platform' },
  { key: 'kestrel', name: 'Kestrel Health', timeZone: 'Europe/London', region: 'eu', seller: 'platform' },
  { key: 'lumen', name: 'Lumen Legal', timeZone: 'Europe/Berlin', region: 'eu', seller: 'reseller' },
  { key: 'orchard', name: 'Orchard Foods', timeZone: 'Europe/Zurich', region: 'eu', seller: 'reseller' },
] as const;

const CUSTOMER_PERMISSIONS: readonly Permission[] = [
  'usage:read',
  'billing:read',
  'alerts:read',
  'alerts:write',
  'webhooks:read',
  'webhooks:write',
  'tenants:read',
  'audit:read',
];

const RESELLER_PERMISSIONS = ALL_PERMISSIONS.filter(
  permission => !['costs:read', 'catalog:write'].includes(permission),
);

/**
 * Makes a small believable business: a platform, a reseller, four customers, models, meters, price books, contracts,
 * alerts and a month of usage. Every step is idempotent, so a run that was killed is simply run again.
 */
export async function seedDemo(app: App, platformId: string, note: (step: string) => void): Promise<DemoKeys> {
  const { tenants, catalog, pricing, contracts, alerts, rating, invoicing, usage } = app.services;
  const as = (tenantId: string): Scope => app.scopeOf(tenantId, { kind: 'cli', id: 'demo' });
  const platform = as(platformId);
  // Contracts and prices reach back, so that a trace of the past can be replayed under them.
  const since = new Date('2020-01-01T00:00:00Z');

  note('tenants');
  await tenants
    .createPlatform(platform, { name: 'Meridian AI', currency: 'USD', timeZone: 'UTC', region: 'eu' })
    .catch(ifExists);
  const reseller = await tenants.create(platform, {
    parentId: null,
    kind: 'RESELLER',
    name: 'Alpine Cloud',
    currency: 'EUR',
    timeZone: 'Europe/Zurich',
    region: 'eu',
    idempotencyKey: 'demo-alpine',
  });
  const customers: { id: string; sellerId: string; key: string; name: string }[] = [];

  for (const { key, seller, ...customer } of CUSTOMERS) {
    const sellerId = seller === 'reseller' ? reseller.tenant.id : platformId;
    const made = await tenants.create(platform, {
      ...customer,
      parentId: sellerId,
      kind: 'CUSTOMER',
      currency: seller === 'reseller' ? 'EUR' : 'USD',
      idempotencyKey: `demo-${key}`,
    });
    customers.push({ id: made.tenant.id, sellerId, key, name: customer.name });
  }

  note('models and meters');

  for (const { input, output, source, ...model } of DEMO_MODELS) {
    const made = await catalog.createModel(platform, {
      ...model,
      modality: 'text',
      idempotencyKey: `demo-${model.key}`,
    });
    await catalog.setCost(platform, {
      modelId: made.model.id,
      effectiveAt: since,
      currency: 'USD',
      rates: [
        { kind: 'input_tokens', amount: input, per: '1000000' },
        { kind: 'output_tokens', amount: output, per: '1000000' },
      ],
      source,
      idempotencyKey: `demo-cost-${model.key}`,
    });
  }

  const meterOf = async (kind: 'input' | 'output'): Promise<string> => {
    const made = await catalog.createMeter(platform, {
      key: `${kind}_tokens`,
      eventType: 'llm.request',
      filter: '!has(properties.status) || properties.status != "failed"',
      aggregation: 'SUM',
      valueProperty: `${kind}_tokens`,
      dimensions: [{ name: 'model', property: 'model' }],
      unit: 'token',
      idempotencyKey: `demo-meter-${kind}`,
    });

    return made.meter.id;
  };
  const meters = { input: await meterOf('input'), output: await meterOf('output') };
  const users = await catalog.createMeter(platform, {
    key: 'active_users',
    eventType: 'agent.run',
    filter: '',
    aggregation: 'UNIQUE_COUNT',
    valueProperty: 'user',
    dimensions: [],
    unit: 'user',
    idempotencyKey: 'demo-meter-users',
  });

  note('price books and contracts');
  const seats = (amount: string) => ({
    meterId: users.meter.id,
    name: 'Active users, in packs of five',
    pattern: {},
    model: { kind: 'PACKAGE', amount, size: '5', free: '0' },
  });
  const platformPrices = Object.entries(PLATFORM_RATES).flatMap(([model, rates]) =>
    (['input', 'output'] as const).map(kind => ({
      meterId: meters[kind],
      name: `${model} ${kind} tokens`,
      pattern: { model },
      model: { kind: 'PER_UNIT', rate: { amount: rates[kind], per: '1000000' } },
    })),
  );
  const resellerPrices = (['input', 'output'] as const).map(kind => ({
    meterId: meters[kind],
    name: `All models, ${kind} tokens`,
    pattern: {},
    model: {
      kind: 'GRADUATED',
      tiers: RESELLER_TIERS[kind].map(tier => ({
        upTo: tier.upTo,
        rate: { amount: tier.amount, per: '1000000' },
        flat: '0',
      })),
    },
  }));
  const books = {
    [platformId]: await book(platform, 'List prices', 'USD', [...platformPrices, seats('20')]),
    [reseller.tenant.id]: await book(as(reseller.tenant.id), 'Alpine prices', 'EUR', [...resellerPrices, seats('24')]),
  };

  for (const customer of customers) {
    await contracts.create(as(customer.sellerId), {
      buyerId: customer.id,
      priceBookId: books[customer.sellerId] ?? '',
      startsAt: since,
      graceHours: 24,
      idempotencyKey: `demo-${customer.key}`,
    });
    await alerts.create(
      as(customer.id),
      {
        name: 'Monthly budget',
        budget: '150',
        thresholds: [{ percent: '50' }, { percent: '80' }, { percent: '100' }],
        idempotencyKey: 'demo-budget',
      },
      rating,
    );
  }

  note('a month of usage');
  const until = app.clock();

  for (const [index, customer] of customers.entries()) {
    for (const batch of chunks([...monthOfUsage(customer.key, index, until)], 1_000)) {
      await usage.accept(as(customer.id), batch, { keyId: 'demo', isDryRun: false });
    }

    await rating.rate(as(customer.id));
  }

  note('the invoices of the month before');

  for (const customer of customers) {
    for (const invoice of await invoicing.list(as(customer.id), { first: 100 })) {
      if (invoice.status === 'DRAFT' && invoice.periodEnd <= until) {
        await invoicing.issue(as(customer.id), {
          invoiceId: invoice.id,
          acceptUnpriced: false,
          idempotencyKey: `demo-${invoice.id}`,
        });
      }
    }
  }

  note('keys');
  const key = async (tenantId: string, name: string, permissions: readonly Permission[]): Promise<string> => {
    const made = await app.services.access.create(
      as(tenantId),
      { name, prefix: 'rb', mode: 'LIVE', permissions, expiresAt: null, idempotencyKey: newId('demo', app.clock()) },
      new Set(ALL_PERMISSIONS),
    );

    return made.text ?? '';
  };

  return {
    platform: await key(platformId, 'Demo: platform, everything', ALL_PERMISSIONS),
    reseller: await key(reseller.tenant.id, 'Demo: reseller', RESELLER_PERMISSIONS),
    customer: await key(customers[0]?.id ?? platformId, 'Demo: customer, mostly reading', CUSTOMER_PERMISSIONS),
    gateway: await key(platformId, 'Demo: gateway, only records usage', ['usage:write']),
  };

  async function book(owner: Scope, name: string, currency: string, prices: readonly PriceSeed[]): Promise<string> {
    const made = await pricing.createBook(owner, { name, currency, idempotencyKey: 'demo-book' });
    const draft = await pricing.createVersion(owner, {
      priceBookId: made.book.id,
      prices,
      idempotencyKey: 'demo-version',
    });

    if (draft.version.status === 'DRAFT') {
      await pricing.publish(owner, { versionId: draft.version.id, effectiveAt: since });
    }

    return made.book.id;
  }
}

interface PriceSeed {
  readonly meterId: string;
  readonly name: string;
  readonly pattern: Readonly<Record<string, string>>;
  readonly model: unknown;
}

/** The same usage at every run: from the first of the month before until now, busier on weekdays. */
function* monthOfUsage(key: string, seed: number, until: Date): Generator<object> {
  const random = mulberry32(seed + 1);
  const models = DEMO_MODELS.map(model => model.key);
  const start = Date.UTC(until.getUTCFullYear(), until.getUTCMonth() - 1, 1);

  for (let day = start; day < until.getTime(); day += 86_400_000) {
    const weekday = new Date(day).getUTCDay();
    const requests = weekday === 0 || weekday === 6 ? 8 : 24 + seed * 8;

    for (let index = 0; index < requests; index++) {
      const time = new Date(day + Math.floor(random() * 86_400_000));

      if (time >= until) {
        continue;
      }

      const stamp = `${key}-${day / 86_400_000}-${index}`;
      yield {
        id: `demo-${stamp}`,
        type: 'llm.request',
        time: time.toISOString(),
        subject: `conversation-${Math.floor(random() * 400)}`,
        properties: {
          model: models[Math.floor(random() * models.length)],
          input_tokens: 500 + Math.floor(random() * 60_000),
          output_tokens: 50 + Math.floor(random() * 6_000),
          status: random() < 0.02 ? 'failed' : 'ok',
        },
      };

      if (index % 8 === 0) {
        yield {
          id: `demo-run-${stamp}`,
          type: 'agent.run',
          time: time.toISOString(),
          properties: { user: `user-${Math.floor(random() * 12)}` },
        };
      }
    }
  }
}

/** A small seeded generator (mulberry32): the demo is to be the same everywhere, not unpredictable. */
function mulberry32(seed: number): () => number {
  let state = seed * 0x9e3779b9;

  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;

    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function* chunks<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += size) {
    yield items.slice(start, start + size);
  }
}

function ifExists(error: unknown): void {
  if (!(error instanceof Error) || !('code' in error) || error.code !== 'ALREADY_EXISTS') {
    throw error;
  }
}

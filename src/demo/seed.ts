import { ALL_PERMISSIONS, type Permission } from '../access/index.js';
import type { App } from '../app.js';
import { importGalleryBook, importGalleryCatalog } from '../gallery/index.js';
import { newId, type Scope } from '../platform/index.js';
import type { PriceDraft } from '../pricing/index.js';
import { publishTicketRule, ticketsSince } from './demo-outcomes.js';
import { DEMO_BOOKS, DEMO_MODELS, listingOf, PLATFORM_MARKUP, RESELLER_TERMS, TOKEN_KINDS } from './demo-prices.js';
import { monthOfUsage } from './traffic.js';

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
  'outcomes:read',
  'outcomes:dispute',
  'entitlements:read',
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
 * Makes a small believable business: a platform, a reseller, four customers, models, meters, price books, an outcome
 * rule, contracts, alerts, a cap, a month of usage and some outcomes. Every step is idempotent, so a run that was killed is simply
 * run again.
 */
export async function seedDemo(app: App, platformId: string, note: (step: string) => void): Promise<DemoKeys> {
  const { tenants, catalog, pricing, contracts, outcomeRules, alerts, budgets, rating, invoicing, usage } =
    app.services;
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

  // What is used here; the rest of the lists comes in when everything runs already, see `importDemoBooks`.
  const lists = [];

  for (const { key, provider, meter } of DEMO_BOOKS) {
    const modelKeys = DEMO_MODELS.filter(({ book }) => book === key).map(model => model.key);
    const { meters } = await importGalleryCatalog(catalog, platform, key, { modelKeys });
    lists.push({ provider, meterId: meters.get(meter) ?? '' });
  }

  const meterOf = async (kind: 'input' | 'output'): Promise<string> => {
    const made = await catalog.createMeter(platform, {
      key: `${kind}_tokens`,
      eventType: 'llm.request',
      // Who names a provider sends its usage object, which the meters of the lists count.
      filter: '!has(properties.provider) && (!has(properties.status) || properties.status != "failed")',
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
    terms: { model: 'PACKAGE', packageAmount: amount, packageSize: '5' },
  });
  const plainPrices = DEMO_MODELS.flatMap(model => {
    const { retail } = listingOf(model);

    return (['input', 'output'] as const).map(kind => ({
      meterId: meters[kind],
      name: `${model.key} ${kind} tokens`,
      pattern: { model: model.key },
      terms: { model: 'UNIT', unitAmount: retail[kind], per: '1000000' },
    }));
  });
  const markedUp = lists.flatMap(({ provider, meterId }) =>
    TOKEN_KINDS.map(({ kind, words }) => ({
      meterId,
      name: `${provider} ${words}, list price × ${PLATFORM_MARKUP}`,
      pattern: { token_kind: kind },
      terms: { model: 'COST_PLUS', markup: PLATFORM_MARKUP },
    })),
  );
  const resellerPrices = [
    ...(['input', 'output'] as const).map(kind => ({
      meterId: meters[kind],
      name: `All models, ${kind} tokens`,
      pattern: {},
      terms: RESELLER_TERMS[kind],
    })),
    ...lists.flatMap(({ provider, meterId }) =>
      TOKEN_KINDS.map(({ kind, words, terms }) => ({
        meterId,
        name: `${provider} ${words}`,
        pattern: { token_kind: kind },
        terms: RESELLER_TERMS[terms],
      })),
    ),
  ];
  const books = {
    [platformId]: await book(platform, 'Meridian prices', 'USD', [...markedUp, ...plainPrices, seats('20')]),
    [reseller.tenant.id]: await book(as(reseller.tenant.id), 'Alpine prices', 'EUR', [...resellerPrices, seats('24')]),
  };

  const ruledSince = await publishTicketRule(outcomeRules, platform, books[platformId] ?? '');

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

  for (const { id } of customers.filter(({ key }) => key === 'brightdesk')) {
    await budgets.create(as(id), {
      name: 'Monthly cap',
      amount: '100',
      currency: 'USD',
      mode: 'HARD',
      per: 'MONTH',
      countedTenantId: null,
      keyId: null,
      meterId: null,
      model: null,
      idempotencyKey: 'demo-cap',
    });
  }

  note('a month of usage, and tickets resolved');
  const until = app.clock();

  for (const [index, customer] of customers.entries()) {
    const tickets = customer.key === 'brightdesk' ? ticketsSince(ruledSince) : [];

    for (const batch of chunks([...monthOfUsage(customer.key, index, until), ...tickets], 1_000)) {
      const { rejected } = await usage.accept(as(customer.id), batch, { keyId: 'demo', isDryRun: false });

      if (rejected[0]) {
        throw new Error(`the demo's own usage is refused: ${rejected[0].reason}`);
      }
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
    gateway: await key(platformId, 'Demo: gateway, asks before calls and records usage', [
      'usage:write',
      'holds:write',
    ]),
  };

  async function book(owner: Scope, name: string, currency: string, prices: readonly PriceDraft[]): Promise<string> {
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

/**
 * Enters the whole lists that the demo buys by, thousands of prices, as price books of the platform: seconds of work, for when
 * the demo runs already. May run again; `step` hears of every step and stops it by throwing.
 */
export async function importDemoBooks(app: App, platformId: string, step: () => void): Promise<void> {
  for (const { key } of DEMO_BOOKS) {
    await importGalleryBook(app.services, app.scopeOf(platformId, { kind: 'cli', id: 'demo' }), key, step);
  }
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

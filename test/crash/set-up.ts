import type { App } from '../../src/app.js';
import type { Scope } from '../../src/platform/index.js';
import { type Clock, type Work, workOff } from './flow.js';
import { type CustomerName, type Ids, type PriceGiven, SCENARIO } from './scenario.js';

const { ALERT, CALLS, CREDITS, CUSTOMERS, METERS, OUTCOME, PRICES, VERSIONS } = SCENARIO;

/** Makes everything that stands before the first event. Run once, in the template that every point is cloned from. */
export async function setUp(app: App, platform: string, clock: Clock, work: Work): Promise<Ids> {
  clock('2026-10-01T00:00:00.000Z');
  const { tenants, catalog, pricing, contracts, outcomeRules, webhooks, alerts, rating, budgets, credits } =
    app.services;
  const scope = (tenantId = platform): Scope => app.scopeOf(tenantId, { kind: 'cli', id: 'set-up' });
  await tenants.createPlatform(scope(), { name: 'Platform', currency: 'USD', timeZone: 'UTC', region: 'eu' });
  const customers: Record<string, string> = {};
  const meters: Record<string, string> = {};

  for (const [key, { name, timeZone }] of Object.entries(CUSTOMERS)) {
    const { tenant } = await tenants.create(scope(), {
      parentId: null,
      kind: 'CUSTOMER',
      name,
      currency: 'USD',
      timeZone,
      region: 'eu',
      idempotencyKey: key,
    });
    customers[key] = tenant.id;
  }

  for (const [key, { dimension, ...meter }] of Object.entries(METERS)) {
    const made = await catalog.createMeter(scope(), {
      ...meter,
      key,
      filter: '',
      unit: 'unit',
      dimensions: dimension ? [{ name: dimension, property: dimension }] : [],
      idempotencyKey: key,
    });
    meters[key] = made.meter.id;
  }

  const { book } = await pricing.createBook(scope(), { name: 'List', currency: 'USD', idempotencyKey: 'book' });

  const publish = async (index: number): Promise<void> => {
    const { version } = await pricing.createVersion(scope(), {
      priceBookId: book.id,
      prices: PRICES.map(price => ({
        meterId: meters[price.meter] ?? '',
        name: price.name,
        pattern: patternOf(price),
        terms: termsJson(price.kind, price.versions[index] ?? {}),
      })),
      idempotencyKey: `version ${index}`,
    });
    await pricing.publish(scope(), { versionId: version.id, effectiveAt: new Date(VERSIONS[index] ?? '') });
  };
  await publish(0);
  const { rule } = await outcomeRules.create(scope(), {
    priceBookId: book.id,
    key: OUTCOME.key,
    name: 'Resolved conversation',
    idempotencyKey: 'rule',
  });
  const { version: ruleVersion } = await outcomeRules.createVersion(scope(), {
    outcomeRuleId: rule.id,
    terms: outcomeTerms(),
    idempotencyKey: 'rule version',
  });
  await outcomeRules.publish(scope(), { versionId: ruleVersion.id, effectiveAt: null });

  for (const [key, buyerId] of Object.entries(customers)) {
    await contracts.create(scope(), {
      buyerId,
      priceBookId: book.id,
      startsAt: new Date(CUSTOMERS[key as CustomerName].periods[0][0]),
      graceHours: 24,
      idempotencyKey: key,
    });
    // Nobody listens there and nothing is posted: what counts is that each message is queued once.
    await webhooks.createEndpoint(scope(buyerId), {
      url: 'http://127.0.0.1:9/hook',
      eventTypes: ['spend_alert.triggered', 'invoice.issued'],
      idempotencyKey: key,
    });
  }

  const { alert } = await alerts.create(
    scope(customers['acme']),
    { ...ALERT, name: 'Spend', idempotencyKey: 'alert' },
    rating,
  );

  const made: Record<string, string> = {};

  for (const [owner, given] of Object.entries(CALLS.budgets)) {
    const { budget } = await budgets.create(scope(customers[owner] ?? platform), {
      ...given,
      name: 'Runs',
      currency: 'USD',
      mode: 'HARD',
      countedTenantId: null,
      keyId: null,
      meterId: meters['runs'] ?? '',
      model: null,
      idempotencyKey: owner,
    });
    made[owner] = budget.id;
  }

  await credits.grant(scope(customers[CREDITS.customer]), {
    kind: 'PROMOTIONAL',
    unit: 'USD',
    unitWorth: null,
    amount: CREDITS.promotional.amount,
    costBasis: { amount: '0', currency: 'USD' },
    priority: 0,
    meterIds: [meters['runs'] ?? ''],
    models: [],
    effectiveAt: null,
    expiresAt: new Date(CREDITS.promotional.expiresAt),
    idempotencyKey: 'promotional',
  });

  // What the set-up asks for is done before the flow begins, but for its last change of prices.
  await workOff(app, scope, work);
  await publish(1);

  return {
    platform,
    customers: customers as Ids['customers'],
    meters: meters as Ids['meters'],
    alert: alert.id,
    budgets: made as Ids['budgets'],
  };
}

function outcomeTerms(): unknown {
  const { price, amount, claim, reversal, maturationHours, reversalHours } = OUTCOME;

  return {
    claim: { eventType: claim, filter: '' },
    maturationHours,
    dedupe: { scope: 'SUBJECT', windowHours: null },
    reversal: { clause: { eventType: reversal, filter: '' }, windowHours: reversalHours },
    prices: [{ name: price, currency: 'USD', pattern: {}, terms: { model: 'UNIT', unitAmount: amount } }],
  };
}

function patternOf({ model }: PriceGiven): Readonly<Record<string, string>> {
  return model ? { model } : {};
}

function termsJson(kind: string, given: Readonly<Record<string, string>>): unknown {
  const { amount, per, size, free, upTo, below, above, flat } = given;

  switch (kind) {
    case 'GRADUATED':
      return {
        model: kind,
        tiers: [
          { upTo, unitAmount: below },
          { upTo: null, unitAmount: above, flatAmount: flat },
        ],
      };

    case 'FLAT':
      return { model: kind, flatAmount: amount };

    case 'PACKAGE':
      return { model: kind, packageAmount: amount, packageSize: size, freeUnits: free };

    default:
      return { model: kind, unitAmount: amount, per };
  }
}

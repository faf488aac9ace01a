// What the crash test does, as data and as a flow of real service calls. The oracle reads the same data and shares no
// code with the product. Only erasable TypeScript and no import that runs, so that plain `node` can run this file too.
import type { App } from '../../src/app.js';
import type { Fact, Scope } from '../../src/platform/index.js';

/** The customers, with their billing periods as instants, written down by hand. */
const CUSTOMERS = {
  acme: {
    name: 'Acme',
    timeZone: 'UTC',
    periods: [
      ['2026-11-01T00:00:00.000Z', '2026-12-01T00:00:00.000Z'],
      ['2026-12-01T00:00:00.000Z', '2027-01-01T00:00:00.000Z'],
    ],
  },
  yeti: {
    name: 'Yeti',
    // 5:45 ahead of UTC: its months begin and end at 18:15 UTC.
    timeZone: 'Asia/Kathmandu',
    periods: [
      ['2026-10-31T18:15:00.000Z', '2026-11-30T18:15:00.000Z'],
      ['2026-11-30T18:15:00.000Z', '2026-12-31T18:15:00.000Z'],
    ],
  },
} as const;

export type CustomerName = keyof typeof CUSTOMERS;

/** The second version of the price book takes effect in the middle of November. */
const VERSIONS = ['2020-01-01T00:00:00.000Z', '2026-11-16T00:00:00.000Z'] as const;

export interface MeterGiven {
  readonly eventType: string;
  readonly aggregation: 'SUM' | 'UNIQUE_COUNT' | 'MAX';
  readonly valueProperty: string;
  readonly dimension: string | null;
}

const METERS: Readonly<Record<MeterName, MeterGiven>> = {
  tokens: { eventType: 'llm.request', aggregation: 'SUM', valueProperty: 'tokens', dimension: 'model' },
  users: { eventType: 'llm.request', aggregation: 'UNIQUE_COUNT', valueProperty: 'user', dimension: null },
  seats: { eventType: 'seats.seen', aggregation: 'MAX', valueProperty: 'seats', dimension: null },
};

export type MeterName = 'tokens' | 'users' | 'seats';

type ModelGiven =
  | {
      readonly kind: 'GRADUATED';
      readonly versions: readonly {
        readonly upTo: string;
        readonly below: string;
        readonly above: string;
        readonly flat: string;
      }[];
    }
  | { readonly kind: 'UNIT'; readonly versions: readonly { readonly amount: string; readonly per: string }[] }
  | {
      readonly kind: 'PACKAGE';
      readonly versions: readonly { readonly amount: string; readonly size: string; readonly free: string }[];
    }
  | { readonly kind: 'FLAT'; readonly versions: readonly { readonly amount: string }[] };

/** A price by name, with one model in each version of the book. `model` null is the price of every other model. */
export type PriceGiven = ModelGiven & {
  readonly name: string;
  readonly meter: MeterName;
  readonly model: string | null;
};

const PRICES: readonly PriceGiven[] = [
  {
    name: 'Large tokens',
    meter: 'tokens',
    model: 'large',
    kind: 'GRADUATED',
    versions: [
      { upTo: '1000', below: '0.0025', above: '0.00175', flat: '1.5' },
      { upTo: '1000', below: '0.002', above: '0.00155', flat: '1.75' },
    ],
  },
  {
    name: 'Other tokens',
    meter: 'tokens',
    model: null,
    kind: 'UNIT',
    versions: [
      { amount: '2.345678901234', per: '1000' },
      { amount: '2.123456789012', per: '1000' },
    ],
  },
  {
    name: 'Users',
    meter: 'users',
    model: null,
    kind: 'PACKAGE',
    versions: [
      { amount: '9.99', size: '2', free: '1' },
      { amount: '10.49', size: '2', free: '1' },
    ],
  },
  {
    name: 'Seats',
    meter: 'seats',
    model: null,
    kind: 'UNIT',
    versions: [
      { amount: '7.255', per: '1' },
      { amount: '7.125', per: '1' },
    ],
  },
  {
    // Nobody uses it: it is asked for when a period is over, by the first version that the period has.
    name: 'Support',
    meter: 'tokens',
    model: 'support',
    kind: 'FLAT',
    versions: [{ amount: '4.995' }, { amount: '5.005' }],
  },
];

/**
 * What a resolved conversation costs: once for each, a day after it was resolved, and nothing when it was opened again within
 * two weeks. The rule has one version, which holds from the set-up on.
 */
const OUTCOME = {
  key: 'resolved',
  price: 'Resolved',
  /** What the charge is called. */
  name: 'resolved: Resolved',
  amount: '0.990000000001',
  claim: 'chat.resolved',
  reversal: 'chat.reopened',
  maturationHours: 24,
  reversalHours: 336,
} as const;

/** Acme's alert: one threshold in per cent of its budget, one as an amount. */
const ALERT = { budget: '100', thresholds: [{ percent: '20' }, { amount: '45' }] } as const;

export interface EventGiven {
  readonly id: string;
  readonly customer: CustomerName;
  readonly type: string;
  readonly time: string;
  readonly subject?: string;
  readonly properties: Readonly<Record<string, string>>;
}

/** What the product must answer for one item of a batch, by whichever try it is accepted. */
export type Fate = 'STORED' | 'DUPLICATE' | 'CONFLICT' | 'REJECTED';

export interface BatchGiven {
  readonly at: string;
  readonly items: readonly (EventGiven & { readonly fate: Fate })[];
}

const request = (
  id: string,
  customer: CustomerName,
  time: string,
  properties: Readonly<Record<string, string>>,
  fate: Fate = 'STORED',
) => ({ id, customer, type: 'llm.request', time, properties, fate });

const seats = (id: string, customer: CustomerName, time: string, count: string, fate: Fate = 'STORED') => ({
  id,
  customer,
  type: 'seats.seen',
  time,
  properties: { seats: count },
  fate,
});

const talk = (
  id: string,
  customer: CustomerName,
  type: 'chat.resolved' | 'chat.reopened',
  time: string,
  subject: string,
  fate: Fate = 'STORED',
) => ({ id, customer, type, time, subject, properties: {}, fate });

/** Three batches: two within November, and one that comes after November was invoiced. */
const BATCHES: readonly [BatchGiven, BatchGiven, BatchGiven] = [
  {
    at: '2026-11-20T12:00:00.000Z',
    items: [
      request('a1', 'acme', '2026-11-02T08:00:00.001Z', { model: 'large', tokens: '700.000000000001', user: 'ann' }),
      request('a2', 'acme', '2026-11-15T23:59:59.999Z', { model: 'large', tokens: '650.25', user: 'bob' }),
      request('a3', 'acme', '2026-11-16T00:00:00.000Z', { model: 'large', tokens: '123.456789', user: 'ann' }),
      request('a4', 'acme', '2026-11-17T10:00:00.000Z', { model: 'small', tokens: '3000.000000000003', user: 'cyd' }),
      request(
        'a4',
        'acme',
        '2026-11-17T10:00:00.000Z',
        { model: 'small', tokens: '3000.000000000003', user: 'cyd' },
        'DUPLICATE',
      ),
      request('a1', 'acme', '2026-11-02T08:00:00.001Z', { model: 'large', tokens: '7', user: 'ann' }, 'CONFLICT'),
      seats('s1', 'acme', '2026-11-03T00:00:00.000Z', '2'),
      talk('o1', 'acme', 'chat.resolved', '2026-11-05T10:00:00.000Z', 'first'),
      talk('o2', 'acme', 'chat.resolved', '2026-11-06T10:00:00.000Z', 'first'),
      talk('o2', 'acme', 'chat.resolved', '2026-11-06T10:00:00.000Z', 'first', 'DUPLICATE'),
      // Not a day old yet.
      talk('o3', 'acme', 'chat.resolved', '2026-11-19T18:00:00.000Z', 'second'),
      request('y1', 'yeti', '2026-10-31T18:15:00.000Z', { model: 'mini', tokens: '1000000.5', user: 'pema' }),
      request('y2', 'yeti', '2026-11-16T00:14:59.999Z', { model: 'small', tokens: '0.000000000001', user: 'dawa' }),
      request('y3', 'yeti', '2026-11-19T06:00:00.000Z', { model: 'large', tokens: '1000', user: 'mingma' }),
    ],
  },
  {
    at: '2026-11-30T18:30:00.000Z',
    items: [
      request('a3', 'acme', '2026-11-16T00:00:00.000Z', { model: 'large', tokens: '124', user: 'ann' }, 'CONFLICT'),
      request('a2', 'acme', '2026-11-15T23:59:59.999Z', { model: 'large', tokens: '650.25', user: 'bob' }, 'DUPLICATE'),
      request('a5', 'acme', '2026-11-25T10:00:00.000Z', { model: 'mini', tokens: '4321.000000000009', user: 'dot' }),
      request('a6', 'acme', '2026-11-25T10:14:00.000Z', { model: 'large', tokens: '2000', user: 'eve' }),
      request('a7', 'acme', '2026-11-26T10:00:00.000Z', { model: 'large', tokens: '-1', user: 'eve' }, 'REJECTED'),
      talk('o4', 'acme', 'chat.reopened', '2026-11-22T10:00:00.000Z', 'second'),
      // A month's end apart: resolved in November, a day old in December.
      talk('o5', 'acme', 'chat.resolved', '2026-11-30T10:00:00.000Z', 'third'),
      talk('o6', 'yeti', 'chat.resolved', '2026-11-29T18:14:59.999Z', 'fourth'),
      talk('o7', 'yeti', 'chat.resolved', '2026-11-29T18:15:00.000Z', 'fifth'),
      seats('s2', 'acme', '2026-11-28T00:00:00.000Z', '5'),
      // The same moment is November in UTC and December in Kathmandu.
      request('y4', 'yeti', '2026-11-30T18:20:00.000Z', { model: 'mini', tokens: '77.7', user: 'pema' }),
      seats('s3', 'yeti', '2026-11-30T18:14:59.999Z', '3'),
    ],
  },
  {
    at: '2026-12-03T09:00:00.000Z',
    items: [
      request('a8', 'acme', '2026-11-10T09:00:00.000Z', { model: 'large', tokens: '400.000000000002', user: 'fay' }),
      request('a9', 'acme', '2026-12-02T09:00:00.000Z', { model: 'small', tokens: '10000.125', user: 'ann' }),
      request('a5', 'acme', '2026-11-25T10:00:00.000Z', { model: 'mini', tokens: '1', user: 'dot' }, 'CONFLICT'),
      // Takes back what is on November's invoice.
      talk('o8', 'acme', 'chat.reopened', '2026-11-12T10:00:00.000Z', 'first'),
    ],
  },
];

/** When each customer's periods are issued, in the order in which the issuer's numbers are given. */
const ISSUES = [
  { customer: 'yeti', period: 0, at: '2026-12-02T00:00:00.000Z', by: 'JOB' },
  { customer: 'acme', period: 0, at: '2026-12-02T00:01:00.000Z', by: 'CLIENT' },
  { customer: 'acme', period: 1, at: '2027-01-03T00:00:00.000Z', by: 'CLIENT' },
  { customer: 'yeti', period: 1, at: '2027-01-03T00:01:00.000Z', by: 'JOB' },
] as const;

/** All of the above, for the oracle. */
export const SCENARIO = { CUSTOMERS, VERSIONS, METERS, PRICES, OUTCOME, ALERT, BATCHES, ISSUES } as const;

/** The ids that the set-up made. */
export interface Ids {
  readonly platform: string;
  readonly customers: Readonly<Record<CustomerName, string>>;
  readonly meters: Readonly<Record<MeterName, string>>;
  readonly alert: string;
}

/** Moves the app's clock to an instant, and never back. */
export type Clock = (at: string) => void;

/** Makes everything that stands before the first event. Run once, in the template that every point is cloned from. */
export async function setUp(app: App, platform: string, clock: Clock, work: Work): Promise<Ids> {
  clock('2026-10-01T00:00:00.000Z');
  const { tenants, catalog, pricing, contracts, outcomeRules, webhooks, alerts, rating } = app.services;
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

  // What the set-up asks for is done before the flow begins, but for its last change of prices.
  await workOff(app, scope, work);
  await publish(1);

  return { platform, customers: customers as Ids['customers'], meters: meters as Ids['meters'], alert: alert.id };
}

/** Does what a fact asks for, in the scope of its tenant. */
export type Work = (fact: Fact, scope: Scope) => Promise<void>;

/** Tells every fact, and does what those ask for that stay until it is done: from one to the next, until none is left. */
async function workOff(app: App, scope: (tenantId: string) => Scope, work: Work): Promise<void> {
  for (;;) {
    while ((await app.relay.relayOnce()) > 0) {
      // again
    }

    const { rows } = await app.relayPool.query<{ id: string; tenant_id: string } & Pick<Fact, 'topic' | 'payload'>>(
      'select id::text, tenant_id, topic, payload from outbox order by id limit 1',
    );
    const [row] = rows;

    if (!row) {
      return;
    }

    const { id, tenant_id: tenantId, topic, payload } = row;
    await work({ id, tenantId, topic, payload, handedOver: 1 }, scope(tenantId));
  }
}

/**
 * Ingest, rate and issue: the flow that is killed at every statement, and that is run again from its beginning
 * afterwards, as clients resend and jobs are repeated. Throws when an answer is not what it must be at any try.
 */
export async function runFlow(app: App, ids: Ids, clock: Clock, work: Work): Promise<void> {
  const scope = (tenantId: string): Scope => app.scopeOf(tenantId, { kind: 'job', id: 'crash-test' });
  const relay = async (): Promise<void> => {
    while ((await app.relay.relayOnce()) > 0) {
      // again
    }
  };
  const ingest = async (batch: BatchGiven): Promise<void> => {
    clock(batch.at);
    const raw = batch.items.map(({ id, customer, type, time, subject, properties }) => ({
      id,
      type,
      time,
      ...(subject ? { subject } : {}),
      tenant: ids.customers[customer],
      properties,
    }));
    const receipt = await app.services.usage.accept(scope(ids.platform), raw, { keyId: 'key', isDryRun: false });
    checkReceipt(batch, receipt);
    await relay();
  };
  const settle = async (...customers: CustomerName[]): Promise<void> => {
    for (const customer of customers) {
      await app.services.outcomes.settle(scope(ids.customers[customer]));
    }

    await relay();
  };
  const rate = async (...customers: CustomerName[]): Promise<void> => {
    // Rating would judge what is due as well; jobs do it first.
    await settle(...customers);

    for (const customer of customers) {
      await app.services.rating.rate(scope(ids.customers[customer]));
    }

    await relay();
  };
  const issue = async (index: number): Promise<void> => {
    const given = ISSUES[index];

    if (!given) {
      throw new Error(`no issue ${index}`);
    }

    clock(given.at);
    const own = (): Scope => scope(ids.customers[given.customer]);
    const start = Date.parse(CUSTOMERS[given.customer].periods[given.period][0]);
    const { invoicing } = app.services;
    const invoices = await invoicing.list(own(), { first: 100, after: null });
    const invoice = invoices.find(({ periodStart }) => periodStart.getTime() === start);

    if (!invoice) {
      throw new Error(`${given.customer} has no invoice of period ${given.period}`);
    }

    if (given.by === 'JOB') {
      await invoicing.close(own(), invoice.id);
    } else {
      await invoicing.issue(own(), { invoiceId: invoice.id, acceptUnpriced: false, idempotencyKey: `issue ${index}` });
    }

    await relay();
  };
  const [first, second, late] = BATCHES;

  await ingest(first);
  await settle('acme', 'yeti');
  // The prices changed last: that both are rated is up to the facts.
  await workOff(app, scope, work);
  await ingest(second);
  await rate('acme', 'yeti');
  await issue(0);
  await issue(1);
  await ingest(late);
  await rate('acme');
  await issue(2);
  await issue(3);
}

/** What was stored by an earlier try counts as a duplicate; conflicts and refusals are the same at every try. */
function checkReceipt(
  batch: BatchGiven,
  receipt: {
    readonly accepted: number;
    readonly duplicates: readonly number[];
    readonly conflicts: readonly { readonly index: number }[];
    readonly rejected: readonly { readonly index: number }[];
  },
): void {
  const places = (...fates: Fate[]): string =>
    batch.items.flatMap(({ fate }, index) => (fates.includes(fate) ? [index] : [])).join();
  const told = (items: readonly { readonly index: number }[]): string => items.map(({ index }) => index).join();
  const isFirst = receipt.accepted > 0;
  const duplicates = isFirst ? places('DUPLICATE') : places('DUPLICATE', 'STORED');
  const stored = batch.items.filter(({ fate }) => fate === 'STORED').length;

  if (
    receipt.accepted !== (isFirst ? stored : 0) ||
    receipt.duplicates.join() !== duplicates ||
    told(receipt.conflicts) !== places('CONFLICT') ||
    told(receipt.rejected) !== places('REJECTED')
  ) {
    throw new Error(`the batch of ${batch.at} was answered ${JSON.stringify(receipt)}`);
  }
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

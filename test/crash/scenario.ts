// What the crash test does, as data. The oracle reads the same data and shares no code with the product. Only erasable
// TypeScript, so that plain `node` can run this folder too.
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
  runs: { eventType: 'agent.run', aggregation: 'SUM', valueProperty: 'units', dimension: null },
};

export type MeterName = 'tokens' | 'users' | 'seats' | 'runs';

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
    // Every run is of the second half of November and later: what a budget counts as it comes in is what is billed.
    name: 'Runs',
    meter: 'runs',
    model: null,
    kind: 'UNIT',
    versions: [
      { amount: '0.5', per: '1' },
      { amount: '0.025', per: '1' },
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

const run = (id: string, customer: CustomerName, time: string, count: string, fate: Fate = 'STORED') => ({
  id,
  customer,
  type: 'agent.run',
  time,
  properties: { units: count },
  fate,
});

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
      // Used without asking before: budgets count it all the same.
      run('r1', 'acme', '2026-11-18T08:00:00.000Z', '8'),
      run('r2', 'yeti', '2026-11-19T08:00:00.000Z', '4'),
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
      run('r3', 'acme', '2026-11-26T10:00:00.000Z', '16'),
      // Takes back what is on November's invoice.
      talk('o8', 'acme', 'chat.reopened', '2026-11-12T10:00:00.000Z', 'first'),
    ],
  },
];

/** How a call that was asked for ends. */
export interface CallEndGiven {
  readonly as: 'SETTLED' | 'VOIDED' | 'EXPIRED';
  readonly at: string;
  /** What it has used, and when that was told. A call that has expired can be told of late. */
  readonly used?: { readonly id: string; readonly units: string; readonly at: string };
}

export interface CallGiven {
  /** Its idempotency key. */
  readonly key: string;
  /** At most, of the meter `runs`. */
  readonly units: string;
  readonly expiresInSeconds: number;
  /** Whoever asked hears nothing, and asks again; and so does whoever settles. */
  readonly isRepeated?: boolean;
  readonly end: CallEndGiven;
}

/**
 * Acme asks before it runs, right after the first batch, in the same second. Both budgets count runs only: what all of this holds at a time leaves
 * so little of Acme's that nothing may leak.
 */
const CALLS: {
  readonly customer: CustomerName;
  readonly askedAt: string;
  /** Acme's for each month of UTC, and the platform's for ever. */
  readonly budgets: Readonly<Record<'acme' | 'platform', { readonly amount: string; readonly per: 'MONTH' | null }>>;
  readonly calls: readonly CallGiven[];
} = {
  customer: 'acme',
  askedAt: '2026-11-20T12:00:00.000Z',
  budgets: { acme: { amount: '6', per: 'MONTH' }, platform: { amount: '10', per: null } },
  calls: [
    {
      key: 'less',
      units: '40',
      expiresInSeconds: 600,
      isRepeated: true,
      end: {
        as: 'SETTLED',
        at: '2026-11-20T12:00:00.000Z',
        used: { id: 'c1', units: '30', at: '2026-11-20T12:00:00.000Z' },
      },
    },
    {
      key: 'more',
      units: '20',
      expiresInSeconds: 600,
      end: {
        as: 'SETTLED',
        at: '2026-11-20T12:00:00.000Z',
        used: { id: 'c2', units: '24.4', at: '2026-11-20T12:00:00.000Z' },
      },
    },
    {
      key: 'none',
      units: '100',
      expiresInSeconds: 600,
      end: { as: 'VOIDED', at: '2026-11-20T12:00:00.000Z' },
    },
    {
      key: 'late',
      units: '60',
      expiresInSeconds: 60,
      end: {
        as: 'EXPIRED',
        at: '2026-11-20T12:30:00.000Z',
        used: { id: 'c3', units: '12', at: '2026-11-20T12:30:00.000Z' },
      },
    },
  ],
};

/**
 * Acme's credits in US dollars, for runs only. Runs burn them as they are accepted, and a burn of somebody who bills comes on
 * top. The promotional ones burn first, for they expire; of that burn a part is given back, first to the last of the grants
 * that paid. Some promotional ones are left when they expire.
 */
const CREDITS = {
  customer: 'acme',
  promotional: { amount: '3.36', expiresAt: '2027-01-02T00:00:00.000Z' },
  paid: { amount: '20', at: '2026-11-20T12:40:00.000Z' },
  burn: { reference: 'an extra', amount: '2', at: '2026-11-20T12:41:00.000Z' },
  reversal: { reference: 'a complaint', amount: '1.2', at: '2026-11-20T12:42:00.000Z' },
  expireAt: '2027-01-03T00:02:00.000Z',
} as const;

/** When each customer's periods are issued, in the order in which the issuer's numbers are given. */
const ISSUES = [
  { customer: 'yeti', period: 0, at: '2026-12-02T00:00:00.000Z', by: 'JOB' },
  { customer: 'acme', period: 0, at: '2026-12-02T00:01:00.000Z', by: 'CLIENT' },
  { customer: 'acme', period: 1, at: '2027-01-03T00:00:00.000Z', by: 'CLIENT' },
  { customer: 'yeti', period: 1, at: '2027-01-03T00:01:00.000Z', by: 'JOB' },
] as const;

/** All of the above, for the oracle. */
export const SCENARIO = {
  CUSTOMERS,
  VERSIONS,
  METERS,
  PRICES,
  OUTCOME,
  ALERT,
  BATCHES,
  CALLS,
  CREDITS,
  ISSUES,
} as const;

/** The ids that the set-up made. */
export interface Ids {
  readonly platform: string;
  readonly customers: Readonly<Record<CustomerName, string>>;
  readonly meters: Readonly<Record<MeterName, string>>;
  readonly alert: string;
  readonly budgets: Readonly<Record<'acme' | 'platform', string>>;
}

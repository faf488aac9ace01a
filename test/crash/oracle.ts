// What the scenario must come to, by plain integer arithmetic over its list of events: no bucket, no rule and no library
// of the product. Only erasable TypeScript, so that plain `node` can run this folder too.
import { exact, ONE, product, roundToCents, text, units } from './arithmetic.js';
import { calledEvents, factsOfCalls } from './calls-oracle.js';
import { factsOfCredits } from './credits-oracle.js';
import type { CustomerName, EventGiven, MeterGiven, PriceGiven, SCENARIO } from './scenario.js';

/** `key` names one thing that must be there once; `value` is what it must say, to the last digit. */
export interface Line {
  readonly key: string;
  readonly value: string;
}

/** Everything that must be true in the end, by kind. */
export type Facts = Readonly<Record<string, readonly Line[]>>;

const QUARTER_HOUR_MS = 900_000;

/** How many of the three batches have been rated: at the issue of November, two. */
const AT_FIRST_ISSUE = 2;
const AT_END = 3;
/** Later than anything is due. */
const FOR_EVER = Infinity;
const HOUR_MS = 3_600_000;

interface Due {
  readonly price: Pick<PriceGiven, 'name'>;
  readonly version: number;
  readonly quantity: bigint;
  readonly amount: bigint;
}

/** The facts that hold once the flow has run to its end, whatever happened on the way. */
export function oracle(scenario: typeof SCENARIO): Facts {
  const { BATCHES, CUSTOMERS, ISSUES, METERS, OUTCOME, PRICES, VERSIONS } = scenario;
  const customers = Object.keys(CUSTOMERS) as CustomerName[];

  // What calls have used comes in right after the first batch.
  const eventsOf = (customer: CustomerName, batches: number): EventGiven[] =>
    BATCHES.slice(0, batches).flatMap(({ items }, place) =>
      [...items.filter(({ fate }) => fate === 'STORED'), ...(place === 0 ? calledEvents(scenario.CALLS) : [])].filter(
        item => item.customer === customer,
      ),
    );

  /** The running quantity of one price at an instant: over all its models, each counted by itself. */
  const runningAt = (events: readonly EventGiven[], price: PriceGiven, from: number, at: number): bigint => {
    const { eventType, aggregation, valueProperty } = METERS[price.meter];
    const named = PRICES.flatMap(other => (other.meter === price.meter && other.model ? [other.model] : []));
    const values = events
      .filter(({ type, time }) => type === eventType && Date.parse(time) >= from && Date.parse(time) < at)
      .filter(({ properties: { model = '' } }) => (price.model ? model === price.model : !named.includes(model)))
      .map(({ properties }) => properties[valueProperty] ?? '');

    return aggregate(aggregation, values);
  };

  /** What became of each claim until an instant: the first of a conversation counts, unless that was opened again in time. */
  const outcomesOf = (customer: CustomerName, batches: number, now: number) => {
    const events = eventsOf(customer, batches).sort((a, b) => Date.parse(a.time) - Date.parse(b.time));
    const counting = new Set<string>();

    return events
      .filter(({ type }) => type === OUTCOME.claim)
      .map(({ id, time, subject = '' }) => {
        const at = Date.parse(time);
        const dueAt = at + OUTCOME.maturationHours * HOUR_MS;
        const isReopened = events.some(
          event =>
            event.type === OUTCOME.reversal &&
            event.subject === subject &&
            Date.parse(event.time) >= at &&
            Date.parse(event.time) <= at + OUTCOME.reversalHours * HOUR_MS,
        );
        const isFirst = !counting.has(subject);
        counting.add(subject);
        const standing = !isFirst
          ? 'REJECTED DUPLICATE'
          : isReopened
            ? 'REVERSED REVERSED'
            : now < dueAt
              ? 'VERIFIED'
              : 'MATURED';

        return { id, dueAt, standing };
      });
  };

  /** What outcomes come to that became due in a period, by an instant. */
  const outcomeDues = (customer: CustomerName, period: number, batches: number, now: number): Due[] => {
    const [from = 0, until = 0] = (CUSTOMERS[customer].periods[period] ?? []).map(text => Date.parse(text));
    const count = outcomesOf(customer, batches, now).filter(
      ({ dueAt, standing }) => standing === 'MATURED' && dueAt >= from && dueAt < until,
    ).length;

    return count === 0
      ? []
      : [{ price: OUTCOME, version: 0, quantity: BigInt(count) * ONE, amount: BigInt(count) * units(OUTCOME.amount) }];
  };

  const usageDues = (customer: CustomerName, period: number, batches: number, isOver: boolean): Due[] => {
    const [from, until] = (CUSTOMERS[customer].periods[period] ?? []).map(text => Date.parse(text));
    const events = eventsOf(customer, batches);

    if (from === undefined || until === undefined) {
      throw new Error(`${customer} has no period ${period}`);
    }

    return PRICES.flatMap(price =>
      VERSIONS.flatMap((effectiveAt, version) => {
        const start = Math.max(from, Date.parse(effectiveAt));
        const end = Math.min(until, Date.parse(VERSIONS[version + 1] ?? '9999-01-01T00:00:00Z'));
        const before = end > start ? runningAt(events, price, from, start) : 0n;
        const after = end > start ? runningAt(events, price, from, end) : 0n;
        const amount = costOf(price, version, after) - costOf(price, version, before);
        // Of the versions that hold in the period the first asks for what is due without usage, once the period is over.
        const isFirst = end > start && start === from;
        const base = isOver && isFirst ? costOf(price, version, 0n) : 0n;

        return after === before && base === 0n
          ? []
          : [{ price, version, quantity: after - before, amount: amount + base }];
      }),
    );
  };

  const duesOf = (customer: CustomerName, period: number, batches: number, isOver: boolean): Due[] => [
    ...usageDues(customer, period, batches, isOver),
    ...outcomeDues(customer, period, batches, isOver ? FOR_EVER : Date.parse(BATCHES[batches - 1]?.at ?? '')),
  ];

  /** While the period runs: what nobody uses is not in it yet, and makes no threshold reached that was not before. */
  const spendOf = (customer: CustomerName, period: number, batches: number): bigint =>
    duesOf(customer, period, batches, false).reduce((total, { amount }) => total + amount, 0n);

  // Charges: what was due when the period was issued, and then what a late event changed.
  const charges = customers.flatMap(customer =>
    CUSTOMERS[customer].periods.flatMap((_, period) => {
      const issued = period === 0 ? duesOf(customer, period, AT_FIRST_ISSUE, true) : [];
      const due = duesOf(customer, period, AT_END, true);
      const isSame = (one: Due, other: Due): boolean => one.price === other.price && one.version === other.version;
      // What is due no more is brought to zero.
      const gone = issued.filter(old => !due.some(other => isSame(old, other)));
      const final = [...due, ...gone.map(old => ({ ...old, quantity: 0n, amount: 0n }))];

      return [
        ...issued.map(due => ({ ...due, customer, period, generation: 0, invoice: period })),
        ...final.flatMap(now => {
          const old = issued.find(other => isSame(now, other));
          const quantity = now.quantity - (old?.quantity ?? 0n);
          const amount = now.amount - (old?.amount ?? 0n);

          return quantity === 0n && amount === 0n
            ? []
            : [{ ...now, quantity, amount, customer, period, generation: old ? 1 : 0, invoice: 1 }];
        }),
      ];
    }),
  );
  const numberOf = (customer: string, period: number): string => {
    const index = ISSUES.findIndex(issue => issue.customer === customer && issue.period === period);

    return `INV-${String(index + 1).padStart(6, '0')}`;
  };
  const keyOf = (charge: (typeof charges)[number]): string =>
    `${charge.customer} period ${charge.period} ${charge.price.name} v${charge.version + 1} generation ${charge.generation}`;

  const lines = charges.map(charge => ({
    ...charge,
    number: numberOf(charge.customer, charge.invoice),
    rounded: roundToCents(charge.amount),
    isAdjustment: charge.period !== charge.invoice,
  }));
  const firings = customers
    .filter(customer => customer === 'acme')
    .flatMap(customer =>
      CUSTOMERS[customer].periods.flatMap((_, period) =>
        scenario.ALERT.thresholds.flatMap(threshold => {
          const at =
            'amount' in threshold
              ? units(threshold.amount)
              : product(units(scenario.ALERT.budget), units(threshold.percent)) / 100n;
          const name = 'amount' in threshold ? `amount:${threshold.amount}` : `percent:${threshold.percent}`;
          const first = [1, 2, 3].find(batches => spendOf(customer, period, batches) >= at);

          return first === undefined
            ? []
            : [
                {
                  key: `${customer} period ${period} ${name}`,
                  value: `spend ${text(spendOf(customer, period, first))}`,
                },
              ];
        }),
      ),
    );
  const invoices = ISSUES.map(({ customer, period }) => ({
    key: numberOf(customer, period),
    value: `${customer} period ${period} total ${text(
      lines
        .filter(line => line.number === numberOf(customer, period))
        .reduce((total, { rounded }) => total + rounded, 0n),
    )}`,
  }));

  return {
    ...factsOfCalls(
      scenario,
      customers.flatMap(customer => eventsOf(customer, AT_END)),
    ),
    ...factsOfCredits(scenario),
    events: customers.flatMap(customer =>
      eventsOf(customer, AT_END).map(({ id, time, properties }) => ({
        key: `${customer} ${id}`,
        value: `${time} ${JSON.stringify(Object.entries(properties).sort(([a], [b]) => (a < b ? -1 : 1)))}`,
      })),
    ),
    buckets: customers.flatMap(customer => bucketsOf(scenario, customer, eventsOf(customer, AT_END))),
    outcomes: customers.flatMap(customer =>
      outcomesOf(customer, AT_END, FOR_EVER).map(({ id, dueAt, standing }) => ({
        key: `${customer} ${id}`,
        value: `${standing} 1 at ${new Date(dueAt).toISOString()}`,
      })),
    ),
    charges: charges.map(charge => ({
      key: keyOf(charge),
      value: `${text(charge.quantity)} for ${text(charge.amount)} on ${numberOf(charge.customer, charge.invoice)}`,
    })),
    lines: lines.map(line => ({
      key: `${line.number} ${keyOf(line)}`,
      value: `${text(line.quantity)} for ${text(line.amount)}, rounded ${text(line.rounded)}${line.isAdjustment ? ', adjustment' : ''}`,
    })),
    invoices,
    firings,
    // One message for each firing and each invoice, to the one endpoint of the customer.
    deliveries: [
      ...firings.map(({ key }) => ({ key: `spend_alert.triggered ${key}`, value: 'PENDING after 0 attempts' })),
      ...invoices.map(({ key }) => ({ key: `invoice.issued ${key}`, value: 'PENDING after 0 attempts' })),
    ],
    audit: [
      ...['platform', ...customers].map(tenant => ({ key: `${tenant} chain`, value: 'whole' })),
      { key: 'spend_alert.fired', value: `${firings.length} times` },
      { key: 'invoice.drafted', value: `${invoices.length} times` },
      { key: 'invoice.issued', value: `${invoices.length} times` },
      { key: 'webhook_delivery.queued', value: `${firings.length + invoices.length} times` },
      { key: 'credit_grant.created', value: '2 times' },
      { key: 'credit_grant.expired', value: '1 times' },
    ],
    // Told at least once, and nothing left to tell.
    facts: [
      { key: 'outbox', value: '0 facts' },
      { key: 'deliveries asked for', value: String(firings.length + invoices.length) },
      { key: 'claims in the intake', value: '0' },
      { key: 'entries that wait at windows', value: '0' },
      { key: 'tenants asked to be settled', value: String(customers.length) },
      { key: 'tenants asked to be rated', value: String(customers.length) },
    ],
  };
}

function bucketsOf({ METERS }: typeof SCENARIO, customer: string, events: readonly EventGiven[]): readonly Line[] {
  return Object.entries(METERS).flatMap(([meter, { eventType, aggregation, valueProperty, dimension }]) => {
    const groups = Map.groupBy(
      events.filter(({ type }) => type === eventType),
      ({ time, properties }) => {
        const slot = new Date(Math.floor(Date.parse(time) / QUARTER_HOUR_MS) * QUARTER_HOUR_MS).toISOString();

        return `${customer} ${meter} ${slot} ${dimension ? `{"${dimension}":"${properties[dimension]}"}` : '{}'}`;
      },
    );

    return [...groups].map(([key, group]) => {
      const values = group.map(({ properties }) => properties[valueProperty] ?? '');
      const quantity = text(aggregate(aggregation, values));

      return {
        key,
        value: `${aggregation === 'UNIQUE_COUNT' ? `values ${[...new Set(values)].sort().join()}` : quantity} of ${group.length}`,
      };
    });
  });
}

function aggregate(aggregation: MeterGiven['aggregation'], values: readonly string[]): bigint {
  switch (aggregation) {
    case 'SUM':
      return values.map(units).reduce((total, value) => total + value, 0n);

    case 'MAX':
      return values.map(units).reduce((most, value) => (value > most ? value : most), 0n);

    case 'UNIQUE_COUNT':
      return BigInt(new Set(values).size) * ONE;

    default:
      return aggregation satisfies never;
  }
}

/** What a running quantity from zero costs by one version of a price: the formulas of the price list, by hand. */
function costOf(price: PriceGiven, version: number, quantity: bigint): bigint {
  switch (price.kind) {
    case 'GRADUATED': {
      const { upTo, below, above, flat } = pick(price.versions, version);
      const bound = units(upTo);

      return quantity > bound
        ? product(bound, units(below)) + units(flat) + product(quantity - bound, units(above))
        : product(quantity, units(below));
    }

    case 'UNIT': {
      const { amount, per } = pick(price.versions, version);

      return exact(product(quantity, units(amount)) * ONE, units(per));
    }

    case 'FLAT':
      return units(pick(price.versions, version).amount);

    case 'PACKAGE': {
      const { amount, size, free } = pick(price.versions, version);
      const billable = quantity > units(free) ? quantity - units(free) : 0n;
      const packages = (billable + units(size) - 1n) / units(size);

      return packages * units(amount);
    }

    default:
      return price satisfies never;
  }
}

function pick<T>(versions: readonly T[], version: number): T {
  const found = versions[version];

  if (!found) {
    throw new Error(`no version ${version}`);
  }

  return found;
}

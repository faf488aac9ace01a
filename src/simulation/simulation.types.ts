import { Field, ID, Int, ObjectType, registerEnumType } from 'type-graphql';
import { decimal, formatDecimal } from '../money/index.js';
import { connectionOf, DecimalScalar, JsonScalar, MoneyType, Node } from '../platform/index.js';
import type { SimulationItemRow, SimulationTenantRow } from './simulation-result.queries.js';
import type { Simulation, SimulationTotal } from './simulation.entity.js';
import { percentOf } from './simulation.rules.js';

export enum SimulationStatusEnum {
  QUEUED = 'QUEUED',
  RUNNING = 'RUNNING',
  DONE = 'DONE',
  CANCELLED = 'CANCELLED',
  FAILED = 'FAILED',
}
registerEnumType(SimulationStatusEnum, {
  name: 'SimulationStatus',
  description: 'How far a simulation is.',
  valuesConfig: {
    QUEUED: { description: 'Waits for a worker.' },
    RUNNING: { description: 'Is computed; tenants that are done can be read.' },
    DONE: { description: 'All tenants are done.' },
    CANCELLED: { description: 'Was stopped; tenants that were done can be read.' },
    FAILED: { description: 'Broke off; `error` says why.' },
  },
});

export enum SimulationBaselineEnum {
  CHARGED = 'CHARGED',
  PUBLISHED = 'PUBLISHED',
}
registerEnumType(SimulationBaselineEnum, {
  name: 'SimulationBaseline',
  description: 'What the version on trial is compared with.',
  valuesConfig: {
    CHARGED: { description: 'What was charged, adjustments included, whether it is on an invoice or not.' },
    PUBLISHED: { description: 'The published versions of each contract’s book, rated by the same replay.' },
  },
});

export enum SimulationTenantOrderEnum {
  LOSES_MOST = 'LOSES_MOST',
  WINS_MOST = 'WINS_MOST',
  NAME = 'NAME',
}
registerEnumType(SimulationTenantOrderEnum, {
  name: 'SimulationTenantOrder',
  description: 'In which order the tenants of a simulation are shown, currency by currency.',
  valuesConfig: {
    LOSES_MOST: { description: 'Whose amount would rise most comes first.' },
    WINS_MOST: { description: 'Whose amount would fall most comes first.' },
    NAME: { description: 'By name.' },
  },
});

@ObjectType('Simulation', {
  implements: Node,
  description: 'What tenants would have paid under a version of a price book, by replaying what they used.',
})
export class SimulationType extends Node {
  @Field(() => SimulationStatusEnum, { description: 'How far it is.' })
  status!: SimulationStatusEnum;

  @Field(() => ID, { description: 'The tenant whose book it is.' })
  sellerId!: string;

  @Field(() => ID, { description: 'The book.' })
  priceBookId!: string;

  @Field(() => ID, { description: 'The version on trial.' })
  priceBookVersionId!: string;

  @Field(() => Date, { description: 'Every billing period that touches the time from here …' })
  from!: Date;

  @Field(() => Date, { description: '… until before here is replayed, as a whole.' })
  until!: Date;

  @Field(() => SimulationBaselineEnum, { description: 'What the version on trial is compared with.' })
  baseline!: SimulationBaselineEnum;

  @Field(() => DecimalScalar, { description: 'Per cent of the work that is done, an estimate; "100" when it is done.' })
  progress!: string;

  @Field(() => Int, { description: 'How many tenants it looks at.' })
  tenantsTotal!: number;

  @Field(() => Int, { description: 'How many of them are done.' })
  tenantsDone!: number;

  @Field(() => DecimalScalar, {
    nullable: true,
    description: 'How many usage events there are to replay, an estimate until it is done; null while nobody knows.',
  })
  eventsTotal!: string | null;

  @Field(() => DecimalScalar, { description: 'How many usage events were replayed.' })
  eventsDone!: string;

  @Field(() => String, { nullable: true, description: 'Why it failed.' })
  error!: string | null;

  @Field(() => Date, { description: 'When it was asked for.' })
  createdAt!: Date;

  @Field(() => Date, { nullable: true, description: 'When a worker took it up.' })
  startedAt!: Date | null;

  @Field(() => Date, { nullable: true, description: 'When it ended.' })
  finishedAt!: Date | null;

  tenantId!: string;

  storedTotals!: readonly SimulationTotal[] | null;

  static from(simulation: Simulation): SimulationType {
    const { eventsTotal = null, status } = simulation;

    return Object.assign(new SimulationType(), {
      id: simulation.id,
      tenantId: simulation.tenantId,
      storedTotals: simulation.totals ?? null,
      status: SimulationStatusEnum[status],
      sellerId: simulation.sellerId,
      priceBookId: simulation.priceBookId,
      priceBookVersionId: simulation.versionId,
      from: simulation.fromAt,
      until: simulation.untilAt,
      baseline: SimulationBaselineEnum[simulation.baseline],
      progress: percentOf({ ...simulation, eventsTotal, isDone: status === 'DONE' }),
      tenantsTotal: simulation.tenantsTotal,
      tenantsDone: simulation.tenantsDone,
      eventsTotal,
      eventsDone: simulation.eventsDone,
      error: status === 'FAILED' ? (simulation.error ?? null) : null,
      createdAt: simulation.createdAt,
      startedAt: simulation.startedAt ?? null,
      finishedAt: simulation.finishedAt ?? null,
    });
  }
}

export const SimulationConnection = connectionOf('Simulation', () => SimulationType);

@ObjectType('SimulationTotal', { description: 'What the tenants of a simulation come to in one currency.' })
export class SimulationTotalType {
  @Field(() => String, { description: 'ISO 4217 code.' })
  currency!: string;

  @Field(() => Int, { description: 'How many tenants are in it.' })
  tenants!: number;

  @Field(() => MoneyType, { description: 'What it was, rounded line by line as on invoices.' })
  old!: MoneyType;

  @Field(() => MoneyType, { description: 'What it would have been, rounded likewise.' })
  new!: MoneyType;

  @Field(() => MoneyType, { description: '`new` less `old`.' })
  difference!: MoneyType;

  @Field(() => Int, {
    description: 'Combinations of meter and dimensions that had no price, counted in each tenant’s periods.',
  })
  oldUnpriced!: number;

  @Field(() => Int, { description: 'Those that would have had none. They are in no amount: unpriced is not free.' })
  newUnpriced!: number;

  static from({ currency, tenants, oldAmount, newAmount, oldUnpriced, newUnpriced }: SimulationTotal) {
    return Object.assign(new SimulationTotalType(), {
      currency,
      tenants,
      oldUnpriced,
      newUnpriced,
      ...moneyOf(currency, oldAmount, newAmount),
    });
  }
}

@ObjectType('SimulationPeriod', { description: 'A billing period that was replayed.' })
export class SimulationPeriodType {
  @Field(() => ID, { description: 'The contract.' })
  contractId!: string;

  @Field(() => Date, { description: 'It begins here …' })
  start!: Date;

  @Field(() => Date, { description: '… and ends before here.' })
  end!: Date;
}

const MOST_PERIODS = 100;

@ObjectType('SimulationTenant', {
  description: 'What one tenant has paid and would have paid, in one currency. A tenant with contracts in two has two.',
})
export class SimulationTenantType {
  @Field(() => ID, { description: 'The tenant.' })
  tenantId!: string;

  @Field(() => String, { description: 'Its name.' })
  name!: string;

  @Field(() => MoneyType, { description: 'What it was, rounded line by line as on invoices.' })
  old!: MoneyType;

  @Field(() => MoneyType, { description: 'What it would have been, rounded likewise.' })
  new!: MoneyType;

  @Field(() => MoneyType, { description: '`new` less `old`: above zero for who would have paid more.' })
  difference!: MoneyType;

  @Field(() => MoneyType, { description: '`old` before it was rounded.' })
  oldExact!: MoneyType;

  @Field(() => MoneyType, { description: '`new` before it was rounded.' })
  newExact!: MoneyType;

  @Field(() => Int, { description: 'Combinations of meter and dimensions that had no price, counted in each period.' })
  oldUnpriced!: number;

  @Field(() => Int, { description: 'Those that would have had none. They are in no amount: unpriced is not free.' })
  newUnpriced!: number;

  @Field(() => DecimalScalar, { description: 'How many usage events were replayed.' })
  events!: string;

  @Field(() => [SimulationPeriodType], {
    description: 'The billing periods that were replayed, by contract: the first ones, at most 100.',
  })
  periods!: SimulationPeriodType[];

  static from(row: SimulationTenantRow): SimulationTenantType {
    const { currency } = row;
    const exact = moneyOf(currency, row.old_exact_amount, row.new_exact_amount);

    return Object.assign(new SimulationTenantType(), {
      tenantId: row.subject_id,
      name: row.name,
      ...moneyOf(currency, row.old_amount, row.new_amount),
      oldExact: exact.old,
      newExact: exact.new,
      oldUnpriced: row.old_unpriced,
      newUnpriced: row.new_unpriced,
      events: row.events,
      periods: row.periods
        .slice(0, MOST_PERIODS)
        .map(({ contractId, start, end }) =>
          Object.assign(new SimulationPeriodType(), { contractId, start: new Date(start), end: new Date(end) }),
        ),
    });
  }
}

export const SimulationTenantConnection = connectionOf('SimulationTenant', () => SimulationTenantType);

@ObjectType('SimulationItem', {
  description:
    'One price for one tenant of a simulation, over all periods. Old and new meet by name, meter, dimensions and window.',
})
export class SimulationItemType {
  @Field(() => String, { description: 'The name of the price.' })
  name!: string;

  @Field(() => ID, { nullable: true, description: 'Its meter; null for what is no price of a meter.' })
  meterId!: string | null;

  @Field(() => JsonScalar, { description: 'The dimensions that it is for.' })
  dimensions!: unknown;

  @Field(() => JsonScalar, { nullable: true, description: 'When it applies; null for always.' })
  window!: unknown;

  @Field(() => DecimalScalar, { description: 'Units that were charged.' })
  oldQuantity!: string;

  @Field(() => DecimalScalar, { description: 'Units that would have been.' })
  newQuantity!: string;

  @Field(() => MoneyType, { description: 'What it was, rounded line by line as on invoices.' })
  old!: MoneyType;

  @Field(() => MoneyType, { description: 'What it would have been, rounded likewise.' })
  new!: MoneyType;

  @Field(() => MoneyType, { description: '`new` less `old`.' })
  difference!: MoneyType;

  @Field(() => MoneyType, { description: '`old` before it was rounded.' })
  oldExact!: MoneyType;

  @Field(() => MoneyType, { description: '`new` before it was rounded.' })
  newExact!: MoneyType;

  static from(row: SimulationItemRow): SimulationItemType {
    const { currency } = row;
    const exact = moneyOf(currency, row.old_exact_amount, row.new_exact_amount);

    return Object.assign(new SimulationItemType(), {
      name: row.price_name,
      meterId: row.meter_id,
      dimensions: row.pattern,
      window: row.window,
      oldQuantity: formatDecimal(decimal(row.old_quantity)),
      newQuantity: formatDecimal(decimal(row.new_quantity)),
      ...moneyOf(currency, row.old_amount, row.new_amount),
      oldExact: exact.old,
      newExact: exact.new,
    });
  }
}

export const SimulationItemConnection = connectionOf('SimulationItem', () => SimulationItemType);

function moneyOf(currency: string, before: string, after: string) {
  const [old, now] = [decimal(before), decimal(after)];

  return {
    old: MoneyType.of(old, currency),
    new: MoneyType.of(now, currency),
    difference: MoneyType.of(now.minus(old), currency),
  };
}

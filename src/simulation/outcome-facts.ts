import {
  actsOn,
  casesOf,
  customerOf,
  eventsOfCases,
  grouped,
  outcomeIdOf,
  type OutcomeAct,
  type OutcomeEvent,
} from '../outcomes/index.js';
import { inTransaction, type Scope } from '../platform/index.js';
import type { ReplayControl } from './event-replay.js';
import type { Ground } from './outcome-ground.js';
import { eventsOfTypes, type TypedEvent } from './outcome-simulation.queries.js';

/** The facts that both sides of a comparison are judged on. */
export interface OutcomeFacts {
  /** What is kept as facts of outcomes: billing knows no others. */
  readonly old: readonly OutcomeEvent[];
  /** The same with the events that nobody looked at when they came. */
  readonly new: readonly OutcomeEvent[];
  /** By outcome. */
  readonly acts: ReadonlyMap<string, readonly OutcomeAct[]>;
  outcomeId(ruleId: string, event: Pick<OutcomeEvent, 'id' | 'source'>): string;
  /** How many events were read. */
  readonly count: number;
}

const PAGE = 5_000;
const IDS_AT_A_TIME = 10_000;
/** Nothing is accepted that lies further ahead. */
const AHEAD_MS = 86_400_000;

/**
 * Reads the facts of the scope's tenant: events of the types that rules name, and whatever else is known of the same
 * subjects and customers, however old; and what was told of their outcomes. Page by page, each in a short transaction.
 * Null when it may not go on.
 */
export async function readFacts(
  scope: Scope,
  ground: Ground,
  now: Date,
  { mayGoOn, onEvents }: Pick<ReplayControl, 'mayGoOn' | 'onEvents'>,
): Promise<OutcomeFacts | null> {
  const stretch = { from: ground.readFrom, until: new Date(now.getTime() + AHEAD_MS) };
  const streamed: TypedEvent[] = [];

  for (let isMore = true; isMore;) {
    const last = streamed.at(-1) ?? null;
    const events = await inTransaction(scope, tx => eventsOfTypes(tx, stretch, ground.types, last, PAGE));
    streamed.push(...events);
    onEvents(events.length);
    isMore = events.length === PAGE;

    if (!(await mayGoOn())) {
      return null;
    }
  }

  const unknown = streamed.flatMap(event => withCustomer(ground, event) ?? []);
  const names = [...streamed.filter(({ properties }) => !properties), ...unknown];
  const known = await knownFacts(scope, ground, names, mayGoOn);

  if (!known) {
    return null;
  }

  const facts = [...known.map(event => withCustomer(ground, event) ?? event), ...unknown];
  const outcomeId = idsOf(scope.tenantId, facts);

  const acts = await readActs(scope, ground, known, { outcomeId, mayGoOn });

  return acts && { old: known, new: facts, acts, outcomeId, count: streamed.length };
}

/** An event with the customer that the rules on trial read in it; null where its properties are not at hand. */
function withCustomer(ground: Ground, event: TypedEvent): OutcomeEvent | null {
  const { properties } = event;
  const path = ground.new.rules.customerPropertyAt(event.time);

  return properties && { ...event, properties, customer: customerOf(properties, path) };
}

/** Everything that is kept of the cases that these events belong to; null when it may not go on. */
async function knownFacts(
  scope: Scope,
  ground: Ground,
  names: readonly Pick<OutcomeEvent, 'id' | 'source' | 'subject' | 'customer'>[],
  mayGoOn: ReplayControl['mayGoOn'],
): Promise<OutcomeEvent[] | null> {
  const linksCustomers = ground.old.rules.linksCustomers || ground.new.rules.linksCustomers;
  const cases = await inTransaction(scope, tx => casesOf(tx, names, linksCustomers));
  const found: OutcomeEvent[] = [];

  for (const group of grouped(cases, PAGE)) {
    const members = {
      subjects: group.flatMap(({ subjects }) => subjects),
      customers: group.flatMap(({ customers }) => customers),
      loose: group.flatMap(({ loose }) => loose),
    };
    found.push(...(await inTransaction(scope, tx => eventsOfCases(tx, members))));

    if (!(await mayGoOn())) {
      return null;
    }
  }

  return found;
}

/** Names outcomes; each id is hashed once. */
function idsOf(tenantId: string, events: readonly OutcomeEvent[]): OutcomeFacts['outcomeId'] {
  const times = new Map(events.map(event => [keyOf(event), event.time]));
  const ids = new Map<string, string>();

  return (ruleId, event) => {
    const key = `${ruleId}\0${keyOf(event)}`;
    const id = ids.get(key) ?? outcomeIdOf(tenantId, ruleId, event, times.get(keyOf(event)) ?? new Date(0));
    ids.set(key, id);

    return id;
  };
}

/** What somebody told of the outcomes that these events may claim; null when it may not go on. */
async function readActs(
  scope: Scope,
  ground: Ground,
  known: readonly OutcomeEvent[],
  { outcomeId, mayGoOn }: Pick<OutcomeFacts, 'outcomeId'> & Pick<ReplayControl, 'mayGoOn'>,
): Promise<ReadonlyMap<string, readonly OutcomeAct[]> | null> {
  const claimTypes = new Map<string, Set<string>>();

  for (const rule of [...ground.old.byContract.values(), ...ground.new.byContract.values()].flat()) {
    const types = claimTypes.get(rule.id) ?? new Set();
    rule.versions.forEach(({ terms }) => types.add(terms.claim.eventType));
    claimTypes.set(rule.id, types);
  }

  const ids = [...claimTypes].flatMap(([ruleId, types]) =>
    known.filter(({ type }) => types.has(type)).map(event => outcomeId(ruleId, event)),
  );
  const acts: OutcomeAct[] = [];

  for (let at = 0; at < ids.length; at += IDS_AT_A_TIME) {
    acts.push(...(await inTransaction(scope, tx => actsOn(tx, ids.slice(at, at + IDS_AT_A_TIME)))));

    if (!(await mayGoOn())) {
      return null;
    }
  }

  return Map.groupBy(acts, act => act.outcomeId);
}

function keyOf({ id, source }: Pick<OutcomeEvent, 'id' | 'source'>): string {
  return `${id}\0${source}`;
}

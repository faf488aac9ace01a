import { hash } from 'node:crypto';
import { record } from '../audit/index.js';
import { announce, newId, type Scope } from '../platform/index.js';
import { judgeCase } from './case.rules.js';
import { countClaims } from './claim-count.queries.js';
import type { OutcomeCase } from './outcome-cases.js';
import { changesTo, transitionLine, type OutcomeChange } from './outcome-change.js';
import { outcomeIdOf } from './outcome-id.js';
import { markUnnamed } from './other-facts.js';
import { insertTransitions, outcomesOfCases, writeOutcomes, type Transition } from './outcome.queries.js';
import type { OutcomeAct, OutcomeEvent, Verdict } from './outcome.rules.js';
import { actsOn, eventsOfCases } from './settle.queries.js';
import type { TenantRules } from './tenant-rules.js';
import { touchUsageOf, type UsageStoodFor } from './usage-stood-for.js';

/** So many transitions of a batch are written out in its audit line; the digest is over all of them. */
export const LISTED = 100;

/** Transitions that happened together. */
export interface Batch {
  readonly id: string;
  readonly transitions: number;
  /** SHA-256, in hex, over their `transitionLine`s in order, joined by line breaks. */
  readonly digest: string;
  /** The first of these lines. */
  readonly first: readonly string[];
}

/** Months that have to be rated anew. */
export interface Charged {
  /** As `yyyy-mm-01`. */
  readonly months: readonly string[];
  /** The usage whose charge differs too, for outcomes stand for it; null for none. */
  readonly usage: UsageStoodFor | null;
}

/** Judges whole cases and brings their outcomes to the verdicts, with all that follows, as one batch. */
export async function judgeCases(tx: Scope, rules: TenantRules, cases: readonly OutcomeCase[]): Promise<void> {
  const members = {
    subjects: cases.flatMap(({ subjects }) => subjects),
    customers: cases.flatMap(({ customers }) => customers),
    loose: cases.flatMap(({ loose }) => loose),
  };
  const events = await eventsOfCases(tx, members);
  const times = new Map(events.map(event => [keyOf(event), event.time]));
  const outcomeId = (ruleId: string, event: Pick<OutcomeEvent, 'id' | 'source'>): string =>
    outcomeIdOf(tx.tenantId, ruleId, event, times.get(keyOf(event)) ?? tx.now);
  // By their ids: they may have been judged before anybody knew the customer that ties their events to others.
  const looseIds = [...members.loose, ...events.filter(({ subject }) => subject === null)].flatMap(place =>
    rules.ruleIds.map(ruleId => outcomeId(ruleId, place)),
  );
  const found = await outcomesOfCases(tx, members, [...new Set(looseIds)]);
  const stored = [...new Map(found.map(outcome => [outcome.standing.id, outcome])).values()];
  const acts = await actsOn(
    tx,
    stored.map(({ standing }) => standing.id),
  );
  // A call that waited for the lock comes with an older instant than what others judged meanwhile: time does not go back.
  const now = stored.reduce((last, { changedAt }) => (changedAt > last ? changedAt : last), tx.now);
  const verdicts = verdictsOn(now, rules, cases, { events, acts, stored, outcomeId });
  const changes = changesTo(verdicts, stored);

  if (changes.length === 0) {
    return;
  }

  if (
    verdicts.some(({ otherFacts }) => otherFacts.length > 0) ||
    stored.some(({ standing }) => standing.otherFacts > 0)
  ) {
    await markUnnamed(tx, members, verdicts);
  }

  const written = new Map((await writeOutcomes(tx, changes)).map(outcome => [outcome.id, outcome]));
  await countClaims(
    tx,
    changes.flatMap(({ standing, from }) => (from === null ? [standing] : [])),
  );
  const steps = changes.flatMap(({ standing, from, isStep }): Transition[] => {
    const outcome = written.get(standing.id);

    return isStep && outcome ? [{ ...outcome, from }] : [];
  });
  const id = newId('otb', tx.now);

  if (steps.length > 0) {
    await insertTransitions(tx, id, steps);
  }

  const lines = steps.map(step => transitionLine(step.id, step.n, step)).sort();
  await tellBatch(
    tx,
    {
      id,
      transitions: lines.length,
      digest: hash('sha256', lines.join('\n'), 'hex'),
      first: lines.slice(0, LISTED),
    },
    chargedBy(rules, changes),
  );
}

/** The verdicts on each of the cases. */
function verdictsOn(
  now: Date,
  rules: TenantRules,
  cases: readonly OutcomeCase[],
  facts: {
    readonly events: readonly OutcomeEvent[];
    readonly acts: readonly OutcomeAct[];
    readonly stored: readonly {
      readonly standing: { readonly id: string; readonly eventId: string; readonly source: string };
    }[];
    readonly outcomeId: (ruleId: string, event: Pick<OutcomeEvent, 'id' | 'source'>) => string;
  },
): Verdict[] {
  const caseOfName = new Map(
    cases.flatMap((one, place) => [
      ...one.subjects.map(subject => [`s${subject}`, place] as const),
      ...one.customers.map(customer => [`c${customer}`, place] as const),
      ...one.loose.map(event => [`e${keyOf(event)}`, place] as const),
    ]),
  );
  const caseOf = (event: OutcomeEvent): number | undefined =>
    event.subject === null
      ? (caseOfName.get(`e${keyOf(event)}`) ?? caseOfName.get(`c${event.customer}`))
      : caseOfName.get(`s${event.subject}`);
  const eventsByCase = Map.groupBy(facts.events, caseOf);
  const eventOf = new Map(
    facts.stored.map(({ standing }) => [standing.id, keyOf({ ...standing, id: standing.eventId })]),
  );
  const actsByEvent = Map.groupBy(facts.acts, act => eventOf.get(act.outcomeId));

  return cases.flatMap((_, place) => {
    const events = eventsByCase.get(place) ?? [];

    return judgeCase({
      events,
      acts: events.flatMap(event => actsByEvent.get(keyOf(event)) ?? []),
      now,
      rulesAt: instant => rules.at(instant),
      outcomeId: facts.outcomeId,
    });
  });
}

/** Leaves the audit line of a batch, and has what is charged differently rated anew. */
export async function tellBatch(tx: Scope, { id, ...batch }: Batch, charged: Charged): Promise<void> {
  await touchUsageOf(tx, charged.months, charged.usage);

  if (batch.transitions > 0) {
    await announce(tx, 'outcome.changed');
    await record(tx, { action: 'outcome.judged', subjectId: id, after: batch });
  }
}

function chargedBy(rules: TenantRules, changes: readonly OutcomeChange[]): Charged {
  const charged = changes.filter(({ isCharged }) => isCharged);

  return {
    months: [...new Set(charged.flatMap(({ months }) => months))],
    usage: {
      subjects: charged.flatMap(({ standing: { ruleId, subject } }) =>
        subject !== null && rules.metersStoodFor([ruleId]).length > 0 ? [subject] : [],
      ),
      meterIds: rules.metersStoodFor(charged.map(({ standing }) => standing.ruleId)),
    },
  };
}

function keyOf({ id, source }: Pick<OutcomeEvent, 'id' | 'source'>): string {
  return `${id}\0${source}`;
}

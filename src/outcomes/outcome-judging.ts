import { hash } from 'node:crypto';
import { record } from '../audit/index.js';
import { announce, newId, type Scope } from '../platform/index.js';
import { monthOf, touches, touchMonths } from '../usage/index.js';
import { judgeCase } from './case.rules.js';
import { countClaims } from './claim-count.queries.js';
import type { OutcomeCase } from './outcome-cases.js';
import { changesTo, transitionLine, type OutcomeChange } from './outcome-change.js';
import { outcomeIdOf } from './outcome-id.js';
import { insertTransitions, outcomesOfCases, writeOutcomes, type Transition } from './outcome.queries.js';
import type { OutcomeAct, OutcomeEvent, Verdict } from './outcome.rules.js';
import { actsOn, eventsOfCases } from './settle.queries.js';
import type { TenantRules } from './tenant-rules.js';

/** So many transitions of a batch are written out in its audit line; the digest is over all of them. */
export const LISTED = 100;

/** How long before the start of its subject usage may lie that an outcome stands for. */
const USAGE_BEFORE_MS = 31 * 86_400_000;

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
  /** Null, or since when usage may lie whose charge differs too. */
  readonly usageSince: Date | null;
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
  const looseIds = members.loose.flatMap(place => rules.ruleIds.map(ruleId => outcomeId(ruleId, place)));
  const stored = await outcomesOfCases(tx, members, looseIds);
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
  const months = new Set(charged.months);

  if (charged.usageSince !== null && months.size > 0) {
    const since = monthOf(charged.usageSince.toISOString());
    const last = [...months].sort().at(-1) ?? '';
    // Months without usage have nothing that an outcome could stand for.
    (await touches(tx))
      .filter(({ month }) => month >= since && month <= last)
      .forEach(({ month }) => months.add(month));
  }

  if (months.size > 0) {
    await touchMonths(tx, [...months]);
    await announce(tx, 'usage.accepted');
  }

  if (batch.transitions > 0) {
    await announce(tx, 'outcome.changed');
    await record(tx, { action: 'outcome.judged', subjectId: id, after: batch });
  }
}

function chargedBy(rules: TenantRules, changes: readonly OutcomeChange[]): Charged {
  const charged = changes.filter(({ isCharged }) => isCharged);
  const starts = charged
    .filter(({ standing }) => rules.standsForUsage(standing.ruleId))
    .map(({ standing }) => Date.parse(standing.startedAt));

  return {
    months: [...new Set(charged.flatMap(({ months }) => months))],
    usageSince: starts.length === 0 ? null : usageBefore(new Date(starts.reduce((a, b) => Math.min(a, b)))),
  };
}

/** Since when usage may lie that an outcome stands for which started at an instant. */
export function usageBefore(startedAt: Date): Date {
  return new Date(Math.max(0, startedAt.getTime() - USAGE_BEFORE_MS));
}

function keyOf({ id, source }: Pick<OutcomeEvent, 'id' | 'source'>): string {
  return `${id}\0${source}`;
}

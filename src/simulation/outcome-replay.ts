import { setImmediate } from 'node:timers/promises';
import type { ContractsService } from '../contracts/index.js';
import { sum, ZERO, type Decimal } from '../money/index.js';
import {
  dayIn,
  finishedAudits,
  judgeCase,
  outcomeCasesAmong,
  type BillableOutcome,
  type OutcomesService,
  type Verdict,
} from '../outcomes/index.js';
import { canonicalJson, DomainError, inTransaction, type Scope } from '../platform/index.js';
import { rateOnTrial, type RatedOnTrial } from '../rating/index.js';
import type { TenantsService } from '../tenants/index.js';
import type { ReplayControl } from './event-replay.js';
import { JudgedShare } from './judged-share.js';
import { readFacts, type OutcomeFacts } from './outcome-facts.js';
import { groundOf, type ComparedPeriod, type Ground, type OutcomePlan, type Rulebook } from './outcome-ground.js';
import {
  countEvents,
  type ChangedOutcome,
  type ComparedOutcomes,
  type OutcomeComparison,
  type OutcomeTotals,
} from './outcome-simulation.queries.js';
import { isChanged, NO_OUTCOME, type OutcomeSide } from './outcome-simulation.rules.js';

/** All of them are in memory at a time, for an outcome may depend on any of its subject and customer. */
const MOST_EVENTS = 1_000_000;
/** So many cases are judged before others have their turn … */
const CASES_AT_ONCE = 500;
/** … and of so many events, before it is looked whether the simulation was cancelled. */
const EVENTS_AT_A_TIME = 5_000;

type Audits = Awaited<ReturnType<typeof finishedAudits>>;

/** Where each outcome of one side stands, and what the periods come to. */
interface Judged {
  readonly verdicts: ReadonlyMap<string, Verdict>;
  readonly sides: ReadonlyMap<string, OutcomeSide>;
  /** In the order of the periods. */
  readonly totals: readonly OutcomeTotals[];
}

/**
 * Judges the stored facts of one tenant by the rules as they are and by those with the version on trial, through the engine
 * that judges and rates them, and compares. Reads in short transactions and writes nothing.
 */
export class OutcomeReplay {
  readonly #services: Parameters<typeof groundOf>[1];

  constructor(tenants: TenantsService, contracts: ContractsService, outcomes: Pick<OutcomesService, 'rulesOf'>) {
    this.#services = { tenants, contracts, outcomes };
  }

  /** How many events there are to read; refuses more than can be compared at once. */
  async estimate(tx: Scope, plan: OutcomePlan): Promise<number> {
    const { types, readFrom } = await groundOf(tx, this.#services, plan);

    return countEvents(tx, readFrom, types, MOST_EVENTS);
  }

  /** Compares the scope's tenant; null when it may not go on. */
  async compare(scope: Scope, plan: OutcomePlan, control: ReplayControl): Promise<ComparedOutcomes | null> {
    const { ground, audits, events } = await inTransaction(scope, async tx => {
      const found = await groundOf(tx, this.#services, plan);
      const lists: Audits[] = [];

      for (const { contract, period } of found.periods) {
        lists.push(await finishedAudits(tx, { contractId: contract.id, start: period.start }));
      }

      return { ground: found, audits: lists, events: await countEvents(tx, found.readFrom, found.types, MOST_EVENTS) };
    });

    if (events > MOST_EVENTS) {
      throw DomainError.invalid(
        `tenant ${scope.tenantId} has more than ${MOST_EVENTS} events to judge; choose a shorter time`,
        ['from'],
      );
    }

    const share = new JudgedShare(events, control.onEvents);
    const { mayGoOn } = control;
    const facts = await readFacts(scope, ground, plan.now, {
      mayGoOn,
      onEvents: count => share.add(events === 0 ? 0 : count / events),
    });
    const before = facts && (await judge(ground, ground.old, facts, facts.old, plan.now, { mayGoOn, share }));
    const after = facts && before && (await judge(ground, ground.new, facts, facts.new, plan.now, { mayGoOn, share }));
    const old = after && (await rated(ground, ground.old, before, { audits, now: plan.now, mayGoOn }));
    const onTrial = old && (await rated(ground, ground.new, after, { audits, now: plan.now, mayGoOn }));

    if (!facts || !old || !onTrial) {
      return null;
    }

    share.end(facts.count);

    return compared(ground, facts.count, old, onTrial);
  }
}

/** The verdicts of one side on the outcomes that are compared; null when it may not go on. */
async function judge(
  ground: Ground,
  { rules }: Rulebook,
  { acts, outcomeId }: OutcomeFacts,
  events: OutcomeFacts['old'],
  now: Date,
  { mayGoOn, share }: Pick<ReplayControl, 'mayGoOn'> & { readonly share: JudgedShare },
): Promise<Verdict[] | null> {
  const contracts = new Set(ground.periods.map(({ contract }) => contract.id));
  const verdicts: Verdict[] = [];
  const cases = outcomeCasesAmong(events, rules.linksCustomers);
  let sinceLook = 0;

  for (let at = 0; at < cases.length; at += CASES_AT_ONCE) {
    for (const own of cases.slice(at, at + CASES_AT_ONCE)) {
      const judged = judgeCase({
        events: own,
        acts:
          acts.size === 0
            ? []
            : own.flatMap(event => rules.ruleIds.flatMap(id => acts.get(outcomeId(id, event)) ?? [])),
        now,
        rulesAt: instant => rules.at(instant),
        outcomeId,
      });
      verdicts.push(
        ...judged.filter(({ ruleId, contractId }) => ground.concerned.has(ruleId) && contracts.has(contractId)),
      );
    }

    const judged = cases.slice(at, at + CASES_AT_ONCE).reduce((total, own) => total + own.length, 0);
    share.add(judged / events.length);
    sinceLook += judged;
    // The claim on the simulation is renewed meanwhile.
    await setImmediate();

    if (sinceLook >= EVENTS_AT_A_TIME) {
      sinceLook = 0;

      if (!(await mayGoOn())) {
        return null;
      }
    }
  }

  return verdicts;
}

/** What the verdicts of one side come to, period by period; null when it may not go on. */
async function rated(
  ground: Ground,
  { byContract }: Rulebook,
  verdicts: readonly Verdict[],
  given: { readonly audits: readonly Audits[]; readonly now: Date } & Pick<ReplayControl, 'mayGoOn'>,
): Promise<Judged | null> {
  const { audits, now, mayGoOn } = given;
  const { timeZone } = ground.tenant;
  const sides = new Map(
    verdicts.map(({ outcomeId, state, reason }) => [outcomeId, { state, reason, amount: ZERO } as OutcomeSide]),
  );
  const totals: OutcomeTotals[] = [];
  const dayOf = dayIn(timeZone);

  for (const [place, { contract, period }] of ground.periods.entries()) {
    const own = verdicts.filter(verdict => isWithin(verdict, { contract, period }));
    const results: RatedOnTrial[] = [];
    const rules = byContract.get(contract.id) ?? [];

    for (const ruleId of ground.concerned) {
      if (!(await mayGoOn())) {
        return null;
      }

      const outcomes = own.filter(verdict => verdict.ruleId === ruleId && isBillable(verdict));
      const audit = audits[place]?.find(found => found.ruleId === ruleId) ?? null;
      const asked = { contract, period, rules, timeZone, now, audit };
      results.push(
        rateOnTrial(
          asked,
          ruleId,
          outcomes.map(verdict => billableOf(verdict, dayOf)),
        ),
      );
    }

    noteAmounts(sides, results);
    totals.push({
      outcomes: own.filter(({ outcomeId }) => sides.get(outcomeId)?.state === 'MATURED').length,
      amount: sum(results.map(({ amount }) => amount)),
      unpriced: results.reduce((total, { unpriced }) => total + unpriced, 0),
    });
  }

  return { verdicts: new Map(verdicts.map(verdict => [verdict.outcomeId, verdict])), sides, totals };
}

/** Puts what outcomes have in the charges, and what caps make of them, beside where they stand. */
function noteAmounts(sides: Map<string, OutcomeSide>, results: readonly RatedOnTrial[]): void {
  const change = (id: string, to: (side: OutcomeSide) => OutcomeSide): void => {
    const side = sides.get(id);

    if (side) {
      sides.set(id, to(side));
    }
  };

  for (const { allocated, capped } of results) {
    for (const { outcomeId, amount } of allocated) {
      change(outcomeId ?? '', side => ({ ...side, amount: side.amount.plus(amount) }));
    }

    for (const { id, mode } of capped) {
      change(id, side => ({
        ...side,
        state: mode === 'HARD' ? 'REJECTED' : side.state,
        reason: 'CAP_EXHAUSTED',
      }));
    }
  }
}

/** Both sides laid side by side. */
function compared(ground: Ground, events: number, before: Judged, after: Judged): ComparedOutcomes {
  const ids = new Set([...before.sides.keys(), ...after.sides.keys()]);
  const changed: ChangedOutcome[] = [];

  for (const id of ids) {
    const verdicts = [before.verdicts.get(id), after.verdicts.get(id)].flatMap(verdict => verdict ?? []);
    const [verdict] = verdicts;
    const [old, now] = [before.sides.get(id) ?? NO_OUTCOME, after.sides.get(id) ?? NO_OUTCOME];
    const isCompared = verdicts.some(one => ground.periods.some(place => isWithin(one, place)));

    if (verdict && isCompared && isChanged(old, now)) {
      const { ruleId, eventId, source, subject, occurredAt, currency } = verdict;
      changed.push({ outcomeId: id, ruleId, eventId, source, subject, occurredAt, currency, old, new: now });
    }
  }

  return {
    comparisons: comparisonsOf(ground, events, before, after),
    changed: changed.sort(
      (a, b) => a.occurredAt.getTime() - b.occurredAt.getTime() || (a.outcomeId < b.outcomeId ? -1 : 1),
    ),
  };
}

function comparisonsOf(
  { tenant, periods }: Ground,
  events: number,
  before: Judged,
  after: Judged,
): readonly OutcomeComparison[] {
  const places = periods.map((place, index) => ({ ...place, old: before.totals[index], new: after.totals[index] }));
  const byCurrency = Map.groupBy(places, ({ contract }) => contract.currency);
  // Who has no period in the stretch is done too.
  const groups = byCurrency.size === 0 ? [[tenant.currency, []] as const] : [...byCurrency];

  return groups.map(([currency, own], index) => ({
    currency,
    name: tenant.name,
    periods: own.map(({ contract, period }) => ({ contractId: contract.id, start: period.start, end: period.end })),
    // Read once for all of them.
    events: index === 0 ? events : 0,
    old: totalOf(own.map(one => one.old)),
    new: totalOf(own.map(one => one.new)),
  }));
}

function totalOf(totals: readonly (OutcomeTotals | undefined)[]): OutcomeTotals {
  const known = totals.flatMap(total => total ?? []);

  return {
    outcomes: known.reduce((total, { outcomes }) => total + outcomes, 0),
    amount: sum(known.map(({ amount }): Decimal => amount)),
    unpriced: known.reduce((total, { unpriced }) => total + unpriced, 0),
  };
}

function isWithin({ contractId, periodAt }: Verdict, { contract, period }: ComparedPeriod): boolean {
  return contractId === contract.id && period.start <= periodAt && periodAt < period.end;
}

/** Whether rating looks at it: it matured, or is paid back. */
function isBillable({ state, reimbursement }: Verdict): boolean {
  return state === 'MATURED' || !reimbursement.isZero();
}

function billableOf(verdict: Verdict, dayOf: (at: Date) => string): BillableOutcome {
  const { outcomeId, versionId, attributes, units, value, occurredAt, subject, isFree, reimbursement } = verdict;

  return {
    id: outcomeId,
    versionId,
    attributes: canonicalJson(attributes),
    units,
    value,
    occurredAt,
    subject,
    day: dayOf(occurredAt),
    isFree,
    reimbursement,
  };
}

// What outcomes come to, worked out from all facts of a tenant for one instant, as plainly as can be: no cases, no indexes,
// every fact is looked at for every claim. Shares no code with the product.
import type { OutcomeTermsJson } from '../../../src/outcomes/outcome-terms.rules.js';
import type { ContractGiven, EventFact, RuleGiven, TenantFacts, VersionGiven } from './facts.js';
import { ceiling, fraction, isBelow, minus, NOTHING, over, times, total, WHOLE, type Fraction } from './fraction.js';
import { narrowest } from './narrowest.js';
import { priceOf, pricedAlone } from './prices.js';

const HOUR = 3_600_000;
const HUNDRED = fraction(100);

export interface Agent {
  readonly agent: string;
  readonly share: Fraction;
}

/** What is true of one claim under one rule. What a claim never came to have is null. */
export interface Finding {
  readonly key: string;
  readonly ruleId: string;
  readonly eventId: string;
  readonly source: string;
  readonly subject: string | null;
  readonly customer: string | null;
  readonly versionNumber: number;
  readonly version: VersionGiven;
  readonly contract: ContractGiven;
  readonly occurredAt: number;
  readonly startedAt: number;
  readonly state: 'CLAIMED' | 'VERIFIED' | 'MATURED' | 'REJECTED' | 'EXPIRED' | 'REVERSED' | 'DISPUTED';
  readonly reason: string | null;
  /** The key of the finding that counts in its place. */
  readonly instead: string | null;
  readonly isFree: boolean;
  readonly verifiedAt: number | null;
  readonly maturesAt: number;
  readonly periodAt: number;
  readonly dueAt: number | null;
  readonly isLive: boolean;
  readonly dedupeKey: string | null;
  readonly dedupeUntil: number | null;
  readonly units: Fraction | null;
  readonly value: Fraction | null;
  readonly reimbursement: Fraction;
  readonly attributes: Readonly<Record<string, string>>;
  readonly agents: readonly Agent[];
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };
interface Draft extends Writable<Finding> {
  readonly event: EventFact;
  readonly terms: OutcomeTermsJson;
  /** The value as the event says it, and the part of it that is no person's work. */
  whole: Fraction | null;
  kept: Fraction;
  /** Whether it was verified, or nobody had to, and is good enough as far as is known. */
  isPassed: boolean;
}

/** What the facts say of every claim at an instant, in the order of (occurred, event id, source, rule). */
export function findingsAt(facts: TenantFacts, now: number): Finding[] {
  const known: TenantFacts = {
    ...facts,
    events: [...facts.events].sort(byTime),
    acts: facts.acts.filter(({ at }) => at <= now).sort(byAt),
  };
  const drafts = known.events
    .flatMap(event => {
      const contract = contractAt(known, event.time);

      return (contract?.rules ?? []).flatMap(rule => (contract ? claimOf(known, contract, rule, event, now) : []));
    })
    .sort((a, b) => byTime(a.event, b.event) || compareTexts(a.ruleId, b.ruleId));
  const ruleIds = [...new Set(drafts.map(({ ruleId }) => ruleId))];
  ruleIds.forEach(ruleId =>
    dedupe(
      known,
      drafts.filter(draft => draft.ruleId === ruleId),
      now,
    ),
  );
  exclude(drafts, now);

  return drafts.map(
    ({ event: _event, terms: _terms, whole: _whole, kept: _kept, isPassed: _isPassed, ...finding }) => ({
      ...finding,
      isLive: ['CLAIMED', 'VERIFIED', 'MATURED', 'DISPUTED'].includes(finding.state),
      dueAt: finding.state === 'VERIFIED' ? finding.maturesAt : finding.dueAt,
    }),
  );
}

/** What names the finding of a rule on an event. */
export const keyOf = (ruleId: string, eventId: string, source: string): string => `${ruleId} ${eventId} ${source}`;

function contractAt({ contracts }: TenantFacts, at: number): ContractGiven | null {
  return contracts.find(({ startsAt, endsAt }) => startsAt <= at && (endsAt === null || at < endsAt)) ?? null;
}

/** The version in force at an instant. */
export function versionAt(rule: RuleGiven, at: number): VersionGiven | null {
  const begun = rule.versions.filter(({ effectiveAt }) => effectiveAt <= at);

  return begun.sort((a, b) => a.effectiveAt - b.effectiveAt).at(-1) ?? null;
}

/** The version that judges a claim. */
function judgingVersion(rule: RuleGiven, contract: ContractGiven, event: EventFact): VersionGiven | null {
  if (contract.isPinned) {
    return versionAt(rule, contract.startsAt);
  }

  const first = versionAt(rule, event.time);

  switch (first?.terms.versionAnchor) {
    case undefined:
      return null;

    case 'STARTED':
      return versionAt(rule, startOf(first.terms, event));

    case 'OCCURRED':
      return first;

    case 'MATURED':
      return versionAt(rule, event.time + first.terms.maturationHours * HOUR);
  }
}

function startOf({ startedProperty }: OutcomeTermsJson, event: EventFact): number {
  const text = startedProperty === null ? undefined : at(event, startedProperty);

  return typeof text === 'string' ? Date.parse(text) : event.time;
}

/** Steps 0 to 8: one claim by itself. */
function claimOf(facts: TenantFacts, contract: ContractGiven, rule: RuleGiven, event: EventFact, now: number): Draft[] {
  const version = judgingVersion(rule, contract, event);

  if (!version || !isOf(version.terms.claim, event)) {
    return [];
  }

  const { terms } = version;
  const isTest = terms.environment !== null && matches(terms.environment.filter, event);
  const draft: Draft = {
    event,
    terms,
    key: keyOf(rule.id, event.id, event.source),
    ruleId: rule.id,
    eventId: event.id,
    source: event.source,
    subject: event.subject,
    customer: customerOf(contract, event),
    versionNumber: version.number,
    version,
    contract,
    occurredAt: event.time,
    startedAt: startOf(terms, event),
    state: 'VERIFIED',
    reason: null,
    instead: null,
    isFree: false,
    verifiedAt: null,
    maturesAt: event.time + terms.maturationHours * HOUR,
    periodAt: event.time,
    dueAt: null,
    isLive: false,
    dedupeKey: null,
    dedupeUntil: null,
    units: null,
    value: null,
    whole: null,
    kept: WHOLE,
    isPassed: false,
    reimbursement: NOTHING,
    attributes: attributesOf(terms, event),
    agents: [],
  };
  const reject = (reason: string): Draft[] => [Object.assign(draft, { state: 'REJECTED', reason })];

  if (isTest && terms.environment?.policy === 'REJECT') {
    return reject('TEST_ENVIRONMENT');
  }

  if (isTest && terms.environment?.policy === 'FREE') {
    Object.assign(draft, { isFree: true, reason: 'SANDBOX' });
  }

  const exclusion = terms.exclusions.find(one => isExcluded(facts, contract, one, event));

  if (exclusion) {
    return reject(exclusion.reason);
  }

  if (terms.attribution) {
    draft.agents = agentsOf(facts, terms.attribution, event);

    if (draft.agents.length === 0) {
      return reject('OUTSIDE_ATTRIBUTION');
    }
  }

  const fault = measure(draft, contract);

  return fault ? reject(fault) : [verifyAndRate(facts, draft, now)];
}

function isExcluded(
  { events }: TenantFacts,
  contract: ContractGiven,
  { eventType, filter, scope, withinHours }: OutcomeTermsJson['exclusions'][number],
  claim: EventFact,
): boolean {
  if (eventType === null) {
    return matches(filter, claim);
  }

  const end = claim.time + withinHours * HOUR;
  const others = events.filter(
    event => !isSameEvent(event, claim) && isOf({ eventType, filter }, event) && event.time <= end,
  );

  if (scope === 'SUBJECT') {
    return others.some(({ subject }) => subject !== null && subject === claim.subject);
  }

  const customer = customerOf(contract, claim);

  return others.some(
    event =>
      customer !== null &&
      customerOf(contract, event) === customer &&
      event.time > claim.time &&
      !(event.subject !== null && event.subject === claim.subject),
  );
}

function agentsOf(
  { events }: TenantFacts,
  { touch, windowHours, model, agentProperty, shareProperty }: NonNullable<OutcomeTermsJson['attribution']>,
  claim: EventFact,
): Agent[] {
  const touches = events.filter(
    event =>
      isOf(touch, event) &&
      event.subject !== null &&
      event.subject === claim.subject &&
      event.time <= claim.time &&
      event.time >= claim.time - windowHours * HOUR,
  );
  const named = touches.map(event => ({
    agent: String(at(event, agentProperty)),
    weight: shareProperty === null ? WHOLE : (numberAt(event, shareProperty) ?? NOTHING),
  }));

  if (model !== 'SPLIT') {
    return named.slice(...(model === 'FIRST' ? [0, 1] : [-1])).map(({ agent }) => ({ agent, share: WHOLE }));
  }

  const names = [...new Set(named.map(({ agent }) => agent))].sort();
  const weights = names.map(name =>
    shareProperty === null ? WHOLE : total(named.filter(({ agent }) => agent === name).map(({ weight }) => weight)),
  );

  return names.map((agent, index) => ({ agent, share: over(weights[index] ?? NOTHING, total(weights)) }));
}

/** Step 4: units, value and people's share; the reason when one of them cannot be read. */
function measure(draft: Draft, contract: ContractGiven): string | null {
  const { terms, event } = draft;
  const value = terms.valueProperty === null ? null : readAt(event, terms.valueProperty);

  if (value === 'MISSING' && terms.measure === 'VALUE') {
    return 'VALUE_MISSING';
  }

  if (value === 'INVALID') {
    return 'VALUE_INVALID';
  }

  const currency = terms.currencyProperty === null ? undefined : at(event, terms.currencyProperty);

  if (currency !== undefined && currency !== contract.currency) {
    return 'CURRENCY_MISMATCH';
  }

  const { property, per, weights } = terms.units;
  const size = property === null ? WHOLE : readAt(event, property);

  if (typeof size === 'string') {
    return `UNITS_${size}`;
  }

  const share = terms.humanShareProperty === null ? NOTHING : readAt(event, terms.humanShareProperty);

  if (share === 'INVALID' || (share !== 'MISSING' && isBelow(HUNDRED, share))) {
    return 'SHARE_INVALID';
  }

  const kept = share === 'MISSING' ? WHOLE : minus(WHOLE, over(share, HUNDRED));
  const weight = fraction(narrowest(weights, draft.attributes)?.units ?? '1');
  draft.units = times(times(ceiling(over(size, fraction(per))), weight), kept);
  // People's share is taken off what reversals leave, and the guarantee pays back without it.
  draft.whole = value === null || value === 'MISSING' ? null : value;
  draft.kept = kept;
  draft.value = draft.whole && times(draft.whole, kept);

  return null;
}

/** Steps 5 to 8. */
function verifyAndRate(facts: TenantFacts, draft: Draft, now: number): Draft {
  const { terms, event } = draft;
  const isThere = (name: string, evidence: Readonly<Record<string, unknown>> = {}): boolean =>
    (evidence[name] ?? null) !== null || (at(event, name) ?? null) !== null;
  let score: Fraction | null = null;

  if (terms.verification) {
    const told = wordsOn(facts, draft);
    const { expiresAfterHours, verifiers, parties } = terms.verification;
    const expiry = event.time + expiresAfterHours * HOUR;
    const passed: Word[] = [];
    let ignored: string | null = null;
    let failure: Word | null = null;

    for (const word of told) {
      const isHeard = word.at <= expiry && (verifiers as readonly string[]).includes(word.verifier);
      const isComplete = parties === 'ANY' ? passed.length > 0 : new Set(passed.map(({ party }) => party)).size === 2;

      if (!isHeard || isComplete || failure) {
        continue;
      }

      if (word.keyId === event.keyId) {
        ignored = 'SELF_VERIFICATION';
        continue;
      }

      if (!word.passes) {
        failure = word;
      } else if (terms.evidence.every(name => isThere(name, word.evidence))) {
        passed.push(word);
        ignored = null;
      } else {
        ignored = 'EVIDENCE_MISSING';
      }
    }

    if (failure) {
      return Object.assign(draft, { state: 'REJECTED', reason: failure.reason ?? 'VERIFICATION_FAILED' });
    }

    const completing = parties === 'ANY' ? passed[0] : passed.find(({ party }) => party !== passed[0]?.party);

    if (!completing) {
      return Object.assign(
        draft,
        now >= expiry
          ? { state: 'EXPIRED', reason: 'UNVERIFIED' }
          : {
              state: 'CLAIMED',
              dueAt: expiry,
              reason: draft.reason ?? ignored,
              periodAt: periodOf(draft),
            },
      );
    }

    draft.verifiedAt = completing.at;
    score = completing.score;
  } else {
    if (!terms.evidence.every(name => isThere(name))) {
      return Object.assign(draft, { state: 'REJECTED', reason: 'EVIDENCE_MISSING' });
    }

    draft.verifiedAt = event.time;
  }

  draft.maturesAt = Math.max(draft.maturesAt, draft.verifiedAt);
  draft.periodAt = periodOf(draft);

  return rateQuality(facts, draft, score, now);
}

function periodOf({ terms, contract, event, maturesAt }: Draft): number {
  const wanted = terms.periodAnchor === 'OCCURRED' ? event.time : maturesAt;

  return contract.endsAt === null ? wanted : Math.min(wanted, contract.endsAt - 1);
}

function rateQuality({ events }: TenantFacts, draft: Draft, given: Fraction | null, now: number): Draft {
  const { terms, event } = draft;

  if (!terms.quality) {
    return draft;
  }

  const { property, minimum, whenMissing, eventType } = terms.quality;
  const rating = events.filter(
    ({ type, subject, time }) =>
      type === eventType &&
      subject !== null &&
      subject === event.subject &&
      time >= event.time &&
      time <= draft.maturesAt,
  );
  const last = rating.at(-1);
  const score = given ?? (last ? numberAt(last, property) : null) ?? numberAt(event, property);

  if (score) {
    return isBelow(score, fraction(minimum))
      ? Object.assign(draft, { state: 'REJECTED', reason: 'QUALITY_BELOW' })
      : draft;
  }

  return whenMissing === 'ACCEPT' || (eventType !== null && now < draft.maturesAt)
    ? draft
    : Object.assign(draft, { state: 'REJECTED', reason: 'QUALITY_MISSING' });
}

/** Somebody's word on a claim, by mutation or by event. */
interface Word {
  readonly at: number;
  readonly id: string;
  readonly passes: boolean;
  readonly verifier: string;
  readonly score: Fraction | null;
  readonly evidence: Readonly<Record<string, unknown>>;
  readonly reason: string | null;
  readonly keyId: string;
  readonly party: string;
}

function wordsOn({ events, acts }: TenantFacts, { event, key, terms }: Draft): Word[] {
  const byMutation = acts
    .filter(act => act.kind === 'VERIFICATION' && keyOf(act.ruleId, act.eventId, act.source) === key)
    .map(act => ({
      at: act.at,
      id: act.id,
      passes: act.passes === true,
      verifier: act.verifier ?? '',
      score: act.score ? fraction(act.score) : null,
      evidence: act.evidence ?? {},
      reason: act.reason ?? null,
      keyId: act.keyId,
      party: act.party,
    }));
  const byEvent = events
    .filter(
      ({ type, subject, time }) =>
        type === terms.verification?.eventType && subject !== null && subject === event.subject && time >= event.time,
    )
    .filter(({ party }) => isHeard(terms.verification?.sentBy, party))
    .map(told => ({
      at: told.time,
      id: told.id,
      passes: told.properties['passes'] === true,
      verifier: String(told.properties['verifier']),
      score: numberAt(told, 'score'),
      evidence: (told.properties['evidence'] ?? {}) as Readonly<Record<string, unknown>>,
      reason: typeof told.properties['reason'] === 'string' ? told.properties['reason'] : null,
      keyId: told.keyId,
      party: told.party,
    }));

  return [...byMutation, ...byEvent].sort(byAt);
}

/** Steps 9 to 11 and 13: what counts once, what was taken back, what is disputed. */
function dedupe(facts: TenantFacts, drafts: readonly Draft[], now: number): void {
  drafts.forEach(draft => (draft.isPassed = draft.state === 'VERIFIED'));
  const winners: { readonly draft: Draft; readonly reversedAt: number | null }[] = [];

  for (const draft of drafts.filter(({ state }) => state === 'CLAIMED' || state === 'VERIFIED')) {
    const { scope, windowHours } = draft.terms.dedupe;
    const wanted = scope === 'NONE' ? null : scope === 'SUBJECT' ? draft.subject : (draft.customer ?? draft.subject);
    draft.dedupeKey = wanted;
    draft.dedupeUntil = wanted === null || windowHours === null ? null : draft.occurredAt + windowHours * HOUR;
    const earlier = winners.find(
      ({ draft: winner, reversedAt }) =>
        wanted !== null &&
        winner.dedupeKey === wanted &&
        (winner.dedupeUntil === null || draft.occurredAt < winner.dedupeUntil) &&
        !(reversedAt !== null && reversedAt <= draft.occurredAt),
    );

    if (earlier) {
      Object.assign(draft, {
        state: 'REJECTED',
        reason: 'DUPLICATE',
        instead: earlier.draft.key,
        dueAt: ownEnd(draft, now),
      });
    } else {
      winners.push({ draft, reversedAt: takeBack(facts, draft, now) });
    }
  }
}

/** When one that stands back, or was taken back, comes to nothing by itself all the same: unverified, or never rated. */
function ownEnd({ state, dueAt, terms, maturesAt }: Draft, now: number): number | null {
  const { quality } = terms;

  if (state === 'CLAIMED') {
    return dueAt;
  }

  return quality?.whenMissing === 'REJECT' && quality.eventType !== null && now < maturesAt ? maturesAt : null;
}

/** What happened to an outcome that counts. Answers when it was taken back altogether. */
function takeBack(facts: TenantFacts, draft: Draft, now: number): number | null {
  const { terms, maturesAt } = draft;
  const before = { state: draft.state, reason: draft.reason, dueAt: draft.dueAt };
  const { whole } = draft;
  let left = whole;
  let fault: string | null = null;
  let isPartly = false;
  let dispute: { readonly id: string; readonly deadline: number } | null = null;
  let end: { readonly at: number; readonly reason: string } | null = null;
  const settleUntil = (instant: number): void => {
    if (dispute && dispute.deadline < instant) {
      end ??= terms.dispute?.whenSilent === 'CREDIT' ? { at: dispute.deadline, reason: 'DISPUTE_UNANSWERED' } : null;
      dispute = null;
    }
  };

  for (const happening of happeningsOf(facts, draft)) {
    settleUntil(happening.at);

    if (end) {
      break;
    }

    if (happening.kind === 'GUARANTEE') {
      end = { at: happening.at, reason: 'GUARANTEE' };
      draft.reimbursement = draft.isPassed && !draft.isFree ? (left ?? NOTHING) : NOTHING;
      takeOff(draft, left);
    } else if (happening.kind === 'REVERSAL') {
      const { amount } = happening;

      if (amount === 'INVALID') {
        fault ??= 'REVERSAL_INVALID';
      } else if (amount && !left) {
        fault ??= 'PARTIAL_WITHOUT_VALUE';
      } else {
        left = amount && left ? minus(left, amount) : null;
        end = left && isBelow(NOTHING, left) ? null : { at: happening.at, reason: 'REVERSED' };
        isPartly = true;
      }
    } else if (happening.kind === 'DISPUTE') {
      const last = maturesAt + (terms.dispute?.windowHours ?? 0) * HOUR;

      if (terms.dispute && !dispute && happening.at >= maturesAt && happening.at <= last) {
        dispute = { id: happening.id, deadline: happening.at + terms.dispute.responseHours * HOUR };
      }
    } else if (dispute !== null && (dispute as { id: string }).id === happening.disputeId) {
      end = happening.accepts ? { at: happening.at, reason: 'DISPUTE_ACCEPTED' } : null;
      dispute = null;
    }
  }

  settleUntil(now + 1);
  const pending = dispute as { readonly deadline: number } | null;
  const over_ = end as { readonly at: number; readonly reason: string } | null;

  if (over_) {
    Object.assign(draft, { ...before, dueAt: ownEnd(draft, now) }, { state: 'REVERSED', reason: over_.reason });

    return over_.at;
  }

  takeOff(draft, left);
  const isMatured = before.state === 'VERIFIED' && now >= maturesAt;
  Object.assign(draft, {
    state: pending ? 'DISPUTED' : isMatured ? 'MATURED' : before.state,
    reason: fault ?? (isPartly ? 'PARTLY_REVERSED' : before.reason),
    dueAt: pending ? pending.deadline : before.dueAt,
  });

  return null;
}

/** What reversals of a part leave of an outcome. */
function takeOff(draft: Draft, left: Fraction | null): void {
  const { whole, kept, terms, units } = draft;

  if (whole && left && terms.measure === 'UNITS' && units && whole !== left) {
    draft.units = over(times(units, left), whole);
  }

  draft.value = left && times(left, kept);
}

type Happening = { readonly at: number; readonly id: string } & (
  | { readonly kind: 'GUARANTEE' }
  | { readonly kind: 'REVERSAL'; readonly amount: Fraction | 'INVALID' | null }
  | { readonly kind: 'DISPUTE' }
  | { readonly kind: 'DECISION'; readonly disputeId: string | undefined; readonly accepts: boolean }
);

function happeningsOf({ events, acts }: TenantFacts, { key, event, terms }: Draft): Happening[] {
  const { reversal, guarantee } = terms;
  const isWithin = (instant: number, hours: number): boolean =>
    instant >= event.time && instant <= event.time + hours * HOUR;
  const isOfSubject = ({ subject }: EventFact): boolean => subject !== null && subject === event.subject;
  const happenings: Happening[] = [];

  for (const fact of events) {
    if (
      reversal?.clause &&
      isOf(reversal.clause, fact) &&
      isHeard(reversal.sentBy, fact.party) &&
      isOfSubject(fact) &&
      isWithin(fact.time, reversal.windowHours)
    ) {
      const isMeant = reversal.targetProperty === null || at(fact, reversal.targetProperty) === event.id;
      const told = reversal.amountProperty === null ? 'MISSING' : readAt(fact, reversal.amountProperty);
      const amount: Fraction | 'INVALID' | null =
        told === 'MISSING' ? null : told === 'INVALID' || !isBelow(NOTHING, told) ? 'INVALID' : told;
      happenings.push(...(isMeant ? [{ kind: 'REVERSAL' as const, at: fact.time, id: fact.id, amount }] : []));
    }

    const target = reversal?.targetProperty ?? null;

    if (
      guarantee &&
      isOf(guarantee.clause, fact) &&
      isHeard(guarantee.sentBy, fact.party) &&
      isOfSubject(fact) &&
      isWithin(fact.time, guarantee.windowHours) &&
      (target === null || at(fact, target) === event.id)
    ) {
      happenings.push({ kind: 'GUARANTEE', at: fact.time, id: fact.id });
    }
  }

  for (const act of acts.filter(one => keyOf(one.ruleId, one.eventId, one.source) === key)) {
    const { at: instant, id, kind } = act;

    if (kind === 'REVERSAL' && act.isGuarantee) {
      happenings.push(
        ...(guarantee && isWithin(instant, guarantee.windowHours)
          ? [{ kind: 'GUARANTEE' as const, at: instant, id }]
          : []),
      );
    } else if (kind === 'REVERSAL') {
      const amount = act.amount ? fraction(act.amount) : null;
      happenings.push(
        ...(reversal && isWithin(instant, reversal.windowHours) ? [{ kind, at: instant, id, amount }] : []),
      );
    } else if (kind === 'DISPUTE') {
      happenings.push({ kind, at: instant, id: act.disputeId ?? id });
    } else if (kind === 'DECISION') {
      happenings.push({ kind, at: instant, id, disputeId: act.disputeId, accepts: act.accepts === true });
    }
  }

  // Of one instant, reversals come before the guarantee, and both before what becomes of a dispute.
  const rankOf = ({ kind }: Happening): number => ({ REVERSAL: 0, GUARANTEE: 1, DISPUTE: 2, DECISION: 2 })[kind];

  return happenings.sort((a, b) => a.at - b.at || rankOf(a) - rankOf(b) || byAt(a, b));
}

/** Step 12: of the outcomes of one subject that exclude each other, the one that counts. */
function exclude(drafts: readonly Draft[], now: number): void {
  const rivals = drafts.filter(
    ({ terms, subject, state, reason, isPassed }) =>
      terms.exclusive !== null &&
      subject !== null &&
      // One that fell to the guarantee keeps the others out: their value is not paid back too.
      (['VERIFIED', 'MATURED', 'DISPUTED'].includes(state) ||
        (isPassed && state === 'REVERSED' && reason === 'GUARANTEE')),
  );
  const groupOf = ({ terms, subject }: Draft): string => JSON.stringify([terms.exclusive?.group, subject]);

  for (const group of new Set(rivals.map(groupOf))) {
    // In the order in which they occurred.
    const own = rivals.filter(draft => groupOf(draft) === group);
    const winner = own.reduce((best, other) => (isBetter(other, best) ? other : best));

    for (const loser of own.filter(draft => draft !== winner)) {
      // A dispute that is open may yet take it back for good.
      const dueAt = loser.state === 'DISPUTED' ? loser.dueAt : ownEnd(loser, now);
      Object.assign(loser, {
        state: 'REJECTED',
        reason: 'SUPERSEDED',
        instead: winner.key,
        dueAt,
        reimbursement: NOTHING,
      });
    }
  }
}

function isBetter(other: Draft, best: Draft): boolean {
  switch (other.terms.exclusive?.choice) {
    case 'PRIORITY':
      return other.terms.exclusive.priority < (best.terms.exclusive?.priority ?? 0);

    case 'HIGHEST': {
      const [one, two] = [listAmountOf(other), listAmountOf(best)];

      return one !== null && (two === null || isBelow(two, one));
    }

    default:
      return false;
  }
}

/** What an outcome would cost if it were the only one. */
export function listAmountOf(
  finding: Pick<Finding, 'version' | 'contract' | 'attributes' | 'units' | 'value'>,
): Fraction | null {
  const { terms } = finding.version;
  const price = priceOf(terms, finding.contract.currency, finding.attributes);
  const quantity = (terms.measure === 'UNITS' ? finding.units : finding.value) ?? NOTHING;

  return price && pricedAlone(price.terms, quantity);
}

/** The property that names the customer is the same in all rules of a book. */
function customerOf(contract: ContractGiven, event: EventFact): string | null {
  const property = contract.rules
    .flatMap(({ versions }) => versions.map(({ terms }) => terms.customerProperty))
    .find(name => name !== null);
  const value = property === null || property === undefined ? undefined : at(event, property);

  return typeof value === 'string' || typeof value === 'number' ? String(value) : null;
}

function attributesOf({ attributes }: OutcomeTermsJson, event: EventFact): Record<string, string> {
  return Object.fromEntries(
    attributes.flatMap(({ name, property }) => {
      const value = at(event, property);

      return ['string', 'number', 'boolean'].includes(typeof value) ? [[name, String(value as string)]] : [];
    }),
  );
}

/** Whether the rule listens to the side that sent an event. */
const isHeard = (sentBy: string | undefined, party: string): boolean => sentBy !== 'SELLER' || party === 'SELLER';

const isSameEvent = (a: EventFact, b: EventFact): boolean => a.id === b.id && a.source === b.source;

function isOf(clause: { readonly eventType: string; readonly filter: string }, event: EventFact): boolean {
  return event.type === clause.eventType && matches(clause.filter, event);
}

const COMPARISON = /^properties\.(\w+) (==|!=|<|>) (true|false|"[^"]*"|-?[\d.]+)$/;

/** Comparisons of a property with a literal, joined by `&&`: as much of CEL as the model's rules are written in. */
function matches(filter: string, event: EventFact): boolean {
  return filter.split(' && ').every(part => {
    if (part === '') {
      return true;
    }

    const [, name = '', sign, literal = ''] = COMPARISON.exec(part) ?? [];
    const value = event.properties[name];
    const wanted: unknown = JSON.parse(literal);

    switch (sign) {
      case '==':
        return value === wanted;

      case '!=':
        return value !== undefined && value !== wanted;

      case '<':
        return typeof value === 'number' && value < Number(wanted);

      default:
        return typeof value === 'number' && value > Number(wanted);
    }
  });
}

function at(event: EventFact, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>(
      (value, name) => (value as Readonly<Record<string, unknown>> | undefined)?.[name],
      event.properties,
    );
}

/** A number from zero, or why there is none. */
function readAt(event: EventFact, path: string): Fraction | 'MISSING' | 'INVALID' {
  const value = at(event, path);

  if (value === undefined || value === null) {
    return 'MISSING';
  }

  const isNumber = typeof value === 'number' || (typeof value === 'string' && /^(0|[1-9]\d*)(\.\d+)?$/.test(value));

  return isNumber && Number(value) >= 0 ? fraction(value) : 'INVALID';
}

function numberAt(event: EventFact, path: string): Fraction | null {
  const value = readAt(event, path);

  return typeof value === 'string' ? null : value;
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function byTime(a: EventFact, b: EventFact): number {
  return a.time - b.time || compareTexts(a.id, b.id) || compareTexts(a.source, b.source);
}

function byAt(
  a: { readonly at: number; readonly id: string },
  b: { readonly at: number; readonly id: string },
): number {
  return a.at - b.at || compareTexts(a.id, b.id);
}

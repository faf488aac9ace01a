import { propertyAt, scalarText } from '../catalog/property.rules.js';
import { type Decimal, decimal, divide, ONE, ZERO } from '../money/index.js';
import { matchPattern } from './attribute.rules.js';
import { type CaseIndex, placeAfter, placeFrom } from './case-index.rules.js';
import { after, type Case, type Claim, factOf, isSame, numberOf } from './claim.rules.js';
import { type Facts, factsOfKind, joinedFacts, namedFacts, NO_FACTS } from './fact-run.rules.js';
import type { AgentShare, Filter, OutcomeEvent } from './outcome.rules.js';
import type { Exclusion, QualityTerms, UnitTerms } from './outcome-terms.rules.js';
import { TouchWindow } from './touch-window.rules.js';
import { verificationOf } from './verification.rules.js';

/** What a claim is worth before anything was taken back. */
export interface Worth {
  /** Before people's share. */
  readonly units: Decimal;
  /** As the event tells it; null where none is read. */
  readonly value: Decimal | null;
  /** What is left when people's share is taken off, of 1. */
  readonly ownShare: Decimal;
}

/** What a claim comes to by itself, before it is held against other claims. */
export interface Qualified {
  readonly claim: Claim;
  /** PASSED: verified and good enough as far as is known. */
  readonly standing: 'PASSED' | 'CLAIMED' | 'REJECTED' | 'EXPIRED';
  readonly reason: string | null;
  readonly verifiedAt: Date | null;
  readonly maturesAt: Date;
  /** When a claim that waits for its verification expires. */
  readonly expiresAt: Date | null;
  readonly isFree: boolean;
  readonly worth: Worth;
  readonly attributes: Readonly<Record<string, string>>;
  readonly agents: readonly AgentShare[];
  /** What the answer rests on. */
  readonly facts: Facts;
}

/** A reason, or what was found, with the facts that say so. */
type Check<T> = { readonly refused: string; readonly facts: Facts } | T;

const NOTHING: Worth = { units: ZERO, value: null, ownShare: ONE };
const HUNDRED = decimal(100);

/**
 * Holds a claim against everything its rule asks for, in the order of the rule: environment, exclusions, attribution, value,
 * evidence and verification, quality. The first that fails is the reason.
 */
export function qualify(all: Case, claim: Claim): Qualified {
  const { event, version } = claim;
  const { terms, filters } = version;
  const { environment } = terms;
  const isTest = filters.environment?.matches(event) === true;
  const base = {
    claim,
    verifiedAt: null,
    maturesAt: after(event.time, terms.maturationHours),
    expiresAt: null,
    isFree: isTest && environment?.policy === 'FREE',
    worth: NOTHING,
    attributes: attributesOf(terms.attributes, event),
    agents: [],
  };
  const own = namedFacts(factOf(event));
  const rejected = (reason: string, facts: Facts, found: Partial<Qualified> = {}): Qualified => ({
    ...base,
    ...found,
    standing: 'REJECTED',
    reason,
    facts: joinedFacts(own, facts),
  });

  if (isTest && environment?.policy === 'REJECT') {
    return rejected('TEST_ENVIRONMENT', NO_FACTS);
  }

  const excluded = exclusionOf(all, claim);

  if (excluded) {
    return rejected(excluded.refused, excluded.facts);
  }

  const attribution = attributionOf(all, claim);

  if ('refused' in attribution) {
    return rejected(attribution.refused, attribution.facts);
  }

  const { agents } = attribution;
  const worth = worthOf(claim, base.attributes);

  if ('refused' in worth) {
    return rejected(worth.refused, attribution.facts, { agents });
  }

  const verified = verificationOf(all, claim);
  const facts = joinedFacts(attribution.facts, verified.facts);
  const found = { agents, worth, verifiedAt: verified.verifiedAt };

  if (verified.standing === 'REJECTED') {
    return rejected(verified.reason ?? 'VERIFICATION_FAILED', facts, found);
  }

  if (verified.standing !== 'PASSED') {
    const { standing, reason, expiresAt } = verified;

    return { ...base, ...found, standing, reason, expiresAt, facts: joinedFacts(own, facts) };
  }

  const verifiedAt = verified.verifiedAt ?? event.time;
  const maturesAt = verifiedAt > base.maturesAt ? verifiedAt : base.maturesAt;
  const quality = qualityOf(all, claim, verified.score, maturesAt);

  if ('refused' in quality) {
    return rejected(quality.refused, joinedFacts(facts, quality.facts), { ...found, maturesAt });
  }

  return {
    ...base,
    ...found,
    standing: 'PASSED',
    reason: null,
    verifiedAt,
    maturesAt,
    facts: joinedFacts(own, facts, quality.facts),
  };
}

function exclusionOf(all: Case, claim: Claim): { readonly refused: string; readonly facts: Facts } | null {
  const { terms, filters } = claim.version;

  for (const [index, exclusion] of terms.exclusions.entries()) {
    const filter = filters.exclusions[index] ?? null;

    if (exclusion.eventType === null && filter?.matches(claim.event) === true) {
      return { refused: exclusion.reason, facts: NO_FACTS };
    }

    const by = exclusion.eventType === null ? null : excludingEvent(all, exclusion, filter, claim.event);

    if (by) {
      return { refused: exclusion.reason, facts: namedFacts(factOf(by)) };
    }
  }

  return null;
}

/**
 * The first event that excludes a claim: of the same subject at any time until the window ends; of the same customer, under
 * another subject, after the claim.
 */
function excludingEvent(
  { index }: Case,
  { eventType, scope, withinHours }: Exclusion,
  filter: Filter | null,
  claimed: OutcomeEvent,
): OutcomeEvent | null {
  const { subject, customer } = claimed;
  const until = after(claimed.time, withinHours);

  if (eventType === null) {
    return null;
  }

  if (scope === 'SUBJECT') {
    const first =
      subject === null ? null : index.matching(filter, eventType, { subject }).find(other => !isSame(claimed, other));

    return first && first.time <= until ? first : null;
  }

  if (customer === null) {
    return null;
  }

  const others = index.matching(filter, eventType, { customer });
  const place = placeAfter(others, claimed.time, timeOf);
  const isOther = subject === null || others[place]?.subject !== subject;
  const first = isOther ? others[place] : others[changesOf(index, others)[place] ?? others.length];

  return first && first.time <= until ? first : null;
}

/** For each place the next one that holds an event of another subject. */
function changesOf(index: CaseIndex, events: readonly OutcomeEvent[]): readonly number[] {
  return index.made(events, 'changes', () => {
    const next: number[] = Array.from(events, () => events.length);

    for (let place = events.length - 2; place >= 0; place -= 1) {
      const isChange = events[place]?.subject !== events[place + 1]?.subject;
      next[place] = isChange ? place + 1 : (next[place + 1] ?? events.length);
    }

    return next;
  });
}

/** Whose work it was: the agents that touched the subject in the window before the claim. */
function attributionOf(
  { index }: Case,
  { event, version }: Claim,
): Check<{ readonly agents: readonly AgentShare[]; readonly facts: Facts }> {
  const { attribution } = version.terms;

  if (!attribution) {
    return { agents: [], facts: NO_FACTS };
  }

  const { touch, windowHours, model, agentProperty, shareProperty } = attribution;
  const known =
    event.subject === null ? [] : index.matching(version.filters.touch, touch.eventType, { subject: event.subject });
  const from = placeFrom(known, after(event.time, -windowHours), timeOf);
  const until = placeAfter(known, event.time, timeOf);
  // The first or the last one alone where one is credited: there may be thousands.
  const first = model === 'LAST' ? Math.max(from, until - 1) : from;
  const end = model === 'FIRST' ? Math.min(from + 1, until) : until;

  if (first >= end) {
    return { refused: 'OUTSIDE_ATTRIBUTION', facts: NO_FACTS };
  }

  // One window for the claims of a version: those of another may reach less far back.
  const window = index.made(
    attribution,
    `touches ${event.subject}`,
    () =>
      new TouchWindow(
        known.map(({ properties }) => ({
          agent: scalarText(propertyAt(properties, agentProperty)) ?? '',
          weight: shareProperty === null ? ONE : (numberAt(properties, shareProperty) ?? ZERO),
        })),
      ),
  );
  const names = index.made(known, 'names', () => known.map(factOf));

  return { agents: window.sharesIn(first, end), facts: factsOfKind([{ list: names, from: first, until: end }]) };
}

/** What the event says that the outcome is worth. */
function worthOf(
  { event, version, contract, hasBadStart }: Claim,
  attributes: Readonly<Record<string, string>>,
): Worth | { readonly refused: string } {
  const { terms } = version;
  const { properties } = event;
  const given = terms.valueProperty === null ? undefined : (propertyAt(properties, terms.valueProperty) ?? undefined);
  const value = given === undefined ? null : numberOf(given);

  if (hasBadStart) {
    return { refused: 'STARTED_INVALID' };
  }

  if (given !== undefined && value === null) {
    return { refused: 'VALUE_INVALID' };
  }

  if (value === null && terms.measure === 'VALUE') {
    return { refused: 'VALUE_MISSING' };
  }

  const currency = terms.currencyProperty === null ? null : propertyAt(properties, terms.currencyProperty);

  if (currency !== null && currency !== undefined && currency !== contract.currency) {
    return { refused: 'CURRENCY_MISMATCH' };
  }

  const units = unitsOf(terms.units, event, attributes);

  if ('refused' in units) {
    return units;
  }

  const humanShare =
    terms.humanShareProperty === null ? ZERO : numberOf(propertyAt(properties, terms.humanShareProperty) ?? 0);

  return humanShare === null || humanShare.gt(HUNDRED)
    ? { refused: 'SHARE_INVALID' }
    : { units: units.units, value, ownShare: divide(HUNDRED.minus(humanShare), HUNDRED) };
}

/** ⌈property ÷ per⌉ × weight; by whole division and comparison, because a rounded quotient could hide the last crumb. */
function unitsOf(
  { property, per, weights }: UnitTerms,
  { properties }: OutcomeEvent,
  attributes: Readonly<Record<string, string>>,
): { readonly units: Decimal } | { readonly refused: string } {
  const weight = matchPattern(weights, attributes)?.units ?? ONE;

  if (property === null) {
    return { units: weight };
  }

  const given = propertyAt(properties, property) ?? undefined;
  const count = given === undefined ? null : numberOf(given);

  if (count === null) {
    return { refused: given === undefined ? 'UNITS_MISSING' : 'UNITS_INVALID' };
  }

  const whole = count.idiv(per);

  return { units: (whole.times(per).lt(count) ? whole.plus(1) : whole).times(weight) };
}

/** Whether it is good enough, as far as is known. One that has no score yet may still get it until it matures. */
function qualityOf(
  all: Case,
  { event, version }: Claim,
  verified: Decimal | null,
  maturesAt: Date,
): Check<{ readonly facts: Facts }> {
  const { quality } = version.terms;

  if (!quality) {
    return { facts: NO_FACTS };
  }

  const rating = verified ? null : ratingOf(all, quality, event, maturesAt);
  const score =
    verified ?? numberAt(rating?.properties ?? {}, quality.property) ?? numberAt(event.properties, quality.property);
  const facts = rating ? namedFacts(factOf(rating)) : NO_FACTS;

  if (score) {
    return score.lt(quality.minimum) ? { refused: 'QUALITY_BELOW', facts } : { facts };
  }

  const mayComeYet = quality.eventType !== null && all.now < maturesAt;

  return quality.whenMissing === 'REJECT' && !mayComeYet ? { refused: 'QUALITY_MISSING', facts } : { facts };
}

/** The last rating of the subject from the claim until its maturation that holds a score. */
function ratingOf(
  { index }: Case,
  quality: QualityTerms,
  { subject, time }: OutcomeEvent,
  maturesAt: Date,
): OutcomeEvent | null {
  const { eventType, property } = quality;

  if (eventType === null || subject === null) {
    return null;
  }

  const scored = index.made(quality, `scored ${subject}`, () =>
    index.of(eventType, { subject }).filter(({ properties }) => numberAt(properties, property) !== null),
  );
  const last = scored[placeAfter(scored, maturesAt, timeOf) - 1];

  return last && last.time >= time ? last : null;
}

/** The attributes that prices and weights may depend on; one that is missing is left out. */
function attributesOf(
  attributes: readonly { readonly name: string; readonly property: string }[],
  { properties }: OutcomeEvent,
): Record<string, string> {
  return Object.fromEntries(
    attributes.flatMap(({ name, property }) => {
      const text = scalarText(propertyAt(properties, property));

      return text === null ? [] : [[name, text.slice(0, 128)]];
    }),
  );
}

function numberAt(properties: Readonly<Record<string, unknown>>, path: string): Decimal | null {
  return numberOf(propertyAt(properties, path));
}

function timeOf({ time }: OutcomeEvent): Date {
  return time;
}

import { formatDecimal, sum, ZERO, type Decimal } from '../money/index.js';
import {
  groupsOf,
  isCharged,
  type BillableOutcome,
  type CappedOutcome,
  type OutcomeGroup,
} from '../outcomes/billable.rules.js';
import { duesOf, mergeUnpriced, type Due } from './charge.rules.js';
import type { PeriodFacts, RatedVersion, Unpriced } from './facts.rules.js';
import { gonePast, type ExceededCap } from './outcome-caps.rules.js';
import { beyondCharged, mayCostOtherwise } from './outcome-cap-fit.rules.js';
import { asOccurred, attributesOf, RulePrices, type RuleToRate } from './outcome-prices.rules.js';
import { auditDue, guaranteeDue, minimumDue } from './outcome-whole.rules.js';
import type { Piece, Segment } from './piece.rules.js';
import type { EventValue, Series } from './series.rules.js';

/** What the outcomes of one rule come to in a period. */
export interface RatedRule {
  readonly dues: readonly Due[];
  /** Outcomes without a price, by attributes; the meter is the rule. */
  readonly unpriced: readonly Unpriced[];
  /** Those that a cap keeps out. */
  readonly capped: readonly CappedOutcome[];
  /** Those that are not paid back under the guarantee, for a cap kept them out. */
  readonly unpaid: readonly string[];
}

/**
 * Whether a rule has to be rated outcome by outcome: where a cap may keep some out, or a price looks at single ones. All
 * others are rated by their sums, to the same amounts and at no cost that grows with their number.
 */
export function needsSingles(rule: RuleToRate): boolean {
  const prices = new RulePrices(rule);

  return prices.hasBindingCap || prices.looksAtSingles;
}

/** What a rule comes to, outcome by outcome, in whatever order they are given. */
export function outcomeDues(rule: RuleToRate, outcomes: readonly BillableOutcome[]): RatedRule {
  return ratedOneByOne(rule, outcomes).rated;
}

/** The same, and the SOFT cap that an outcome goes beyond first; null for none. */
export function ratedOneByOne(
  rule: RuleToRate,
  outcomes: readonly BillableOutcome[],
): { readonly rated: RatedRule; readonly exceeded: ExceededCap | null } {
  const prices = new RulePrices(rule);
  const { capped, unpaid, exceeded } = gonePast(rule, outcomes);
  const all = new Map(capped.map(one => [one.id, one]));
  const out = new Set([...all.keys(), ...unpaid]);
  const kept = outcomes.filter(({ id }) => !out.has(id));
  let left = kept;
  let rated = ratedSingles(prices, left);

  if (mayCostOtherwise(rule, left)) {
    for (let more = beyondCharged(rule, left, rated.dues); more.length > 0;) {
      more.forEach(one => all.set(one.id, one));
      left = left.filter(({ id }) => !all.has(id));
      rated = ratedSingles(prices, left);
      more = beyondCharged(rule, left, rated.dues);
    }
  }

  const inOrder = left === kept ? capped : asOccurred(outcomes).flatMap(({ id }) => all.get(id) ?? []);

  return { rated: { ...rated, capped: inOrder, unpaid }, exceeded };
}

function ratedSingles(prices: RulePrices, outcomes: readonly BillableOutcome[]): Pick<RatedRule, 'dues' | 'unpriced'> {
  return ratedGroups(
    prices,
    groupsOf(outcomes),
    prices.looksAtSingles ? prices.inOrder(outcomes.filter(isCharged)) : [],
  );
}

/** The same by sums, for a rule that does not need single outcomes. */
export function groupedOutcomeDues(rule: RuleToRate, groups: readonly OutcomeGroup[]): RatedRule {
  return { ...ratedGroups(new RulePrices(rule), groups, []), capped: [], unpaid: [] };
}

function ratedGroups(
  prices: RulePrices,
  groups: readonly OutcomeGroup[],
  singles: readonly BillableOutcome[],
): Pick<RatedRule, 'dues' | 'unpriced'> {
  const charged = groups.filter(({ count }) => count > 0);
  const rated = duesOf(factsOf(prices, charged, singles));
  const dues = rated.dues.map(due => ({ ...due, outcome: outcomeOf(prices, due, charged) }));
  const amount = sum(dues.map(due => due.amount));
  const minimum = minimumDue(prices, amount);

  return {
    dues: [...dues, ...minimum.dues, ...guaranteeDue(prices, groups), ...auditDue(prices, amount)],
    unpriced: mergeUnpriced([...rated.unpriced, ...minimum.unpriced]),
  };
}

/** Says of the due of a price how many outcomes are in it. */
function outcomeOf(prices: RulePrices, { priceId, versionId }: Due, groups: readonly OutcomeGroup[]) {
  const outcomes = groups
    .filter(group => group.versionId === versionId && prices.priceOf(versionId, group.attributes)?.id === priceId)
    .reduce((total, { count }) => total + count, 0);

  return { ruleId: prices.rule.id, charge: 'PRICE' as const, outcomes };
}

/**
 * Outcomes as the engine takes usage: the rule for a meter, attributes for dimensions, and for each version that has
 * outcomes a segment of its own, in the order of their effective instants. So the running quantity carries on from version
 * to version as it does over those of a book, though outcomes of two versions may lie in time as they like. Instants are
 * places in that order, and no times.
 */
function factsOf(
  prices: RulePrices,
  groups: readonly OutcomeGroup[],
  singles: readonly BillableOutcome[],
): PeriodFacts {
  const { id, currency } = prices.rule;
  const order = [...new Set(groups.map(({ versionId }) => prices.placeOf(versionId)))].sort((a, b) => a - b);
  const single = Map.groupBy(singles, ({ versionId }) => prices.placeOf(versionId));
  const segments: Segment<RatedVersion>[] = [];
  const pieces: Piece[] = [];
  const events: EventValue[] = [];
  let at = 0;

  for (const [segment, place] of order.entries()) {
    const own = single.get(place) ?? [];
    const [start, end] = [new Date(at), new Date(at + Math.max(1, own.length))];
    segments.push({ start, end, version: prices.rated(prices.versions[place]?.id ?? '') });
    pieces.push({ start, end, segment, active: ALWAYS, activeKey: '' });

    for (const [index, outcome] of own.entries()) {
      const value = formatDecimal(prices.quantityOf(outcome));
      events.push({ meterId: id, dimensions: outcome.attributes, time: new Date(at + index), value });
    }

    at = end.getTime();
  }

  const byAttributes = Map.groupBy(events, ({ dimensions }) => dimensions);

  return {
    period: { start: new Date(0), end: new Date(at) },
    currency,
    segments,
    pieces,
    series: [...Map.groupBy(groups, ({ attributes }) => attributes)].map(([attributes, own]) =>
      seriesOf(prices, attributes, own, order, byAttributes.get(attributes) ?? []),
    ),
    costOf: () => null,
    // Nothing is due without outcomes but the minimum of the rule, which is reckoned by itself.
    isOver: false,
  };
}

const ALWAYS: ReadonlySet<string> = new Set();

function seriesOf(
  prices: RulePrices,
  attributes: string,
  groups: readonly OutcomeGroup[],
  order: readonly number[],
  events: readonly EventValue[],
): Series {
  const byPlace = Map.groupBy(groups, ({ versionId }) => prices.placeOf(versionId));
  const running: Decimal[] = [ZERO];
  let last = ZERO;

  for (const place of order) {
    last = last.plus(sum((byPlace.get(place) ?? []).map(group => prices.quantityOf(group))));
    running.push(last);
  }

  return {
    meterId: prices.rule.id,
    dimensions: attributes,
    values: attributesOf(attributes),
    active: ALWAYS,
    running,
    whole: null,
    aggregation: 'SUM',
    latest: running.map(() => 0),
    level: ZERO,
    events,
  };
}

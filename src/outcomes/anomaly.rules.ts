import { decimal, divide, maxOf, ONE, type Decimal } from '../money/index.js';
import type { AnomalyTerms } from './outcome-terms.rules.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
const TWO = decimal(2);
/** Of the factor as it is shown. */
const SHOWN_DIGITS = 1;

/** Seven days, over which claims are counted. */
export const WEEK_MS = 7 * DAY_MS;

/** How many of the weeks before are looked at. */
export const MOST_WEEKS = 8;

/** With fewer weeks before, nobody knows yet what is usual. */
const LEAST_WEEKS = 2;

/** By what claims are counted: when they occurred, or when they came in. */
export type ClaimMeasure = 'OCCURRED' | 'ARRIVED';

/**
 * In the order in which they are told. Claims that occurred this week came in this week too, so what is told as ARRIVED is
 * what came in with times that hide it.
 */
export const CLAIM_MEASURES: readonly ClaimMeasure[] = ['OCCURRED', 'ARRIVED'];

/** A number of claims that is out of line. */
export interface Anomaly {
  /** The median of the weeks before. */
  readonly baseline: Decimal;
  /** So many times the baseline; a baseline below one claim counts as one. */
  readonly factor: Decimal;
}

/**
 * Whether the claims of a week are out of line with those of the weeks before, of which there are up to eight; null when
 * they are not, when there are fewer than two weeks to compare with, and below the least number that the rule asks for. A
 * rule that had no claims in most weeks is compared with one claim a week, so that its first flood is told too.
 */
export function anomalyOf(
  { factor, leastClaims }: AnomalyTerms,
  claims: number,
  weeksBefore: readonly number[],
): Anomaly | null {
  if (claims < leastClaims || weeksBefore.length < LEAST_WEEKS) {
    return null;
  }

  const baseline = medianOf(weeksBefore);
  const usual = maxOf(baseline, ONE);
  const count = decimal(claims);

  return count.lt(usual.times(factor)) ? null : { baseline, factor: divide(count, usual) };
}

/** The middle one of some counts; between the two middle ones, halfway. */
function medianOf(counts: readonly number[]): Decimal {
  const sorted = [...counts].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low, high] = sorted.length % 2 === 1 ? [sorted[middle], sorted[middle]] : [sorted[middle - 1], sorted[middle]];

  return divide(decimal(low ?? 0).plus(decimal(high ?? 0)), TWO);
}

/** A factor as people read it: with one digit after the point, half to even. */
export function shownFactor(factor: Decimal): Decimal {
  return factor.decimalPlaces(SHOWN_DIGITS);
}

/**
 * The end of the hour that holds an instant: that of the 168 hours in which the claims of its week are counted. So a week
 * holds no hour twice, and what comes every week at the same time is there once.
 */
export function weekEnd(at: Date): Date {
  return new Date((Math.floor(at.getTime() / HOUR_MS) + 1) * HOUR_MS);
}

/** How many whole weeks lie between the first claim ever and the week that ends at an instant; eight at most. */
export function weeksKnown(firstClaimAt: Date | null, end: Date): number {
  const known = firstClaimAt ? Math.floor((end.getTime() - WEEK_MS - firstClaimAt.getTime()) / WEEK_MS) : 0;

  return Math.min(MOST_WEEKS, Math.max(0, known));
}

/** The beginning of the week of the calendar (from Monday, in UTC) that holds an instant. */
export function calendarWeek(at: Date): Date {
  // The first of January 1970 was a Thursday.
  const sinceMonday = (Math.floor(at.getTime() / DAY_MS) + 3) % 7;

  return new Date((Math.floor(at.getTime() / DAY_MS) - sinceMonday) * DAY_MS);
}

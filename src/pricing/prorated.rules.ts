import { type Decimal, divide, maxOf, minOf, sum, ZERO } from '../money/index.js';
import type { PricingModel, Tier } from './price.rules.js';
import { type RateStep, step } from './rate-step.rules.js';

/** A change of a level and how long the rest of the period is from it on. */
export interface LevelChange {
  /** Units that came (or, negative, went). */
  readonly change: Decimal;
  /** The part of the period that the change holds for, in the unit of `whole`. */
  readonly share: Decimal;
}

/** A level over a period. */
export interface ProratedUsage {
  /** The level with which the period begins. */
  readonly level: Decimal;
  /** What `share` is a part of: the length of the period. Above zero. */
  readonly whole: Decimal;
  readonly changes: readonly LevelChange[];
}

/**
 * Prices each unit for the part of the period in which it was there. UNIT: unit amount × units × share. VOLUME: the tier is
 * that of the level at the end, the quantity the prorated one. GRADUATED: a unit belongs to the tier that its place in the
 * level falls into, units leave from the top; the flat amount of a tier is due once it was entered, also when it was left
 * again. Free units are the first of the level at any time: what it is above them counts, and a level below them counts as
 * nothing. Other models are not prorated.
 */
export function proratedSteps(pricing: PricingModel, usage: ProratedUsage, free: Decimal): readonly RateStep[] {
  const area = areaAbove(usage, free);

  switch (pricing.model) {
    case 'UNIT': {
      const { rate: unitAmount } = pricing;
      const amount = divide(area.times(unitAmount.amount), usage.whole.times(unitAmount.per));

      return [step({ kind: 'UNITS', quantity: divide(area, usage.whole), unitAmount, amount })];
    }

    case 'VOLUME': {
      const end = above(usage.level.plus(sum(usage.changes.map(({ change }) => change))), free);
      const index = pricing.tiers.findIndex(({ upTo }) => !upTo || end.lte(upTo));

      return [tierOf(pricing.tiers, index, area, usage.whole)];
    }

    case 'GRADUATED':
      return graduated(pricing.tiers, usage, free);

    default:
      throw new TypeError(`${pricing.model} is not prorated`);
  }
}

/** The highest level of the period; zero when it never is above. */
export function peakOf({ level, changes }: ProratedUsage): Decimal {
  let [running, peak] = [level, maxOf(ZERO, level)];

  for (const { change } of changes) {
    running = running.plus(change);
    peak = maxOf(peak, running);
  }

  return peak;
}

/** Units × share of what the level is above the free units: the time-weighted average of it is this, divided by the whole. */
function areaAbove({ level, whole, changes }: ProratedUsage, free: Decimal): Decimal {
  let [running, area] = [level, above(level, free).times(whole)];

  for (const { change, share } of changes) {
    const before = running;
    running = running.plus(change);
    area = area.plus(above(running, free).minus(above(before, free)).times(share));
  }

  return area;
}

function above(level: Decimal, free: Decimal): Decimal {
  return maxOf(ZERO, level.minus(free));
}

function graduated(tiers: readonly Tier[], usage: ProratedUsage, free: Decimal): RateStep[] {
  const { level, whole, changes } = usage;
  const weighted = tiers.map(() => ZERO);
  const peak = above(peakOf(usage), free);
  let running = ZERO;

  for (const { change, share } of [{ change: level, share: whole }, ...changes]) {
    const before = running;
    running = running.plus(change);

    for (const [index] of tiers.entries()) {
      const inTier = within(tiers, index, running.minus(free)).minus(within(tiers, index, before.minus(free)));
      weighted[index] = (weighted[index] ?? ZERO).plus(inTier.times(share));
    }
  }

  return tiers.flatMap((_, index) => {
    const isEntered = index === 0 || peak.gt(tiers[index - 1]?.upTo ?? ZERO);

    return isEntered ? [tierOf(tiers, index, weighted[index] ?? ZERO, whole)] : [];
  });
}

/** How much of a level lies in a tier. What lies below zero is no unit of any. */
function within(tiers: readonly Tier[], index: number, level: Decimal): Decimal {
  const floor = tiers[index - 1]?.upTo ?? ZERO;
  const top = tiers[index]?.upTo;

  return maxOf(ZERO, (top ? minOf(level, top) : level).minus(floor));
}

/** A tier's part of the price of an area: multiplied before it is divided, so that only the last operation can round. */
function tierOf(tiers: readonly Tier[], index: number, area: Decimal, whole: Decimal): RateStep {
  const tier = tiers[index];

  if (!tier) {
    throw new RangeError(`no tier holds the level of the end`);
  }

  const { upTo, rate: unitAmount, flat } = tier;
  const amount = divide(area.times(unitAmount.amount), whole.times(unitAmount.per)).plus(flat);
  const from = tiers[index - 1]?.upTo ?? ZERO;

  return step({ kind: 'TIER', tier: index + 1, from, upTo, quantity: divide(area, whole), unitAmount, flat, amount });
}

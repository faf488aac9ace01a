import { decimal, maxOf, minOf, ZERO } from '../money/index.js';
import type { Limit } from './limit.rules.js';
import type { Standing } from './reserve.rules.js';

/** When the window began that came before the one which is counted now. */
export function windowBefore({ windowAt, windowStart }: Pick<Limit, 'windowAt' | 'windowStart'>): Date {
  return windowAt(new Date(windowStart.getTime() - 1));
}

/**
 * A limit with what was left of the window before, up to as much as may roll over; as it is where nothing does. What open
 * calls hold of that window is not left: they may still use it there.
 */
export function rolledOver(limit: Limit, before: Standing | undefined): Limit {
  if (!limit.rollover || !before) {
    return limit;
  }

  const left = maxOf(limit.most.minus(before.used).minus(before.held), ZERO);

  return { ...limit, most: decimal(limit.most.plus(minOf(left, limit.rollover))) };
}

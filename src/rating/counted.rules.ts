import { decimal, type Decimal, sum, ZERO } from '../money/index.js';
import type { Due } from './charge.rules.js';
import type { Used } from './series.rules.js';

/** Usage that limits tell apart: that of a meter, and of one model where a price is for it alone. */
export interface UsageGroup {
  /** Null for what is taken off several meters together. */
  readonly meterId: string | null;
  /** Null for every model that no price of the meter names. */
  readonly model: string | null;
}

/** What usage of a group comes to: what is due for it, and at what it was counted when it came in. */
export interface CountedGroup extends UsageGroup {
  readonly due: Decimal;
  readonly counted: Decimal;
}

/** By how much more was due than counted, since it was last compared. */
export interface Correction extends UsageGroup {
  readonly amount: Decimal;
}

/** What is due for the usage of a period, and at what it was counted, by groups; outcomes are not usage. */
export function countedGroups(dues: readonly Due[], used: readonly Used[]): CountedGroup[] {
  const usage = dues.filter(({ outcome }) => outcome === null);
  const named = new Set(usage.flatMap(due => (due.pattern['model'] === undefined ? [] : [keyOf(groupOf(due))])));
  const rows = [
    ...usage.map(due => ({ ...groupOf(due), due: due.amount, counted: ZERO })),
    ...used.flatMap(({ meterId, dimensions, counted }) => {
      const amount = decimal(counted ?? '0');
      const model = amount.isZero() ? null : ((JSON.parse(dimensions) as Record<string, string>)['model'] ?? null);
      const own = { meterId, model };

      return amount.isZero()
        ? []
        : [{ ...(named.has(keyOf(own)) ? own : { meterId, model: null }), due: ZERO, counted: amount }];
    }),
  ];

  return [...Map.groupBy(rows, keyOf).values()].flatMap(group =>
    group.slice(0, 1).map(({ meterId, model }) => ({
      meterId,
      model,
      due: sum(group.map(({ due }) => due)),
      counted: sum(group.map(({ counted }) => counted)),
    })),
  );
}

/** What of a period was not counted as it is due, beyond what was known to be so before. */
export function correctionsOf(now: readonly CountedGroup[], before: readonly CountedGroup[]): Correction[] {
  const known = new Map(before.map(group => [keyOf(group), group]));
  const current = new Map(now.map(group => [keyOf(group), group]));

  return [...new Map([...known, ...current])]
    .map(([key, { meterId, model }]) => ({
      meterId,
      model,
      amount: decimal(missingOf(current.get(key)).minus(missingOf(known.get(key)))),
    }))
    .filter(({ amount }) => !amount.isZero());
}

function missingOf(group: CountedGroup | undefined): Decimal {
  return group ? decimal(group.due.minus(group.counted)) : ZERO;
}

function groupOf({ meterId, pattern }: Due): UsageGroup {
  return { meterId, model: pattern['model'] ?? null };
}

/** A NUL separates, for neither an id nor a name can hold one. */
function keyOf({ meterId, model }: UsageGroup): string {
  return `${meterId ?? ''}\0${model ?? ''}`;
}

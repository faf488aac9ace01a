import type { Period } from '../contracts/index.js';
import { decimal, formatDecimal } from '../money/index.js';
import { replacedEvents, replacedUsage } from '../outcomes/index.js';
import type { Scope } from '../platform/index.js';
import { eventValues, levelsBefore, usageBySegment, type EventValue } from '../usage/index.js';
import type { UsageSource } from './period-rating.js';
import type { Used } from './series.rules.js';
import type { FallbackMeter } from './usage-relation.rules.js';

/**
 * The usage of a period from the buckets of the scope's tenant. `timeWeighted` are the meters that follow a level;
 * `fallbacks` name usage that outcomes stand for, which is taken off subject by subject: meters that add up and keep their
 * events.
 */
export function bucketsOf(
  tx: Scope,
  { start, end }: Period,
  timeWeighted: readonly string[],
  fallbacks: readonly FallbackMeter[] = [],
): UsageSource {
  return {
    used: async pieces => {
      const cuts = pieces.slice(1).map(piece => piece.start);
      const used = await usageBySegment(tx, start, end, cuts, timeWeighted);

      return fallbacks.length === 0 ? used : less(used, await replacedUsage(tx, { start, end }, cuts, fallbacks));
    },
    levels: async () => (timeWeighted.length === 0 ? [] : levelsBefore(tx, start, timeWeighted)),
    events: async meterIds => {
      const gone = new Set(
        fallbacks.length === 0 ? [] : (await replacedEvents(tx, { start, end }, fallbacks)).map(eventKey),
      );
      const values: EventValue[] = [];

      for await (const value of eventValues(tx, meterIds, start, end)) {
        if (!gone.has(eventKey(value))) {
          values.push(value);
        }
      }

      return values;
    },
  };
}

/** Usage without what outcomes stand for. */
function less(
  used: readonly Used[],
  replaced: readonly {
    readonly meterId: string;
    readonly dimensions: string;
    readonly segment: number;
    readonly sum: string;
  }[],
): Used[] {
  const off = new Map(replaced.map(row => [usageKey(row), decimal(row.sum)]));

  return used.map(row => {
    const part = off.get(usageKey(row));

    return part ? { ...row, sum: formatDecimal(decimal(row.sum).minus(part)) } : row;
  });
}

function usageKey({ meterId, segment, dimensions }: Pick<Used, 'meterId' | 'segment' | 'dimensions'>): string {
  return `${meterId} ${segment} ${dimensions}`;
}

/** A NUL separates, for neither id nor source can hold one. */
function eventKey({ meterId, id, source }: Pick<EventValue, 'meterId' | 'id' | 'source'>): string {
  return `${meterId}\0${id}\0${source}`;
}

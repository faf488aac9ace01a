import { QUARTER_HOUR_MS } from '../platform/quarter-hour.rules.js';
import { changesWithin, isActive, type PriceWindow, windowKey } from '../pricing/window.rules.js';

/** A half-open stretch of time. */
export interface Stretch {
  readonly start: Date;
  readonly end: Date;
}

/** The stretch of a period in which one version of the price book holds; `version` is null where none had taken effect. */
export interface Segment<V> extends Stretch {
  readonly version: V | null;
}

/** The stretch of a segment in which the same windows are active and the same costs hold. */
export interface Piece extends Stretch {
  /** The segment it lies in. */
  readonly segment: number;
  /** Keys of the windows that are active in it. */
  readonly active: ReadonlySet<string>;
  /** The same text for pieces with the same active windows. */
  readonly activeKey: string;
}

/** Cuts a period where versions take effect. Versions come ascending by their instant. */
export function segmentsOf<V extends { readonly effectiveAt: Date }>(
  period: Stretch,
  versions: readonly V[],
): Segment<V>[] {
  const before = versions.filter(version => version.effectiveAt <= period.start).at(-1) ?? null;
  const within = versions.filter(version => version.effectiveAt > period.start && version.effectiveAt < period.end);
  const starts = [
    { start: period.start, version: before },
    ...within.map(version => ({ start: version.effectiveAt, version })),
  ];

  return starts.map(({ start, version }, index) => ({ start, end: starts[index + 1]?.start ?? period.end, version }));
}

/**
 * Cuts segments further where a window opens or closes and at other instants (costs that change), which are taken at the
 * next quarter hour, for usage is known by quarter hours. Without windows and instants a piece is a segment.
 */
export function piecesOf(
  segments: readonly Stretch[],
  windows: readonly PriceWindow[],
  instants: readonly Date[] = [],
): Piece[] {
  const [first] = segments;
  const last = segments.at(-1);

  if (!first || !last) {
    return [];
  }

  const period = { start: first.start, end: last.end };
  const distinct = new Map(windows.map(window => [windowKey(window), window]));
  const cuts = [
    ...segments.map(({ start }) => start.getTime()),
    ...[...distinct.values()].flatMap(window => changesWithin(window, period).map(at => at.getTime())),
    ...instants.map(at => Math.ceil(at.getTime() / QUARTER_HOUR_MS) * QUARTER_HOUR_MS),
  ].filter(at => at >= period.start.getTime() && at < period.end.getTime());
  const starts = [...new Set(cuts)].sort((a, b) => a - b).map(at => new Date(at));

  return starts.map((start, index) => {
    const active = [...distinct].filter(([, window]) => isActive(window, start)).map(([key]) => key);

    return {
      start,
      end: starts[index + 1] ?? period.end,
      segment: segments.findLastIndex(segment => segment.start <= start),
      active: new Set(active),
      activeKey: JSON.stringify(active.sort()),
    };
  });
}

import { FixedOffsetZone, IANAZone, type Zone } from 'luxon';
import { QUARTER_HOUR_MS } from '../platform/quarter-hour.rules.js';

export const DAY_MS = 86_400_000;

/** A stretch in milliseconds since 1970, its end not in it, over which a zone's clock is one offset ahead of UTC. */
export interface OffsetStretch {
  readonly start: number;
  readonly end: number;
  readonly offset: number;
}

/** Since 1970 no zone has moved its clock twice within less than 6.9 days (Recife in 2000, Gaza in 2040). */
const STEP_MS = 4 * DAY_MS;
const SPAN_MS = 92 * STEP_MS;

/** Reading a zone's rules is slow, and they do not change while the process runs. By zone, then by number of the span. */
const known = new Map<string, Map<number, readonly OffsetStretch[]>>();
const MAX_KNOWN = 20_000;
let knownSpans = 0;

/**
 * What the clocks of an IANA zone show, in milliseconds as if they showed UTC, at the start of the quarter hour that
 * holds the instant. A clock that is moved within a quarter hour (St. John's at 00:01 until 2011, Casey in 2022) is
 * moved at the next one, so that a quarter hour is never in two parts.
 */
export function localTime(timeZone: string, at: number): number {
  const stretches = stretchesOfSpan(timeZone, Math.floor(at / SPAN_MS));
  const offset = stretches.find(({ end }) => at < end)?.offset ?? Number.NaN;

  return Math.floor(at / QUARTER_HOUR_MS) * QUARTER_HOUR_MS + offset;
}

/** The stretches that cover a period, ascending, each on quarter hours but for the ends of the period. */
export function* offsetStretches(timeZone: string, start: number, end: number): Generator<OffsetStretch> {
  for (let span = Math.floor(start / SPAN_MS); span * SPAN_MS < end; span++) {
    for (const stretch of stretchesOfSpan(timeZone, span)) {
      const clipped = { ...stretch, start: Math.max(start, stretch.start), end: Math.min(end, stretch.end) };

      if (clipped.start < clipped.end) {
        yield clipped;
      }
    }
  }
}

function stretchesOfSpan(timeZone: string, span: number): readonly OffsetStretch[] {
  const remembered = known.get(timeZone)?.get(span);

  if (remembered) {
    return remembered;
  }

  const zone = zoneOf(timeZone);
  const stretches = stretchesBetween(zone, span * SPAN_MS, (span + 1) * SPAN_MS);

  if (knownSpans >= MAX_KNOWN) {
    known.clear();
    knownSpans = 0;
  }

  const spans = known.get(timeZone) ?? new Map<number, readonly OffsetStretch[]>();
  known.set(timeZone, spans.set(span, stretches));
  knownSpans += 1;

  return stretches;
}

function zoneOf(timeZone: string): Zone {
  const zone = timeZone === 'UTC' ? FixedOffsetZone.utcInstance : IANAZone.create(timeZone);

  if (!zone.isValid) {
    throw new RangeError(`${timeZone} is no time zone`);
  }

  return zone;
}

function stretchesBetween(zone: Zone, start: number, end: number): readonly OffsetStretch[] {
  const stretches: OffsetStretch[] = [];
  let from = start;
  let offset = offsetAt(zone, start);

  for (let at = start; at < end; at += STEP_MS) {
    // Object.is, because the offset of an instant that no Date can hold is NaN.
    for (let low = at; !Object.is(offsetAt(zone, at + STEP_MS), offset); low = from) {
      const moved = firstMove(zone, offset, low, at + STEP_MS);
      stretches.push({ start: from, end: moved, offset });
      from = moved;
      offset = offsetAt(zone, moved);
    }
  }

  return from < end ? [...stretches, { start: from, end, offset }] : stretches;
}

/** The first quarter hour after `low` with another offset, which is the one at `low`; `high` has another one. */
function firstMove(zone: Zone, offset: number, low: number, high: number): number {
  let [before, after] = [low, high];

  while (after - before > QUARTER_HOUR_MS) {
    const middle = before + Math.floor((after - before) / 2 / QUARTER_HOUR_MS) * QUARTER_HOUR_MS;

    if (Object.is(offsetAt(zone, middle), offset)) {
      before = middle;
    } else {
      after = middle;
    }
  }

  return after;
}

function offsetAt(zone: Zone, at: number): number {
  return zone.offset(at) * 60_000;
}

import { DateTime } from 'luxon';
import { QUARTER_HOUR_MS } from '../platform/quarter-hour.rules.js';

/** Says on which calendar day of a zone an instant lies, as `yyyy-mm-dd`. A day begins on a quarter hour, so each is worked out once. */
export function dayIn(timeZone: string): (at: Date) => string {
  const days = new Map<number, string>();

  return at => {
    const slot = Math.floor(at.getTime() / QUARTER_HOUR_MS);
    const day =
      days.get(slot) ?? DateTime.fromMillis(slot * QUARTER_HOUR_MS, { zone: timeZone }).toFormat('yyyy-MM-dd');
    days.set(slot, day);

    return day;
  };
}

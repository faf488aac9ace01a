import { QUARTER_HOUR_MS } from '../platform/quarter-hour.rules.js';

export type VersionStatus = 'DRAFT' | 'PUBLISHED' | 'WITHDRAWN';

/** The first quarter hour at or after an instant: usage is folded by quarter hours, so prices change on them. */
export function nextQuarterHour(at: Date): Date {
  return new Date(Math.ceil(at.getTime() / QUARTER_HOUR_MS) * QUARTER_HOUR_MS);
}

export function isQuarterHour(at: Date): boolean {
  return at.getTime() % QUARTER_HOUR_MS === 0;
}

/** Why a version cannot be withdrawn, or null. Until it takes effect nobody was charged by it. */
export function refuseWithdrawal(status: VersionStatus, effectiveAt: Date | null, now: Date): string | null {
  if (status !== 'PUBLISHED' || !effectiveAt) {
    return `only a published version can be withdrawn, and it is ${status}`;
  }

  return effectiveAt <= now
    ? `it took effect at ${effectiveAt.toISOString()}; publish a corrected version instead`
    : null;
}

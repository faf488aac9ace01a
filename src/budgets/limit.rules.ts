import { type Decimal, ONE, sum } from '../money/index.js';
import { matches } from '../pricing/pattern.rules.js';

/** What a limit counts: an amount of money, units of a meter, calls, or holds that are open. */
export type Measure = 'MONEY' | 'QUANTITY' | 'CALLS' | 'OPEN_HOLDS';

/** Over which stretch of its owner's calendar a limit counts; null for ever. */
export type LimitPer = 'MINUTE' | 'HOUR' | 'DAY' | 'WEEK' | 'MONTH' | null;

/** What happens beyond a limit: it is refused, or goes on and is told. */
export type LimitMode = 'HARD' | 'SOFT';

/** Something that must not grow without end, in the window that is running. */
export interface Limit {
  /** The tenant whose limit it is. Everything that the tenant and those below it use counts. */
  readonly ownerId: string;
  /** Of the budget or the entitlement that says so. */
  readonly id: string;
  readonly measure: Measure;
  /** Of MONEY; null otherwise. */
  readonly currency: string | null;
  readonly most: Decimal;
  readonly mode: LimitMode;
  /** When the window begins that holds an instant. */
  readonly windowAt: (at: Date) => Date;
  /** When the window began that is counted now. */
  readonly windowStart: Date;
  /** When the next one begins; null for never. */
  readonly resetsAt: Date | null;
  /** Counts this tenant of the owner's and those below it only; null for all. */
  readonly countedTenantId: string | null;
  /** Counts what this key sends only; null for every key. */
  readonly keyId: string | null;
  /** Counts this meter only; null for every meter. */
  readonly meterId: string | null;
  /** What was left in the window before counts here too, up to so much; null for not. */
  readonly rollover: Decimal | null;
  /** Counts models that fit this pattern only (a name, or the beginning of one and `*`); null for every model. */
  readonly model: string | null;
}

/** A part of a call, as it is priced. */
export interface UsePart {
  readonly meterId: string;
  readonly dimensions: Readonly<Record<string, string>>;
  readonly quantity: Decimal;
  readonly amount: Decimal;
}

/** What somebody is about to use, or has used. */
export interface Use {
  /** The tenant whose usage it is, last, with all above it before. */
  readonly lineage: readonly string[];
  readonly keyId: string;
  readonly currency: string;
  readonly parts: readonly UsePart[];
}

/** How much of a use counts against a limit; null when the limit does not look at it. */
export function shareOf(limit: Limit, use: Use): Decimal | null {
  if (!isCounted(limit, use)) {
    return null;
  }

  const parts = use.parts.filter(part => isOfLimit(limit, part));

  // A limit on one meter or some models is not asked about a call that uses none of them.
  if (parts.length === 0) {
    return null;
  }

  switch (limit.measure) {
    case 'MONEY':
      return sum(parts.map(({ amount }) => amount));

    case 'QUANTITY':
      return sum(parts.map(({ quantity }) => quantity));

    case 'CALLS':
    case 'OPEN_HOLDS':
      return ONE;

    default:
      return limit.measure satisfies never;
  }
}

function isCounted({ ownerId, countedTenantId, keyId }: Limit, use: Use): boolean {
  return use.lineage.includes(countedTenantId ?? ownerId) && (keyId === null || keyId === use.keyId);
}

function isOfLimit({ meterId, model }: Limit, part: UsePart): boolean {
  return (meterId === null || meterId === part.meterId) && (model === null || matches({ model }, part.dimensions));
}

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
  /** By which its windows are found: of the budget, or of the feature of which a tenant was given so much. */
  readonly id: string;
  /** The entitlement that says so, which is what callers are told of; a budget says so itself. */
  readonly entitlementId?: string;
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
  /** The models that the call names, whatever its meters keep of them. */
  readonly models: readonly string[];
}

/** How much of a use counts against a limit; null when the limit does not look at it. */
export function shareOf(limit: Limit, use: Use): Decimal | null {
  if (!isCounted(limit, use)) {
    return null;
  }

  const parts = use.parts.filter(part => isOfLimit(limit, part, use.models));

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

/** A part is of the model that its meter keeps; where it keeps none, of those that the call names. */
function isOfLimit({ meterId, model }: Limit, part: UsePart, named: readonly string[]): boolean {
  const models = 'model' in part.dimensions ? [part.dimensions] : named.map(name => ({ model: name }));

  return (
    (meterId === null || meterId === part.meterId) && (model === null || models.some(one => matches({ model }, one)))
  );
}

/** Whether a limit counts all that is told of: usage of a meter (null for several) of one model (null for any). */
export function countsUsageOf(
  limit: Pick<Limit, 'meterId' | 'model'>,
  { meterId, model }: { readonly meterId: string | null; readonly model: string | null },
): boolean {
  return (
    (limit.meterId === null || limit.meterId === meterId) &&
    (limit.model === null || (model !== null && matches({ model: limit.model }, { model })))
  );
}

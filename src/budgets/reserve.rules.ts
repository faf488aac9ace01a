import { type Decimal, decimal, ZERO } from '../money/index.js';
import { type Limit, shareOf, type Use } from './limit.rules.js';

/** What a limit's window has come to. */
export interface Standing {
  readonly used: Decimal;
  readonly held: Decimal;
}

/** A part of a hold in one limit's window. */
export interface HeldPart {
  readonly tenantId: string;
  readonly limitId: string;
  readonly windowStart: Date;
  readonly amount: Decimal;
}

/** Why a use may not go ahead, or which limit it is beyond. */
export interface Beyond {
  readonly limit: Limit;
  readonly used: Decimal;
  readonly held: Decimal;
  /** How much more would fit, from 0. */
  readonly remaining: Decimal;
  readonly asked: Decimal;
}

/** What becomes of a use. */
export interface Reservation {
  /** The HARD limit that refuses it: of several the one that is nearest to the tenant; null when it may go ahead. */
  readonly refusedBy: Beyond | null;
  /** SOFT limits that it goes beyond, and SOFT budgets in another currency: nobody can say that it keeps those. */
  readonly beyond: readonly Beyond[];
  /** What it takes of every limit that looks at it; empty when it is refused. */
  readonly parts: readonly HeldPart[];
}

/** Windows by name, as they stand while one use after the other is decided. */
export class Standings {
  readonly #known: Map<string, Standing>;

  constructor(known: Iterable<readonly [string, Standing]>) {
    this.#known = new Map(known);
  }

  of(name: string): Standing {
    return this.#known.get(name) ?? { used: ZERO, held: ZERO };
  }

  /** Holds what a use takes: the next one finds it held. */
  hold(parts: readonly HeldPart[]): void {
    for (const { tenantId, limitId, windowStart, amount } of parts) {
      const name = windowName(tenantId, limitId, windowStart);
      const { used, held } = this.of(name);
      this.#known.set(name, { used, held: decimal(held.plus(amount)) });
    }
  }
}

/** Names the window of a limit. */
export function windowName(tenantId: string, limitId: string, windowStart: Date): string {
  return `${tenantId} ${limitId} ${windowStart.getTime()}`;
}

/**
 * Decides on one use, and says what it takes of all windows, or of none. A limit is kept when what is used, what is held and
 * what is asked for come to no more than it: exactly as much as there is fits.
 */
export function reserve(limits: readonly Limit[], use: Use, standings: Standings): Reservation {
  const looking = limits.flatMap(limit => {
    const share = shareOf(limit, use);

    return share ? [{ limit, share }] : [];
  });
  const asked = looking.filter(({ limit }) => !isOfOtherCurrency(limit, use));
  const unfit = looking.filter(({ limit }) => isOfOtherCurrency(limit, use));
  const beyond = [
    ...asked.flatMap(({ limit, share }) => beyondOf(limit, share, standings) ?? []),
    ...unfit.map(({ limit, share }) => standingFor(limit, share, standings)),
  ];
  const depth = ({ limit }: Beyond): number => use.lineage.indexOf(limit.ownerId);
  const [refusedBy = null] = beyond.filter(({ limit }) => limit.mode === 'HARD').sort((a, b) => depth(b) - depth(a));

  if (refusedBy) {
    return { refusedBy, beyond: [], parts: [] };
  }

  const parts = asked.map(({ limit: { ownerId, id, windowStart }, share }) => ({
    tenantId: ownerId,
    limitId: id,
    windowStart,
    amount: share,
  }));

  return { refusedBy, beyond, parts };
}

/** Whether a limit counts money of another currency than that of a use: it cannot say whether the use fits. */
export function isOfOtherCurrency(limit: Limit, use: Use): boolean {
  return limit.measure === 'MONEY' && limit.currency !== use.currency;
}

function beyondOf(limit: Limit, asked: Decimal, standings: Standings): Beyond | null {
  const { used, held } = standings.of(windowName(limit.ownerId, limit.id, limit.windowStart));

  return asked.lte(limit.most.minus(used).minus(held)) ? null : standingFor(limit, asked, standings);
}

function standingFor(limit: Limit, asked: Decimal, standings: Standings): Beyond {
  const { used, held } = standings.of(windowName(limit.ownerId, limit.id, limit.windowStart));
  const left = limit.most.minus(used).minus(held);

  return { limit, used, held, remaining: decimal(left.gt(0) ? left : ZERO), asked };
}

import { type Asked, forgetOldest, LastKnown, MOST_PAIRS } from './fail-mode.js';
import type { CallBody, FeatureFailMode } from './types.js';

/**
 * What the server last said is to be done with calls that name a feature while it cannot be reached, tenant by tenant; and its
 * last answers to them.
 */
export class FeatureModes {
  readonly #told = new Map<string, FeatureFailMode>();
  readonly #known = new LastKnown();

  /** Null for a call that names no feature. */
  asking({ tenantId, feature, eventType, model, serviceTier, region }: CallBody, now: Date): Asked | null {
    return feature === undefined || feature === null
      ? null
      : this.#known.asking([tenantId, feature], [eventType, model, serviceTier, region], now);
  }

  /** Remembers an answer, unless a later question was answered before. */
  answered(asked: Asked, isAllowed: boolean, mode: FeatureFailMode | null): void {
    if (mode && this.#known.answered(asked, isAllowed, mode.share)) {
      this.#told.delete(asked.pair);
      this.#told.set(asked.pair, mode);
      forgetOldest(this.#told, MOST_PAIRS);
    }
  }

  /** Counts a call that goes ahead blindly, and answers null; or says why it may not: nothing said of its feature is no. */
  letThrough(asked: Asked | null, now: Date): string | null {
    const told = asked && this.#told.get(asked.pair);

    if (told?.mode === 'OPEN') {
      return null;
    }

    // The cap alone bounds it: whatever the age of the answer, no more than that goes ahead without another.
    return asked && told?.mode === 'LAST_KNOWN' && told.cap !== null
      ? this.#known.letThrough(asked, { cap: told.cap, lifeMs: Infinity }, now)
      : 'ask again';
  }
}

import type { FailMode } from '../entitlements/index.js';
import { type Decimal, ONE, sum } from '../money/index.js';
import type { Scope } from '../platform/index.js';
import type { EstimateService } from '../rating/index.js';
import type { CallAsked } from './holds.service.js';
import { type PlanLimits, refuseByPlan } from './plan-limits.js';

/** What a caller is to do with calls that name a feature while nobody can be asked. */
export interface FailModeTold {
  readonly mode: FailMode['mode'];
  /** How much may be used blindly, in units of the feature; of LAST_KNOWN. */
  readonly cap: Decimal | null;
  /** How much of that such a call takes: what it uses of a LIMIT's meter at most, and 1 of every other kind; of LAST_KNOWN. */
  readonly share: Decimal | null;
}

const CLOSED: FailModeTold = { mode: 'CLOSED', cap: null, share: null };

/** Tells callers, while they can be told, what to do when they cannot. */
export class FeatureModes {
  constructor(
    private readonly plans: PlanLimits,
    private readonly estimates: EstimateService,
  ) {}

  /**
   * Of the feature that a call of the scope's tenant names; null when it names none. Who is not entitled to it is told CLOSED,
   * whatever its seller says of it: not to be reached is no way to get it.
   */
  async told(scope: Scope, { feature, estimate }: CallAsked): Promise<FailModeTold | null> {
    if (feature === null) {
      return null;
    }

    const given = await this.plans.of(scope);
    const one = given.entitlements.find(({ featureKey }) => featureKey === feature);

    if (!one || refuseByPlan(given, { feature, models: [], region: null })?.code === 'NOT_ENTITLED') {
      return CLOSED;
    }

    if (one.failMode.mode !== 'LAST_KNOWN') {
      return { ...CLOSED, mode: one.failMode.mode };
    }

    const { items } = one.kind === 'LIMIT' ? await this.estimates.estimate(scope, estimate) : { items: [] };
    const counted = items.filter(({ meterId }) => meterId === one.meterId);

    return {
      mode: 'LAST_KNOWN',
      cap: one.failMode.cap,
      share: one.kind === 'LIMIT' ? sum(counted.map(({ worstQuantity }) => worstQuantity)) : ONE,
    };
  }
}

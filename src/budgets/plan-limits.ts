import type { CreditsKnown, CreditsService } from '../credits/index.js';
import {
  type EffectiveEntitlement,
  type EntitlementsService,
  type FeatureKind,
  mayUse,
  type ModelsValue,
} from '../entitlements/index.js';
import { decimal, ZERO } from '../money/index.js';
import { inTransaction, Remembered, type Scope } from '../platform/index.js';
import type { TenantsService } from '../tenants/index.js';
import { type Decision, refusal } from './decision.rules.js';
import type { Limit, LimitPer, Measure } from './limit.rules.js';
import { windowAt } from './window.rules.js';

/** What a tenant was given, the calendar by which it counts, and whether it has credits. */
export interface Given {
  readonly tenantId: string;
  readonly timeZone: string;
  readonly entitlements: readonly EffectiveEntitlement[];
  readonly credits: CreditsKnown;
}

/** What a call asks for besides money. */
export interface Wanted {
  /** The key of a feature that has to be on; null for none. */
  readonly feature: string | null;
  readonly models: readonly string[];
  readonly region: string | null;
}

const FRESH_MS = 1_000;

/** What a feature counts of which nothing is left to a tenant; the others count nothing. */
const TAKEN_AWAY: Readonly<Record<FeatureKind, Measure | null>> = {
  BOOLEAN: null,
  CONFIG: null,
  MODELS: null,
  LIMIT: 'QUANTITY',
  RATE: 'CALLS',
  CONCURRENCY: 'OPEN_HOLDS',
};

/**
 * What tenants were given by plan, contract or by themselves, and whether they have credits: of at most a second ago. So a
 * tenant's first credits, or the first after its last were used up, pay for usage that comes in from a second after they
 * were granted on, and who has none is not asked about them by every call.
 */
export class PlanLimits {
  readonly #remembered = new Remembered<Given>(FRESH_MS);

  constructor(
    private readonly tenants: TenantsService,
    private readonly entitlements: EntitlementsService,
    private readonly credits: CreditsService,
  ) {}

  /** Of the scope's tenant. */
  async of(scope: Scope): Promise<Given> {
    const read = () =>
      inTransaction(scope, async tx => ({
        tenantId: tx.tenantId,
        timeZone: (await this.tenants.own(tx)).timeZone,
        entitlements: await this.entitlements.effectiveWithin(tx),
        credits: await this.credits.known(tx),
      }));

    return this.#remembered.of(scope.tenantId, scope.now, scope.em.isInTransaction(), read);
  }
}

/** Whether usage of the tenant is paid with credits, as far as they go. */
export function paysWithCredits({ credits }: Given): boolean {
  return credits.hasAny || credits.isPrepaid;
}

/** Why a call may not be made whatever it costs; null when it may. */
export function refuseByPlan({ entitlements }: Given, { feature, models, region }: Wanted): Decision | null {
  const wanted = entitlements.find(({ featureKey }) => featureKey === feature);
  const isOn = wanted?.value?.kind === 'BOOLEAN' ? wanted.value.isOn : wanted !== undefined && wanted.value !== null;

  if (feature !== null && !isOn) {
    return refusal('NOT_ENTITLED', 'the tenant is not entitled to this feature: give it by plan, contract or tenant');
  }

  const access = entitlements.flatMap(accessOf);
  const named = models.length > 0 ? models : [null];
  const mayCall = (model: string | null): boolean =>
    access.some(value => mayUse(value, model, region)) && !access.some(({ deny }) => isDenied(deny, model));

  return access.length > 0 && !named.every(mayCall)
    ? refusal('MODEL_DENIED', 'the tenant may not use this model here: allow it by plan, contract or tenant')
    : null;
}

/** Which models a feature lets through; none where it was taken away. What nobody was ever given says nothing of models. */
function accessOf({ kind, value, source }: EffectiveEntitlement): Omit<ModelsValue, 'kind'>[] {
  if (kind !== 'MODELS' || !source) {
    return [];
  }

  return value?.kind === 'MODELS' ? [value] : [{ allow: [], deny: [], regions: [] }];
}

/** Whether a feature denies a model: then no other allows it. */
function isDenied(deny: readonly string[], model: string | null): boolean {
  return !mayUse({ allow: ['*'], deny, regions: [] }, model, null);
}

/**
 * What was given of meters, calls and holds at a time, as limits that stand at an instant. What was taken away is a limit of
 * 0; what nobody was ever given bounds nothing. A limit counts by its feature, so that setting it anew, or for somebody
 * narrower, forgets nothing of what was used.
 */
export function limitsGiven({ tenantId, timeZone, entitlements }: Omit<Given, 'credits'>, now: Date): Limit[] {
  return entitlements.flatMap(({ kind, value, source, meterId, featureId }): Limit[] => {
    if (!source) {
      return [];
    }

    // Nothing is left over of a window in which it was not given from the beginning.
    const wasGivenBefore = (per: LimitPer): boolean => {
      const { start } = windowAt(per, now, timeZone);

      return per !== null && source.effectiveAt <= windowAt(per, new Date(start.getTime() - 1), timeZone).start;
    };
    const of = (per: LimitPer, rest: Pick<Limit, 'measure' | 'most' | 'mode' | 'meterId' | 'rollover'>): Limit[] => {
      const { start, end } = windowAt(per, now, timeZone);

      return [
        {
          ownerId: tenantId,
          id: featureId,
          entitlementId: source.entitlementId,
          currency: null,
          windowAt: at => windowAt(per, at, timeZone).start,
          windowStart: start,
          resetsAt: end,
          countedTenantId: null,
          keyId: null,
          model: null,
          ...rest,
        },
      ];
    };

    if (!value) {
      const measure = TAKEN_AWAY[kind];

      return measure ? of(null, { measure, most: ZERO, mode: 'HARD', meterId, rollover: null }) : [];
    }

    switch (value.kind) {
      case 'LIMIT':
        return of(value.per, {
          measure: 'QUANTITY',
          most: value.amount,
          // WARN is told as SOFT is: in the answer to the call that goes beyond.
          mode: value.mode === 'HARD' ? 'HARD' : 'SOFT',
          meterId,
          rollover: wasGivenBefore(value.per) ? (value.rollover?.most ?? null) : null,
        });

      case 'RATE':
        return of(value.per, {
          measure: 'CALLS',
          most: decimal(String(value.calls)),
          mode: 'HARD',
          meterId: null,
          rollover: null,
        });

      case 'CONCURRENCY':
        return of(null, {
          measure: 'OPEN_HOLDS',
          most: decimal(String(value.most)),
          mode: 'HARD',
          meterId: null,
          rollover: null,
        });

      case 'BOOLEAN':
      case 'CONFIG':
      case 'MODELS':
        return [];

      default:
        return value satisfies never;
    }
  });
}

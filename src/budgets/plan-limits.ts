import type { CreditsKnown, CreditsService } from '../credits/index.js';
import { type EffectiveEntitlement, type EntitlementsService, mayUse } from '../entitlements/index.js';
import { decimal } from '../money/index.js';
import { inTransaction, Remembered, type Scope } from '../platform/index.js';
import type { TenantsService } from '../tenants/index.js';
import { type Decision, refusal } from './decision.rules.js';
import type { Limit, LimitPer } from './limit.rules.js';
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

  const access = entitlements.flatMap(({ value }) => (value?.kind === 'MODELS' ? [value] : []));
  const named = models.length > 0 ? models : [null];

  return access.length > 0 && named.some(model => !access.some(value => mayUse(value, model, region)))
    ? refusal('MODEL_DENIED', 'the tenant may not use this model here: allow it by plan, contract or tenant')
    : null;
}

/** What was given of meters, calls and holds at a time, as limits that stand at an instant. */
export function limitsGiven({ tenantId, timeZone, entitlements }: Omit<Given, 'credits'>, now: Date): Limit[] {
  return entitlements.flatMap(({ value, source, meterId }): Limit[] => {
    if (!value || !source) {
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
          id: source.entitlementId,
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

    switch (value.kind) {
      case 'LIMIT':
        return of(value.per, {
          measure: 'QUANTITY',
          most: value.amount,
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

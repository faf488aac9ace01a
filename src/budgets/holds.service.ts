import { createHash } from 'node:crypto';
import type { Decimal } from '../money/index.js';
import {
  canonicalJson,
  DomainError,
  ErrorCode,
  GroupCommit,
  inLineage,
  inTransaction,
  inTurn,
  newId,
  type Scope,
} from '../platform/index.js';
import type { EstimateRequest, EstimateService } from '../rating/index.js';
import { isCleanText, type TenantsService } from '../tenants/index.js';
import type { CreditCover } from './credit-cover.js';
import {
  answerTogether,
  type Answer,
  type Ask,
  type AskedBy,
  type Authorized,
  decideTogether,
  earlierAnswer,
  type KeyOfHold,
  Overtaken,
  type Question,
  refused,
} from './deciding.js';
import { type Decision, refusal } from './decision.rules.js';
import { limitsGiven, type PlanLimits, refuseByPlan } from './plan-limits.js';

/** A call before it is made. */
export interface CallAsked {
  readonly estimate: EstimateRequest;
  /** The key of a feature that the tenant has to be entitled to; null for none. */
  readonly feature: string | null;
  /** Where the model runs; null for wherever. */
  readonly region: string | null;
}

/** What a caller asks to have set aside. */
export interface AuthorizeRequest extends CallAsked {
  /** The same key with the same content, of the same API key, is answered with the same hold. */
  readonly idempotencyKey: string;
  /** From 1 to 86,400. */
  readonly expiresInSeconds: number;
}

const LONGEST_SECONDS = 86_400;

/**
 * Sets money aside before it is spent, against every limit from the tenant up to the platform at once, and of prepaid tenants
 * against their credits too.
 */
export class HoldsService {
  readonly #authorizing = new GroupCommit((asks: readonly Ask[]) => this.#authorizeTogether(asks));
  /** Calls of prepaid tenants go by themselves: only they wait for whoever moves credits. */
  readonly #authorizingPrepaid = new GroupCommit((asks: readonly Ask[]) => this.#authorizeTogether(asks));
  /** Checks wait for nobody, so two goes of them may be under way. */
  readonly #checking = new GroupCommit((asks: readonly Question[]) => this.#checkTogether(asks), inTurn(2));

  constructor(
    private readonly tenants: TenantsService,
    private readonly estimates: EstimateService,
    private readonly plans: PlanLimits,
    private readonly cover: CreditCover,
  ) {}

  /**
   * Prices the call at its worst and holds that against all limits of the scope's tenant and of those above it, and where the
   * tenant is prepaid of the credits that would pay for it, in one step: all of them or none. Answers with a decision; throws
   * for what cannot be read.
   */
  async authorize(scope: Scope, request: AuthorizeRequest, by: AskedBy): Promise<Authorized> {
    const { expiresInSeconds, idempotencyKey, ...call } = request;

    if (!Number.isInteger(expiresInSeconds) || expiresInSeconds < 1 || expiresInSeconds > LONGEST_SECONDS) {
      throw DomainError.invalid('expiresInSeconds is a whole number from 1 to 86400', ['expiresInSeconds']);
    }

    if (idempotencyKey.length < 1 || idempotencyKey.length > 255 || !isCleanText(idempotencyKey)) {
      throw DomainError.invalid('idempotencyKey has 1 to 255 characters and no control characters', ['idempotencyKey']);
    }

    const { tenantId } = scope;
    // What one API key was allowed is no yes for another, which may have a budget of its own.
    const asking = { ...request, keyId: by.keyId };
    const requestHash = createHash('sha256').update(canonicalJson(asking)).digest('hex');
    const key = { tenantId, idempotencyKey, requestHash };
    const asked = await this.#useOf(scope, call, by);

    if ('refused' in asked) {
      // It may have been held before, when it had a price.
      return heldOf(await inTransaction(scope, tx => earlierAnswer(tx, key)), key) ?? refused(asked.refused);
    }

    const { use, own, isPrepaid, worst } = asked;
    const hold = {
      ...key,
      id: newId('hld', scope.now),
      keyId: by.keyId,
      currency: use.currency,
      amount: worst,
      parts: [],
      expiresAt: new Date(scope.now.getTime() + expiresInSeconds * 1_000),
    };

    const group = isPrepaid ? this.#authorizingPrepaid : this.#authorizing;

    return heldOf(await group.do({ scope, by, use, own, isPrepaid, hold }), key);
  }

  /**
   * Whether the call might go ahead now, by what is used and held at this moment: true as soon as a recording of usage has
   * returned. Holds nothing, so another call may take what is left.
   */
  async check(scope: Scope, call: CallAsked, by: AskedBy): Promise<Decision> {
    const asked = await this.#useOf(scope, call, by);

    return 'refused' in asked ? asked.refused : this.#checking.do({ scope, by, ...asked });
  }

  /** The call at its worst, with what its tenant was given; or why it may not be made, or has no price. */
  async #useOf(
    scope: Scope,
    { estimate, feature, region }: CallAsked,
    by: AskedBy,
  ): Promise<
    (Pick<Question, 'use' | 'own' | 'isPrepaid'> & { readonly worst: Decimal }) | { readonly refused: Decision }
  > {
    const lineage = await this.tenants.lineage(scope, scope.tenantId);

    if (!lineage) {
      throw DomainError.notFound('tenant', scope.tenantId, ['tenantId']);
    }

    const { contractId, currency, worst, items } = await this.estimates.estimate(scope, estimate);

    if (contractId === null || currency === null) {
      return { refused: refusal('NO_CONTRACT', 'the tenant has no contract now: make one, and ask again') };
    }

    const given = await this.plans.of(scope);
    const named = [estimate.model, ...items.map(({ dimensions }) => dimensions['model'])];
    const models = [...new Set(named.flatMap(model => model ?? []))];
    const byPlan = refuseByPlan(given, { feature, models, region });

    if (byPlan) {
      return { refused: byPlan };
    }

    const parts = items.flatMap(({ meterId, dimensions, worstQuantity, worst: amount }) =>
      amount ? [{ meterId, dimensions, quantity: worstQuantity, amount }] : [],
    );

    return worst === null || parts.length < items.length
      ? { refused: refusal('UNPRICED', 'the contract has no price for a part of this: add one, and ask again') }
      : {
          use: { lineage, keyId: by.keyId, currency, parts, models },
          own: limitsGiven(given, scope.now),
          isPrepaid: given.credits.isPrepaid,
          worst,
        };
  }

  async #checkTogether(asks: readonly Question[]): Promise<readonly Decision[]> {
    const lineage = [...new Set(asks.flatMap(({ use }) => use.lineage))];
    const [{ scope } = { scope: null }] = asks;

    return scope ? inLineage(scope, lineage, tx => answerTogether(tx, lineage, asks, this.cover)) : [];
  }

  async #authorizeTogether(asks: readonly Ask[]): Promise<readonly Answer[]> {
    const [{ scope } = { scope: null }] = asks;

    if (!scope) {
      return [];
    }

    const lineage = [...new Set(asks.flatMap(({ use }) => use.lineage))];

    for (let isFirst = true; ; isFirst = false) {
      try {
        return await inLineage(scope, lineage, tx => decideTogether(tx, lineage, asks, this.cover, !isFirst));
      } catch (error) {
        if (!(error instanceof Overtaken)) {
          throw error;
        }
      }
    }
  }
}

/** The answer, unless the key was used for something else. */
function heldOf<Held extends Authorized | null>(answer: Held | 'KEY_REUSED', { idempotencyKey }: KeyOfHold): Held {
  if (answer === 'KEY_REUSED') {
    throw new DomainError(
      ErrorCode.IDEMPOTENCY_KEY_REUSED,
      `idempotency key ${idempotencyKey} was used for another hold; use a new key for new input`,
      ['idempotencyKey'],
    );
  }

  return answer;
}

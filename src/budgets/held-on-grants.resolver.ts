import { Authorized, Ctx, FieldResolver, Resolver, Root } from 'type-graphql';
import { CreditGrantType } from '../credits/index.js';
import { formatDecimal, ZERO } from '../money/index.js';
import { DecimalScalar, Gathered, type GraphqlContext, inTransaction, scopeFor } from '../platform/index.js';
import type { HeldOnGrants } from './held-on-grants.js';

/** What open calls have set aside of credits. */
@Resolver(() => CreditGrantType)
export class HeldOnGrantsResolver {
  readonly #held = new Gathered(async (scope, grants: readonly CreditGrantType[]) => {
    const amounts = new Map<CreditGrantType, string>();

    for (const [tenantId, own] of Map.groupBy(grants, grant => grant.tenantId)) {
      const ids = own.map(({ id }) => id);
      const held = await inTransaction(scopeFor(scope, tenantId), tx => this.heldOnGrants.of(tx, ids));
      own.forEach(grant => amounts.set(grant, formatDecimal(held.get(grant.id) ?? ZERO)));
    }

    return amounts;
  });

  constructor(private readonly heldOnGrants: HeldOnGrants) {}

  @Authorized('credits:read')
  @FieldResolver(() => DecimalScalar, { description: 'How many of those that are left open calls have set aside.' })
  async held(@Root() grant: CreditGrantType, @Ctx() { scope }: GraphqlContext) {
    return this.#held.of(scope, grant);
  }
}

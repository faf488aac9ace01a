import { Arg, Authorized, Ctx, Query, Resolver } from 'type-graphql';
import type { GraphqlContext } from '../platform/index.js';
import type { TenantsService } from '../tenants/index.js';
import { callAsked } from './call-asked.js';
import { EntitlementCheckInput, EntitlementCheckType } from './call-check.types.js';
import { readCallBody } from './call-request.js';
import type { FeatureModes } from './feature-modes.js';
import type { HoldsService } from './holds.service.js';

/** Asks of GraphQL what gateways ask of /v1/check. */
@Resolver()
export class CallCheckResolver {
  constructor(
    private readonly tenants: TenantsService,
    private readonly holds: HoldsService,
    private readonly modes: FeatureModes,
  ) {}

  // It holds nothing, so it takes no permission to hold: it reads, of budgets and of entitlements, what the answer shows.
  @Authorized('budgets:read', 'entitlements:read')
  @Query(() => EntitlementCheckType, {
    description:
      'Whether a call might go ahead now, and if not why: as /v1/check decides. Budgets of one API key are looked at for the key that asks.',
  })
  async entitlementCheck(
    @Arg('input', () => EntitlementCheckInput, { description: 'The call.' }) input: EntitlementCheckInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const { tenantId, properties, ...asked } = input;
    const body = readCallBody('check', {
      ...asked,
      ...(properties === undefined ? {} : { properties: properties ?? {} }),
    });
    const call = callAsked(body);
    const target = await this.tenants.within(scope, tenantId);
    const decision = await this.holds.check(target, call, { tenantId: scope.tenantId, keyId: scope.actor.id });

    return EntitlementCheckType.from(decision, await this.modes.told(target, call));
  }
}

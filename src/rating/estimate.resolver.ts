import { Arg, Authorized, Ctx, FieldResolver, Resolver, Root } from 'type-graphql';
import { DomainError, scopeFor, type GraphqlContext } from '../platform/index.js';
import { isRecord } from '../pricing/index.js';
import { TenantType } from '../tenants/index.js';
import type { EstimateService } from './estimate.service.js';
import { CostEstimateInput, CostEstimateType } from './estimate.types.js';

@Resolver(() => TenantType)
export class EstimateResolver {
  constructor(private readonly service: EstimateService) {}

  @Authorized('pricing:read')
  @FieldResolver(() => CostEstimateType, {
    description: 'What a call of this tenant will cost before it is made, by the engine that will bill it.',
  })
  async costEstimate(
    @Root() tenant: TenantType,
    @Arg('input', () => CostEstimateInput, { description: 'The call.' }) input: CostEstimateInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const { eventType, model = null, serviceTier = null, tokens } = input;
    const properties = input.properties ?? {};

    if (!isRecord(properties)) {
      throw DomainError.invalid('properties is an object', ['properties']);
    }

    const own = scopeFor(scope, tenant.id);
    const estimate = await this.service.estimate(own, {
      eventType,
      model,
      serviceTier,
      tokens: tokens.map(({ kind, expected, most = null }) => ({ kind, expected, most })),
      properties,
    });

    return CostEstimateType.from(estimate, await this.service.relations(own));
  }
}

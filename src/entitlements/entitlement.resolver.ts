import { Arg, Authorized, Ctx, FieldResolver, Int, Mutation, Resolver, Root } from 'type-graphql';
import { AFTER, connection, FIRST, payload, scopeFor, type GraphqlContext } from '../platform/index.js';
import { TenantType, type TenantsService } from '../tenants/index.js';
import {
  EffectiveEntitlementConnection,
  EffectiveEntitlementType,
  EntitlementConnection,
  EntitlementSetInput,
  EntitlementSetPayload,
  EntitlementType,
  FeatureConnection,
  FeatureCreateInput,
  FeatureCreatePayload,
  FeatureType,
} from './entitlement.types.js';
import type { EntitlementsService } from './entitlements.service.js';

@Resolver(() => TenantType)
export class EntitlementResolver {
  constructor(
    private readonly tenants: TenantsService,
    private readonly service: EntitlementsService,
  ) {}

  @Authorized('entitlements:read')
  @FieldResolver(() => FeatureConnection, { description: 'The features that it offers as a seller, newest first.' })
  async features(
    @Root() tenant: TenantType,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const rows = await this.service.features(scopeFor(scope, tenant.id), { first, after });

    return connection(rows, first, row => row.id, FeatureType.from);
  }

  @Authorized('entitlements:read')
  @FieldResolver(() => EffectiveEntitlementConnection, {
    description:
      'What it has now of the features of the seller of its contract, by key. Features that nobody gave it are not among them.',
  })
  async entitlements(
    @Root() tenant: TenantType,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const rows = await this.service.given(scopeFor(scope, tenant.id), { first, after });

    return connection(
      rows,
      first,
      row => row.featureKey,
      row => EffectiveEntitlementType.from(tenant.id, row),
    );
  }

  @Authorized('entitlements:write')
  @Mutation(() => FeatureCreatePayload, { description: 'Makes a feature, which nobody has yet.' })
  featureCreate(
    @Arg('input', () => FeatureCreateInput, { description: 'The feature to make.' }) input: FeatureCreateInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(FeatureCreatePayload, async () => {
      const { tenantId, ...asked } = input;
      const seller = await this.tenants.within(scope, tenantId);
      const { feature, replayed } = await this.service.createFeature(seller, asked);

      return { feature: FeatureType.from(feature), replayed };
    });
  }

  @Authorized('entitlements:write')
  @Mutation(() => EntitlementSetPayload, {
    description: 'Says what a price book, a contract or a tenant has of a feature from an instant on.',
  })
  entitlementSet(
    @Arg('input', () => EntitlementSetInput, { description: 'The entitlement to set.' }) input: EntitlementSetInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(EntitlementSetPayload, async () => {
      const { tenantId, value, effectiveAt, ...asked } = input;
      const { entitlement, replayed } = await this.service.setEntitlement(await this.tenants.within(scope, tenantId), {
        ...asked,
        value,
        effectiveAt: effectiveAt ?? null,
      });

      return { entitlement: EntitlementType.from(entitlement), replayed };
    });
  }
}

@Resolver(() => FeatureType)
export class FeatureEntitlementsResolver {
  constructor(private readonly service: EntitlementsService) {}

  @Authorized('entitlements:read')
  @FieldResolver(() => EntitlementConnection, {
    description: 'Who has what of it and from when; those set last come first.',
  })
  async entitlements(
    @Root() feature: FeatureType,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const rows = await this.service.entitlementsOf(scopeFor(scope, feature.tenantId), feature.id, { first, after });

    return connection(rows, first, row => row.id, EntitlementType.from);
  }
}

import { Arg, Authorized, Ctx, FieldResolver, Int, Mutation, Resolver, Root } from 'type-graphql';
import { AFTER, connection, FIRST, payload, scopeFor, type GraphqlContext } from '../platform/index.js';
import { TenantType, type TenantsService } from '../tenants/index.js';
import type { AccessService } from './access.service.js';
import {
  ApiKeyConnection,
  ApiKeyCreateInput,
  ApiKeyCreatePayload,
  ApiKeyRevokeInput,
  ApiKeyRevokePayload,
  ApiKeyType,
} from './api-key.types.js';

@Resolver(() => TenantType)
export class ApiKeyResolver {
  constructor(
    private readonly tenants: TenantsService,
    private readonly access: AccessService,
  ) {}

  @Authorized('keys:read')
  @FieldResolver(() => ApiKeyConnection, { description: 'Its API keys, newest first.' })
  async apiKeys(
    @Root() tenant: TenantType,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const rows = await this.access.list(scopeFor(scope, tenant.id), { first, after });

    return connection(rows, first, row => row.id, ApiKeyType.from);
  }

  @Authorized('keys:write')
  @Mutation(() => ApiKeyCreatePayload, { description: 'Makes an API key and shows its text once.' })
  apiKeyCreate(
    @Arg('input', () => ApiKeyCreateInput, { description: 'The key to make.' }) input: ApiKeyCreateInput,
    @Ctx() { scope, permissions }: GraphqlContext,
  ) {
    return payload(ApiKeyCreatePayload, async () => {
      const { tenantId, ...asked } = input;
      const target = await this.tenants.within(scope, tenantId);
      const { key, text, replayed } = await this.access.create(
        target,
        { ...asked, expiresAt: asked.expiresAt ?? null },
        permissions,
      );

      return { apiKey: ApiKeyType.from(key), text, replayed };
    });
  }

  @Authorized('keys:write')
  @Mutation(() => ApiKeyRevokePayload, { description: 'Ends an API key for good; refused everywhere within a second.' })
  apiKeyRevoke(
    @Arg('input', () => ApiKeyRevokeInput, { description: 'The key to revoke.' }) input: ApiKeyRevokeInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(ApiKeyRevokePayload, async () => {
      const target = await this.tenants.within(scope, input.tenantId);

      return { apiKey: ApiKeyType.from(await this.access.revoke(target, input.apiKeyId)) };
    });
  }
}

import { Arg, Authorized, Ctx, FieldResolver, ID, Int, Mutation, Query, Resolver, Root } from 'type-graphql';
import { auditLines, AuditLineConnection, AuditLineType } from '../audit/index.js';
import {
  AFTER,
  connection,
  DomainError,
  FIRST,
  inTransaction,
  payload,
  scopeFor,
  type GraphqlContext,
} from '../platform/index.js';
import {
  TenantConnection,
  TenantCreateInput,
  TenantCreatePayload,
  TenantKindEnum,
  TenantType,
} from './tenant.types.js';
import type { TenantsService } from './tenants.service.js';

@Resolver(() => TenantType)
export class TenantResolver {
  constructor(private readonly tenants: TenantsService) {}

  @Authorized('tenants:read')
  @Query(() => TenantType, {
    nullable: true,
    description: 'One tenant: the own one, or one below it; null when there is none.',
  })
  async tenant(
    @Arg('id', () => ID, { nullable: true, description: "The tenant's id; the key's own tenant by default." })
    id: string | null,
    @Ctx() { scope }: GraphqlContext,
  ): Promise<TenantType | null> {
    try {
      return TenantType.from(await this.tenants.get(scope, id ?? scope.tenantId));
    } catch (error) {
      if (error instanceof DomainError) {
        return null;
      }

      throw error;
    }
  }

  @Authorized('tenants:read')
  @FieldResolver(() => TenantConnection, { description: 'The tenants directly below this one, newest first.' })
  async children(
    @Root() tenant: TenantType,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const rows = await this.tenants.children(scopeFor(scope, tenant.id), { first, after });

    return connection(rows, first, row => row.id, TenantType.from);
  }

  @Authorized('audit:read')
  @FieldResolver(() => AuditLineConnection, { description: 'What was changed in this tenant, newest first.' })
  async auditLines(
    @Root() tenant: TenantType,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const rows = await inTransaction(scopeFor(scope, tenant.id), tx => auditLines(tx, { first, after }));

    return connection(rows, first, row => row.seq, AuditLineType.from);
  }

  @Authorized('tenants:write')
  @Mutation(() => TenantCreatePayload, { description: 'Makes a reseller or a customer.' })
  tenantCreate(
    @Arg('input', () => TenantCreateInput, { description: 'The tenant to make.' }) input: TenantCreateInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(TenantCreatePayload, async () => {
      if (input.kind === TenantKindEnum.PLATFORM) {
        throw DomainError.invalid('kind is RESELLER or CUSTOMER: there is one platform', ['kind']);
      }

      const { tenant, replayed } = await this.tenants.create(scope, {
        ...input,
        kind: input.kind,
        parentId: input.parentId ?? null,
      });

      return { tenant: TenantType.from(tenant), replayed };
    });
  }
}

import { Arg, Authorized, Ctx, FieldResolver, Int, Mutation, Resolver, Root } from 'type-graphql';
import { AFTER, connection, FIRST, payload, scopeFor, type GraphqlContext } from '../platform/index.js';
import { TenantType, type TenantsService } from '../tenants/index.js';
import {
  FxSnapshotConnection,
  FxSnapshotCreateInput,
  FxSnapshotCreatePayload,
  FxSnapshotType,
} from './fx-snapshot.types.js';
import type { FxSnapshotsService } from './fx-snapshots.service.js';

@Resolver(() => TenantType)
export class FxSnapshotResolver {
  constructor(
    private readonly tenants: TenantsService,
    private readonly service: FxSnapshotsService,
  ) {}

  @Authorized('pricing:read')
  @FieldResolver(() => FxSnapshotConnection, { description: 'The exchange rates it has entered, newest first.' })
  async fxSnapshots(
    @Root() tenant: TenantType,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const rows = await this.service.list(scopeFor(scope, tenant.id), { first, after });

    return connection(rows, first, row => row.id, FxSnapshotType.from);
  }

  @Authorized('pricing:write')
  @Mutation(() => FxSnapshotCreatePayload, { description: 'Enters an exchange rate, which never changes.' })
  fxSnapshotCreate(
    @Arg('input', () => FxSnapshotCreateInput, { description: 'The rate to enter.' }) input: FxSnapshotCreateInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(FxSnapshotCreatePayload, async () => {
      const { tenantId, ...asked } = input;
      const { snapshot, replayed } = await this.service.create(await this.tenants.within(scope, tenantId), asked);

      return { fxSnapshot: FxSnapshotType.from(snapshot), replayed };
    });
  }
}

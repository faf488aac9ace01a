import { Arg, Authorized, Ctx, FieldResolver, Int, Mutation, Resolver, Root } from 'type-graphql';
import { AFTER, connection, FIRST, payload, scopeFor, type GraphqlContext } from '../platform/index.js';
import type { TenantsService } from '../tenants/index.js';
import {
  ContractMigrationItemConnection,
  ContractMigrationItemType,
  ContractMigrationProgressType,
  ContractMigrationType,
  ContractsMigrateInput,
  ContractsMigratePayload,
} from './contract-migration.types.js';
import type { ContractMigrationsService } from './contract-migrations.service.js';

@Resolver(() => ContractMigrationType)
export class ContractMigrationResolver {
  constructor(
    private readonly tenants: TenantsService,
    private readonly migrations: ContractMigrationsService,
  ) {}

  @Authorized('contracts:write')
  @Mutation(() => ContractsMigratePayload, {
    description:
      'Moves contracts to another price book or version: each ends at the instant, and a new one begins there. They move one by one after the answer.',
  })
  contractsMigrate(
    @Arg('input', () => ContractsMigrateInput, { description: 'Which contracts, where to, and when.' })
    input: ContractsMigrateInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(ContractsMigratePayload, async () => {
      const { sellerId, ...asked } = input;
      const seller = await this.tenants.within(scope, sellerId, ['sellerId']);
      const { migration, replayed } = await this.migrations.start(seller, asked);

      return { contractMigration: ContractMigrationType.from(migration), replayed };
    });
  }

  @Authorized('pricing:read')
  @FieldResolver(() => ContractMigrationProgressType, { description: 'How far it is.' })
  async progress(@Root() migration: ContractMigrationType, @Ctx() { scope }: GraphqlContext) {
    const counts = await this.migrations.progress(scopeFor(scope, migration.tenantId), migration.id);

    return Object.assign(new ContractMigrationProgressType(), {
      open: counts.OPEN,
      done: counts.DONE,
      refused: counts.REFUSED,
    });
  }

  @Authorized('pricing:read')
  @FieldResolver(() => ContractMigrationItemConnection, {
    description: 'Its contracts by id, and what becomes of each.',
  })
  async moves(
    @Root() migration: ContractMigrationType,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const rows = await this.migrations.items(scopeFor(scope, migration.tenantId), migration.id, { first, after });

    return connection(rows, first, row => row.contractId, ContractMigrationItemType.from);
  }
}

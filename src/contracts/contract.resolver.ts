import { Arg, Authorized, Ctx, FieldResolver, Int, Mutation, Resolver, Root } from 'type-graphql';
import { AFTER, connection, FIRST, payload, scopeFor, type GraphqlContext } from '../platform/index.js';
import { TenantType, type TenantsService } from '../tenants/index.js';
import { ContractConnection, ContractCreateInput, ContractCreatePayload, ContractType } from './contract.types.js';
import type { ContractsService } from './contracts.service.js';

@Resolver(() => TenantType)
export class ContractResolver {
  constructor(
    private readonly tenants: TenantsService,
    private readonly service: ContractsService,
  ) {}

  @Authorized('pricing:read')
  @FieldResolver(() => ContractConnection, { description: 'The contracts under which it buys, newest first.' })
  async contracts(
    @Root() tenant: TenantType,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const rows = await this.service.bought(scopeFor(scope, tenant.id), { first, after });

    return connection(rows, first, row => row.id, ContractType.from);
  }

  @Authorized('contracts:write')
  @Mutation(() => ContractCreatePayload, { description: 'Puts a tenant on a price book from an instant.' })
  contractCreate(
    @Arg('input', () => ContractCreateInput, { description: 'The contract to make.' }) input: ContractCreateInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(ContractCreatePayload, async () => {
      const { sellerId, ...asked } = input;
      const seller = await this.tenants.within(scope, sellerId, ['sellerId']);
      const { contract, replayed } = await this.service.create(seller, asked);

      return { contract: ContractType.from(contract), replayed };
    });
  }
}

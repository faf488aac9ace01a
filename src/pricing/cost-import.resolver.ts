import { Arg, Authorized, Ctx, FieldResolver, Int, Mutation, Resolver, Root } from 'type-graphql';
import { AFTER, connection, FIRST, payload, scopeFor, type GraphqlContext } from '../platform/index.js';
import { TenantType } from '../tenants/index.js';
import type { CostImportService } from './cost-import.service.js';
import {
  ModelCostImportApplyInput,
  ModelCostImportDecideInput,
  ModelCostImportDiscardInput,
  ModelCostImportProposeInput,
  priceListOf,
} from './price-import.inputs.js';
import type { PriceImportService } from './price-import.service.js';
import {
  PriceImportConnection,
  PriceImportDecidePayload,
  PriceImportDiscardPayload,
  PriceImportPayload,
  PriceImportType,
} from './price-import.types.js';

@Resolver(() => TenantType)
export class CostImportResolver {
  constructor(
    private readonly imports: PriceImportService,
    private readonly costs: CostImportService,
  ) {}

  @Authorized('costs:read')
  @FieldResolver(() => PriceImportConnection, {
    description: 'Price lists laid beside what its models cost it, newest first.',
  })
  async modelCostImports(
    @Root() tenant: TenantType,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const rows = await this.costs.imports(scopeFor(scope, tenant.id), { first, after });

    return connection(rows, first, row => row.id, PriceImportType.from);
  }

  @Authorized('catalog:write')
  @Mutation(() => PriceImportPayload, { description: 'Lays a price list beside what models cost us. Changes no cost.' })
  modelCostImportPropose(
    @Arg('input', () => ModelCostImportProposeInput, { description: 'The list.' }) input: ModelCostImportProposeInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(PriceImportPayload, async () => {
      const { priceImport, replayed } = await this.costs.propose(scope, priceListOf(input));

      return { priceImport: PriceImportType.from(priceImport), replayed };
    });
  }

  @Authorized('catalog:write')
  @Mutation(() => PriceImportDecidePayload, {
    description: 'Approves, rejects or reopens lines of an import of costs.',
  })
  modelCostImportDecide(
    @Arg('input', () => ModelCostImportDecideInput, { description: 'The lines and the decision.' })
    input: ModelCostImportDecideInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(PriceImportDecidePayload, async () => {
      const { priceImport, decided } = await this.imports.decide(scope, 'COSTS', input);

      return { priceImport: PriceImportType.from(priceImport), decided };
    });
  }

  @Authorized('catalog:write')
  @Mutation(() => PriceImportPayload, { description: 'Sets the approved costs from an instant on.' })
  modelCostImportApply(
    @Arg('input', () => ModelCostImportApplyInput, { description: 'The import and the instant.' })
    input: ModelCostImportApplyInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(PriceImportPayload, async () => {
      const { priceImport, replayed } = await this.costs.apply(scope, input);

      return { priceImport: PriceImportType.from(priceImport), replayed };
    });
  }

  @Authorized('catalog:write')
  @Mutation(() => PriceImportDiscardPayload, { description: 'Closes an import of costs of which nothing shall come.' })
  modelCostImportDiscard(
    @Arg('input', () => ModelCostImportDiscardInput, { description: 'The import.' }) input: ModelCostImportDiscardInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(PriceImportDiscardPayload, async () => ({
      priceImport: PriceImportType.from(await this.imports.discard(scope, 'COSTS', input.importId)),
    }));
  }
}

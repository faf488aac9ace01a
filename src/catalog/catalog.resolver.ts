import { Arg, Authorized, Ctx, FieldResolver, Int, Mutation, Query, Resolver, Root } from 'type-graphql';
import { AFTER, connection, FIRST, payload, scopeFor, type GraphqlContext } from '../platform/index.js';
import type { CatalogService } from './catalog.service.js';
import { MeterConnection, MeterCreateInput, MeterCreatePayload, MeterType } from './meter.types.js';
import {
  ContextBandType,
  ModelConnection,
  ModelContextSetInput,
  ModelContextType,
  ModelCostSetInput,
  ModelCostType,
  ModelCreateInput,
  ModelPayload,
  ModelType,
} from './model.types.js';

@Resolver(() => ModelType)
export class CatalogResolver {
  constructor(private readonly catalog: CatalogService) {}

  @Authorized('catalog:read')
  @Query(() => ModelConnection, { description: "Models in the catalog of the key's tenant, newest first." })
  async models(
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return connection(await this.catalog.models(scope, { first, after }), first, row => row.id, ModelType.from);
  }

  @Authorized('catalog:read')
  @Query(() => MeterConnection, { description: "Meters of the key's tenant, newest first." })
  async meters(
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return connection(await this.catalog.meters(scope, { first, after }), first, row => row.id, MeterType.from);
  }

  @Authorized('costs:read')
  @FieldResolver(() => [ModelCostType], { description: 'What it costs us, the newest instant first; at most 100.' })
  async costs(@Root() model: ModelType, @Ctx() { scope }: GraphqlContext): Promise<ModelCostType[]> {
    const rows = await this.catalog.costs(scopeFor(scope, model.tenantId), model.id);

    return rows.map(ModelCostType.from);
  }

  @Authorized('catalog:read')
  @FieldResolver(() => [ContextBandType], {
    description:
      'Stretches of prompt lengths that prices may depend on, as they are in force now, ascending. At most 16.',
  })
  async contextBands(@Root() model: ModelType, @Ctx() { scope }: GraphqlContext): Promise<ContextBandType[]> {
    const own = scopeFor(scope, model.tenantId);
    const bands = await this.catalog.contextBands(own, { id: model.id, contextBands: model.initialBands });

    return bands.map(ContextBandType.from);
  }

  @Authorized('catalog:read')
  @FieldResolver(() => [ModelContextType], {
    description: 'Its context bands over time, the newest instant first; at most 100.',
  })
  async contexts(@Root() model: ModelType, @Ctx() { scope }: GraphqlContext): Promise<ModelContextType[]> {
    const own = scopeFor(scope, model.tenantId);
    const contexts = await this.catalog.contexts(own, { id: model.id, contextBands: model.initialBands });

    return contexts.map(ModelContextType.from);
  }

  @Authorized('catalog:write')
  @Mutation(() => ModelPayload, { description: 'Enters a model.' })
  modelCreate(
    @Arg('input', () => ModelCreateInput, { description: 'The model to enter.' }) input: ModelCreateInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(ModelPayload, async () => {
      const { model, replayed } = await this.catalog.createModel(scope, { ...input });

      return { model: ModelType.from(model), replayed };
    });
  }

  @Authorized('catalog:write')
  @Mutation(() => ModelPayload, { description: 'Says what a model costs us from an instant on.' })
  modelCostSet(
    @Arg('input', () => ModelCostSetInput, { description: 'The cost to set.' }) input: ModelCostSetInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(ModelPayload, async () => {
      const { model, replayed } = await this.catalog.setCost(scope, { ...input });

      return { model: ModelType.from(model), replayed };
    });
  }

  @Authorized('catalog:write')
  @Mutation(() => ModelPayload, { description: 'Says which context bands a model has from an instant on.' })
  modelContextSet(
    @Arg('input', () => ModelContextSetInput, { description: 'The bands to set.' }) input: ModelContextSetInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(ModelPayload, async () => {
      const { model, replayed } = await this.catalog.setContext(scope, { ...input });

      return { model: ModelType.from(model), replayed };
    });
  }

  @Authorized('catalog:write')
  @Mutation(() => MeterCreatePayload, {
    description: 'Defines a meter. It counts the events that are accepted from two seconds later on.',
  })
  meterCreate(
    @Arg('input', () => MeterCreateInput, { description: 'The meter to define.' }) input: MeterCreateInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(MeterCreatePayload, async () => {
      const { meter, replayed } = await this.catalog.createMeter(scope, {
        ...input,
        valueProperty: input.valueProperty ?? null,
      });

      return { meter: MeterType.from(meter), replayed };
    });
  }
}

import { Arg, Authorized, Ctx, FieldResolver, ID, Int, Mutation, Resolver, Root, Subscription } from 'type-graphql';
import type { ContractMigrationsService } from '../contracts/index.js';
import {
  AFTER,
  connection,
  DomainError,
  FIRST,
  isId,
  payload,
  scopeFor,
  type GraphqlContext,
  type Scope,
} from '../platform/index.js';
import { TenantType, type TenantsService } from '../tenants/index.js';
import type { OutcomeSimulationsService } from './outcome-simulations.service.js';
import { placeIn } from './simulation-result.queries.js';
import {
  SimulationCancelInput,
  type SimulationMoveInput,
  SimulationPayload,
  SimulationStartInput,
} from './simulation-input.types.js';
import type { Simulation } from './simulation.entity.js';
import {
  SimulationConnection,
  SimulationItemConnection,
  SimulationItemType,
  SimulationTenantConnection,
  SimulationTenantOrderEnum,
  SimulationTenantType,
  SimulationTotalType,
  SimulationType,
} from './simulation.types.js';
import type { SimulationsService } from './simulations.service.js';

@Resolver(() => TenantType)
export class SimulationResolver {
  constructor(
    private readonly tenants: TenantsService,
    private readonly service: SimulationsService,
    private readonly migrations: ContractMigrationsService,
  ) {}

  @Authorized('pricing:read')
  @FieldResolver(() => SimulationConnection, { description: 'The simulations that it started, newest first.' })
  async simulations(
    @Root() tenant: TenantType,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const rows = await this.service.list(scopeFor(scope, tenant.id), { first, after });

    return connection(rows, first, row => row.id, SimulationType.from);
  }

  @Authorized('pricing:write')
  @Mutation(() => SimulationPayload, {
    description: 'Asks what tenants would have paid under a version of a price book. The answer is computed by and by.',
  })
  simulationStart(
    @Arg('input', () => SimulationStartInput, { description: 'The simulation to start.' })
    input: SimulationStartInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(SimulationPayload, async () => {
      const { sellerId, tenantIds = null, move = null, ...asked } = input;
      const seller = await this.tenants.within(scope, sellerId, ['sellerId']);

      const { simulation, replayed } = await this.service.start(scope, seller, {
        ...asked,
        tenantIds: move ? await this.#movers(seller, move, tenantIds) : tenantIds,
      });

      return { simulation: SimulationType.from(simulation), replayed };
    });
  }

  async #movers(seller: Scope, move: SimulationMoveInput, buyerIds: readonly string[] | null): Promise<string[]> {
    if (!isId(move.priceBookId, 'pb')) {
      throw DomainError.notFound('price book', move.priceBookId.slice(0, 40), ['move', 'priceBookId']);
    }

    if (typeof move.fromVersionId === 'string' && !isId(move.fromVersionId, 'pbv')) {
      throw DomainError.notFound('price book version', move.fromVersionId.slice(0, 40), ['move', 'fromVersionId']);
    }

    const unknown = buyerIds?.findIndex(id => !isId(id, 'ten')) ?? -1;

    if (unknown >= 0) {
      throw DomainError.notFound('tenant', buyerIds?.[unknown]?.slice(0, 40) ?? '', ['tenantIds', String(unknown)]);
    }

    // Wherever they are to move: no contract is there yet.
    const { moves } = await this.migrations.moving(seller, { ...move, buyerIds, toPriceBookId: '' });

    return [...new Set(moves.map(({ tenantId }) => tenantId))];
  }

  @Authorized('pricing:write')
  @Mutation(() => SimulationPayload, {
    description: 'Stops a simulation that waits or runs. The tenants that are done keep their results.',
  })
  simulationCancel(
    @Arg('input', () => SimulationCancelInput, { description: 'The simulation to stop.' })
    input: SimulationCancelInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(SimulationPayload, async () => {
      const owner = await this.tenants.within(scope, input.tenantId);
      const simulation = await this.service.cancel(owner, input.simulationId);

      return { simulation: SimulationType.from(simulation), replayed: false };
    });
  }

  @Authorized('pricing:read')
  @Subscription(() => SimulationType, {
    description: 'A simulation as it is now and whenever it has come further, about once a second, until it has ended.',
    subscribe: ({ args, context }) => SimulationResolver.follow(context as SimulationContext, args),
  })
  simulationProgress(
    @Arg('id', () => ID, { description: 'The simulation.' }) _id: string,
    @Arg('tenantId', () => ID, {
      nullable: true,
      description: "The tenant that started it: the key's own (the default) or one below it.",
    })
    _tenantId: string | null,
    @Root() simulation: Simulation,
  ): SimulationType {
    return SimulationType.from(simulation);
  }

  /** The stream behind the subscription: the tenant is checked first. */
  static async *follow(context: SimulationContext, args: { id: string; tenantId?: string | null }) {
    const { simulations, tenants } = context.services;
    const scope = await tenants.within(context.scope, args.tenantId);

    yield* simulations.follow(scope, args.id, context.isLive);
  }
}

/** What a subscription's context has besides: the services, as `subscribe` is not called on a resolver's instance. */
export interface SimulationContext extends GraphqlContext {
  readonly services: {
    readonly simulations: SimulationsService;
    readonly outcomeSimulations: OutcomeSimulationsService;
    readonly tenants: TenantsService;
  };
  /** Whether the key still opens the API. */
  readonly isLive: () => Promise<boolean>;
}

/** What tenants are charged and would be: amounts, which take `billing:read` beside the simulation's own permission. */
@Resolver(() => SimulationType)
export class SimulationResultsResolver {
  constructor(private readonly simulations: SimulationsService) {}

  @Authorized('pricing:read', 'billing:read')
  @FieldResolver(() => [SimulationTotalType], {
    description:
      'What its tenants come to, one entry for each currency, at most 200; while it runs, what those come to that are done.',
  })
  async totals(@Root() simulation: SimulationType, @Ctx() { scope }: GraphqlContext): Promise<SimulationTotalType[]> {
    const { id, tenantId, storedTotals } = simulation;
    const totals = storedTotals ?? (await this.simulations.totals(scopeFor(scope, tenantId), id));

    return totals.map(SimulationTotalType.from);
  }

  @Authorized('pricing:read', 'billing:read')
  @FieldResolver(() => SimulationTenantConnection, { description: 'Its tenants that are done.' })
  async tenants(
    @Root() simulation: SimulationType,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Arg('order', () => SimulationTenantOrderEnum, {
      defaultValue: SimulationTenantOrderEnum.LOSES_MOST,
      description: 'In which order.',
    })
    order: SimulationTenantOrderEnum,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const owner = scopeFor(scope, simulation.tenantId);
    const rows = await this.simulations.tenantsOf(owner, simulation.id, order, { first, after });

    return connection(rows, first, row => placeIn(order, row), SimulationTenantType.from);
  }

  @Authorized('pricing:read', 'billing:read')
  @FieldResolver(() => SimulationItemConnection, {
    description: 'The prices of one of its tenants, the one whose amount changes most first, currency by currency.',
  })
  async items(
    @Root() simulation: SimulationType,
    @Arg('tenantId', () => ID, { description: 'The tenant.' }) tenantId: string,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const owner = scopeFor(scope, simulation.tenantId);
    const rows = await this.simulations.items(owner, simulation.id, tenantId, { first, after });

    return connection(rows, first, row => `${row.currency} ${row.position}`, SimulationItemType.from);
  }
}

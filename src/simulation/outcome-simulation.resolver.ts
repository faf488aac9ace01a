import { Arg, Authorized, Ctx, FieldResolver, ID, Int, Mutation, Resolver, Root, Subscription } from 'type-graphql';
import { AFTER, connection, FIRST, payload, scopeFor, type GraphqlContext } from '../platform/index.js';
import { TenantType, type TenantsService } from '../tenants/index.js';
import type { OutcomeSimulation } from './outcome-simulation.entity.js';
import {
  OutcomeSimulationCancelInput,
  OutcomeSimulationConnection,
  OutcomeSimulationItemConnection,
  OutcomeSimulationItemType,
  OutcomeSimulationPayload,
  OutcomeSimulationStartInput,
  OutcomeSimulationTotalType,
  OutcomeSimulationType,
} from './outcome-simulation.types.js';
import type { OutcomeSimulationsService } from './outcome-simulations.service.js';
import type { SimulationContext } from './simulation.resolver.js';

@Resolver(() => TenantType)
export class OutcomeSimulationResolver {
  constructor(
    private readonly tenants: TenantsService,
    private readonly service: OutcomeSimulationsService,
  ) {}

  @Authorized('pricing:read')
  @FieldResolver(() => OutcomeSimulationConnection, {
    description: 'The simulations of outcome rules that it started, newest first.',
  })
  async outcomeSimulations(
    @Root() tenant: TenantType,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const rows = await this.service.list(scopeFor(scope, tenant.id), { first, after });

    return connection(rows, first, row => row.id, OutcomeSimulationType.from);
  }

  @Authorized('pricing:write')
  @Mutation(() => OutcomeSimulationPayload, {
    description:
      'Asks what outcomes would have come to under a version of their rule. The answer is computed by and by.',
  })
  outcomeSimulationStart(
    @Arg('input', () => OutcomeSimulationStartInput, { description: 'The simulation to start.' })
    input: OutcomeSimulationStartInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(OutcomeSimulationPayload, async () => {
      const { tenantId, tenantIds = null, ...asked } = input;
      const seller = await this.tenants.within(scope, tenantId);
      const { simulation, replayed } = await this.service.start(seller, { ...asked, tenantIds });

      return { outcomeSimulation: OutcomeSimulationType.from(simulation), replayed };
    });
  }

  @Authorized('pricing:write')
  @Mutation(() => OutcomeSimulationPayload, {
    description:
      'Stops a simulation of an outcome rule that waits or runs. The tenants that are done keep their results. Doing it again changes nothing.',
  })
  outcomeSimulationCancel(
    @Arg('input', () => OutcomeSimulationCancelInput, { description: 'The simulation to stop.' })
    input: OutcomeSimulationCancelInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(OutcomeSimulationPayload, async () => {
      const owner = await this.tenants.within(scope, input.tenantId);
      const simulation = await this.service.cancel(owner, input.outcomeSimulationId);

      return { outcomeSimulation: OutcomeSimulationType.from(simulation), replayed: false };
    });
  }

  @Authorized('pricing:read')
  @Subscription(() => OutcomeSimulationType, {
    description:
      'A simulation of an outcome rule as it is now and whenever it has come further, about once a second, until it has ended.',
    subscribe: ({ args, context }) => OutcomeSimulationResolver.follow(context as SimulationContext, args),
  })
  outcomeSimulationProgress(
    @Arg('id', () => ID, { description: 'The simulation.' }) _id: string,
    @Arg('tenantId', () => ID, {
      nullable: true,
      description: "The tenant that started it: the key's own (the default) or one below it.",
    })
    _tenantId: string | null,
    @Root() simulation: OutcomeSimulation,
  ): OutcomeSimulationType {
    return OutcomeSimulationType.from(simulation);
  }

  /** The stream behind the subscription: the tenant is checked first. */
  static async *follow(context: SimulationContext, args: { id: string; tenantId?: string | null }) {
    const { outcomeSimulations, tenants } = context.services;
    const scope = await tenants.within(context.scope, args.tenantId);

    yield* outcomeSimulations.follow(scope, args.id, context.isLive);
  }
}

/** What outcomes are charged and would be: amounts, which take `billing:read` beside the simulation's own permission. */
@Resolver(() => OutcomeSimulationType)
export class OutcomeSimulationResultsResolver {
  constructor(private readonly simulations: OutcomeSimulationsService) {}

  @Authorized('pricing:read', 'billing:read')
  @FieldResolver(() => [OutcomeSimulationTotalType], {
    description:
      'What its tenants come to, one entry for each currency, at most 200; while it runs, what those come to that are done.',
  })
  async totals(@Root() simulation: OutcomeSimulationType, @Ctx() { scope }: GraphqlContext) {
    const { id, tenantId, storedTotals } = simulation;
    const totals = storedTotals ?? (await this.simulations.totals(scopeFor(scope, tenantId), id));

    return totals.map(OutcomeSimulationTotalType.from);
  }

  @Authorized('pricing:read', 'billing:read')
  @FieldResolver(() => OutcomeSimulationItemConnection, {
    description: 'The outcomes that change, tenant by tenant, in the order in which they occurred.',
  })
  async items(
    @Root() simulation: OutcomeSimulationType,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Arg('tenantId', () => ID, { nullable: true, description: 'Only those of this tenant.' }) tenantId: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const owner = scopeFor(scope, simulation.tenantId);
    const rows = await this.simulations.items(owner, simulation.id, tenantId ?? null, { first, after });

    return connection(rows, first, row => `${row.subject_id} ${row.position}`, OutcomeSimulationItemType.from);
  }
}

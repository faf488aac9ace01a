import { Arg, Authorized, Ctx, FieldResolver, ID, Int, Mutation, Resolver, Root, Subscription } from 'type-graphql';
import { AFTER, connection, DomainError, FIRST, payload, scopeFor, type GraphqlContext } from '../platform/index.js';
import type { RatingService } from '../rating/index.js';
import { TenantType, type TenantsService } from '../tenants/index.js';
import type { AlertFiring } from './alert.entity.js';
import {
  AlertFiringConnection,
  AlertFiringType,
  SpendAlertArchiveInput,
  SpendAlertConnection,
  SpendAlertCreateInput,
  SpendAlertPayload,
  SpendAlertType,
  thresholdsOf,
} from './alert.types.js';
import type { AlertsService } from './alerts.service.js';

@Resolver(() => TenantType)
export class AlertResolver {
  constructor(
    private readonly tenants: TenantsService,
    private readonly alerts: AlertsService,
    private readonly rating: RatingService,
  ) {}

  @Authorized('alerts:read')
  @FieldResolver(() => SpendAlertConnection, { description: 'Its spend alerts, newest first.' })
  async spendAlerts(
    @Root() tenant: TenantType,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const rows = await this.alerts.list(scopeFor(scope, tenant.id), { first, after });

    return connection(rows, first, row => row.id, SpendAlertType.from);
  }

  @Authorized('alerts:read')
  @FieldResolver(() => AlertFiringConnection, { description: 'The thresholds that its spend reached, newest first.' })
  async alertFirings(
    @Root() tenant: TenantType,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const rows = await this.alerts.firings(scopeFor(scope, tenant.id), { first, after });

    return connection(rows, first, row => row.id, AlertFiringType.from);
  }

  @Authorized('alerts:write')
  @Mutation(() => SpendAlertPayload, { description: 'Makes a spend alert.' })
  spendAlertCreate(
    @Arg('input', () => SpendAlertCreateInput, { description: 'The alert to make.' }) input: SpendAlertCreateInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(SpendAlertPayload, async () => {
      const { tenantId, ...asked } = input;
      const target = await this.tenants.within(scope, tenantId);
      const { alert, replayed } = await this.alerts.create(
        target,
        { ...asked, budget: asked.budget ?? null, thresholds: thresholdsOf(asked.thresholds) },
        this.rating,
      );

      return { spendAlert: SpendAlertType.from(alert), replayed };
    });
  }

  @Authorized('alerts:write')
  @Mutation(() => SpendAlertPayload, { description: 'Ends a spend alert.' })
  spendAlertArchive(
    @Arg('input', () => SpendAlertArchiveInput, { description: 'The alert to end.' }) input: SpendAlertArchiveInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(SpendAlertPayload, async () => {
      const target = await this.tenants.within(scope, input.tenantId);

      return {
        spendAlert: SpendAlertType.from(await this.alerts.archive(target, input.spendAlertId)),
        replayed: false,
      };
    });
  }

  @Authorized('alerts:read')
  @Subscription(() => AlertFiringType, {
    description:
      'Each threshold that the spend of a tenant reaches, once, in order. With `after` it begins with what was missed since.',
    subscribe: ({ args, context }) => AlertResolver.follow(context as FollowContext, args),
  })
  spendAlertTriggered(
    @Arg('tenantId', () => ID, { nullable: true, description: "The tenant; the key's own by default." })
    _tenantId: string | null,
    @Arg('after', () => String, {
      nullable: true,
      description: 'The `cursor` of the last firing seen; "0" for all there ever were.',
    })
    _after: string | null,
    @Root() firing: AlertFiring,
  ): AlertFiringType {
    return AlertFiringType.from(firing);
  }

  /** The stream behind the subscription: the tenant and the cursor are checked first. */
  static async *follow(context: FollowContext, args: { tenantId?: string | null; after?: string | null }) {
    const { alerts, tenants } = context.services;
    const scope = await tenants.within(context.scope, args.tenantId);
    const after = args.after ?? null;

    if (after !== null && !/^\d{1,18}$/.test(after)) {
      throw DomainError.invalid('after is the cursor of a firing', ['after']);
    }

    yield* alerts.follow(scope, after, context.clock, context.isLive);
  }
}

/** What a subscription's context has besides: the services, as `subscribe` is not called on a resolver's instance. */
export interface FollowContext extends GraphqlContext {
  readonly services: { readonly alerts: AlertsService; readonly tenants: TenantsService };
  readonly clock: () => Date;
  /** Whether the key still opens the API. */
  readonly isLive: () => Promise<boolean>;
}

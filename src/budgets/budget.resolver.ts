import { Arg, Authorized, Ctx, FieldResolver, Int, Mutation, Resolver, Root } from 'type-graphql';
import { AFTER, connection, FIRST, type GraphqlContext, payload, scopeFor } from '../platform/index.js';
import { TenantType, type TenantsService } from '../tenants/index.js';
import {
  BudgetChangeInput,
  BudgetConnection,
  BudgetCreateInput,
  BudgetCreatePayload,
  BudgetEndInput,
  BudgetPayload,
  BudgetRaiseConnection,
  BudgetRaiseInput,
  BudgetRaisePayload,
  BudgetRaiseType,
  BudgetStandingType,
  BudgetType,
  HoldConnection,
  HoldType,
} from './budget.types.js';
import type { BudgetsService } from './budgets.service.js';

@Resolver(() => TenantType)
export class BudgetResolver {
  constructor(
    private readonly tenants: TenantsService,
    private readonly service: BudgetsService,
  ) {}

  @Authorized('budgets:read')
  @FieldResolver(() => BudgetConnection, {
    description: 'Its own budgets, newest first; not those of tenants above it.',
  })
  async budgets(
    @Root() tenant: TenantType,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const rows = await this.service.list(scopeFor(scope, tenant.id), { first, after });

    return connection(rows, first, row => row.id, BudgetType.from);
  }

  @Authorized('budgets:read')
  @FieldResolver(() => HoldConnection, { description: 'The holds for calls of this tenant, newest first.' })
  async holds(
    @Root() tenant: TenantType,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const rows = await this.service.holds(scopeFor(scope, tenant.id), { first, after });

    return connection(rows, first, row => row.id, HoldType.from);
  }

  @Authorized('budgets:write')
  @Mutation(() => BudgetCreatePayload, { description: 'Makes a budget. It counts what is used from now on.' })
  budgetCreate(
    @Arg('input', () => BudgetCreateInput, { description: 'The budget to make.' }) input: BudgetCreateInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(BudgetCreatePayload, async () => {
      const {
        tenantId,
        per = null,
        countedTenantId = null,
        keyId = null,
        meterId = null,
        model = null,
        ...asked
      } = input;
      const target = await this.tenants.within(scope, tenantId);
      const draft = { ...asked, per, countedTenantId, keyId, meterId, model };
      const { budget, replayed } = await this.service.create(target, draft);

      return { budget: BudgetType.from(budget), replayed };
    });
  }

  @Authorized('budgets:write')
  @Mutation(() => BudgetPayload, {
    description: 'Changes the amount or the mode of a budget, for the window that runs and those after it.',
  })
  budgetChange(
    @Arg('input', () => BudgetChangeInput, { description: 'What to change.' }) input: BudgetChangeInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(BudgetPayload, async () => {
      const { tenantId, budgetId, amount = null, mode = null } = input;
      const target = await this.tenants.within(scope, tenantId);

      return { budget: BudgetType.from(await this.service.change(target, { budgetId, amount, mode })) };
    });
  }

  @Authorized('budgets:write')
  @Mutation(() => BudgetRaisePayload, { description: 'Adds to a budget for a time.' })
  budgetRaise(
    @Arg('input', () => BudgetRaiseInput, { description: 'How to raise it.' }) input: BudgetRaiseInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(BudgetRaisePayload, async () => {
      const { tenantId, from = null, ...asked } = input;
      const target = await this.tenants.within(scope, tenantId);
      const { raise, replayed } = await this.service.raise(target, { ...asked, from });

      return { budgetRaise: BudgetRaiseType.from(raise), replayed };
    });
  }

  @Authorized('budgets:write')
  @Mutation(() => BudgetPayload, { description: 'Ends a budget: it refuses nothing any more.' })
  budgetEnd(
    @Arg('input', () => BudgetEndInput, { description: 'The budget to end.' }) input: BudgetEndInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(BudgetPayload, async () => {
      const target = await this.tenants.within(scope, input.tenantId);

      return { budget: BudgetType.from(await this.service.end(target, input.budgetId)) };
    });
  }
}

/** What is read of a budget besides its own row. */
@Resolver(() => BudgetType)
export class BudgetFieldsResolver {
  constructor(private readonly service: BudgetsService) {}

  @Authorized('budgets:read')
  @FieldResolver(() => BudgetStandingType, {
    nullable: true,
    description: 'Where it stands in the window that runs; null when it has ended.',
  })
  async standing(@Root() budget: BudgetType, @Ctx() { scope }: GraphqlContext) {
    const standing = await this.service.standing(scopeFor(scope, budget.tenantId), budget.id);

    return standing ? BudgetStandingType.from(standing) : null;
  }

  @Authorized('budgets:read')
  @FieldResolver(() => BudgetRaiseConnection, {
    description: 'By how much it was raised, and until when; newest first.',
  })
  async raises(
    @Root() budget: BudgetType,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const rows = await this.service.raises(scopeFor(scope, budget.tenantId), budget.id, { first, after });

    return connection(rows, first, row => row.id, BudgetRaiseType.from);
  }
}

import { Arg, Authorized, Ctx, FieldResolver, ID, Resolver, Root } from 'type-graphql';
import { OutcomeDisputeType, OutcomeRuleType, OutcomeType } from '../outcomes/index.js';
import { DomainError, ErrorCode, MoneyType, scopeFor, type GraphqlContext } from '../platform/index.js';
import type { TenantsService } from '../tenants/index.js';
import { OutcomeCostType, OutcomeMarginType, OutcomeStatType } from './outcome-figures.types.js';
import { allowanceOf } from './figures-allowance.js';
import type { OutcomeMarginService } from './outcome-margin.service.js';
import type { OutcomeStatsService } from './outcome-stats.service.js';

const MOST_STATS = 1_000;

@Resolver(() => OutcomeRuleType)
export class OutcomeRuleFiguresResolver {
  constructor(
    private readonly tenants: TenantsService,
    private readonly figures: OutcomeStatsService,
    private readonly margins: OutcomeMarginService,
  ) {}

  @Authorized('outcomes:read', 'billing:read')
  @FieldResolver(() => [OutcomeStatType], {
    description:
      "A buyer's outcomes of the rule, counted: one entry for each state, reason and currency, at most 1,000. Amounts are those of the periods that they are charged in, as of now. One request counts 500,000 outcomes at most, those of the periods that its amounts are reckoned from among them; where tiers, caps or values tell outcomes apart, 100,000.",
  })
  async stats(
    @Root() rule: OutcomeRuleType,
    @Arg('tenantId', () => ID, { description: "The buyer: the key's own tenant or one below it." }) tenantId: string,
    @Arg('from', () => Date, { description: 'Outcomes that occurred from here …' }) from: Date,
    @Arg('until', () => Date, { description: '… until before here, at most 1,830 days.' }) until: Date,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const buyer = await this.tenants.within(scope, tenantId);
    const stats = await this.figures.stats(buyer, rule.id, { from, until }, allowanceOf(scope));

    return stats.slice(0, MOST_STATS).map(OutcomeStatType.from);
  }

  @Authorized('costs:read', 'billing:read')
  @FieldResolver(() => [OutcomeMarginType], {
    description:
      "What the rule brought with a buyer and what the models cost, over the billing periods that begin in a stretch of time: one entry for each currency of the buyer's contracts, at most 200.",
  })
  async margin(
    @Root() rule: OutcomeRuleType,
    @Arg('tenantId', () => ID, { description: "The buyer: the key's own tenant or one below it." }) tenantId: string,
    @Arg('from', () => Date, { description: 'Billing periods that begin from here …' }) from: Date,
    @Arg('until', () => Date, { description: '… until before here, at most 1,830 days.' }) until: Date,
    @Ctx() { scope }: GraphqlContext,
  ) {
    // Whoever buys under a rule reads it, and what the models cost is the seller's.
    if (rule.buyerId !== null) {
      throw new DomainError(
        ErrorCode.FORBIDDEN,
        `what rule ${rule.id} leaves is told to its seller alone: ask for it among the rules of that tenant`,
        ['id'],
      );
    }

    const buyer = await this.tenants.within(scope, tenantId);
    const margins = await this.margins.margin(buyer, rule, { from, until });

    return margins.map(OutcomeMarginType.from);
  }
}

@Resolver(() => OutcomeType)
export class OutcomeCostResolver {
  constructor(private readonly margins: OutcomeMarginService) {}

  @Authorized('costs:read', 'billing:read')
  @FieldResolver(() => OutcomeCostType, {
    description:
      'What the models cost for the usage of its subject, of the meters that its rule names, from 31 days before the subject started until it matures.',
  })
  async cost(@Root() outcome: OutcomeType, @Ctx() { scope }: GraphqlContext) {
    const found = await this.margins.cost(scopeFor(scope, outcome.tenantId), outcome.id, scope.tenantId);

    return OutcomeCostType.from(found);
  }
}

@Resolver(() => OutcomeDisputeType)
export class OutcomeDisputeHeldResolver {
  constructor(private readonly figures: OutcomeStatsService) {}

  @Authorized('outcomes:read', 'billing:read')
  @FieldResolver(() => [MoneyType], {
    description:
      'What the held outcomes would add to the charges of their periods, exact: one amount for each currency, at most 200; none when none is held.',
  })
  async held(@Root() dispute: OutcomeDisputeType, @Ctx() { scope }: GraphqlContext) {
    const held = await this.figures.held(scopeFor(scope, dispute.tenantId), dispute.id, allowanceOf(scope));

    return held.map(({ amount, currency }) => MoneyType.of(amount, currency));
  }
}

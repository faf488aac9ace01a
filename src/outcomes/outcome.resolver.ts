import { Arg, Authorized, Ctx, FieldResolver, ID, Int, Mutation, Resolver, Root } from 'type-graphql';
import { AFTER, connection, FIRST, payload, scopeFor, type GraphqlContext, type Scope } from '../platform/index.js';
import { TenantType, type TenantsService } from '../tenants/index.js';
import type { ActBy } from './act.rules.js';
import { IdleOutcomeEventConnection, IdleOutcomeEventStateEnum, IdleOutcomeEventType } from './idle-event.types.js';
import { placeOf } from './idle-events.js';
import {
  OutcomeClaimInput,
  OutcomeClaimPayload,
  OutcomeReverseInput,
  OutcomesPayload,
  OutcomeVerifyInput,
} from './outcome-act.types.js';
import type { OutcomeActsService } from './outcome-acts.service.js';
import type { OutcomeClaimsService } from './outcome-claims.service.js';
import {
  OutcomeConnection,
  OutcomeStateEnum,
  OutcomeTransitionConnection,
  OutcomeTransitionType,
  OutcomeType,
} from './outcome.types.js';

/** A place in a list as `connection` shows it. */
const cursorOf = (place: string): string => Buffer.from(place).toString('base64url');

/** Who acts on a tenant's outcomes: the key, and the side it is on. */
export function actBy(caller: Scope, target: Scope): ActBy {
  return { keyId: caller.actor.id, party: caller.tenantId === target.tenantId ? 'BUYER' : 'SELLER' };
}

@Resolver(() => TenantType)
export class OutcomeResolver {
  constructor(
    private readonly tenants: TenantsService,
    private readonly claims: OutcomeClaimsService,
    private readonly acts: OutcomeActsService,
  ) {}

  @Authorized('outcomes:read')
  @FieldResolver(() => OutcomeConnection, { description: 'Its outcomes, those that occurred last first.' })
  async outcomes(
    @Root() tenant: TenantType,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Arg('state', () => OutcomeStateEnum, { nullable: true, description: 'Only those that stand here.' })
    state: OutcomeStateEnum | null,
    @Arg('reason', () => String, { nullable: true, description: 'Only those with this reason, such as DUPLICATE.' })
    reason: string | null,
    @Arg('outcomeRuleId', () => ID, { nullable: true, description: 'Only those of this rule.' })
    outcomeRuleId: string | null,
    @Arg('subject', () => String, { nullable: true, description: 'Only those about this.' }) subject: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const filter = {
      state: state ?? null,
      reason: reason ?? null,
      outcomeRuleId: outcomeRuleId ?? null,
      subject: subject ?? null,
    };
    const rows = await this.acts.list(scopeFor(scope, tenant.id), filter, { first, after });

    return connection(rows, first, row => row.id, OutcomeType.from);
  }

  @Authorized('outcomes:read')
  @FieldResolver(() => IdleOutcomeEventConnection, {
    description:
      'Its events that outcome rules look at and that bear on no outcome, within a window of at most 31 days, latest first: reversals, guarantees and verifications of nothing, claims that no rule takes. A page that 20,000 events were looked at for ends there: it may be short, or empty, and `hasNextPage` says to go on. Of what was judged; none before its first contract is made. The order of arrival does not matter to amounts: a claim that comes even after EXPIRED still nets to nothing with its reversal, for EXPIRED means only that it is not awaited any more.',
  })
  async idleOutcomeEvents(
    @Root() tenant: TenantType,
    @Arg('from', () => Date, { description: 'The window of their own times begins here …' }) from: Date,
    @Arg('until', () => Date, { description: '… and ends before here.' }) until: Date,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Arg('state', () => IdleOutcomeEventStateEnum, { nullable: true, description: 'Only those in this state.' })
    state: IdleOutcomeEventStateEnum | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const asked = { from, until, state: state ?? null };
    const { events, reached } = await this.acts.idleEvents(scopeFor(scope, tenant.id), asked, { first, after });
    const found = connection(events, first, ({ event }) => placeOf(event), IdleOutcomeEventType.from);

    return reached ? { ...found, pageInfo: { hasNextPage: true, endCursor: cursorOf(placeOf(reached)) } } : found;
  }

  @Authorized('usage:write')
  @Mutation(() => OutcomeClaimPayload, {
    description:
      'Records one usage event of the own tenant or one below it, and judges at once what outcomes it makes. Usage is recorded faster by usageRecord or POST /v1/usage, which have outcomes judged by and by.',
  })
  outcomeClaim(
    @Arg('input', () => OutcomeClaimInput, { description: 'The event.' }) input: OutcomeClaimInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(OutcomeClaimPayload, async () => {
      const outcomes = await this.claims.claim(scope, input.tenantId ?? null, input.event);

      return { outcomes: outcomes.map(OutcomeType.from) };
    });
  }

  @Authorized('outcomes:verify')
  @Mutation(() => OutcomesPayload, {
    description: 'Says whether claims are true. The key that claimed an outcome does not verify it.',
  })
  outcomeVerify(
    @Arg('input', () => OutcomeVerifyInput, { description: 'What is said.' }) input: OutcomeVerifyInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(OutcomesPayload, async () => {
      const { tenantId, score = null, evidence, reason = null, ...asked } = input;
      const target = await this.tenants.within(scope, tenantId);
      const draft = { ...asked, score, evidence: evidence ?? {}, reason };
      const { outcomes, replayed } = await this.acts.verify(target, draft, actBy(scope, target));

      return { outcomes: outcomes.map(OutcomeType.from), replayed };
    });
  }

  @Authorized('outcomes:reverse')
  @Mutation(() => OutcomesPayload, {
    description: 'Takes outcomes back, within the window of their rule: all of them, or a part of their value.',
  })
  outcomeReverse(
    @Arg('input', () => OutcomeReverseInput, { description: 'What is taken back.' }) input: OutcomeReverseInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(OutcomesPayload, async () => {
      const { tenantId, amount = null, isGuarantee, at = null, reason = null, ...asked } = input;
      const target = await this.tenants.within(scope, tenantId);
      const draft = { ...asked, amount, isGuarantee: isGuarantee ?? false, at, reason };
      const { outcomes, replayed } = await this.acts.reverse(target, draft, actBy(scope, target));

      return { outcomes: outcomes.map(OutcomeType.from), replayed };
    });
  }
}

@Resolver(() => OutcomeType)
export class OutcomeFieldsResolver {
  constructor(private readonly acts: OutcomeActsService) {}

  @Authorized('outcomes:read')
  @FieldResolver(() => OutcomeTransitionConnection, { description: 'Its steps from state to state, in order.' })
  async transitions(
    @Root() outcome: OutcomeType,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const rows = await this.acts.transitions(scopeFor(scope, outcome.tenantId), outcome.id, { first, after });

    return connection(rows, first, row => String(row.n), OutcomeTransitionType.from);
  }
}

import { Arg, Authorized, Ctx, FieldResolver, Int, Mutation, Resolver, Root } from 'type-graphql';
import { AFTER, connection, FIRST, payload, scopeFor, type GraphqlContext } from '../platform/index.js';
import { TenantType, type TenantsService } from '../tenants/index.js';
import type { OutcomeDisputesService } from './outcome-disputes.service.js';
import {
  OutcomeDisputeConnection,
  OutcomeDisputeDecideInput,
  OutcomeDisputeOpenInput,
  OutcomeDisputePayload,
  OutcomeDisputeType,
  OutcomeSampleAuditConnection,
  OutcomeSampleAuditFinishInput,
  OutcomeSampleAuditPayload,
  OutcomeSampleAuditStartInput,
  OutcomeSampleAuditType,
} from './outcome-review.types.js';
import { actBy } from './outcome.resolver.js';
import { OutcomeConnection, OutcomeType } from './outcome.types.js';
import type { SampleAuditsService } from './sample-audits.service.js';

@Resolver(() => TenantType)
export class OutcomeReviewResolver {
  constructor(
    private readonly tenants: TenantsService,
    private readonly disputes: OutcomeDisputesService,
    private readonly audits: SampleAuditsService,
  ) {}

  @Authorized('outcomes:read')
  @FieldResolver(() => OutcomeDisputeConnection, { description: 'The disputes of its outcomes, newest first.' })
  async outcomeDisputes(
    @Root() tenant: TenantType,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const rows = await this.disputes.list(scopeFor(scope, tenant.id), { first, after });

    return connection(rows, first, row => row.dispute.id, OutcomeDisputeType.from);
  }

  @Authorized('outcomes:read')
  @FieldResolver(() => OutcomeSampleAuditConnection, {
    description: 'The sample audits of its outcomes, newest first.',
  })
  async outcomeSampleAudits(
    @Root() tenant: TenantType,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const rows = await this.audits.list(scopeFor(scope, tenant.id), { first, after });

    return connection(rows, first, row => row.id, OutcomeSampleAuditType.from);
  }

  @Authorized('outcomes:dispute')
  @Mutation(() => OutcomeDisputePayload, {
    description: 'Disputes outcomes, within the window of their rule. They are held until each is decided.',
  })
  outcomeDisputeOpen(
    @Arg('input', () => OutcomeDisputeOpenInput, { description: 'What is disputed.' }) input: OutcomeDisputeOpenInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(OutcomeDisputePayload, async () => {
      const { tenantId, evidence, ...asked } = input;
      const target = await this.tenants.within(scope, tenantId);
      const draft = { ...asked, evidence: evidence ?? {} };
      const { replayed, ...read } = await this.disputes.open(target, draft, actBy(scope, target));

      return { outcomeDispute: OutcomeDisputeType.from(read), replayed };
    });
  }

  @Authorized('outcomes:decide')
  @Mutation(() => OutcomeDisputePayload, {
    description: "Decides some or all outcomes of a dispute, on the seller's side.",
  })
  outcomeDisputeDecide(
    @Arg('input', () => OutcomeDisputeDecideInput, { description: 'The decision.' }) input: OutcomeDisputeDecideInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(OutcomeDisputePayload, async () => {
      const { tenantId, acceptedOutcomeIds, rejectedOutcomeIds, reason = null, ...asked } = input;
      const target = await this.tenants.within(scope, tenantId);
      const draft = {
        ...asked,
        acceptedOutcomeIds: acceptedOutcomeIds ?? [],
        rejectedOutcomeIds: rejectedOutcomeIds ?? [],
        reason,
      };
      const { replayed, ...read } = await this.disputes.decide(target, draft, actBy(scope, target));

      return { outcomeDispute: OutcomeDisputeType.from(read), replayed };
    });
  }

  @Authorized('outcomes:decide')
  @Mutation(() => OutcomeSampleAuditPayload, {
    description: 'Draws a sample of the charged outcomes of a rule in a period that is over; once for each period.',
  })
  outcomeSampleAuditStart(
    @Arg('input', () => OutcomeSampleAuditStartInput, { description: 'What is audited.' })
    input: OutcomeSampleAuditStartInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(OutcomeSampleAuditPayload, async () => {
      const { tenantId, ...asked } = input;
      const target = await this.tenants.within(scope, tenantId);
      const { audit, replayed } = await this.audits.start(target, asked, actBy(scope, target));

      return { outcomeSampleAudit: OutcomeSampleAuditType.from(audit), replayed };
    });
  }

  @Authorized('outcomes:decide')
  @Mutation(() => OutcomeSampleAuditPayload, {
    description:
      "Tells what of a sample is wrong, on the seller's side. Beyond the tolerance, the same part of the period is not charged.",
  })
  outcomeSampleAuditFinish(
    @Arg('input', () => OutcomeSampleAuditFinishInput, { description: 'What was found.' })
    input: OutcomeSampleAuditFinishInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(OutcomeSampleAuditPayload, async () => {
      const { tenantId, ...asked } = input;
      const target = await this.tenants.within(scope, tenantId);
      const { audit, replayed } = await this.audits.finish(target, asked, actBy(scope, target));

      return { outcomeSampleAudit: OutcomeSampleAuditType.from(audit), replayed };
    });
  }
}

@Resolver(() => OutcomeDisputeType)
export class OutcomeDisputeFieldsResolver {
  constructor(private readonly disputes: OutcomeDisputesService) {}

  @Authorized('outcomes:read')
  @FieldResolver(() => OutcomeConnection, {
    description: 'The outcomes it is about, as they stand; those that occurred last first.',
  })
  async outcomes(
    @Root() dispute: OutcomeDisputeType,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const rows = await this.disputes.outcomes(scopeFor(scope, dispute.tenantId), dispute.id, { first, after });

    return connection(rows, first, row => row.id, OutcomeType.from);
  }
}

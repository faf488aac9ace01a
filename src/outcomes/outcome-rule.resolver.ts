import { Arg, Authorized, Ctx, FieldResolver, Int, Mutation, Resolver, Root } from 'type-graphql';
import { AFTER, connection, FIRST, inTransaction, payload, scopeFor, type GraphqlContext } from '../platform/index.js';
import { PriceBookType } from '../pricing/index.js';
import type { TenantsService } from '../tenants/index.js';
import type { AgreedRules } from './agreed-rules.js';
import {
  OutcomeRuleConnection,
  OutcomeRuleCreateInput,
  OutcomeRuleCreatePayload,
  OutcomeRuleType,
  OutcomeRuleVersionConnection,
  OutcomeRuleVersionCreateInput,
  OutcomeRuleVersionPayload,
  OutcomeRuleVersionPublishInput,
  OutcomeRuleVersionType,
  OutcomeRuleVersionWithdrawInput,
} from './outcome-rule.types.js';
import type { OutcomeRulesService } from './outcome-rules.service.js';
import { outcomeTermsOf } from './outcome-terms.types.js';
import { OutcomeType } from './outcome.types.js';

@Resolver(() => PriceBookType)
export class OutcomeRuleResolver {
  constructor(
    private readonly tenants: TenantsService,
    private readonly rules: OutcomeRulesService,
  ) {}

  @Authorized('pricing:read')
  @FieldResolver(() => OutcomeRuleConnection, { description: 'What outcomes it asks for, newest rule first.' })
  async outcomeRules(
    @Root() book: PriceBookType,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const rows = await this.rules.rules(scopeFor(scope, book.tenantId), book.id, { first, after });

    return connection(rows, first, row => row.id, OutcomeRuleType.from);
  }

  @Authorized('pricing:write')
  @Mutation(() => OutcomeRuleCreatePayload, { description: 'Makes an outcome rule in a price book.' })
  outcomeRuleCreate(
    @Arg('input', () => OutcomeRuleCreateInput, { description: 'The rule to make.' }) input: OutcomeRuleCreateInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(OutcomeRuleCreatePayload, async () => {
      const { tenantId, ...asked } = input;
      const { rule, replayed } = await this.rules.create(await this.tenants.within(scope, tenantId), asked);

      return { outcomeRule: OutcomeRuleType.from(rule), replayed };
    });
  }

  @Authorized('pricing:write')
  @Mutation(() => OutcomeRuleVersionPayload, { description: 'Writes a draft version of an outcome rule.' })
  outcomeRuleVersionCreate(
    @Arg('input', () => OutcomeRuleVersionCreateInput, { description: 'The draft to write.' })
    input: OutcomeRuleVersionCreateInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(OutcomeRuleVersionPayload, async () => {
      const { tenantId, terms, ...asked } = input;
      const { version, replayed } = await this.rules.createVersion(await this.tenants.within(scope, tenantId), {
        ...asked,
        terms: outcomeTermsOf(terms),
      });

      return { outcomeRuleVersion: OutcomeRuleVersionType.from(version), replayed };
    });
  }

  @Authorized('pricing:write')
  @Mutation(() => OutcomeRuleVersionPayload, {
    description: 'Publishes a draft: from its effective instant it judges and prices outcomes, and it never changes.',
  })
  outcomeRuleVersionPublish(
    @Arg('input', () => OutcomeRuleVersionPublishInput, { description: 'The draft to publish.' })
    input: OutcomeRuleVersionPublishInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(OutcomeRuleVersionPayload, async () => {
      const version = await this.rules.publish(await this.tenants.within(scope, input.tenantId), {
        versionId: input.outcomeRuleVersionId,
        effectiveAt: input.effectiveAt ?? null,
      });

      return { outcomeRuleVersion: OutcomeRuleVersionType.from(version), replayed: false };
    });
  }

  @Authorized('pricing:write')
  @Mutation(() => OutcomeRuleVersionPayload, {
    description: 'Takes back a published version that has not taken effect.',
  })
  outcomeRuleVersionWithdraw(
    @Arg('input', () => OutcomeRuleVersionWithdrawInput, { description: 'The version to take back.' })
    input: OutcomeRuleVersionWithdrawInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(OutcomeRuleVersionPayload, async () => {
      const target = await this.tenants.within(scope, input.tenantId);

      return {
        outcomeRuleVersion: OutcomeRuleVersionType.from(await this.rules.withdraw(target, input.outcomeRuleVersionId)),
        replayed: false,
      };
    });
  }
}

@Resolver(() => OutcomeRuleType)
export class OutcomeRuleVersionsResolver {
  constructor(
    private readonly rules: OutcomeRulesService,
    private readonly agreed: AgreedRules,
  ) {}

  @Authorized('pricing:read')
  @FieldResolver(() => OutcomeRuleVersionConnection, {
    description: 'Its versions, newest first; to a buyer, the published ones that judge under its contracts.',
  })
  async versions(
    @Root() rule: OutcomeRuleType,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const page = { first, after };
    const versions =
      rule.buyerId === null
        ? (await this.rules.versions(scopeFor(scope, rule.tenantId), rule.id, page)).map(row =>
            OutcomeRuleVersionType.from(row),
          )
        : await this.agreed.versions(scopeFor(scope, rule.buyerId), rule.id, page);

    return connection(
      versions,
      first,
      ({ id }) => id,
      version => version,
    );
  }
}

@Resolver(() => OutcomeRuleVersionType)
export class OutcomeRuleOfVersionResolver {
  constructor(
    private readonly rules: OutcomeRulesService,
    private readonly agreed: AgreedRules,
  ) {}

  @Authorized('pricing:read')
  @FieldResolver(() => OutcomeRuleType, { description: 'The rule that it is a version of.' })
  async outcomeRule(@Root() version: OutcomeRuleVersionType, @Ctx() { scope }: GraphqlContext) {
    const { tenantId, buyerId, outcomeRuleId } = version;

    return buyerId === null
      ? OutcomeRuleType.from(await this.rules.rule(scopeFor(scope, tenantId), outcomeRuleId))
      : inTransaction(scopeFor(scope, buyerId), tx => this.agreed.rule(tx, outcomeRuleId));
  }
}

@Resolver(() => OutcomeType)
export class OutcomeVersionResolver {
  constructor(private readonly agreed: AgreedRules) {}

  @Authorized('pricing:read')
  @FieldResolver(() => OutcomeRuleVersionType, {
    nullable: true,
    description: 'What it is judged and priced by, as its tenant and the seller agreed; null once that is withdrawn.',
  })
  outcomeRuleVersion(@Root() outcome: OutcomeType, @Ctx() { scope }: GraphqlContext) {
    return this.agreed.versionOf(scope, outcome.tenantId, outcome.outcomeRuleVersionId);
  }
}

import { Arg, Authorized, Ctx, FieldResolver, Int, Mutation, Resolver, Root } from 'type-graphql';
import {
  AFTER,
  connection,
  DomainError,
  ErrorCode,
  FIRST,
  MoneyType,
  payload,
  type Scope,
  scopeFor,
  type GraphqlContext,
} from '../platform/index.js';
import { TenantType, type TenantsService } from '../tenants/index.js';
import type { CreditReversalsService } from './credit-reversals.service.js';
import type { CreditTransfersService } from './credit-transfers.service.js';
import {
  CreditBurnReverseInput,
  CreditBurnReversePayload,
  CreditGrantCreateInput,
  CreditGrantCreatePayload,
  CreditGrantRefundInput,
  CreditGrantRefundPayload,
  CreditPrepaidSetInput,
  CreditPrepaidSetPayload,
  CreditRechargeSetInput,
  CreditRechargeSetPayload,
  CreditTransferInput,
  CreditTransferPayload,
} from './credit.inputs.js';
import {
  CreditBalanceConnection,
  CreditBalanceType,
  CreditGrantConnection,
  CreditGrantType,
  CreditPrepaidType,
  CreditTransactionConnection,
  CreditTransactionType,
} from './credit.types.js';
import type { CreditsService } from './credits.service.js';

@Resolver(() => TenantType)
export class CreditResolver {
  constructor(
    private readonly tenants: TenantsService,
    private readonly credits: CreditsService,
    private readonly reversals: CreditReversalsService,
    private readonly transfers: CreditTransfersService,
  ) {}

  @Authorized('credits:read')
  @FieldResolver(() => CreditGrantConnection, { description: 'The credits that it was granted, newest first.' })
  async creditGrants(
    @Root() tenant: TenantType,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const rows = await this.credits.grants(scopeFor(scope, tenant.id), { first, after });

    return connection(rows, first, ({ grant }) => grant.id, CreditGrantType.from);
  }

  @Authorized('credits:read')
  @FieldResolver(() => CreditBalanceConnection, {
    description: 'What it has of credits, unit by unit, by the names of the units.',
  })
  async creditBalances(
    @Root() tenant: TenantType,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const rows = await this.credits.balances(scopeFor(scope, tenant.id), { first, after });

    return connection(rows, first, ({ unit }) => unit, CreditBalanceType.from);
  }

  @Authorized('credits:read')
  @FieldResolver(() => CreditTransactionConnection, {
    description: 'The ledger of its credits: every movement there was, newest first.',
  })
  async creditTransactions(
    @Root() tenant: TenantType,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const rows = await this.credits.transactions(scopeFor(scope, tenant.id), { first, after });

    return connection(rows, first, ({ transaction }) => transaction.id, CreditTransactionType.from);
  }

  @Authorized('credits:read')
  @FieldResolver(() => CreditPrepaidType, { description: 'Whether its calls are paid in advance.' })
  async creditPrepaid(@Root() tenant: TenantType, @Ctx() { scope }: GraphqlContext) {
    return CreditPrepaidType.from(await this.credits.prepaid(scopeFor(scope, tenant.id)));
  }

  @Authorized('credits:write')
  @Mutation(() => CreditGrantCreatePayload, { description: 'Grants credits to a tenant.' })
  creditGrantCreate(
    @Arg('input', () => CreditGrantCreateInput, { description: 'The credits to grant.' }) input: CreditGrantCreateInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(CreditGrantCreatePayload, async () => {
      const { tenantId, ...asked } = input;
      const target = await this.#below(scope, tenantId, 'credits come from a tenant above this one');
      const { replayed, ...read } = await this.credits.grant(target, {
        ...asked,
        unitWorth: asked.unitWorth ?? null,
        effectiveAt: asked.effectiveAt ?? null,
        expiresAt: asked.expiresAt ?? null,
      });

      return { creditGrant: CreditGrantType.from(read), replayed };
    });
  }

  @Authorized('credits:write')
  @Mutation(() => CreditGrantRefundPayload, {
    description:
      'Takes unused credits off a grant: a refund of paid ones, a void of promotional ones. Pays nobody: it says what was paid for them. Takes a key above the tenant.',
  })
  creditGrantRefund(
    @Arg('input', () => CreditGrantRefundInput, { description: 'What to take off.' }) input: CreditGrantRefundInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(CreditGrantRefundPayload, async () => {
      const { tenantId, ...asked } = input;
      const own = await this.tenants.within(scope, tenantId);
      // First, so that whoever may not is told of no grant but those it may see.
      await this.credits.refuseUnknown(own, asked.creditGrantId);
      const target = await this.#below(scope, tenantId, 'a tenant above this one says what is given back');
      const { transaction, cost, replayed, ...read } = await this.credits.refund(target, {
        ...asked,
        amount: asked.amount ?? null,
        reason: asked.reason ?? null,
      });

      return {
        creditGrant: CreditGrantType.from(read),
        creditTransaction: CreditTransactionType.from(transaction),
        cost: MoneyType.of(cost, read.grant.costCurrency),
        replayed,
      };
    });
  }

  @Authorized('credits:write')
  @Mutation(() => CreditBurnReversePayload, {
    description:
      'Gives back what usage has burned, to the grants that paid, the last first: in parts or all of it. Changes no bill. Takes a key above the tenant.',
  })
  creditBurnReverse(
    @Arg('input', () => CreditBurnReverseInput, { description: 'What to give back.' }) input: CreditBurnReverseInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(CreditBurnReversePayload, async () => {
      const { tenantId, ...asked } = input;
      const own = await this.tenants.within(scope, tenantId);
      // First, so that whoever may not is told of no burn but those it may see.
      await this.reversals.refuseUnknown(own, asked.creditTransactionId);
      const target = await this.#below(scope, tenantId, 'a tenant above this one says what is given back');
      const { transaction, replayed } = await this.reversals.reverse(target, {
        ...asked,
        amount: asked.amount ?? null,
        reason: asked.reason ?? null,
      });

      return { creditTransaction: CreditTransactionType.from(transaction), replayed };
    });
  }

  @Authorized('credits:write')
  @Mutation(() => CreditTransferPayload, {
    description:
      'Moves credits between a tenant and one below it, all or nothing. Takes a key at or above both, so none takes from those above it.',
  })
  creditTransfer(
    @Arg('input', () => CreditTransferInput, { description: 'What to move.' }) input: CreditTransferInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(CreditTransferPayload, async () => {
      const { transaction, grants, replayed } = await this.transfers.transfer(scope, {
        ...input,
        reason: input.reason ?? null,
      });

      return {
        creditTransaction: CreditTransactionType.from(transaction),
        creditGrants: grants.map(CreditGrantType.from),
        replayed,
      };
    });
  }

  @Authorized('credits:write')
  @Mutation(() => CreditRechargeSetPayload, {
    description: 'Says when to tell, by the message credits.low, that credits run low. Charges nobody.',
  })
  creditRechargeSet(
    @Arg('input', () => CreditRechargeSetInput, { description: 'When to tell.' }) input: CreditRechargeSetInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(CreditRechargeSetPayload, async () => {
      const { tenantId, ...asked } = input;
      const target = await this.tenants.within(scope, tenantId);
      const { balance, replayed } = await this.credits.setRecharge(target, {
        ...asked,
        below: asked.below ?? null,
        amount: asked.amount ?? null,
      });

      return { creditBalance: balance && CreditBalanceType.from(balance), replayed };
    });
  }

  @Authorized('credits:write')
  @Mutation(() => CreditPrepaidSetPayload, {
    description:
      'Says whether the calls of a tenant go ahead only as far as its credits reach: true of calls from a second later on. Takes a key above the tenant.',
  })
  creditPrepaidSet(
    @Arg('input', () => CreditPrepaidSetInput, { description: 'Whether they do.' }) input: CreditPrepaidSetInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(CreditPrepaidSetPayload, async () => {
      const { tenantId, ...asked } = input;
      const target = await this.#below(scope, tenantId, 'a tenant above this one says whether it is prepaid');

      const { prepaid, replayed } = await this.credits.setPrepaid(target, asked);

      return { creditPrepaid: CreditPrepaidType.from(prepaid), replayed };
    });
  }

  /** What nobody does to itself but the platform: it is for somebody above. */
  async #below(scope: Scope, tenantId: string | null | undefined, why: string): Promise<Scope> {
    const target = await this.tenants.within(scope, tenantId);
    const lineage = await this.tenants.lineage(scope, target.tenantId);

    if (target.tenantId === scope.tenantId && lineage?.length !== 1) {
      throw new DomainError(ErrorCode.FORBIDDEN, `${why}: ask with a key of that one`, ['tenantId']);
    }

    return target;
  }
}

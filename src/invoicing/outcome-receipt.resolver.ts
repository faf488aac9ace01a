import { Arg, Authorized, Ctx, FieldResolver, Int, Resolver, Root } from 'type-graphql';
import { type AgreedRules, OutcomeRuleVersionType, OutcomeType } from '../outcomes/index.js';
import { AFTER, connection, FIRST, scopeFor, type GraphqlContext } from '../platform/index.js';
import { InvoiceType } from './invoice.types.js';
import { placeText } from './outcome-receipt.queries.js';
import { OutcomeReceiptConnection, OutcomeReceiptType } from './outcome-receipt.types.js';
import type { ReceiptsService } from './receipts.service.js';

@Resolver(() => InvoiceType)
export class InvoiceReceiptsResolver {
  constructor(private readonly receipts: ReceiptsService) {}

  @Authorized('outcomes:read', 'billing:read')
  @FieldResolver(() => OutcomeReceiptConnection, {
    description:
      'The receipts of its outcomes, line by line; none in a draft. GET /v1/invoices/{id}/receipts streams all of them.',
  })
  async outcomeReceipts(
    @Root() invoice: InvoiceType,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const rows = await this.receipts.ofInvoice(scopeFor(scope, invoice.tenantId), invoice.id, { first, after });

    return connection(rows, first, placeText, OutcomeReceiptType.from);
  }
}

@Resolver(() => OutcomeType)
export class OutcomeReceiptsResolver {
  constructor(private readonly service: ReceiptsService) {}

  @Authorized('outcomes:read', 'billing:read')
  @FieldResolver(() => OutcomeReceiptConnection, {
    description: 'Its receipts, the earliest first: what it was charged with, and what of that was taken back.',
  })
  async receipts(
    @Root() outcome: OutcomeType,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const rows = await this.service.ofOutcome(scopeFor(scope, outcome.tenantId), outcome.id, { first, after });

    return connection(rows, first, row => row.id, OutcomeReceiptType.from);
  }
}

@Resolver(() => OutcomeReceiptType)
export class ReceiptVersionResolver {
  constructor(private readonly agreed: AgreedRules) {}

  @Authorized('pricing:read')
  @FieldResolver(() => OutcomeRuleVersionType, {
    nullable: true,
    description: 'The version of the rule that its charge was priced by, as its tenant and the seller agreed.',
  })
  outcomeRuleVersion(@Root() receipt: OutcomeReceiptType, @Ctx() { scope }: GraphqlContext) {
    return this.agreed.versionOf(scope, receipt.tenantId, receipt.versionId);
  }
}

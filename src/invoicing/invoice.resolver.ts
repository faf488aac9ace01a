import { Arg, Authorized, Ctx, FieldResolver, Int, Mutation, Resolver, Root } from 'type-graphql';
import {
  AFTER,
  connection,
  FIRST,
  MoneyType,
  page,
  payload,
  scopeFor,
  type GraphqlContext,
} from '../platform/index.js';
import { TenantType, type TenantsService } from '../tenants/index.js';
import { totalOf } from './invoice.rules.js';
import {
  InvoiceConnection,
  InvoiceIssueInput,
  InvoiceIssuePayload,
  InvoiceLineConnection,
  InvoiceLineType,
  InvoiceType,
} from './invoice.types.js';
import type { InvoicingService } from './invoicing.service.js';

@Resolver(() => TenantType)
export class InvoiceResolver {
  constructor(
    private readonly tenants: TenantsService,
    private readonly invoicing: InvoicingService,
  ) {}

  @Authorized('billing:read')
  @FieldResolver(() => InvoiceConnection, {
    description: 'Its invoices, the drafts of open periods among them, newest first.',
  })
  async invoices(
    @Root() tenant: TenantType,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const rows = await this.invoicing.list(scopeFor(scope, tenant.id), { first, after });

    return connection(rows, first, row => row.id, InvoiceType.from);
  }

  @Authorized('billing:write')
  @Mutation(() => InvoiceIssuePayload, {
    description: 'Issues the draft of a period that has ended: rounds its lines, numbers, hashes and freezes it.',
  })
  invoiceIssue(
    @Arg('input', () => InvoiceIssueInput, { description: 'The draft to issue.' }) input: InvoiceIssueInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(InvoiceIssuePayload, async () => {
      const { tenantId, ...asked } = input;
      const { invoice, replayed } = await this.invoicing.issue(await this.tenants.within(scope, tenantId), asked);

      return { invoice: InvoiceType.from(invoice), replayed };
    });
  }
}

@Resolver(() => InvoiceType)
export class InvoiceFieldsResolver {
  constructor(private readonly invoicing: InvoicingService) {}

  @Authorized('billing:read')
  @FieldResolver(() => InvoiceLineConnection, {
    description: 'Its lines; in a draft, what they would be if it were issued now.',
  })
  async lines(
    @Root() invoice: InvoiceType,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const { limit, after: place } = page({ first, after });
    const all = await this.invoicing.lines(scopeFor(scope, invoice.tenantId), invoice.id);
    const types = all.map((line, index) => InvoiceLineType.from(line, index, invoice.currency));
    const from = place !== null && /^\d{1,6}$/.test(place) ? Number(place) : 0;

    return connection(
      types.slice(from, from + limit),
      first,
      line => String(line.position),
      line => line,
    );
  }

  @Authorized('billing:read')
  @FieldResolver(() => MoneyType, { description: 'The sum of its lines; in a draft, what it comes to as rated.' })
  async total(@Root() invoice: InvoiceType, @Ctx() { scope }: GraphqlContext): Promise<MoneyType> {
    const lines = await this.invoicing.lines(scopeFor(scope, invoice.tenantId), invoice.id);

    return MoneyType.of(totalOf(lines), invoice.currency);
  }

  @Authorized('billing:read')
  @FieldResolver(() => String, {
    nullable: true,
    description: 'Canonical JSON of all that was issued, whose hash is kept; null in a draft.',
  })
  async document(@Root() invoice: InvoiceType, @Ctx() { scope }: GraphqlContext): Promise<string | null> {
    return this.invoicing.document(scopeFor(scope, invoice.tenantId), invoice.id);
  }
}

import { createHash } from 'node:crypto';
import { record } from '../audit/index.js';
import { monthOf } from '../contracts/index.js';
import { decimal, formatDecimal } from '../money/index.js';
import {
  announce,
  asTenant,
  canonicalJson,
  DomainError,
  ErrorCode,
  findPage,
  inTransaction,
  isId,
  newId,
  once,
  query,
  type PageArguments,
  type Scope,
} from '../platform/index.js';
import {
  countUnpriced,
  type ChargeRow,
  type OutcomesRating,
  type RatedPeriod,
  type RatingService,
} from '../rating/index.js';
import type { TenantsService } from '../tenants/index.js';
import { lockRating } from '../usage/index.js';
import type { WebhooksService } from '../webhooks/index.js';
import { Invoice, InvoiceLine } from './invoice.entity.js';
import { documentOf, dueAt, linesOf, numberText, refuseIssue, sealJson, totalOf, type Line } from './invoice.rules.js';
import { sealOutcomes } from './outcome-sealing.js';

export interface InvoiceIssue {
  readonly invoiceId: string;
  readonly acceptUnpriced: boolean;
  readonly idempotencyKey: string;
}

// Somebody has to price it first; a draft that came to nothing waits for an adjustment that may never come.
const UNPRICED_WAIT_MS = 600_000;
const EMPTY_WAIT_MS = 86_400_000;

/** Drafts, and the invoices they become. */
export class InvoicingService {
  constructor(
    private readonly tenants: TenantsService,
    private readonly rating: RatingService,
    private readonly webhooks: WebhooksService,
    private readonly outcomes: Pick<OutcomesRating, 'rulesOf' | 'settle'>,
  ) {}

  /**
   * Sees to it that every rated period with charges has its draft, and that a charge which came after its invoice has a draft to be
   * adjusted on. Runs in the rating's transaction, under its lock.
   */
  static async keepDrafts(tx: Scope, rated: readonly RatedPeriod[], timeZone: string): Promise<void> {
    for (const period of rated) {
      const invoice = await tx.em.findOne(Invoice, { contractId: period.contractId, periodStart: period.start });

      if (!invoice) {
        if (await InvoicingService.#hasOpenCharges(tx, period)) {
          await InvoicingService.#draft(tx, period, period.start, period.end);
        }
        continue;
      }

      if (invoice.status === 'DRAFT') {
        // A contract that was ended early shortens its period.
        if (invoice.periodEnd.getTime() !== period.end.getTime()) {
          invoice.periodEnd = period.end;
          invoice.dueAt = dueAt(period.end, invoice.createdAt, period.graceHours);
        }
        continue;
      }

      if (await InvoicingService.#hasOpenCharges(tx, period)) {
        await InvoicingService.#homeForAdjustments(tx, period, timeZone);
      }
    }
  }

  /** The draft on which adjustments of an issued period are billed: the next one there is, or that of the running month. */
  static async #homeForAdjustments(tx: Scope, period: RatedPeriod, timeZone: string): Promise<void> {
    const next = await tx.em.findOne(Invoice, {
      contractId: period.contractId,
      status: 'DRAFT',
      periodStart: { $gt: period.start },
    });

    if (next) {
      return;
    }

    const [last] = await tx.em.find(
      Invoice,
      { contractId: period.contractId },
      { orderBy: { periodEnd: 'desc' }, limit: 1 },
    );
    const month = monthOf(tx.now, timeZone);
    // Never before the end of the last invoiced period, so that the periods of a contract stay in order.
    const start = last && last.periodEnd > month.start ? last.periodEnd : month.start;
    const end = start < month.end ? month.end : monthOf(start, timeZone).end;
    await InvoicingService.#draft(tx, period, start, end);
  }

  static async #hasOpenCharges(tx: Scope, period: RatedPeriod): Promise<boolean> {
    const rows = await query(
      tx,
      `select id from charge where tenant_id = $1 and contract_id = $2 and period_start = $3 and invoice_id is null
       and (amount <> 0 or quantity <> 0) limit 1`,
      [tx.tenantId, period.contractId, period.start],
    );

    return rows.length > 0;
  }

  static async #draft(tx: Scope, period: RatedPeriod, start: Date, end: Date): Promise<void> {
    const invoice = tx.em.create(Invoice, {
      tenantId: tx.tenantId,
      id: newId('inv', tx.now),
      contractId: period.contractId,
      issuerId: period.sellerId,
      currency: period.currency,
      periodStart: start,
      periodEnd: end,
      dueAt: dueAt(end, tx.now, period.graceHours),
      status: 'DRAFT',
      number: null,
      total: null,
      issuedAt: null,
      document: null,
      documentHash: null,
      createdAt: tx.now,
    });
    await record(tx, {
      action: 'invoice.drafted',
      subjectId: invoice.id,
      after: { contractId: period.contractId, periodStart: start, periodEnd: end },
    });
  }

  /**
   * Issues a draft whose period has ended. A second call with the same key answers the first result. Outcomes that wait to be
   * judged are judged first, chunk by chunk, as before every rating: one that is refused changes nothing but what was overdue.
   */
  async issue(scope: Scope, input: InvoiceIssue): Promise<{ invoice: Invoice; replayed: boolean }> {
    await this.#judgeFor(scope, input.invoiceId);

    return inTransaction(scope, async tx => {
      await lockRating(tx);
      const { idempotencyKey, ...asked } = input;
      const { replayed } = await once(tx, 'invoiceIssue', idempotencyKey, asked, async () => {
        const invoice = await this.#find(tx, input.invoiceId);

        if (invoice.status !== 'DRAFT') {
          throw new DomainError(ErrorCode.INVALID_TRANSITION, `invoice ${invoice.id} is issued already`, ['invoiceId']);
        }

        await this.#issue(tx, invoice, input.acceptUnpriced);

        return invoice.id;
      });

      return { invoice: await this.#find(tx, input.invoiceId), replayed };
    });
  }

  /**
   * Closes a period whose grace is over. Does nothing when the draft was issued meanwhile or is not due. One that holds
   * unpriced usage stays a draft until somebody prices it or accepts it, and is looked at again in ten minutes; one that
   * came to nothing, in a day. Outcomes are judged first, as when one is issued.
   */
  async close(scope: Scope, invoiceId: string): Promise<void> {
    await this.#judgeFor(scope, invoiceId);
    await inTransaction(scope, async tx => {
      await lockRating(tx);
      const invoice = await tx.em.findOne(Invoice, { id: invoiceId });

      if (!invoice || invoice.status !== 'DRAFT' || invoice.dueAt > tx.now) {
        return;
      }

      await this.rating.rateTouched(tx);

      // What cannot or need not be issued is put off, so that it does not stand in the way of others that are due.
      if ((await countUnpriced(tx, invoice.contractId, invoice.periodStart, invoice.periodEnd)) > 0) {
        invoice.dueAt = new Date(tx.now.getTime() + UNPRICED_WAIT_MS);
      } else if ((await this.#toLines(tx, invoice)).length === 0) {
        invoice.dueAt = new Date(tx.now.getTime() + EMPTY_WAIT_MS);
      } else {
        await this.#issue(tx, invoice, false);
      }
    });
  }

  /** A backlog of outcomes is judged lot by lot, each in a transaction of its own; for what is refused anyway nothing is. */
  async #judgeFor(scope: Scope, invoiceId: string): Promise<void> {
    const invoice = isId(invoiceId, 'inv') ? await this.find(scope, invoiceId) : null;

    if (invoice?.status === 'DRAFT') {
      await this.outcomes.settle(scope);
    }
  }

  async #issue(tx: Scope, draft: Invoice, acceptUnpriced: boolean): Promise<void> {
    await this.rating.rateTouched(tx);
    const invoice = await this.#find(tx, draft.id);
    const unpriced = await countUnpriced(tx, invoice.contractId, invoice.periodStart, invoice.periodEnd);
    const refusal = refuseIssue(invoice, tx.now, unpriced, acceptUnpriced);

    if (refusal) {
      throw new DomainError(ErrorCode[refusal.code], `invoice ${invoice.id} cannot be issued: ${refusal.message}`, [
        'invoiceId',
      ]);
    }

    const charges = await this.#billable(tx, invoice);
    const customer = await this.tenants.own(tx);
    const lines = toLines(charges, invoice, customer.timeZone);
    // Before the issuer's series is locked: a hundred thousand receipts take their time.
    const seals = await sealOutcomes(tx, invoice, charges, { rating: this.outcomes, timeZone: customer.timeZone });
    const { number, issuer } = await asTenant(tx, invoice.issuerId, async own => ({
      number: await takeNumber(own, invoice.id),
      issuer: await this.tenants.own(own),
    }));
    const document = canonicalJson(
      documentOf({
        id: invoice.id,
        number: numberText(number),
        issuer: { id: issuer.id, name: issuer.name },
        customer: { id: customer.id, name: customer.name },
        currency: invoice.currency,
        periodStart: invoice.periodStart,
        periodEnd: invoice.periodEnd,
        issuedAt: tx.now,
        lines,
        seals,
      }),
    );
    await tx.em.insertMany(
      InvoiceLine,
      lines.map((line, index) => ({
        ...line,
        tenantId: tx.tenantId,
        id: newId('inl', tx.now),
        invoiceId: invoice.id,
        position: index + 1,
      })),
    );
    await query(tx, `update charge set invoice_id = $2 where tenant_id = $1 and id = any($3::text[])`, [
      tx.tenantId,
      invoice.id,
      charges.map(charge => charge.id),
    ]);
    invoice.status = 'ISSUED';
    invoice.number = numberText(number);
    invoice.total = totalOf(lines);
    invoice.issuedAt = tx.now;
    invoice.document = document;
    invoice.documentHash = createHash('sha256').update(document).digest('hex');
    await tx.em.flush();
    await this.webhooks.send(tx, {
      id: `msg_${invoice.id}`,
      type: 'invoice.issued',
      data: {
        invoiceId: invoice.id,
        tenantId: tx.tenantId,
        number: invoice.number,
        total: { amount: formatDecimal(invoice.total), currency: invoice.currency },
        period: { start: invoice.periodStart.toISOString(), end: invoice.periodEnd.toISOString() },
        documentHash: invoice.documentHash,
      },
    });
    await announce(tx, 'invoice.issued', { invoiceId: invoice.id });
    await record(tx, {
      action: 'invoice.issued',
      subjectId: invoice.id,
      before: { status: 'DRAFT' },
      after: {
        status: 'ISSUED',
        number: invoice.number,
        total: formatDecimal(invoice.total),
        documentHash: invoice.documentHash,
        acceptUnpriced,
        ...(seals.length > 0 ? { outcomeSeals: seals.map(sealJson) } : {}),
      },
    });
  }

  /** Invoices of the scope's tenant, drafts among them, newest first. */
  async list(scope: Scope, args: PageArguments): Promise<Invoice[]> {
    return inTransaction(scope, tx => findPage(tx.em, Invoice, {}, args));
  }

  /** The lines: as issued, or what the draft would say if it were issued now. */
  async lines(scope: Scope, invoiceId: string): Promise<Line[]> {
    return inTransaction(scope, async tx => {
      const invoice = await this.#find(tx, invoiceId);

      if (invoice.status === 'DRAFT') {
        return this.#toLines(tx, invoice);
      }

      return tx.em.find(InvoiceLine, { invoiceId }, { orderBy: { position: 'asc' } });
    });
  }

  async find(scope: Scope, invoiceId: string): Promise<Invoice | null> {
    return inTransaction(scope, tx => tx.em.findOne(Invoice, { id: invoiceId }));
  }

  async document(scope: Scope, invoiceId: string): Promise<string | null> {
    return inTransaction(scope, async tx => {
      const invoice = await tx.em.findOne(Invoice, { id: invoiceId }, { populate: ['document'] });

      return invoice?.document ?? null;
    });
  }

  async #find(tx: Scope, invoiceId: string): Promise<Invoice> {
    const invoice = isId(invoiceId, 'inv') ? await tx.em.findOne(Invoice, { id: invoiceId }) : null;

    if (!invoice) {
      throw DomainError.notFound('invoice', invoiceId.slice(0, 40), ['invoiceId']);
    }

    return invoice;
  }

  /** What a draft would say if it were issued now. */
  async #toLines(tx: Scope, draft: Invoice): Promise<Line[]> {
    const { timeZone } = await this.tenants.own(tx);

    return toLines(await this.#billable(tx, draft), draft, timeZone);
  }

  /** The open charges that belong on a draft: those of its own period, and those of earlier periods that are issued. */
  async #billable(tx: Scope, invoice: Invoice): Promise<ChargeRow[]> {
    return query<ChargeRow>(
      tx,
      `select c.* from charge c
       where c.tenant_id = $1 and c.contract_id = $2 and c.invoice_id is null
         and (c.period_start = $3 or (c.period_start < $3 and exists (
           select from invoice i where i.tenant_id = c.tenant_id and i.contract_id = c.contract_id
             and i.period_start = c.period_start and i.status <> 'DRAFT')))
       order by c.id`,
      [tx.tenantId, invoice.contractId, invoice.periodStart],
    );
  }
}

/** Takes the issuer's next number: the series row is locked until the commit, so numbers have no gap. */
async function takeNumber(issuer: Scope, invoiceId: string): Promise<bigint> {
  const [row] = await query<{ number: string }>(
    issuer,
    `insert into invoice_series as s (tenant_id, next_number) values ($1, 2)
     on conflict (tenant_id) do update set next_number = s.next_number + 1 returning (next_number - 1)::text as number`,
    [issuer.tenantId],
  );
  const number = BigInt(row?.number ?? '0');
  await query(issuer, 'insert into invoice_number (tenant_id, number, invoice_id) values ($1, $2, $3)', [
    issuer.tenantId,
    number.toString(),
    invoiceId,
  ]);

  return number;
}

function toLines(charges: readonly ChargeRow[], { currency, periodStart }: Invoice, timeZone: string): Line[] {
  return linesOf(
    charges.map(charge => ({
      id: charge.id,
      priceName: charge.price_name,
      quantity: decimal(charge.quantity),
      amount: decimal(charge.amount),
      periodStart: charge.period_start,
      periodEnd: charge.period_end,
      generation: charge.generation,
    })),
    { currency, periodStart, timeZone },
  );
}

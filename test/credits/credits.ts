import { randomUUID } from 'node:crypto';
import { decimal, formatDecimal } from '../../src/money/index.js';
import type { CreditGrantDraft } from '../../src/credits/grant.rules.js';
import type { Burn, Burned } from '../../src/credits/index.js';
import { inTransaction } from '../../src/platform/index.js';
import { asSuperuser } from '../support/database.js';
import type { Product } from '../support/product.js';

/** What a test says of a grant; ten dollars that never expire unless told. */
export type GrantGiven = Partial<CreditGrantDraft> & { readonly idempotencyKey?: string };

/** Credits of a tenant. Returns the grant's id. */
export async function aGrant(product: Product, tenantId: string, given: GrantGiven = {}): Promise<string> {
  const { grant } = await product.app.services.credits.grant(product.scope(tenantId), {
    kind: 'PAID',
    unit: 'USD',
    unitWorth: null,
    amount: '10',
    costBasis: { amount: given.kind === 'PROMOTIONAL' ? '0' : '10', currency: 'USD' },
    priority: 0,
    meterIds: [],
    models: [],
    effectiveAt: null,
    expiresAt: null,
    idempotencyKey: randomUUID(),
    ...given,
  });

  return grant.id;
}

/** What a test says of a burn; of one use, at the product's clock. */
export interface BurnGiven {
  readonly reference?: string;
  readonly amount: string;
  readonly currency?: string;
  readonly model?: string;
  readonly meterId?: string;
  readonly at?: Date;
}

/** A burn as the service takes it. */
export function burnOf(product: Product, given: BurnGiven): Burn {
  return {
    reference: given.reference ?? randomUUID(),
    at: given.at ?? product.app.clock(),
    currency: given.currency ?? 'USD',
    uses: [
      {
        meterId: given.meterId ?? 'mtr_a',
        dimensions: { model: given.model ?? 'gpt-6' },
        amount: decimal(given.amount),
      },
    ],
  };
}

/** Burns credits of a tenant in a transaction of their own. */
export async function burn(product: Product, tenantId: string, given: BurnGiven): Promise<Burned> {
  const [burned] = await inTransaction(product.scope(tenantId), tx =>
    product.app.services.creditBurns.burn(tx, [burnOf(product, given)]),
  );

  if (!burned) {
    throw new Error('a burn is answered');
  }

  return burned;
}

/** Gives a burn back, all of it unless told. */
export async function reverse(
  product: Product,
  tenantId: string,
  given: { readonly burnReference: string; readonly reference?: string; readonly amount?: string },
) {
  return inTransaction(product.scope(tenantId), tx =>
    product.app.services.creditBurns.reverse(tx, {
      reference: given.reference ?? randomUUID(),
      burnReference: given.burnReference,
      amount: given.amount === undefined ? null : decimal(given.amount),
      at: tx.now,
      reason: null,
    }),
  );
}

/** What is left of each grant of a tenant, by its id. */
export async function leftOf(product: Product, tenantId: string): Promise<Record<string, string>> {
  const rows = await asSuperuser<{ grant_id: string; balance: string }>(
    product.database,
    'select grant_id, balance::text from credit_balance where tenant_id = $1 order by grant_id',
    [tenantId],
  );

  return Object.fromEntries(rows.map(row => [row.grant_id, formatDecimal(decimal(row.balance))]));
}

/** What every account that is none of a grant came to, by unit and name. */
export async function accountsOf(product: Product, tenantId: string): Promise<Record<string, string>> {
  const rows = await asSuperuser<{ name: string; amount: string }>(
    product.database,
    `select account || ' ' || unit as name, sum(amount)::text as amount from credit_entry
     where tenant_id = $1 and grant_id is null group by 1 order by 1`,
    [tenantId],
  );

  return Object.fromEntries(rows.map(row => [row.name, formatDecimal(decimal(row.amount))]));
}

/** Everything that is written down of a tenant's credits, for "nothing has changed". */
export async function ledgerOf(product: Product, tenantId: string): Promise<readonly string[]> {
  const rows = await asSuperuser<{ line: string }>(
    product.database,
    `select 't ' || to_jsonb(t)::text as line from credit_transaction t where tenant_id = $1
     union all select 'e ' || to_jsonb(e)::text from credit_entry e where tenant_id = $1
     union all select 'g ' || to_jsonb(g)::text from credit_grant g where tenant_id = $1
     union all select 'b ' || to_jsonb(b)::text from credit_balance b where tenant_id = $1
     union all select 'a ' || action || subject_id from audit_line where tenant_id = $1 order by 1`,
    [tenantId],
  );

  return rows.map(({ line }) => line);
}

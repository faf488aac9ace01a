import { page, query, type PageArguments, type Scope } from '../platform/index.js';
import type { ImportChange, PlannedRow } from './import-plan.rules.js';
import type { ImportCounts, PriceImport } from './price-import.entity.js';
import type { ProposalFlag, ProposedModel, SkippedItem } from './proposal.rules.js';

/** What somebody said about a line. */
export type ImportDecision = 'OPEN' | 'APPROVED' | 'REJECTED';

/** A line of an import with what was decided about it. */
export interface ImportRow extends PlannedRow {
  readonly decision: ImportDecision;
  /** The key, job or command that decided. */
  readonly decidedBy: string | null;
  readonly decidedAt: Date | null;
}

/** Which lines are asked for; what is absent does not matter. */
export interface RowFilter {
  readonly change?: ImportChange | null | undefined;
  readonly flag?: ProposalFlag | null | undefined;
  readonly decision?: ImportDecision | null | undefined;
}

const COLUMNS = `key, model, change, flags, note, ratio, proposed, before, decision,
  decided_by as "decidedBy", decided_at as "decidedAt"`;
/** Rows in one statement. */
const BATCH = 1_000;

/** An import as it is proposed. */
export interface NewImport extends Pick<
  PriceImport,
  'id' | 'target' | 'format' | 'source' | 'sourceDate' | 'contentHash' | 'meters'
> {
  readonly priceBookId: string | null;
  readonly baseVersionId: string | null;
  readonly counts: ImportCounts;
  readonly models: readonly ProposedModel[];
  readonly skipped: readonly SkippedItem[];
}

/** Writes the head of a new import. */
export async function insertImport(tx: Scope, made: NewImport): Promise<void> {
  await query(
    tx,
    `insert into price_import (tenant_id, id, target, price_book_id, base_version_id, format, source, source_date,
       content_hash, meters, models, skipped, counts, status, created_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 'PROPOSED', $14)`,
    [
      tx.tenantId,
      made.id,
      made.target,
      made.priceBookId,
      made.baseVersionId,
      made.format,
      made.source,
      made.sourceDate,
      made.contentHash,
      JSON.stringify(made.meters),
      JSON.stringify(made.models),
      JSON.stringify(made.skipped),
      JSON.stringify(made.counts),
      tx.now,
    ],
  );
}

/** Writes the lines of a new import. */
export async function insertRows(tx: Scope, importId: string, rows: readonly PlannedRow[]): Promise<void> {
  for (let start = 0; start < rows.length; start += BATCH) {
    await query(
      tx,
      `insert into price_import_row (tenant_id, import_id, key, model, change, flags, note, ratio, proposed, before)
       select $1, $2, r.key, r.model, r.change, r.flags, r.note, r.ratio, r.proposed, r.before
       from jsonb_to_recordset($3::jsonb) as r (key text, model text, change text, flags jsonb, note text, ratio text,
         proposed jsonb, before jsonb)`,
      [tx.tenantId, importId, JSON.stringify(rows.slice(start, start + BATCH))],
    );
  }
}

/** One page of the lines of an import by their keys: up to `first` + 1. */
export async function rowsOf(
  tx: Scope,
  importId: string,
  filter: RowFilter,
  args: PageArguments,
): Promise<ImportRow[]> {
  const { limit, after } = page(args);

  return query<ImportRow>(
    tx,
    `select ${COLUMNS} from price_import_row where tenant_id = $1 and import_id = $2
       and ($3::text is null or change = $3) and ($4::text is null or flags ? $4) and ($5::text is null or decision = $5)
       and ($6::text is null or key > $6) order by key limit $7`,
    [tx.tenantId, importId, filter.change ?? null, filter.flag ?? null, filter.decision ?? null, after, limit],
  );
}

/** Every approved line of an import, by key. */
export async function approvedRows(tx: Scope, importId: string): Promise<ImportRow[]> {
  return query<ImportRow>(
    tx,
    `select ${COLUMNS} from price_import_row where tenant_id = $1 and import_id = $2 and decision = 'APPROVED' order by key`,
    [tx.tenantId, importId],
  );
}

/** Those of the keys that stand for a change that can be decided about. */
export async function decidableKeys(
  tx: Scope,
  importId: string,
  keys: readonly string[],
): Promise<ReadonlySet<string>> {
  const rows = await query<{ key: string }>(
    tx,
    `select key from price_import_row where tenant_id = $1 and import_id = $2 and key = any ($3) and change <> 'SAME'`,
    [tx.tenantId, importId, keys],
  );

  return new Set(rows.map(({ key }) => key));
}

/**
 * Decides about lines and answers the keys of those for which it is news. Without keys: about every line that is added or
 * changed, has no flag and is still open.
 */
export async function decideRows(
  tx: Scope,
  importId: string,
  keys: readonly string[] | null,
  decision: ImportDecision,
): Promise<readonly string[]> {
  const isOpen = decision === 'OPEN';
  const rows = await query<{ key: string }>(
    tx,
    `update price_import_row set decision = $3, decided_by = $4, decided_at = $5
     where tenant_id = $1 and import_id = $2 and decision <> $3
       and case when $6::text[] is null then change in ('ADDED', 'CHANGED') and flags = '[]' and decision = 'OPEN'
           else key = any ($6) end
     returning key`,
    [tx.tenantId, importId, decision, isOpen ? null : tx.actor.id, isOpen ? null : tx.now, keys],
  );

  return rows.map(({ key }) => key).sort();
}

/** How many changes of an import are decided in which way. */
export async function countDecisions(tx: Scope, importId: string): Promise<Readonly<Record<ImportDecision, number>>> {
  const rows = await query<{ decision: ImportDecision; n: number }>(
    tx,
    `select decision, count(*)::int as n from price_import_row
     where tenant_id = $1 and import_id = $2 and change <> 'SAME' group by decision`,
    [tx.tenantId, importId],
  );
  const counted = new Map(rows.map(({ decision, n }) => [decision, n]));

  return {
    OPEN: counted.get('OPEN') ?? 0,
    APPROVED: counted.get('APPROVED') ?? 0,
    REJECTED: counted.get('REJECTED') ?? 0,
  };
}

/** What of the list is no line, from the place `from` on: up to `limit`. */
export async function skippedOf(
  tx: Scope,
  importId: string,
  from: number,
  limit: number,
): Promise<(SkippedItem & { readonly place: number })[]> {
  return query(
    tx,
    `select s.place::int as place, s.item->>'name' as name, s.item->>'field' as field, s.item->>'reason' as reason
     from price_import i, jsonb_array_elements(i.skipped) with ordinality as s (item, place)
     where i.tenant_id = $1 and i.id = $2 and s.place > $3 order by s.place limit $4`,
    [tx.tenantId, importId, from, limit],
  );
}

/** The models that the list speaks of. */
export async function modelsOf(tx: Scope, importId: string): Promise<readonly ProposedModel[]> {
  const [row] = await query<{ models: readonly ProposedModel[] }>(
    tx,
    'select models from price_import where tenant_id = $1 and id = $2',
    [tx.tenantId, importId],
  );

  return row?.models ?? [];
}

/** Holds everybody else off an import until the commit. Before the lock of its price book, in the order of locks. */
export async function lockImport(tx: Scope, importId: string): Promise<void> {
  await query(tx, 'select id from price_import where tenant_id = $1 and id = $2 for update', [tx.tenantId, importId]);
}

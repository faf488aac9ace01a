import { record } from '../audit/index.js';
import { dimensionNames, type Meter } from '../catalog/index.js';
import { DomainError, ErrorCode, isId, newId, type Scope } from '../platform/index.js';
import type { ImportPlan, PlanMeter, PlanMeters } from './import-plan.rules.js';
import { PriceImport, type ImportTarget } from './price-import.entity.js';
import { insertImport, insertRows, lockImport } from './price-import.queries.js';
import type { PriceList, PriceListInput } from './price-list.js';
import type { PriceUnit } from './proposal.rules.js';

/** Which meter counts a unit that is not counted in tokens. */
export interface UnitMeter {
  readonly unit: PriceUnit;
  readonly meterId: string;
}

/** How the ids of imports begin, by what they are for: who may see the one may not always see the other. */
const PREFIXES: Readonly<Record<ImportTarget, string>> = { BOOK: 'pim', COSTS: 'cim' };

/** Writes an import with its lines. Returns its id. */
export async function writeImport(
  tx: Scope,
  subject: Pick<PriceImport, 'target'> & { readonly priceBookId: string | null; readonly baseVersionId: string | null },
  { format, source, sourceDate }: PriceListInput,
  { entries, contentHash }: PriceList,
  { rows, models, skipped }: ImportPlan,
  meters: PlanMeters,
): Promise<string> {
  const countOf = (change: string): number => rows.filter(row => row.change === change).length;
  const counts = {
    entries,
    added: countOf('ADDED'),
    changed: countOf('CHANGED'),
    removed: countOf('REMOVED'),
    same: countOf('SAME'),
    flagged: rows.filter(({ flags }) => flags.length > 0).length,
    skipped: skipped.length,
  };
  const id = newId(PREFIXES[subject.target], tx.now);
  const named = Object.fromEntries([...meters].map(([unit, { key }]) => [unit, key]));
  await insertImport(tx, {
    ...subject,
    id,
    format,
    source,
    sourceDate,
    contentHash,
    meters: named,
    counts,
    models,
    skipped,
  });
  await insertRows(tx, id, rows);
  await record(tx, {
    action: 'price_import.proposed',
    subjectId: id,
    after: { ...subject, format, source, sourceDate, contentHash, counts },
  });

  return id;
}

/** The import, locked and still open. */
export async function openImport(tx: Scope, target: ImportTarget, id: string): Promise<PriceImport> {
  const priceImport = await lockedImport(tx, target, id);
  refuseClosed(priceImport);

  return priceImport;
}

/** The import with this id of the scope's tenant, locked; NOT_FOUND otherwise. */
export async function lockedImport(tx: Scope, target: ImportTarget, id: string): Promise<PriceImport> {
  const isOne = isId(id, PREFIXES[target]);

  if (isOne) {
    await lockImport(tx, id);
  }

  const priceImport = isOne ? await tx.em.findOne(PriceImport, { id, target }) : null;

  if (!priceImport) {
    throw DomainError.notFound('import', id, ['importId']);
  }

  return priceImport;
}

/** Refuses an import about which everything is decided. */
export function refuseClosed({ id, status }: PriceImport): void {
  if (status !== 'PROPOSED') {
    throw new DomainError(ErrorCode.INVALID_TRANSITION, `import ${id} is ${status}; propose the list again`, [
      'importId',
    ]);
  }
}

/** The meter that prices of a unit go on; refuses one that is not there or cannot tell models apart. */
export function planMeter(meter: Meter | undefined, id: string, field: readonly string[], unit: PriceUnit): PlanMeter {
  if (!meter) {
    throw DomainError.notFound('meter', id, field);
  }

  const dimensions = dimensionNames(meter);

  if (!dimensions.includes('model') || (unit === 'token' && !dimensions.includes('token_kind'))) {
    throw DomainError.invalid(
      `meter ${meter.key} cannot hold prices of models by the ${unit}: it has no dimension model${unit === 'token' ? ' and token_kind' : ''}`,
      field,
    );
  }

  if (meter.source === 'TOKEN_USAGE' && unit !== 'token' && unit !== 'query') {
    throw DomainError.invalid(`meter ${meter.key} counts tokens and no ${unit}; name another one`, field);
  }

  return { id: meter.id, key: meter.key, dimensions };
}

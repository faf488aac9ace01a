import { query, type Scope } from '../platform/index.js';
import type { Aggregation } from './meter.rules.js';
import type { CatalogModel, ContextBand, CostRate, ModelContext } from './model.rules.js';

/** What a model costs from an instant on, as prices that follow costs read it. */
export interface CostInForce {
  readonly effectiveAt: Date;
  readonly currency: string;
  readonly rates: readonly CostRate[];
}

/** Sets the bands of a model from an instant on; false when it has some from that very instant. */
export async function insertContext(tx: Scope, modelId: string, context: ModelContext): Promise<boolean> {
  const inserted = await query(
    tx,
    `insert into model_context (tenant_id, model_id, effective_at, bands, created_at) values ($1, $2, $3, $4, $5)
     on conflict do nothing returning model_id`,
    [tx.tenantId, modelId, context.effectiveAt, JSON.stringify(context.bands), tx.now],
  );

  return inserted.length > 0;
}

/** The bands that were set for a model, newest first: up to `limit`. Those it was entered with are in its own row. */
export async function contextsOf(tx: Scope, modelId: string, limit: number): Promise<ModelContext[]> {
  return query<ModelContext>(
    tx,
    `select effective_at as "effectiveAt", bands from model_context where tenant_id = $1 and model_id = $2
     order by effective_at desc limit $3`,
    [tx.tenantId, modelId, limit],
  );
}

/** The bands of a model that are in force at an instant; null when it has those that it was entered with. */
export async function bandsInForce(tx: Scope, modelId: string, at: Date): Promise<readonly ContextBand[] | null> {
  const [row] = await query<{ bands: readonly ContextBand[] }>(
    tx,
    `select bands from model_context where tenant_id = $1 and model_id = $2 and effective_at <= $3
     order by effective_at desc limit 1`,
    [tx.tenantId, modelId, at],
  );

  return row?.bands ?? null;
}

/** All models of the tenant, as folding reads them. */
export async function catalogModels(tx: Scope): Promise<CatalogModel[]> {
  const models = await query<Omit<CatalogModel, 'contexts'> & { readonly id: string }>(
    tx,
    'select id, key, provider, family, context_bands as "contextBands" from model where tenant_id = $1',
    [tx.tenantId],
  );
  const contexts = Map.groupBy(
    await query<ModelContext & { readonly modelId: string }>(
      tx,
      `select model_id as "modelId", effective_at as "effectiveAt", bands from model_context where tenant_id = $1
       order by model_id, effective_at`,
      [tx.tenantId],
    ),
    ({ modelId }) => modelId,
  );

  return models.map(({ id, ...model }) => ({ ...model, contexts: contexts.get(id) ?? [] }));
}

/** The costs of the tenant's models among these keys, ascending by instant. */
export async function costsByKey(tx: Scope, keys: readonly string[]): Promise<Map<string, CostInForce[]>> {
  const rows = await query<CostInForce & { readonly key: string }>(
    tx,
    `select m.key, c.effective_at as "effectiveAt", c.currency, c.rates from model m
     join model_cost c on c.tenant_id = m.tenant_id and c.model_id = m.id
     where m.tenant_id = $1 and m.key = any ($2) order by m.key, c.effective_at`,
    [tx.tenantId, keys],
  );

  return new Map(
    [...Map.groupBy(rows, ({ key }) => key)].map(([key, costs]) => [
      key,
      costs.map(({ effectiveAt, currency, rates }) => ({ effectiveAt, currency, rates })),
    ]),
  );
}

/**
 * Until when the costs hold that the tenant's models have from an instant on, until the last of them ends; null when one has
 * no end, the instant itself when there are none.
 */
export async function costsEnd(tx: Scope, from: Date): Promise<Date | null> {
  const ends = await query<{ end: Date | null }>(
    tx,
    `select (select min(n.effective_at) from model_cost n
       where n.tenant_id = c.tenant_id and n.model_id = c.model_id and n.effective_at > c.effective_at) as end
     from model_cost c where c.tenant_id = $1 and c.effective_at = $2 order by 1 desc nulls first limit 1`,
    [tx.tenantId, from],
  );
  const [last = { end: from }] = ends;

  return last.end;
}

/** The ids of the tenant's meters that fold in one way. */
export async function meterIds(tx: Scope, aggregation: Aggregation): Promise<string[]> {
  const rows = await query<{ id: string }>(
    tx,
    'select id from meter where tenant_id = $1 and aggregation = $2 order by id',
    [tx.tenantId, aggregation],
  );

  return rows.map(({ id }) => id);
}

import { randomUUID } from 'node:crypto';
import type { MeterDraft } from '../../src/catalog/meter.rules.js';
import type { UsageReceipt } from '../../src/usage/index.js';
import { asSuperuser } from '../support/database.js';
import type { Product } from '../support/product.js';

/** A meter of the platform, or of `ownerId`: sums `properties.value` of its own event type unless told otherwise. */
export async function aMeterLike(
  product: Product,
  draft: Partial<MeterDraft>,
  ownerId?: string,
): Promise<{ readonly meterId: string; readonly eventType: string }> {
  const eventType = draft.eventType ?? `event.${randomUUID().slice(0, 8)}`;
  const made = await product.app.services.catalog.createMeter(product.scope(ownerId), {
    key: `meter_${randomUUID().replaceAll('-', '')}`,
    filter: '',
    aggregation: 'SUM',
    valueProperty: 'value',
    dimensions: [],
    unit: 'unit',
    ...draft,
    eventType,
    idempotencyKey: randomUUID(),
  });

  return { meterId: made.meter.id, eventType };
}

/** A model of the platform, or of `ownerId`. Returns its id. */
export async function aModel(
  product: Product,
  model: {
    readonly key: string;
    readonly provider?: string;
    readonly family?: string;
    readonly contextBands?: readonly { readonly above: string; readonly inclusive?: boolean; readonly name: string }[];
  },
  ownerId?: string,
): Promise<string> {
  const made = await product.app.services.catalog.createModel(product.scope(ownerId), {
    provider: 'openai',
    family: 'gpt',
    modality: 'text',
    contextBands: [],
    ...model,
    idempotencyKey: randomUUID(),
  });

  return made.model.id;
}

/** Accepts events for a tenant, as a request would. */
export function accept(product: Product, tenantId: string, events: readonly unknown[]): Promise<UsageReceipt> {
  return product.app.services.usage.accept(product.scope(tenantId), events, { keyId: 'key_test', isDryRun: false });
}

/** A bucket as the database holds it, numbers as texts. */
export interface BucketRow {
  readonly meter: string;
  readonly slot: string;
  readonly dimensions: string;
  readonly quantity: string;
  readonly moment: string;
  readonly events: number;
}

/** The buckets of a tenant in the order of their keys. */
export async function bucketsOf(product: Product, tenantId: string): Promise<BucketRow[]> {
  const rows = await asSuperuser<Omit<BucketRow, 'slot'> & { slot: Date }>(
    product.database,
    `select meter_id as meter, slot, dimensions, trim_scale(quantity)::text as quantity, trim_scale(moment)::text as moment,
       event_count::int as events
     from usage_bucket where tenant_id = $1 order by meter_id, slot, dimensions collate "C"`,
    [tenantId],
  );

  return rows.map(row => ({ ...row, slot: row.slot.toISOString() }));
}

/** The dimensions and quantities of a tenant's buckets. */
export async function quantitiesOf(product: Product, tenantId: string): Promise<[object, string][]> {
  return (await bucketsOf(product, tenantId)).map(row => [JSON.parse(row.dimensions) as object, row.quantity]);
}

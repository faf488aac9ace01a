import { randomUUID } from 'node:crypto';
import type { Simulation } from '../../src/simulation/index.js';
import type { SimulationItemRow, SimulationTenantRow } from '../../src/simulation/simulation-result.queries.js';
import type { SimulationDraft } from '../../src/simulation/simulation.rules.js';
import { formatDecimal, decimal } from '../../src/money/index.js';
import type { Product } from '../support/product.js';

/** What a test asks for; the rest is as it is by default. */
export type Asked = Partial<SimulationDraft> & {
  readonly priceBookVersionId: string;
  readonly sellerId?: string;
  /** Who asks; the platform unless told. */
  readonly ownerId?: string;
};

/** Starts a simulation over November 2026, unless told otherwise. */
export async function startSimulation(product: Product, asked: Asked): Promise<Simulation> {
  const { sellerId, ownerId, ...draft } = asked;
  const { simulation } = await product.app.services.simulations.start(
    product.scope(ownerId),
    product.scope(sellerId ?? ownerId),
    {
      from: new Date('2026-11-01T00:00:00Z'),
      until: new Date('2026-12-01T00:00:00Z'),
      tenantIds: null,
      baseline: 'CHARGED',
      modelContexts: [],
      ...draft,
      idempotencyKey: randomUUID(),
    },
  );

  return simulation;
}

/** Runs a simulation as the job would. */
export async function run(product: Product, { id, tenantId }: Pick<Simulation, 'id' | 'tenantId'>): Promise<void> {
  await product.app.services.simulationRunner.run(product.scope(tenantId), id);
}

/** Starts a simulation, runs it, and reads it whole. */
export async function simulate(product: Product, asked: Asked) {
  const started = await startSimulation(product, asked);
  await run(product, started);

  return read(product, started);
}

/** A simulation as it stands, with its tenants by name and their items. */
export async function read(product: Product, { id, tenantId }: Pick<Simulation, 'id' | 'tenantId'>) {
  const { simulations } = product.app.services;
  const scope = product.scope(tenantId);
  const [simulation] = (await simulations.list(scope, { first: 100 })).filter(one => one.id === id);

  if (!simulation) {
    throw new Error(`no simulation ${id}`);
  }

  const tenants = await simulations.tenantsOf(scope, id, 'NAME', { first: 100 });
  const items = new Map<string, SimulationItemRow[]>();

  for (const { subject_id: subjectId } of tenants) {
    items.set(subjectId, await simulations.items(scope, id, subjectId, { first: 100 }));
  }

  return { simulation, tenants, items };
}

/** A decimal of a row without zeros that say nothing. */
export const plain = (text: string): string => formatDecimal(decimal(text));

/** Old and new amount of a tenant, rounded and exact. */
export const amounts = (row: SimulationTenantRow | undefined) =>
  row && [row.old_amount, row.new_amount, row.old_exact_amount, row.new_exact_amount].map(plain);

/** The lines of one side of a tenant's items, as an invoice would print them, in the order of their texts. */
export function linesOf(items: readonly SimulationItemRow[] | undefined, side: 'old' | 'new'): string[] {
  return (items ?? [])
    .map(item =>
      [item.price_name, item[`${side}_quantity`], item[`${side}_exact_amount`], item[`${side}_amount`]].map(
        (part, at) => (at === 0 ? part : plain(part)),
      ),
    )
    .filter(([, ...numbers]) => numbers.some(number => number !== '0'))
    .map(parts => parts.join(' '))
    .sort();
}

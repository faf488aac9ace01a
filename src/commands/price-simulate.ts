import { randomUUID } from 'node:crypto';
import { SingleBar } from 'cli-progress';
import color from 'picocolors';
import { Api, demoKey } from '../demo/index.js';

export interface SimulateOptions {
  readonly url: string;
  /** A key that may read and write prices and read bills; the demo key of the quick start by default. */
  readonly key?: string;
  readonly dataDir: string;
  /** A draft or a published version of a price book. */
  readonly versionId: string;
  /** Whose book it is; the key's own tenant by default. */
  readonly sellerId?: string;
  /** ISO instants. */
  readonly from: string;
  readonly until: string;
  /** Who is to try it; all tenants on the book by default. */
  readonly tenantIds?: readonly string[];
  readonly baseline: 'CHARGED' | 'PUBLISHED';
  /** How many of those that would lose and win most are printed. */
  readonly top: number;
}

interface Amount {
  readonly amount: string;
  readonly currency: string;
}

interface SimulationSeen {
  readonly status: string;
  readonly progress: string;
  readonly tenantsTotal: number;
  readonly tenantsDone: number;
  readonly eventsDone: string;
  readonly error: string | null;
  readonly totals: readonly {
    readonly tenants: number;
    readonly old: Amount;
    readonly new: Amount;
    readonly difference: Amount;
    readonly newUnpriced: number;
  }[];
}

const LOOK_MS = 500;

/**
 * Asks a running Ratebook what tenants would have paid under a version, shows how far it is, and prints the totals and the
 * tenants that would lose and win most. Ctrl-C cancels the simulation. Returns the exit code: 0 when it was done.
 */
export async function simulatePrices(options: SimulateOptions): Promise<number> {
  const api = new Api(options.url, options.key ?? demoKey(options.dataDir));
  const { versionId: priceBookVersionId, sellerId, from, until, tenantIds, baseline } = options;
  const { simulation } = await api.mutate<{ simulation: { id: string } }>(
    'simulationStart',
    'SimulationStartInput',
    'simulation { id }',
    { idempotencyKey: randomUUID(), priceBookVersionId, sellerId, from, until, tenantIds, baseline },
  );
  const cancel = (): void => {
    void api.mutate('simulationCancel', 'SimulationCancelInput', 'simulation { id }', { simulationId: simulation.id });
  };
  process.once('SIGINT', cancel);

  try {
    const seen = await watch(api, simulation.id);
    report(simulation.id, seen);

    for (const [title, order] of [
      ['would pay most more', 'LOSES_MOST'],
      ['would pay most less', 'WINS_MOST'],
    ] as const) {
      await printTenants(api, simulation.id, title, order, options.top);
    }

    return seen.status === 'DONE' ? 0 : 1;
  } finally {
    process.removeListener('SIGINT', cancel);
  }
}

/** Looks at the simulation until it has ended. */
async function watch(api: Api, id: string): Promise<SimulationSeen> {
  const bar = new SingleBar({
    format: 'replaying {bar} {percentage}% {tenants} tenants, {events} events',
    hideCursor: true,
    noTTYOutput: false,
    clearOnComplete: true,
  });
  bar.start(100, 0, { tenants: '0', events: '0' });

  try {
    for (;;) {
      const { node } = await api.query<{ node: SimulationSeen }>(
        `query ($id: ID!) { node(id: $id) { ... on Simulation { status progress tenantsTotal tenantsDone eventsDone error
           totals { tenants old { amount currency } new { amount currency } difference { amount currency } newUnpriced } } } }`,
        { id },
      );
      bar.update(Math.floor(Number(node.progress)), {
        tenants: `${node.tenantsDone}/${node.tenantsTotal}`,
        events: node.eventsDone,
      });

      if (!['QUEUED', 'RUNNING'].includes(node.status)) {
        return node;
      }

      await new Promise(resolve => setTimeout(resolve, LOOK_MS));
    }
  } finally {
    bar.stop();
  }
}

function report(id: string, seen: SimulationSeen): void {
  const tint = seen.status === 'DONE' ? color.green : color.red;
  console.log(
    `${tint(seen.status)} ${id}: ${seen.tenantsDone} of ${seen.tenantsTotal} tenants, ${seen.eventsDone} events`,
  );

  if (seen.error) {
    console.log(color.red(seen.error));
  }

  for (const total of seen.totals) {
    console.log(
      `${color.bold(total.old.currency)}  was ${total.old.amount}, would be ${total.new.amount}: ${signed(total.difference)} (${total.tenants} tenants)`,
    );

    if (total.newUnpriced > 0) {
      console.log(color.yellow(`     ${total.newUnpriced} combinations of meter and dimensions would have no price`));
    }
  }
}

async function printTenants(api: Api, id: string, title: string, order: string, top: number): Promise<void> {
  interface Seen {
    readonly node: {
      readonly tenants: {
        readonly edges: readonly {
          readonly node: {
            readonly name: string;
            readonly old: Amount;
            readonly new: Amount;
            readonly difference: Amount;
          };
        }[];
      };
    };
  }
  const { node } = await api.query<Seen>(
    `query ($id: ID!, $first: Int!, $order: SimulationTenantOrder!) { node(id: $id) { ... on Simulation {
       tenants(first: $first, order: $order) { edges { node { name old { amount currency } new { amount currency } difference { amount currency } } } } } } }`,
    { id, first: top, order },
  );
  const isLoss = order === 'LOSES_MOST';
  const rows = node.tenants.edges
    .map(edge => edge.node)
    .filter(({ difference }) => difference.amount !== '0' && difference.amount.startsWith('-') !== isLoss);

  if (rows.length > 0) {
    console.log(color.bold(title));
  }

  for (const row of rows) {
    console.log(
      `  ${row.name.padEnd(30)} ${row.old.amount.padStart(14)} ${row.new.amount.padStart(14)} ${signed(row.difference).padStart(16)}`,
    );
  }
}

function signed({ amount, currency }: Amount): string {
  return `${amount.startsWith('-') || amount === '0' ? '' : '+'}${amount} ${currency}`;
}

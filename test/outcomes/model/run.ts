// One run of the model: commands, then the same facts in another order to another tenant, then everything taken back.
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import type pg from 'pg';
import type { Product } from '../../support/product.js';
import { outcomeIdOf } from '../../../src/outcomes/outcome-id.js';
import { aTally, holds, kinds, learn, outcomeIds, plan, type Model, type Tally, type Told } from './commands.js';
import { findingsAt } from './oracle.js';
import { termsOf } from './terms.js';
import { begin, factsOf, look, scopeAt, send, settle, twinOf, type Plan, type World } from './world.js';

const HOUR = 3_600_000;

export interface RunOptions {
  readonly seed: number;
  /** So many that do something: one that finds nothing to speak about is followed by another. */
  readonly commands: number;
}

/** So many are drawn for each one that is to do something. */
const DRAWS = 3;

/** What a run found: a sentence with the smallest facts that show it, or null. */
export interface Found {
  readonly failure: string | null;
}

/** Draws one run by its seed and does it; a divergence is made as small as it gets. Counts into the tally. */
export async function run(
  product: Product,
  database: pg.Client,
  { seed, commands }: RunOptions,
  tally: Tally,
): Promise<Found> {
  const length = commands * DRAWS;
  const [given] = fc.sample(plan, { seed, numRuns: 1 });
  const [drawn] = fc.sample(fc.array(fc.oneof(...kinds), { minLength: length, maxLength: length }), {
    seed,
    numRuns: 1,
  });

  if (!given || !drawn) {
    throw new Error('nothing was drawn');
  }

  const attempt = (told: readonly Told[], counted: Tally) =>
    play(product, database, { given, told, commands }, counted);
  const found = await attempt(drawn, tally);

  if (!found) {
    return { failure: null };
  }

  // What is done to make a divergence small is not counted.
  const { told, error } = await smallest(found, less => attempt(less, aTally()));

  return {
    failure: [
      `seed ${seed}`,
      planText(given),
      ...told.map(String),
      error instanceof Error
        ? /^(?:[^:]*: )?at /.test(error.message)
          ? error.message
          : (error.stack ?? '')
        : String(error),
    ].join('\n'),
  };
}

/** A divergence with the commands that lead to it. */
interface Divergence {
  readonly told: readonly Told[];
  readonly error: unknown;
}

/** Leaves out ever smaller stretches of the commands, as long as it diverges without them. */
async function smallest(
  found: Divergence,
  attempt: (told: readonly Told[]) => Promise<Divergence | null>,
): Promise<Divergence> {
  let known = found;

  for (let size = Math.ceil(known.told.length / 2); size > 0; size = Math.floor(size / 2)) {
    for (let from = 0; from < known.told.length;) {
      const without = await attempt(known.told.toSpliced(from, size));
      known = without ?? known;
      from += without ? 0 : size;
    }
  }

  return known;
}

/** A plan, without what its rules leave unsaid. */
function planText({ rules, startsAt, effectiveAt, timeZone }: Plan): string {
  const plain: Readonly<Record<string, unknown>> = termsOf();
  const said = rules.map(terms =>
    Object.fromEntries(
      Object.entries(terms).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(plain[name])),
    ),
  );

  return [
    `in ${timeZone} from ${new Date(startsAt).toISOString()}, rules from ${new Date(effectiveAt).toISOString()}`,
    ...said.map(terms => JSON.stringify(terms)),
  ].join('\n');
}

/** Answers with what diverged, and the commands up to there; null when nothing did. */
async function play(
  product: Product,
  database: pg.Client,
  { given, told, commands }: { readonly given: Plan; readonly told: readonly Told[]; readonly commands: number },
  tally: Tally,
): Promise<Divergence | null> {
  const world = await begin(product, database, given);
  const model: Model = { now: given.now, serial: 0, tally };
  const before = doneIn(tally);
  let place = 0;

  try {
    for (; place < told.length && doneIn(tally) - before < commands; place++) {
      await told[place]?.run(model, world);
    }

    await tellAgain(model, world);
    await takeAllBack(model, world);
  } catch (error) {
    return { told: told.slice(0, place + 1), error };
  }

  return null;
}

const doneIn = ({ commands }: Tally): number => Object.values(commands).reduce((sum, count) => sum + count, 0);

/** Tells another tenant the same facts in another order, with the acts in the midst. */
async function tellAgain(model: Model, world: World): Promise<void> {
  const twin = await twinOf(world);
  const events = world.events.toSorted((a, b) => (turned(a.id) < turned(b.id) ? -1 : 1));
  const half = Math.ceil(events.length / 2);
  await send(twin, events.slice(0, half), model.now);
  await said('the half of it, told to another tenant', () => holds(model, twin));

  // Nobody says by mutation what nobody knows yet, so what was said is carried over as it is stored.
  for (const table of ['outcome_dispute', 'outcome_act']) {
    const { rows } = await world.database.query<{ column: string }>(
      `select column_name as column from information_schema.columns where table_name = $1 and column_name <> 'tenant_id'`,
      [table],
    );
    const columns = rows.map(({ column }) => column).join(', ');
    const ids = table === 'outcome_act' ? await twinIds(world, twin) : new Map<string, string>();
    const read = columns.replace('outcome_id', 'coalesce(($3::jsonb)->>outcome_id, outcome_id)');
    await world.database.query(
      `insert into ${table} (tenant_id, ${columns}) select $2, ${table === 'outcome_act' ? read : columns} from ${table}
       where tenant_id = $1 and $3::jsonb is not null`,
      [world.tenantId, twin.tenantId, JSON.stringify(Object.fromEntries(ids))],
    );
  }

  twin.acts.push(...world.acts);
  await send(twin, events.slice(half), model.now);
  // What was said carries the names of outcomes, so these are there before anybody looks at it.
  await settle(twin, model.now);
  await world.product.app.services.rating.rerate(
    scopeAt(twin, twin.tenantId, model.now),
    new Date(world.plan.startsAt),
  );
  await said('all of it, told to another tenant in another order', () => holds(model, twin));
}

/** Puts before a divergence what it came of. */
async function said(what: string, check: () => Promise<void>): Promise<void> {
  await check().catch((error: unknown) => {
    throw new Error(`${what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  });
}

/** What the twin's outcomes are called, by what the world's are. */
async function twinIds(world: World, twin: World): Promise<Map<string, string>> {
  const { outcomes } = await look(world);

  return new Map(
    outcomes.map(({ id, rule_id: ruleId, event_id: eventId, source, occurred_at: occurredAt }) => [
      id,
      outcomeIdOf(twin.tenantId, ruleId, { id: eventId, source }, occurredAt),
    ]),
  );
}

const turned = (id: string): string => [...id].toReversed().join('');

/** Takes back what can be, until nothing is left: then every charge but minimums and guarantees is nothing. */
async function takeAllBack(model: Model, world: World): Promise<void> {
  for (let round = 0; round < 20; round++) {
    const live = findingsAt(factsOf(world), model.now).filter(({ isLive }) => isLive);
    const open = live.filter(({ occurredAt, version: { terms } }) => {
      const hours = terms.reversal?.windowHours;

      return hours !== undefined && model.now <= occurredAt + hours * HOUR;
    });

    if (open.length < live.length) {
      return;
    }

    if (live.length === 0) {
      break;
    }

    const ids = await outcomeIds(world, open);
    const { rows } = await world.database.query<{ id: string }>(
      "select id from outcome where tenant_id = $1 and id = any($2) and cap is distinct from 'HARD'",
      [world.tenantId, ids],
    );

    if (rows.length === 0) {
      return;
    }

    await world.product.app.services.outcomeActs.reverse(
      scopeAt(world, world.tenantId, model.now),
      {
        outcomeIds: rows.map(({ id }) => id),
        idempotencyKey: randomUUID(),
        amount: null,
        isGuarantee: false,
        at: null,
        reason: null,
      },
      { keyId: 'key_reverses', party: 'SELLER' },
    );
    await learn(world, () => ({ amount: null, isGuarantee: false }));
    await holds(model, world);
  }

  const left = (await look(world)).charges.filter(({ price_id }) => !/:(minimum|guarantee)$/.test(price_id));

  if (left.length > 0) {
    throw new Error(`everything is taken back, and there are charges: ${JSON.stringify(left)}`);
  }

  model.tally.commands['all taken back'] = (model.tally.commands['all taken back'] ?? 0) + 1;
}

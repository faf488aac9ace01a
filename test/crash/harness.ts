// Runs points of the crash test. Only erasable TypeScript, so that plain `node` can run this folder too.
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { type ChildOptions, runChild, Standby, wellEnded, type WorldOptions } from './children.js';
import { type Fault, incoherences, judge } from './judging.js';
import type { Facts } from './oracle.js';
import type { Ids } from './scenario.js';

/** The set-up that every point starts from, and how many statements the whole flow sends. */
export interface World {
  readonly adminUrl: string;
  /** The database with the set-up, which nobody else connects to. */
  readonly template: string;
  /** Clones of it that no point is using now. */
  readonly idle: string[];
  /** Processes of the product that wait for a flow to do. */
  readonly standbys: Standby[];
  readonly ids: Ids;
  readonly statements: number;
  /** How each of them begins, in the order in which they are sent. */
  readonly sent: readonly string[];
  readonly options: WorldOptions;
}

/** Where a run is killed: before the k-th statement is sent, or after it was answered. */
export interface Point {
  readonly statement: number;
  readonly when: 'before' | 'after';
}

export interface Outcome {
  readonly point: Point | null;
  /** Whether the first run was killed; false when it ended before it came to the point. */
  readonly killed: boolean;
  readonly faults: readonly Fault[];
  /** Whether a process was given up because it took too long: that may be the machine, so it says nothing. */
  readonly isLate: boolean;
}

/** Points by number, from 1: the odd ones before a statement, the even ones after it. */
export function pointOf(number: number): Point {
  return { statement: Math.ceil(number / 2), when: number % 2 === 1 ? 'before' : 'after' };
}

/** `count` different points out of 1 to `last`, spread over the whole flow: one, by chance, out of each equal part of it. */
export function samplePoints(last: number, count: number, seed: number): number[] {
  // Mulberry32: small, seeded, and good enough to choose places.
  let state = seed >>> 0;
  const random = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);

    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const share = last / Math.min(count, last);

  return Array.from({ length: Math.min(count, last) }, (_, index) => 1 + Math.floor((index + random()) * share));
}

/**
 * Makes the template, and runs the flow once without a crash to learn how long it is. `migrated` names a migrated empty
 * database to use; without one, the template is migrated here.
 */
export async function makeWorld(adminUrl: string, options: WorldOptions = {}, migrated?: string): Promise<World> {
  const sound = options.build ? { build: options.build } : {};
  const template = migrated ?? `ratebook_crash_template_${randomBytes(4).toString('hex')}`;

  if (!migrated) {
    await administer(adminUrl, `create database ${template}`);
    await wellEnded(runChild('migrate', adminUrl, template, sound));
  }

  const setUp = await wellEnded(runChild('set-up', adminUrl, template, sound));
  const ids = setUp.find(line => line.ids)?.ids;

  if (!ids) {
    throw new Error('the set-up of the crash test told no ids');
  }

  await inDatabase(adminUrl, template, client => client.query(KEEP_SET_UP));
  const world = { adminUrl, template, idle: [], standbys: [], ids, statements: 0, sent: [], options };
  const flow = await onClone(world, name =>
    wellEnded(runChild('flow', adminUrl, name, { ...sound, ids, trace: true })),
  );

  return {
    ...world,
    statements: flow.find(line => line.statements)?.statements ?? 0,
    sent: flow.flatMap(line => line.sent ?? []),
  };
}

export async function dropWorld({ adminUrl, template, idle, standbys }: World): Promise<void> {
  await Promise.all(standbys.map(standby => standby.end()));

  for (const name of [template, ...idle]) {
    await administer(adminUrl, `drop database if exists ${name} with (force)`);
  }
}

/** The number of the statement that begins the transaction of the point. */
function beginOf({ sent }: World, { statement }: Point): number {
  return sent.slice(0, statement).findLastIndex(text => text.startsWith('begin; ')) + 1;
}

/**
 * Takes a fresh set-up, runs the flow and kills it at the point, looks at what is there, runs the flow again, in another
 * process, as a client and the jobs would, and compares with what must be. Without a point: only the flow, once.
 */
export async function runPoint(world: World, expected: Facts, point: Point | null): Promise<Outcome> {
  return onClone(world, async name => {
    const { adminUrl, ids, options } = world;
    const { plant, ...sound } = options;
    const first = await runChild('flow', adminUrl, name, {
      ...sound,
      ids,
      ...(point && { dieAt: point.statement, when: point.when }),
      ...(point && plant && { plant, plantFrom: beginOf(world, point) }),
    });
    const killed = first.signal === 'SIGKILL';
    const outcome = (faults: readonly Fault[], isLate = false): Outcome => ({ point, killed, faults, isLate });

    if (!killed && first.status !== 0) {
      return outcome([{ kind: 'wrong', text: `the first run failed: ${first.errors}` }], first.isLate);
    }

    if (killed) {
      const left = await inDatabase(adminUrl, name, async client => {
        const faults = await incoherences(client, ids);
        // Half a minute passes: what a dead relay had claimed is free again, and what nobody acknowledged is due again.
        await client.query('update outbox set due_at = now()');

        return faults;
      });
      const crashedAt = first.told.at(-1)?.at ?? '2026-10-01T00:00:00.000Z';
      const notBefore = new Date(Date.parse(crashedAt) + 60_000).toISOString();
      const retry = await runOnStandby(world, name, { ...sound, ids, notBefore });
      const failed = retry.status === 0 ? [] : [{ kind: 'wrong' as const, text: `the retry failed: ${retry.errors}` }];

      if (left.length + failed.length > 0) {
        // What was incoherent right after the crash is so, however slow the machine is.
        return outcome([...left, ...failed], retry.isLate && left.length === 0);
      }
    }

    return outcome(await inDatabase(adminUrl, name, async client => judge(client, ids, expected)));
  });
}

/**
 * Runs points by number, so many at once, and tells of each. One that took too long is tried once more when all others are
 * done, by itself: only a second time is it told of as it is.
 */
export async function runPoints(
  world: World,
  expected: Facts,
  { numbers, parallel, onOutcome }: PointsAsked,
): Promise<{ readonly triedAgain: readonly number[] }> {
  const queue = [...numbers];
  const late: number[] = [];
  const lane = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const outcome = await runPoint(world, expected, pointOf(next));

      if (outcome.isLate) {
        late.push(next);
      } else {
        onOutcome(next, outcome);
      }
    }
  };
  await Promise.all(Array.from({ length: parallel }, lane));

  for (const number of late) {
    onOutcome(number, await runPoint(world, expected, pointOf(number)));
  }

  return { triedAgain: late };
}

/** Which points to run, how many at a time, and who is told of each. */
export interface PointsAsked {
  readonly numbers: readonly number[];
  readonly parallel: number;
  readonly onOutcome: (number: number, outcome: Outcome) => void;
}

/**
 * Keeps a copy of every row of the product's and the jobs' tables beside them, in a schema of their own: a clone of the
 * database takes half a second, restoring its rows a tenth of that.
 */
export const KEEP_SET_UP = `
drop schema if exists set_up cascade;
create schema set_up;
do $$ declare t record; begin
  for t in select format('%I.%I', schemaname, tablename) as name, schemaname || '_' || tablename as kept from pg_tables
    where schemaname in ('public', 'bullmq') and tablename <> 'migration'
  loop
    execute format('create table set_up.%I as table %s', t.kept, t.name);
  end loop;
end $$;`;

const END_OTHERS = `
select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid();`;

/** Brings every table back to the rows that `KEEP_SET_UP` found. Waits for whoever is using one. */
export const RESTORE_SET_UP = `
set session_replication_role = replica;
do $$ declare t record; begin
  execute (select 'truncate ' || string_agg(format('%I.%I', schemaname, tablename), ', ') from pg_tables
    where schemaname in ('public', 'bullmq') and tablename <> 'migration');
  for t in select format('%I.%I', schemaname, tablename) as name, schemaname || '_' || tablename as kept,
      -- Generated columns come of themselves.
      (select string_agg(format('%I', attname), ', ') from pg_attribute
        where attrelid = format('%I.%I', schemaname, tablename)::regclass and attnum > 0 and not attisdropped
          and attgenerated = '') as columns
    from pg_tables where schemaname in ('public', 'bullmq') and tablename <> 'migration'
  loop
    execute format('insert into %s (%s) overriding system value select %s from set_up.%I', t.name, t.columns, t.columns, t.kept);
  end loop;
end $$;
reset session_replication_role;`;

/** Runs a flow in a process that may have run others before, as a server would to which a client turns: starting takes long. */
async function runOnStandby(world: World, name: string, options: ChildOptions): ReturnType<typeof runChild> {
  const standby = world.standbys.pop() ?? new Standby(options.build);
  const end = await standby.run(world.adminUrl, name, options);

  if (standby.isFit) {
    world.standbys.push(standby);
  } else {
    await standby.end();
  }

  return end;
}

/** Works on a database that holds the set-up and nothing else. What a failed one leaves is emptied by the next. */
async function onClone<T>(world: World, work: (name: string) => Promise<T>): Promise<T> {
  let name = world.idle.pop();

  if (name) {
    await inDatabase(world.adminUrl, name, client => client.query(END_OTHERS + RESTORE_SET_UP));
  } else {
    name = `ratebook_crash_${randomBytes(6).toString('hex')}`;
    await administer(world.adminUrl, `create database ${name} template ${world.template}`);
  }

  try {
    return await work(name);
  } finally {
    world.idle.push(name);
  }
}

async function administer(adminUrl: string, sql: string): Promise<void> {
  await inDatabase(adminUrl, null, client => client.query(sql).then(() => undefined));
}

async function inDatabase<T>(
  adminUrl: string,
  name: string | null,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const url = new URL(adminUrl);

  if (name) {
    url.pathname = `/${name}`;
  }

  const client = new pg.Client({ connectionString: url.href });
  await client.connect();

  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

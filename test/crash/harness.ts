// Runs one point of the crash test and judges what it left behind. Only erasable TypeScript, and no import that runs but
// of packages, so that plain `node` can run this file too.
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import type { Facts, Line } from './oracle.js';
import type { CustomerName, Ids, MeterName } from './scenario.js';

/** The set-up that every point starts from, and how many statements the whole flow sends. */
export interface World {
  readonly adminUrl: string;
  /** The database with the set-up, which nobody else connects to. */
  readonly template: string;
  /** Clones of it that no point is using now. */
  readonly idle: string[];
  readonly ids: Ids;
  readonly statements: number;
  /** How each of them begins, in the order in which they are sent. */
  readonly sent: readonly string[];
  readonly options: WorldOptions;
}

export interface WorldOptions {
  /** A bug to plant in the children, by its name in `crash-child.mjs`. */
  readonly plant?: string;
  /** Folder of another build of the product, as a URL that ends with a slash; `dist/` when left out. */
  readonly build?: string;
}

/** Where a run is killed: before the k-th statement is sent, or after it was answered. */
export interface Point {
  readonly statement: number;
  readonly when: 'before' | 'after';
}

export interface Fault {
  readonly kind: 'lost' | 'doubled' | 'wrong';
  readonly text: string;
}

export interface Outcome {
  readonly point: Point | null;
  /** Whether the first run was killed; false when it ended before it came to the point. */
  readonly killed: boolean;
  readonly faults: readonly Fault[];
}

/** A line of a child: where its clock is, what it sends, what its set-up made, or how many statements it sent. */
interface Told {
  readonly at?: string;
  readonly sent?: string;
  readonly ids?: Ids;
  readonly statements?: number;
}

interface ChildEnd {
  readonly signal: string | null;
  readonly status: number | null;
  /** The JSON lines that the child wrote. */
  readonly told: readonly Told[];
  readonly errors: string;
}

// The suite's own passwords: the roles are shared by every database of the server.
const PASSWORDS = { ratebook_app: 'test-app', ratebook_relay: 'test-relay' } as const;
const CHILD = fileURLToPath(new URL('./crash-child.mjs', import.meta.url));
const PATIENCE_MS = 60_000;

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
  const template = migrated ?? `ratebook_crash_template_${randomBytes(4).toString('hex')}`;

  if (!migrated) {
    await administer(adminUrl, `create database ${template}`);
    await wellEnded(runChild('migrate', adminUrl, template, { ...options, plant: undefined }));
  }

  const setUp = await wellEnded(runChild('set-up', adminUrl, template, { ...options, plant: undefined }));
  const ids = setUp.find(line => line.ids)?.ids;

  if (!ids) {
    throw new Error('the set-up of the crash test told no ids');
  }

  await inDatabase(adminUrl, template, client => client.query(KEEP_SET_UP));
  const world = { adminUrl, template, idle: [], ids, statements: 0, sent: [], options };
  const flow = await onClone(world, name =>
    wellEnded(runChild('flow', adminUrl, name, { ...options, ids, trace: true })),
  );

  return {
    ...world,
    statements: flow.find(line => line.statements)?.statements ?? 0,
    sent: flow.flatMap(line => line.sent ?? []),
  };
}

export async function dropWorld({ adminUrl, template, idle }: World): Promise<void> {
  for (const name of [template, ...idle]) {
    await administer(adminUrl, `drop database if exists ${name} with (force)`);
  }
}

/**
 * Takes a fresh set-up, runs the flow and kills it at the point, looks at what is there, runs the flow again as a client
 * and the jobs would, and compares with what must be. Without a point: only the flow, once.
 */
export async function runPoint(world: World, expected: Facts, point: Point | null): Promise<Outcome> {
  return onClone(world, async name => {
    const { adminUrl, ids, options } = world;
    const where = point ? { dieAt: point.statement, when: point.when } : {};
    const first = await runChild('flow', adminUrl, name, { ...options, ids, ...where });
    const killed = first.signal === 'SIGKILL';

    if (!killed && first.status !== 0) {
      return { point, killed, faults: [{ kind: 'wrong', text: `the first run failed: ${first.errors}` }] };
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
      const retry = await runChild('flow', adminUrl, name, { ...options, ids, notBefore });

      if (left.length > 0 || retry.status !== 0) {
        const failed =
          retry.status === 0 ? [] : [{ kind: 'wrong' as const, text: `the retry failed: ${retry.errors}` }];

        return { point, killed, faults: [...left, ...failed] };
      }
    }

    return { point, killed, faults: await inDatabase(adminUrl, name, async client => judge(client, ids, expected)) };
  });
}

/** Everything in a database that is not as expected, together with everything that does not agree with itself. */
async function judge(client: pg.Client, ids: Ids, expected: Facts): Promise<Fault[]> {
  return [...compare(expected, await observe(client, ids)), ...(await incoherences(client, ids))];
}

/** What is missing, what is there too often, and what says something else. */
export function compare(expected: Facts, actual: Facts): Fault[] {
  const faults: Fault[] = [];

  for (const kind of new Set([...Object.keys(expected), ...Object.keys(actual)])) {
    const wanted = Map.groupBy(expected[kind] ?? [], line => line.key);
    const found = Map.groupBy(actual[kind] ?? [], line => line.key);

    for (const key of new Set([...wanted.keys(), ...found.keys()])) {
      const [want, have] = [wanted.get(key) ?? [], found.get(key) ?? []];

      if (have.length < want.length) {
        faults.push({ kind: 'lost', text: `${kind}: ${key} is missing` });
      } else if (have.length > want.length) {
        faults.push({ kind: 'doubled', text: `${kind}: ${key} is there ${have.length} times, not ${want.length}` });
      } else if (have.map(({ value }) => value).join() !== want.map(({ value }) => value).join()) {
        faults.push({
          kind: 'wrong',
          text: `${kind}: ${key} is ${have.map(({ value }) => value).join()}, not ${want.map(({ value }) => value).join()}`,
        });
      }
    }
  }

  return faults;
}

/** What the database says, in the words of the oracle. Reads as the superuser, past every policy. */
async function observe(client: pg.Client, ids: Ids): Promise<Facts> {
  const customer = nameIn<CustomerName>(ids.customers);
  const meter = nameIn<MeterName>(ids.meters);
  const read = async (sql: string, parameters: readonly unknown[] = []): Promise<Record<string, string>[]> =>
    (await client.query<Record<string, string>>(sql, [...parameters])).rows;
  const period = `(case when c.period_start < '2026-11-15' then 0 else 1 end)`;
  // A price is of a version of the book or of a rule for outcomes.
  const chargeName = `c.tenant_id as tenant, format('period %s %s v%s generation %s', ${period}, c.price_name,
    coalesce(v.number, o.number), c.generation) as name`;
  const versions = `left join price_book_version v on v.id = c.price_version_id
    left join outcome_rule_version o on o.id = c.price_version_id`;
  const charges = `charge c ${versions}`;
  const events = await client.query<{ tenant_id: string; id: string; time: Date; properties: Record<string, string> }>(
    'select tenant_id, id, time, properties from usage_event',
  );

  return {
    events: events.rows.map(row => ({
      key: `${customer(row.tenant_id)} ${row.id}`,
      value: `${row.time.toISOString()} ${JSON.stringify(Object.entries(row.properties).sort(([a], [b]) => (a < b ? -1 : 1)))}`,
    })),
    buckets: (
      await read(
        `select b.tenant_id as tenant, b.meter_id as meter, b.dimensions, trim_scale(b.quantity)::text as quantity, b.event_count as events,
           to_char(b.slot at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as slot,
           (select string_agg(u.value, ',' order by u.value) from usage_unique u where (u.tenant_id, u.meter_id, u.slot, u.dimensions)
             = (b.tenant_id, b.meter_id, b.slot, b.dimensions)) as uniques
         from usage_bucket b`,
      )
    ).map(row => ({
      key: `${customer(row['tenant'])} ${meter(row['meter'])} ${row['slot']} ${row['dimensions']}`,
      value: `${row['uniques'] ? `values ${row['uniques']}` : row['quantity']} of ${row['events']}`,
    })),
    outcomes: (
      await read(
        `select tenant_id as tenant, event_id as event, concat_ws(' ', judged_state, judged_reason) as standing, trim_scale(units)::text as units,
           to_char(period_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at
         from outcome`,
      )
    ).map(row => ({
      key: `${customer(row['tenant'])} ${row['event']}`,
      value: `${row['standing']} ${row['units']} at ${row['at']}`,
    })),
    charges: (
      await read(
        `select ${chargeName}, trim_scale(c.quantity)::text as quantity, trim_scale(c.amount)::text as amount, i.number
         from ${charges} left join invoice i on i.id = c.invoice_id`,
      )
    ).map(row => ({
      key: `${customer(row['tenant'])} ${row['name']}`,
      value: `${row['quantity']} for ${row['amount']} on ${row['number']}`,
    })),
    lines: (
      await read(
        `select ${chargeName}, i.number, trim_scale(l.quantity)::text as quantity, trim_scale(l.exact_amount)::text as exact,
           trim_scale(l.amount)::text as amount, l.is_adjustment::text as adjustment
         from invoice_line l join invoice i on i.id = l.invoice_id join charge c on c.id = l.charge_id ${versions}`,
      )
    ).map(row => ({
      key: `${row['number']} ${customer(row['tenant'])} ${row['name']}`,
      value: `${row['quantity']} for ${row['exact']}, rounded ${row['amount']}${row['adjustment'] === 'true' ? ', adjustment' : ''}`,
    })),
    invoices: (
      await read(
        `select c.tenant_id as tenant, ${period} as period, coalesce(c.number, c.status) as number, trim_scale(c.total)::text as total from invoice c`,
      )
    ).map(row => ({
      key: row['number'] ?? '',
      value: `${customer(row['tenant'])} period ${row['period']} total ${row['total']}`,
    })),
    firings: (
      await read(
        `select c.tenant_id as tenant, ${period} as period, c.threshold, trim_scale(c.spend)::text as spend from alert_firing c`,
      )
    ).map(row => ({
      key: `${customer(row['tenant'])} period ${row['period']} ${row['threshold']}`,
      value: `spend ${row['spend']}`,
    })),
    deliveries: (
      await read(
        `select d.event_type as type, d.status, d.attempts, coalesce(i.number, format('%s period %s %s', c.tenant_id, ${period}, c.threshold)) as about
         from webhook_delivery d
         left join invoice i on 'msg_' || i.id = d.message_id
         left join alert_firing c on 'msg_' || c.id = d.message_id`,
      )
    ).map(row => ({
      key: `${row['type']} ${row['about']?.replace(/^ten_\w+/, id => customer(id))}`,
      value: `${row['status']} after ${row['attempts']} attempts`,
    })),
    audit: [
      ...(await chains(client, ids)),
      ...(
        await read(
          `select action, count(*) as n from audit_line
           where action in ('spend_alert.fired', 'invoice.drafted', 'invoice.issued', 'webhook_delivery.queued') group by action`,
        )
      ).map(row => ({ key: row['action'] ?? '', value: `${row['n']} times` })),
    ],
    facts: (
      await read(
        `select 'outbox' as key, count(*) || ' facts' as value from outbox union all
         select 'deliveries asked for', count(distinct j.data ->> 'deliveryId')::text from bullmq.job j
           join webhook_delivery d on d.id = j.data ->> 'deliveryId' union all
         select 'claims in the intake', coalesce(sum(cardinality(ids)), 0)::text from outcome_intake union all
         select 'tenants asked to be settled', count(distinct data ->> 'tenantId')::text from bullmq.job where name = 'outcomes.settle' union all
         select 'tenants asked to be rated', count(distinct data ->> 'tenantId')::text from bullmq.job where name = 'rating.rate-tenant'`,
      )
    ).map(row => ({ key: row['key'] ?? '', value: row['value'] ?? '' })),
  };
}

/** What must agree with itself at every moment, also right after a crash: nothing is half done. */
async function incoherences(client: pg.Client, ids: Ids): Promise<Fault[]> {
  const rows = await client.query<{ kind: Fault['kind']; text: string }>(
    `select case when b.n < e.n then 'lost' else 'doubled' end as kind, format('buckets of %s hold %s events, %s are stored', e.meter, b.n, e.n) as text
       from (select x.tenant_id, m.id as meter, count(*) as n from usage_event x join meter m on m.event_type = x.type group by 1, 2) e
       left join (select tenant_id, meter_id, sum(event_count) as n from usage_bucket group by 1, 2) b on (b.tenant_id, b.meter_id) = (e.tenant_id, e.meter)
       where e.n is distinct from b.n
     union all
     select 'lost', format('outcome %s has had %s transitions, %s are kept', o.id, o.n, count(t.n)) from outcome o
       left join outcome_transition t on (t.tenant_id, t.outcome_id) = (o.tenant_id, o.id) group by o.id, o.n having count(t.n) <> o.n
     union all
     select 'wrong', format('batch %s tells of %s transitions, %s are kept', l.subject_id, l.after ->> 'transitions', count(t.n))
       from audit_line l left join outcome_transition t on (t.tenant_id, t.batch) = (l.tenant_id, l.subject_id)
       where l.action = 'outcome.judged' group by l.subject_id, l.after
       having (l.after ->> 'transitions')::int <> count(t.n) or l.after ->> 'digest' <>
         encode(sha256(convert_to(string_agg(concat_ws(' ', t.outcome_id, t.n, coalesce(t.from_state, '-'), t.to_state, coalesce(t.reason, '-')),
           E'\\n' order by t.outcome_id collate "C", t.n), 'UTF8')), 'hex')
     union all
     select 'wrong', format('transition %s of %s belongs to no audit line', t.n, t.outcome_id) from outcome_transition t
       where not exists (select from audit_line l where (l.tenant_id, l.subject_id) = (t.tenant_id, t.batch))
     union all
     select 'lost', format('event %s waits to be judged, but the intake does not know it', u.id) from usage_event u
       where u.type like 'chat.%' and not exists (select from outcome_event e where (e.tenant_id, e.id, e.source) = (u.tenant_id, u.id, u.source))
         and not exists (select from outcome_intake i where i.tenant_id = u.tenant_id and u.id = any (i.ids))
     union all
     select 'wrong', format('invoice %s says %s, its lines sum to %s', i.number, i.total, sum(l.amount))
       from invoice i left join invoice_line l on l.invoice_id = i.id where i.status = 'ISSUED' group by i.number, i.total
       having i.total is distinct from sum(l.amount)
     union all
     select 'wrong', format('charge %s is on invoice %s, its line on %s', c.id, c.invoice_id, l.invoice_id)
       from charge c full join invoice_line l on l.charge_id = c.id
       where c.invoice_id is distinct from l.invoice_id and not (l.id is null and c.amount = 0 and c.quantity = 0)
     union all
     select 'wrong', format('number %s comes %s. and is invoice %s, which says %s', n.number, n.place, n.invoice_id, i.number)
       from (select *, row_number() over (partition by tenant_id order by number) as place from invoice_number) n
       left join invoice i on i.id = n.invoice_id
       where n.number <> n.place or i.number is distinct from 'INV-' || lpad(n.number::text, 6, '0')
     union all
     select 'wrong', format('the next number is %s after %s numbers', s.next_number, count(n.number))
       from invoice_series s left join invoice_number n on n.tenant_id = s.tenant_id group by s.next_number
       having s.next_number <> count(n.number) + 1
     union all
     select 'wrong', format('the document of %s does not match its hash or its total', number) from invoice
       where status = 'ISSUED' and (document_hash <> encode(sha256(convert_to(document, 'UTF8')), 'hex')
         or (document::jsonb ->> 'total')::numeric <> total)
     union all
     select 'wrong', format('charge %s is %s, its explanation says %s - %s', id, amount, explanation ->> 'cumulativeAmount', explanation ->> 'billedBefore')
       from charge where amount <> (explanation ->> 'cumulativeAmount')::numeric - (explanation ->> 'billedBefore')::numeric
     union all
     select 'lost', format('firing %s has no delivery', id) from alert_firing f
       where not exists (select from webhook_delivery d where d.message_id = 'msg_' || f.id)
     union all
     select 'lost', format('invoice %s has no delivery', number) from invoice i
       where status = 'ISSUED' and not exists (select from webhook_delivery d where d.message_id = 'msg_' || i.id)`,
  );
  const broken = (await chains(client, ids)).filter(({ value }) => value !== 'whole');

  return [
    ...rows.rows,
    ...broken.map(({ key, value }) => ({ kind: 'wrong' as const, text: `audit: ${key} is ${value}` })),
  ];
}

/** Recomputes every audit chain, by our own canonical JSON. */
async function chains(client: pg.Client, ids: Ids): Promise<Line[]> {
  const customer = nameIn(ids.customers);
  const { rows } = await client.query<Record<string, unknown> & { tenant_id: string; at: Date }>(
    'select l.*, h.seq as head_seq, h.hash as head_hash from audit_line l join audit_head h using (tenant_id) order by tenant_id, l.seq',
  );

  return [...Map.groupBy(rows, row => row.tenant_id)].map(([tenantId, lines]) => {
    const key = `${tenantId === ids.platform ? 'platform' : customer(tenantId)} chain`;
    let previous = '0'.repeat(64);

    for (const [index, row] of lines.entries()) {
      const hash = createHash('sha256')
        .update(
          canonical({
            tenantId,
            seq: String(index + 1),
            at: row.at.toISOString(),
            actorKind: row['actor_kind'],
            actorId: row['actor_id'],
            action: row['action'],
            subjectId: row['subject_id'],
            before: row['before'],
            after: row['after'],
            requestId: row['request_id'],
            previousHash: previous,
          }),
        )
        .digest('hex');

      if (row['hash'] !== hash || row['previous_hash'] !== previous || row['seq'] !== String(index + 1)) {
        return { key, value: `broken at line ${index + 1}` };
      }

      previous = hash;
    }

    const last = lines.at(-1);

    return {
      key,
      value:
        last?.['head_seq'] === String(lines.length) && last['head_hash'] === previous ? 'whole' : 'not at its head',
    };
  });
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) {
    return `[${value.map(canonical).join()}]`;
  }

  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));

    return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join()}}`;
  }

  return JSON.stringify(value);
}

function nameIn<Name extends string>(ids: Readonly<Record<Name, string>>): (id: string | undefined) => string {
  const names = new Map(Object.entries<string>(ids).map(([name, id]) => [id, name]));

  return id => names.get(id ?? '') ?? `unknown ${id}`;
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

/** Runs one process of the product to its end, whatever that is. */
function runChild(mode: string, adminUrl: string, name: string, options: object): Promise<ChildEnd> {
  const url = (role: keyof typeof PASSWORDS | null): string => {
    const made = new URL(adminUrl);
    made.pathname = `/${name}`;

    if (role) {
      made.username = role;
      made.password = PASSWORDS[role];
    }

    return made.href;
  };
  const database = { adminUrl: url(null), appUrl: url('ratebook_app'), relayUrl: url('ratebook_relay') };
  const child = spawn(process.execPath, ['--no-warnings', CHILD, mode, JSON.stringify({ ...options, database })], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  const patience = setTimeout(() => child.kill('SIGTERM'), PATIENCE_MS);
  let [out, errors] = ['', ''];
  child.stdout.on('data', chunk => (out += String(chunk)));
  child.stderr.on('data', chunk => (errors += String(chunk)));

  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status, signal) => {
      clearTimeout(patience);
      const told = out
        .split('\n')
        .filter(line => line !== '')
        .map(line => JSON.parse(line) as Told);
      resolve({ status, signal, told, errors: signal === 'SIGTERM' ? `no end within a minute; ${errors}` : errors });
    });
  });
}

async function wellEnded(running: Promise<ChildEnd>): Promise<ChildEnd['told']> {
  const { status, signal, errors, told } = await running;

  if (status !== 0) {
    throw new Error(`a child of the crash test ended with ${status ?? signal}: ${errors}`);
  }

  return told;
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

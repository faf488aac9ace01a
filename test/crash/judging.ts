// Judges what a run has left in the database: against the oracle, and against itself.
import { createHash } from 'node:crypto';
import type pg from 'pg';
import type { Facts, Line } from './oracle.js';
import { priceOfRun } from './calls-oracle.js';
import { type CustomerName, type Ids, type MeterName, SCENARIO } from './scenario.js';

export interface Fault {
  readonly kind: 'lost' | 'doubled' | 'wrong';
  readonly text: string;
}

/** Everything in a database that is not as expected, together with everything that does not agree with itself. */
export async function judge(client: pg.Client, ids: Ids, expected: Facts): Promise<Fault[]> {
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
  const budget = nameIn(ids.budgets);
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
    holds: (
      await read(
        `select tenant_id as tenant, idempotency_key as name, format('%s %s, used %s, overrun %s', state, trim_scale(amount),
           coalesce(trim_scale(actual)::text, 'nothing'), trim_scale(overrun)) as value from hold`,
      )
    ).map(row => ({ key: `${customer(row['tenant'])} ${row['name']}`, value: row['value'] ?? '' })),
    windows: (
      await read(
        `select limit_id as budget, to_char(start at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as start,
           format('used %s, held %s', trim_scale(sum(used)), trim_scale(sum(held))) as value
         from (${WINDOWS}) w group by limit_id, start having sum(used) <> 0 or sum(held) <> 0`,
      )
    ).map(row => ({ key: `${budget(row['budget'])} ${row['start']}`, value: row['value'] ?? '' })),
    ledger: (
      await read(
        `select t.tenant_id as tenant, concat_ws(' ', t.kind,
             case when t.kind in ('GRANT', 'EXPIRE') then max(g.kind)
               -- Usage as it was accepted has no name of its own: it is known by what it came to.
               when t.reference = t.id then 'usage ' || trim_scale(sum(e.amount) filter (where e.account = 'used'))
               else t.reference end) as name,
           string_agg(format('%s %s', coalesce(g.kind, e.account), trim_scale(e.amount)), ','
             order by format('%s %s', coalesce(g.kind, e.account), trim_scale(e.amount)) collate "C") as value
         from credit_transaction t left join credit_entry e on (e.tenant_id, e.transaction_id) = (t.tenant_id, t.id)
           left join credit_grant g on (g.tenant_id, g.id) = (e.tenant_id, e.grant_id)
         group by t.tenant_id, t.id, t.kind, t.reference`,
      )
    ).map(row => ({ key: `${customer(row['tenant'])} ${row['name']}`, value: row['value'] ?? '' })),
    credits: (
      await read(
        `select g.tenant_id as tenant, g.kind, trim_scale(b.balance) || ' left' as value
         from credit_grant g left join credit_balance b on (b.tenant_id, b.grant_id) = (g.tenant_id, g.id)`,
      )
    ).map(row => ({ key: `${customer(row['tenant'])} ${row['kind']}`, value: row['value'] ?? '' })),
    audit: [
      ...(await chains(client, ids)),
      ...(
        await read(
          `select action, count(*) as n from audit_line
           where action in ('spend_alert.fired', 'invoice.drafted', 'invoice.issued', 'webhook_delivery.queued',
             'credit_grant.created', 'credit_grant.expired') group by action`,
        )
      ).map(row => ({ key: row['action'] ?? '', value: `${row['n']} times` })),
    ],
    facts: (
      await read(
        `select 'outbox' as key, count(*) || ' facts' as value from outbox union all
         select 'deliveries asked for', count(distinct j.data ->> 'deliveryId')::text from bullmq.job j
           join webhook_delivery d on d.id = j.data ->> 'deliveryId' union all
         select 'claims in the intake', coalesce(sum(cardinality(ids)), 0)::text from outcome_intake union all
         select 'entries that wait at windows', count(*)::text from limit_entry union all
         select 'tenants asked to be settled', count(distinct data ->> 'tenantId')::text from bullmq.job where name = 'outcomes.settle' union all
         select 'tenants asked to be rated', count(distinct data ->> 'tenantId')::text from bullmq.job where name = 'rating.rate-tenant'`,
      )
    ).map(row => ({ key: row['key'] ?? '', value: row['value'] ?? '' })),
  };
}

/** What windows have come to: their rows, and what waits to be counted into them. */
const WINDOWS = `select limit_id, start, used, held from limit_window union all select limit_id, start, used, held from limit_entry`;

/** What must agree with itself at every moment, also right after a crash: nothing is half done. */
export async function incoherences(client: pg.Client, ids: Ids): Promise<Fault[]> {
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
       where status = 'ISSUED' and not exists (select from webhook_delivery d where d.message_id = 'msg_' || i.id)
     union all
     select 'wrong', format('the window %s of %s holds %s, its holds %s', start, limit_id, coalesce(w.held, 0), coalesce(h.held, 0))
       from (select limit_id, start, sum(held) as held from (${WINDOWS}) counted group by 1, 2) w
       full join (
         select part ->> 'limitId' as limit_id, (part ->> 'windowStart')::timestamptz as start, sum((part ->> 'amount')::numeric) as held
         from hold, jsonb_array_elements(parts) part where state = 'HELD' group by 1, 2
       ) h using (limit_id, start) where coalesce(w.held, 0) <> coalesce(h.held, 0)
     union all
     select 'wrong', format('the window %s of %s has used %s, its events %s', start, limit_id, coalesce(w.used, 0), coalesce(e.used, 0))
       from (select limit_id, start, sum(used) as used from (${WINDOWS}) counted group by 1, 2) w
       full join (
         select b.id as limit_id, case b.per when 'MONTH' then date_trunc('month', u.time, 'UTC') else to_timestamp(0) end as start,
           sum((u.properties ->> 'units')::numeric * $2) as used
         from budget b join usage_event u on u.type = 'agent.run' and b.tenant_id in (u.tenant_id, $1) group by 1, 2
       ) e using (limit_id, start) where coalesce(w.used, 0) <> coalesce(e.used, 0)
     union all
     select 'wrong', format('hold %s is %s of %s, used %s, with an overrun of %s', idempotency_key, state, amount, actual, overrun) from hold
       where overrun <> greatest(0, coalesce(actual, 0) - case when state = 'EXPIRED' then 0 else amount end)
         or (state = 'SETTLED') and actual is null or state in ('HELD', 'VOIDED') and actual is not null
     union all
     select 'wrong', format('credits %s come to %s', transaction_id, sum(amount)) from credit_entry group by transaction_id having sum(amount) <> 0
     union all
     select 'lost', format('%s %s of credits has no entries', kind, reference) from credit_transaction t
       where not exists (select from credit_entry e where (e.tenant_id, e.transaction_id) = (t.tenant_id, t.id))
     union all
     select 'wrong', format('%s credits are left, the entries say %s', b.balance, sum(e.amount)) from credit_balance b
       left join credit_entry e on (e.tenant_id, e.grant_id) = (b.tenant_id, b.grant_id) group by b.tenant_id, b.grant_id, b.balance
       having b.balance is distinct from sum(e.amount)`,
    [ids.platform, priceOfRun(SCENARIO)],
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

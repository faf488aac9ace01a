import { query, type Scope } from '../platform/index.js';
import { customerOf } from './customer.rules.js';
import type { CaseName, EventPlace } from './settle.queries.js';
import type { TenantRules } from './tenant-rules.js';

const AT_A_TIME = 5_000;

interface Nameless extends EventPlace {
  readonly time: Date;
  readonly subject: string | null;
  readonly properties: Readonly<Record<string, unknown>>;
}

/**
 * Takes the customers of events that were taken in when no rule said where an event names one: what an event means must not
 * depend on whether it came before or after the rule. Returns those that have one now. The caller holds the rating lock.
 */
export async function takeCustomersAnew(tx: Scope, rules: TenantRules): Promise<readonly CaseName[]> {
  const named: CaseName[] = [];

  for (let after: EventPlace | null = { id: '', source: '' }; rules.namesCustomers && after;) {
    const events: Nameless[] = await nameless(tx, after);
    const found = events.flatMap(({ id, source, subject, time, properties }): CaseName[] => {
      const customer = customerOf(properties, rules.customerPropertyAt(time));

      return customer === null ? [] : [{ id, source, subject, customer }];
    });

    if (found.length > 0) {
      await query(
        tx,
        `update outcome_event e set customer = n.customer
         from unnest($2::text[], $3::text[], $4::text[]) as n (id, source, customer)
         where e.tenant_id = $1 and e.id = n.id and e.source = n.source and e.customer is null`,
        [
          tx.tenantId,
          found.map(({ id }) => id),
          found.map(({ source }) => source),
          found.map(({ customer }) => customer),
        ],
      );
    }

    named.push(...found);
    after = events.length === AT_A_TIME ? (events.at(-1) ?? null) : null;
  }

  return named;
}

/** Events without a customer, in the order of their ids, after one of them. */
async function nameless(tx: Scope, after: EventPlace): Promise<Nameless[]> {
  return query<Nameless>(
    tx,
    `select e.id, e.source, e.time, e.subject, u.properties
     from outcome_event e join usage_event u on u.tenant_id = e.tenant_id and u.id = e.id and u.source = e.source
     where e.tenant_id = $1 and e.customer is null and (e.id, e.source) > ($2, $3) order by e.id, e.source
     limit ${AT_A_TIME}`,
    [tx.tenantId, after.id, after.source],
  );
}

// Many callers at once against nested budgets: authorize, settle, void, expire and plain recording, in any interleaving, now
// and then told twice at once.
import { randomUUID } from 'node:crypto';
import type { App } from '../../src/app.js';
import { decimal, formatDecimal, sum } from '../../src/money/index.js';
import type { Scope } from '../../src/platform/index.js';
import { aBudget } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import type { Product } from '../support/product.js';
import { aChain, type Chain } from './support.js';

export interface StormOptions {
  readonly callers: number;
  /** Of all callers together. */
  readonly operations: number;
  /** How many budgets lie over one another: 1 is the platform's, 3 are the platform's, the reseller's and the customer's. */
  readonly levels: 1 | 3;
  readonly seed: number;
}

export interface StormTold {
  /** How many operations of each kind there were. */
  readonly done: Readonly<Record<string, number>>;
  readonly faults: readonly string[];
}

/**
 * A trigger of the test's own refuses any step in which more is held than there is room for: whatever the product decided
 * on, the database has seen each step one after the other.
 */
export async function watchWindows(product: Product): Promise<void> {
  await asSuperuser(
    product.database,
    `create function storm_watch() returns trigger language plpgsql as $$
     begin
       if new.held > old.held and new.used + new.held >
          (select amount from budget b where b.tenant_id = new.tenant_id and b.id = new.limit_id) then
         raise exception 'held beyond the limit: % + % of %', new.used, new.held, new.limit_id;
       end if;
       return new;
     end $$`,
    [],
  );
  await asSuperuser(
    product.database,
    'create trigger storm_watch before update on limit_window for each row execute function storm_watch()',
    [],
  );
}

/** One storm on a chain of its own. Callers are spread over the processes, which all work on the product's database. */
export async function storm(
  product: Product,
  processes: readonly App[],
  { callers, operations, levels, seed }: StormOptions,
): Promise<StormTold> {
  const chain = await aChain(product, 4);
  const owners = levels === 1 ? [chain.resellerId] : [product.platformId, chain.resellerId, ...chain.customerIds];
  const limitIds: string[] = [];
  // Little enough that much of a storm beats against it.
  const limit = 2 * Math.ceil(operations / 4);

  for (const tenantId of owners) {
    const isLeaf = chain.customerIds.includes(tenantId);
    limitIds.push(
      await aBudget(product, {
        tenantId,
        amount: String(isLeaf ? limit / 2 : limit),
        per: null,
        ...(tenantId === product.platformId ? { countedTenantId: chain.resellerId } : {}),
      }),
    );
  }

  const at = (place: number): App => processes[place % processes.length] ?? product.app;
  const done: Record<string, number> = {};
  const faults: string[] = [];
  const dice = diceOf(seed);
  let left = operations;
  await Promise.all(
    Array.from({ length: callers }, async (_, place) => {
      const apps = { app: at(place), other: at(place + 1) };
      const open: { readonly holdId: string; readonly tenantId: string; readonly amount: number }[] = [];

      while (left > 0) {
        left -= 1;
        const what = await step(apps, chain, dice, open).catch((error: unknown) => {
          faults.push(error instanceof Error ? error.message : String(error));

          return 'fault';
        });
        done[what] = (done[what] ?? 0) + 1;
      }
    }),
  );
  faults.push(...(await faultsOf(product, chain, limitIds)));
  await endAll(at(0), owners, chain);
  faults.push(...(await faultsOf(product, chain, limitIds)), ...(await leaksOf(product, limitIds)));

  return { done, faults };
}

/** The time of all holds is over, and what waits at the windows is counted in: what is held by then, nobody holds. */
async function endAll(app: App, owners: readonly string[], { customerIds }: Chain): Promise<void> {
  const later = (id: string): Scope => ({ ...scopeOf(app, id), now: new Date(app.clock().getTime() + 3_600_000) });

  for (const tenantId of customerIds) {
    await app.services.settling.expire(later(tenantId));
  }

  for (const tenantId of owners) {
    await app.services.budgets.fold(later(tenantId));
  }
}

function scopeOf(app: App, tenantId: string): Scope {
  return app.scopeOf(tenantId, { kind: 'cli', id: 'storm' });
}

interface OpenHold {
  readonly holdId: string;
  readonly tenantId: string;
  readonly amount: number;
}

async function step(
  { app, other }: { readonly app: App; readonly other: App },
  { customerIds, eventType }: Chain,
  dice: (sides: number) => number,
  open: OpenHold[],
): Promise<string> {
  const { settling, usage } = app.services;
  const scope = (id: string): Scope => scopeOf(app, id);
  const tenantId = customerIds[dice(customerIds.length)] ?? '';
  const by = { tenantId, keyId: 'key_storm' };
  const kind = dice(10);
  const hold = kind >= 5 && kind < 9 ? open.splice(dice(open.length), 1)[0] : undefined;
  // Who hears nothing asks again, and another process may get it.
  const apps = dice(6) === 0 ? [app, other] : [app];
  const event = (tokens: number, of: string) => ({
    id: randomUUID(),
    type: eventType,
    time: app.clock().toISOString(),
    tenant: of,
    properties: { tokens: String(tokens), model: 'm' },
  });

  if (hold && kind < 7) {
    // Less than was held, or now and then more.
    const tokens = dice(8) === 0 ? hold.amount + 1 : dice(hold.amount + 1);
    const events = [event(tokens, hold.tenantId)];
    const answers = await Promise.all(
      apps.map(one =>
        one.services.settling.settle(
          scopeOf(one, hold.tenantId),
          { holdId: hold.holdId, events },
          { tenantId: hold.tenantId, keyId: 'key_storm' },
        ),
      ),
    );
    const states = new Set(answers.map(told => told.hold?.state));

    if (answers.some(told => !told.hold?.actual?.eq(tokens)) || states.size !== 1) {
      throw new Error(`settled with ${tokens}, ${hold.holdId} was told as ${JSON.stringify(answers)}`);
    }

    return `${states.has('SETTLED') ? 'settled' : 'settled late'}${tokens > hold.amount ? ' above' : ''}${again(apps)}`;
  }

  if (hold && kind === 7) {
    await settling.void(scope(hold.tenantId), hold.holdId);

    return 'voided';
  }

  if (hold) {
    // Its time is over for everybody; whoever settles it later has come too late.
    await settling.expire({ ...scope(hold.tenantId), now: new Date(app.clock().getTime() + 3_600_000) });

    return 'expired';
  }

  if (kind === 9 && dice(4) === 0) {
    await usage.accept(scope(tenantId), [event(1, tenantId)], { keyId: 'key_storm', isDryRun: false });

    return 'recorded';
  }

  const amount = 1 + dice(9);
  const request = {
    estimate: {
      eventType,
      properties: { tokens: String(amount), model: 'm' },
      model: null,
      serviceTier: null,
      tokens: [],
    },
    feature: null,
    region: null,
    idempotencyKey: randomUUID(),
    expiresInSeconds: 600,
  };
  const answers = await Promise.all(apps.map(one => one.services.holds.authorize(scopeOf(one, tenantId), request, by)));
  // One may be refused just before, or just after, there is room for the other.
  const [holdId, ...others] = new Set(answers.flatMap(answer => answer.holdId ?? []));

  if (others.length > 0) {
    throw new Error(`one key is two holds: ${holdId} and ${others.join()}`);
  }

  if (holdId === undefined) {
    return `refused${again(apps)}`;
  }

  open.push({ holdId, tenantId, amount });

  return `held${again(apps)}`;
}

function again(apps: readonly App[]): string {
  return apps.length > 1 ? ' again' : '';
}

/** Recounts every window from the holds and the events themselves. */
async function faultsOf(product: Product, { customerIds }: Chain, limitIds: readonly string[]): Promise<string[]> {
  const { database } = product;
  const windows = await asSuperuser<{ limit_id: string; tenant_id: string; used: string; held: string }>(
    database,
    `select limit_id, tenant_id, sum(used)::text as used, sum(held)::text as held from (
       select tenant_id, limit_id, used, held from limit_window
       union all select tenant_id, limit_id, used, held from limit_entry
     ) total where limit_id = any ($1) group by 1, 2`,
    [limitIds],
  );
  const parts = await asSuperuser<{ limit_id: string; held: string }>(
    database,
    `select part->>'limitId' as limit_id, sum((part->>'amount')::numeric)::text as held
     from hold, jsonb_array_elements(parts) part where state = 'HELD' and tenant_id = any ($1) group by 1`,
    [customerIds],
  );
  const events = await asSuperuser<{ tenant_id: string; used: string }>(
    database,
    `select tenant_id, sum((properties->>'tokens')::numeric)::text as used from usage_event
     where tenant_id = any ($1) group by 1`,
    [customerIds],
  );
  const held = new Map(parts.map(row => [row.limit_id, decimal(row.held)]));
  const total = sum(events.map(row => decimal(row.used)));
  const faults: string[] = [];

  for (const window of windows) {
    const wantedHeld = formatDecimal(held.get(window.limit_id) ?? decimal('0'));
    const own = events.find(row => row.tenant_id === window.tenant_id);
    const wantedUsed = formatDecimal(customerIds.includes(window.tenant_id) ? decimal(own?.used ?? '0') : total);

    if (formatDecimal(decimal(window.held)) !== wantedHeld) {
      faults.push(`${window.limit_id} holds ${window.held}, and its holds ${wantedHeld}`);
    }

    if (formatDecimal(decimal(window.used)) !== wantedUsed) {
      faults.push(`${window.limit_id} has used ${window.used}, and its events ${wantedUsed}`);
    }
  }

  const over = await asSuperuser<{ id: string }>(
    database,
    `select id from hold where tenant_id = any ($1) and overrun <> case when actual is null then 0
       when state = 'SETTLED' then greatest(0, actual - amount) else actual end`,
    [customerIds],
  );

  return [...faults, ...over.map(({ id }) => `the overrun of ${id} is wrong`)];
}

/** What is held although no hold is, and what waits to be counted in although nobody is left to do it. */
async function leaksOf({ database }: Product, limitIds: readonly string[]): Promise<string[]> {
  const rows = await asSuperuser<{ fault: string }>(
    database,
    `select format('%s holds %s for nobody', limit_id, held) as fault from limit_window where limit_id = any ($1) and held <> 0
     union all select format('%s has not counted %s in', limit_id, used) from limit_entry where limit_id = any ($1)`,
    [limitIds],
  );

  return rows.map(({ fault }) => fault);
}

/** The same throws for the same seed (mulberry32). */
function diceOf(seed: number): (sides: number) => number {
  let state = seed;

  return sides => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;

    return sides < 1 ? 0 : ((t ^ (t >>> 14)) >>> 0) % sides;
  };
}

import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { createApp, type App } from '../../src/app.js';
import { verifyTenantCredits } from '../../src/commands/credits-verify.js';
import { decimal, formatDecimal } from '../../src/money/index.js';
import { DomainError, type Scope } from '../../src/platform/index.js';
import { aGrant } from '../credits/credits.js';
import { aBudget, aContract } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aProduct, type Product } from '../support/product.js';
import { aChain, type Chain } from './support.js';

const NOW = new Date('2026-11-10T12:00:00Z');
const HOUR_MS = 3_600_000;

/** What one of many callers does; numbers choose among what is there. */
const who = fc.nat(2);
const some = fc.integer({ min: 1, max: 9 });
const calm = [
  fc.record({ kind: fc.constant('authorize' as const), who, some, isBig: fc.boolean() }),
  fc.record({ kind: fc.constant('settle' as const), which: fc.nat(), percent: fc.integer({ min: 0, max: 100 }) }),
  fc.record({ kind: fc.constant('void' as const), which: fc.nat() }),
  fc.record({ kind: fc.constant('expire' as const), who, some, isBig: fc.boolean() }),
  fc.record({ kind: fc.constant('grant' as const), who, some, isUnit: fc.boolean(), forBig: fc.constant(false) }),
  fc.record({ kind: fc.constant('transfer' as const), who, some, isDown: fc.boolean() }),
  fc.record({ kind: fc.constant('refund' as const), who, which: fc.nat() }),
] as const;
const wild = [
  fc.record({ kind: fc.constant('record' as const), who, some, isBig: fc.boolean() }),
  fc.record({ kind: fc.constant('settle' as const), which: fc.nat(), percent: fc.integer({ min: 101, max: 200 }) }),
  fc.record({ kind: fc.constant('grant' as const), who, some, isUnit: fc.boolean(), forBig: fc.constant(true) }),
  fc.record({ kind: fc.constant('lapse' as const), who }),
] as const;
type Step = (typeof calm)[number] | (typeof wild)[number] extends fc.Arbitrary<infer S> ? S : never;

interface OpenHold {
  readonly holdId: string;
  readonly tenantId: string;
  readonly amount: number;
  readonly model: string;
}

const modelOf = ({ isBig }: { readonly isBig: boolean }): string => (isBig ? 'big' : 'small');

/** A call of a tenant that takes so many dollars. */
async function ask(
  app: App,
  { eventType }: Chain,
  tenantId: string,
  { some: tokens, isBig }: { readonly some: number; readonly isBig: boolean },
  expiresInSeconds: number,
) {
  const properties = { tokens: String(tokens), model: modelOf({ isBig }) };

  return app.services.holds.authorize(
    app.scopeOf(tenantId, { kind: 'cli', id: 'storm' }),
    {
      estimate: { eventType, properties, model: null, serviceTier: null, tokens: [] },
      feature: null,
      region: null,
      idempotencyKey: randomUUID(),
      expiresInSeconds,
    },
    { tenantId, keyId: 'key_storm' },
  );
}

/** Three prepaid tenants: a reseller and two customers of it, with credits and a budget over them all. */
interface Storm {
  readonly chain: Chain;
  readonly tenantIds: readonly string[];
  readonly open: OpenHold[];
  readonly done: Record<string, number>;
}

describe('credits under many callers at once', () => {
  let product: Product;
  let processes: readonly App[];

  beforeAll(async () => {
    product = await aProduct({ now: NOW });
    const other = await createApp(
      { ...product.app.config },
      { clock: product.app.clock, jobPrefix: product.app.jobPrefix },
    );
    processes = [product.app, other];
    // Refuses any step in which more is held of a grant than is left of it: the database sees each one after the other.
    await asSuperuser(
      product.database,
      `create function credits_watch() returns trigger language plpgsql security definer as $$
       declare has numeric;
       begin
         if new.held > old.held and new.limit_id like 'crg\\_%' then
           select balance into strict has from credit_balance b where b.tenant_id = new.tenant_id and b.grant_id = new.limit_id;
           if new.held > has then
             raise exception 'held beyond the credits: % of % that are left of %', new.held, has, new.limit_id;
           end if;
         end if;
         return new;
       end $$`,
      [],
    );
    await asSuperuser(
      product.database,
      'create trigger credits_watch before update on limit_window for each row execute function credits_watch()',
      [],
    );
  });

  afterAll(async () => {
    await processes[1]?.close();
    await product.close();
  });

  const later = () => product.setClock(new Date(product.app.clock().getTime() + 2_000));

  const aStorm = async (budget = '60'): Promise<Storm> => {
    const chain = await aChain(product, 2);
    await aContract(product, { buyerId: chain.resellerId, bookId: chain.bookId });
    await aBudget(product, { tenantId: chain.resellerId, amount: budget, per: null });
    const tenantIds = [chain.resellerId, ...chain.customerIds];

    for (const tenantId of tenantIds) {
      const idempotencyKey = randomUUID();
      await product.app.services.credits.setPrepaid(product.scope(tenantId), { isPrepaid: true, idempotencyKey });
      await aGrant(product, tenantId, { amount: '12', expiresAt: new Date(product.app.clock().getTime() + HOUR_MS) });
      await aGrant(product, tenantId, { amount: '8' });
    }

    later();

    return { chain, tenantIds, open: [], done: {} };
  };

  const take = async (app: App, { chain, tenantIds, open }: Storm, step: Step): Promise<string> => {
    const { settling, usage, credits, creditTransfers } = app.services;
    const scope = (id: string): Scope => app.scopeOf(id, { kind: 'cli', id: 'storm' });
    const own = 'who' in step ? (tenantIds[step.who] ?? '') : '';
    const event = (tenant: string, tokens: number, model: string) => ({
      id: randomUUID(),
      type: chain.eventType,
      time: app.clock().toISOString(),
      tenant,
      properties: { tokens: String(tokens), model },
    });

    switch (step.kind) {
      case 'authorize': {
        const { holdId, decision } = await ask(app, chain, own, step, 600);

        if (holdId !== null) {
          open.push({ holdId, tenantId: own, amount: step.some, model: modelOf(step) });
        }

        return decision.code ?? 'held';
      }

      case 'settle': {
        const [hold] = open.splice(step.which % Math.max(open.length, 1), 1);

        if (!hold) {
          return 'nothing to settle';
        }

        const { holdId, tenantId, amount, model } = hold;
        const tokens = Math.floor((amount * step.percent) / 100);
        const events = [event(tenantId, tokens, model)];
        await settling.settle(scope(tenantId), { holdId, events }, { tenantId, keyId: 'key_storm' });

        return 'settled';
      }

      case 'void': {
        const [hold] = open.splice(step.which % Math.max(open.length, 1), 1);
        await (hold && settling.void(scope(hold.tenantId), hold.holdId));

        return 'voided';
      }

      case 'expire':
        // Of a hold that nobody settles, and of those like it: no other is that short.
        await ask(app, chain, own, step, 1);
        await settling.expire({ ...scope(own), now: new Date(app.clock().getTime() + 10_000) });

        return 'expired';

      case 'grant':
        await aGrant(product, own, {
          amount: String(step.isUnit ? step.some * 4 : step.some),
          unit: step.isUnit ? 'credit' : 'USD',
          unitWorth: step.isUnit ? { amount: '0.25', currency: 'USD' } : null,
          models: step.forBig ? ['big'] : [],
        });

        return 'granted';

      case 'transfer': {
        const [parent = '', first = '', second = ''] = tenantIds;
        const child = step.who === 1 ? first : second;
        await creditTransfers.transfer(scope(parent), {
          fromTenantId: step.isDown ? parent : child,
          toTenantId: step.isDown ? child : parent,
          unit: 'USD',
          amount: String(step.some),
          reason: null,
          idempotencyKey: randomUUID(),
        });

        return 'moved';
      }

      case 'refund': {
        const rows = await asSuperuser<{ id: string }>(
          product.database,
          'select id from credit_grant where tenant_id = $1 order by id',
          [own],
        );
        const creditGrantId = rows[step.which % rows.length]?.id ?? '';
        await credits.refund(scope(own), { creditGrantId, amount: null, reason: null, idempotencyKey: randomUUID() });

        return 'refunded';
      }

      case 'record':
        await usage.accept(scope(own), [event(own, step.some, modelOf(step))], {
          keyId: 'key_storm',
          isDryRun: false,
        });

        return 'recorded';

      case 'lapse':
        // By a clock that is ahead: what expires in an hour is gone already.
        await credits.expire({ ...scope(own), now: new Date(app.clock().getTime() + 2 * HOUR_MS) });

        return 'lapsed';

      default:
        return step satisfies never;
    }
  };

  /** All steps of a burst at once, the bursts one after the other. What is refused is; anything else thrown is a fault. */
  const run = async (storm: Storm, bursts: readonly (readonly Step[])[]): Promise<string[]> => {
    const faults: string[] = [];

    for (const burst of bursts) {
      await Promise.all(
        burst.map(async (step, place) => {
          const what = await take(processes[place % 2] ?? product.app, storm, step).catch((error: unknown) => {
            if (!(error instanceof DomainError)) {
              faults.push(error instanceof Error ? error.message : String(error));
            }

            return 'refused';
          });
          storm.done[what] = (storm.done[what] ?? 0) + 1;
        }),
      );
    }

    return faults;
  };

  /** What was used, and what credits have paid of it, tenant by tenant. */
  const paidOf = async ({ tenantIds }: Storm) =>
    asSuperuser<{ used: string; paid: string }>(
      product.database,
      `select coalesce((select sum((properties->>'tokens')::numeric) from usage_event where tenant_id = t.id), 0)::text as used,
         coalesce((select sum(e.pays) from credit_entry e join credit_transaction b on b.tenant_id = e.tenant_id
           and b.id = e.transaction_id where e.tenant_id = t.id and b.kind = 'BURN'), 0)::text as paid
       from unnest($1::text[]) as t (id) order by id`,
      [tenantIds],
    );

  /** Grants whose windows do not hold what the open holds say; none shall be. */
  const astray = async ({ tenantIds }: Storm) =>
    asSuperuser(
      product.database,
      `with windows as (
         select limit_id as id, sum(held) as held from (
           select tenant_id, limit_id, held from limit_window union all select tenant_id, limit_id, held from limit_entry
         ) w where tenant_id = any ($1) and limit_id like 'crg\\_%' group by 1
       ), open as (
         select part->>'limitId' as id, sum((part->>'amount')::numeric) as held
         from hold, jsonb_array_elements(parts) part where state = 'HELD' and tenant_id = any ($1) group by 1
       )
       select w.id, w.held, o.held as of_holds from windows w left join open o using (id)
       where w.held <> coalesce(o.held, 0)`,
      [tenantIds],
    );

  const bursts = (steps: readonly fc.Arbitrary<Step>[]) =>
    fc.array(fc.array(fc.oneof(...steps), { minLength: 2, maxLength: 10 }), { minLength: 2, maxLength: 5 });

  test('never more is held of a grant than is left of it, every window is what its holds say, and the ledger holds', async () => {
    await fc.assert(
      fc.asyncProperty(bursts([...calm, ...wild, calm[0], calm[0], calm[1]]), async steps => {
        const storm = await aStorm();

        expect(await run(storm, steps)).toEqual([]);
        expect(await astray(storm)).toEqual([]);
        expect(await verifyTenantCredits(product.app, () => undefined)).toBe(0);

        for (const { used, paid } of await paidOf(storm)) {
          expect(decimal(paid).lte(decimal(used))).toBe(true);
        }
      }),
      { numRuns: 12 },
    );
  }, 240_000);

  test('calls that use no more than they asked for are paid in full, whatever is moved, granted or taken off meanwhile', async () => {
    await fc.assert(
      fc.asyncProperty(bursts([...calm, calm[0], calm[0], calm[1], calm[1]]), async steps => {
        const storm = await aStorm();

        expect(await run(storm, steps)).toEqual([]);
        expect(await astray(storm)).toEqual([]);
        expect(await verifyTenantCredits(product.app, () => undefined)).toBe(0);

        for (const { used, paid } of await paidOf(storm)) {
          expect(formatDecimal(decimal(paid))).toBe(formatDecimal(decimal(used)));
        }
      }),
      { numRuns: 12 },
    );
  }, 240_000);

  test('of two hundred calls at once as many go ahead as credits reach for, and no more', async () => {
    const storm = await aStorm('100');
    const calls = Array.from({ length: 200 }, (_, n) => ({
      kind: 'authorize' as const,
      who: n % 3,
      some: 1,
      isBig: n % 2 === 0,
    }));

    expect(await run(storm, [calls])).toEqual([]);
    // Twenty dollars each, of one dollar calls.
    expect(storm.done).toEqual({ held: 60, CREDITS_EXHAUSTED: 140 });
    expect(await astray(storm)).toEqual([]);
  }, 60_000);
});

import type { App } from '../../src/app.js';
import type { Decimal } from '../../src/money/index.js';
import type { Scope } from '../../src/platform/index.js';
import type { Clock } from './flow.js';
import { type CallGiven, type Ids, SCENARIO } from './scenario.js';

const { CALLS, CREDITS } = SCENARIO;
const BY = 'key';

/** What of the product's doors the calls need at run time. */
export interface Doors {
  readonly inTransaction: <T>(scope: Scope, work: (tx: Scope) => Promise<T>) => Promise<T>;
  readonly decimal: (text: string) => Decimal;
}

/** Asks for every call, and ends each as it is to end. Throws when an answer is not what it must be at any try. */
export async function runCalls(app: App, ids: Ids, clock: Clock): Promise<void> {
  const { holds, settling } = app.services;
  const tenantId = ids.customers[CALLS.customer];
  const scope = (): Scope => app.scopeOf(tenantId, { kind: 'key', id: BY });
  const by = { tenantId, keyId: BY };
  const authorize = (key: string, units: string, expiresInSeconds: number) =>
    holds.authorize(
      scope(),
      {
        estimate: { eventType: 'agent.run', properties: { units }, model: null, serviceTier: null, tokens: [] },
        feature: null,
        region: null,
        idempotencyKey: key,
        expiresInSeconds,
      },
      by,
    );
  const settle = async (holdId: string, { end }: CallGiven): Promise<void> => {
    const { id, units, at } = end.used ?? expected('a use', end);
    clock(at);
    const events = [{ id, type: 'agent.run', time: at, tenant: tenantId, properties: { units } }];
    const { hold } = await settling.settle(scope(), { holdId, events }, by);

    if (hold?.state !== end.as || hold.actual === null) {
      expected(`a call that is ${end.as}`, hold);
    }
  };
  const asked: { readonly holdId: string; readonly call: CallGiven }[] = [];
  clock(CALLS.askedAt);

  for (const call of CALLS.calls) {
    const answer = await authorize(call.key, call.units, call.expiresInSeconds);
    const again = call.isRepeated ? await authorize(call.key, call.units, call.expiresInSeconds) : answer;

    if (answer.holdId === null || again.holdId !== answer.holdId || (call.isRepeated && !again.replayed)) {
      expected(`a hold for ${call.key}`, [answer, again]);
    }

    asked.push({ holdId: answer.holdId ?? '', call });
  }

  for (const { holdId: id, call } of asked) {
    clock(call.end.at);

    if (call.end.as === 'VOIDED') {
      const { state } = await settling.void(scope(), id);

      if (state !== 'VOIDED') {
        expected('a call that is voided', state);
      }
    } else if (call.end.as === 'EXPIRED') {
      await settling.expire(scope());
    }

    if (call.end.used) {
      await settle(id, call);
    }

    if (call.isRepeated) {
      await settle(id, call);
    }
  }
}

/** Grants credits, burns some and gives a part of that back, as whoever bills would. */
export async function runCredits(app: App, ids: Ids, clock: Clock, { inTransaction, decimal }: Doors): Promise<void> {
  const { credits, creditBurns } = app.services;
  const { paid, burn, reversal } = CREDITS;
  const scope = (): Scope => app.scopeOf(ids.customers[CREDITS.customer], { kind: 'job', id: 'crash-test' });
  clock(paid.at);
  await credits.grant(scope(), {
    kind: 'PAID',
    unit: 'USD',
    unitWorth: null,
    amount: paid.amount,
    costBasis: { amount: paid.amount, currency: 'USD' },
    priority: 1,
    meterIds: [ids.meters.runs],
    models: [],
    effectiveAt: null,
    expiresAt: null,
    idempotencyKey: 'paid',
  });
  clock(burn.at);
  await inTransaction(scope(), tx =>
    creditBurns.burn(tx, [
      {
        reference: burn.reference,
        at: new Date(burn.at),
        currency: 'USD',
        uses: [{ meterId: ids.meters.runs, dimensions: {}, amount: decimal(burn.amount) }],
      },
    ]),
  );
  clock(reversal.at);
  await inTransaction(scope(), tx =>
    creditBurns.reverse(tx, {
      reference: reversal.reference,
      burnReference: burn.reference,
      amount: decimal(reversal.amount),
      at: new Date(reversal.at),
      reason: null,
    }),
  );
}

/** What is left to be done when all has happened: credits that are over, and usage that waits at its windows. */
export async function runLeftovers(app: App, ids: Ids, clock: Clock): Promise<void> {
  const scope = (tenantId: string): Scope => app.scopeOf(tenantId, { kind: 'job', id: 'crash-test' });
  clock(CREDITS.expireAt);
  await app.services.credits.expire(scope(ids.customers[CREDITS.customer]));

  for (const tenantId of [ids.customers[CALLS.customer], ids.platform]) {
    await app.services.budgets.fold(scope(tenantId));
  }
}

function expected(what: string, found: unknown): never {
  throw new Error(`${what} was expected, not ${JSON.stringify(found)}`);
}

import { decimal, type Decimal } from '../money/index.js';
import { preparedQuery, type Scope } from '../platform/index.js';
import type { HoldState } from './budget.entity.js';
import type { CreditCover } from './credit-cover.js';
import { ALLOWED, type Decision, type LimitShown, refusal, shownTo } from './decision.rules.js';
import { keepHolds, limitsOf, lockWindows, type NewHold, standingsOf, type WindowPlace } from './limit.queries.js';
import { type Limit, shareOf, type Use } from './limit.rules.js';
import { coverOf, type Funds, placesOf } from './prepaid.rules.js';
import { type Beyond, type HeldPart, isOfOtherCurrency, reserve, Standings, windowName } from './reserve.rules.js';
import { rolledOver, windowBefore } from './rollover.rules.js';

/** Who asks: the tenant of the key, and the key. */
export interface AskedBy {
  readonly tenantId: string;
  readonly keyId: string;
}

export interface Authorized {
  readonly decision: Decision;
  /** Null when it is refused; of HOLD_ENDED the hold that it had. */
  readonly holdId: string | null;
  readonly expiresAt: Date | null;
  readonly amount: Decimal | null;
  readonly currency: string | null;
  /** What has become of it since, where the same was asked before. */
  readonly state: HoldState | null;
  readonly replayed: boolean;
}

/** A call that is asked about. */
export interface Question {
  readonly scope: Scope;
  readonly by: AskedBy;
  readonly use: Use;
  /** What the tenant was given, as limits. */
  readonly own: readonly Limit[];
  /** Whether it may go ahead only as far as the tenant's credits reach. */
  readonly isPrepaid: boolean;
}

/** A call that is to be held. */
export interface Ask extends Question {
  readonly hold: NewHold;
}

export type Answer = Authorized | 'KEY_REUSED';

/** Another process kept a hold under one of the keys while we decided: everything is decided again, with it in sight. */
export class Overtaken extends Error {}

export function refused(decision: Decision): Authorized {
  return { decision, holdId: null, expiresAt: null, amount: null, currency: null, state: null, replayed: false };
}

/** The limits that look at some uses. */
interface LimitsAsked {
  /** Those that one of them is asked about: what tenants were given binds their own calls only, whoever asks beside them. */
  of(ask: Question): readonly Limit[];
  /** The windows of all, each once. */
  readonly places: readonly WindowPlace[];
}

/** The limits that look at any of these uses: budgets, and of each use what its tenant was given. */
async function limitsAsked(tx: Scope, lineage: readonly string[], asks: readonly Question[]): Promise<LimitsAsked> {
  const all = await limitsOf(tx, { lineage, keyIds: asks.map(({ by }) => by.keyId), now: tx.now });
  const budgets = all.filter(limit => asks.some(({ use }) => shareOf(limit, use) !== null));
  const given = new Set(asks.flatMap(({ own, use }) => own.filter(limit => shareOf(limit, use) !== null)));
  const rolled = await withRollover(tx, [...given]);
  const places = new Map(
    [...budgets, ...rolled.values()].map(({ ownerId, id, windowStart }) => [
      windowName(ownerId, id, windowStart),
      { tenantId: ownerId, limitId: id, windowStart },
    ]),
  );

  return {
    of: ({ own }) => [...budgets, ...own.flatMap(limit => rolled.get(limit) ?? [])],
    places: [...places.values()],
  };
}

/** Each by itself, as if nobody else asked. */
export async function answerTogether(
  tx: Scope,
  lineage: readonly string[],
  asks: readonly Question[],
  cover: CreditCover,
): Promise<readonly Decision[]> {
  if (asks.some(({ isPrepaid }) => isPrepaid)) {
    // One picture of credits and of what is held of them: who settles takes from both.
    await tx.em.execute('set transaction isolation level repeatable read');
  }

  const funds = await cover.look(tx, asks);
  const limits = await limitsAsked(tx, lineage, asks);
  const known = await standingsOf(tx, [...limits.places, ...placesOf(funds)]);

  return asks.map(ask => decide(ask, limits.of(ask), funds, { at: tx.now, standings: new Standings(known) }).decision);
}

/** Decides on one use, and holds in the standings what it takes. */
function decide(
  { use, by, isPrepaid }: Question,
  limits: readonly Limit[],
  funds: Funds,
  { at, standings }: { readonly at: Date; readonly standings: Standings },
): { readonly decision: Decision; readonly parts: readonly HeldPart[] } {
  if (limits.some(limit => limit.mode === 'HARD' && isOfOtherCurrency(limit, use) && shareOf(limit, use) !== null)) {
    const message = `a budget above this call is not in ${use.currency}, in which it is priced`;

    return { decision: refusal('CURRENCY_MISMATCH', message), parts: [] };
  }

  const { refusedBy, beyond, parts } = reserve(limits, use, standings);
  const shown = (one: Beyond): LimitShown => shownTo(by.tenantId, use.lineage, one);

  if (refusedBy) {
    const decision = { ...refusal('LIMIT_EXCEEDED', 'a limit leaves no room for this'), limit: shown(refusedBy) };

    return { decision, parts: [] };
  }

  const covered = isPrepaid ? coverOf(funds, use, at, standings) : [];

  if (!covered) {
    return { decision: refusal('CREDITS_EXHAUSTED', EXHAUSTED), parts: [] };
  }

  const taken = [...parts, ...covered];
  standings.hold(taken);

  return { decision: { ...ALLOWED, beyond: beyond.map(shown) }, parts: taken };
}

const EXHAUSTED =
  'the credits of the tenant that no open call has set aside do not reach for this at its worst: add credits, or settle or void open calls, and ask again';

/** First come first served, in one transaction; `looksBack` when some of the keys are known to be taken. */
export async function decideTogether(
  tx: Scope,
  lineage: readonly string[],
  asks: readonly Ask[],
  cover: CreditCover,
  looksBack: boolean,
): Promise<readonly Answer[]> {
  const funds = await cover.lock(tx, asks);
  const limits = await limitsAsked(tx, lineage, asks);
  const standings = new Standings(await lockWindows(tx, [...limits.places, ...placesOf(funds)]));
  const known = looksBack ? await holdsByKey(tx, asks) : new Map<string, KnownHold>();
  const fresh: NewHold[] = [];
  const answers = asks.map((ask): Answer => {
    const { hold } = ask;
    const earlier = known.get(keyName(hold));

    if (earlier) {
      return answerAgain(earlier, hold, tx.now);
    }

    const { decision, parts } = decide(ask, limits.of(ask), funds, { at: tx.now, standings });

    if (!decision.isAllowed) {
      return refused(decision);
    }

    const kept = { ...hold, parts, state: 'HELD' as const };
    fresh.push(kept);
    known.set(keyName(hold), kept);

    return { ...replayOf(kept, tx.now), decision, replayed: false };
  });

  // What is refused may have been held before, and have taken the very room that it is refused for.
  const declined = asks.filter((_, place) => isRefusal(answers[place]));

  if (!looksBack && declined.length > 0 && (await holdsByKey(tx, declined)).size > 0) {
    throw new Overtaken();
  }

  const touched = new Map(
    fresh.flatMap(({ parts }) => parts.map(part => [windowName(part.tenantId, part.limitId, part.windowStart), part])),
  );
  const kept = await keepHolds(
    tx,
    fresh,
    [...touched].map(([name, part]) => ({ ...part, held: standings.of(name).held })),
  );

  if (kept.size < fresh.length) {
    throw new Overtaken();
  }

  return answers;
}

interface KnownHold extends Pick<NewHold, 'id' | 'requestHash' | 'expiresAt' | 'amount' | 'currency'> {
  readonly state: HoldState;
}

/** What was given back, or is about to be, is no yes any more: its room is for others. What was settled has been one. */
function replayOf({ id, expiresAt, amount, currency, state }: KnownHold, now: Date): Authorized {
  const isOpen = state === 'SETTLED' || (state === 'HELD' && expiresAt > now);
  const decision = isOpen ? ALLOWED : refusal('HOLD_ENDED', ENDED);

  return { decision, holdId: id, expiresAt, amount, currency, state, replayed: true };
}

const ENDED = 'this was held before, and given back since or its time is over: ask again with a new idempotency key';

function keyName({ tenantId, idempotencyKey }: Pick<NewHold, 'tenantId' | 'idempotencyKey'>): string {
  return `${tenantId} ${idempotencyKey}`;
}

async function holdsByKey(tx: Scope, asks: readonly { readonly hold: KeyOfHold }[]): Promise<Map<string, KnownHold>> {
  const rows = await preparedQuery<{
    tenantId: string;
    idempotencyKey: string;
    id: string;
    requestHash: string;
    expiresAt: Date;
    amount: string;
    currency: string;
    state: HoldState;
  }>(
    tx,
    `select tenant_id as "tenantId", idempotency_key as "idempotencyKey", id, request_hash as "requestHash",
       expires_at as "expiresAt", amount::text, currency, state
     from hold where (tenant_id, idempotency_key) in (select * from unnest($1::text[], $2::text[]))`,
    [asks.map(({ hold }) => hold.tenantId), asks.map(({ hold }) => hold.idempotencyKey)],
  );

  return new Map(rows.map(row => [keyName(row), { ...row, amount: decimal(row.amount) }]));
}

/** Limits by what they were, with what was left in the window before where they say so. */
async function withRollover(tx: Scope, limits: readonly Limit[]): Promise<Map<Limit, Limit>> {
  const rolling = limits.flatMap(limit => (limit.rollover ? [{ limit, before: windowBefore(limit) }] : []));
  const known =
    rolling.length === 0
      ? new Map<string, never>()
      : await standingsOf(
          tx,
          rolling.map(({ limit: { ownerId, id }, before }) => ({
            tenantId: ownerId,
            limitId: id,
            windowStart: before,
          })),
        );

  return new Map(
    limits.map(limit => [
      limit,
      limit.rollover ? rolledOver(limit, known.get(windowName(limit.ownerId, limit.id, windowBefore(limit)))) : limit,
    ]),
  );
}

/** What says that a hold was asked for before. */
export type KeyOfHold = Pick<NewHold, 'tenantId' | 'idempotencyKey' | 'requestHash'>;

/** The answer that an earlier call with this key has had; null when there was none. In a transaction of the tenant. */
export async function earlierAnswer(tx: Scope, hold: KeyOfHold): Promise<Answer | null> {
  const earlier = (await holdsByKey(tx, [{ hold }])).get(keyName(hold));

  return earlier ? answerAgain(earlier, hold, tx.now) : null;
}

function answerAgain(earlier: KnownHold, hold: KeyOfHold, now: Date): Answer {
  return earlier.requestHash === hold.requestHash ? replayOf(earlier, now) : 'KEY_REUSED';
}

function isRefusal(answer: Answer | undefined): boolean {
  return answer !== undefined && answer !== 'KEY_REUSED' && !answer.decision.isAllowed;
}

import express, { type Request, type RequestHandler, type Response } from 'express';
import type { Caller } from '../access/index.js';
import type { App } from '../app.js';
import {
  callAsked,
  type CallBody,
  type Decision,
  type FailModeTold,
  readCallBody,
  type StoredHold,
} from '../budgets/index.js';
import { formatDecimal } from '../money/index.js';
import { DomainError, ErrorCode, type Scope } from '../platform/index.js';
import { parseExactly } from '../usage/index.js';
import { CALL_BODY_LIMIT, problem, requestIdOf } from './answers.js';
import type { CallAnswer, HoldAnswer, LimitAnswer } from './call-answers.js';
import { callerOf, KEY_WANTED } from './keys.js';

const DEFAULT_SECONDS = 600;
/** How far a caller's clock may be from ours. */
const MOST_SKEW_MS = 300_000;

const STATUS: Partial<Record<ErrorCode, number>> = {
  [ErrorCode.NOT_FOUND]: 404,
  [ErrorCode.FORBIDDEN]: 403,
  [ErrorCode.ALREADY_EXISTS]: 409,
  [ErrorCode.IDEMPOTENCY_KEY_REUSED]: 409,
};

/** Who asks, on behalf of which tenant. */
interface Asked<Body> {
  readonly body: Body;
  readonly scope: Scope;
  readonly by: { readonly tenantId: string; readonly keyId: string };
  readonly isTest: boolean;
}

/** `POST /v1/check`: whether a call may go ahead; holds nothing. */
export function checkRoute(app: App): RequestHandler[] {
  return route(app, 'check', async ({ body, scope, by }) => {
    const call = callAsked(body);
    const decision = await app.services.holds.check(scope, call, by);

    return answered<'check'>(200, decisionJson(decision, await app.services.featureModes.told(scope, call)));
  });
}

/** `POST /v1/authorize`: holds what a call may cost at its worst, or says why not. */
export function authorizeRoute(app: App): RequestHandler[] {
  return route(app, 'authorize', async ({ body, scope, by, isTest }) => {
    refuseSkew(body.sentAt, scope.now);
    const call = callAsked(body);

    if (isTest) {
      const decision = await app.services.holds.check(scope, call, by);
      const told = await app.services.featureModes.told(scope, call);

      return answered<'authorize'>(200, { ...decisionJson(decision, told), hold: null, isDryRun: true });
    }

    const { idempotencyKey, expiresInSeconds = DEFAULT_SECONDS } = body;
    const request = { ...call, idempotencyKey, expiresInSeconds };
    const { decision, holdId, amount, currency, expiresAt, state, replayed } = await app.services.holds.authorize(
      scope,
      request,
      by,
    );
    const hold =
      holdId && amount && currency && expiresAt && state
        ? { id: holdId, amount: formatDecimal(amount), currency, expiresAt: expiresAt.toISOString(), state, replayed }
        : null;

    const told = await app.services.featureModes.told(scope, call);

    return answered<'authorize'>(200, { ...decisionJson(decision, told), hold });
  });
}

/** `POST /v1/settle`: records what a call has used, and gives the rest of its hold back. */
export function settleRoute(app: App): RequestHandler[] {
  return route(app, 'settle', async ({ body, scope, by, isTest }) => {
    if (isTest) {
      const { rejected } = await app.services.usage.accept(scope, body.events, { keyId: by.keyId, isDryRun: true });

      return answered<'settle'>(rejected.length > 0 ? 422 : 200, { hold: null, rejected, isDryRun: true });
    }

    const { hold, rejected } = await app.services.settling.settle(scope, body, by);

    return hold
      ? answered<'settle'>(200, { hold: holdJson(hold) })
      : { status: 422, answer: { ...REJECTED, rejected } };
  });
}

/** `POST /v1/void`: gives a hold back whole. */
export function voidRoute(app: App): RequestHandler[] {
  return route(app, 'void', async ({ body, scope, isTest }) =>
    isTest
      ? answered<'void'>(200, { hold: null, isDryRun: true })
      : answered<'void'>(200, { hold: holdJson(await app.services.settling.void(scope, body.holdId)) }),
  );
}

const REJECTED = {
  error: {
    code: 'EVENTS_REJECTED',
    message: 'nothing was changed: mend the events that `rejected` names, and settle again',
  },
};

type Kind = Parameters<typeof readCallBody>[0];

function route<K extends Kind>(
  app: App,
  kind: K,
  answer: (asked: Asked<CallBody<K>>) => Promise<{ readonly status: number; readonly answer: object }>,
): RequestHandler[] {
  return [
    mayHold(app),
    express.raw({ type: () => true, limit: CALL_BODY_LIMIT }),
    async (request: Request, response: Response) => {
      try {
        const asked = await askedOf(app, kind, request, response);
        const { status, answer: body } = await answer(asked);
        response.status(status).json(body);
      } catch (error) {
        if (!(error instanceof DomainError)) {
          throw error;
        }

        const { error: told } = problem(response, error.code, error.message);
        response.status(STATUS[error.code] ?? 400).json({ error: { ...told, field: error.field } });
      }
    },
  ];
}

function mayHold(app: App): RequestHandler {
  return async (request, response, next) => {
    const caller = (await callerOf(app, request))?.caller;

    if (!caller) {
      response.status(401).json(problem(response, 'UNAUTHENTICATED', KEY_WANTED));
    } else if (!caller.permissions.has('holds:write')) {
      response.status(403).json(problem(response, 'FORBIDDEN', 'this key lacks the permission holds:write'));
    } else {
      response.locals['caller'] = caller;
      next();
    }
  };
}

async function askedOf<K extends Kind>(
  app: App,
  kind: K,
  request: Request,
  response: Response,
): Promise<Asked<CallBody<K>>> {
  const { tenantId, keyId, isTest } = response.locals['caller'] as Caller;
  const body = readCallBody(kind, jsonOf(request.body));
  const own = app.scopeOf(tenantId, { kind: 'key', id: keyId }, requestIdOf(response));

  return { body, scope: await app.services.tenants.within(own, body.tenantId), by: { tenantId, keyId }, isTest };
}

function jsonOf(body: unknown): unknown {
  try {
    return parseExactly(Buffer.isBuffer(body) ? new TextDecoder('utf-8', { fatal: true }).decode(body) : '');
  } catch {
    throw DomainError.invalid('the body is not JSON in UTF-8', []);
  }
}

/** A caller whose clock is wrong would hold in another window than it thinks. */
function refuseSkew(sentAt: string | undefined, now: Date): void {
  if (sentAt !== undefined && Math.abs(Date.parse(sentAt) - now.getTime()) > MOST_SKEW_MS) {
    throw new DomainError(
      ErrorCode.CLOCK_SKEW,
      `sentAt is more than five minutes from ${now.toISOString()}: set the clock of the caller right`,
      ['sentAt'],
    );
  }
}

/** The compiler says here when what is answered is no longer what callers are told of. */
function answered<K extends Kind>(status: number, answer: CallAnswer<K>) {
  return { status, answer };
}

function decisionJson(
  { isAllowed, code, message, limit, beyond }: Decision,
  told: FailModeTold | null,
): CallAnswer<'check'> {
  return {
    isAllowed,
    code,
    message,
    limit: limit && limitJson(limit),
    beyond: beyond.map(limitJson),
    failMode: told && {
      mode: told.mode,
      cap: told.cap && formatDecimal(told.cap),
      share: told.share && formatDecimal(told.share),
    },
  };
}

function limitJson({ most, used, held, remaining, resetsAt, ...limit }: Decision['beyond'][number]): LimitAnswer {
  const texts = Object.entries({ most, used, held, remaining }).map(([name, value]) => [
    name,
    value && formatDecimal(value),
  ]);

  return {
    ...limit,
    ...(Object.fromEntries(texts) as Record<'most' | 'used' | 'held' | 'remaining', string | null>),
    resetsAt: resetsAt?.toISOString() ?? null,
  };
}

function holdJson({ id, state, currency, amount, expiresAt, actual, overrun }: StoredHold): HoldAnswer {
  return {
    id,
    state,
    currency,
    amount: formatDecimal(amount),
    expiresAt: expiresAt.toISOString(),
    actual: actual && formatDecimal(actual),
    overrun: formatDecimal(overrun),
  };
}

import express, { type Request, type RequestHandler, type Response } from 'express';
import type { Caller } from '../access/index.js';
import type { App } from '../app.js';
import { readUsageBody } from '../usage/index.js';
import { problem, requestIdOf, USAGE_BODY_LIMIT } from './answers.js';
import type { CallAnswer } from './call-answers.js';
import { callerOf, KEY_WANTED } from './keys.js';

// Parsed usage takes several times the memory of its bytes; this keeps a server within a few hundred MB.
const MAX_IN_FLIGHT = 24 * 2 ** 20;
const MAX_BODY = 10 * 2 ** 20;

/** `POST /v1/usage`: the key first, then room for the body, then the body. */
export function usageRoute(app: App): RequestHandler[] {
  return [
    mayRecord(app),
    holdBack(),
    express.raw({ type: () => true, limit: USAGE_BODY_LIMIT }),
    (request, response) => accept(app, request, response),
  ];
}

function mayRecord(app: App): RequestHandler {
  return async (request, response, next) => {
    const caller = (await callerOf(app, request))?.caller;

    if (!caller) {
      response.status(401).json(problem(response, 'UNAUTHENTICATED', KEY_WANTED));
    } else if (!caller.permissions.has('usage:write')) {
      response.status(403).json(problem(response, 'FORBIDDEN', 'this key lacks the permission usage:write'));
    } else {
      response.locals['caller'] = caller;
      next();
    }
  };
}

/** Bounds the bytes of usage in flight, and so the memory they take: what comes on top is told to come again. */
function holdBack(): RequestHandler {
  let inFlight = 0;

  return (request, response, next) => {
    // A compressed body, or one of unknown length, may grow to the limit of a body.
    const isPlain = request.headers['content-encoding'] === undefined;
    const length = isPlain ? Number(request.headers['content-length'] ?? MAX_BODY) : MAX_BODY;
    const bytes = Math.min(Number.isNaN(length) ? MAX_BODY : length, MAX_IN_FLIGHT);

    if (inFlight > 0 && inFlight + bytes > MAX_IN_FLIGHT) {
      response.setHeader('retry-after', '1');
      response
        .status(503)
        .json(problem(response, 'OVERLOADED', 'too much usage at a time; send this batch again in a second'));

      return;
    }

    inFlight += bytes;
    response.once('close', () => {
      inFlight -= bytes;
    });
    next();
  };
}

async function accept(app: App, request: Request, response: Response): Promise<void> {
  const caller = response.locals['caller'] as Caller;
  const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
  const read = readUsageBody(body, request.headers['content-type'] ?? '');

  if ('refusal' in read) {
    const { status, code, message } = read.refusal;
    response.status(status).json(problem(response, code, message));

    return;
  }

  const scope = app.scopeOf(caller.tenantId, { kind: 'key', id: caller.keyId }, requestIdOf(response));
  const receipt = await app.services.usage.accept(scope, read.raw, { keyId: caller.keyId, isDryRun: caller.isTest });
  const stood = receipt.accepted + receipt.duplicates.length;
  const status = stood > 0 || read.raw.length === 0 ? 200 : receipt.conflicts.length > 0 ? 409 : 422;
  const answer: CallAnswer<'usage'> = { ...receipt, ...(caller.isTest ? { isDryRun: true } : {}) };
  response.status(status).json(answer);
}

import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { RequestHandler } from 'express';
import type { App } from '../app.js';
import { DomainError, ErrorCode } from '../platform/index.js';
import { problem, requestIdOf } from './answers.js';
import { callerOf, KEY_WANTED } from './keys.js';

const NEEDED = ['outcomes:read', 'billing:read'] as const;

/**
 * `GET /v1/invoices/{id}/receipts?tenantId=…`: every receipt of an invoice, one JSON object a line. Each has the receipt as
 * it was hashed, byte for byte, so that `hash` can be recomputed from the text. A page is in memory at a time.
 */
export function receiptsRoute(app: App): RequestHandler<{ id: string }> {
  return async (request, response) => {
    const caller = (await callerOf(app, request))?.caller;
    const missing = NEEDED.find(permission => !caller?.permissions.has(permission));

    if (!caller) {
      response.status(401).json(problem(response, 'UNAUTHENTICATED', KEY_WANTED));

      return;
    }

    if (missing) {
      response.status(403).json(problem(response, 'FORBIDDEN', `this key lacks the permission ${missing}`));

      return;
    }

    try {
      const own = app.scopeOf(caller.tenantId, { kind: 'key', id: caller.keyId }, requestIdOf(response));
      const { tenantId } = request.query;
      // Anything but one text names no tenant.
      const scope = await app.services.tenants.within(own, tenantId === undefined ? null : textOf(tenantId));
      const pages = await app.services.receipts.stream(scope, request.params.id);
      response.status(200).setHeader('content-type', 'application/x-ndjson');
      await pipeline(Readable.from(linesOf(pages)), response);
    } catch (error) {
      if (error instanceof DomainError && error.code === ErrorCode.NOT_FOUND) {
        response.status(404).json(problem(response, error.code, error.message));
      } else if (!response.headersSent) {
        throw error;
      } else if (!isCutOff(error)) {
        // What was sent cannot be taken back; the reader sees that the connection broke.
        app.log.error({ err: error, requestId: requestIdOf(response) }, 'an export failed');
      }
    }
  };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

interface Sealed {
  readonly position: number;
  readonly hash: string;
  readonly body: string;
}

async function* linesOf(pages: AsyncIterable<readonly Sealed[]>): AsyncGenerator<string, void, undefined> {
  for await (const page of pages) {
    yield page
      .map(({ position, hash, body }) => `{"position":${position},"hash":"${hash}","receipt":${body}}\n`)
      .join('');
  }
}

/** Whether the reader went away. */
function isCutOff(error: unknown): boolean {
  return (error as { readonly code?: unknown } | null)?.code === 'ERR_STREAM_PREMATURE_CLOSE';
}

import type { IncomingMessage } from 'node:http';
import type { Caller } from '../access/index.js';
import type { App } from '../app.js';

/** What callers without a key are told. */
export const KEY_WANTED = 'send a key as "Authorization: Bearer …"';

/** Who a request is, with the text of its key; null when it shows none that opens the API. */
export async function callerOf(app: App, request: IncomingMessage): Promise<{ caller: Caller; text: string } | null> {
  const text = keyOf(request.headers.authorization ?? '');
  const caller = text === null ? null : await app.authenticate(text);

  return caller && text !== null ? { caller, text } : null;
}

/** The key in an Authorization header; null when it is of another scheme. */
export function keyOf(header: string): string | null {
  const [scheme, text] = header.split(' ');

  return scheme?.toLowerCase() === 'bearer' && text ? text : null;
}

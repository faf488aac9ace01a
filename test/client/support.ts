import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { RatebookClient, type RatebookOptions } from '../../client/src/index.js';
import { CALL_ANSWERS } from '../../src/http/call-answers.js';
import { aKey, type Product } from '../support/product.js';

/** What a proxy does to one request. */
export type Fault =
  /** The connection breaks before the server has seen it. */
  | 'CUT'
  /** The server has done it, and the connection breaks before the answer. */
  | 'LOST'
  /** Nobody ever answers. */
  | 'SILENT'
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string };

/** A way to the product on which things go wrong. */
export interface Proxy {
  readonly url: string;
  /** What happens to the next requests, first to last; those after them pass. */
  readonly faults: Fault[];
  /** What happens to every request from now on; null for what `faults` says. */
  always: Fault | null;
  /** Bodies of /v1 as they came, and when, in milliseconds. */
  readonly seen: { readonly path: string; readonly body: string; readonly at: number }[];
  close(): Promise<void>;
}

/** A proxy before an address. */
export async function aProxy(target: string): Promise<Proxy> {
  const faults: Fault[] = [];
  const seen: { path: string; body: string; at: number }[] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const body = Buffer.concat(parts).toString();
      seen.push({ path: request.url ?? '', body, at: performance.now() });
      const fault = proxy.always ?? faults.shift() ?? null;

      if (fault === 'CUT') {
        request.socket.destroy();
      } else if (typeof fault === 'object' && fault) {
        response.writeHead(fault.status, fault.headers).end(fault.body ?? '');
      } else if (fault !== 'SILENT') {
        void pass(request.url ?? '', request.headers.authorization ?? '', body).then(({ status, text }) =>
          fault === 'LOST' ? request.socket.destroy() : response.writeHead(status).end(text),
        );
      }
    });
  });
  const pass = async (path: string, authorization: string, body: string) => {
    const headers = { authorization, 'content-type': 'application/json' };
    const answer = await fetch(target + path, { method: 'POST', headers, body });

    return { status: answer.status, text: await answer.text() };
  };
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const proxy: Proxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    faults,
    always: null,
    seen,
    close: async () => {
      server.closeAllConnections();
      await new Promise(resolve => server.close(resolve));
    },
  };

  return proxy;
}

/** A client of a product, quick to try again, which refuses any answer that its types do not tell of. */
export async function aClient(
  product: Product,
  tenantId: string,
  options: Partial<RatebookOptions> = {},
): Promise<RatebookClient> {
  return new RatebookClient({
    url: product.server.url,
    key: await aKey(product.app, product.scope(tenantId), ['holds:write', 'usage:write']),
    clock: product.app.clock,
    fetch: strictFetch,
    // Generous: the machine of a test may be busy.
    timeoutMs: 20_000,
    retryMs: 10,
    batchMs: 10,
    ...options,
  });
}

const strictFetch: typeof fetch = async (input, init) => {
  const response = await fetch(input, init);
  const kind = response.url.split('/').at(-1) as keyof typeof CALL_ANSWERS;

  if (response.status === 200) {
    const read = CALL_ANSWERS[kind].safeParse(await response.clone().json());

    if (!read.success) {
      // Not thrown: that would look like an address that nobody answers at.
      return Response.json({ error: { code: 'UNTOLD', message: read.error.message } }, { status: 400 });
    }
  }

  return response;
};

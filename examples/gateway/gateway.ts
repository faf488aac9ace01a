import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { RatebookClient } from '../../client/src/index.js';

/** A model provider that speaks the chat completions of OpenAI. */
export interface Upstream {
  readonly url: string;
  readonly key: string;
}

/** The parts of a request that decide what it costs. */
interface ChatRequest {
  readonly model: string;
  readonly max_completion_tokens?: number;
}

/** The parts of an answer that say what it has cost. */
interface ChatAnswer {
  readonly id: string;
  readonly usage: { readonly prompt_tokens: number; readonly completion_tokens: number };
}

const MOST_ANSWERED = 1_024;
const MOST_BYTES = 1_000_000;
/** What customers may spend blindly, each, while Ratebook cannot be reached. */
const BLIND_CAP = '5.00';

/**
 * A gateway in front of a model: no call goes out that its customer's limits leave no room for, and every call is on the bill.
 * `POST /v1/chat/completions`, without streaming, with the customer's id in `x-customer`: a gateway of yours knows it from
 * its own keys. A refused call is answered 402 with Ratebook's code and message.
 */
export function createGateway(ratebook: RatebookClient, upstream: Upstream): Server {
  return createServer((request, response) => {
    complete(ratebook, upstream, request).then(
      ({ status, body }) => answer(response, status, body),
      (error: unknown) => {
        process.stderr.write(`${String(error)}\n`);
        answer(response, 502, { error: { message: 'the model or the ledger of its usage failed; try again' } });
      },
    );
  });
}

async function complete(
  ratebook: RatebookClient,
  upstream: Upstream,
  request: IncomingMessage,
): Promise<{ readonly status: number; readonly body: unknown }> {
  const tenantId = request.headers['x-customer'];
  const text = await textOf(request);

  if (request.method !== 'POST' || request.url !== '/v1/chat/completions') {
    return { status: 404, body: { error: { message: 'POST /v1/chat/completions is all there is' } } };
  }

  const asked = text === null ? null : chatRequestOf(text);

  if (typeof tenantId !== 'string' || text === null || asked === null) {
    const message = 'name the customer in x-customer, and send at most 1 MB of JSON with a model, without stream';

    return { status: 400, body: { error: { message } } };
  }

  const most = asked.max_completion_tokens ?? MOST_ANSWERED;
  const call = {
    tenantId,
    eventType: 'llm.request',
    // A token is at least a byte, so this is the worst it can come to.
    properties: { model: asked.model, input_tokens: Buffer.byteLength(text), output_tokens: most },
  };
  const told = await ratebook.authorize(call, { failMode: { lastKnown: { cap: BLIND_CAP } } });

  if (!told.isAllowed) {
    return { status: 402, body: { error: { code: told.code, message: told.message } } };
  }

  const answered = await ask(upstream, { ...asked, max_completion_tokens: most }).catch(async (error: unknown) => {
    // Nothing was used, so nothing stays set aside.
    await (told.hold && ratebook.void(told.hold.id, { tenantId }));
    throw error;
  });
  const { prompt_tokens: input, completion_tokens: output } = answered.usage;
  const event = {
    id: answered.id || randomUUID(),
    type: 'llm.request',
    tenant: tenantId,
    properties: { model: asked.model, input_tokens: input, output_tokens: output },
  };
  // Without a hold it went ahead blindly, and is recorded as it is.
  await (told.hold ? ratebook.settle(told.hold.id, [event], { tenantId }) : ratebook.record(event));

  return { status: 200, body: answered };
}

function chatRequestOf(text: string): ChatRequest | null {
  try {
    const given = JSON.parse(text) as Partial<ChatRequest> & { readonly stream?: boolean };

    return typeof given.model === 'string' && !given.stream ? { ...given, model: given.model } : null;
  } catch {
    return null;
  }
}

async function ask({ url, key }: Upstream, body: object): Promise<ChatAnswer> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });

  if (!response.ok) {
    throw new Error(`the model answered ${response.status}`);
  }

  return (await response.json()) as ChatAnswer;
}

async function textOf(request: IncomingMessage): Promise<string | null> {
  const parts: Buffer[] = [];
  let bytes = 0;

  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    parts.push(...(bytes > MOST_BYTES ? [] : [part]));
  }

  return bytes > MOST_BYTES ? null : Buffer.concat(parts).toString();
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

import { request as httpRequest } from 'node:http';
import { aMeter, aTenant } from '../support/builders.js';
import { watchChanges, type Changes } from '../support/changes.js';
import { aProduct, type Product } from '../support/product.js';

export const NOW = new Date('2026-11-20T12:00:00Z');
/** Words that only our own insides use. */
export const LEAK =
  /\b(select|insert into|delete from|update "?\w+"? set)\b.*\b(from|values|where)\b|relation "|column "|violates|invalid byte|syntax error at or near|kysely|mikro|node_modules|\bpg_|[\w-]+\.[jt]s:\d+|\n\s+at /i;

/** A request as bytes. */
export interface Sent {
  readonly path?: string;
  readonly method?: string;
  readonly key?: string | null;
  readonly type?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

export interface Got {
  readonly status: number;
  readonly text: string;
  readonly body: {
    readonly error?: { readonly code: string; readonly message: string };
    readonly [name: string]: unknown;
  };
}

export interface GraphqlBody {
  readonly data?: Record<string, { userErrors?: { code: string; message: string; field: string[] }[] } | null> | null;
  readonly errors?: { message: string; extensions: { code: string; requestId?: string } }[];
}

/** A product to throw things at, for the tests of a file. Its members are there once the first test runs. */
export class Stage {
  #product: Product | null = null;
  #changes: Changes | null = null;
  customerId = '';
  /** Sums `properties.tokens` of `llm.request` by model. */
  meterId = '';

  async open(): Promise<void> {
    this.#product = await aProduct({ now: NOW });
    this.customerId = await aTenant(this.product, { name: 'Customer' });
    this.meterId = await aMeter(this.product, { key: 'tokens' });
    this.#changes = await watchChanges(this.product);
  }

  async close(): Promise<void> {
    await this.#changes?.close();
    await this.#product?.close();
  }

  get product(): Product {
    return known(this.#product);
  }

  get changes(): Changes {
    return known(this.#changes);
  }

  /** Sends bytes as they are: `fetch` would mend some of what is broken on purpose. */
  send({
    path = '/v1/usage',
    method = 'POST',
    key,
    type = 'application/json',
    headers = {},
    body,
  }: Sent): Promise<Got> {
    return new Promise((resolve, reject) => {
      const url = new URL(path, this.product.server.url);
      let isAnswered = false;
      const bearer = key === undefined ? this.product.platformKey : key;
      const request = httpRequest(
        url,
        {
          method,
          agent: false,
          headers: {
            ...(type === null ? {} : { 'content-type': type }),
            ...(bearer === null ? {} : { authorization: `Bearer ${bearer}` }),
            ...headers,
          },
        },
        response => {
          isAnswered = true;
          let text = '';
          response.setEncoding('utf8');
          response.on('data', chunk => (text += String(chunk)));
          response.on('end', () => {
            let parsed = {};

            try {
              parsed = JSON.parse(text) as object;
            } catch {
              // Judged as text below.
            }

            resolve({ status: response.statusCode ?? 0, text, body: parsed });
          });
        },
      );
      // A server that answers 413 need not read the rest; what it answered counts.
      request.on('error', error => (isAnswered ? undefined : reject(error)));
      request.end(body);
    });
  }

  /** Asks GraphQL. */
  async ask(
    text: string,
    variables: object,
    key = this.product.platformKey,
  ): Promise<{ readonly status: number; readonly text: string; readonly body: GraphqlBody }> {
    const got = await this.send({ path: '/graphql', key, body: JSON.stringify({ query: text, variables }) });

    return { ...got, body: got.body as GraphqlBody };
  }

  /** Does something, and sees that nothing is written meanwhile. */
  async unchanged<T>(work: () => Promise<T>): Promise<T> {
    await this.changes.since();
    const done = await work();
    expect(await this.changes.since()).toEqual([]);

    return done;
  }

  /** Sends what is to be refused, and sees that it is, clearly, and that no row came of it or is another one. */
  async refused(sent: Sent): Promise<string> {
    const got = await this.unchanged(() => this.send(sent));
    expect(got.text.length).toBeLessThan(20_000);
    expect(got.text).not.toMatch(LEAK);
    const errors = got.body['errors'] as { extensions?: { code?: string } }[] | undefined;
    const code = got.body.error?.code ?? errors?.[0]?.extensions?.code ?? 'none';

    return `${got.status} ${code}`;
  }
}

/** A stage for all tests of a file, each of which leaves a server that still answers. */
export function aStage(): Stage {
  const stage = new Stage();
  beforeAll(() => stage.open());
  afterAll(() => stage.close());
  afterEach(async () => {
    const { product } = stage;
    const { data } = await product.graphql(product.platformKey, '{ viewer { tenant { id } } }');
    expect(data.viewer.tenant.id).toBe(product.platformId);
  });

  return stage;
}

function known<T>(thing: T | null): T {
  if (thing === null) {
    throw new Error('the stage is open while the tests run');
  }

  return thing;
}

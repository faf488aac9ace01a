import { gzipSync } from 'node:zlib';
import { aMeter, anEvent } from '../support/builders.js';
import { aProduct, type Product } from '../support/product.js';

describe('a request', () => {
  let product: Product;

  beforeAll(async () => {
    product = await aProduct();
    await aMeter(product);
  });

  afterAll(() => product.close());

  const post = (path: string, body: string | Buffer, headers: Record<string, string> = {}) =>
    fetch(`${product.server.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${product.platformKey}`, ...headers },
      body,
    });

  test('has one id: in the header, in a GraphQL error, and in the answer of /v1/usage', async () => {
    const wrong = await post('/graphql', JSON.stringify({ query: '{ nothing }' }));
    const { errors } = (await wrong.json()) as { errors: { extensions: { requestId: string } }[] };
    expect(errors.map(({ extensions }) => extensions.requestId)).toEqual([wrong.headers.get('x-request-id')]);
    expect(wrong.headers.get('x-request-id')).toMatch(/^req_[0-9A-Z]{26}$/);

    const unread = await post('/v1/usage', '[');
    const { error } = (await unread.json()) as { error: { requestId: string } };
    expect(error.requestId).toBe(unread.headers.get('x-request-id'));
  });

  test('without a key is refused before its body is read', async () => {
    const answer = await post('/v1/usage', 'x'.repeat(20_000_000), { authorization: 'Bearer nobody' }).then(
      response => response.status,
      () => 'cut off',
    );
    expect([401, 'cut off']).toContain(answer);
  });

  test('with more usage than fits into memory at a time is told to come again, and nothing of it is lost', async () => {
    const batch = (name: string) =>
      JSON.stringify(
        Array.from({ length: 9_000 }, (_, index) =>
          anEvent({
            id: `${name}-${index}`,
            time: '2026-11-20T11:00:00Z',
            properties: { model: 'm', tokens: 1, note: 'x'.repeat(800) },
          }),
        ),
      );
    const bodies = ['a', 'b', 'c', 'd', 'e', 'f'].map(batch);
    const first = await Promise.all(bodies.map(body => post('/v1/usage', body)));
    const statuses = first.map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([200, 503]));
    const [held] = first.filter(({ status }) => status === 503);
    const told = (await held?.json()) as { error: { code: string } } | undefined;
    expect([held?.headers.get('retry-after'), told?.error.code]).toEqual(['1', 'OVERLOADED']);
    let accepted = 0;

    for (const body of bodies) {
      const answer = await post('/v1/usage', body);
      const receipt = (await answer.json()) as { accepted: number; duplicates: number[] };
      expect([answer.status, receipt.accepted + receipt.duplicates.length]).toEqual([200, 9_000]);
      accepted += receipt.accepted;
    }

    // Compressed to a few kilobytes, a body takes as much memory as it ever did, and is held back alike.
    const packed = gzipSync(bodies[0] ?? '');
    expect(packed.length).toBeLessThan(1_000_000);
    const squeezed = await Promise.all(
      bodies.map(() => post('/v1/usage', packed, { 'content-encoding': 'gzip' }).then(({ status }) => status)),
    );
    expect(new Set(squeezed)).toEqual(new Set([200, 503]));
    expect(accepted).toBe(statuses.filter(status => status === 503).length * 9_000);
  });
});

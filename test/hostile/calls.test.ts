import { randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { aBudget, aContract, aMeter, anEvent, aPriceBook, aTenant, perMillion } from '../support/builders.js';
import { aKey } from '../support/product.js';
import { aStage, LEAK, NOW, type Sent } from './stage.js';
import { HOSTILE, pathsOf, withValue } from './values.js';

const stage = aStage();
const changed = () => stage.changes.since();

describe('POST /v1/check, /v1/authorize, /v1/settle and /v1/void', () => {
  const EVENT_TYPE = 'hostile.call';
  let key: string;
  let holdId: string;

  beforeAll(async () => {
    const tokens = await aMeter(stage.product, { eventType: EVENT_TYPE });
    const { bookId } = await aPriceBook(stage.product, { prices: [{ meterId: tokens, terms: perMillion('1') }] });
    const tenantId = await aTenant(stage.product);
    await aContract(stage.product, { buyerId: tenantId, bookId });
    await aBudget(stage.product, { tenantId, amount: '1000' });
    key = await aKey(stage.product.app, stage.product.scope(tenantId), ['holds:write']);
    const { body } = await stage.send({ path: '/v1/authorize', key, body: text('authorize') });
    holdId = (body['hold'] as { id: string }).id;
  });

  const used = (): object =>
    anEvent({ type: EVENT_TYPE, time: NOW.toISOString(), properties: { model: 'm', tokens: 1 } });
  const call = (): object => ({ eventType: EVENT_TYPE, properties: { model: 'm', tokens: 1 } });
  const tokens = () => [{ kind: 'input', expected: '1', most: '2' }];
  const kinds = (count: number) => JSON.stringify(Array.from({ length: count }, () => tokens()[0]));
  /** A body with every member filled, fit to be taken. */
  const BODIES: Readonly<Record<string, () => object>> = {
    check: () => ({ ...call(), model: 'm', serviceTier: 'standard', region: 'eu', feature: null, tokens: tokens() }),
    authorize: () => ({
      ...call(),
      model: 'm',
      serviceTier: 'standard',
      region: 'eu',
      feature: null,
      tokens: tokens(),
      idempotencyKey: randomUUID(),
      expiresInSeconds: 60,
      sentAt: NOW.toISOString(),
    }),
    settle: () => ({ holdId, events: [used()] }),
    void: () => ({ holdId }),
  };
  const ROUTES = Object.keys(BODIES);
  const text = (route: string, over: object = {}): string => JSON.stringify({ ...BODIES[route]?.(), ...over });
  /** Sends to one route what it has to refuse. */
  const refusedBy = (route: string, sent: Sent): Promise<string> =>
    stage.refused({ path: `/v1/${route}`, key, ...sent });

  describe.each(ROUTES)('%s', route => {
    test.each<readonly [what: string, sent: () => Sent, answer: string]>([
      ['malformed JSON', () => ({ body: '{"holdId": ' }), '400 INVALID_INPUT'],
      ['NaN', () => ({ body: '{"holdId": NaN}' }), '400 INVALID_INPUT'],
      ['an empty body', () => ({ body: '' }), '400 INVALID_INPUT'],
      ['no body', () => ({}), '400 INVALID_INPUT'],
      ['null', () => ({ body: 'null' }), '400 INVALID_INPUT'],
      ['a number', () => ({ body: '1e400' }), '400 INVALID_INPUT'],
      ['an array', () => ({ body: '[]' }), '400 INVALID_INPUT'],
      ['nothing in it', () => ({ body: '{}' }), '400 INVALID_INPUT'],
      ['a million brackets', () => ({ body: '['.repeat(1_000_000) }), '400 INVALID_INPUT'],
      [
        'brackets that close, 400,000 deep',
        () => ({ body: `${'['.repeat(400_000)}${']'.repeat(400_000)}` }),
        '400 INVALID_INPUT',
      ],
      ['UTF-16', () => ({ body: Buffer.from('{}', 'utf16le') }), '400 INVALID_INPUT'],
      [
        'bytes that are no UTF-8',
        () => ({ body: Buffer.from(text(route).replace('{', '{"tenantId":"\u00e4",'), 'latin1') }),
        '400 INVALID_INPUT',
      ],
      ['2 MB', () => ({ body: Buffer.alloc(2_000_000, ' ') }), '413 BODY_TOO_LARGE'],
      [
        '50 MB without a length',
        () => ({ headers: { 'transfer-encoding': 'chunked' }, body: Buffer.alloc(50_000_000, ' ') }),
        '413 BODY_TOO_LARGE',
      ],
      [
        'a gzip bomb',
        () => ({ headers: { 'content-encoding': 'gzip' }, body: gzipSync(Buffer.alloc(200_000_000, ' ')) }),
        '413 BODY_TOO_LARGE',
      ],
      ['gzip that is none', () => ({ headers: { 'content-encoding': 'gzip' }, body: text(route) }), '400 BAD_REQUEST'],
      [
        'an unknown encoding',
        () => ({ headers: { 'content-encoding': 'rot13' }, body: text(route) }),
        '415 BAD_REQUEST',
      ],
      ['a misspelt member', () => ({ body: text(route, { tennantId: 'x' }) }), '400 INVALID_INPUT'],
      [
        'a __proto__ member',
        () => ({ body: text(route).replace('{', '{"__proto__":{"holdId":"x","polluted":true},') }),
        '400 INVALID_INPUT',
      ],
      ['a constructor', () => ({ body: text(route, { constructor: { prototype: {} } }) }), '400 INVALID_INPUT'],
      ['an empty tenant', () => ({ body: text(route, { tenantId: '' }) }), '400 INVALID_INPUT'],
      ['a tenant that is null', () => ({ body: text(route, { tenantId: null }) }), '400 INVALID_INPUT'],
      ['a tenant that is an object', () => ({ body: text(route, { tenantId: {} }) }), '400 INVALID_INPUT'],
      ['a tenant of SQL', () => ({ body: text(route, { tenantId: "' or true --" }) }), '404 NOT_FOUND'],
      ['a tenant with a NUL', () => ({ body: text(route, { tenantId: 'ten_\0' }) }), '400 INVALID_INPUT'],
      ['a tenant with half a pair', () => ({ body: text(route, { tenantId: 'ten_\ud800' }) }), '400 INVALID_INPUT'],
      [
        'two tenants, of which the last is nobody',
        () => ({ body: text(route, { tenantId: 'x' }).replace('{', '{"tenantId":"y",') }),
        '404 NOT_FOUND',
      ],
      ['GET', () => ({ method: 'GET' }), '404 NOT_FOUND'],
      ['a key that is none', () => ({ key: 'rb_live_x', body: text(route) }), '401 UNAUTHENTICATED'],
    ])('refuses %s', async (_what, sent, answer) => {
      expect(await refusedBy(route, sent())).toBe(answer);
      expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
    });
  });

  test.each(ROUTES)(
    'no value in any member of %s is answered by an internal error, and what is refused changes nothing',
    async route => {
      // Settled or voided once, a hold would have nothing more to lose.
      const keepsHold = route === 'settle' || route === 'void';
      const faults: string[] = [];
      let accepted = 0;

      for (const path of pathsOf(BODIES[route]?.())) {
        for (const value of HOSTILE) {
          const body = JSON.stringify(withValue(BODIES[route]?.(), path, value));
          await changed();
          const got = await stage.send({ path: `/v1/${route}`, key, body });
          const what = `${path.join('.')} = ${JSON.stringify(value)?.slice(0, 60)}`;
          const code = got.body.error?.code;

          if (got.status >= 500 || (got.status >= 400 && !code)) {
            faults.push(`${what}: ${got.status} ${got.text.slice(0, 200)}`);
          } else if (got.text.length > 4_000 || LEAK.test(got.text)) {
            faults.push(`${what}: leaks or echoes: ${got.text.slice(0, 300)}`);
          } else if (got.status >= 400 || route === 'check') {
            faults.push(...(await changed()).map(change => `${what}: ${got.status}, and ${change}`));
          }

          accepted += got.status === 200 ? 1 : 0;
        }

        if (keepsHold) {
          const { body } = await stage.send({ path: '/v1/authorize', key, body: text('authorize') });
          holdId = (body['hold'] as { id: string }).id;
        }
      }

      expect(faults).toEqual([]);
      expect(accepted > 0).toBe(route !== 'void');
    },
  );

  test.each<readonly [what: string, from: string, to: () => string, answer: string]>([
    ['tokens of 1e400', '"tokens":1', () => '"tokens":1e400', '400 INVALID_INPUT'],
    ['tokens of -1e-400', '"tokens":1', () => '"tokens":-1e-400', '400 INVALID_INPUT'],
    ['tokens of NaN', '"tokens":1', () => '"tokens":"NaN"', '400 INVALID_INPUT'],
    ['a hold for 1e400 seconds', '"expiresInSeconds":60', () => '"expiresInSeconds":1e400', '400 INVALID_INPUT'],
    ['a hold for 1.5 seconds', '"expiresInSeconds":60', () => '"expiresInSeconds":1.5', '400 INVALID_INPUT'],
    [
      'a hold for 60 seconds and then for none',
      '"expiresInSeconds":60',
      () => '"expiresInSeconds":60,"expiresInSeconds":0',
      '400 INVALID_INPUT',
    ],
    ['tokens of 1 and then of -5', '"tokens":1', () => '"tokens":1,"tokens":-5', '400 INVALID_INPUT'],
    [
      'properties of 100,000 levels',
      '"model":"m",',
      () => `"model":"m","x":${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)},`,
      '400 INVALID_INPUT',
    ],
    ['a property with a NUL', '"model":"m",', () => '"model":"m\\u0000",', '400 INVALID_INPUT'],
    ['a property with half a pair', '"model":"m",', () => '"model":"\\ud800",', '400 INVALID_INPUT'],
    ['a __proto__ property', '"model":"m",', () => '"model":"m","__proto__":{"polluted":true},', '400 INVALID_INPUT'],
    ['a NUL in the name of a property', '"model":"m",', () => '"model":"m","a\\u0000":1,', '400 INVALID_INPUT'],
    ['51 kinds of tokens', kinds(1), () => kinds(51), '400 INVALID_INPUT'],
    [
      'a key of half a pair',
      '"expiresInSeconds"',
      () => '"idempotencyKey":"\\ud800","expiresInSeconds"',
      '400 INVALID_INPUT',
    ],
  ])('nothing is held for %s', async (_what, from, to, answer) => {
    const body = text('authorize').replace(from, to());
    expect(body).not.toBe(text('authorize'));
    expect(await refusedBy('authorize', { body })).toBe(answer);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  test('more than 100 events, or one that is none, settle nothing', async () => {
    const events = (count: number) => text('settle', { events: Array.from({ length: count }, () => used()) });
    expect(await refusedBy('settle', { body: events(101) })).toBe('400 INVALID_INPUT');

    for (const bad of [null, [], 'x', 1, { ...used(), id: '\0' }, { ...used(), properties: { tokens: '1e400' } }]) {
      const body = text('settle', { events: [used(), bad] });
      expect(await refusedBy('settle', { body })).toBe('422 EVENTS_REJECTED');
    }
  });

  test('a test key holds, settles and gives back nothing', async () => {
    const [row] = await stage.changes.query<{ tenant_id: string }>('select tenant_id from hold where id = $1', [
      holdId,
    ]);
    const test = await aKey(stage.product.app, stage.product.scope(row?.tenant_id), ['holds:write'], 'TEST');
    await changed();

    for (const route of ROUTES) {
      const got = await stage.send({ path: `/v1/${route}`, key: test, body: text(route) });
      expect([route, got.status, got.body['hold']]).toEqual([route, 200, route === 'check' ? undefined : null]);
    }

    expect(await changed()).toEqual([]);
  });
});

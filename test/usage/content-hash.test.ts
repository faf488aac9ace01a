import { createHash } from 'node:crypto';
import { canonicalJson } from '../../src/platform/canonical-json.js';
import { contentOf } from '../../src/usage/content-hash.js';
import { readUsageBody } from '../../src/usage/usage-body.js';
import { readUsageItems } from '../../src/usage/usage-item.rules.js';

const NOW = new Date('2026-09-01T12:00:00.000Z');
const BASE = '"id":"e","type":"t","time":"2026-09-01T11:00:00Z"';

function hashOf(text: string, now = NOW): string {
  const body = readUsageBody(Buffer.from(text), 'application/json');
  const { items } = readUsageItems('raw' in body ? body.raw : [], now);
  const [item] = items;

  if (!item) {
    throw new Error(`not an item: ${text}`);
  }

  return contentOf(item).hash;
}

describe('the content hash of an event', () => {
  it('is the SHA-256 of the canonical JSON of what it says', () => {
    const text = canonicalJson({
      type: 't',
      time: '2026-09-01T11:00:00.000Z',
      subject: null,
      properties: { b: 1, a: 'x' },
    });

    expect(hashOf(`{${BASE},"properties":{"b":1,"a":"x"}}`)).toBe(createHash('sha256').update(text).digest('hex'));
  });

  it('is the same for every spelling of the same content', () => {
    const hash = hashOf(`{${BASE},"properties":{"a":1,"b":{"c":2,"d":3}}}`);

    expect(hashOf(`{${BASE},"properties":{"b":{"d":3.0,"c":2e0},"a":1.00}}`)).toBe(hash);
    expect(hashOf(`{"properties":{"a":1,"b":{"c":2,"d":3}},"source":"s","tenant":"x",${BASE}}`)).toBe(hash);
    expect(
      hashOf(`{"id":"f","type":"t","time":"2026-09-01T13:00:00.000+02:00","properties":{"a":1,"b":{"c":2,"d":3}}}`),
    ).toBe(hash);
  });

  it('is the same for a number too long for a double and its spellings, and another for its neighbour', () => {
    const hash = hashOf(`{${BASE},"properties":{"a":12345678901234567890}}`);

    expect(hashOf(`{${BASE},"properties":{"a":12345678901234567890.0}}`)).toBe(hash);
    expect(hashOf(`{${BASE},"properties":{"a":1234567890123456789e1}}`)).toBe(hash);
    expect(hashOf(`{${BASE},"properties":{"a":12345678901234567891}}`)).not.toBe(hash);
  });

  it('differs with type, time, subject and properties', () => {
    const hashes = [
      `{${BASE}}`,
      `{"id":"e","type":"u","time":"2026-09-01T11:00:00Z"}`,
      `{"id":"e","type":"t","time":"2026-09-01T11:00:00.001Z"}`,
      `{${BASE},"subject":"s"}`,
      `{${BASE},"subject":"null"}`,
      `{${BASE},"properties":{"a":1}}`,
      `{${BASE},"properties":{"a":"1"}}`,
      `{${BASE},"properties":{"a":null}}`,
    ].map(text => hashOf(text));

    expect(new Set(hashes).size).toBe(hashes.length);
  });

  it('of a CloudEvent without a time does not depend on the moment it arrives', () => {
    const event = '{"specversion":"1.0","id":"e","source":"s","type":"t","data":{"a":1}}';

    expect(hashOf(event, new Date('2026-09-05T00:00:00Z'))).toBe(hashOf(event));
  });
});

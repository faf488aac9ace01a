import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { canonicalJson } from '../../src/platform/canonical-json.js';

/** What arrives after a trip through JSON: no -0, no undefined. */
const json = fc.jsonValue({ maxDepth: 4 }).map(value => JSON.parse(JSON.stringify(value)) as unknown);

describe('canonical JSON', () => {
  it('sorts keys by code unit at every level and writes no white space', () => {
    expect(canonicalJson({ b: [1, { d: null, c: true }], a: 'x', B: 0.5, '10': 1, '9': 2 })).toBe(
      '{"10":1,"9":2,"B":0.5,"a":"x","b":[1,{"c":true,"d":null}]}',
    );
  });

  it('sorts objects of many keys the same way', () => {
    const keys = Array.from({ length: 40 }, (_, i) => `k${(i * 7) % 40}`);
    const text = canonicalJson(Object.fromEntries(keys.map(key => [key, 1])));

    expect(Object.keys(JSON.parse(text) as object)).toEqual([...keys].sort());
  });

  it('escapes as JSON.stringify does, in short strings and in long ones', () => {
    for (const text of ['', 'a"b', 'a\\b', '\n\0\u001f\u007f', '😀', '\ud800', 'x\udc00', 'é', '\u2028', '</script>']) {
      for (const sent of [text, text + 'y'.repeat(100)]) {
        expect(canonicalJson({ [sent]: sent })).toBe(JSON.stringify({ [sent]: sent }));
      }
    }
  });

  it('leaves undefined members out and writes the rest as JSON does', () => {
    expect(canonicalJson({ a: undefined, b: [undefined], c: new Date(0), d: NaN, e: -0, f: 1e21 })).toBe(
      '{"b":[null],"c":"1970-01-01T00:00:00.000Z","d":null,"e":0,"f":1e+21}',
    );
    expect(canonicalJson(undefined)).toBe('null');
    expect(() => canonicalJson({ a: 1n })).toThrow(TypeError);
  });

  it('keeps an own __proto__ member', () => {
    expect(canonicalJson(JSON.parse('{"__proto__":{"x":1}}'))).toBe('{"__proto__":{"x":1}}');
  });

  it('has one text for two values exactly when they are equal', () => {
    fc.assert(fc.property(json, json, (a, b) => (canonicalJson(a) === canonicalJson(b)) === isDeepStrictEqual(a, b)));
  });

  it('reads back as the value, whatever the order of its keys', () => {
    fc.assert(
      fc.property(json, value => {
        const text = canonicalJson(value);

        expect(JSON.parse(text)).toEqual(value);
        expect(canonicalJson(reversed(value))).toBe(text);
      }),
    );
  });
});

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.map(reversed);
  }

  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value)
        .reverse()
        .map(([key, member]) => [key, reversed(member)]),
    );
  }

  return value;
}

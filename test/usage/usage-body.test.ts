import fc from 'fast-check';
import { parseExactly } from '../../src/usage/exact-json.js';
import { MalformedItem } from '../../src/usage/usage-item.rules.js';
import { readUsageBody } from '../../src/usage/usage-body.js';

function read(text: string | Buffer, contentType = 'application/json'): unknown {
  const result = readUsageBody(Buffer.from(text as string), contentType);

  return 'raw' in result ? result.raw : result.refusal;
}

const LINES = 'application/x-ndjson';

describe('the body of a usage request', () => {
  it('is an array, an envelope or one item', () => {
    expect(read('[{"id":"a"},{"id":"b"}]')).toEqual([{ id: 'a' }, { id: 'b' }]);
    expect(read('{"events":[{"id":"a"}]}')).toEqual([{ id: 'a' }]);
    expect(read('{"id":"a"}', 'Application/JSON; charset="UTF-8"')).toEqual([{ id: 'a' }]);
    expect(read('{"specversion":"1.0","events":"x"}')).toEqual([{ specversion: '1.0', events: 'x' }]);
    expect(read('[]')).toEqual([]);
    expect(read('\ufeff[]')).toEqual([]);
  });

  it('is one item a line, and a malformed line leaves the others standing', () => {
    for (const type of [LINES, 'application/ndjson', 'application/jsonl']) {
      expect(read('{"id":"a"}\r\n\n  \n{"id":NaN}\n7\n{"id":"b"}', type)).toEqual([
        { id: 'a' },
        new MalformedItem('', 'line 4 of the body is not JSON: unexpected "NaN" at position 6 (line 1, column 7)'),
        7,
        { id: 'b' },
      ]);
    }

    expect(read('', LINES)).toEqual([]);
  });

  it('never joins two lines into one item', () => {
    expect(read('{"id":"a"\n,"x":1}', LINES)).toEqual([expect.any(MalformedItem), expect.any(MalformedItem)]);
    expect(read('{"id":"a"},{"id":"b"}', LINES)).toEqual([expect.any(MalformedItem)]);
  });

  it('is a CloudEvent or a batch of them, each with its version', () => {
    expect(read('{"specversion":"1.0"}', 'application/cloudevents+json')).toEqual([{ specversion: '1.0' }]);
    expect(read('[]', 'application/cloudevents-batch+json')).toEqual([]);
    expect(read('[{"specversion":"1.0"},{"id":"a"},3]', 'application/cloudevents-batch+json')).toEqual([
      { specversion: '1.0' },
      new MalformedItem('specversion', 'specversion is missing; a CloudEvent has "1.0"'),
      3,
    ]);
    expect(read('[]', 'application/cloudevents+json')).toMatchObject({ status: 400, code: 'INVALID_BODY' });
    expect(read('{}', 'application/cloudevents-batch+json')).toMatchObject({ status: 400, code: 'INVALID_BODY' });
  });

  it('of another type or charset is refused', () => {
    for (const type of [
      '',
      'text/plain',
      'application/xml',
      'constructor',
      '__proto__',
      'application/json; charset=latin1',
    ]) {
      expect(read('[]', type)).toMatchObject({ status: 415, code: 'UNSUPPORTED_MEDIA_TYPE' });
    }
  });

  it('carries 10,000 items and not one more', () => {
    const json = (count: number): string => `[${Array.from({ length: count }, () => '1').join(',')}]`;
    const tooMany = {
      status: 413,
      code: 'TOO_MANY_ITEMS',
      message: 'the body has 10001 items; at most 10000 are allowed',
    };

    expect(read(json(10_000))).toHaveLength(10_000);
    expect(read(json(10_001))).toEqual(tooMany);
    expect(read(`{"events":${json(10_001)}}`)).toEqual(tooMany);
    expect(read(json(10_001), 'application/cloudevents-batch+json')).toEqual(tooMany);
    expect(read('1\n'.repeat(10_000), LINES)).toHaveLength(10_000);
    expect(read('1\n'.repeat(10_001), LINES)).toEqual(tooMany);
  });

  it.each([
    ['[NaN]', 'unexpected "NaN" at position 1 (line 1, column 2)'],
    ['[1,\n -Infinity]', 'unexpected "-Infinity" at position 5 (line 2, column 2)'],
    ['[1,]', 'unexpected "]" at position 3 (line 1, column 4)'],
    ['{"a":1,}', 'unexpected "}" at position 7 (line 1, column 8)'],
    ['{a:1}', 'unexpected "a" at position 1 (line 1, column 2)'],
    ['{12345678901234567890:1}', 'unexpected "12345678901234567890" at position 1 (line 1, column 2)'],
    ['[01]', 'unexpected "01" at position 1 (line 1, column 2)'],
    ['["a\nb"]', 'unexpected "\\n" at position 3 (line 1, column 4)'],
    ['["\\x"]', 'unexpected "\\\\" at position 2 (line 1, column 3)'],
    ['[1}', 'unexpected "}" at position 2 (line 1, column 3)'],
    ['[1] 2', 'unexpected "2" at position 4 (line 1, column 5)'],
    ['[1', 'it ends too early, at position 2'],
    ['["a', 'it ends too early, at position 3'],
    ['', 'it is empty'],
  ])('%j is refused with the place of the fault', (text, fault) => {
    expect(read(text)).toEqual({ status: 400, code: 'INVALID_JSON', message: `the body is not JSON: ${fault}` });
  });

  it.each(['1', '"x"', 'null', '{"events":{}}', '{"events":[],"more":1}'])('%s holds no items', text => {
    expect(read(text)).toMatchObject({ status: 400, code: 'INVALID_BODY' });
  });

  it('that is no UTF-8 is refused', () => {
    expect(read(Buffer.from([0x5b, 0x22, 0xff, 0x22, 0x5d]))).toMatchObject({ status: 400, code: 'INVALID_UTF8' });
  });

  it('nested 100,000 deep does not crash, with and without numbers that need a second look', () => {
    const deep = (inner: string): string => '['.repeat(100_000) + inner + ']'.repeat(100_000);

    expect(read(deep('1'))).toHaveLength(1);
    expect(read(deep('12345678901234567890'))).toHaveLength(1);
    expect(read(`{"a":${deep('1e-400')}}`)).toHaveLength(1);
    expect(read('['.repeat(100_000))).toMatchObject({ code: 'INVALID_JSON' });
    expect(read('{"a":'.repeat(100_000))).toMatchObject({ code: 'INVALID_JSON' });
  });

  it('is refused as no JSON whenever JSON.parse refuses it, and nothing throws', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json().map(text => text.slice(0, -1)),
          fc.json().map(text => `${text}x`),
        ),
        text => {
          let isJson = true;

          try {
            JSON.parse(text);
          } catch {
            isJson = false;
          }

          const result = readUsageBody(Buffer.from(text.toWellFormed()), 'application/json');

          if (!isJson) {
            expect(result).toMatchObject({ refusal: { code: 'INVALID_JSON' } });
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('a number of a body', () => {
  it.each([
    // What a double carries stays a number.
    ['1', 1],
    ['1.0', 1],
    ['1e3', 1000],
    ['0.1', 0.1],
    ['0.30000000000000004', 0.30000000000000004],
    ['0.893478234778347', 0.893478234778347],
    ['9007199254740991', 9007199254740991],
    ['1.000000000000000000', 1],
    ['-0.0', -0],
    ['0e999', 0],
    ['1e308', 1e308],
    ['5e-324', 5e-324],
    // What it would alter becomes the decimal that was sent.
    ['12345678901234567890', '12345678901234567890'],
    ['-12345678901234567890.50', '-12345678901234567890.5'],
    ['9007199254740993', '9007199254740993'],
    ['0.1000000000000000055511151231257827', '0.1000000000000000055511151231257827'],
    ['123456789012345678901234567890e-25', '12345.678901234567890123456789'],
    ['1234567890123456789e3', '1234567890123456789000'],
    // What no decimal of 40 digits holds is left as it was sent.
    ['1e-400', '1e-400'],
    ['1e400', '1e400'],
    ['-1E+309', '-1E+309'],
    ['9'.repeat(41), '9'.repeat(41)],
  ])('%s arrives as %j', (token, expected) => {
    expect(parseExactly(`{"a":[ ${token} ],"${token}":"${token}"}`)).toEqual({ a: [expected], [token]: token });
    expect(parseExactly(token)).toEqual(expected);
  });

  it('inside a text is left alone, whatever is escaped around it', () => {
    const text = String.raw`{"a\\":"12345678901234567890","b\"1e-400,":12345678901234567890,"c":"\\\"1e-400"}`;

    expect(parseExactly(text)).toEqual({
      'a\\': '12345678901234567890',
      'b"1e-400,': '12345678901234567890',
      c: '\\"1e-400',
    });
  });

  it('is the number, or the text of the very same decimal', () => {
    const token = fc
      .tuple(
        fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }),
        fc.option(fc.nat({ max: 999_999_999 }), { nil: null }),
        fc.option(fc.integer({ min: -20, max: 8 }), { nil: null }),
      )
      .map(
        ([integer, fraction, power]) =>
          `${integer}${fraction === null ? '' : `.${fraction}`}${power === null ? '' : `e${power}`}`,
      );

    fc.assert(
      fc.property(token, text => {
        expect(scaled(String(parseExactly(text)))).toBe(scaled(text));
      }),
      { numRuns: 1_000 },
    );
  });

  it('leaves everything else as JSON.parse reads it', () => {
    fc.assert(
      fc.property(fc.jsonValue(), value => {
        const text = JSON.stringify(value);

        expect(parseExactly(text)).toEqual(JSON.parse(text));
      }),
    );
  });
});

/** The value times 10^60, for comparing two spellings without the code under test. */
function scaled(text: string): bigint {
  const [mantissa = '', exponent = '0'] = text.toLowerCase().split('e');
  const [integer = '', fraction = ''] = mantissa.split('.');

  return BigInt(integer + fraction) * 10n ** BigInt(60 + Number(exponent) - fraction.length);
}

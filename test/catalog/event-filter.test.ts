import fc from 'fast-check';
import { compileFilter, type EventFilter } from '../../src/catalog/event-filter.js';

const EVENT = {
  type: 'llm.tokens',
  subject: 'user_1',
  source: '/gw',
  properties: {
    n: 5,
    score: 0.8,
    model: 'gpt-5',
    long: '12345678901234567890',
    flag: true,
    nothing: null,
    list: [1, 2, { kind: 'x' }],
    nested: { n: 1, type: 'inner' },
  },
};

function compiled(text: string): EventFilter {
  const result = compileFilter(text);

  if ('refusals' in result) {
    throw new Error(result.refusals.map(({ message }) => message).join('; '));
  }

  return result.filter;
}

function matches(text: string, properties: Record<string, unknown> = EVENT.properties): boolean {
  return compiled(text).matches({ ...EVENT, properties });
}

function refusals(text: string): readonly string[] {
  const result = compileFilter(text);

  if (!('refusals' in result)) {
    return [];
  }

  expect(result.refusals.every(({ field }) => field.length === 1 && field[0] === 'filter')).toBe(true);

  return result.refusals.map(({ message }) => message);
}

describe('an event filter', () => {
  it.each(['', '  \n'])('%j matches every event', text => {
    expect(compiled(text).text).toBe(text);
    expect(matches(text)).toBe(true);
  });

  it.each([
    // Integer literals and JSON numbers.
    ['properties.n == 5', true],
    ['5 == properties.n', true],
    ['properties.n == 5.0', true],
    ['properties.n != 5', false],
    ['properties.n > 4 && properties.n >= 5 && properties.n < 6 && properties.n <= 5', true],
    ['properties.n > 4.5', true],
    ['properties.score >= 0.8', true],
    ['properties.score < 1', true],
    ['properties.n in [1, 5]', true],
    ['properties.n in [1, 2]', false],
    ['properties.n + 1 == 6 && 1 + properties.n == 6', true],
    ['properties.n - 1 == 4 && properties.n * 2 == 10 && properties.n / 2 == 2.5 && properties.n % 2 == 1', true],
    ['-properties.n < 0', true],
    ['int(properties.n) == 5 && double(properties.n) == 5.0 && string(properties.n) == "5"', true],
    ['double(properties.long) > 5', true],
    ['properties.list[0] == 1', true],
    ['properties["n"] == 5', true],
    // Texts, keys, macros.
    ['type == "llm.tokens" && subject == "user_1" && source == "/gw"', true],
    ['type.startsWith("llm.") && type != "type"', true],
    ['{"a": type}["a"] == type && properties.nested.type == "inner"', true],
    ['properties.model in ["gpt-5", "gpt-6"]', true],
    [
      'properties.model.contains("pt") && properties.model.upperAscii() == "GPT-5" && size(properties.model) == 5',
      true,
    ],
    ['"n" in properties', true],
    ['has(properties.missing) && properties.missing == 1', false],
    ['!has(properties.missing)', true],
    ['has(properties.nested.n) && properties.nested.n == 1', true],
    ['properties.nothing == null', true],
    ['properties.flag', true],
    ['properties.flag ? properties.n > 4 : false', true],
    ['properties.list.exists(e, e == 2)', true],
    ['properties.list.exists(e, has(e.kind) && e.kind == "x" && type == "llm.tokens")', true],
    ['properties.list.filter(e, e == 1).size() == 1', true],
    ['size(properties.list.map(e, e)) == 3', true],
  ])('%s is %s', (text, expected) => {
    expect(matches(text)).toBe(expected);
  });

  it.each([
    'properties.missing == 1',
    'properties.missing != 1',
    'properties.model > 3',
    'properties.long > 5',
    'properties.n',
    'properties.model',
    'properties.n.startsWith("5")',
    'properties.list[7] == 1',
    'properties.constructor == 1',
    'int("x") == 1',
    '9223372036854775807 + 1 > 0',
    '1 / 0 == 1',
  ])('%s does not match, for it cannot be evaluated to true', text => {
    expect(matches(text)).toBe(false);
  });

  it('reads a missing subject as an empty text', () => {
    expect(compiled('subject == ""').matches({ ...EVENT, subject: null })).toBe(true);
  });

  it('reaches no prototype', () => {
    const properties = JSON.parse('{"__proto__":{"admin":true},"a":1}') as Record<string, unknown>;

    expect(matches('properties.admin == true', properties)).toBe(false);
    expect(matches('"toString" in properties', properties)).toBe(false);
    expect(matches('has(properties.toString)', properties)).toBe(false);
  });

  it('has no state between events and none between filters', () => {
    const more = compiled('properties.list.exists(e, e > 1)');
    const fewer = compiled('properties.list.exists(e, e > 3)');

    for (let i = 0; i < 3; i += 1) {
      expect(more.matches({ ...EVENT, properties: { list: [1, 2] } })).toBe(true);
      expect(fewer.matches({ ...EVENT, properties: { list: [1, 2] } })).toBe(false);
      expect(more.matches({ ...EVENT, properties: { list: [] } })).toBe(false);
    }
  });
});

describe('a filter is refused when it', () => {
  it.each([
    ['is no CEL', 'properties.n >', ['Unexpected token: EOF (at character 15)']],
    ['names an unknown variable', 'type == "a" && foo == 1', ['Unknown variable: foo (at character 16)']],
    ['names the alias of the library', '_typ == "a"', ['Unknown variable: _typ (at character 1)']],
    ['compares types that never compare', 'type > 1', ['no such overload: string > int (at character 1)']],
    ['is a text', '"a" + type', ['the filter is a string, not a boolean; compare it with something']],
    ['is a number', 'size(properties)', ['the filter is a int, not a boolean; compare it with something']],
    ['is a map', 'properties', ['the filter is a map<string, dyn>, not a boolean; compare it with something']],
    [
      'uses a regular expression',
      'type == "a" || properties.model.matches("^(a+)+$")',
      [
        'matches() is not allowed, as a regular expression can take for ever; use startsWith, endsWith or contains (at character 16)',
      ],
    ],
    [
      'nests macros',
      'properties.list.all(a, [1, 2].all(b, a == b))',
      ['all() stands inside another macro (at character 24)'],
    ],
    [
      'nests macros in the range of a macro',
      '[properties.list.all(a, a > 1)].exists(b, b)',
      ['exists() is a second macro; a filter has at most one (at character 1)'],
    ],
    [
      'has two macros',
      'properties.list.exists(a, a == 1) && properties.list.exists(a, a == 2)',
      ['exists() is a second macro; a filter has at most one (at character 38)'],
    ],
    [
      'loops over the event inside a macro',
      'properties.list.all(a, a in properties.list)',
      ['properties cannot be used inside a macro, only its element (at character 29)'],
    ],
    [
      'hides a variable',
      '[1].exists(type, type == 1)',
      ['type is a variable of the event and no name for an element (at character 12)'],
    ],
    ['is too long', `type == "${'x'.repeat(2_000)}"`, ['the filter has 2010 characters; at most 2000 are allowed']],
  ])('%s', (_, text, expected) => {
    expect(refusals(text)).toEqual(expected);
  });

  it.each([
    'type.matches(type)',
    'matches(type, "a")',
    'cel.bind(x, type + type, x == "a")',
    'properties.model.split("").join(properties.model) == ""',
    'b"{}".json() == {}',
    'timestamp("2026-01-01T00:00:00Z").getHours("Europe/Berlin") == 1',
    'duration("1s") == duration("1s")',
    'bytes("a") == b"a"',
    'dyn(1) == 1',
    'properties.list.exists(1, true)',
    'properties.list.exists(e)',
    'has(properties)',
    'type = "a"',
    'type == "a',
    '__proto__ == 1',
    'constructor == 1',
  ])('%s is refused', text => {
    expect(refusals(text)).not.toEqual([]);
  });

  it('is a long chain or a deep nest', () => {
    expect(refusals(Array(280).fill('true').join('&&'))).toEqual(['Exceeded maxAstNodes (300) (at character 1)']);
    expect(refusals(`${'('.repeat(900)}true${')'.repeat(900)}`)).toEqual(['Exceeded maxDepth (32) (at character 33)']);

    for (const text of ['!'.repeat(1_990) + 'true', '['.repeat(1_000), `properties${'.a'.repeat(900)} == 1`]) {
      expect(refusals(text)).toHaveLength(1);
    }

    expect(refusals(Array(100).fill('true').join('&&'))).toEqual([]);
  });

  it('is anything but a filter that answers with a boolean, and nothing throws', () => {
    const word = fc.constantFrom(
      'type', 'subject', 'properties', 'properties.n', '.list', '.exists(', 'e', ',', ')', '(', '[', ']', '{', '}', ':',
      '==', '&&', '||', '!', '-', '+', 'in', '1', '0.5', '"a"', 'true', 'null', 'has(', '?', '.map(', 'size(',
    ); // prettier-ignore

    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(word, { maxLength: 20 }).map(words => words.join(' ')),
        ),
        text => {
          const result = compileFilter(text);

          if ('filter' in result) {
            expect(typeof result.filter.matches(EVENT)).toBe('boolean');
          } else {
            expect(result.refusals.length).toBeGreaterThan(0);
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('could be slow: the worst that is allowed answers a full event in bounded time, not in minutes', () => {
    const list = Array.from({ length: 8_000 }, () => 1);
    const body = Array(30).fill('e + 1 == e * 2').join(' && ');
    const filter = compiled(`properties.list.all(e, ${body})`);

    filter.matches({ ...EVENT, properties: { list } });

    const start = performance.now();

    expect(filter.matches({ ...EVENT, properties: { list } })).toBe(true);
    expect(performance.now() - start).toBeLessThan(10_000);
  });
});

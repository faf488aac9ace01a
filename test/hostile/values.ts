import { getNamedType, getNullableType, isInputObjectType, isListType, type GraphQLInputType } from 'graphql';

/** Strings that break something somewhere. */
export const STRINGS: readonly string[] = [
  '',
  ' ',
  '\0',
  'a\0b',
  '\ud800',
  'x\udfffy',
  '😀',
  '\u202egnp',
  'line\r\nbreak',
  "' or '1'='1",
  "'; drop table tenant; --",
  '%',
  '../../../etc/passwd',
  '__proto__',
  'constructor',
  '{"$ne":null}',
  '${7*7}{{7*7}}',
  'ten_0123456789ABCDEFGHJKMNPQRS',
  'x'.repeat(300),
  'x'.repeat(1_000_000),
];
const DECIMALS: readonly unknown[] = [
  'NaN',
  '1e308',
  '-1',
  '0',
  '',
  '9'.repeat(26),
  '9'.repeat(27),
  `0.${'1'.repeat(18)}`,
  1,
  'Infinity',
  '0x10',
  ' 1',
  '1'.repeat(1_000_000),
];
const DATES: readonly unknown[] = [
  '',
  'yesterday',
  '2026-02-30T00:00:00Z',
  '0000-01-01T00:00:00Z',
  '0001-01-01T00:00:00Z',
  '9999-12-31T23:45:00Z',
  '+275760-09-13T00:00:00Z',
  '-271821-04-20T00:00:00Z',
  '2026-12-01T00:07:00Z',
  0,
  -1,
  8.64e15,
  -8.64e15,
  1e308,
  '\0',
];
const INTS: readonly unknown[] = [-1, 0, 2_147_483_647, -2_147_483_648, 1e308, 1.5, '1'];
const ENUMS: readonly unknown[] = ['', 'NOPE', '__proto__', 'PLATFORM'];

/** What to put where a value of this type belongs. */
export function hostileFor(type: GraphQLInputType): readonly unknown[] {
  switch (getNamedType(type).name) {
    case 'ID':
    case 'String':
      return STRINGS;

    case 'Decimal':
      return DECIMALS;

    case 'DateTimeISO':
    case 'DateTime':
      return DATES;

    case 'Int':
      return INTS;

    case 'Boolean':
      return ['true', 1];

    case 'JSON':
      return [null, 1, 'x', [], {}, { id: '\0' }, { id: '\ud800', type: 'llm.request' }];

    default:
      return ENUMS;
  }
}

export type Path = readonly (string | number)[];

interface Leaf {
  readonly path: Path;
  readonly type: GraphQLInputType;
}

/** Every leaf of an input, by the type that the schema gives it. Fails on a field that the example leaves out. */
export function leavesOf(type: GraphQLInputType, value: unknown, path: Path = []): Leaf[] {
  const bare = getNullableType(type);

  if (value === null && (isListType(bare) || isInputObjectType(bare))) {
    return [];
  }

  if (isListType(bare)) {
    return (value as unknown[]).flatMap((item, index) =>
      leavesOf(bare.ofType as GraphQLInputType, item, [...path, index]),
    );
  }

  if (!isInputObjectType(bare)) {
    return [{ path, type }];
  }

  return Object.values(bare.getFields()).flatMap(field => {
    const given = (value as Record<string, unknown>)[field.name];

    if (given === undefined) {
      throw new Error(`the example of ${bare.name} lacks ${field.name}`);
    }

    return leavesOf(field.type, given, [...path, field.name]);
  });
}

export function withValue(value: unknown, [head, ...rest]: Path, leaf: unknown): unknown {
  if (head === undefined) {
    return leaf;
  }

  if (Array.isArray(value)) {
    return value.map((item, index) => (index === head ? withValue(item, rest, leaf) : (item as unknown)));
  }

  const members = value as Record<string, unknown>;

  return { ...members, [head]: withValue(members[head], rest, leaf) };
}

/** The path of every leaf of a value. */
export function pathsOf(value: unknown, path: Path = []): Path[] {
  return typeof value === 'object' && value !== null
    ? Object.entries(value).flatMap(([name, member]) =>
        pathsOf(member, [...path, Array.isArray(value) ? Number(name) : name]),
      )
    : [path];
}

/** Some of each kind. */
export const HOSTILE: readonly unknown[] = [
  ...STRINGS.slice(0, 6),
  '😀',
  "' or '1'='1",
  '__proto__',
  'x'.repeat(256),
  '-1',
  '1e308',
  'NaN',
  '9'.repeat(30),
  '2026-02-30T00:00:00Z',
  -1,
  0,
  1.5,
  1e308,
  null,
  true,
  [],
  {},
  [[]],
];

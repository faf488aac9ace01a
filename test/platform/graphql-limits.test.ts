import { buildSchema, execute, getIntrospectionQuery, GraphQLError, GraphQLScalarType, parse, validate } from 'graphql';
import type { GraphQLSchema } from 'graphql';
import { DomainError } from '../../src/platform/errors.js';
import { formatGraphqlError } from '../../src/platform/graphql-errors.js';
import { DEFAULT_LIMITS, limitDocument, MAX_TOKENS } from '../../src/platform/graphql-limits.js';

const schema = buildSchema(`
  directive @tag(name: String) repeatable on QUERY | FIELD | FRAGMENT_DEFINITION | FRAGMENT_SPREAD | INLINE_FRAGMENT | VARIABLE_DEFINITION

  scalar Decimal

  interface Node { id: ID!  children(first: Int = 20): [Node!]! }

  type Tenant implements Node {
    id: ID!
    name: String
    parent: Tenant
    children(first: Int = 20): [Node!]!
    tags: [String!]!
    contracts(first: Int = 20, after: String): ContractConnection!
    unbounded(first: Int): ContractConnection!
    latest(first: Int, last: Int): [Contract!]!
  }

  type Contract implements Node {
    id: ID!
    tenant: Tenant!
    children(first: Int = 20): [Node!]!
    charges(first: Int! = 20): ContractConnection!
  }

  type ContractConnection { edges: [ContractEdge!]!  nodes: [Contract!]!  pageInfo: PageInfo!  totalCount: Int! }
  type ContractEdge { node: Contract!  cursor: String! }
  type PageInfo { endCursor: String  hasNextPage: Boolean! }

  union Found = Tenant | Contract

  type Query {
    me: Tenant
    node(id: ID): Node
    tenants(first: Int = 20): [Tenant!]!
    contracts(first: Int = 20): ContractConnection!
    search(first: String): [Found!]!
    price(amount: Decimal, count: Int): String
  }

  type Mutation { tenantRename(name: String): Tenant }
  type Subscription { alertFired: Tenant }
`);

type Judged = { codes: unknown[]; messages: string[]; ms: number };

function judge(source: string, variables?: Record<string, unknown> | null): Judged {
  const document = parse(source);
  const startedAt = performance.now();
  const errors = limitDocument(schema, document, variables, DEFAULT_LIMITS);

  return {
    ms: performance.now() - startedAt,
    codes: errors.map(error => error.extensions['code']),
    messages: errors.map(error => error.message),
  };
}

const messagesOf = (source: string, variables?: Record<string, unknown> | null) => judge(source, variables).messages;
const times = (count: number, text: (index: number) => string) =>
  Array.from({ length: count }, (_, i) => text(i)).join(' ');
const nested = (count: number, field: string, leaf: string) =>
  `${`${field} { `.repeat(count)}${leaf}${' }'.repeat(count)}`;

/** Fragments F0 to F`levels`, each spreading the next `width` times; only the last selects something. */
const fanOut = (levels: number, width: number, leaf: string, open = '', close = '') =>
  `query { me { ...F0 } } ${times(levels, i => `fragment F${i} on Tenant { ${open} ${`...F${i + 1} `.repeat(width)} ${close} }`)}
   fragment F${levels} on Tenant { ${leaf} }`;

const page = (first: string | number, inner: string) => `contracts(first: ${first}) { edges { node { ${inner} } } }`;

type Hostile = readonly [what: string, source: string, variables?: Record<string, unknown>];

/** Documents that break one rule, which must be among the reasons given. */
const because = (reason: RegExp, documents: readonly Hostile[]) =>
  documents.map(([what, source, variables]) => [what, source, variables ?? null, reason] as const);

const HOSTILE = [
  ...because(/nested too deeply/, [
    ...[14, 15, 20, 50, 150].map(n => [`depth ${n + 1}`, `{ me { ${nested(n, 'parent', 'id')} } }`] as const),
    ...[15, 30].map(
      n => [`mutation depth ${n}`, `mutation { tenantRename { ${nested(n, 'parent', 'id')} } }`] as const,
    ),
    ['subscription depth', `subscription { alertFired { ${nested(15, 'parent', 'id')} } }`],
    ['depth hidden in inline fragments', `{ me { ${'... on Tenant { parent { '.repeat(15)} id ${'} }'.repeat(15)} } }`],
    ['inline fragments inside each other', `{ me { ${nested(300, '...', 'id')} } }`],
    [
      'inline fragments on interfaces',
      `{ node { ${nested(15, '... on Node { children(first: 1)', 'id').replace(/$/, '}'.repeat(15))} } }`,
    ],
    [
      'depth through a chain of fragments',
      `{ me { ...F0 } } ${times(17, i => `fragment F${i} on Tenant { parent { ${i < 16 ? `...F${i + 1}` : 'id'} } }`)}`,
    ],
    [
      'depth through fragments defined backwards',
      `${times(17, i => `fragment F${i} on Tenant { parent { ${i > 0 ? `...F${i - 1}` : 'id'} } }`)} query { me { ...F16 } }`,
    ],
    [
      'a chain of 400 fragments',
      `{ me { ...F0 } } ${times(400, i => `fragment F${i} on Tenant { ${i < 399 ? `...F${i + 1}` : 'id'} }`)}`,
    ],
    ['depth in the second operation', `query A { me { id } } query B { me { ${nested(15, 'parent', 'id')} } }`],
    ['depth in a fragment nobody spreads', `{ me { id } } fragment F on Tenant { ${nested(16, 'parent', 'id')} }`],
    ['depth below an unknown field', `{ me { ${nested(15, 'unknown', 'id')} } }`],
  ]),
  ...because(/aliases/, [
    ...[16, 100, 400].map(n => [`${n} aliases`, `{ me { ${times(n, i => `a${i}: id`)} } }`] as const),
    ['16 root aliases', `{ ${times(16, i => `a${i}: me { id }`)} }`],
    [
      'aliases in fragments, spread 8 times',
      `{ me { ${times(8, () => 'parent { ...F }')} } } fragment F on Tenant { a: id b: id }`,
    ],
    ['aliases on different levels', `{ a: me { ${times(8, i => `b${i}: parent { c${i}: id }`)} } }`],
    ['aliases in inline fragments', `{ me { ${times(16, i => `... on Tenant { a${i}: id }`)} } }`],
    ['aliases doubled by fragments', fanOut(5, 2, 'a: id')],
    ['aliases of __typename', `{ me { ${times(16, i => `a${i}: __typename`)} } }`],
  ]),
  ...because(/root fields/, [
    ...[11, 50, 900].map(n => [`${n} root fields`, `{ ${times(n, () => 'search')} }`] as const),
    ['11 mutations', `mutation { ${times(11, () => 'tenantRename { id }')} }`],
    ['root fields in fragments', `{ ...F ...F ...F } fragment F on Query { ${times(4, () => 'search')} }`],
    [
      'root fields doubled by fragments',
      `{ ...F0 } ${times(20, i => `fragment F${i} on Query { ...F${i + 1} ...F${i + 1} }`)} fragment F20 on Query { search }`,
    ],
    ['root __typename flood', `{ ${times(100, () => '__typename')} }`],
    ['root fields in nested inline fragments', `{ ${times(6, () => '... { ... on Query { me { id } search } }')} }`],
  ]),
  ...because(/directives/, [
    ...[21, 100, 600].map(n => [`${n} directives on a field`, `{ me { id ${'@tag '.repeat(n)} } }`] as const),
    ['directives on the operation', `query ${'@tag '.repeat(21)} { me { id } }`],
    ['directives on a variable', `query ($a: Int ${'@tag '.repeat(21)}) { me { id } }`],
    ['directives on a spread', `{ me { ...F ${'@tag '.repeat(21)} } } fragment F on Tenant { id }`],
    ['directives on a fragment', `{ me { ...F } } fragment F on Tenant ${'@tag '.repeat(21)} { id }`],
    ['directives on an inline fragment', `{ me { ... ${'@tag '.repeat(21)} { id } } }`],
    ['directives doubled by fragments', fanOut(5, 2, 'id @tag')],
    ['unknown directives', `{ me { id ${'@nobody '.repeat(21)} } }`],
    ['skipped fields with directives', `{ me { ${times(21, () => 'id @skip(if: true)')} } }`],
  ]),
  ...because(/spreads itself|costs too much/, [
    ['a fragment that spreads itself', '{ me { ...F } } fragment F on Tenant { parent { ...F } }'],
    [
      'two fragments that spread each other',
      '{ me { ...A } } fragment A on Tenant { ...B } fragment B on Tenant { ...A }',
    ],
    [
      'a cycle of 100 fragments',
      `{ me { ...F0 } } ${times(100, i => `fragment F${i} on Tenant { ...F${(i + 1) % 100} }`)}`,
    ],
    ['a cycle nobody spreads', '{ me { id } } fragment F on Tenant { ...F }'],
    ['a cycle through inline fragments', '{ me { ...F } } fragment F on Tenant { ... { ... on Tenant { ...F } } }'],
    ['a wide cycle', `{ me { ...F } } fragment F on Tenant { ${'...F '.repeat(500)} }`],
    ['fragment fan-out 2^20', fanOut(20, 2, 'parent { id }')],
    ['fragment fan-out 2^100', fanOut(100, 2, 'parent { id }')],
    ['fragment fan-out 50^30', fanOut(30, 50, 'parent { id }')],
    ['fragment fan-out with fields', fanOut(8, 4, 'parent { id }', 'parent {', '}')],
    [
      'introspection fan-out',
      `{ __schema { types { ...F0 } } } ${times(20, i => `fragment F${i} on __Type { ...F${i + 1} ...F${i + 1} }`)} fragment F20 on __Type { fields { name } }`,
    ],
  ]),
  ...because(/costs too much/, [
    [
      'pages in pages',
      `{ ${page(100, page(100, 'id'))} }`
        .replace('node { contracts', 'node { tenant { contracts')
        .replace(/$/, '}')
        .replace('} }', '} }'),
    ],
    ['lists in lists', '{ tenants(first: 100) { children(first: 100) { id } } }'],
    ['lists in lists by variable', 'query ($n: Int) { tenants(first: $n) { children(first: $n) { id } } }', { n: 100 }],
    [
      'lists in lists by the default of a variable',
      'query ($n: Int = 100) { tenants(first: $n) { children(first: $n) { id } } }',
    ],
    [
      'a variable that overrides a small default',
      'query ($n: Int = 1) { tenants(first: $n) { children(first: $n) { id } } }',
      { n: 100 },
    ],
    [
      'a decoy operation with a smaller default',
      'query A($n: Int = 100) { ...F } query B($n: Int = 1) { ...F } query C($n: Int) { ...F } fragment F on Query { tenants(first: $n) { children(first: $n) { id } } }',
    ],
    [
      'a decoy operation beside a null default',
      'query A($n: Int = null) { ...F } query B($n: Int = 1) { ...F } fragment F on Query { tenants(first: $n) { children(first: $n) { id } } }',
    ],
    [
      'a decoy operation beside no default',
      'query A($n: Int) { ...F } query B($n: Int = 1) { ...F } fragment F on Query { me { unbounded(first: $n) { nodes { tenant { unbounded(first: $n) { nodes { id } } } } } } }',
    ],
    ['schema defaults four deep', '{ tenants { children { children { children { id } } } } }'],
    ['connections without size or default', '{ me { unbounded { nodes { tenant { unbounded { nodes { id } } } } } } }'],
    ['null for a size', '{ tenants(first: null) { children(first: null) { id } } }'],
    [
      'null for a size by variable',
      'query ($n: Int) { tenants(first: $n) { children(first: $n) { id } } }',
      { n: null },
    ],
    ['null for a size by default', 'query ($n: Int = null) { tenants(first: $n) { children(first: $n) { id } } }'],
    ['last instead of first', '{ tenants(first: 100) { latest(last: 100) { id } } }'],
    [
      'both edges and nodes',
      '{ contracts(first: 100) { edges { node { charges(first: 30) { nodes { id } } } } nodes { charges(first: 30) { nodes { id } } } } }',
    ],
    [
      'cost in a fragment spread 30 times',
      `{ me { ${'...F '.repeat(30)} } } fragment F on Tenant { contracts(first: 100) { nodes { id } edges { cursor } } }`,
    ],
    [
      'cost in fragments inside pages',
      '{ tenants(first: 100) { ...F } } fragment F on Tenant { contracts(first: 50) { ...G } } fragment G on ContractConnection { nodes { id } }',
    ],
    [
      'cost on interfaces',
      '{ node { ... on Tenant { children(first: 100) { ... on Contract { charges(first: 100) { nodes { id } } } } } } }',
    ],
    ['skipped cost', '{ tenants(first: 100) @skip(if: true) { children(first: 100) { id } } }'],
  ]),
  ...because(/whole number up to/, [
    ['first 1e9 by variable', 'query ($n: Int) { contracts(first: $n) { nodes { id } } }', { n: 1e9 }],
    ['first 101', '{ tenants(first: 101) { id } }'],
    ['first of 400 digits', `{ tenants(first: ${'9'.repeat(400)}) { id } }`],
    ['first 1e9 by the default of a variable', 'query ($n: Int = 1000000000) { tenants(first: $n) { id } }'],
    ['a negative first', '{ tenants(first: -1) { id } }'],
    ...[-5, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '100', [100], { n: 1 }, true].map(
      n =>
        [
          `first ${typeof n === 'number' ? n : JSON.stringify(n)} by variable`,
          'query ($n: Int) { tenants(first: $n) { id } }',
          { n },
        ] as const,
    ),
    ['first as a string', '{ tenants(first: "5") { id } }'],
    ['first as nested lists', `{ tenants(first: ${'['.repeat(400)}${']'.repeat(400)}) { id } }`],
    ['400 sizes out of range', `{ me { ${times(400, () => 'contracts(first: 101) { totalCount }')} } }`],
  ]),
  ...because(/introspection|aliases/, [
    [
      'introspection recursion by fields',
      `{ __schema { types { ${nested(4, 'fields { type', 'name').replace(/$/, '}'.repeat(4))} } } }`,
    ],
    ['introspection recursion by possibleTypes', `{ __type(name: "Node") { ${nested(4, 'possibleTypes', 'name')} } }`],
    [
      'introspection recursion by interfaces',
      `{ __schema { queryType { ${nested(3, 'interfaces { possibleTypes', 'name').replace(/$/, '}'.repeat(3))} } } }`,
    ],
    ['introspection by ofType', `{ __type(name: "Node") { ${nested(25, 'ofType', 'name')} } }`],
    [
      'introspection recursion in fragments',
      '{ __schema { types { ...A } } } fragment A on __Type { fields { type { ...B } } } fragment B on __Type { fields { type { ...C } } } fragment C on __Type { fields { name } }',
    ],
    ['16 aliased introspections', `{ ${times(16, i => `a${i}: __schema { types { name } }`)} }`],
  ]),
];

describe('limits on documents', () => {
  test('the hostile corpus has at least 60 documents with different names', () => {
    expect(new Set(HOSTILE.map(([what]) => what)).size).toBe(HOSTILE.length);
    expect(HOSTILE.length).toBeGreaterThanOrEqual(90);
  });

  test.each(HOSTILE)('%s is refused without being walked to its end', (_, source, variables, reason) => {
    const { codes, messages, ms } = judge(source, variables);

    expect(messages).toContainEqual(expect.stringMatching(reason));
    expect(codes.filter(code => code !== 'QUERY_TOO_COMPLEX' && code !== 'BAD_USER_INPUT')).toEqual([]);
    expect(codes.length).toBeLessThanOrEqual(17);
    expect(messages.filter(message => !/(at most|up to) \d+[,;] found |spreads itself/.test(message))).toEqual([]);
    expect(ms).toBeLessThan(2_000);
  });

  const FRIENDLY: readonly Hostile[] = [
    ['the standard introspection', getIntrospectionQuery()],
    [
      'the longest introspection',
      getIntrospectionQuery({
        descriptions: true,
        specifiedByUrl: true,
        directiveIsRepeatable: true,
        schemaDescription: true,
        inputValueDeprecation: true,
        oneOf: true,
      }),
    ],
    ['a type looked up', '{ __type(name: "Tenant") { fields { name type { name fields { name } } } } }'],
    ['a leaf', '{ me { id } }'],
    ['depth 15', `{ me { ${nested(13, 'parent', 'id')} } }`],
    ['15 aliases', `{ me { ${times(15, i => `a${i}: id`)} } }`],
    ['10 root fields', `{ ${times(10, () => 'search')} }`],
    ['20 directives', `{ me { id ${'@tag '.repeat(20)} } }`],
    ['a page of 100', `{ ${page(100, 'id tenant { name parent { name } }')} }`],
    ['pages of 40 in 40', '{ tenants(first: 40) { contracts(first: 40) { nodes { id } } } }'],
    [
      'the defaults, two deep',
      '{ tenants { contracts { edges { node { id } cursor } pageInfo { endCursor } totalCount } } }',
    ],
    [
      'a large page size with little on it',
      'query ($n: Int!) { contracts(first: $n) { totalCount pageInfo { hasNextPage } } }',
      { n: 100 },
    ],
    [
      'small pages by variable',
      'query ($n: Int = 100) { tenants(first: $n) { children(first: $n) { id } } }',
      { n: 5 },
    ],
    [
      'a variable without value leaves the default of the schema',
      'query ($n: Int) { tenants(first: $n) { children(first: $n) { id } } }',
    ],
    ['a variable with a small default', 'query ($n: Int = 5) { tenants(first: $n) { latest(first: $n) { id } } }', {}],
    ['first that is no page size', '{ search(first: "5") { ... on Tenant { id } ... on Contract { id } } }'],
    ['a fragment spread 10 times', `{ me { ${times(10, () => 'parent { ...F }')} } } fragment F on Tenant { id name }`],
    ['a mutation', 'mutation { tenantRename(name: "a") { id name } }'],
    ['a subscription', 'subscription { alertFired { id name } }'],
    ['a document without operations', 'fragment F on Tenant { id }'],
    ['a schema definition', 'type A { b: String }'],
  ];

  test.each(FRIENDLY.map(row => [row[0], row[1], row[2] ?? null] as const))('%s passes', (_, source, variables) => {
    expect(messagesOf(source, variables)).toEqual([]);
  });

  test('messages say the limit and what was found', () => {
    expect(messagesOf(`{ me { ${nested(14, 'parent', 'id')} } }`)).toEqual([
      'The document is nested too deeply: at most 15, found 16.',
    ]);
    expect(messagesOf('{ tenants(first: 100) { children(first: 100) { id } } }')).toEqual([
      'The document costs too much: at most 5000, found 10100.',
    ]);
    expect(messagesOf(`{ ${page(100, 'charges(first: 100) { nodes { id } }')} }`)).toEqual([
      'The document costs too much: at most 5000, found 10301.',
    ]);
    expect(messagesOf(`{ ${times(11, () => 'search')} }`)).toEqual([
      'The document has too many root fields: at most 10, found 11.',
    ]);
    expect(messagesOf(fanOut(5, 2, 'a: id'))).toEqual(['The document has too many aliases: at most 15, found 32.']);
    expect(messagesOf(fanOut(40, 2, 'id @tag'))).toEqual([
      'The document has too many directives: at most 20, found 1000000000 or more.',
    ]);
    expect(messagesOf('query ($n: Int) { tenants(first: $n) { id } }', { n: 1e9 })).toEqual([
      'Argument first of tenants is a whole number up to 100; found 1000000000.',
    ]);
    expect(messagesOf('{ me { ...F } } fragment F on Tenant { ...F }')).toEqual(['Fragment F spreads itself.']);
  });

  test('errors carry the code, the figures and status 400', () => {
    const [error] = limitDocument(schema, parse(`{ ${times(11, () => 'search')} }`), {}, DEFAULT_LIMITS);

    expect(error?.extensions).toEqual({ code: 'QUERY_TOO_COMPLEX', limit: 10, found: 11, http: { status: 400 } });

    const [sized] = limitDocument(schema, parse('{ tenants(first: 101) { id } }'), {}, DEFAULT_LIMITS);

    expect(sized?.extensions).toEqual({ code: 'BAD_USER_INPUT', http: { status: 400 } });
    expect(sized?.locations).toEqual([{ line: 1, column: 11 }]);
  });

  test('variables named like members of Object are not mistaken for values', () => {
    const source =
      'query ($constructor: Int, $__proto__: Int) { tenants(first: $constructor) { latest(first: 1) { id } } me { contracts(first: $__proto__) { totalCount } } }';

    expect(messagesOf(source, {})).toEqual([]);
  });

  test('the token limit stops the parser', () => {
    expect(() => parse(`{ ${'a '.repeat(MAX_TOKENS)} }`, { maxTokens: MAX_TOKENS })).toThrow('2000 tokens');
  });
});

describe('errors on their way out', () => {
  const MASKED = {
    message: 'Internal error. Quote the request id to support.',
    extensions: { code: 'INTERNAL', requestId: 'req_1' },
  };
  const format = (error: GraphQLError) => formatGraphqlError(error.toJSON(), error, 'req_1');

  /** Executes as a transport would, with a scalar and a resolver that throw what they are told to. */
  function run(over: {
    scalar?: () => never;
    resolver?: () => never;
    source?: string;
    variables?: Record<string, unknown>;
  }) {
    const built: GraphQLSchema = buildSchema(
      'scalar Decimal type Query { price(amount: Decimal, count: Int = 1): String }',
    );
    const scalar = built.getType('Decimal') as GraphQLScalarType;
    scalar.parseValue = over.scalar ?? (value => value);
    scalar.parseLiteral = over.scalar ?? (() => 1);
    const document = parse(over.source ?? 'query ($a: Decimal) { price(amount: $a) }');
    const invalid = validate(built, document);
    const result =
      invalid.length > 0
        ? null
        : execute({
            schema: built,
            document,
            rootValue: { price: over.resolver },
            variableValues: over.variables ?? {},
          });
    const errors = result && 'errors' in result ? (result.errors ?? []) : invalid;

    return errors.map(format);
  }

  const fail = (error: unknown) => (): never => {
    throw error;
  };

  test.each([
    'UNAUTHENTICATED',
    'FORBIDDEN',
    'BAD_USER_INPUT',
    'GRAPHQL_PARSE_FAILED',
    'GRAPHQL_VALIDATION_FAILED',
    'QUERY_TOO_COMPLEX',
    'RATE_LIMITED',
    'NOT_FOUND',
    'PERSISTED_QUERY_NOT_FOUND',
  ])('%s passes with its message, without trace and inner matters', code => {
    const extensions = { code, retryAfterSeconds: 3, http: { status: 400 }, stacktrace: ['at x'], sql: 'select' };

    expect(format(new GraphQLError('Read me.', { extensions, path: ['a', 0] }))).toEqual({
      message: 'Read me.',
      path: ['a', 0],
      extensions: { code, requestId: 'req_1', retryAfterSeconds: 3 },
    });
  });

  test.each([
    ['a bug', new TypeError("Cannot read properties of undefined (reading 'canary')")],
    ['a database error', Object.assign(new Error('insert into "canary" violates'), { code: '23505', query: 'canary' })],
    ['a GraphQLError without a code', new GraphQLError('canary')],
    ['a code of our own making', new GraphQLError('canary', { extensions: { code: 'CANARY', sql: 'canary' } })],
    ['an error that claims to be a validation error', new GraphQLError('Argument "canary" has invalid value')],
    ['a string', 'canary'],
    ['null', null],
  ])('%s thrown by a resolver is masked', (_, thrown) => {
    const answered = run({ resolver: fail(thrown) });

    expect(answered).toEqual([{ ...MASKED, path: ['price'], locations: [{ line: 1, column: 23 }] }]);
  });

  test.each([new Error('canary'), 'canary', null, undefined, { extensions: { code: 'NOT_FOUND' }, message: 'canary' }])(
    'what is no GraphQL error at all is masked (%#)',
    thrown => {
      expect(formatGraphqlError({ message: 'canary' }, thrown, 'req_1')).toEqual(MASKED);
    },
  );

  test('a refusal thrown by a resolver keeps its code, message and field', () => {
    expect(run({ resolver: fail(DomainError.notFound('Invoice', 'inv_1')) })).toEqual([
      {
        message: 'Invoice inv_1 does not exist',
        path: ['price'],
        locations: [{ line: 1, column: 23 }],
        extensions: { code: 'NOT_FOUND', requestId: 'req_1', field: ['id'] },
      },
    ]);
  });

  test('an error with a public code of its own keeps its message', () => {
    const thrown = Object.assign(new Error('Send a key.'), { extensions: { code: 'UNAUTHENTICATED' } });

    expect(run({ resolver: fail(thrown) })).toMatchObject([
      { message: 'Send a key.', extensions: { code: 'UNAUTHENTICATED', requestId: 'req_1' } },
    ]);
  });

  test.each([
    ['a bug in a scalar', new TypeError('canary is undefined'), 'Expected type "Decimal".'],
    ['a string thrown by a scalar', 'canary', 'Expected type "Decimal".'],
    ['a GraphQL error', new GraphQLError('Use at most 18 digits.'), 'Use at most 18 digits.'],
    ['a refusal', DomainError.invalid('Use at most 18 digits.', []), 'Expected type "Decimal". Use at most 18 digits.'],
  ])('%s is bad input for a variable and says only what is safe', (_, thrown, words) => {
    const answered = run({ scalar: fail(thrown), variables: { a: 'x' } });

    expect(answered).toEqual([
      {
        message: `Variable "$a" got invalid value "x"; ${words}`,
        locations: [{ line: 1, column: 8 }],
        extensions: { code: 'BAD_USER_INPUT', requestId: 'req_1' },
      },
    ]);
  });

  test('a bug in a scalar that reads a literal is a validation error without its words', () => {
    expect(run({ scalar: fail(new Error('canary')), source: '{ price(amount: 1) }' })).toMatchObject([
      { message: 'Expected value of type "Decimal", found 1', extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } },
    ]);
  });

  test('errors of graphql-js itself get the codes that Apollo gives them', () => {
    const missing = run({ source: 'query ($n: Int!) { price(count: $n) }' });
    const wrong = run({ source: 'query ($n: Int!) { price(count: $n) }', variables: { n: '5' } });
    const unknown = run({ source: '{ nothing }' });
    const parsed = ((): GraphQLError => {
      try {
        return parse('{') as never;
      } catch (error) {
        return error as GraphQLError;
      }
    })();

    expect(missing).toMatchObject([
      { message: 'Variable "$n" of required type "Int!" was not provided.', extensions: { code: 'BAD_USER_INPUT' } },
    ]);
    expect(wrong).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }]);
    expect(unknown).toMatchObject([{ extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } }]);
    expect(format(parsed)).toMatchObject({
      message: 'Syntax Error: Expected Name, found <EOF>.',
      extensions: { code: 'GRAPHQL_PARSE_FAILED', requestId: 'req_1' },
    });
  });

  test('a huge value is not echoed whole', () => {
    const [answered] = run({ scalar: fail(new GraphQLError('no')), variables: { a: 'x'.repeat(1_000_000) } });

    expect(answered?.message).toHaveLength(500);
    expect(answered?.extensions?.['code']).toBe('BAD_USER_INPUT');
  });

  test('the code of a limit survives Apollo, which calls it a validation failure', () => {
    const own = limitDocument(schema, parse(`{ ${times(11, () => 'search')} }`), {}, DEFAULT_LIMITS)[0];
    const wrapped = new GraphQLError(own?.message ?? '', {
      originalError: own,
      extensions: { ...own?.extensions, code: 'GRAPHQL_VALIDATION_FAILED' },
    });

    expect(format(wrapped)).toEqual({
      message: 'The document has too many root fields: at most 10, found 11.',
      extensions: { code: 'QUERY_TOO_COMPLEX', requestId: 'req_1', limit: 10, found: 11 },
    });
  });
});

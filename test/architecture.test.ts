import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { parseSync } from '@swc/core';

/** From the ground up: a room opens the door of any room listed before it, and of no other. */
const ROOMS = [
  'money',
  'platform',
  'audit',
  'tenants',
  'access',
  'webhooks',
  'catalog',
  'pricing',
  'contracts',
  'usage',
  'outcomes',
  'rating',
  'entitlements',
  'credits',
  'budgets',
  'invoicing',
  'simulation',
  'alerts',
];
/** Folders of edge code: they see everything, like the processes, and no room sees them. */
const EDGES = ['commands', 'demo', 'gallery', 'http'];
/** Packages without clock, process or I/O, that rules may compute with. */
const PURE_PACKAGES = ['luxon'];
const PROCESSES = [
  'app.ts',
  'services.ts',
  'schema.ts',
  'flow.ts',
  'sweeps.ts',
  'node.resolver.ts',
  'server.ts',
  'worker.ts',
  'cli.ts',
  'config.ts',
];
/** What gateways install: it needs nothing, of this repository or of anybody's, at run time. */
const CLIENT = 'client/src/';
const READS_ENVIRONMENT = ['src/config.ts', 'src/platform/embedded-postgres.ts'];
const MOST_LINES = 400;

interface SourceFile {
  /** From the repository's root, with slashes. */
  readonly path: string;
  readonly text: string;
}

/** A part of a syntax tree as swc writes it. */
interface Node {
  readonly type?: string;
  readonly [member: string]: unknown;
}

/** Every breach of AGENTS.md "Rooms" (and of the code rules a machine can see), one sentence each. */
function violations(files: readonly SourceFile[]): string[] {
  return [...files.flatMap(violationsOfFile), ...violationsOfRooms(files)];
}

function violationsOfFile(file: SourceFile): string[] {
  if (!file.path.endsWith('.ts')) {
    return [];
  }

  const nodes = [...descendants(parseSync(file.text, { syntax: 'typescript', decorators: true, target: 'es2023' }))];
  const isRules = file.path.endsWith('.rules.ts');
  const found = [
    ...nodes.flatMap(importedBy).flatMap(target => importRuleOf(file.path)(file.path, target)),
    ...nodes.flatMap(node => forbiddenAnywhere(node, file.path)),
    ...(isRules ? nodes.flatMap(forbiddenInRules) : []),
    ...(file.text.trimEnd().split('\n').length > MOST_LINES ? [`has more than ${MOST_LINES} lines`] : []),
  ];

  return [...new Set(found)].map(sentence => `${file.path} ${sentence}`);
}

function violationsOfRooms(files: readonly SourceFile[]): string[] {
  const paths = new Set(files.map(({ path }) => path));
  const rooms = new Set([...paths].flatMap(path => roomOf(path) ?? []));
  const strays = [...paths].filter(path => /^src\/[^/]+\.ts$/.test(path) && !PROCESSES.includes(path.slice(4)));

  return [
    ...strays.map(path => `${path} is neither in a room nor a known process`),
    ...[...rooms].flatMap(room => [
      ...(ROOMS.includes(room) ? [] : [`src/${room} is not on the list of rooms`]),
      ...(paths.has(`src/${room}/index.ts`) ? [] : [`src/${room} has no index.ts`]),
      ...(paths.has(`src/${room}/README.md`) ? [] : [`src/${room} has no README.md`]),
    ]),
  ];
}

/** Static, dynamic and type imports and re-exports. */
function importedBy(node: Node): string[] {
  const { type, source, callee, argument, moduleRef, arguments: args } = node;
  const [first] = (type === 'CallExpression' && isCallOfImport(callee) ? args : []) as { expression: Node }[];
  const target =
    (type?.endsWith('Declaration') && source) || (type === 'TsImportType' && argument) || first?.expression;
  const external = type === 'TsImportEqualsDeclaration' ? (moduleRef as Node)['expression'] : undefined;
  const value = ((target || external) as Node | undefined)?.['value'];

  return typeof value === 'string' ? [value] : [];
}

function isCallOfImport(callee: unknown): boolean {
  return (callee as Node).type === 'Import' || nameOf(callee) === 'require';
}

function importRuleOf(path: string): (from: string, target: string) => string[] {
  return path.startsWith(CLIENT) ? clientImport : path.endsWith('.rules.ts') ? rulesImport : roomImport;
}

function clientImport(from: string, target: string): string[] {
  return resolved(from, target)?.startsWith(CLIENT) ? [] : [`imports ${target}, which is not in the client`];
}

function roomImport(from: string, target: string): string[] {
  const room = roomOf(from);
  const path = resolved(from, target);

  if (path && /^(test|bench|client)\//.test(path)) {
    return [`imports ${path}, which is no part of the product`];
  }

  if (!room || !path?.startsWith('src/') || roomOf(path) === room) {
    return [];
  }

  const other = roomOf(path);

  if (!other) {
    return [`imports ${path}, which stands above all rooms`];
  }

  if (!isBelow(other, room)) {
    return [`imports ${path}, which is not below it`];
  }

  return path === `src/${other}/index.ts` ? [] : [`imports ${path}, not the door src/${other}/index.ts`];
}

function rulesImport(from: string, target: string): string[] {
  const room = roomOf(from);
  const path = resolved(from, target);
  const other = path ? roomOf(path) : null;

  if (PURE_PACKAGES.includes(target)) {
    return [];
  }

  if (!room || !path || !other) {
    return [`imports ${target}, which is neither money nor rules`];
  }

  const isMoney = room === 'money' ? other === 'money' : path === 'src/money/index.ts';
  const isOwnOrLower = other === room || isBelow(other, room);

  return isMoney || (path.endsWith('.rules.ts') && isOwnOrLower)
    ? []
    : [`imports ${path}, which is no rule it may know`];
}

function forbiddenAnywhere(node: Node, path: string): string[] {
  const readsEnvironment =
    member(node) === 'process.env' ||
    (node.type === 'VariableDeclarator' && nameOf(node['init']) === 'process') ||
    importedBy(node).some(target => /^(node:)?process$/.test(target));
  const isAny = node.type === 'TsKeywordType' && node['kind'] === 'any';
  const isParseFloat = nameOf(node) === 'parseFloat' || member(node)?.endsWith('.parseFloat');

  return [
    ...(readsEnvironment && !READS_ENVIRONMENT.includes(path) ? ['reads the environment'] : []),
    ...(isAny ? ['says any'] : []),
    ...(isParseFloat ? ['uses parseFloat'] : []),
    ...(member(node)?.endsWith('.toFixed') ? ['uses toFixed'] : []),
  ];
}

function forbiddenInRules(node: Node): string[] {
  const isClock =
    member(node) === 'Date.now' ||
    member(node) === 'performance.now' ||
    (node.type === 'CallExpression' && nameOf(node['callee']) === 'Date') ||
    (node.type === 'NewExpression' &&
      nameOf(node['callee']) === 'Date' &&
      !(node['arguments'] as Node[] | null)?.length);

  return [
    ...(isClock ? ['reads the clock'] : []),
    ...(nameOf(node) === 'process' || nameOf(node) === 'globalThis' ? ['knows the process'] : []),
    ...(member(node) === 'Math.random' || nameOf(node) === 'crypto' ? ['throws dice'] : []),
  ];
}

function* descendants(value: unknown): Generator<Node> {
  if (value === null || typeof value !== 'object') {
    return;
  }

  if (!Array.isArray(value)) {
    yield value as Node;
  }

  for (const part of Object.values(value)) {
    yield* descendants(part);
  }
}

function nameOf(value: unknown): string | null {
  const node = value as Node | null | undefined;

  return node?.type === 'Identifier' ? (node['value'] as string) : null;
}

/** `a.b` for `a.b`, `a['b']` and `a?.b`; `.b` where `a` is not a plain name. */
function member(node: Node): string | null {
  if (node.type !== 'MemberExpression') {
    return null;
  }

  const property = node['property'] as Node;
  const key = property.type === 'Computed' ? (property['expression'] as Node)['value'] : property['value'];

  return `${nameOf(node['object']) ?? ''}.${typeof key === 'string' ? key : ''}`;
}

/** The `.ts` path of a relative import; null for a package. */
function resolved(from: string, target: string): string | null {
  return target.startsWith('.') ? posix.join(posix.dirname(from), target).replace(/\.js$/, '.ts') : null;
}

function roomOf(path: string): string | null {
  const folder = /^src\/([^/]+)\//.exec(path)?.[1] ?? null;

  return folder && EDGES.includes(folder) ? null : folder;
}

function isBelow(other: string, room: string): boolean {
  return ROOMS.includes(other) && ROOMS.indexOf(other) < ROOMS.indexOf(room);
}

test('the source keeps the rules of AGENTS.md', () => {
  const paths = ['src', 'client/src'].flatMap(folder =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .map(path => `${folder}/${path.replaceAll('\\', '/')}`)
      .filter(path => /\.(ts|md)$/.test(path)),
  );
  expect(paths).toEqual(expect.arrayContaining(['src/app.ts', 'client/src/index.ts']));

  expect(violations(paths.map(path => ({ path, text: readFileSync(path, 'utf8') })))).toEqual([]);
});

test('the files that may read the environment exist', () => {
  expect(READS_ENVIRONMENT.filter(path => !existsSync(path))).toEqual([]);
});

describe('the checker', () => {
  const usage = 'src/usage/usage.service.ts';
  const rules = 'src/rating/rate.rules.ts';
  const client = 'client/src/client.ts';

  test.each([
    [usage, "import { rate } from '../rating/index.js';", 'imports src/rating/index.ts, which is not below it'],
    [usage, "import type { Rate } from '../rating/index.js';", 'imports src/rating/index.ts, which is not below it'],
    [usage, "export * from '../rating/index.js';", 'imports src/rating/index.ts, which is not below it'],
    [usage, "export { rate } from '../rating/index.js';", 'imports src/rating/index.ts, which is not below it'],
    [usage, "import '../rating/index.js';", 'imports src/rating/index.ts, which is not below it'],
    [usage, "await import('../rating/index.js');", 'imports src/rating/index.ts, which is not below it'],
    [usage, "let a: import('../rating/index.js').Rate;", 'imports src/rating/index.ts, which is not below it'],
    [usage, "import a = require('../rating/index.js');", 'imports src/rating/index.ts, which is not below it'],
    [
      usage,
      "import { save } from '../catalog/catalog.service.js';",
      'imports src/catalog/catalog.service.ts, not the door src/catalog/index.ts',
    ],
    [
      usage,
      "import { match } from '../pricing/price.rules.js';",
      'imports src/pricing/price.rules.ts, not the door src/pricing/index.ts',
    ],
    [usage, "import { app } from '../app.js';", 'imports src/app.ts, which stands above all rooms'],
    [
      usage,
      "import { aTenant } from '../../test/support/a-tenant.js';",
      'imports test/support/a-tenant.ts, which is no part of the product',
    ],
    [usage, "import { a } from '../cellar/index.js';", 'imports src/cellar/index.ts, which is not below it'],
    [
      usage,
      "import { RatebookClient } from '../../client/src/index.js';",
      'imports client/src/index.ts, which is no part of the product',
    ],
    [
      client,
      "import type { Decimal } from '../../src/money/index.js';",
      'imports ../../src/money/index.js, which is not in the client',
    ],
    [client, "import { z } from 'zod';", 'imports zod, which is not in the client'],
    [client, "import { randomUUID } from 'node:crypto';", 'imports node:crypto, which is not in the client'],
    [client, 'console.log(process.env.PORT);', 'reads the environment'],
    [usage, 'console.log(process.env.PORT);', 'reads the environment'],
    [usage, "console.log(process['env']);", 'reads the environment'],
    [usage, 'const { env } = process;', 'reads the environment'],
    [usage, "import { env } from 'node:process';", 'reads the environment'],
    [usage, 'let a: any;', 'says any'],
    [usage, 'export const a = JSON.parse("1") as any;', 'says any'],
    [usage, 'let a: Record<string, any>;', 'says any'],
    [usage, "parseFloat('1.5');", 'uses parseFloat'],
    [usage, "Number.parseFloat('1.5');", 'uses parseFloat'],
    [usage, '(1.5).toFixed(2);', 'uses toFixed'],
    [
      rules,
      "import { newId } from '../platform/index.js';",
      'imports src/platform/index.ts, which is no rule it may know',
    ],
    [
      rules,
      "import type { Price } from './price.types.js';",
      'imports src/rating/price.types.ts, which is no rule it may know',
    ],
    [
      rules,
      "import { a } from '../alerts/alert.rules.js';",
      'imports src/alerts/alert.rules.ts, which is no rule it may know',
    ],
    [rules, "import { a } from '../money/decimal.js';", 'imports src/money/decimal.ts, which is no rule it may know'],
    [rules, "import { hash } from 'node:crypto';", 'imports node:crypto, which is neither money nor rules'],
    [rules, 'export const a = Date.now();', 'reads the clock'],
    [rules, 'export const a = new Date();', 'reads the clock'],
    [rules, 'export const a = new Date;', 'reads the clock'],
    [rules, 'export const a = process.hrtime();', 'knows the process'],
    [rules, 'export const a = Math.random();', 'throws dice'],
  ])('finds in %s the breach %j', (path, text, sentence) => {
    expect(violationsOfFile({ path, text })).toEqual([`${path} ${sentence}`]);
  });

  test('finds a file longer than 400 lines', () => {
    expect(violationsOfFile({ path: usage, text: `${'\n'.repeat(399)}export {};\n` })).toEqual([]);
    expect(violationsOfFile({ path: usage, text: `${'\n'.repeat(400)}export {};\n` })).toEqual([
      `${usage} has more than 400 lines`,
    ]);
  });

  test.each([
    [usage, "import { decimal } from '../money/index.js'; import { price } from '../pricing/index.js';"],
    [usage, "import { fold } from './fold.rules.js'; import { z } from 'zod'; import { join } from 'node:path';"],
    [usage, "// process.env and parseFloat in a comment\nexport const a = 'process.env.PORT as any, toFixed(2)';"],
    [usage, 'export const now = () => new Date();'],
    [rules, "import type { Decimal } from '../money/index.js'; import { match } from '../pricing/price.rules.js';"],
    [rules, "import { tier } from './tier.rules.js'; export const a = (time: string) => new Date(time);"],
    ['src/money/split.rules.ts', "import { decimal } from './decimal.js';"],
    ['src/config.ts', 'export const port = process.env.PORT;'],
    ['src/app.ts', "import { rate } from './rating/rating.service.js'; import { flow } from './flow.js';"],
    [client, "export * from './types.js'; import { newId } from './events.js';"],
    ['src/demo/seed.ts', "import { alert } from '../alerts/index.js';"],
  ])('finds nothing wrong in %s with %j', (path, text) => {
    expect(violationsOfFile({ path, text })).toEqual([]);
  });

  test('finds rooms that are not listed, have no door or no README, and strays', () => {
    const files = ['src/money/index.ts', 'src/cellar/wine.ts', 'src/demo/index.ts', 'src/stray.ts', 'src/app.ts'];

    expect(violations(files.map(path => ({ path, text: 'export {};' })))).toEqual([
      'src/stray.ts is neither in a room nor a known process',
      'src/money has no README.md',
      'src/cellar is not on the list of rooms',
      'src/cellar has no index.ts',
      'src/cellar has no README.md',
    ]);
  });
});

import { readFileSync } from 'node:fs';
import { printClientTypes } from '../../src/commands/emit-client-types.js';

test('the committed types of the client are those that the code emits: npm run client:types', () => {
  expect(readFileSync('client/src/types.ts', 'utf8')).toBe(printClientTypes());
});

test('the client ships nothing that it does not need at run time', () => {
  const { dependencies, peerDependencies, exports } = JSON.parse(readFileSync('client/package.json', 'utf8')) as Record<
    string,
    unknown
  >;
  expect([dependencies, peerDependencies]).toEqual([undefined, undefined]);
  expect(exports).toEqual({ '.': { types: './dist/index.d.ts', default: './dist/index.js' } });
});

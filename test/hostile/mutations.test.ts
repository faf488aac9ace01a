import { getNamedType, type GraphQLInputObjectType, type GraphQLObjectType } from 'graphql';
import { ALL_PERMISSIONS } from '../../src/access/index.js';
import { anEvent } from '../support/builders.js';
import { aKey } from '../support/product.js';
import { examples } from './examples.js';
import { aStage, LEAK, NOW } from './stage.js';
import { hostileFor, leavesOf, STRINGS, withValue } from './values.js';

const stage = aStage();
const changed = () => stage.changes.since();

test('no value in any field of any mutation is answered by an internal error, and what is refused changes nothing', async () => {
  const byName = await examples(stage);
  const mutations = stage.product.app.schema.getMutationType()?.getFields() ?? {};
  expect(Object.keys(byName).sort()).toEqual(Object.keys(mutations).sort());
  const faults: string[] = [];
  let asked = 0;
  let accepted = 0;

  for (const [mutation, example] of Object.entries(byName)) {
    const input = mutations[mutation]?.args[0]?.type;

    if (!input) {
      throw new Error(`${mutation} has no input`);
    }

    const fields = (getNamedType(input) as GraphQLInputObjectType).getFields();
    const text = `mutation ($input: ${String(input)}) { ${mutation}(input: $input) { userErrors { code message field } } }`;

    let current = await example();
    await changed();

    for (const { path, type } of leavesOf(input, current)) {
      for (const value of hostileFor(type)) {
        const given = withValue(current, path, value);
        const { status, text: answer, body } = await stage.ask(text, { input: given });
        asked += 1;
        const what = `${mutation} ${path.join('.')} = ${JSON.stringify(value)?.slice(0, 60)}`;
        const userErrors = body.data?.[mutation]?.userErrors ?? [];
        const errors = body.errors ?? [];
        const isRefused = userErrors.length > 0 || errors.length > 0;
        const changes = await changed();

        if (status >= 500 || errors.some(error => error.extensions.code === 'INTERNAL')) {
          faults.push(`${what}: ${status} ${answer.slice(0, 200)}`);
        } else if (answer.length > 4_000 || LEAK.test(answer)) {
          faults.push(`${what}: leaks or echoes ${answer.length} characters: ${answer.slice(0, 300)}`);
        } else if (userErrors.some(({ field: [first] }) => first === undefined || !(first in fields))) {
          faults.push(`${what}: names no field: ${answer.slice(0, 300)}`);
        } else if (errors.length > 0 && !errors.every(error => error.extensions.code === 'BAD_USER_INPUT')) {
          faults.push(`${what}: ${answer.slice(0, 300)}`);
        } else if (isRefused && changes.length > 0) {
          faults.push(`${what}: refused, and ${changes.join()}`);
        }

        if (!isRefused) {
          accepted += 1;
          // What was refused has changed nothing, so the same input serves again.
          current = await example();
          await changed();
        }
      }
    }
  }

  expect(faults).toEqual([]);
  expect(asked).toBeGreaterThan(1_000);
  expect(accepted).toBeGreaterThan(20);
  // Thousands of requests: many minutes where the machine has other work.
}, 600_000);

test('no value in any argument of any query is answered by an internal error', async () => {
  const faults: string[] = [];
  const schema = stage.product.app.schema;
  const tenantFields = Object.values((schema.getType('Tenant') as GraphQLObjectType).getFields());
  const rootFields = Object.values(schema.getQueryType()?.getFields() ?? {});
  const EXAMPLES: Readonly<Record<string, unknown>> = { from: '2026-11-01T00:00:00Z', until: '2026-11-30T00:00:00Z' };
  const onePage = (name: string): string =>
    name.endsWith('Connection') ? '{ pageInfo { endCursor } }' : '{ __typename }';
  let asked = 0;

  for (const [field, wrap] of [
    ...rootFields.map(root => [root, (inner: string) => inner] as const),
    ...tenantFields.map(root => [root, (inner: string) => `tenant { ${inner} }`] as const),
  ]) {
    for (const argument of field.args) {
      const plain = hostileFor(argument.type);
      const cursors = argument.name === 'after' ? STRINGS.map(value => Buffer.from(value).toString('base64url')) : [];

      for (const value of [...plain, ...cursors]) {
        const declared = field.args.map(arg => `$${arg.name}: ${String(arg.type)}`).join(', ');
        const passed = field.args.map(arg => `${arg.name}: $${arg.name}`).join(', ');
        const variables = Object.fromEntries(
          field.args.flatMap(arg =>
            arg.name === argument.name
              ? [[arg.name, value]]
              : arg.name in EXAMPLES
                ? [[arg.name, EXAMPLES[arg.name]]]
                : arg.name === 'id'
                  ? [[arg.name, stage.customerId]]
                  : [],
          ),
        );
        const { status, text, body } = await stage.ask(
          `query (${declared}) { ${wrap(`${field.name}(${passed}) ${onePage(getNamedType(field.type).name)}`)} }`,
          variables,
        );
        asked += 1;
        const what = `${field.name} ${argument.name} = ${JSON.stringify(value)?.slice(0, 60)}`;
        const codes = (body.errors ?? []).map(error => error.extensions.code);

        if (status >= 500 || codes.some(code => !['BAD_USER_INPUT', 'INVALID_INPUT'].includes(code))) {
          faults.push(`${what}: ${status} ${text.slice(0, 200)}`);
        } else if (text.length > 4_000 || LEAK.test(text)) {
          faults.push(`${what}: leaks or echoes: ${text.slice(0, 200)}`);
        }
      }
    }
  }

  expect(faults).toEqual([]);
  expect(asked).toBeGreaterThan(300);
});

test('a test key records nothing and changes nothing, whatever it asks for', async () => {
  const key = await aKey(stage.product.app, stage.product.scope(), ALL_PERMISSIONS, 'TEST');
  const byName = await examples(stage);
  const inputs = new Map<string, object>();

  for (const [mutation, example] of Object.entries(byName)) {
    inputs.set(mutation, await example());
  }

  await changed();

  for (const [mutation, example] of inputs) {
    const input = stage.product.app.schema.getMutationType()?.getFields()[mutation]?.args[0]?.type;
    const { body } = await stage.ask(
      `mutation ($input: ${String(input)}) { ${mutation}(input: $input) { userErrors { code message field } } }`,
      {
        input:
          mutation === 'usageRecord'
            ? { events: [anEvent({ time: NOW.toISOString(), properties: { model: 'm', tokens: 1 } })] }
            : example,
      },
      key,
    );

    if (mutation === 'usageRecord') {
      expect(body).toEqual({ data: { usageRecord: { userErrors: [] } } });
    } else {
      expect([mutation, body.errors?.[0]?.extensions.code]).toEqual([mutation, 'FORBIDDEN']);
    }
  }

  const dry = await stage.send({
    key,
    body: JSON.stringify(anEvent({ time: NOW.toISOString(), properties: { model: 'm', tokens: 1 } })),
  });
  expect({ status: dry.status, body: dry.body }).toEqual({
    status: 200,
    body: { accepted: 1, duplicates: [], conflicts: [], rejected: [], isDryRun: true },
  });
  expect(await changed()).toEqual([]);
});

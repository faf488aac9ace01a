import { createHash } from 'node:crypto';
import { CompiledQuery } from 'kysely';
import type pg from 'pg';
import type { Scope } from './scope.js';

/**
 * Runs one statement with real parameters ($1, $2 …) in the scope's transaction and returns its rows.
 * `em.execute` writes parameters into the text, which breaks arrays; this does not (MikroORM 7.2).
 */
export async function query<Row extends object>(
  scope: Scope,
  text: string,
  parameters: readonly unknown[] = [],
): Promise<Row[]> {
  const result = await scope.em.getKysely().executeQuery<Row>(CompiledQuery.raw(text, [...parameters]));

  return result.rows;
}

/** The statements that are prepared, with the names under which connections keep them. */
const names = new Map<string, string>();

/**
 * `query` for the few statements of which calls and usage make thousands a second: Postgres reads and plans such a one once
 * per connection, which would else be half of what it costs. The text is one of a handful, names its columns (a prepared
 * statement must not change what it answers), and has a plan that is good whatever the parameters are.
 */
export async function preparedQuery<Row extends object>(
  scope: Scope,
  text: string,
  parameters: readonly unknown[],
): Promise<Row[]> {
  if (!names.has(text)) {
    names.set(text, `ratebook_${createHash('sha256').update(text).digest('hex').slice(0, 32)}`);
  }

  return query<Row>(scope, text, parameters);
}

/** The texts that were prepared by this process so far. */
export function preparedTexts(): readonly string[] {
  return [...names.keys()];
}

/**
 * What a new connection of ours does beneath Kysely, which knows of neither: it sends prepared statements by name, and `begin`
 * together with the first statement of its transaction, which is one round trip less for each.
 */
export function sendsLess(client: pg.ClientBase): void {
  const send = client.query.bind(client) as (...given: unknown[]) => Promise<unknown>;
  let isBeginning = false;
  const query = async (...given: unknown[]): Promise<unknown> => {
    const [text, values, ...rest] = given;

    if (text === 'begin') {
      isBeginning = true;

      return NO_ROWS;
    }

    if (isBeginning) {
      isBeginning = false;

      if (text === 'commit' || text === 'rollback') {
        return NO_ROWS;
      }

      // Several statements go at once where none of them has parameters.
      if (typeof text === 'string' && (!Array.isArray(values) || values.length === 0)) {
        const answers = await send(`begin; ${text}`, values, ...rest);

        return Array.isArray(answers) ? answers.at(-1) : answers;
      }

      await send('begin');
    }

    const name = typeof text === 'string' ? names.get(text) : undefined;

    return name ? send({ name, text, values }, ...rest) : send(...given);
  };
  Object.assign(client, { query });
}

const NO_ROWS = { command: '', rowCount: 0, rows: [], fields: [] };

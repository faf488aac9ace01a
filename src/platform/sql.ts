import { CompiledQuery } from 'kysely';
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

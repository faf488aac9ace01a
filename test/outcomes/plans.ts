import { CompiledQuery } from 'kysely';
import type { Scope } from '../../src/platform/index.js';

/** How Postgres means to run a statement: one line for each table that it reads, with how, and by which index. */
export interface Planned {
  readonly text: string;
  readonly reads: readonly string[];
}

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly Plans?: readonly PlanNode[];
}

/**
 * The same transaction, in which every statement of `query` is explained before it runs: with the settings, the statistics and
 * the rows of that moment. What was planned is added to `planned`.
 */
export function explained(tx: Scope, planned: Planned[]): Scope {
  const db = tx.em.getKysely();
  const executeQuery = async (compiled: CompiledQuery<unknown>) => {
    if (!compiled.sql.includes('set_config(')) {
      const { rows } = await db.executeQuery<{ 'QUERY PLAN': readonly { readonly Plan: PlanNode }[] }>(
        CompiledQuery.raw(`explain (format json) ${compiled.sql}`, [...compiled.parameters]),
      );
      const [plan] = rows[0]?.['QUERY PLAN'] ?? [];
      planned.push({ text: compiled.sql, reads: plan ? readsOf(plan.Plan) : [] });
    }

    return db.executeQuery(compiled);
  };
  const em = new Proxy(tx.em, {
    get: (target, name) => {
      if (name === 'getKysely') {
        return () => ({ executeQuery });
      }

      const value: unknown = Reflect.get(target, name, target);

      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });

  return { ...tx, em };
}

function readsOf(node: PlanNode): string[] {
  const { 'Node Type': type, 'Relation Name': table, 'Index Name': index, Plans: below = [] } = node;
  // A bitmap names its table and its index in two nodes.
  const own = table !== undefined || index !== undefined ? [[type, table, index].filter(Boolean).join(' ')] : [];

  return [...(type === 'ModifyTable' ? [] : own), ...below.flatMap(readsOf)];
}

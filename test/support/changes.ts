import pg from 'pg';
import type { Product } from './product.js';

/** What is written to the product's tables, told by the database itself. */
export interface Changes {
  /**
   * What was committed since this was asked last: `insert invoice`, `update hold` …, each once, sorted. Nothing for what was
   * rolled back, or for a row that was updated to what it was.
   */
  since(): Promise<string[]>;
  /** Another statement, as the superuser. */
  query<Row extends pg.QueryResultRow>(text: string, parameters?: readonly unknown[]): Promise<Row[]>;
  close(): Promise<void>;
}

/** When a key was last used is kept now and then, whatever it was used for. */
const IGNORED: Readonly<Record<string, string>> = { api_key: 'last_used_at' };

/**
 * Has triggers of the test's own write down every change of a row of the product's tables. Asking costs one small statement,
 * where counting the rows of all tables costs a hundred times that, and sees no update.
 */
export async function watchChanges({ database }: Product): Promise<Changes> {
  const client = new pg.Client({ connectionString: database.adminUrl });
  await client.connect();
  const { rows: tables } = await client.query<{ name: string }>(
    `select relname::text as name from pg_class
     where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition`,
  );
  await client.query(`
    create schema watched;
    create unlogged table watched.change (what text not null);
    create function watched.note() returns trigger language plpgsql security definer as $$
    begin
      insert into watched.change values (lower(tg_op) || ' ' || tg_argv[0]);
      return null;
    end $$;
    ${tables
      .map(({ name }) => {
        const column = IGNORED[name];
        const isOther = column
          ? `(to_jsonb(old) - '${column}' is distinct from to_jsonb(new) - '${column}')`
          : '(old *<> new)';

        return `
          create trigger watched after insert or delete on ${name} for each row execute function watched.note('${name}');
          create trigger watched_update after update on ${name} for each row when ${isOther}
            execute function watched.note('${name}');`;
      })
      .join('')}`);

  return {
    since: async () => {
      const { rows } = await client.query<{ what: string }>('delete from watched.change returning what');

      return [...new Set(rows.map(({ what }) => what))].sort();
    },
    query: async <Row extends pg.QueryResultRow>(text: string, parameters: readonly unknown[] = []) =>
      (await client.query<Row>(text, [...parameters])).rows,
    close: () => client.end(),
  };
}

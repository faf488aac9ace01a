import { Migrator } from '@mikro-orm/migrations';
import { MikroORM, defineEntity, p } from '@mikro-orm/postgresql';
import { migrations } from '../../migrations/index.js';
import { migrate } from '../../src/platform/migrate.js';
import { aDatabase, anEmptyDatabase, asSuperuser, type TestDatabase } from '../support/database.js';

/** The migration that gives values the subject of their event. */
const SUBJECTS = 'Migration20261124110000_outcome_backlogs';
const TIME = '2026-11-10T10:00:00Z';

describe('a database from before values had subjects', () => {
  let database: TestDatabase;

  beforeEach(async () => {
    database = await anEmptyDatabase();
  });

  afterEach(() => database.drop());

  /** Runs the migrations before one, as a product of that day did. */
  async function migrateUntil(name: string): Promise<string[]> {
    // Roles belong to the server; whoever migrated a database has made them.
    await (await aDatabase()).drop();
    const before = migrations.slice(
      0,
      migrations.findIndex(migration => migration.name === name),
    );
    // The migrator needs an ORM and an ORM needs an entity; this one has no table.
    const entity = defineEntity({
      name: 'MigrationAnchor',
      virtual: true,
      expression: 'select 1 as id',
      properties: { id: p.integer() },
    });
    const orm = await MikroORM.init({
      clientUrl: database.adminUrl,
      entities: [entity],
      extensions: [Migrator],
      logger: () => undefined,
      migrations: {
        migrationsList: before.map(migration => ({ name: migration.name, class: migration })),
        snapshot: false,
        tableName: 'migration',
      },
    });

    try {
      return (await orm.migrator.up()).map(ran => ran.name);
    } finally {
      await orm.close(true);
    }
  }

  const rows = (sql: string, parameters: readonly unknown[] = []) => asSuperuser(database, sql, parameters);

  test('gives each value that it holds the subject of its event, and changes nothing else of it', async () => {
    const first = await migrateUntil(SUBJECTS);
    expect(first.at(-1)).toBe('Migration20261124100000_credits');
    // Two tenants with the same ids, an id from two sources, events without a subject, and more than one value of an event.
    const events = [
      ['ten_1', 'a', '', 's'],
      ['ten_1', 'a', 'other', 't'],
      ['ten_1', 'b', '', null],
      ['ten_1', 'Ä', '', 'S ö'],
      ['ten_2', 'a', '', 'theirs'],
    ] as const;

    for (const [tenantId, id, source, subject] of events) {
      await rows(
        `insert into usage_event (tenant_id, id, source, type, time, subject, properties, content_hash, accepted_at, key_id)
         values ($1, $2, $3, 'used', $5, $4, '{}', '', $5, 'key')`,
        [tenantId, id, source, subject, TIME],
      );
    }

    await rows(
      `insert into usage_value (tenant_id, time, id, source, meter_id, part, slot, dimensions, value)
       select tenant_id, time, id, source, meter, part, time, '{"model":"m"}', '1.50' from usage_event,
         unnest(array['mtr_1', 'mtr_2'], array[0, 1]) as v (meter, part)`,
    );
    const kept = () =>
      rows(
        `select to_jsonb(v) - 'subject' as row from usage_value v
         order by tenant_id, id, source, meter_id`,
      );
    const before = await kept();
    expect(before).toHaveLength(2 * events.length);
    expect(await migrate(database)).toEqual(migrations.slice(first.length).map(({ name }) => name));
    expect(await kept()).toEqual(before);
    expect(
      await rows('select distinct tenant_id, id, source, subject from usage_value order by tenant_id, id, source'),
    ).toEqual(events.map(([tenant_id, id, source, subject]) => ({ tenant_id, id, source, subject })));
    // And values are as final as before.
    await expect(rows("update usage_value set subject = 'x'")).rejects.toThrow('never changed or deleted');
    await expect(rows('delete from usage_value')).rejects.toThrow('never changed or deleted');
  }, 60_000);

  test('has no trigger that looks for subjects: who keeps a value says it', async () => {
    await migrate(database);
    expect(
      await rows("select tgname from pg_trigger where tgrelid = 'usage_value'::regclass and not tgisinternal"),
    ).toEqual([{ tgname: 'usage_value_is_final' }]);
  }, 60_000);
});

// Starts the embedded Postgres on argv[2], says `ready <url>` or `refused <message>`, and stays until it is killed.
import { startEmbeddedPostgres } from '../../src/platform/embedded-postgres.ts';

try {
  const postgres = await startEmbeddedPostgres({ dataDir: process.argv[2], settings: { fsync: 'off' } });
  console.log(`ready ${postgres.url}`);
  setInterval(() => undefined, 60_000);
} catch (error) {
  console.log(`refused ${error.message}`);
}

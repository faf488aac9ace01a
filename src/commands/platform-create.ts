import { randomUUID } from 'node:crypto';
import { ALL_PERMISSIONS } from '../access/index.js';
import { createApp } from '../app.js';
import { readConfig } from '../config.js';
import { inTransaction, newId } from '../platform/index.js';

/** Makes the root tenant and prints its id and first key: the only key that no other key has made. */
export async function createPlatform(platform: {
  readonly name: string;
  readonly currency: string;
  readonly timeZone: string;
  readonly region: string;
}): Promise<void> {
  const app = await createApp(readConfig());

  try {
    const { rows } = await app.relayPool.query("select id from tenant where kind = 'PLATFORM'");

    if (rows.length > 0) {
      throw new Error('this installation has its platform tenant already');
    }

    const scope = app.scopeOf(newId('ten', app.clock()), { kind: 'cli', id: 'platform-create' });
    // Both or neither: without its first key a platform could never be opened.
    const { tenant, text } = await inTransaction(scope, async tx => {
      const tenant = await app.services.tenants.createPlatform(tx, platform);
      const { text } = await app.services.access.create(
        tx,
        {
          name: 'The first key',
          prefix: 'rb',
          mode: 'LIVE',
          permissions: ALL_PERMISSIONS,
          expiresAt: null,
          idempotencyKey: randomUUID(),
        },
        new Set(ALL_PERMISSIONS),
      );

      return { tenant, text };
    });
    console.log(`tenant  ${tenant.id}\nkey     ${text ?? ''}   (shown this once)`);
  } finally {
    await app.close();
  }
}

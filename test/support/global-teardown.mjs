// After the run: stops what global-setup.mjs started. A run that is killed needs no teardown, its servers end with it.
import { rmSync } from 'node:fs';

export default async function globalTeardown() {
  const { stops, folder } = globalThis.ratebookTestServers;
  await Promise.all(stops.map(stop => stop()));

  if (folder) {
    rmSync(folder, { recursive: true, force: true });
  }
}

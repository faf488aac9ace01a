import type { App } from './app.js';

/** The worker process: job workers, outbox relay and sweeps. Any number may run; the rows keep them apart. */
export function startWorker(app: App): { close(): Promise<void> } {
  app.work();

  return { close: () => app.close() };
}

import { pino, type Logger } from 'pino';

export type { Logger };

/** JSON lines on standard error. Never given secrets, usage properties or personal data; the paths are a second guard. */
export function createLog(level: string): Logger {
  return pino(
    { level, redact: ['*.secret', '*.authorization', 'secret', 'authorization', '*.password'] },
    pino.destination({ dest: 2, sync: true }),
  );
}

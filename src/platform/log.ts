import { pino, type Logger } from 'pino';

export type { Logger };

/** What is logged of an error. Not a database error's `detail` and `where`: they quote rows and parameters. */
function told(error: unknown): object {
  const { name, message, code, stack } = (error ?? {}) as Error & { code?: unknown };

  return { name, message, code, stack };
}

/** JSON lines on standard error. Never given secrets, usage properties or personal data; the paths are a second guard. */
export function createLog(level: string): Logger {
  return pino(
    {
      level,
      serializers: { err: told },
      redact: ['*.secret', '*.authorization', 'secret', 'authorization', '*.password'],
    },
    pino.destination({ dest: 2, sync: true }),
  );
}

import { z } from 'zod';

/** Everything a process is told from outside. */
export interface Config {
  readonly port: number;
  readonly host: string;
  /** Logs in as `ratebook_app`, the role that row-level security binds. */
  readonly databaseUrl: string;
  /** Logs in as `ratebook_relay`, which sees the outbox of every tenant and little else. */
  readonly relayUrl: string;
  /** Jobs and hints run on Redis when there is one, on Postgres when not. */
  readonly redisUrl: string | null;
  /** At least 32 characters; keys of the API and sealed columns depend on it. */
  readonly secret: string;
  readonly logLevel: string;
  readonly webhookAllowPrivate: boolean;
}

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
const postgres = z.url({ protocol: /^postgres(ql)?$/, error: 'is a postgres:// URL' });

const environment = z.object({
  PORT: z.coerce.number().int().min(0).max(65_535).default(4_000),
  HOST: z.string().default('127.0.0.1'),
  DATABASE_URL: postgres.optional(),
  DATABASE_RELAY_URL: postgres.optional(),
  DATABASE_ADMIN_URL: postgres.optional(),
  REDIS_URL: z.url({ protocol: /^rediss?$/, error: 'is a redis:// URL' }).optional(),
  RATEBOOK_SECRET: z.string().min(32, 'has at least 32 characters').optional(),
  DATA_DIR: z.string().default('.ratebook'),
  LOG_LEVEL: z.enum(LOG_LEVELS).default('info'),
  WEBHOOK_ALLOW_PRIVATE: z.enum(['true', 'false']).default('false'),
});

export type Environment = z.infer<typeof environment>;

/** Reads the environment. An empty variable is an absent one. Throws one error that names every variable at fault. */
export function readEnvironment(env: NodeJS.ProcessEnv = process.env): Environment {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const read = environment.safeParse(given);

  if (!read.success) {
    const faults = read.error.issues.map(issue => `  ${issue.path.join('.')}: ${issue.message}`);

    throw new Error(`the environment is not right:\n${faults.join('\n')}`);
  }

  return read.data;
}

/** The configuration of a server or worker on real services. Throws when a variable it needs is missing. */
export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const read = readEnvironment(env);
  const missing = (['DATABASE_URL', 'DATABASE_RELAY_URL', 'RATEBOOK_SECRET'] as const).filter(name => !read[name]);

  if (!read.DATABASE_URL || !read.DATABASE_RELAY_URL || !read.RATEBOOK_SECRET) {
    throw new Error(
      `the environment lacks ${missing.join(', ')}; see .env.example, or run "npm start", which needs none`,
    );
  }

  return Object.freeze({
    port: read.PORT,
    host: read.HOST,
    databaseUrl: read.DATABASE_URL,
    relayUrl: read.DATABASE_RELAY_URL,
    redisUrl: read.REDIS_URL ?? null,
    secret: read.RATEBOOK_SECRET,
    logLevel: read.LOG_LEVEL,
    webhookAllowPrivate: read.WEBHOOK_ALLOW_PRIVATE === 'true',
  });
}

import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { accessEntities, type Caller } from './access/index.js';
import { alertEntities, type FollowContext } from './alerts/index.js';
import { budgetEntities, budgetsHandlers } from './budgets/index.js';
import { catalogEntities } from './catalog/index.js';
import type { Config } from './config.js';
import { contractEntities, contractMigrationEntities, contractsHandlers } from './contracts/index.js';
import { creditEntities, creditsHandlers } from './credits/index.js';
import { entitlementEntities } from './entitlements/index.js';
import { jobsFor, KEPT, WATCHED } from './flow.js';
import { invoiceEntities, invoicingHandlers } from './invoicing/index.js';
import { outcomeEntities, outcomeRuleEntities, outcomesHandlers } from './outcomes/index.js';
import {
  createLog,
  createOrm,
  Jobs,
  JOB_SCHEMA,
  OutboxRelay,
  postgresPubSub,
  redisPubSub,
  Secrets,
  type Actor,
  type Scope,
} from './platform/index.js';
import { fxEntities, priceImportEntities, pricingEntities } from './pricing/index.js';
import { ratingHandlers } from './rating/index.js';
import { createSchema } from './schema.js';
import { createServices } from './services.js';
import { simulationEntities, simulationHandlers, type SimulationContext } from './simulation/index.js';
import { Sweeps } from './sweeps.js';
import { tenantEntities } from './tenants/index.js';
import { webhookEntities, webhooksHandlers } from './webhooks/index.js';

/** Every entity there is, room by room. */
export const entities = [
  ...tenantEntities,
  ...accessEntities,
  ...webhookEntities,
  ...catalogEntities,
  ...pricingEntities,
  ...priceImportEntities,
  ...fxEntities,
  ...contractEntities,
  ...contractMigrationEntities,
  ...outcomeRuleEntities,
  ...outcomeEntities,
  ...entitlementEntities,
  ...creditEntities,
  ...budgetEntities,
  ...invoiceEntities,
  ...simulationEntities,
  ...alertEntities,
];

export interface AppOptions {
  /** The edge's clock; tests move it. */
  readonly clock?: () => Date;
  /** Keeps the jobs of several apps on one Redis or Postgres apart. */
  readonly jobPrefix?: string;
  readonly poolSize?: number;
}

export type App = Awaited<ReturnType<typeof createApp>>;

/** Builds the product from the ground up; server, worker, command line and tests all use this. Starts nothing. */
export async function createApp(config: Config, options: AppOptions = {}) {
  const clock = options.clock ?? (() => new Date());
  const prefix = options.jobPrefix ?? 'ratebook';
  const log = createLog(config.logLevel);
  const orm = createOrm({ url: config.databaseUrl, entities, poolSize: options.poolSize ?? 16 });
  const relayPool = new pg.Pool({ connectionString: config.relayUrl, max: 4 });
  relayPool.on('error', error => log.warn({ err: error }, 'relay connection error'));
  const pubSub = config.redisUrl ? redisPubSub(config.redisUrl, prefix, log) : postgresPubSub(config.databaseUrl, log);
  const jobs = new Jobs(
    config.redisUrl
      ? { kind: 'redis', url: config.redisUrl, prefix }
      : { kind: 'postgres', url: config.relayUrl, schema: JOB_SCHEMA },
    log,
  );

  const services = createServices(config, { secrets: new Secrets(config.secret), pubSub, clock });
  const { access, alerts, simulationProgress, simulations, outcomeSimulations, tenants } = services;
  const { simulationRunner, outcomeSimulationRunner } = services;

  const scopeOf = (tenantId: string, actor: Actor, requestId: string = randomUUID()): Scope => ({
    em: orm.em.fork(),
    tenantId,
    actor,
    now: clock(),
    requestId,
  });

  const relay = new OutboxRelay(
    relayPool,
    async facts => {
      await jobs.enqueue(jobsFor(facts));
      const watched = new Set(facts.filter(fact => WATCHED.has(fact.topic)).map(fact => fact.tenantId));
      await Promise.all([...watched].map(tenantId => alerts.hint(tenantId)));
    },
    KEPT,
    log,
  );
  const sweeps = new Sweeps(relayPool, jobs, clock, log);

  return {
    config,
    clock,
    log,
    orm,
    relayPool,
    jobs,
    jobPrefix: prefix,
    relay,
    sweeps,
    services,
    scopeOf,
    /** Who the key is, or null. */
    authenticate: (text: string): Promise<Caller | null> =>
      access.authenticate({ em: orm.em.fork(), now: clock(), requestId: '' }, text),
    /** The context of one GraphQL operation. */
    contextOf: (caller: Caller, text: string, requestId: string): FollowContext & SimulationContext => ({
      scope: scopeOf(caller.tenantId, { kind: 'key', id: caller.keyId }, requestId),
      permissions: caller.permissions,
      isTest: caller.isTest,
      services: { alerts, simulations, outcomeSimulations, tenants },
      clock,
      isLive: async () =>
        (await access.authenticate({ em: orm.em.fork(), now: clock(), requestId: '' }, text)) !== null,
    }),
    schema: await createSchema(services),
    /** Starts the worker half: job workers, the outbox relay, the sweeps. */
    work: (): void => {
      jobs.startWorkers(
        [
          ...webhooksHandlers(services.webhooks),
          ...contractsHandlers(services.contractMigrations),
          ...outcomesHandlers(services.outcomes),
          ...ratingHandlers(services.rating),
          ...creditsHandlers(services.credits),
          ...budgetsHandlers(services.budgets, services.settling),
          ...invoicingHandlers(services.invoicing),
          ...simulationHandlers(simulationRunner, outcomeSimulationRunner),
        ],
        ({ tenantId }, job) => scopeOf(tenantId, { kind: 'job', id: job }),
      );
      relay.start();
      sweeps.start();
    },
    close: async (): Promise<void> => {
      alerts.close();
      simulationProgress.close();
      simulationRunner.close();
      await sweeps.stop();
      await relay.stop();
      await jobs.close();
      await pubSub.close();
      await relayPool.end();
      await orm.close(true);
    },
  };
}

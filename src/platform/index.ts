export { authorize } from './authorize.js';
export { canonicalJson, type Json } from './canonical-json.js';
export { DomainError, ErrorCode } from './errors.js';
export { Gathered } from './gathered.js';
export * from './graphql.js';
export { formatGraphqlError } from './graphql-errors.js';
export { DEFAULT_LIMITS, limitDocument, MAX_TOKENS } from './graphql-limits.js';
export { readOperation } from './graphql-operation.js';
export { isId, newId } from './ids.js';
export { once, type Once } from './idempotency.js';
export {
  defineJob,
  handler,
  Jobs,
  JOB_SCHEMA,
  type JobDefinition,
  type JobHandler,
  type JobPayload,
  type JobRequest,
  type JobStore,
} from './jobs.js';
export { createLog, type Logger } from './log.js';
export { createOrm, DecimalColumn, tenantFilter } from './orm.js';
export { announce, OutboxRelay, UNASKED, type Acknowledge, type Fact } from './outbox.js';
export { postgresPubSub, redisPubSub, type PubSub } from './pubsub.js';
export { GroupCommit, inTurn } from './group-commit.js';
export { Remembered } from './remembered.js';
export { asTenant, inLineage, inTransaction, scopeFor, type Actor, type Scope } from './scope.js';
export { Secrets } from './secrets.js';
export { preparedQuery, preparedTexts, query } from './sql.js';
export { Watches } from './watches.js';

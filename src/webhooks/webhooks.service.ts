import { record } from '../audit/index.js';
import {
  announce,
  DomainError,
  findPage,
  inTransaction,
  isId,
  newId,
  once,
  query,
  type PageArguments,
  type Scope,
  type Secrets,
} from '../platform/index.js';
import { postWebhook, refuseUrl } from './dial.js';
import { judgeResponse, nextAttemptAfter, retryAfterSeconds } from './retry.rules.js';
import { newWebhookSecret, signMessage } from './signature.js';
import { WebhookAttempt, WebhookDelivery, WebhookEndpoint } from './webhook.entity.js';

/** What leaves the house; each type has a JSON Schema in `schema/webhooks/`. */
const WEBHOOK_EVENT_TYPES = [
  'spend_alert.triggered',
  'invoice.issued',
  'outcome_rule.anomaly',
  'outcome_rule.cap_exceeded',
  'credits.low',
  'budget.exceeded',
] as const;
export type WebhookEventType = (typeof WEBHOOK_EVENT_TYPES)[number];

export interface WebhookEndpointCreate {
  readonly url: string;
  readonly eventTypes: readonly string[];
  readonly idempotencyKey: string;
}

export interface WebhookMessage {
  /** Becomes `webhook-id`; one delivery per endpoint and message, whatever happens. */
  readonly id: string;
  readonly type: WebhookEventType;
  readonly data: Readonly<Record<string, unknown>>;
}

// A claim outlives the longest attempt (15 s) well; after it, a delivery whose worker died is taken up again.
const CLAIM_MS = 60_000;

/** Webhook endpoints and the deliveries to them. */
export class WebhooksService {
  constructor(
    private readonly secrets: Secrets,
    private readonly options: { readonly allowPrivate: boolean },
  ) {}

  /** Makes an endpoint of the scope's tenant. Its signing secret is shown in the answer and never again. */
  async createEndpoint(
    scope: Scope,
    input: WebhookEndpointCreate,
  ): Promise<{ endpoint: WebhookEndpoint; secret: string | null; replayed: boolean }> {
    const refusal = refuseUrl(input.url, { allowPrivate: this.options.allowPrivate });

    if (refusal) {
      throw DomainError.invalid(refusal, ['url']);
    }

    const known: readonly string[] = WEBHOOK_EVENT_TYPES;
    const unknown = input.eventTypes.find(type => !known.includes(type));

    if (unknown !== undefined || input.eventTypes.length === 0) {
      throw DomainError.invalid(`eventTypes holds one or more of ${known.join(', ')}`, ['eventTypes']);
    }

    let secret: string | null = null;

    return inTransaction(scope, async tx => {
      const { idempotencyKey, ...asked } = input;
      const { id, replayed } = await once(tx, 'webhookEndpointCreate', idempotencyKey, asked, async () => {
        secret = newWebhookSecret();
        const id = newId('whe', tx.now);
        tx.em.create(WebhookEndpoint, {
          tenantId: tx.tenantId,
          id,
          url: input.url,
          eventTypes: [...new Set(input.eventTypes)].sort(),
          sealedSecret: this.secrets.seal(secret, `${tx.tenantId}/${id}`),
          createdAt: tx.now,
          disabledAt: null,
          disabledReason: null,
        });
        // Without its query, in which receivers keep tokens.
        const url = input.url.split('?')[0];
        await record(tx, { action: 'webhook_endpoint.created', subjectId: id, after: { ...asked, url } });

        return id;
      });
      const endpoint = await tx.em.findOneOrFail(WebhookEndpoint, { id });

      return { endpoint, secret, replayed };
    });
  }

  /** Endpoints of the scope's tenant, newest first. */
  async endpoints(scope: Scope, args: PageArguments): Promise<WebhookEndpoint[]> {
    return inTransaction(scope, tx => findPage(tx.em, WebhookEndpoint, {}, args));
  }

  /** Deliveries of the scope's tenant, newest first. */
  async deliveries(scope: Scope, args: PageArguments): Promise<WebhookDelivery[]> {
    return inTransaction(scope, tx => findPage(tx.em, WebhookDelivery, {}, args));
  }

  /** The attempts of one delivery, first to last. */
  async attempts(scope: Scope, deliveryId: string): Promise<WebhookAttempt[]> {
    return inTransaction(scope, tx => tx.em.find(WebhookAttempt, { deliveryId }, { orderBy: { number: 'asc' } }));
  }

  /**
   * Queues a message to every endpoint of the tenant that wants its type, in the caller's transaction. The body is
   * written now and sent as written. The same message id again adds nothing.
   */
  async send(tx: Scope, message: WebhookMessage): Promise<void> {
    const endpoints = await tx.em.find(WebhookEndpoint, {
      disabledAt: null,
      eventTypes: { $contains: [message.type] },
    });
    const body = JSON.stringify({ type: message.type, timestamp: tx.now.toISOString(), data: message.data });

    for (const endpoint of endpoints) {
      const id = newId('whd', tx.now);
      const queued = await query(
        tx,
        `insert into webhook_delivery (tenant_id, id, endpoint_id, message_id, event_type, body, status, attempts, next_attempt_at, created_at)
         values ($1, $2, $3, $4, $5, $6, 'PENDING', 0, $7, $7) on conflict do nothing returning id`,
        [tx.tenantId, id, endpoint.id, message.id, message.type, body, tx.now],
      );

      if (queued.length > 0) {
        await record(tx, {
          action: 'webhook_delivery.queued',
          subjectId: id,
          after: { endpointId: endpoint.id, messageId: message.id, eventType: message.type },
        });
        await announce(tx, 'webhook_delivery.queued', { deliveryId: id });
      }
    }
  }

  /** Sends a finished delivery once more, with the same `webhook-id`. A pending one is simply tried now. */
  async replay(scope: Scope, deliveryId: string): Promise<WebhookDelivery> {
    return inTransaction(scope, async tx => {
      const [found] = isId(deliveryId, 'whd')
        ? await query<{ status: string }>(
            tx,
            'select status from webhook_delivery where tenant_id = $1 and id = $2 for update',
            [tx.tenantId, deliveryId],
          )
        : [];

      if (!found) {
        throw DomainError.notFound('webhook delivery', deliveryId, ['webhookDeliveryId']);
      }

      await query(
        tx,
        `update webhook_delivery set status = 'PENDING', next_attempt_at = $3 where tenant_id = $1 and id = $2`,
        [tx.tenantId, deliveryId, tx.now],
      );
      await record(tx, {
        action: 'webhook_delivery.replayed',
        subjectId: deliveryId,
        before: { status: found.status },
        after: { status: 'PENDING' },
      });
      await announce(tx, 'webhook_delivery.queued', { deliveryId });

      return tx.em.findOneOrFail(WebhookDelivery, { id: deliveryId });
    });
  }

  /**
   * Makes one attempt of a delivery that is due: claim it, post it outside of any transaction, write down what came back.
   * Does nothing when it is not due or another worker has it.
   */
  async deliver(scope: Scope, deliveryId: string): Promise<void> {
    const claimed = await this.#claim(scope, deliveryId);

    if (!claimed) {
      return;
    }

    const { delivery, endpoint } = claimed;
    const timestamp = Math.floor(scope.now.getTime() / 1_000);
    const secret = this.secrets.open(Buffer.from(endpoint.sealedSecret), `${scope.tenantId}/${endpoint.id}`);
    const answer = await postWebhook({
      url: endpoint.url,
      headers: {
        'content-type': 'application/json; charset=utf-8',
        'user-agent': 'Ratebook-Webhooks/1',
        'webhook-id': delivery.message_id,
        'webhook-timestamp': String(timestamp),
        'webhook-signature': signMessage({
          id: delivery.message_id,
          timestamp,
          body: delivery.body,
          secrets: [secret],
        }),
      },
      body: delivery.body,
      allowPrivate: this.options.allowPrivate,
    });
    const verdict = judgeResponse({ status: answer.status, error: answer.error });
    const wait =
      verdict === 'RETRY'
        ? nextAttemptAfter({
            attempt: delivery.attempts,
            retryAfterSeconds: retryAfterSeconds(answer.retryAfter, scope.now),
            jitter: Math.random(),
          })
        : null;

    await inTransaction(scope, async tx => {
      await query(
        tx,
        `insert into webhook_attempt (tenant_id, delivery_id, number, at, status, error, latency_ms, response)
         values ($1, $2, $3, $4, $5, $6, $7, $8)`,
        [
          tx.tenantId,
          deliveryId,
          delivery.attempts,
          tx.now,
          answer.status,
          answer.error,
          Math.round(answer.latencyMs),
          answer.responseSnippet,
        ],
      );
      const status = verdict === 'DELIVERED' ? 'DELIVERED' : wait === null ? 'FAILED' : 'PENDING';
      // Nothing when the delivery was replayed meanwhile and another attempt has it now.
      const settled = await query(
        tx,
        `update webhook_delivery set status = $3, next_attempt_at = $4
         where tenant_id = $1 and id = $2 and attempts = $5 returning id`,
        [
          tx.tenantId,
          deliveryId,
          status,
          wait === null ? null : new Date(tx.now.getTime() + (Math.floor(answer.latencyMs / 1_000) + wait) * 1_000),
          delivery.attempts,
        ],
      );

      if (verdict === 'ENDPOINT_GONE') {
        const disabled = await query(
          tx,
          `update webhook_endpoint set disabled_at = $3, disabled_reason = 'the receiver answered 410 Gone'
           where tenant_id = $1 and id = $2 and disabled_at is null returning id`,
          [tx.tenantId, endpoint.id, tx.now],
        );

        if (disabled.length > 0) {
          await record(tx, {
            action: 'webhook_endpoint.disabled',
            subjectId: endpoint.id,
            before: { disabledAt: null },
            after: { disabledAt: tx.now, disabledReason: 'the receiver answered 410 Gone' },
          });
        }
      }

      if (settled.length > 0 && status !== 'PENDING') {
        await record(tx, {
          action: status === 'DELIVERED' ? 'webhook_delivery.delivered' : 'webhook_delivery.failed',
          subjectId: deliveryId,
          after: { attempt: delivery.attempts, status: answer.status, error: answer.error },
        });
      }
    });
  }

  async #claim(scope: Scope, deliveryId: string) {
    return inTransaction(scope, async tx => {
      const [delivery] = await query<{ message_id: string; body: string; attempts: number; endpoint_id: string }>(
        tx,
        `update webhook_delivery set attempts = attempts + 1, next_attempt_at = $4
         where tenant_id = $1 and id = $2 and status = 'PENDING' and next_attempt_at <= $3
         returning message_id, body, attempts, endpoint_id`,
        [tx.tenantId, deliveryId, tx.now, new Date(tx.now.getTime() + CLAIM_MS)],
      );

      if (!delivery) {
        return null;
      }

      const endpoint = await tx.em.findOneOrFail(
        WebhookEndpoint,
        { id: delivery.endpoint_id },
        { populate: ['sealedSecret'] },
      );

      if (endpoint.disabledAt) {
        await query(
          tx,
          `update webhook_delivery set status = 'FAILED', next_attempt_at = null where tenant_id = $1 and id = $2`,
          [tx.tenantId, deliveryId],
        );
        await record(tx, {
          action: 'webhook_delivery.failed',
          subjectId: deliveryId,
          after: { attempt: delivery.attempts, error: 'the endpoint is disabled' },
        });

        return null;
      }

      return { delivery, endpoint };
    });
  }
}

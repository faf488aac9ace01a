import { Field, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import { connectionOf, IDEMPOTENCY_KEY, Node, TENANT_ID, MutationPayload, OncePayload } from '../platform/index.js';
import type { WebhookAttempt, WebhookDelivery, WebhookEndpoint } from './webhook.entity.js';

export enum WebhookDeliveryStatusEnum {
  PENDING = 'PENDING',
  DELIVERED = 'DELIVERED',
  FAILED = 'FAILED',
}
registerEnumType(WebhookDeliveryStatusEnum, {
  name: 'WebhookDeliveryStatus',
  description: 'How far a delivery is.',
  valuesConfig: {
    PENDING: { description: 'To be tried, for the first time or again.' },
    DELIVERED: { description: 'The receiver answered 2xx.' },
    FAILED: { description: 'All attempts failed, or the endpoint is disabled.' },
  },
});

@ObjectType('WebhookEndpoint', {
  implements: Node,
  description: 'An address to which messages are posted, signed to Standard Webhooks 1.0.',
})
export class WebhookEndpointType extends Node {
  @Field(() => String, { description: 'Where messages are posted.' })
  url!: string;

  @Field(() => [String], { description: 'The message types it wants.' })
  eventTypes!: string[];

  @Field(() => Date, { description: 'When it was made.' })
  createdAt!: Date;

  @Field(() => Date, { nullable: true, description: 'When it was disabled; null while it is not.' })
  disabledAt!: Date | null;

  @Field(() => String, { nullable: true, description: 'Why it was disabled.' })
  disabledReason!: string | null;

  static from(endpoint: WebhookEndpoint): WebhookEndpointType {
    return Object.assign(new WebhookEndpointType(), {
      id: endpoint.id,
      url: endpoint.url,
      eventTypes: endpoint.eventTypes,
      createdAt: endpoint.createdAt,
      disabledAt: endpoint.disabledAt ?? null,
      disabledReason: endpoint.disabledReason ?? null,
    });
  }
}

@ObjectType('WebhookAttempt', { description: 'One try of a delivery and what came back.' })
export class WebhookAttemptType {
  @Field(() => Int, { description: 'Counted from 1.' })
  number!: number;

  @Field(() => Date, { description: 'When it was made.' })
  at!: Date;

  @Field(() => Int, { nullable: true, description: 'The HTTP status; null when none arrived.' })
  status!: number | null;

  @Field(() => String, { nullable: true, description: 'What went wrong below HTTP, such as TIMEOUT.' })
  error!: string | null;

  @Field(() => Int, { description: 'Milliseconds from dialling to the end of the answer.' })
  latencyMs!: number;

  @Field(() => String, { description: 'The first kilobyte of the answer.' })
  response!: string;

  static from(attempt: WebhookAttempt): WebhookAttemptType {
    return Object.assign(new WebhookAttemptType(), {
      number: attempt.number,
      at: attempt.at,
      status: attempt.status ?? null,
      error: attempt.error ?? null,
      latencyMs: attempt.latencyMs,
      response: attempt.response,
    });
  }
}

@ObjectType('WebhookDelivery', { implements: Node, description: 'One message to one endpoint.' })
export class WebhookDeliveryType extends Node {
  @Field(() => ID, { description: 'The `webhook-id`: the same on every attempt, so that receivers can drop repeats.' })
  messageId!: string;

  @Field(() => ID, { description: 'The endpoint it goes to.' })
  endpointId!: string;

  @Field(() => String, { description: 'The message type.' })
  eventType!: string;

  @Field(() => String, { description: 'The exact text that is signed and sent.' })
  body!: string;

  @Field(() => WebhookDeliveryStatusEnum, { description: 'How far it is.' })
  status!: WebhookDeliveryStatusEnum;

  @Field(() => Date, { nullable: true, description: 'When it is tried next; null when it is finished.' })
  nextAttemptAt!: Date | null;

  @Field(() => Date, { description: 'When it was queued.' })
  createdAt!: Date;

  tenantId!: string;

  static from(delivery: WebhookDelivery): WebhookDeliveryType {
    return Object.assign(new WebhookDeliveryType(), {
      id: delivery.id,
      tenantId: delivery.tenantId,
      messageId: delivery.messageId,
      endpointId: delivery.endpointId,
      eventType: delivery.eventType,
      body: delivery.body,
      status: WebhookDeliveryStatusEnum[delivery.status],
      nextAttemptAt: delivery.nextAttemptAt ?? null,
      createdAt: delivery.createdAt,
    });
  }
}

export const WebhookEndpointConnection = connectionOf('WebhookEndpoint', () => WebhookEndpointType);
export const WebhookDeliveryConnection = connectionOf('WebhookDelivery', () => WebhookDeliveryType);

@InputType({ description: 'A webhook endpoint to make.' })
export class WebhookEndpointCreateInput {
  @Field(() => String, IDEMPOTENCY_KEY)
  idempotencyKey!: string;

  @Field(() => ID, TENANT_ID)
  tenantId?: string | null;

  @Field(() => String, { description: 'An https address that is reachable from outside.' })
  url!: string;

  @Field(() => [String], {
    description:
      'The message types to post: spend_alert.triggered, invoice.issued, outcome_rule.anomaly, outcome_rule.cap_exceeded, credits.low, budget.exceeded.',
  })
  eventTypes!: string[];
}

@ObjectType({ description: 'The answer of webhookEndpointCreate.' })
export class WebhookEndpointCreatePayload extends OncePayload {
  @Field(() => WebhookEndpointType, { nullable: true, description: 'The endpoint; null when refused.' })
  webhookEndpoint?: WebhookEndpointType | null;

  @Field(() => String, {
    nullable: true,
    description: 'The signing secret (whsec_…), shown this once; null when refused or replayed.',
  })
  secret?: string | null;
}

@InputType({ description: 'A delivery to send once more.' })
export class WebhookDeliveryReplayInput {
  @Field(() => ID, { description: 'The delivery.' })
  webhookDeliveryId!: string;

  @Field(() => ID, TENANT_ID)
  tenantId?: string | null;
}

@ObjectType({ description: 'The answer of webhookDeliveryReplay.' })
export class WebhookDeliveryReplayPayload extends MutationPayload {
  @Field(() => WebhookDeliveryType, { nullable: true, description: 'The delivery; null when refused.' })
  webhookDelivery?: WebhookDeliveryType | null;
}

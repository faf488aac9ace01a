import { defineEntity, p } from '@mikro-orm/core';
import { tenantFilter } from '../platform/index.js';

const WebhookEndpointSchema = defineEntity({
  name: 'WebhookEndpoint',
  tableName: 'webhook_endpoint',
  properties: {
    tenantId: p.string(),
    id: p.string().primary(),
    url: p.string(),
    eventTypes: p.array(),
    /** The signing secret, sealed under `RATEBOOK_SECRET` and this row's ids. */
    sealedSecret: p.blob().lazy(),
    createdAt: p.datetime(),
    disabledAt: p.datetime().nullable(),
    disabledReason: p.string().nullable(),
  },
  filters: tenantFilter,
});

/** An address that a tenant wants to be told things at. */
export class WebhookEndpoint extends WebhookEndpointSchema.class {}
WebhookEndpointSchema.setClass(WebhookEndpoint);

const DELIVERY_STATUSES = ['PENDING', 'DELIVERED', 'FAILED'] as const;

const WebhookDeliverySchema = defineEntity({
  name: 'WebhookDelivery',
  tableName: 'webhook_delivery',
  properties: {
    tenantId: p.string(),
    id: p.string().primary(),
    endpointId: p.string(),
    /** `webhook-id`: the same on every attempt and every replay, so that receivers can drop repeats. */
    messageId: p.string(),
    eventType: p.string(),
    /** The exact bytes that are signed and sent, as they were when the thing happened. */
    body: p.text(),
    status: p.enum(DELIVERY_STATUSES),
    attempts: p.integer(),
    nextAttemptAt: p.datetime().nullable(),
    createdAt: p.datetime(),
  },
  filters: tenantFilter,
});

/** One message to one endpoint. */
export class WebhookDelivery extends WebhookDeliverySchema.class {}
WebhookDeliverySchema.setClass(WebhookDelivery);

const WebhookAttemptSchema = defineEntity({
  name: 'WebhookAttempt',
  tableName: 'webhook_attempt',
  properties: {
    tenantId: p.string(),
    deliveryId: p.string().primary(),
    number: p.integer().primary(),
    at: p.datetime(),
    status: p.integer().nullable(),
    error: p.string().nullable(),
    latencyMs: p.integer(),
    response: p.text(),
  },
  filters: tenantFilter,
});

/** One try of a delivery and what came back. */
export class WebhookAttempt extends WebhookAttemptSchema.class {}
WebhookAttemptSchema.setClass(WebhookAttempt);

export const webhookEntities = [WebhookEndpointSchema, WebhookDeliverySchema, WebhookAttemptSchema] as const;

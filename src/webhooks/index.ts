export { webhookEntities, WebhookDelivery, WebhookEndpoint } from './webhook.entity.js';
export { WebhookDeliveryResolver, WebhookResolver } from './webhook.resolver.js';
export { WebhookDeliveryType, WebhookEndpointType } from './webhook.types.js';
export { webhooksHandlers, webhooksJobs } from './webhooks.jobs.js';
export { WebhooksService } from './webhooks.service.js';

import { Arg, Authorized, Ctx, FieldResolver, Int, Mutation, Resolver, Root } from 'type-graphql';
import { AFTER, connection, FIRST, payload, scopeFor, type GraphqlContext } from '../platform/index.js';
import { TenantType, type TenantsService } from '../tenants/index.js';
import {
  WebhookAttemptType,
  WebhookDeliveryConnection,
  WebhookDeliveryReplayInput,
  WebhookDeliveryReplayPayload,
  WebhookDeliveryType,
  WebhookEndpointConnection,
  WebhookEndpointCreateInput,
  WebhookEndpointCreatePayload,
  WebhookEndpointType,
} from './webhook.types.js';
import type { WebhooksService } from './webhooks.service.js';

@Resolver(() => TenantType)
export class WebhookResolver {
  constructor(
    private readonly tenants: TenantsService,
    private readonly webhooks: WebhooksService,
  ) {}

  @Authorized('webhooks:read')
  @FieldResolver(() => WebhookEndpointConnection, { description: 'Its webhook endpoints, newest first.' })
  async webhookEndpoints(
    @Root() tenant: TenantType,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const rows = await this.webhooks.endpoints(scopeFor(scope, tenant.id), { first, after });

    return connection(rows, first, row => row.id, WebhookEndpointType.from);
  }

  @Authorized('webhooks:read')
  @FieldResolver(() => WebhookDeliveryConnection, {
    description: 'The messages queued to its endpoints, newest first.',
  })
  async webhookDeliveries(
    @Root() tenant: TenantType,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const rows = await this.webhooks.deliveries(scopeFor(scope, tenant.id), { first, after });

    return connection(rows, first, row => row.id, WebhookDeliveryType.from);
  }

  @Authorized('webhooks:write')
  @Mutation(() => WebhookEndpointCreatePayload, {
    description: 'Makes a webhook endpoint and shows its signing secret once.',
  })
  webhookEndpointCreate(
    @Arg('input', () => WebhookEndpointCreateInput, { description: 'The endpoint to make.' })
    input: WebhookEndpointCreateInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(WebhookEndpointCreatePayload, async () => {
      const { tenantId, ...asked } = input;
      const target = await this.tenants.within(scope, tenantId);
      const { endpoint, secret, replayed } = await this.webhooks.createEndpoint(target, asked);

      return { webhookEndpoint: WebhookEndpointType.from(endpoint), secret, replayed };
    });
  }

  @Authorized('webhooks:write')
  @Mutation(() => WebhookDeliveryReplayPayload, {
    description: 'Sends a delivery once more, with the same webhook-id.',
  })
  webhookDeliveryReplay(
    @Arg('input', () => WebhookDeliveryReplayInput, { description: 'The delivery to send.' })
    input: WebhookDeliveryReplayInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(WebhookDeliveryReplayPayload, async () => {
      const target = await this.tenants.within(scope, input.tenantId);

      return { webhookDelivery: WebhookDeliveryType.from(await this.webhooks.replay(target, input.webhookDeliveryId)) };
    });
  }
}

@Resolver(() => WebhookDeliveryType)
export class WebhookDeliveryResolver {
  constructor(private readonly webhooks: WebhooksService) {}

  @Authorized('webhooks:read')
  @FieldResolver(() => [WebhookAttemptType], {
    description: 'Its attempts, first to last: at most ten, and more only by replay.',
  })
  async attempts(
    @Root() delivery: WebhookDeliveryType,
    @Ctx() { scope }: GraphqlContext,
  ): Promise<WebhookAttemptType[]> {
    const rows = await this.webhooks.attempts(scopeFor(scope, delivery.tenantId), delivery.id);

    return rows.map(WebhookAttemptType.from);
  }
}

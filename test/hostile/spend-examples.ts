import { randomUUID } from 'node:crypto';
import { burn } from '../credits/credits.js';
import { aBudget } from '../support/builders.js';
import { idempotencyKey, nextQuarter, word, type Examples, type Ground } from './ground.js';
import { NOW } from './stage.js';

/** Tenants, keys, webhooks, usage, entitlements, credits, budgets, alerts and invoices. */
export async function spendExamples({ stage, bookId }: Ground): Promise<Examples> {
  const { product, meterId, customerId, customerId: tenantId } = stage;
  const { services } = product.app;
  const { alert } = await services.alerts.create(
    product.scope(customerId),
    { name: 'x', budget: null, thresholds: [{ amount: '1' }], idempotencyKey: randomUUID() },
    services.rating,
  );
  const credits = () => ({
    kind: 'PAID' as const,
    unit: 'credit',
    unitWorth: { amount: '1', currency: 'USD' },
    amount: '1000000',
    costBasis: { amount: '1', currency: 'USD' },
    priority: 1,
    meterIds: [meterId],
    models: ['m*'],
    effectiveAt: NOW.toISOString(),
    expiresAt: '2027-01-01T00:00:00Z',
  });
  const { grant } = await services.credits.grant(product.scope(customerId), {
    ...credits(),
    effectiveAt: NOW,
    expiresAt: null,
    idempotencyKey: randomUUID(),
  });
  const burned = await burn(product, customerId, { amount: '1000', meterId, model: 'm' });
  const { feature } = await services.entitlements.createFeature(product.scope(), {
    key: word(),
    name: 'x',
    kind: 'MODELS',
    idempotencyKey: randomUUID(),
  });
  const { key } = await services.access.create(
    product.scope(customerId),
    {
      name: 'x',
      prefix: 'rb',
      mode: 'LIVE',
      permissions: ['usage:write'],
      expiresAt: null,
      idempotencyKey: randomUUID(),
    },
    new Set(['usage:write']),
  );
  const budgetId = await aBudget(product, { tenantId, amount: '1', mode: 'SOFT' });

  return {
    tenantCreate: () => ({
      idempotencyKey: idempotencyKey(),
      parentId: product.platformId,
      kind: 'CUSTOMER',
      name: 'x',
      currency: 'USD',
      timeZone: 'UTC',
      region: 'eu',
    }),
    apiKeyCreate: () => ({
      idempotencyKey: idempotencyKey(),
      tenantId,
      name: 'x',
      prefix: 'rb',
      mode: 'LIVE',
      permissions: ['usage:read'],
      expiresAt: '2027-01-01T00:00:00Z',
    }),
    apiKeyRevoke: () => ({ tenantId, apiKeyId: 'key_0123456789ABCDEFGHJKMNPQRS' }),
    webhookEndpointCreate: () => ({
      idempotencyKey: idempotencyKey(),
      tenantId,
      url: 'https://example.com/',
      eventTypes: ['invoice.issued'],
    }),
    webhookDeliveryReplay: () => ({ tenantId, webhookDeliveryId: 'whd_0123456789ABCDEFGHJKMNPQRS' }),
    usageRecord: () => ({ events: [{ id: 'x', type: 'nobody.counts', time: NOW.toISOString() }] }),
    invoiceIssue: () => ({
      idempotencyKey: idempotencyKey(),
      tenantId,
      invoiceId: 'inv_0123456789ABCDEFGHJKMNPQRS',
      acceptUnpriced: false,
    }),
    featureCreate: () => ({
      idempotencyKey: idempotencyKey(),
      tenantId: product.platformId,
      key: word(),
      name: 'x',
      kind: 'LIMIT',
      meterId,
      failMode: 'LAST_KNOWN',
      failCap: '100',
    }),
    entitlementSet: () => ({
      idempotencyKey: idempotencyKey(),
      tenantId: product.platformId,
      featureId: feature.id,
      targetKind: 'PLAN',
      targetId: bookId,
      value: { allow: ['gpt-*'], deny: [], regions: ['eu'] },
      inherits: false,
      effectiveAt: nextQuarter(),
    }),
    creditGrantCreate: () => ({ tenantId, idempotencyKey: idempotencyKey(), ...credits() }),
    creditGrantRefund: () => ({
      idempotencyKey: idempotencyKey(),
      tenantId,
      creditGrantId: grant.id,
      amount: '0.000001',
      reason: 'x',
    }),
    creditBurnReverse: () => ({
      idempotencyKey: idempotencyKey(),
      tenantId,
      creditTransactionId: burned.transactionId,
      amount: '0.000001',
      reason: 'x',
    }),
    creditTransfer: () => ({
      idempotencyKey: idempotencyKey(),
      fromTenantId: customerId,
      toTenantId: product.platformId,
      unit: 'credit',
      amount: '0.000001',
      reason: 'x',
    }),
    creditPrepaidSet: () => ({ idempotencyKey: idempotencyKey(), tenantId, isPrepaid: true }),
    creditRechargeSet: () => ({
      idempotencyKey: idempotencyKey(),
      tenantId,
      unit: 'credit',
      below: '1',
      amount: '1',
    }),
    budgetCreate: () => ({
      idempotencyKey: idempotencyKey(),
      tenantId: product.platformId,
      name: 'x',
      amount: '100',
      currency: 'USD',
      mode: 'SOFT',
      per: 'MONTH',
      countedTenantId: customerId,
      keyId: key.id,
      meterId,
      model: 'gpt-*',
    }),
    budgetChange: () => ({ tenantId, budgetId, amount: '100', mode: 'HARD' }),
    budgetRaise: () => ({
      idempotencyKey: idempotencyKey(),
      tenantId,
      budgetId,
      amount: '1',
      from: NOW.toISOString(),
      until: '2026-12-01T00:00:00Z',
      reason: 'x',
    }),
    budgetEnd: () => ({ tenantId, budgetId: 'bud_0123456789ABCDEFGHJKMNPQRS' }),
    spendAlertCreate: () => ({
      idempotencyKey: idempotencyKey(),
      tenantId,
      name: 'x',
      budget: '1',
      thresholds: [{ amount: '1', percent: null }],
    }),
    spendAlertArchive: () => ({ tenantId, spendAlertId: alert.id }),
  };
}

import { randomUUID } from 'node:crypto';
import type { OutcomeTermsJson } from '../../src/outcomes/outcome-terms.rules.js';
import type { PriceTermsJson } from '../../src/pricing/price.rules.js';
import type { PriceWindowJson } from '../../src/pricing/window.rules.js';
import type { Product } from './product.js';

/** A customer, or another kind of tenant, below the platform or below `parentId`. Returns its id. */
export async function aTenant(
  product: Product,
  tenant: {
    readonly parentId?: string;
    readonly kind?: 'RESELLER' | 'CUSTOMER';
    readonly name?: string;
    readonly currency?: string;
    readonly timeZone?: string;
  } = {},
): Promise<string> {
  const made = await product.app.services.tenants.create(product.scope(), {
    parentId: tenant.parentId ?? null,
    kind: tenant.kind ?? 'CUSTOMER',
    name: tenant.name ?? `Customer ${randomUUID().slice(0, 8)}`,
    currency: tenant.currency ?? 'USD',
    timeZone: tenant.timeZone ?? 'UTC',
    region: 'eu',
    idempotencyKey: randomUUID(),
  });

  return made.tenant.id;
}

/** A meter of the platform: sums `properties.tokens` of `llm.request` by model, unless told otherwise. Returns its id. */
export async function aMeter(
  product: Product,
  meter: {
    readonly key?: string;
    readonly eventType?: string;
    readonly filter?: string;
    readonly aggregation?: 'SUM' | 'COUNT' | 'MAX' | 'LATEST' | 'UNIQUE_COUNT' | 'TIME_WEIGHTED';
    readonly valueProperty?: string | null;
    readonly dimensions?: readonly { readonly name: string; readonly property: string }[];
    /** Whether prices may look at single events; not unless told. */
    readonly keepsEvents?: boolean;
  } = {},
): Promise<string> {
  const made = await product.app.services.catalog.createMeter(product.scope(), {
    key: meter.key ?? `meter_${randomUUID().replaceAll('-', '')}`,
    eventType: meter.eventType ?? 'llm.request',
    filter: meter.filter ?? '',
    aggregation: meter.aggregation ?? 'SUM',
    valueProperty: meter.valueProperty === undefined ? 'tokens' : meter.valueProperty,
    dimensions: meter.dimensions ?? [{ name: 'model', property: 'model' }],
    unit: 'token',
    keepsEvents: meter.keepsEvents ?? false,
    idempotencyKey: randomUUID(),
  });

  return made.meter.id;
}

export interface PriceGiven {
  readonly meterId: string;
  readonly name?: string;
  /** That of the book when absent. */
  readonly currency?: string;
  readonly pattern?: Readonly<Record<string, string>>;
  /** Always when absent. */
  readonly window?: PriceWindowJson;
  readonly terms: PriceTermsJson;
}

/** So much for every unit. */
export const perUnit = (unitAmount: string): PriceTermsJson => ({ model: 'UNIT', unitAmount });

/** So much for every million units. */
export const perMillion = (unitAmount: string): PriceTermsJson => ({ model: 'UNIT', unitAmount, per: '1000000' });

/** A price book with one version that holds from `effectiveAt` (the beginning of 2020 unless told otherwise). */
export async function aPriceBook(
  product: Product,
  book: {
    readonly ownerId?: string;
    readonly currency?: string;
    readonly prices: readonly PriceGiven[];
    readonly effectiveAt?: Date;
  },
): Promise<{ bookId: string; versionId: string }> {
  const scope = product.scope(book.ownerId);
  const { pricing } = product.app.services;
  const made = await pricing.createBook(scope, {
    name: `Book ${randomUUID()}`,
    currency: book.currency ?? 'USD',
    idempotencyKey: randomUUID(),
  });
  const versionId = await aVersion(product, {
    bookId: made.book.id,
    prices: book.prices,
    effectiveAt: book.effectiveAt ?? new Date('2020-01-01T00:00:00Z'),
    ...(book.ownerId ? { ownerId: book.ownerId } : {}),
  });

  return { bookId: made.book.id, versionId };
}

/** Another published version of a book. Returns its id. */
export async function aVersion(
  product: Product,
  version: {
    readonly ownerId?: string;
    readonly bookId: string;
    readonly prices: readonly PriceGiven[];
    readonly effectiveAt: Date;
  },
): Promise<string> {
  const scope = product.scope(version.ownerId);
  const { pricing } = product.app.services;
  const draft = await pricing.createVersion(scope, {
    priceBookId: version.bookId,
    prices: version.prices.map(price => ({ ...price, name: price.name ?? 'Tokens', pattern: price.pattern ?? {} })),
    idempotencyKey: randomUUID(),
  });
  await pricing.publish(scope, { versionId: draft.version.id, effectiveAt: version.effectiveAt });

  return draft.version.id;
}

/** Puts a tenant on a book from `startsAt` (the beginning of 2020 unless told otherwise). Returns the contract's id. */
export async function aContract(
  product: Product,
  contract: {
    readonly sellerId?: string;
    readonly buyerId: string;
    readonly bookId: string;
    readonly startsAt?: Date;
    readonly graceHours?: number;
  },
): Promise<string> {
  const made = await product.app.services.contracts.create(product.scope(contract.sellerId), {
    buyerId: contract.buyerId,
    priceBookId: contract.bookId,
    startsAt: contract.startsAt ?? new Date('2020-01-01T00:00:00Z'),
    graceHours: contract.graceHours ?? 24,
    idempotencyKey: randomUUID(),
  });

  return made.contract.id;
}

/** When a version of an outcome rule is published, and from when it holds. */
interface Publication {
  /** From now, or `publishedAt`, when absent. */
  readonly effectiveAt?: Date;
  /** Moves the product's clock there first, and publishes at exactly this instant: nothing holds before it is published. */
  readonly publishedAt?: Date;
}

/**
 * An outcome rule of a book with one version that is published. Unless told otherwise each `conversation.resolved` is an
 * outcome at once and costs 0.99 USD; members of the terms that are not given have their defaults.
 */
export async function anOutcomeRule(
  product: Product,
  rule: Publication & {
    readonly ownerId?: string;
    readonly bookId: string;
    readonly key?: string;
    readonly terms?: Partial<OutcomeTermsJson>;
  },
): Promise<{ ruleId: string; versionId: string }> {
  const { ownerId, bookId, key, terms, ...publication } = rule;
  const made = await product.app.services.outcomeRules.create(product.scope(ownerId), {
    priceBookId: bookId,
    key: key ?? `rule_${randomUUID().replaceAll('-', '')}`,
    name: 'Resolution',
    idempotencyKey: randomUUID(),
  });
  const versionId = await anOutcomeVersion(product, {
    ...publication,
    ruleId: made.rule.id,
    ...(ownerId ? { ownerId } : {}),
    ...(terms ? { terms } : {}),
  });

  return { ruleId: made.rule.id, versionId };
}

/** Another published version of an outcome rule, with the same defaults. Returns its id. */
export async function anOutcomeVersion(
  product: Product,
  version: Publication & {
    readonly ownerId?: string;
    readonly ruleId: string;
    readonly terms?: Partial<OutcomeTermsJson>;
  },
): Promise<string> {
  const { outcomeRules } = product.app.services;
  const { ownerId, ruleId, terms, effectiveAt, publishedAt } = version;
  const draft = await outcomeRules.createVersion(product.scope(ownerId), {
    outcomeRuleId: ruleId,
    terms: {
      claim: { eventType: 'conversation.resolved', filter: '' },
      prices: [{ name: 'Resolution', currency: 'USD', pattern: {}, terms: perUnit('0.99') }],
      ...terms,
    },
    idempotencyKey: randomUUID(),
  });

  if (publishedAt) {
    product.setClock(publishedAt);
  }

  const scope = product.scope(ownerId);
  await outcomeRules.publish(publishedAt ? { ...scope, now: publishedAt } : scope, {
    versionId: draft.version.id,
    effectiveAt: effectiveAt ?? null,
  });

  return draft.version.id;
}

/** An `llm.request` event as a gateway sends it. */
export function anEvent(event: {
  readonly id?: string;
  readonly type?: string;
  readonly time?: string;
  readonly tenant?: string;
  readonly subject?: string;
  readonly properties?: Readonly<Record<string, unknown>>;
}): Record<string, unknown> {
  return {
    id: event.id ?? randomUUID(),
    type: event.type ?? 'llm.request',
    time: event.time ?? new Date().toISOString(),
    ...(event.tenant ? { tenant: event.tenant } : {}),
    ...(event.subject ? { subject: event.subject } : {}),
    properties: event.properties ?? { model: 'gpt-6.2-sol', tokens: 1 },
  };
}

/** Rates what was touched, as the job would. */
export async function rate(product: Product, tenantId: string): Promise<void> {
  await product.app.services.rating.rate(product.scope(tenantId));
}

/** A HARD budget in US dollars for each month, of the platform unless told otherwise. Returns its id. */
export async function aBudget(
  product: Product,
  budget: {
    readonly tenantId?: string;
    readonly amount: string;
    readonly currency?: string;
    readonly mode?: 'HARD' | 'SOFT';
    readonly per?: 'MINUTE' | 'HOUR' | 'DAY' | 'WEEK' | 'MONTH' | null;
    readonly countedTenantId?: string;
    readonly keyId?: string;
    readonly meterId?: string;
    readonly model?: string;
  },
): Promise<string> {
  const made = await product.app.services.budgets.create(product.scope(budget.tenantId), {
    name: 'A budget',
    amount: budget.amount,
    currency: budget.currency ?? 'USD',
    mode: budget.mode ?? 'HARD',
    per: budget.per === undefined ? 'MONTH' : budget.per,
    countedTenantId: budget.countedTenantId ?? null,
    keyId: budget.keyId ?? null,
    meterId: budget.meterId ?? null,
    model: budget.model ?? null,
    idempotencyKey: randomUUID(),
  });

  return made.budget.id;
}

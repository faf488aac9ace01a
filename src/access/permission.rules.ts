/**
 * What a key may do. Each root field of the API names one of these, but for `viewer`, which any key may ask. `node` and the
 * lines of an import take the permission of what they show.
 */
const PERMISSIONS = {
  'usage:write': 'record usage, by GraphQL or POST /v1/usage',
  'usage:read': 'read usage events and unpriced usage',
  'catalog:read': 'read models with their context bands, and meters',
  'costs:read': 'read what models cost us, and imports of costs',
  'catalog:write':
    'define models, their costs and context bands, and meters; propose, decide and apply imports of costs',
  'pricing:read':
    'read price books, imports of prices, exchange rates, contracts and their moves, and how far simulations are; estimate calls',
  'pricing:write':
    'make price books; write, publish and withdraw their versions; propose, decide and draft imports of prices; enter exchange rates; start and cancel simulations',
  'contracts:write': 'put tenants on price books, and move contracts from book to book',
  'billing:read': 'read charges, invoices with their lines and documents, and what simulations come to',
  'billing:write': 'issue invoices',
  'outcomes:read': 'read outcomes with their transitions, disputes, sample audits and anomalies of outcomes',
  'outcomes:verify': 'say whether claims of outcomes are true',
  'outcomes:reverse': 'take outcomes back, wholly or in part, or under the guarantee',
  'outcomes:dispute': 'open disputes of outcomes',
  'outcomes:decide': 'answer disputes of outcomes; start and finish sample audits',
  'entitlements:read': 'read features, who has what of them, and what a tenant has now',
  'entitlements:write': 'make features, and set what plans, contracts and tenants have of them',
  'budgets:read': 'read budgets with where they stand, and holds',
  'budgets:write': 'make, change, raise and end budgets',
  'holds:write':
    'ask whether calls may go ahead; hold, settle (which records what was used) and void: POST /v1/check, /v1/authorize, /v1/settle, /v1/void',
  'credits:read': 'read prepaid credits: grants, balances and the ledger',
  'credits:write': 'grant, refund and move credits, and say when to tell that they run low',
  'alerts:read': 'read spend alerts and their firings, and subscribe to them',
  'alerts:write': 'make and archive spend alerts',
  'webhooks:read': 'read webhook endpoints, deliveries and their attempts',
  'webhooks:write': 'make webhook endpoints and replay deliveries',
  'tenants:read': 'read tenants',
  'tenants:write': 'make tenants',
  'keys:read': 'read API keys',
  'keys:write': 'make and revoke API keys',
  'audit:read': 'read the audit log',
} as const;

export type Permission = keyof typeof PERMISSIONS;

export const ALL_PERMISSIONS = Object.keys(PERMISSIONS) as Permission[];

export function isPermission(text: string): text is Permission {
  return Object.hasOwn(PERMISSIONS, text);
}

/** The permissions asked for that the maker of a key does not have itself: a key makes only narrower keys. */
export function beyond(makers: ReadonlySet<string>, asked: readonly string[]): string[] {
  return asked.filter(permission => !makers.has(permission));
}

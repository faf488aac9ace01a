/** What a key may do. Each root field of the API names one of these. */
const PERMISSIONS = {
  'usage:write': 'record usage',
  'usage:read': 'read usage events and unpriced usage',
  'catalog:read': 'read models and meters',
  'costs:read': 'read what models cost us',
  'catalog:write': 'define models, their costs, and meters',
  'pricing:read': 'read price books and contracts',
  'pricing:write': 'write and publish price books',
  'contracts:write': 'put tenants on price books',
  'billing:read': 'read charges and invoices',
  'billing:write': 'issue invoices',
  'alerts:read': 'read spend alerts and subscribe to them',
  'alerts:write': 'make spend alerts',
  'webhooks:read': 'read webhook endpoints and deliveries',
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

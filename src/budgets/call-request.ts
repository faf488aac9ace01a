import { z } from 'zod';
import { DomainError } from '../platform/index.js';
import { isCleanText } from '../tenants/index.js';
import { propertiesFault } from '../usage/index.js';

const text = z.string().min(1).max(255).refine(isCleanText, 'has a control character, or half a surrogate pair');
const decimals = z.string().regex(/^\d{1,24}(?:\.\d{1,24})?$/, 'is a decimal from 0');

const call = z.strictObject({
  /** The tenant whose call it is; that of the key when absent. */
  tenantId: text.optional(),
  eventType: text,
  model: text.nullish(),
  serviceTier: text.nullish(),
  /** Where the model runs, for entitlements that name regions. */
  region: text.nullish(),
  /** The key of a feature that the tenant has to be entitled to. */
  feature: text.nullish(),
  tokens: z
    .array(z.strictObject({ kind: text, expected: decimals, most: decimals.nullish() }))
    .max(50)
    .optional(),
  properties: z.record(z.string(), z.unknown()).optional(),
});

const authorize = call.extend({
  idempotencyKey: text,
  expiresInSeconds: z.number().int().min(1).max(86_400).optional(),
  /** When the caller asks, by its own clock. */
  sentAt: z.iso.datetime({ offset: true }).optional(),
});

const settle = z.strictObject({
  tenantId: text.optional(),
  holdId: text,
  events: z.array(z.unknown()).min(1).max(100),
});

const voided = z.strictObject({ tenantId: text.optional(), holdId: text });

/** The bodies of /v1/check, /v1/authorize, /v1/settle and /v1/void. */
export const CALL_BODIES = { check: call, authorize, settle, void: voided } as const;

export type CallBody<Kind extends keyof typeof CALL_BODIES> = z.infer<(typeof CALL_BODIES)[Kind]>;

/** Reads a body; throws INVALID_INPUT with the place of the first fault. */
export function readCallBody<Kind extends keyof typeof CALL_BODIES>(kind: Kind, body: unknown): CallBody<Kind> {
  const read = CALL_BODIES[kind].safeParse(body);

  if (read.success) {
    refuseProperties(body as Pick<CallBody<'check'>, 'properties'>);

    return read.data as CallBody<Kind>;
  }

  const [issue] = read.error.issues;

  throw DomainError.invalid(
    `the body is not as it is wanted: ${issue?.message ?? 'unreadable'}`,
    (issue?.path ?? []).map(String),
  );
}

/** They are those of the event that the call will send, and are refused where it would be. */
function refuseProperties({ properties }: Pick<CallBody<'check'>, 'properties'>): void {
  const fault = properties ? propertiesFault(properties, 'properties') : null;

  if (fault) {
    throw DomainError.invalid(`the body is not as it is wanted: ${fault.reason}`, ['properties']);
  }
}

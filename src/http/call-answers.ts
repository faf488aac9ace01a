import { z } from 'zod';
import { CALL_BODIES } from '../budgets/index.js';

const decimals = z.string().describe('A decimal.');
const instant = z.iso.datetime();

const limit = z
  .strictObject({
    limitId: z.string().nullable(),
    ownerId: z.string().nullable(),
    measure: z.enum(['MONEY', 'QUANTITY', 'CALLS', 'OPEN_HOLDS']).nullable(),
    currency: z.string().nullable().describe('Of MONEY.'),
    most: decimals.nullable(),
    used: decimals.nullable(),
    held: decimals.nullable(),
    remaining: decimals.nullable(),
    resetsAt: instant.nullable().describe('Null for never.'),
  })
  .meta({ id: 'Limit', description: 'A limit. All of it is null where it is of a tenant above the one that asks.' });

const failMode = z
  .strictObject({
    mode: z.enum(['CLOSED', 'OPEN', 'LAST_KNOWN']).describe('CLOSED for whoever is not entitled to the feature.'),
    cap: decimals.nullable().describe('How much may be used blindly, in units of the feature; of LAST_KNOWN.'),
    share: decimals
      .nullable()
      .describe(
        "How much of that such a call takes: of a LIMIT's meter at most, of every other kind 1; of LAST_KNOWN.",
      ),
  })
  .meta({
    id: 'FeatureFailMode',
    description: 'What to do with calls that name a feature while Ratebook cannot be reached.',
  });

const check = z.strictObject({
  isAllowed: z.boolean(),
  code: z
    .enum([
      'LIMIT_EXCEEDED',
      'CREDITS_EXHAUSTED',
      'UNPRICED',
      'NO_CONTRACT',
      'CURRENCY_MISMATCH',
      'HOLD_ENDED',
      'NOT_ENTITLED',
      'MODEL_DENIED',
    ])
    .nullable()
    .describe('Why it may not go ahead. Codes are added, never renamed or removed.'),
  message: z.string().nullable().describe('What to do about it; null when it is allowed.'),
  limit: limit.nullable().describe('The limit that refuses it.'),
  beyond: z
    .array(limit)
    .readonly()
    .describe('SOFT limits that the call goes beyond, and SOFT budgets in another currency than its price.'),
  failMode: failMode.nullable().describe('Of the feature that the call names; null where it names none.'),
});

const state = z.enum(['HELD', 'SETTLED', 'VOIDED', 'EXPIRED']);
const isDryRun = z.literal(true).optional().describe('By a test key: nothing was changed.');

const authorize = check.extend({
  hold: z
    .strictObject({
      id: z.string(),
      amount: decimals,
      currency: z.string(),
      expiresAt: instant,
      state: state.describe('What has become of it since, where the same was asked before.'),
      replayed: z.boolean().describe('Whether the same was asked before.'),
    })
    .nullable()
    .describe('Null when it is refused, but for HOLD_ENDED: then it is the one that was held.'),
  isDryRun,
});

const hold = z
  .strictObject({
    id: z.string(),
    state,
    currency: z.string(),
    amount: decimals,
    expiresAt: instant,
    actual: decimals.nullable().describe('What the usage came to; null while there is none.'),
    overrun: decimals.describe('What was used above what was held.'),
  })
  .meta({ id: 'Hold', description: 'A hold as it stands.' });

const rejection = z
  .strictObject({
    index: z.number().int().describe('Place in the batch, from 0.'),
    id: z.string().nullable(),
    code: z.string().describe('Codes are added, never renamed or removed.'),
    field: z.string().describe('The field at fault; empty for the item as a whole.'),
    reason: z.string(),
  })
  .meta({ id: 'Rejection', description: 'Why one event was not taken.' });

const receipt = z
  .strictObject({
    accepted: z.number().int(),
    duplicates: z
      .array(z.number().int())
      .readonly()
      .describe('Places of events that came before with the same content.'),
    conflicts: z
      .array(z.strictObject({ index: z.number().int(), id: z.string(), storedHash: z.string(), givenHash: z.string() }))
      .readonly()
      .describe('Events whose id came before with other content. Nothing was changed.'),
    rejected: z.array(rejection).readonly(),
    isDryRun,
  })
  .describe('What became of each event of a batch: each is in exactly one of the four.');

/** The answers of /v1/check, /v1/authorize, /v1/settle, /v1/void and /v1/usage that are no refusal. */
export const CALL_ANSWERS = {
  check,
  authorize,
  settle: z.strictObject({
    hold: hold.nullable().describe('Null for a test key.'),
    rejected: z.array(rejection).readonly().optional(),
    isDryRun,
  }),
  void: z.strictObject({ hold: hold.nullable().describe('Null for a test key.'), isDryRun }),
  usage: receipt,
} as const;

/** One usage event as /v1/usage and /v1/settle take it; `readUsageItems` reads it. */
const event = z
  .strictObject({
    id: z.string().describe('With `source` the identity of the event.'),
    type: z.string(),
    time: z.string().describe('When it happened, ISO 8601.'),
    tenant: z.string().nullish().describe('That of the key when absent.'),
    subject: z.string().nullish(),
    source: z.string().nullish(),
    properties: z.record(z.string(), z.unknown()).nullish(),
  })
  .describe('A usage event.');

/** What callers of /v1 send and get, by the names under which the client knows them. */
export const CLIENT_TYPES = {
  Limit: limit,
  FeatureFailMode: failMode,
  Hold: hold,
  Rejection: rejection,
  CallBody: CALL_BODIES.check.describe('Body of /v1/check.'),
  CallAnswer: CALL_ANSWERS.check.describe('Answer of /v1/check.'),
  AuthorizeBody: CALL_BODIES.authorize.describe('Body of /v1/authorize.'),
  AuthorizeAnswer: CALL_ANSWERS.authorize.describe('Answer of /v1/authorize.'),
  SettleBody: CALL_BODIES.settle.describe('Body of /v1/settle.'),
  SettleAnswer: CALL_ANSWERS.settle.describe('Answer of /v1/settle.'),
  VoidBody: CALL_BODIES.void.describe('Body of /v1/void.'),
  VoidAnswer: CALL_ANSWERS.void.describe('Answer of /v1/void.'),
  UsageEvent: event,
  UsageReceipt: CALL_ANSWERS.usage,
} as const;

export type CallAnswer<Kind extends keyof typeof CALL_ANSWERS> = z.infer<(typeof CALL_ANSWERS)[Kind]>;

export type LimitAnswer = z.infer<typeof limit>;

export type HoldAnswer = z.infer<typeof hold>;

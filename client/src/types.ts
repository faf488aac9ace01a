// Emitted from the code by "npm run client:types". Read it, diff it, never edit it.

/** A limit. All of it is null where it is of a tenant above the one that asks. */
export interface Limit {
  readonly limitId: string | null;
  readonly ownerId: string | null;
  readonly measure: 'MONEY' | 'QUANTITY' | 'CALLS' | 'OPEN_HOLDS' | null;
  /** Of MONEY. */
  readonly currency: string | null;
  readonly most: string | null;
  readonly used: string | null;
  readonly held: string | null;
  readonly remaining: string | null;
  /** Null for never. */
  readonly resetsAt: string | null;
}

/** What to do with calls that name a feature while Ratebook cannot be reached. */
export interface FeatureFailMode {
  /** CLOSED for whoever is not entitled to the feature. */
  readonly mode: 'CLOSED' | 'OPEN' | 'LAST_KNOWN';
  /** How much may be used blindly, in units of the feature; of LAST_KNOWN. */
  readonly cap: string | null;
  /** How much of that such a call takes: of a LIMIT's meter at most, of every other kind 1; of LAST_KNOWN. */
  readonly share: string | null;
}

/** A hold as it stands. */
export interface Hold {
  readonly id: string;
  readonly state: 'HELD' | 'SETTLED' | 'VOIDED' | 'EXPIRED';
  readonly currency: string;
  /** A decimal. */
  readonly amount: string;
  readonly expiresAt: string;
  /** What the usage came to; null while there is none. */
  readonly actual: string | null;
  /** What was used above what was held. */
  readonly overrun: string;
}

/** Why one event was not taken. */
export interface Rejection {
  /** Place in the batch, from 0. */
  readonly index: number;
  readonly id: string | null;
  /** Codes are added, never renamed or removed. */
  readonly code: string;
  /** The field at fault; empty for the item as a whole. */
  readonly field: string;
  readonly reason: string;
}

/** Body of /v1/check. */
export interface CallBody {
  readonly tenantId?: string;
  readonly eventType: string;
  readonly model?: string | null;
  readonly serviceTier?: string | null;
  readonly region?: string | null;
  readonly feature?: string | null;
  readonly tokens?: readonly {
    readonly kind: string;
    readonly expected: string;
    readonly most?: string | null;
  }[];
  readonly properties?: Readonly<Record<string, unknown>>;
}

/** Answer of /v1/check. */
export interface CallAnswer {
  readonly isAllowed: boolean;
  /** Why it may not go ahead. Codes are added, never renamed or removed. */
  readonly code: 'LIMIT_EXCEEDED' | 'CREDITS_EXHAUSTED' | 'UNPRICED' | 'NO_CONTRACT' | 'CURRENCY_MISMATCH' | 'HOLD_ENDED' | 'NOT_ENTITLED' | 'MODEL_DENIED' | null;
  /** What to do about it; null when it is allowed. */
  readonly message: string | null;
  /** The limit that refuses it. */
  readonly limit: Limit | null;
  /** SOFT limits that the call goes beyond, and SOFT budgets in another currency than its price. */
  readonly beyond: readonly Limit[];
  /** Of the feature that the call names; null where it names none. */
  readonly failMode: FeatureFailMode | null;
}

/** Body of /v1/authorize. */
export interface AuthorizeBody {
  readonly tenantId?: string;
  readonly eventType: string;
  readonly model?: string | null;
  readonly serviceTier?: string | null;
  readonly region?: string | null;
  readonly feature?: string | null;
  readonly tokens?: readonly {
    readonly kind: string;
    readonly expected: string;
    readonly most?: string | null;
  }[];
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly idempotencyKey: string;
  readonly expiresInSeconds?: number;
  readonly sentAt?: string;
}

/** Answer of /v1/authorize. */
export interface AuthorizeAnswer {
  readonly isAllowed: boolean;
  /** Why it may not go ahead. Codes are added, never renamed or removed. */
  readonly code: 'LIMIT_EXCEEDED' | 'CREDITS_EXHAUSTED' | 'UNPRICED' | 'NO_CONTRACT' | 'CURRENCY_MISMATCH' | 'HOLD_ENDED' | 'NOT_ENTITLED' | 'MODEL_DENIED' | null;
  /** What to do about it; null when it is allowed. */
  readonly message: string | null;
  /** The limit that refuses it. */
  readonly limit: Limit | null;
  /** SOFT limits that the call goes beyond, and SOFT budgets in another currency than its price. */
  readonly beyond: readonly Limit[];
  /** Of the feature that the call names; null where it names none. */
  readonly failMode: FeatureFailMode | null;
  /** Null when it is refused, but for HOLD_ENDED: then it is the one that was held. */
  readonly hold: {
    readonly id: string;
    /** A decimal. */
    readonly amount: string;
    readonly currency: string;
    readonly expiresAt: string;
    /** What has become of it since, where the same was asked before. */
    readonly state: 'HELD' | 'SETTLED' | 'VOIDED' | 'EXPIRED';
    /** Whether the same was asked before. */
    readonly replayed: boolean;
  } | null;
  /** By a test key: nothing was changed. */
  readonly isDryRun?: true;
}

/** Body of /v1/settle. */
export interface SettleBody {
  readonly tenantId?: string;
  readonly holdId: string;
  readonly events: readonly unknown[];
}

/** Answer of /v1/settle. */
export interface SettleAnswer {
  /** Null for a test key. */
  readonly hold: Hold | null;
  readonly rejected?: readonly Rejection[];
  /** By a test key: nothing was changed. */
  readonly isDryRun?: true;
}

/** Body of /v1/void. */
export interface VoidBody {
  readonly tenantId?: string;
  readonly holdId: string;
}

/** Answer of /v1/void. */
export interface VoidAnswer {
  /** Null for a test key. */
  readonly hold: Hold | null;
  /** By a test key: nothing was changed. */
  readonly isDryRun?: true;
}

/** A usage event. */
export interface UsageEvent {
  /** With `source` the identity of the event. */
  readonly id: string;
  readonly type: string;
  /** When it happened, ISO 8601. */
  readonly time: string;
  /** That of the key when absent. */
  readonly tenant?: string | null;
  readonly subject?: string | null;
  readonly source?: string | null;
  readonly properties?: Readonly<Record<string, unknown>> | null;
}

/** What became of each event of a batch: each is in exactly one of the four. */
export interface UsageReceipt {
  readonly accepted: number;
  /** Places of events that came before with the same content. */
  readonly duplicates: readonly number[];
  /** Events whose id came before with other content. Nothing was changed. */
  readonly conflicts: readonly {
    readonly index: number;
    readonly id: string;
    readonly storedHash: string;
    readonly givenHash: string;
  }[];
  readonly rejected: readonly Rejection[];
  /** By a test key: nothing was changed. */
  readonly isDryRun?: true;
}

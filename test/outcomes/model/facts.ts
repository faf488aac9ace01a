import type { OutcomeTermsJson } from '../../../src/outcomes/outcome-terms.rules.js';

// What the oracle is told, and what it answers. Instants are milliseconds since 1970.

export type Party = 'BUYER' | 'SELLER';

/** An event that was accepted. */
export interface EventFact {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly time: number;
  readonly subject: string | null;
  readonly properties: Readonly<Record<string, unknown>>;
  readonly keyId: string;
  readonly party: Party;
}

/** Something that somebody said of an outcome, which is named by its rule and its claim. */
export interface ActFact {
  readonly kind: 'VERIFICATION' | 'REVERSAL' | 'DISPUTE' | 'DECISION';
  readonly id: string;
  readonly at: number;
  readonly ruleId: string;
  readonly eventId: string;
  readonly source: string;
  readonly keyId: string;
  readonly party: Party;
  /** VERIFICATION: the code that a failed one rejects with. */
  readonly reason?: string | null;
  readonly passes?: boolean;
  readonly verifier?: string;
  readonly score?: string | null;
  readonly evidence?: Readonly<Record<string, unknown>>;
  /** REVERSAL: the part of the value; all of it when null. */
  readonly amount?: string | null;
  readonly isGuarantee?: boolean;
  /** DECISION. */
  readonly disputeId?: string;
  readonly accepts?: boolean;
}

export interface VersionGiven {
  readonly number: number;
  readonly effectiveAt: number;
  readonly terms: OutcomeTermsJson;
}

export interface RuleGiven {
  readonly id: string;
  /** Published ones that were not withdrawn. */
  readonly versions: readonly VersionGiven[];
}

export interface ContractGiven {
  readonly id: string;
  readonly currency: string;
  readonly startsAt: number;
  readonly endsAt: number | null;
  /** Whether it keeps the rules that held when it began. */
  readonly isPinned?: boolean;
  readonly rules: readonly RuleGiven[];
}

/** Everything there is to know of one tenant. */
export interface TenantFacts {
  readonly timeZone: string;
  readonly contracts: readonly ContractGiven[];
  readonly events: readonly EventFact[];
  readonly acts: readonly ActFact[];
}

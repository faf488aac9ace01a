import type { Decimal } from '../money/index.js';
import type { FactRun } from './fact-run.rules.js';
import type { OutcomeTerms, Verifier } from './outcome-terms.rules.js';

/**
 * Where an outcome stands. CLAIMED → VERIFIED → MATURED → BILLED; REJECTED, EXPIRED and REVERSED are ends that only a
 * further fact can change; DISPUTED is held until somebody decides or its deadline passes.
 */
export type OutcomeState =
  'CLAIMED' | 'VERIFIED' | 'MATURED' | 'BILLED' | 'REJECTED' | 'EXPIRED' | 'REVERSED' | 'DISPUTED';

/** Whose key told a fact: the tenant whose outcome it is, or somebody above it. */
export type Party = 'BUYER' | 'SELLER';

/** An accepted usage event that some rule looks at. */
export interface OutcomeEvent {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly time: Date;
  readonly subject: string | null;
  readonly customer: string | null;
  readonly properties: Readonly<Record<string, unknown>>;
  readonly keyId: string;
  readonly party: Party;
}

interface Act {
  readonly id: string;
  readonly outcomeId: string;
  readonly at: Date;
  readonly reason: string | null;
  readonly keyId: string;
  readonly party: Party;
}

/** Somebody's word that a claim is true, or not. */
export interface Verification extends Act {
  readonly kind: 'VERIFICATION';
  readonly passes: boolean;
  readonly verifier: Verifier;
  readonly score: Decimal | null;
  readonly evidence: Readonly<Record<string, unknown>>;
}

/** Takes an outcome back by name: all of it, a part of its value, or all of it with the value paid back. */
export interface Reversal extends Act {
  readonly kind: 'REVERSAL';
  /** The part of the value; null for all. */
  readonly amount: Decimal | null;
  readonly isGuarantee: boolean;
}

/** Says that an outcome is none. Held until decided. */
export interface Dispute extends Act {
  readonly kind: 'DISPUTE';
  readonly disputeId: string;
}

/** The answer to the dispute of an outcome. */
export interface Decision extends Act {
  readonly kind: 'DECISION';
  readonly disputeId: string;
  /** Whether the dispute is accepted: then the outcome is taken back. */
  readonly accepts: boolean;
}

/** A fact that somebody told by mutation. */
export type OutcomeAct = Verification | Reversal | Dispute | Decision;

/** What a compiled filter can be asked. */
export interface Filter {
  matches(event: Pick<OutcomeEvent, 'type' | 'subject' | 'source' | 'properties'>): boolean;
}

/** The compiled filters of a version, in the places of their texts. */
export interface VersionFilters {
  readonly claim: Filter;
  readonly exclusions: readonly Filter[];
  readonly environment: Filter | null;
  readonly touch: Filter | null;
  readonly reversal: Filter | null;
  readonly guarantee: Filter | null;
}

/** A published version of a rule. */
export interface LiveRuleVersion {
  readonly id: string;
  readonly number: number;
  readonly effectiveAt: Date;
  readonly terms: OutcomeTerms;
  readonly filters: VersionFilters;
  /** What one such outcome would cost by itself; null where it has no price. Ranks exclusive outcomes. */
  listAmount(outcome: Pick<Verdict, 'attributes' | 'units' | 'value'>, currency: string): Decimal | null;
}

/** A rule with its versions by effective instant. */
export interface LiveRule {
  readonly id: string;
  readonly key: string;
  readonly versions: readonly LiveRuleVersion[];
}

/** The contract that holds at an instant, with the rules of its book. */
export interface ContractRules {
  readonly contractId: string;
  readonly currency: string;
  readonly endsAt: Date | null;
  readonly rules: readonly LiveRule[];
}

/** A part in an outcome. */
export interface AgentShare {
  readonly agent: string;
  /** Of 1. */
  readonly share: Decimal;
}

/** What the facts of a case say about one claim of one rule, at an instant. */
export interface Verdict {
  readonly outcomeId: string;
  readonly ruleId: string;
  readonly versionId: string;
  readonly versionNumber: number;
  readonly contractId: string;
  readonly currency: string;
  readonly eventId: string;
  readonly source: string;
  readonly subject: string | null;
  readonly customer: string | null;
  /** Never BILLED: that is what MATURED becomes on an invoice. */
  readonly state: Exclude<OutcomeState, 'BILLED'>;
  /** Why it stands there, upper snake case; null where there is nothing to tell. */
  readonly reason: string | null;
  /** The outcome that counts instead, of a DUPLICATE or SUPERSEDED one. */
  readonly instead: string | null;
  readonly startedAt: Date;
  readonly occurredAt: Date;
  readonly verifiedAt: Date | null;
  /** When it matures, or did, if nothing comes in between. */
  readonly maturesAt: Date;
  /** The instant whose billing period it is charged in. */
  readonly periodAt: Date;
  /** When the state changes by itself; null when only a fact can change it. */
  readonly dueAt: Date | null;
  /** Whether it holds its dedupe key: it may yet be charged, or is. */
  readonly isLive: boolean;
  /** Names what counts once; null where nothing does. */
  readonly dedupeKey: string | null;
  /** Until when the dedupe key is held; null for ever. */
  readonly dedupeUntil: Date | null;
  /** Charged with nothing although it matured: an outcome of a test environment. */
  readonly isFree: boolean;
  /** After people's share and what was taken back. */
  readonly units: Decimal;
  /** The same for the value; null where the rule reads none. */
  readonly value: Decimal | null;
  /** What the seller pays back under the guarantee. */
  readonly reimbursement: Decimal;
  readonly attributes: Readonly<Record<string, string>>;
  readonly agents: readonly AgentShare[];
  /** The facts that the verdict rests on, by name, in order; hashed into the receipt. */
  readonly factIds: readonly string[];
  /** Those that it does not name, for there are very many of their kind. */
  readonly otherFacts: readonly FactRun[];
}

/** Everything known about what hangs together by subject or customer. */
export interface CaseFacts {
  readonly events: readonly OutcomeEvent[];
  readonly acts: readonly OutcomeAct[];
  readonly now: Date;
  rulesAt(instant: Date): ContractRules | null;
  outcomeId(ruleId: string, event: Pick<OutcomeEvent, 'id' | 'source'>): string;
}

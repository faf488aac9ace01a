import type { Decimal } from '../money/index.js';
import type { PriceTerms, PriceTermsJson } from '../pricing/price.rules.js';

/** Which instant of an outcome decides the version that judges and prices it. */
export const VERSION_ANCHORS = ['STARTED', 'OCCURRED', 'MATURED'] as const;
export type VersionAnchor = (typeof VERSION_ANCHORS)[number];

/** Which instant of an outcome decides the billing period that it is charged in. */
export const PERIOD_ANCHORS = ['OCCURRED', 'MATURED'] as const;
export type PeriodAnchor = (typeof PERIOD_ANCHORS)[number];

/** Whose claims count as one: each by itself, those of one subject, those of one customer over all subjects. */
export const DEDUPE_SCOPES = ['NONE', 'SUBJECT', 'CUSTOMER'] as const;
export type DedupeScope = (typeof DEDUPE_SCOPES)[number];

/** What became of outcomes of a test environment: no outcome at all, one that costs nothing, one that is priced. */
export const ENVIRONMENT_POLICIES = ['REJECT', 'FREE', 'PRICED'] as const;
export type EnvironmentPolicy = (typeof ENVIRONMENT_POLICIES)[number];

/** Who may say that a claim is true. */
export const VERIFIERS = ['LLM', 'HUMAN', 'SYSTEM'] as const;
export type Verifier = (typeof VERIFIERS)[number];

/** Whose word a verification needs: anyone's but the claimant's, or that of seller and buyer both. */
export const PARTIES_NEEDED = ['ANY', 'BOTH'] as const;
export type PartiesNeeded = (typeof PARTIES_NEEDED)[number];

/** Whose events are heard: those of any key that may send the tenant's usage, or those of a key above the tenant alone. */
export const SENDERS = ['ANY', 'SELLER'] as const;
export type Senders = (typeof SENDERS)[number];

/** Which of several agents that touched a subject is credited with its outcome. */
export const ATTRIBUTION_MODELS = ['FIRST', 'LAST', 'SPLIT'] as const;
export type AttributionModel = (typeof ATTRIBUTION_MODELS)[number];

/** Which of several exclusive outcomes of a subject is the one that counts. */
export const EXCLUSIVE_CHOICES = ['HIGHEST', 'FIRST', 'PRIORITY'] as const;
export type ExclusiveChoice = (typeof EXCLUSIVE_CHOICES)[number];

/** What happens beyond a cap: the outcome is rejected, it is told and billed, it is recorded at nothing. */
export const CAP_MODES = ['HARD', 'SOFT', 'FREE'] as const;
export type CapMode = (typeof CAP_MODES)[number];

/** What a cap counts over: the billing period, the calendar day of the tenant's zone, one subject within the period. */
export const CAP_SCOPES = ['PERIOD', 'DAY', 'SUBJECT'] as const;
export type CapScope = (typeof CAP_SCOPES)[number];

/** How outcomes stand to usage: both are charged, usage is not, usage only where no outcome came of it. */
export const USAGE_RELATIONS = ['ADD', 'REPLACE', 'FALLBACK'] as const;
export type UsageRelation = (typeof USAGE_RELATIONS)[number];

/** What a dispute comes to that nobody answers. */
export const SILENT_DECISIONS = ['CREDIT', 'UPHOLD'] as const;
export type SilentDecision = (typeof SILENT_DECISIONS)[number];

/** What an outcome's price prices: its units (one unless the rule says otherwise), or its value. */
export const OUTCOME_MEASURES = ['UNITS', 'VALUE'] as const;
export type OutcomeMeasure = (typeof OUTCOME_MEASURES)[number];

/** Events of one type, those that a CEL expression matches; an empty expression matches all. */
export interface EventClause {
  readonly eventType: string;
  readonly filter: string;
}

/** What a claim is not billed for. */
export interface Exclusion {
  /** Upper snake case; shown with every outcome it rejects, and counted. */
  readonly reason: string;
  readonly filter: string;
  /** Null: the claim's own event. Else another event's, that the filter matches, of the same subject or customer. */
  readonly eventType: string | null;
  readonly scope: 'SUBJECT' | 'CUSTOMER';
  /** How long after the claim the other event excludes it; before the claim it always does. At most the maturation. */
  readonly withinHours: number;
}

/** The outcomes of a test environment. */
export interface EnvironmentTerms {
  /** Matches the claim's event when it is one of a test environment. */
  readonly filter: string;
  readonly policy: EnvironmentPolicy;
}

/** Who has to say that a claim is true, and by when. */
export interface VerificationTerms {
  readonly verifiers: readonly Verifier[];
  readonly parties: PartiesNeeded;
  /** Events of this type and subject verify too: `properties.passes`, `.verifier`, `.score`, `.reason`, `.evidence`. */
  readonly eventType: string | null;
  /** Which of these events count. */
  readonly sentBy: Senders;
  /** A claim that nobody verified so long after it occurred expires. */
  readonly expiresAfterHours: number;
}

/** How good an outcome has to be. */
export interface QualityTerms {
  /** Path in the claim's properties, or in those of the rating event. A verification's score goes before both. */
  readonly property: string;
  readonly minimum: Decimal;
  readonly whenMissing: 'ACCEPT' | 'REJECT';
  /** Ratings come as events of this type and subject, the last one until the maturation counts; null: none do. */
  readonly eventType: string | null;
}

/** Whose work an outcome was: agents' touches of the subject within a window before it. Without any it does not count. */
export interface AttributionTerms {
  readonly touch: EventClause;
  readonly windowHours: number;
  readonly model: AttributionModel;
  /** Path of the agent's name in the touch. */
  readonly agentProperty: string;
  /** SPLIT: path of the touch's weight; equal weights when null. */
  readonly shareProperty: string | null;
}

/** What counts once. */
export interface DedupeTerms {
  readonly scope: DedupeScope;
  /** From the claim that counts; null: for ever. */
  readonly windowHours: number | null;
}

/** Outcomes of one subject that exclude each other, over all rules of the book that name the group. */
export interface ExclusiveTerms {
  readonly group: string;
  readonly choice: ExclusiveChoice;
  /** PRIORITY: the least counts. */
  readonly priority: number;
}

/** How many units an outcome is: ⌈property ÷ per⌉ × weight. */
export interface UnitTerms {
  /** Path of a number in the claim's properties; null: 1. */
  readonly property: string | null;
  readonly per: Decimal;
  /** The most specific pattern of attributes wins; 1 where none matches. */
  readonly weights: readonly { readonly pattern: Readonly<Record<string, string>>; readonly units: Decimal }[];
}

/** One price of the rule; in a currency the most specific pattern of attributes wins. */
export interface OutcomePrice {
  /** Unique within the version. */
  readonly name: string;
  readonly currency: string;
  readonly pattern: Readonly<Record<string, string>>;
  readonly terms: PriceTerms;
}

/** What a period comes to at least: so many units at the rule's price, or an amount. One of the two. */
export interface MinimumTerms {
  readonly quantity: Decimal | null;
  readonly amount: { readonly amount: Decimal; readonly currency: string } | null;
  /** Whether a contract that holds for a part of the month owes that part of it. */
  readonly isProrated: boolean;
}

/** A bound on outcomes, by count or money. One of the two. */
export interface Cap {
  readonly mode: CapMode;
  readonly per: CapScope;
  readonly count: Decimal | null;
  readonly amount: { readonly amount: Decimal; readonly currency: string } | null;
}

/** How an outcome is taken back by an event. */
export interface ReversalTerms {
  /** Null: by mutation only. */
  readonly clause: EventClause | null;
  readonly windowHours: number;
  /** Path of the part of the value that is taken back; all of it when null or absent in the event. */
  readonly amountProperty: string | null;
  /** Path of the id of the claim's event, of the same subject; null: every outcome of the subject that counts then. */
  readonly targetProperty: string | null;
  /** Which of these events count. */
  readonly sentBy: Senders;
}

/** What makes the seller pay the value back, and the fee with it. */
export interface GuaranteeTerms {
  readonly clause: EventClause;
  readonly windowHours: number;
  /** Which of these events count. What they pay back is the seller's money. */
  readonly sentBy: Senders;
}

/** How outcomes stand to usage that these meters count. */
export interface UsageTerms {
  readonly relation: UsageRelation;
  readonly meterIds: readonly string[];
}

/** How an outcome is disputed. */
export interface DisputeTerms {
  /** From its maturing. */
  readonly windowHours: number;
  /** From the opening of the dispute. */
  readonly responseHours: number;
  readonly whenSilent: SilentDecision;
}

/** A sample stands for all: what it finds wrong beyond the tolerance is taken off the whole. */
export interface SampleAuditTerms {
  /** Per cent that may be wrong without consequence. */
  readonly tolerance: Decimal;
  /** How many outcomes a sample holds at least, or all that there are: a few prove nothing of thousands. */
  readonly leastSample: number;
}

/** When the number of claims of a week is told to be out of line. */
export interface AnomalyTerms {
  /** So many times the median of the weeks before. */
  readonly factor: Decimal;
  /** Fewer claims than this are never told of. */
  readonly leastClaims: number;
}

/** Everything that two sides agree on about one kind of outcome. Immutable with the version that holds it. */
export interface OutcomeTerms {
  readonly claim: EventClause;
  /** Path of the instant at which the subject started; null: when the outcome occurred. */
  readonly startedProperty: string | null;
  /** Path of the customer that a subject belongs to, in every event the rule looks at; null: none. */
  readonly customerProperty: string | null;
  readonly versionAnchor: VersionAnchor;
  readonly periodAnchor: PeriodAnchor;
  /** How long after it occurred an outcome matures. */
  readonly maturationHours: number;
  readonly exclusions: readonly Exclusion[];
  readonly environment: EnvironmentTerms | null;
  /** Names of properties that the claim or its verification carries. */
  readonly evidence: readonly string[];
  readonly verification: VerificationTerms | null;
  readonly quality: QualityTerms | null;
  readonly attribution: AttributionTerms | null;
  readonly dedupe: DedupeTerms;
  readonly exclusive: ExclusiveTerms | null;
  readonly measure: OutcomeMeasure;
  readonly units: UnitTerms;
  readonly valueProperty: string | null;
  /** Path of the value's currency; null: that of the contract. */
  readonly currencyProperty: string | null;
  /** Path of the per cent that people did, which is not billed; null: none. */
  readonly humanShareProperty: string | null;
  readonly attributes: readonly { readonly name: string; readonly property: string }[];
  readonly prices: readonly OutcomePrice[];
  readonly minimum: MinimumTerms | null;
  readonly caps: readonly Cap[];
  readonly reversal: ReversalTerms | null;
  readonly guarantee: GuaranteeTerms | null;
  readonly usage: UsageTerms | null;
  readonly dispute: DisputeTerms | null;
  readonly sampleAudit: SampleAuditTerms | null;
  readonly anomaly: AnomalyTerms | null;
}

/** `T` with decimal strings for decimals, `PriceTermsJson` for prices' terms: as the API and jsonb carry it. */
type JsonOf<T> = T extends Decimal
  ? string
  : T extends PriceTerms
    ? PriceTermsJson
    : T extends readonly (infer E)[]
      ? readonly JsonOf<E>[]
      : T extends object
        ? { readonly [K in keyof T]: JsonOf<T[K]> }
        : T;

/** `OutcomeTerms` as the API and jsonb carry them; every member is there, null where not used. */
export type OutcomeTermsJson = JsonOf<OutcomeTerms>;

import type { TokenKind } from '../catalog/token-count.rules.js';
import type { Decimal } from '../money/index.js';
import type { JsonNumber } from './json-text.rules.js';
import type { PriceUnit, ProposalFlag, ProposedBand, ServiceTier } from './proposal.rules.js';

/** One figure of a list, said in our words. */
export interface ListedPrice {
  readonly field: string;
  /** `reasoning` tokens are output tokens: a list's price of their own is only compared. `null` for requests. */
  readonly kind: TokenKind | 'reasoning' | null;
  readonly unit: PriceUnit;
  readonly tier: ServiceTier;
  /** `null` for whatever band. */
  readonly band: string | null;
  /** Dimensions beside the kind, the tier and the band. */
  readonly more?: Readonly<Record<string, string>>;
  readonly number: JsonNumber;
}

/** One entry of a list, said in our words. */
export interface ListEntry {
  readonly name: string;
  readonly provider: string;
  readonly modality: string;
  readonly contextBands: readonly ProposedBand[];
  readonly aliases: readonly string[];
  readonly sourceDate: string;
  readonly prices: readonly ListedPrice[];
  readonly skipped: readonly { readonly field: string; readonly reason: string }[];
  /** What is odd about the entry as a whole, and so about each of its prices. */
  readonly faults: readonly PriceFault[];
}

/** A flag and its sentence. */
export interface PriceFault {
  readonly flag: ProposalFlag;
  readonly message: string;
}

/** A price under way to a proposal. */
export interface Candidate {
  readonly key: string;
  readonly dimensions: Readonly<Record<string, string>>;
  readonly kind: ListedPrice['kind'];
  readonly unit: PriceUnit;
  readonly tier: ServiceTier;
  readonly band: string | null;
  /** US dollars for one. */
  readonly each: Decimal;
  readonly fields: readonly string[];
  readonly faults: readonly PriceFault[];
}

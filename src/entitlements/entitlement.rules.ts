import { type Decimal, type FieldRefusal, parseDecimal } from '../money/index.js';
import { isCleanText } from '../tenants/tenant.rules.js';
import type { EntitlementValue, FeatureKind } from './entitlement-value.rules.js';

/** What happens where nobody can say how much was used: refuse, go on, or go by what was known last. */
export const FAIL_MODES = ['CLOSED', 'OPEN', 'LAST_KNOWN'] as const;

/** One of `FAIL_MODES`; LAST_KNOWN with how much may be used blindly, in units of the feature. */
export type FailMode = { readonly mode: 'CLOSED' | 'OPEN' } | { readonly mode: 'LAST_KNOWN'; readonly cap: Decimal };

/** Whom an entitlement is for, the widest first: everybody on a price book, one contract, one tenant. */
export const TARGET_KINDS = ['PLAN', 'CONTRACT', 'TENANT'] as const;

/** One of `TARGET_KINDS`. */
export type TargetKind = (typeof TARGET_KINDS)[number];

/** A feature as it is entered. */
export interface FeatureDraft {
  readonly key: string;
  readonly name: string;
  readonly kind: FeatureKind;
  /** The meter that a LIMIT counts; no other kind has one. */
  readonly meterId?: string | null;
  /** CLOSED when absent. */
  readonly failMode?: FailMode['mode'] | null;
  /** A decimal string from 0; of LAST_KNOWN only. */
  readonly failCap?: string | null;
}

/** What deciding has to know of a feature. */
export interface FeatureFacts {
  readonly id: string;
  readonly key: string;
  readonly kind: FeatureKind;
  readonly meterId: string | null;
  readonly failMode: FailMode;
}

/** An entitlement for somebody, from an instant on. */
export interface EntitlementFacts {
  readonly id: string;
  readonly featureId: string;
  readonly targetKind: TargetKind;
  readonly targetId: string;
  /** Null takes the feature away, unless it inherits. */
  readonly value: EntitlementValue | null;
  /** Whether the target has again what a wider one is given: then there is no value. */
  readonly inherits: boolean;
  readonly effectiveAt: Date;
}

/** What a tenant has of a feature at an instant. */
export interface EffectiveEntitlement {
  readonly featureId: string;
  readonly featureKey: string;
  readonly kind: FeatureKind;
  readonly meterId: string | null;
  readonly failMode: FailMode;
  /** Null when the tenant is not entitled. */
  readonly value: EntitlementValue | null;
  /** Which entitlement says so; null when there is none. */
  readonly source: {
    readonly kind: TargetKind;
    /** The price book, the contract or the tenant. */
    readonly id: string;
    readonly entitlementId: string;
    /** Since when it counts: its own instant, or a later one in which what is narrower was handed back. */
    readonly effectiveAt: Date;
  } | null;
  /** When another entitlement takes the place of this one, as far as is known; null for never. */
  readonly changesAt: Date | null;
}

const KEY = /^(?=.{1,63}$)[a-z][a-z0-9]*(?:[._-][a-z0-9]+)*$/;

/** Everything wrong with a feature; empty when it may be made. Whether its meter exists is not looked at here. */
export function refuseFeature(draft: FeatureDraft): FieldRefusal[] {
  const { key, name, kind, meterId, failMode, failCap } = draft;
  const refusals: FieldRefusal[] = [];
  const refuse = (field: string, message: string): void => {
    refusals.push({ field: [field], message });
  };

  if (!KEY.test(key)) {
    refuse(
      'key',
      'key has up to 63 characters: words of a-z and 0-9, the first begins with a letter, joined by . _ or -',
    );
  }

  if (name.trim().length < 1 || name.length > 200 || !isCleanText(name)) {
    refuse('name', 'name has 1 to 200 characters and no control characters');
  }

  if (kind === 'LIMIT' && !hasText(meterId)) {
    refuse('meterId', 'a LIMIT counts a meter: name it');
  } else if (kind !== 'LIMIT' && hasText(meterId)) {
    refuse('meterId', `only a LIMIT counts a meter, and this is a ${kind}: leave it out`);
  }

  if (failMode === 'LAST_KNOWN') {
    if (!parseDecimal(failCap)?.gte(0)) {
      refuse('failCap', 'LAST_KNOWN says how much may be used blindly: a decimal string from 0');
    }
  } else if (hasText(failCap)) {
    refuse('failCap', 'only LAST_KNOWN has a cap: leave it out');
  }

  return refusals;
}

/** An empty text was given: it is a caller's slip, and not left out. */
function hasText(text: string | null | undefined): text is string {
  return text !== null && text !== undefined;
}

/** A fail mode from its parts as they are stored. Throws when they do not fit together, which the database keeps. */
export function failModeOf(mode: FailMode['mode'], cap: Decimal | null): FailMode {
  if (mode !== 'LAST_KNOWN') {
    return { mode };
  }

  if (!cap) {
    throw new Error('a fail mode LAST_KNOWN has a cap');
  }

  return { mode, cap };
}

/**
 * What somebody has of each feature at an instant, by key. `entitlements` are all that are for them: those of one price book,
 * of one contract and of one tenant, past and to come, in any order. TENANT counts before CONTRACT before PLAN, and in each
 * the latest that has taken effect; one without a value counts too, and takes the feature away. One that inherits leaves it
 * to the next wider.
 */
export function effectiveOf(
  features: readonly FeatureFacts[],
  entitlements: readonly EntitlementFacts[],
  at: Date,
): EffectiveEntitlement[] {
  const byFeature = Map.groupBy(entitlements, ({ featureId }) => featureId);

  return features
    .map(feature => effectiveFor(feature, byFeature.get(feature.id) ?? [], at))
    .sort((a, b) => (a.featureKey < b.featureKey ? -1 : 1));
}

function effectiveFor(feature: FeatureFacts, all: readonly EntitlementFacts[], at: Date): EffectiveEntitlement {
  const current = countingAt(all, at);
  // Nothing ends by itself, and what is wider than what counts may come without changing anything.
  const next = all
    .map(({ effectiveAt }) => effectiveAt)
    .filter(instant => instant > at && countingAt(all, instant) !== current)
    .map(instant => instant.getTime());

  return {
    featureId: feature.id,
    featureKey: feature.key,
    kind: feature.kind,
    meterId: feature.meterId,
    failMode: feature.failMode,
    value: current?.value ?? null,
    source: current && {
      kind: current.targetKind,
      id: current.targetId,
      entitlementId: current.id,
      effectiveAt: countingSince(all, current, at),
    },
    changesAt: next.length > 0 ? new Date(Math.min(...next)) : null,
  };
}

/** The one that counts at an instant: of the narrowest target that does not inherit then, the latest. */
function countingAt(all: readonly EntitlementFacts[], at: Date): EntitlementFacts | null {
  const latest = new Map<TargetKind, EntitlementFacts>();

  for (const one of all) {
    const known = latest.get(one.targetKind);

    if (one.effectiveAt <= at && (!known || one.effectiveAt > known.effectiveAt)) {
      latest.set(one.targetKind, one);
    }
  }

  const narrowest = TARGET_KINDS.findLast(kind => latest.get(kind)?.inherits === false);

  return narrowest ? (latest.get(narrowest) ?? null) : null;
}

function countingSince(all: readonly EntitlementFacts[], current: EntitlementFacts, at: Date): Date {
  const instants = all
    .map(({ effectiveAt }) => effectiveAt)
    .filter(instant => instant <= at)
    .sort((a, b) => b.getTime() - a.getTime());
  const before = instants.findIndex(instant => countingAt(all, instant) !== current);

  return instants[before < 0 ? instants.length - 1 : before - 1] ?? current.effectiveAt;
}

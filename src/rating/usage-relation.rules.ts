import type { UsageTerms } from '../outcomes/outcome-terms.rules.js';
import { QUARTER_HOUR_MS } from '../platform/quarter-hour.rules.js';
import type { Piece, Stretch } from './piece.rules.js';

/** Usage of a meter that is not charged for a time, for outcomes are charged in its place. */
export interface Replacement extends Stretch {
  readonly meterId: string;
}

/** A rule, as far as it says how outcomes stand to usage. */
export interface RelatedRule {
  readonly versions: readonly {
    readonly id: string;
    readonly effectiveAt: Date;
    readonly terms: { readonly usage: UsageTerms | null };
  }[];
}

/**
 * The usage of a period that rules replace: of the meters that a version names, while the version is in force. Usage is
 * known by quarter hours, and one that the version holds for a part of is replaced whole.
 */
export function replacementsOf(rules: readonly RelatedRule[], period: Stretch): Replacement[] {
  return rules.flatMap(({ versions }) => {
    const ordered = versions.toSorted((a, b) => a.effectiveAt.getTime() - b.effectiveAt.getTime());

    return ordered.flatMap(({ effectiveAt, terms: { usage } }, index) => {
      const until = ordered[index + 1]?.effectiveAt ?? period.end;
      const start = new Date(Math.max(period.start.getTime(), slotBefore(effectiveAt)));
      const end = new Date(Math.min(period.end.getTime(), -slotBefore(new Date(-until.getTime()))));

      return usage?.relation === 'REPLACE' && start < end
        ? usage.meterIds.map(meterId => ({ meterId, start, end }))
        : [];
    });
  });
}

/** The beginning of the quarter hour that holds an instant. */
function slotBefore(at: Date): number {
  return Math.floor(at.getTime() / QUARTER_HOUR_MS) * QUARTER_HOUR_MS;
}

/** Whether the usage of a meter in a piece, which lies within or without every replacement, is replaced. */
export function isReplaced(replaced: readonly Replacement[], meterId: string, piece: Piece): boolean {
  return replaced.some(one => one.meterId === meterId && one.start <= piece.start && piece.start < one.end);
}

/** Usage of a meter that outcomes of a version stand for, subject by subject. */
export interface FallbackMeter {
  readonly meterId: string;
  readonly versionId: string;
}

/** The usage that is charged only where no outcome came of it. */
export function fallbacksOf(rules: readonly RelatedRule[]): FallbackMeter[] {
  return rules.flatMap(({ versions }) =>
    versions.flatMap(({ id, terms: { usage } }) =>
      usage?.relation === 'FALLBACK' ? usage.meterIds.map(meterId => ({ meterId, versionId: id })) : [],
    ),
  );
}

import type { UsageRelation } from '../outcomes/outcome-terms.rules.js';
import { fallbacksOf, replacementsOf, type RelatedRule } from './usage-relation.rules.js';

/** What an outcome rule makes of usage that is estimated. */
export interface EstimatedRelation {
  readonly meterId: string;
  readonly relation: Exclude<UsageRelation, 'ADD'>;
  readonly ruleId: string;
  /** For people. */
  readonly sentence: string;
}

/** A rule as estimates know it. */
export interface EstimatedRule extends RelatedRule {
  readonly id: string;
  readonly key: string;
}

/**
 * What rules make of the usage of an instant, as rating will have it: usage that is replaced is not charged, whatever comes of
 * it; usage that an outcome may stand for is charged until there is one, by whichever version judges it.
 */
export function relationsAt(rules: readonly EstimatedRule[], at: Date): EstimatedRelation[] {
  const moment = { start: at, end: new Date(at.getTime() + 1) };
  const replaced = rules.flatMap(rule =>
    distinct(replacementsOf([rule], moment)).map(meterId => ({
      meterId,
      relation: 'REPLACE' as const,
      ruleId: rule.id,
      sentence: `Outcomes of rule ${rule.key} are charged in the place of this usage: it is not charged.`,
    })),
  );
  const stoodFor = rules.flatMap(rule =>
    distinct(fallbacksOf([rule])).map(meterId => ({
      meterId,
      relation: 'FALLBACK' as const,
      ruleId: rule.id,
      sentence: `This usage is charged unless an outcome of rule ${rule.key} is achieved for its subject: then it is not.`,
    })),
  );

  return [...replaced, ...stoodFor];
}

function distinct(meters: readonly { readonly meterId: string }[]): string[] {
  return [...new Set(meters.map(({ meterId }) => meterId))];
}

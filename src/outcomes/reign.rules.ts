import type { ContractRules, LiveRule, LiveRuleVersion } from './outcome.rules.js';

const HOUR_MS = 3_600_000;

/** A contract with the rules that judge under it. */
export interface HeldContract extends ContractRules {
  readonly startsAt: Date;
  /** All rules of its book, with all their versions, of which a contract that is pinned takes some. */
  readonly offered: readonly LiveRule[];
}

/** Milliseconds, both ends included. */
export interface Stretch {
  readonly from: number;
  readonly until: number;
}

/** Whether a version judges, or may yet judge, a claim that occurs while a contract holds. */
export function bearsOn(contract: HeldContract, rule: LiveRule, version: LiveRuleVersion): boolean {
  return mayJudge(takenOf(contract, rule), version, timeOf(contract));
}

/** Whether a version may judge a claim that occurs in a stretch: the version in force then says which instant chooses. */
export function mayJudge({ versions }: LiveRule, version: LiveRuleVersion, stretch: Stretch): boolean {
  const isTaken = versions.some(({ id }) => id === version.id);

  return versions.some(({ terms: { versionAnchor, maturationHours }, ...first }) => {
    const claims = meeting(stretch, reignOf(versions, first));

    if (!isTaken || !claims) {
      return false;
    }

    const hold = maturationHours * HOUR_MS;
    const anchors = {
      // Their subjects may have started at any time before.
      STARTED: { from: -Infinity, until: claims.until },
      OCCURRED: claims,
      MATURED: { from: claims.from + hold, until: claims.until + hold },
    }[versionAnchor];

    return meeting(anchors, reignOf(versions, version)) !== null;
  });
}

/** The rule as the contract has it judge: with the versions that it takes. */
export function takenOf({ rules }: ContractRules, rule: LiveRule): LiveRule {
  return rules.find(({ id }) => id === rule.id) ?? { ...rule, versions: [] };
}

/** The time in which a contract holds. */
export function timeOf({ startsAt, endsAt }: HeldContract): Stretch {
  return { from: startsAt.getTime(), until: endsAt ? endsAt.getTime() - 1 : Infinity };
}

/** The time that two stretches share; null where they share none. */
export function meeting(a: Stretch, b: Stretch): Stretch | null {
  const both = { from: Math.max(a.from, b.from), until: Math.min(a.until, b.until) };

  return both.from <= both.until ? both : null;
}

function reignOf(versions: readonly LiveRuleVersion[], { effectiveAt }: Pick<LiveRuleVersion, 'effectiveAt'>): Stretch {
  const next = versions.find(other => other.effectiveAt > effectiveAt);

  return { from: effectiveAt.getTime(), until: next ? next.effectiveAt.getTime() - 1 : Infinity };
}

import { type Decimal, ZERO } from '../money/index.js';

/** An outcome as it is charged: one that matured, or one whose value is paid back under the guarantee. */
export interface BillableOutcome {
  readonly id: string;
  readonly versionId: string;
  /** Canonical JSON. */
  readonly attributes: string;
  readonly units: Decimal;
  /** Null where the rule reads none. */
  readonly value: Decimal | null;
  readonly occurredAt: Date;
  readonly subject: string | null;
  /** The calendar day on which it occurred, in the zone of the tenant. */
  readonly day: string;
  /** It matured and costs nothing: one of a test environment. */
  readonly isFree: boolean;
  /** What the seller pays back; the outcome itself is then reversed and not charged. */
  readonly reimbursement: Decimal;
}

/** The billable outcomes of one version with the same attributes, added up. */
export interface OutcomeGroup {
  readonly versionId: string;
  /** Canonical JSON. */
  readonly attributes: string;
  /** How many are charged: they matured and are not free. */
  readonly count: number;
  /** Of those that are charged. */
  readonly units: Decimal;
  readonly value: Decimal;
  /** How many were paid back, and what. */
  readonly reimbursed: number;
  readonly reimbursement: Decimal;
}

/** An outcome beyond a cap that keeps it from being charged. */
export interface CappedOutcome {
  readonly id: string;
  readonly mode: 'HARD' | 'FREE';
}

/** Whether the outcome is to be paid for, caps aside. */
export function isCharged({ isFree, reimbursement }: Pick<BillableOutcome, 'isFree' | 'reimbursement'>): boolean {
  return !isFree && reimbursement.isZero();
}

/** Adds outcomes up as `billableGroups` does. Free ones are in no sum. */
export function groupsOf(outcomes: readonly BillableOutcome[]): OutcomeGroup[] {
  const groups = new Map<string, { -readonly [K in keyof OutcomeGroup]: OutcomeGroup[K] }>();

  for (const outcome of outcomes) {
    const { versionId, attributes, units, value, reimbursement, isFree } = outcome;
    const key = `${versionId} ${attributes}`;
    const group = groups.get(key) ?? {
      versionId,
      attributes,
      count: 0,
      units: ZERO,
      value: ZERO,
      reimbursed: 0,
      reimbursement: ZERO,
    };

    if (isCharged(outcome)) {
      group.count += 1;
      group.units = group.units.plus(units);
      group.value = group.value.plus(value ?? ZERO);
    } else if (!isFree) {
      group.reimbursed += 1;
      group.reimbursement = group.reimbursement.plus(reimbursement);
    } else {
      continue;
    }

    groups.set(key, group);
  }

  return [...groups.values()];
}

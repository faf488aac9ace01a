import { record } from '../audit/index.js';
import { decimal, formatDecimal, type Decimal } from '../money/index.js';
import { billableOutcomes, mostTogether } from '../outcomes/index.js';
import { announce, newId, query, type Scope } from '../platform/index.js';
import type { WebhooksService } from '../webhooks/index.js';
import { gonePast, type ExceededCap } from './outcome-caps.rules.js';
import type { RatedRule } from './outcome-dues.rules.js';
import type { RuleToRate } from './outcome-prices.rules.js';
import type { RatedPeriod } from './rating.service.js';
import { softCapsOf, type SoftCaps } from './soft-caps.rules.js';

/** A SOFT cap of a rule that the outcomes of a period exceed, and what they come to. */
export interface SoftCapExceeded extends ExceededCap {
  readonly ruleId: string;
  readonly ruleKey: string;
  /** How many outcomes are charged, and with what by their prices. */
  readonly outcomes: number;
  readonly amount: Decimal;
}

/** A rule in a period as it was rated. */
interface RatedPlace {
  readonly place: { readonly contractId: string; readonly start: Date; readonly end: Date };
  readonly timeZone: string;
  readonly groups: Parameters<typeof softCapsOf>[1];
  readonly rated: Pick<RatedRule, 'dues'>;
  /** Where it was rated one by one, what was found then. */
  readonly exceeded: ExceededCap | null | undefined;
}

/**
 * A SOFT cap that the outcomes of a rule exceed in a period; null for none. By sums where they tell; one by one where the cap
 * is of money for a day or a subject, a price may ask for less with more, or versions follow one another.
 */
export async function softCapExceeded(
  tx: Scope,
  rule: RuleToRate,
  { place, timeZone, groups, rated, exceeded }: RatedPlace,
): Promise<SoftCapExceeded | null> {
  const soft = softCapsOf(rule, groups, rated.dues);
  const found =
    soft.caps.length === 0
      ? null
      : exceeded === undefined
        ? await exceededBySums(soft, per => mostTogether(tx, place, rule.id, per, timeZone))
        : exceeded;
  const known =
    found === undefined ? gonePast(rule, await billableOutcomes(tx, place, rule.id, timeZone)).exceeded : found;

  const priced = rated.dues.flatMap(({ outcome }) => (outcome?.charge === 'PRICE' ? [outcome.outcomes] : []));
  const outcomes = priced.reduce((total, count) => total + count, 0);

  return known && { ...known, ruleId: rule.id, ruleKey: rule.key, outcomes, amount: soft.amount };
}

/** The SOFT cap that the sums of a period are above; null for none, undefined where sums do not tell. */
export async function exceededBySums(
  { caps, versionId, grows, count }: SoftCaps,
  mostIn: (per: 'DAY' | 'SUBJECT') => Promise<number>,
): Promise<ExceededCap | null | undefined> {
  if (versionId === null) {
    return undefined;
  }

  for (const cap of caps) {
    if (cap.count === null && (cap.per !== 'PERIOD' || !grows)) {
      return undefined;
    }

    if (cap.count === null || cap.count.lt(decimal(cap.per === 'PERIOD' ? count : await mostIn(cap.per)))) {
      return { versionId, cap };
    }
  }

  return null;
}

/** The rules whose SOFT caps were told of in the period that begins here. */
export async function toldRules(tx: Scope, periodStart: Date): Promise<ReadonlySet<string>> {
  const rows = await query<{ readonly id: string }>(
    tx,
    'select rule_id as id from outcome_cap_exceeded where tenant_id = $1 and period_start = $2',
    [tx.tenantId, periodStart],
  );

  return new Set(rows.map(({ id }) => id));
}

/** Tells when outcomes go beyond a SOFT cap of their rule, which keeps none of them out. */
export class SoftCapsService {
  constructor(private readonly webhooks: WebhooksService) {}

  /**
   * Tells of the SOFT caps that rated periods exceed: once for a rule and period, whatever is retried, and though the period
   * comes to less again. Runs in the rating's transaction, under its lock.
   */
  async tell(tx: Scope, rated: readonly RatedPeriod[]): Promise<void> {
    for (const period of rated) {
      for (const exceeded of period.exceededCaps) {
        await this.#tell(tx, period, exceeded);
      }
    }
  }

  async #tell(tx: Scope, period: RatedPeriod, exceeded: SoftCapExceeded): Promise<void> {
    const { contractId, start, end, currency } = period;
    const { ruleId, ruleKey, versionId, outcomes, amount } = exceeded;
    const cap = capJson(exceeded.cap);
    const told = await query(
      tx,
      `insert into outcome_cap_exceeded (tenant_id, rule_id, contract_id, period_start, period_end, version_id, cap, told_at)
       values ($1, $2, $3, $4, $5, $6, $7, $8)
       on conflict on constraint outcome_cap_exceeded_once do nothing returning rule_id`,
      [tx.tenantId, ruleId, contractId, start, end, versionId, JSON.stringify(cap), tx.now],
    );

    if (told.length === 0) {
      return;
    }

    const id = newId('oce', tx.now);
    const data = {
      exceededId: id,
      outcomeRuleId: ruleId,
      outcomeRuleKey: ruleKey,
      outcomeRuleVersionId: versionId,
      tenantId: tx.tenantId,
      contractId,
      period: { start: start.toISOString(), end: end.toISOString() },
      cap,
      outcomes,
      amount: formatDecimal(amount),
      currency,
    };
    await this.webhooks.send(tx, { id: `msg_${id}`, type: 'outcome_rule.cap_exceeded', data });
    await record(tx, { action: 'outcome_rule.cap_exceeded', subjectId: ruleId, after: data });
    await announce(tx, 'outcome_rule.cap_exceeded', { exceededId: id });
  }
}

function capJson({ per, count, amount }: ExceededCap['cap']) {
  return {
    per,
    count: count && formatDecimal(count),
    amount: amount && { amount: formatDecimal(amount.amount), currency: amount.currency },
  };
}

import { record } from '../audit/index.js';
import { formatDecimal } from '../money/index.js';
import { announce, findPage, inTransaction, newId, query, type PageArguments, type Scope } from '../platform/index.js';
import type { WebhooksService } from '../webhooks/index.js';
import {
  anomalyOf,
  calendarWeek,
  CLAIM_MEASURES,
  shownFactor,
  WEEK_MS,
  weekEnd,
  type Anomaly,
  type ClaimMeasure,
} from './anomaly.rules.js';
import { claimsByWeek } from './claim-count.queries.js';
import { OutcomeAnomaly } from './outcome-anomaly.entity.js';
import type { AnomalyTerms } from './outcome-terms.rules.js';
import type { LiveRule } from './outcome.rules.js';

/** What is told of a rule. */
interface OutOfLine extends Anomaly {
  readonly measure: ClaimMeasure;
  readonly claims: number;
}

/** Tells when a rule has more claims than usual. */
export class AnomaliesService {
  constructor(private readonly webhooks: WebhooksService) {}

  /**
   * Looks at the claims that occurred in the seven days up to now, and at those that came in, rule by rule, where the version
   * in force asks for it, and tells those that are out of line: once for a rule in seven days, whatever is retried. In the
   * transaction that judges them, under the rating lock: so it is told before they are rated, let alone on an invoice.
   */
  async tell(tx: Scope, rules: readonly LiveRule[]): Promise<void> {
    for (const rule of rules) {
      const terms = rule.versions.findLast(({ effectiveAt }) => effectiveAt <= tx.now)?.terms.anomaly;

      if (!terms || (await isTold(tx, rule.id))) {
        continue;
      }

      const found = await outOfLine(tx, rule.id, terms);

      if (found) {
        await this.#tell(tx, rule, found);
      }
    }
  }

  async #tell(tx: Scope, { id: ruleId, key }: LiveRule, found: OutOfLine): Promise<void> {
    const { measure, claims } = found;
    const id = newId('oan', tx.now);
    const weekStart = calendarWeek(tx.now);
    const [baseline, factor] = [formatDecimal(found.baseline), formatDecimal(found.factor)];
    const told = await query(
      tx,
      `insert into outcome_anomaly (tenant_id, id, rule_id, week_start, measure, claims, baseline, factor, told_at)
       select $1, $2, $3, $4, $5, $6, $7, $8, $9 where not exists (
         select from outcome_anomaly where tenant_id = $1 and rule_id = $3 and told_at > $10)
       on conflict on constraint outcome_anomaly_once_a_week do nothing returning id`,
      [
        tx.tenantId,
        id,
        ruleId,
        weekStart,
        measure,
        claims,
        baseline,
        factor,
        tx.now,
        new Date(tx.now.getTime() - WEEK_MS),
      ],
    );

    if (told.length === 0) {
      return;
    }

    const data = {
      anomalyId: id,
      outcomeRuleId: ruleId,
      outcomeRuleKey: key,
      tenantId: tx.tenantId,
      period: { start: new Date(weekEnd(tx.now).getTime() - WEEK_MS).toISOString(), end: tx.now.toISOString() },
      measure,
      claims,
      baseline,
      factor: formatDecimal(shownFactor(found.factor)),
      exactFactor: factor,
    };
    await this.webhooks.send(tx, { id: `msg_${id}`, type: 'outcome_rule.anomaly', data });
    await record(tx, { action: 'outcome_rule.anomaly', subjectId: ruleId, after: data });
    await announce(tx, 'outcome_rule.anomaly', { anomalyId: id });
  }

  /** What was told of the tenant's outcomes, newest first. */
  async list(scope: Scope, args: PageArguments): Promise<OutcomeAnomaly[]> {
    return inTransaction(scope, tx => findPage(tx.em, OutcomeAnomaly, {}, args));
  }
}

/** Whether something of the rule was told in the last seven days. */
async function isTold(tx: Scope, ruleId: string): Promise<boolean> {
  const rows = await query(
    tx,
    'select from outcome_anomaly where tenant_id = $1 and rule_id = $2 and told_at > $3 limit 1',
    [tx.tenantId, ruleId, new Date(tx.now.getTime() - WEEK_MS)],
  );

  return rows.length > 0;
}

/** By what, and how far, the claims of a rule are out of line; null when they are in line. */
async function outOfLine(tx: Scope, ruleId: string, terms: AnomalyTerms): Promise<OutOfLine | null> {
  for (const measure of CLAIM_MEASURES) {
    const { claims, before } = await claimsByWeek(tx, ruleId, measure);
    const anomaly = anomalyOf(terms, claims, before);

    if (anomaly) {
      return { measure, claims, ...anomaly };
    }
  }

  return null;
}

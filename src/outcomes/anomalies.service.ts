import { record } from '../audit/index.js';
import { formatDecimal } from '../money/index.js';
import { announce, findPage, inTransaction, newId, query, type PageArguments, type Scope } from '../platform/index.js';
import type { WebhooksService } from '../webhooks/index.js';
import { anomalyOf, calendarWeek, shownFactor, WEEK_MS, weeksKnown, type Anomaly } from './anomaly.rules.js';
import { OutcomeAnomaly } from './outcome-anomaly.entity.js';
import type { LiveRule } from './outcome.rules.js';

/** Tells when a rule has more claims than usual. */
export class AnomaliesService {
  constructor(private readonly webhooks: WebhooksService) {}

  /**
   * Looks at the claims of the seven days up to now, rule by rule, where the version in force asks for it, and tells those
   * that are out of line: once for a rule in seven days, whatever is retried. In the transaction that judges them, under
   * the rating lock: so it is told before they are rated, let alone on an invoice.
   */
  async tell(tx: Scope, rules: readonly LiveRule[]): Promise<void> {
    for (const rule of rules) {
      const terms = rule.versions.findLast(({ effectiveAt }) => effectiveAt <= tx.now)?.terms.anomaly;

      if (!terms) {
        continue;
      }

      const [claims = 0, ...before] = await claimsByWeek(tx, rule.id);
      const anomaly = anomalyOf(terms, claims, before);

      if (anomaly) {
        await this.#tell(tx, rule, claims, anomaly);
      }
    }
  }

  async #tell(tx: Scope, { id: ruleId, key }: LiveRule, claims: number, anomaly: Anomaly): Promise<void> {
    const id = newId('oan', tx.now);
    const weekStart = calendarWeek(tx.now);
    const [baseline, factor] = [formatDecimal(anomaly.baseline), formatDecimal(anomaly.factor)];
    const told = await query(
      tx,
      `insert into outcome_anomaly (tenant_id, id, rule_id, week_start, claims, baseline, factor, told_at)
       select $1, $2, $3, $4, $5, $6, $7, $8 where not exists (
         select from outcome_anomaly where tenant_id = $1 and rule_id = $3 and told_at > $9)
       on conflict on constraint outcome_anomaly_once_a_week do nothing returning id`,
      [tx.tenantId, id, ruleId, weekStart, claims, baseline, factor, tx.now, new Date(tx.now.getTime() - WEEK_MS)],
    );

    if (told.length === 0) {
      return;
    }

    const data = {
      anomalyId: id,
      outcomeRuleId: ruleId,
      outcomeRuleKey: key,
      tenantId: tx.tenantId,
      period: { start: new Date(tx.now.getTime() - WEEK_MS).toISOString(), end: tx.now.toISOString() },
      claims,
      baseline,
      factor: formatDecimal(shownFactor(anomaly.factor)),
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

/**
 * The claims of a rule in the seven days up to now, and before them in each whole week since its first claim, the latest
 * first: eight at most.
 */
async function claimsByWeek(tx: Scope, ruleId: string): Promise<number[]> {
  const [earliest] = await query<{ first: Date | null }>(
    tx,
    'select min(occurred_at) as first from outcome where tenant_id = $1 and rule_id = $2',
    [tx.tenantId, ruleId],
  );
  const weeks = 1 + weeksKnown(earliest?.first ?? null, tx.now);
  const rows = await query<{ week: number; claims: number }>(
    tx,
    `select greatest(0, floor(extract(epoch from $3::timestamptz - occurred_at) * 1000 / $4))::int as week,
       count(*)::int as claims
     from outcome where tenant_id = $1 and rule_id = $2 and occurred_at > $5 group by 1`,
    [tx.tenantId, ruleId, tx.now, WEEK_MS, new Date(tx.now.getTime() - weeks * WEEK_MS)],
  );
  const found = new Map(rows.map(({ week, claims }) => [week, claims]));

  return Array.from({ length: weeks }, (_, week) => found.get(week) ?? 0);
}

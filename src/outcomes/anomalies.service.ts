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

      const claims = (await isTold(tx, rule.id)) ? 0 : await claimsWithin(tx, rule.id, 0);
      const anomaly = claims < terms.leastClaims ? null : anomalyOf(terms, claims, await weeksBefore(tx, rule.id));

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

/** Whether something of the rule was told in the last seven days. */
async function isTold(tx: Scope, ruleId: string): Promise<boolean> {
  const rows = await query(
    tx,
    'select from outcome_anomaly where tenant_id = $1 and rule_id = $2 and told_at > $3 limit 1',
    [tx.tenantId, ruleId, new Date(tx.now.getTime() - WEEK_MS)],
  );

  return rows.length > 0;
}

/** The claims of a rule in seven days that ended so many weeks ago; whatever lies ahead of now is in the last of them. */
async function claimsWithin(tx: Scope, ruleId: string, weeksAgo: number): Promise<number> {
  const end = tx.now.getTime() - weeksAgo * WEEK_MS;
  const [row] = await query<{ n: number }>(
    tx,
    `select count(*)::int as n from outcome
     where tenant_id = $1 and rule_id = $2 and occurred_at > $3 and occurred_at <= $4`,
    [tx.tenantId, ruleId, new Date(end - WEEK_MS), weeksAgo === 0 ? 'infinity' : new Date(end)],
  );

  return row?.n ?? 0;
}

/** The claims of a rule in each whole week since its first one, but for the seven days up to now: eight weeks at most. */
async function weeksBefore(tx: Scope, ruleId: string): Promise<number[]> {
  const [earliest] = await query<{ first: Date | null }>(
    tx,
    'select min(occurred_at) as first from outcome where tenant_id = $1 and rule_id = $2',
    [tx.tenantId, ruleId],
  );
  const weeks = weeksKnown(earliest?.first ?? null, tx.now);
  const counts: number[] = [];

  for (let week = 1; week <= weeks; week += 1) {
    counts.push(await claimsWithin(tx, ruleId, week));
  }

  return counts;
}

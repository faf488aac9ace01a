import { record } from '../audit/index.js';
import { Contract, periodsWithin, type Period } from '../contracts/index.js';
import { formatDecimal } from '../money/index.js';
import { announce, DomainError, ErrorCode, findPage, inTransaction, isId, newId, query } from '../platform/index.js';
import type { PageArguments, Scope } from '../platform/index.js';
import type { TenantsService } from '../tenants/index.js';
import { monthOf, touchMonths } from '../usage/index.js';
import type { ActBy } from './act.rules.js';
import type { Acting } from './acting.js';
import { insist } from './outcome-act.queries.js';
import { OutcomeSampleAudit } from './outcome.entity.js';
import type { SampleAuditTerms } from './outcome-terms.rules.js';
import type { OutcomesService } from './outcomes.service.js';
import { refuseFindings, refuseSample, refuseSampleSize } from './review.rules.js';

/** Which period of which rule is audited. */
export interface SampleAuditStart {
  readonly outcomeRuleId: string;
  /** An instant of the period. */
  readonly at: Date;
  readonly sampleSize: number;
  readonly idempotencyKey: string;
}

/** What an audit found. */
export interface SampleAuditFinish {
  readonly outcomeSampleAuditId: string;
  readonly wrongOutcomeIds: readonly string[];
  readonly idempotencyKey: string;
}

interface Audited {
  readonly audit: OutcomeSampleAudit;
  readonly replayed: boolean;
}

/** Sample audits: what a sample finds wrong beyond the tolerance is taken off the whole period. */
export class SampleAuditsService {
  constructor(
    private readonly tenants: TenantsService,
    private readonly outcomes: OutcomesService,
    private readonly acting: Acting,
  ) {}

  /** Draws a sample of the charged outcomes of a rule in a period that is over; once for each period. */
  async start(scope: Scope, input: SampleAuditStart, by: ActBy): Promise<Audited> {
    const { idempotencyKey, ...draft } = input;
    insist(refuseSampleSize(draft.sampleSize));

    return this.acting.once(scope, {
      operation: 'outcomeSampleAuditStart',
      key: idempotencyKey,
      input: draft,
      work: tx => this.#start(tx, draft, by),
      answer: async (tx, { id, replayed }) => ({ audit: await find(tx, id), replayed }),
    });
  }

  async #start(tx: Scope, draft: Omit<SampleAuditStart, 'idempotencyKey'>, by: ActBy): Promise<string> {
    const { outcomeRuleId: ruleId, at, sampleSize } = draft;
    const contract = await contractAt(tx, at);
    const period = await this.#periodOf(tx, contract, at);
    const { tolerance, leastSample } = await this.#termsOf(tx, contract, ruleId, period);

    if (period.end > tx.now) {
      throw new DomainError(
        ErrorCode.PERIOD_OPEN,
        `the period ends at ${period.end.toISOString()}; audit it when it is over`,
        ['at'],
      );
    }

    const earlier = await tx.em.findOne(OutcomeSampleAudit, {
      contractId: contract.id,
      ruleId,
      periodStart: period.start,
    });

    if (earlier) {
      throw new DomainError(
        ErrorCode.ALREADY_EXISTS,
        `sample audit ${earlier.id} is about this rule and period; a period is audited once`,
        ['at'],
      );
    }

    const id = newId('osa', tx.now);
    const { population, sampleIds } = await draw(tx, id, { contractId: contract.id, ruleId, period, size: sampleSize });
    insist(refuseSample(sampleSize, population, leastSample));
    tx.em.create(OutcomeSampleAudit, {
      tenantId: tx.tenantId,
      id,
      ruleId,
      contractId: contract.id,
      periodStart: period.start,
      periodEnd: period.end,
      population,
      sampleIds,
      tolerance,
      wrongIds: null,
      finishedAt: null,
      createdAt: tx.now,
    });
    await record(tx, {
      action: 'outcome_sample_audit.started',
      subjectId: id,
      after: {
        ...draft,
        contractId: contract.id,
        ...period,
        population,
        sampleIds,
        tolerance: formatDecimal(tolerance),
        ...by,
      },
    });

    return id;
  }

  async #periodOf(tx: Scope, { startsAt, endsAt }: Contract, at: Date): Promise<Period> {
    const { timeZone } = await this.tenants.own(tx);
    const instant = { start: at, end: new Date(at.getTime() + 1) };
    const [period] = periodsWithin(instant, { startsAt, endsAt: endsAt ?? null }, timeZone);

    if (!period) {
      throw new Error(`no period holds ${at.toISOString()}, at which a contract holds`);
    }

    return period;
  }

  /** What the version in force when the period ends says of sample audits. */
  async #termsOf(tx: Scope, contract: Contract, ruleId: string, { end }: Period): Promise<SampleAuditTerms> {
    const rule = (await this.outcomes.rulesOf(tx, contract)).find(({ id }) => id === ruleId);

    if (!rule) {
      throw DomainError.notFound('outcome rule', ruleId, ['outcomeRuleId']);
    }

    const terms = rule.versions.findLast(({ effectiveAt }) => effectiveAt < end)?.terms.sampleAudit;

    if (!terms) {
      throw new DomainError(
        ErrorCode.INVALID_TRANSITION,
        `rule ${rule.key} says nothing of sample audits for this period; dispute outcomes instead`,
        ['outcomeRuleId'],
      );
    }

    return terms;
  }

  /** Tells which outcomes of the sample are wrong. Beyond the tolerance the period is charged that much less. */
  async finish(scope: Scope, input: SampleAuditFinish, by: ActBy): Promise<Audited> {
    const { idempotencyKey, ...draft } = input;

    return this.acting.once(scope, {
      operation: 'outcomeSampleAuditFinish',
      key: idempotencyKey,
      input: draft,
      work: tx => this.#finish(tx, draft.outcomeSampleAuditId, draft.wrongOutcomeIds, by),
      answer: async (tx, { id, replayed }) => ({ audit: await find(tx, id), replayed }),
    });
  }

  async #finish(tx: Scope, id: string, wrongOutcomeIds: readonly string[], by: ActBy): Promise<string> {
    const audit = await find(tx, id);

    if (audit.finishedAt) {
      throw new DomainError(ErrorCode.INVALID_TRANSITION, `sample audit ${id} is finished, and is finished once`, [
        'outcomeSampleAuditId',
      ]);
    }

    insist(refuseFindings(wrongOutcomeIds, audit.sampleIds, by));
    audit.wrongIds = [...wrongOutcomeIds].sort();
    audit.finishedAt = tx.now;
    await record(tx, {
      action: 'outcome_sample_audit.finished',
      subjectId: id,
      before: { finishedAt: null },
      after: { finishedAt: tx.now, wrongOutcomeIds: audit.wrongIds, ...by },
    });
    await touchMonths(tx, [monthOf(audit.periodStart.toISOString())]);
    await announce(tx, 'usage.accepted');

    return id;
  }

  /** The tenant's sample audits, newest first. */
  async list(scope: Scope, args: PageArguments): Promise<OutcomeSampleAudit[]> {
    return inTransaction(scope, tx => findPage(tx.em, OutcomeSampleAudit, {}, args));
  }
}

async function contractAt(tx: Scope, at: Date): Promise<Contract> {
  const contract = await tx.em.findOne(Contract, {
    tenantId: tx.tenantId,
    startsAt: { $lte: at },
    $or: [{ endsAt: null }, { endsAt: { $gt: at } }],
  });

  if (!contract) {
    throw DomainError.invalid(`the tenant buys under no contract at ${at.toISOString()}`, ['at']);
  }

  return contract;
}

async function find(tx: Scope, id: string): Promise<OutcomeSampleAudit> {
  const audit = isId(id, 'osa') ? await tx.em.findOne(OutcomeSampleAudit, { id }) : null;

  if (!audit) {
    throw DomainError.notFound('outcome sample audit', id, ['outcomeSampleAuditId']);
  }

  return audit;
}

/**
 * The sample of an audit: the outcomes with the least SHA-256 of the audit's id, a line break and their own id. Nobody
 * knows it before the audit has an id, and everybody can draw it again. Outcomes that cost nothing by their environment
 * or a cap are not among them, for what is found wrong is taken off the amount of the others.
 */
async function draw(
  tx: Scope,
  auditId: string,
  { contractId, ruleId, period, size }: { contractId: string; ruleId: string; period: Period; size: number },
): Promise<{ population: number; sampleIds: string[] }> {
  const rows = await query<{ id: string; population: number }>(
    tx,
    `select id, count(*) over ()::int as population from outcome
     where tenant_id = $1 and contract_id = $2 and rule_id = $3 and period_at >= $4 and period_at < $5
       and state in ('MATURED', 'BILLED') and not is_free and cap is null
     order by sha256(convert_to($6 || E'\\n' || id, 'UTF8')), id limit $7`,
    [tx.tenantId, contractId, ruleId, period.start, period.end, auditId, size],
  );

  return { population: rows[0]?.population ?? 0, sampleIds: rows.map(({ id }) => id) };
}

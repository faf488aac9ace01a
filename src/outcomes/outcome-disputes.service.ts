import { record } from '../audit/index.js';
import { DomainError, ErrorCode, findPage, inTransaction, isId, newId, query } from '../platform/index.js';
import type { PageArguments, Scope } from '../platform/index.js';
import { refuseList, type ActBy } from './act.rules.js';
import type { Acting } from './acting.js';
import { insertActs, insist, outcomesNamed } from './outcome-act.queries.js';
import { Outcome, OutcomeAct, OutcomeDispute } from './outcome.entity.js';
import { refuseDeciding, refuseDecision, refuseDispute, refuseDisputing, type DecisionDraft } from './review.rules.js';

/** How far a dispute is: its outcomes, and what became of them. */
export interface DisputeProgress {
  readonly outcomes: number;
  /** Those that are held until somebody decides. */
  readonly held: number;
  readonly accepted: number;
  readonly rejected: number;
  /** The first instant at which one of the held ones is decided by silence; null when none is held. */
  readonly respondBy: Date | null;
}

/** A dispute, and how far it is. */
export interface DisputeRead {
  readonly dispute: OutcomeDispute;
  readonly progress: DisputeProgress;
}

/** What is disputed, and why. */
export interface DisputeOpen {
  readonly outcomeIds: readonly string[];
  readonly reason: string;
  readonly evidence: unknown;
  readonly idempotencyKey: string;
}

/** Disputes of outcomes: opened by one side, held, and decided by the seller's or by silence. */
export class OutcomeDisputesService {
  constructor(private readonly acting: Acting) {}

  /** Disputes outcomes within the window that their rule gives; they are held until decided. */
  async open(scope: Scope, input: DisputeOpen, by: ActBy): Promise<DisputeRead & { readonly replayed: boolean }> {
    const { idempotencyKey, ...draft } = input;
    insist(refuseList(draft.outcomeIds, 'outcomeIds') ?? refuseDispute(draft));

    return this.acting.once(scope, {
      operation: 'outcomeDisputeOpen',
      key: idempotencyKey,
      input: draft,
      work: tx => this.#open(tx, draft, by),
      answer: async (tx, { id, replayed }) => ({ ...(await this.#read(tx, id)), replayed }),
    });
  }

  async #open(tx: Scope, draft: Omit<DisputeOpen, 'idempotencyKey'>, by: ActBy): Promise<string> {
    const { outcomeIds, reason } = draft;
    const outcomes = await outcomesNamed(tx, outcomeIds);
    const versionOf = await this.acting.versionsBehind(tx, outcomes);
    const earlier = await tx.em.find(OutcomeAct, {
      kind: 'DISPUTE',
      party: by.party,
      outcomeId: { $in: [...outcomeIds] },
    });
    const disputed = new Map(earlier.map(act => [act.outcomeId, act.disputeId ?? null]));

    for (const [place, outcome] of outcomes.entries()) {
      const { id, state, occurredAt, maturesAt, value = null } = outcome;
      const subject = { id, state, occurredAt, maturesAt, value };
      insist(refuseDisputing(subject, place, versionOf(outcome).terms, disputed.get(id) ?? null, tx.now));
    }

    const id = newId('dsp', tx.now);
    const evidence = draft.evidence as Readonly<Record<string, unknown>>;
    tx.em.create(OutcomeDispute, { tenantId: tx.tenantId, id, reason, evidence, ...by, openedAt: tx.now });
    await tx.em.flush();
    await insertActs(tx, outcomeIds, { kind: 'DISPUTE', disputeId: id, at: tx.now, body: {}, reason, by });
    await record(tx, { action: 'outcome_dispute.opened', subjectId: id, after: { ...draft, ...by } });
    await this.acting.judge(tx, outcomes);

    return id;
  }

  /** Decides some or all of the outcomes of a dispute: the accepted ones are taken back, the others charged again. */
  async decide(
    scope: Scope,
    input: DecisionDraft & { readonly outcomeDisputeId: string; readonly idempotencyKey: string },
    by: ActBy,
  ): Promise<DisputeRead & { readonly replayed: boolean }> {
    const { idempotencyKey, ...draft } = input;

    return this.acting.once(scope, {
      operation: 'outcomeDisputeDecide',
      key: idempotencyKey,
      input: draft,
      work: tx => this.#decide(tx, draft.outcomeDisputeId, draft, by),
      answer: async (tx, { id, replayed }) => ({ ...(await this.#read(tx, id)), replayed }),
    });
  }

  async #decide(tx: Scope, disputeId: string, draft: DecisionDraft, by: ActBy): Promise<string> {
    const { acceptedOutcomeIds, rejectedOutcomeIds, reason } = draft;
    const dispute = await find(tx, disputeId);
    insist(refuseDecision(draft, by, dispute.keyId));
    const acts = await tx.em.find(OutcomeAct, { disputeId, kind: 'DISPUTE' });
    const disputed = new Set(acts.map(act => act.outcomeId));
    const judged: Outcome[] = [];

    for (const [field, ids] of Object.entries({ acceptedOutcomeIds, rejectedOutcomeIds })) {
      const stray = ids.findIndex(id => !disputed.has(id));

      if (stray >= 0) {
        throw new DomainError(
          ErrorCode.NOT_FOUND,
          `outcome ${ids[stray]?.slice(0, 40) ?? ''} is not in dispute ${disputeId}; leave it out`,
          [field, String(stray)],
        );
      }

      for (const [place, outcome] of (await outcomesNamed(tx, ids, field)).entries()) {
        insist(refuseDeciding(outcome, [field, String(place)]));
        judged.push(outcome);
      }

      if (ids.length > 0) {
        const body = { accepts: field === 'acceptedOutcomeIds' };
        await insertActs(tx, ids, { kind: 'DECISION', disputeId, at: tx.now, body, reason, by });
      }
    }

    await record(tx, {
      action: 'outcome_dispute.decided',
      subjectId: disputeId,
      after: { acceptedOutcomeIds, rejectedOutcomeIds, reason, ...by },
    });
    await this.acting.judge(tx, judged);

    return disputeId;
  }

  /** The tenant's disputes, newest first. */
  async list(scope: Scope, args: PageArguments): Promise<DisputeRead[]> {
    return inTransaction(scope, async tx => {
      const disputes = await findPage(tx.em, OutcomeDispute, {}, args);
      const progress = await progressOf(
        tx,
        disputes.map(({ id }) => id),
      );

      return disputes.map(dispute => ({ dispute, progress: progress(dispute.id) }));
    });
  }

  /** One dispute; null when the tenant has none of this id. */
  async byId(tx: Scope, id: string): Promise<DisputeRead | null> {
    const dispute = await tx.em.findOne(OutcomeDispute, { id });

    return dispute && { dispute, progress: (await progressOf(tx, [id]))(id) };
  }

  /** The outcomes of a dispute as they stand, those that occurred last first. */
  async outcomes(scope: Scope, disputeId: string, args: PageArguments): Promise<Outcome[]> {
    return inTransaction(scope, async tx => {
      const acts = await tx.em.find(OutcomeAct, { disputeId, kind: 'DISPUTE' }, { fields: ['id', 'outcomeId'] });

      return findPage(tx.em, Outcome, { $and: [{ id: { $in: acts.map(act => act.outcomeId) } }] }, args);
    });
  }

  async #read(tx: Scope, id: string): Promise<DisputeRead> {
    return { dispute: await find(tx, id), progress: (await progressOf(tx, [id]))(id) };
  }
}

async function find(tx: Scope, id: string): Promise<OutcomeDispute> {
  const dispute = isId(id, 'dsp') ? await tx.em.findOne(OutcomeDispute, { id }) : null;

  if (!dispute) {
    throw DomainError.notFound('outcome dispute', id, ['outcomeDisputeId']);
  }

  return dispute;
}

/** How far these disputes are. */
async function progressOf(tx: Scope, ids: readonly string[]): Promise<(id: string) => DisputeProgress> {
  const rows = await query<DisputeProgress & { id: string }>(
    tx,
    `select a.dispute_id as id, count(*)::int as outcomes,
       count(*) filter (where d.id is null and o.state = 'DISPUTED')::int as held,
       count(*) filter (where (d.body ->> 'accepts')::boolean)::int as accepted,
       count(*) filter (where not (d.body ->> 'accepts')::boolean)::int as rejected,
       min(o.due_at) filter (where d.id is null and o.state = 'DISPUTED') as "respondBy"
     from outcome_act a
       join outcome o on o.tenant_id = a.tenant_id and o.id = a.outcome_id
       left join outcome_act d on d.tenant_id = a.tenant_id and d.dispute_id = a.dispute_id
         and d.outcome_id = a.outcome_id and d.kind = 'DECISION'
     where a.tenant_id = $1 and a.dispute_id = any ($2::text[]) and a.kind = 'DISPUTE'
     group by a.dispute_id`,
    [tx.tenantId, ids],
  );
  const byId = new Map(rows.map(row => [row.id, row]));

  return id => byId.get(id) ?? { outcomes: 0, held: 0, accepted: 0, rejected: 0, respondBy: null };
}

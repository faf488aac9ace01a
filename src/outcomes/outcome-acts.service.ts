import { record } from '../audit/index.js';
import { DomainError, ErrorCode, findPage, inTransaction, newId, page } from '../platform/index.js';
import type { PageArguments, Scope } from '../platform/index.js';
import {
  refuseList,
  refuseReversal,
  refuseReversing,
  refuseVerification,
  refuseVerifying,
  type ActBy,
  type ReversalDraft,
  type VerificationDraft,
} from './act.rules.js';
import type { Acting } from './acting.js';
import { idleEventsOf, insistIdleStretch, type IdleEventPage, type IdleEventsAsked } from './idle-events.js';
import { claimants, insertActs, insist, outcomesNamed } from './outcome-act.queries.js';
import { Outcome, OutcomeTransition } from './outcome.entity.js';
import type { OutcomeState } from './outcome.rules.js';

interface Named {
  readonly outcomeIds: readonly string[];
  readonly idempotencyKey: string;
}

/** Outcomes as they stand after an act. */
export interface Acted {
  readonly outcomes: readonly Outcome[];
  readonly replayed: boolean;
}

/** Which outcomes a list shows; null for all. */
export interface OutcomeFilter {
  readonly state: OutcomeState | null;
  readonly reason: string | null;
  readonly outcomeRuleId: string | null;
  readonly subject: string | null;
}

/** What people say of outcomes one by one, and outcomes as they read them. */
export class OutcomeActsService {
  constructor(private readonly acting: Acting) {}

  /**
   * Says whether claims are true. The key that claimed one of them is refused; that it tried is kept in the audit log
   * although nothing else is.
   */
  async verify(scope: Scope, input: Named & VerificationDraft, by: ActBy): Promise<Acted> {
    const { outcomeIds, idempotencyKey, ...draft } = input;
    insist(refuseList(outcomeIds, 'outcomeIds') ?? refuseVerification(draft));

    try {
      return await this.acting.once(scope, {
        operation: 'outcomeVerify',
        key: idempotencyKey,
        input: { outcomeIds, ...draft },
        work: tx => this.#verify(tx, outcomeIds, draft, by),
        answer: async (tx, { replayed }) => ({ outcomes: await outcomesNamed(tx, outcomeIds), replayed }),
      });
    } catch (error) {
      if (error instanceof DomainError && error.code === ErrorCode.SELF_VERIFICATION) {
        await this.#tellRefused(scope, outcomeIds[Number(error.field[1])] ?? '', by);
      }

      throw error;
    }
  }

  async #verify(tx: Scope, outcomeIds: readonly string[], draft: VerificationDraft, by: ActBy): Promise<string> {
    const outcomes = await outcomesNamed(tx, outcomeIds);
    const claimedBy = await claimants(tx, outcomeIds);
    const versionOf = await this.acting.versionsBehind(tx, outcomes);

    for (const [place, outcome] of outcomes.entries()) {
      const facts = { by, claimedBy: claimedBy.get(outcome.id) ?? '' };
      insist(refuseVerifying(subjectOf(outcome), place, versionOf(outcome).terms, draft, facts));
    }

    const { passes, verifier, score, evidence, reason } = draft;
    const body = { passes, verifier, score, evidence };
    await insertActs(tx, outcomeIds, { kind: 'VERIFICATION', disputeId: null, at: tx.now, body, reason, by });
    const id = newId('otb', tx.now);
    await record(tx, { action: 'outcome.verified', subjectId: id, after: { outcomeIds, ...body, reason, ...by } });
    await this.acting.judge(tx, outcomes);

    return id;
  }

  /** In a transaction of its own: the one that was refused has left nothing behind. */
  async #tellRefused(scope: Scope, outcomeId: string, by: ActBy): Promise<void> {
    await inTransaction(scope, tx =>
      record(tx, {
        action: 'outcome.verification_refused',
        subjectId: outcomeId,
        after: { code: ErrorCode.SELF_VERIFICATION, ...by },
      }),
    );
  }

  /** Takes outcomes back: all of them, a part of their value, or all with the value paid back under the guarantee. */
  async reverse(scope: Scope, input: Named & ReversalDraft, by: ActBy): Promise<Acted> {
    const { outcomeIds, idempotencyKey, ...draft } = input;
    insist(refuseList(outcomeIds, 'outcomeIds') ?? refuseReversal(draft, by, scope.now));

    return this.acting.once(scope, {
      operation: 'outcomeReverse',
      key: idempotencyKey,
      input: { outcomeIds, ...draft },
      work: tx => this.#reverse(tx, outcomeIds, draft, by),
      answer: async (tx, { replayed }) => ({ outcomes: await outcomesNamed(tx, outcomeIds), replayed }),
    });
  }

  async #reverse(tx: Scope, outcomeIds: readonly string[], draft: ReversalDraft, by: ActBy): Promise<string> {
    const outcomes = await outcomesNamed(tx, outcomeIds);
    const versionOf = await this.acting.versionsBehind(tx, outcomes);
    const { amount, isGuarantee, reason } = draft;
    const at = draft.at ?? tx.now;

    for (const [place, outcome] of outcomes.entries()) {
      insist(refuseReversing(subjectOf(outcome), place, versionOf(outcome).terms, draft, at));
    }

    const body = { amount, isGuarantee };
    await insertActs(tx, outcomeIds, { kind: 'REVERSAL', disputeId: null, at, body, reason, by });
    const id = newId('otb', tx.now);
    await record(tx, { action: 'outcome.reversed', subjectId: id, after: { outcomeIds, ...body, at, reason, ...by } });
    await this.acting.judge(tx, outcomes);

    return id;
  }

  /** The tenant's outcomes that a filter lets through, those that occurred last first. */
  async list(scope: Scope, filter: OutcomeFilter, args: PageArguments): Promise<Outcome[]> {
    const { state, reason, outcomeRuleId, subject } = filter;

    for (const [name, text] of Object.entries({ reason, subject, outcomeRuleId })) {
      if (text !== null && (text.length > 512 || text.includes('\0') || !text.isWellFormed())) {
        throw DomainError.invalid(`${name} has at most 512 characters, and none that no outcome has`, [name]);
      }
    }

    const where = {
      ...(state === null ? {} : { state }),
      ...(reason === null ? {} : { reason }),
      ...(outcomeRuleId === null ? {} : { ruleId: outcomeRuleId }),
      ...(subject === null ? {} : { subject }),
    };

    return inTransaction(scope, tx => findPage(tx.em, Outcome, where, args));
  }

  /** What was made of one claim's event: an outcome for each rule that knows it. */
  async ofEvent(scope: Scope, event: { readonly id: string; readonly source: string }): Promise<Outcome[]> {
    return inTransaction(scope, tx =>
      tx.em.find(Outcome, { eventId: event.id, source: event.source }, { orderBy: { id: 'asc' } }),
    );
  }

  /** The tenant's events that outcome rules look at and that bear on no outcome, the latest first. */
  async idleEvents(scope: Scope, asked: IdleEventsAsked, args: PageArguments): Promise<IdleEventPage> {
    insistIdleStretch(asked);

    return inTransaction(scope, async tx => idleEventsOf(tx, await this.acting.heldContracts(tx), asked, args));
  }

  /** The steps of an outcome, in order: up to `first` + 1. */
  async transitions(scope: Scope, outcomeId: string, args: PageArguments): Promise<OutcomeTransition[]> {
    const { limit, after } = page(args);
    const n = after !== null && /^\d{1,9}$/.test(after) ? Number(after) : 0;

    return inTransaction(scope, tx =>
      tx.em.find(OutcomeTransition, { outcomeId, n: { $gt: n } }, { orderBy: { n: 'asc' }, limit }),
    );
  }
}

function subjectOf({ id, state, occurredAt, maturesAt, value }: Outcome) {
  return { id, state, occurredAt, maturesAt, value: value ?? null };
}

import { announce, inTransaction, once, type Once, type Scope } from '../platform/index.js';
import { lockRating } from '../usage/index.js';
import type { HeldContract } from './idle-event.rules.js';
import { versionsBehind } from './outcome-act.queries.js';
import type { Outcome } from './outcome.entity.js';
import type { LiveRuleVersion } from './outcome.rules.js';
import type { OutcomesService } from './outcomes.service.js';

/** What is done once, and answered however often it is asked for again. */
export interface Act<T> {
  /** Names the mutation; an idempotency key is of one. */
  readonly operation: string;
  readonly key: string;
  readonly input: unknown;
  /** Does it, and returns the id of what it made. */
  work(tx: Scope): Promise<string>;
  /** The answer, read in the same transaction. */
  answer(tx: Scope, done: Once): Promise<T>;
}

/** How every act is done: once, under the rating lock, on verdicts as of now, and judged at once. */
export class Acting {
  constructor(private readonly outcomes: OutcomesService) {}

  /**
   * Does an act once for its idempotency key, when all that had come in before it and all that is due has been judged. A
   * backlog is judged beforehand, lot by lot in transactions of their own: in one long transaction a lock, a statement or the
   * caller would run out of time, and all of the work be lost. The last lot is judged with the act, so that one that is
   * refused changes nothing but what was overdue.
   *
   * However long the backlog, the act waits for it and is not refused for it. A caller wants the truth of its outcome and can
   * do nothing about the facts of others; refused, every one would have to write the loop that is written here, and might
   * starve while facts go on coming in. One that gives up loses nothing: every lot that was judged stays so, and the same
   * idempotency key again waits for the rest alone. What comes in after the act has begun is not waited for.
   */
  async once<T>(scope: Scope, { operation, key, input, work, answer }: Act<T>): Promise<T> {
    const received = await this.outcomes.settleBacklog(scope);

    return inTransaction(scope, async tx => {
      await lockRating(tx);
      await this.outcomes.settleWithin(tx, received);

      return answer(tx, await once(tx, operation, key, input, () => work(tx)));
    });
  }

  /** The versions that judged these outcomes, whose terms say what can be done with them. */
  async versionsBehind(tx: Scope, outcomes: readonly Outcome[]): Promise<(outcome: Outcome) => LiveRuleVersion> {
    return versionsBehind(tx, outcomes, (own, contract) => this.outcomes.rulesOf(own, contract));
  }

  /** The tenant's contracts with their rules, which say what an event means to it. */
  async heldContracts(tx: Scope): Promise<HeldContract[]> {
    return this.outcomes.heldContracts(tx);
  }

  /** Judges the cases of these outcomes again, for something was said of them, and has charges follow. */
  async judge(tx: Scope, outcomes: readonly Outcome[]): Promise<void> {
    await this.outcomes.judge(tx, outcomes);
    await announce(tx, 'usage.accepted');
  }
}

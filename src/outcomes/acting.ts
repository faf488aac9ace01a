import { announce, once, type Once, type Scope } from '../platform/index.js';
import { lockRating } from '../usage/index.js';
import type { HeldContract } from './idle-event.rules.js';
import { versionsBehind } from './outcome-act.queries.js';
import type { Outcome } from './outcome.entity.js';
import type { LiveRuleVersion } from './outcome.rules.js';
import type { OutcomesService } from './outcomes.service.js';

/** How every act is done: once, under the rating lock, on verdicts as of now, and judged at once. */
export class Acting {
  constructor(private readonly outcomes: OutcomesService) {}

  /** Does `work` once for an idempotency key, after all that is due has been judged. */
  async once(tx: Scope, operation: string, key: string, input: unknown, work: () => Promise<string>): Promise<Once> {
    await lockRating(tx);
    await this.outcomes.settleWithin(tx);

    return once(tx, operation, key, input, work);
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

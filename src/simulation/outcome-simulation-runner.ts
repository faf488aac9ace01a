import type { ContractsService } from '../contracts/index.js';
import type { LiveRules, OutcomesService } from '../outcomes/index.js';
import { inTransaction, type Scope } from '../platform/index.js';
import type { TenantsService } from '../tenants/index.js';
import type { OutcomePlan } from './outcome-ground.js';
import { OutcomeReplay } from './outcome-replay.js';
import {
  claimOutcomeSimulation,
  outcomeTotalsOf,
  replaceOutcomeResults,
  type ClaimedOutcomeSimulation,
  type ComparedOutcomes,
} from './outcome-simulation.queries.js';
import type { RunKind, Runs } from './runs.js';

/** Runs simulations of outcome rules. */
export class OutcomeSimulationRunner {
  readonly #kind: RunKind<ClaimedOutcomeSimulation, OutcomePlan, ComparedOutcomes>;

  constructor(
    tenants: TenantsService,
    contracts: ContractsService,
    outcomes: Pick<OutcomesService, 'rulesOf'>,
    private readonly liveRules: LiveRules,
    private readonly runs: Runs,
  ) {
    const replay = new OutcomeReplay(tenants, contracts, outcomes);
    this.#kind = {
      table: 'outcome_simulation',
      claim: claimOutcomeSimulation,
      planOf: (scope, simulation) => this.#planOf(scope, simulation),
      estimate: (tx, plan) => replay.estimate(tx, plan),
      compare: (scope, plan, control) => replay.compare(scope, plan, control),
      keep: replaceOutcomeResults,
      totals: outcomeTotalsOf,
    };
  }

  /** Runs a simulation from where it stands, as `Runs` says. */
  async run(scope: Scope, id: string): Promise<void> {
    await this.runs.run(this.#kind, scope, id);
  }

  async #planOf(scope: Scope, simulation: ClaimedOutcomeSimulation): Promise<OutcomePlan> {
    const { ruleId, versionId, priceBookId, from, until, createdAt } = simulation;
    const rules = await inTransaction(scope, tx => this.liveRules.ofDraft(tx, versionId, from));
    const rule = rules.find(({ id }) => id === ruleId);
    const version = rule?.versions.find(({ id }) => id === versionId);

    if (!rule || !version) {
      throw new Error(`version ${versionId} is not among those of its rule ${ruleId}`);
    }

    return { ruleId, ruleKey: rule.key, priceBookId, version, from, until, now: createdAt };
  }
}

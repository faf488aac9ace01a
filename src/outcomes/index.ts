export { eventTypesOf } from './event-types.rules.js';
export { LiveRules, outcomeCurrencies, WatchedTypes } from './live-rules.js';
export { OutcomeRule, outcomeRuleEntities, OutcomeRuleVersion } from './outcome-rule.entity.js';
export { AgreedRules, type ChargedBy } from './agreed-rules.js';
export {
  OutcomeRuleOfVersionResolver,
  OutcomeRuleResolver,
  OutcomeRuleVersionsResolver,
  OutcomeVersionResolver,
} from './outcome-rule.resolver.js';
export { OutcomeRuleType, OutcomeRuleVersionType } from './outcome-rule.types.js';
export { OutcomeRulesService } from './outcome-rules.service.js';
export { OutcomeUsageRelationEnum } from './outcome-terms.enums.js';
export { customerOf } from './customer.rules.js';
export { outcomeIdOf } from './outcome-id.js';
export { OutcomeIntake } from './outcome-intake.js';
export { outcomesHandlers, outcomesJobs } from './outcomes.jobs.js';
export { OutcomesService } from './outcomes.service.js';
export { Acting } from './acting.js';
export { OutcomeActsService } from './outcome-acts.service.js';
export { OutcomeClaimsService } from './outcome-claims.service.js';
export { OutcomeDisputesService } from './outcome-disputes.service.js';
export { OutcomeDisputeFieldsResolver, OutcomeReviewResolver } from './outcome-review.resolver.js';
export { OutcomeDisputeType, OutcomeSampleAuditType } from './outcome-review.types.js';
export { Outcome, outcomeEntities, OutcomeSampleAudit } from './outcome.entity.js';
export { OutcomeFieldsResolver, OutcomeResolver } from './outcome.resolver.js';
export { OutcomeStateEnum, OutcomeType } from './outcome.types.js';
export { SampleAuditsService } from './sample-audits.service.js';
export {
  billableGroups,
  billableOutcomes,
  finishedAudits,
  markCaps,
  replacedEvents,
  replacedUsage,
} from './billable.queries.js';
export { mostTogether } from './cap-scope.queries.js';
export type { LiveRule, LiveRuleVersion, OutcomeAct, OutcomeEvent, Verdict } from './outcome.rules.js';
export { type BillableOutcome } from './billable.rules.js';
export { factHashes, inputsHash } from './fact-hash.js';
export { verdictWords, type VerdictWord } from './verdict-words.js';
export { type BilledOutcome, billedOutcomes, billOutcomes } from './outcome-billing.js';
export {
  alikeOutcomes,
  chargedStretches,
  countCharged,
  countOccurred,
  countReckoned,
  heldBy,
  heldWithin,
  standingsCharged,
  usageOfSubject,
  type AlikeOutcomes,
  type HeldOutcome,
  type OccurredWithin,
} from './outcome-stats.queries.js';
export { brokenBatch } from './batch-verifying.js';
export { AnomaliesService } from './anomalies.service.js';
export { OutcomeAnomaly } from './outcome-anomaly.entity.js';
export { OutcomeAnomalyResolver } from './outcome-anomaly.resolver.js';
export { OutcomeAnomalyType } from './outcome-anomaly.types.js';
export { judgeCase } from './case.rules.js';
export { outcomeCasesAmong } from './outcome-trial.js';
export { casesOf, grouped } from './outcome-cases.js';
export { actsOn, eventsOfCases } from './settle.queries.js';
export { TenantRules } from './tenant-rules.js';
export { dayIn } from './day.rules.js';

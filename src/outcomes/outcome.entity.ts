import { defineEntity, p } from '@mikro-orm/core';
import type { Decimal } from '../money/index.js';
import { DecimalColumn, tenantFilter } from '../platform/index.js';
import { anomalyEntities } from './outcome-anomaly.entity.js';
import type { OutcomeAct as OutcomeActFact, OutcomeState, Party } from './outcome.rules.js';

/** A part in an outcome, as it is stored. */
export interface AgentShareJson {
  readonly agent: string;
  /** Of 1; a decimal string. */
  readonly share: string;
}

const OutcomeSchema = defineEntity({
  name: 'Outcome',
  tableName: 'outcome',
  properties: {
    tenantId: p.string(),
    id: p.string().primary(),
    ruleId: p.string(),
    versionId: p.string(),
    versionNumber: p.integer(),
    contractId: p.string(),
    currency: p.string(),
    eventId: p.string(),
    source: p.string(),
    subject: p.string().nullable(),
    customer: p.string().nullable(),
    startedAt: p.datetime(),
    occurredAt: p.datetime(),
    verifiedAt: p.datetime().nullable(),
    maturesAt: p.datetime(),
    periodAt: p.datetime(),
    dueAt: p.datetime().nullable(),
    judgedState: p.string().$type<Exclude<OutcomeState, 'BILLED'>>(),
    judgedReason: p.string().nullable(),
    instead: p.string().nullable(),
    cap: p.string().$type<'HARD' | 'FREE'>().nullable(),
    billedAt: p.datetime().nullable(),
    /** Computed by Postgres out of what was judged, the cap and the billing; never written. */
    state: p.string().$type<OutcomeState>().generated('judged_state'),
    /** Computed by Postgres like the state. */
    reason: p.string().nullable().generated('judged_reason'),
    isLive: p.boolean(),
    dedupeKey: p.string().nullable(),
    dedupeUntil: p.datetime().nullable(),
    isFree: p.boolean(),
    units: p.type(DecimalColumn).$type<Decimal>(),
    value: p.type(DecimalColumn).$type<Decimal>().nullable(),
    reimbursement: p.type(DecimalColumn).$type<Decimal>(),
    /** Canonical JSON of name → value. */
    attributes: p.string(),
    agents: p.json<readonly AgentShareJson[]>(),
    factIds: p.array(),
    /** How many transitions it has gone through. */
    n: p.integer(),
    createdAt: p.datetime(),
    changedAt: p.datetime(),
  },
  filters: tenantFilter,
});

/** What the facts say about one claim of one rule. Written by judging alone. */
export class Outcome extends OutcomeSchema.class {}
OutcomeSchema.setClass(Outcome);

const OutcomeTransitionSchema = defineEntity({
  name: 'OutcomeTransition',
  tableName: 'outcome_transition',
  properties: {
    tenantId: p.string(),
    outcomeId: p.string().primary(),
    /** Counts the transitions of the outcome from 1. */
    n: p.integer().primary(),
    fromState: p.string().$type<OutcomeState>().nullable(),
    toState: p.string().$type<OutcomeState>(),
    reason: p.string().nullable(),
    batch: p.string(),
    at: p.datetime(),
  },
  filters: tenantFilter,
});

/** One step of an outcome from state to state. */
export class OutcomeTransition extends OutcomeTransitionSchema.class {}
OutcomeTransitionSchema.setClass(OutcomeTransition);

const OutcomeActSchema = defineEntity({
  name: 'OutcomeAct',
  tableName: 'outcome_act',
  properties: {
    tenantId: p.string(),
    id: p.string().primary(),
    outcomeId: p.string(),
    kind: p.string().$type<OutcomeActFact['kind']>(),
    disputeId: p.string().nullable(),
    at: p.datetime(),
    body: p.json<Readonly<Record<string, unknown>>>(),
    reason: p.string().nullable(),
    keyId: p.string(),
    party: p.string().$type<Party>(),
    createdAt: p.datetime(),
  },
  filters: tenantFilter,
});

/** A fact about an outcome that somebody told by mutation. */
export class OutcomeAct extends OutcomeActSchema.class {}
OutcomeActSchema.setClass(OutcomeAct);

const OutcomeDisputeSchema = defineEntity({
  name: 'OutcomeDispute',
  tableName: 'outcome_dispute',
  properties: {
    tenantId: p.string(),
    id: p.string().primary(),
    reason: p.string(),
    evidence: p.json<Readonly<Record<string, unknown>>>(),
    keyId: p.string(),
    party: p.string().$type<Party>(),
    openedAt: p.datetime(),
  },
  filters: tenantFilter,
});

/** Somebody's word that outcomes are none. */
export class OutcomeDispute extends OutcomeDisputeSchema.class {}
OutcomeDisputeSchema.setClass(OutcomeDispute);

const OutcomeSampleAuditSchema = defineEntity({
  name: 'OutcomeSampleAudit',
  tableName: 'outcome_sample_audit',
  properties: {
    tenantId: p.string(),
    id: p.string().primary(),
    ruleId: p.string(),
    contractId: p.string(),
    periodStart: p.datetime(),
    periodEnd: p.datetime(),
    /** How many outcomes the sample was drawn from. */
    population: p.integer(),
    sampleIds: p.array(),
    /** Per cent that may be wrong without consequence. */
    tolerance: p.type(DecimalColumn).$type<Decimal>(),
    wrongIds: p.array().nullable(),
    finishedAt: p.datetime().nullable(),
    createdAt: p.datetime(),
  },
  filters: tenantFilter,
});

/** A sample of a period's outcomes that stands for all of them. */
export class OutcomeSampleAudit extends OutcomeSampleAuditSchema.class {}
OutcomeSampleAuditSchema.setClass(OutcomeSampleAudit);

export const outcomeEntities = [
  OutcomeSchema,
  OutcomeTransitionSchema,
  OutcomeActSchema,
  OutcomeDisputeSchema,
  OutcomeSampleAuditSchema,
  ...anomalyEntities,
] as const;

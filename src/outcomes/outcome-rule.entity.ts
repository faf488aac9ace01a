import { defineEntity, p } from '@mikro-orm/core';
import { tenantFilter } from '../platform/index.js';
import type { OutcomeTermsJson } from './outcome-terms.rules.js';

const OutcomeRuleSchema = defineEntity({
  name: 'OutcomeRule',
  tableName: 'outcome_rule',
  properties: {
    tenantId: p.string(),
    id: p.string().primary(),
    priceBookId: p.string(),
    key: p.string(),
    name: p.string(),
    createdAt: p.datetime(),
  },
  filters: tenantFilter,
});

/** One kind of outcome that a price book asks for, in versions. `key` is unique in the book. */
export class OutcomeRule extends OutcomeRuleSchema.class {}
OutcomeRuleSchema.setClass(OutcomeRule);

const VERSION_STATUSES = ['DRAFT', 'PUBLISHED', 'WITHDRAWN'] as const;

const OutcomeRuleVersionSchema = defineEntity({
  name: 'OutcomeRuleVersion',
  tableName: 'outcome_rule_version',
  properties: {
    tenantId: p.string(),
    id: p.string().primary(),
    ruleId: p.string(),
    number: p.integer(),
    status: p.enum(VERSION_STATUSES),
    effectiveAt: p.datetime().nullable(),
    publishedAt: p.datetime().nullable(),
    withdrawnAt: p.datetime().nullable(),
    terms: p.json<OutcomeTermsJson>(),
    createdAt: p.datetime(),
  },
  filters: tenantFilter,
});

/** What a rule says from an instant on; nothing in it changes once it is published. */
export class OutcomeRuleVersion extends OutcomeRuleVersionSchema.class {}
OutcomeRuleVersionSchema.setClass(OutcomeRuleVersion);

/** The rows of rules; those of facts, verdicts and receipts are read and written by SQL. */
export const outcomeRuleEntities = [OutcomeRuleSchema, OutcomeRuleVersionSchema] as const;

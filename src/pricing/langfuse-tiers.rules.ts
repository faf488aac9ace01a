import { formatDecimal } from '../money/index.js';
import { UNKNOWN_MEMBER } from './import.rules.js';
import {
  exactNumber,
  isJsonList,
  isJsonNumber,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  memberOf,
  textOf,
} from './json-text.rules.js';
import type { ProposedBand, ServiceTier } from './proposal.rules.js';

const SERVICE_TIERS: Readonly<Record<string, ServiceTier>> = {
  default: 'standard',
  standard: 'standard',
  batch: 'batch',
  flex: 'flex',
  fast: 'fast',
  priority: 'fast',
  ultrafast: 'ultrafast',
};

const SPEEDS: Readonly<Record<string, ServiceTier>> = { standard: 'standard', fast: 'fast' };

/** Counts whose sum is the prompt; a pattern of other counts is about something else. */
const PROMPT_PARTS: readonly string[] = ['input', 'prompt', 'cached', 'cache_read', 'cache_write', 'cache_creation'];

/** The richest model has 6. */
const MOST_TIERS = 50;
const KNOWN_TIER_MEMBERS: readonly string[] = ['id', 'name', 'isDefault', 'priority', 'conditions', 'prices'];

/** What a tier asks of a request. */
interface Condition {
  /** `null` for whatever tier. */
  readonly tiers: readonly ServiceTier[] | null;
  readonly above: Threshold | null;
}

interface Threshold {
  readonly above: string;
  readonly inclusive: boolean;
}

export interface ListTier {
  readonly name: string;
  readonly isDefault: boolean;
  readonly priority: number;
  /** Why it cannot be said in dimensions, or what it asks. */
  readonly condition: Condition | string;
  readonly prices: JsonObject;
}

export type Skipped = { readonly field: string; readonly reason: string }[];

export function unknownMembers({ members }: JsonObject, known: readonly string[], path: string): Skipped {
  return members
    .filter(([name, value]) => !known.includes(name) && value !== null)
    .map(([name]) => ({ field: `${path}${name}`, reason: UNKNOWN_MEMBER }));
}

/** The tiers in the order in which they are tried, the default one last; or why that order cannot be told. */
export function tiersOf(value: JsonValue | undefined, skipped: Skipped): readonly ListTier[] | string {
  if (!isJsonList(value) || !value.every(isJsonObject)) {
    return 'it has no list of pricingTiers';
  }

  if (value.length > MOST_TIERS) {
    return `it has more than ${MOST_TIERS} tiers`;
  }

  const tiers: ListTier[] = [];

  for (const [index, tier] of value.entries()) {
    const name = textOf(tier, 'name') ?? `tier ${index + 1}`;
    const priority = memberOf(tier, 'priority');
    const [conditions, prices] = [memberOf(tier, 'conditions') ?? [], memberOf(tier, 'prices')];

    if (!isJsonNumber(priority) || !isJsonObject(prices) || !isJsonList(conditions)) {
      return `its tier ${name} has no priority, no prices or no conditions`;
    }

    skipped.push(...unknownMembers(tier, KNOWN_TIER_MEMBERS, `${name}.`));
    tiers.push({
      name,
      isDefault: memberOf(tier, 'isDefault') === true,
      priority: Number(priority.number),
      condition: conditionOf(conditions),
      prices,
    });
  }

  const others = tiers.filter(({ isDefault }) => !isDefault);
  const defaults = tiers.filter(({ isDefault }) => isDefault);

  if (
    defaults.length !== 1 ||
    defaults.some(({ condition }) => typeof condition === 'string' || !isAlways(condition))
  ) {
    return 'it has not one default tier without conditions';
  }

  if (new Set(others.map(({ priority }) => priority)).size < others.length) {
    return 'two of its tiers have the same priority';
  }

  return [...others.sort((a, b) => a.priority - b.priority), ...defaults];
}

function isAlways({ tiers, above }: Condition): boolean {
  return tiers === null && above === null;
}

/** All conditions together, or why no dimension says them. */
function conditionOf(conditions: readonly JsonValue[]): Condition | string {
  let all: Condition = { tiers: null, above: null };

  for (const value of conditions) {
    const one = isJsonObject(value) ? (parameterCondition(value) ?? usageCondition(value)) : null;

    if (!one || (one.tiers && all.tiers) || (one.above && all.above)) {
      return 'asks for something that neither service tier nor context band says';
    }

    all = { tiers: one.tiers ?? all.tiers, above: one.above ?? all.above };
  }

  return all;
}

/** `service_tier in [fast, priority]`, `speed in [fast]`. */
function parameterCondition(condition: JsonObject): Condition | null {
  const [key, values] = [textOf(condition, 'key'), memberOf(condition, 'values')];
  const known = key === 'service_tier' ? SERVICE_TIERS : key === 'speed' ? SPEEDS : null;
  const isOfParameters = textOf(condition, 'source') === 'model_parameters' && textOf(condition, 'operator') === 'in';

  if (!isOfParameters || !known || !isJsonList(values) || condition.members.length > 4) {
    return null;
  }

  const tiers = values.map(value =>
    typeof value === 'string' && Object.hasOwn(known, value) ? known[value] : undefined,
  );

  return tiers.length > 0 && tiers.every(tier => tier !== undefined) ? { tiers, above: null } : null;
}

/** Input tokens of all kinds, together above a number. */
function usageCondition(condition: JsonObject): Condition | null {
  const [pattern, operator] = [textOf(condition, 'usageDetailPattern'), textOf(condition, 'operator')];
  const value = memberOf(condition, 'value');
  const above = isJsonNumber(value) ? exactNumber(value) : null;
  const parts = pattern?.replace(/^\((.*)\)$/, '$1').split('|') ?? [];
  const isPrompt =
    parts.every(part => PROMPT_PARTS.includes(part)) && (parts.includes('input') || parts.includes('prompt'));

  return isPrompt && above?.isInteger() && above.gt(0) && (operator === 'gt' || operator === 'gte')
    ? { tiers: null, above: { above: formatDecimal(above), inclusive: operator === 'gte' } }
    : null;
}

/** The bands that any tier asks for: one is `long`; several are named by where they begin. */
export function bandsOf(tiers: readonly ListTier[]): readonly ProposedBand[] {
  const asked = tiers.flatMap(({ condition }) => (typeof condition === 'string' ? [] : (condition.above ?? [])));
  const distinct = [...new Map(asked.map(threshold => [JSON.stringify(threshold), threshold])).values()];

  return distinct
    .sort((a, b) => a.above.length - b.above.length || (a.above < b.above ? -1 : 1))
    .map(threshold => ({ ...threshold, name: distinct.length === 1 ? 'long' : `above_${threshold.above}` }));
}

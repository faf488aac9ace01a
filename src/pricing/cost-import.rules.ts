import type { CostRate } from '../catalog/model.rules.js';
import { TOKEN_KINDS } from '../catalog/token-count.rules.js';
import type { InForce, PlanMeter, PlannedTerms } from './import-plan.rules.js';
import { priceKey, type PriceUnit } from './proposal.rules.js';

/** Which meter's key a cost of a unit names as its kind. Costs of tokens and searches name a token kind, whatever stands here. */
export type CostMeters = Readonly<Partial<Record<PriceUnit, string>>>;

/** What a change of an import means for a cost. */
export interface CostChange {
  readonly key: string;
  readonly before: PlannedTerms | null;
  readonly proposed: PlannedTerms | null;
}

/** What costs of tokens and searches may depend on: every such rate names its kind, and these dimensions where it has to. */
export const TOKEN_COSTS: PlanMeter = {
  id: '',
  key: 'tokens',
  dimensions: ['model', 'token_kind', 'service_tier', 'context_band'],
};

const SEARCHES: readonly string[] = ['web_search', 'search_unit'];

/** A rate of a cost in force as an import compares it; `null` for a kind that no list could speak of. */
export function rateInForce(model: string, rate: CostRate, meters: CostMeters, source: string | null): InForce | null {
  const isTokens = TOKEN_KINDS.some(kind => kind === rate.kind);
  const unit = isTokens ? tokenUnit(rate.kind) : unitOfMeter(meters, rate.kind);

  if (unit === null) {
    return null;
  }

  const dimensions = {
    model,
    ...(isTokens ? { token_kind: rate.kind } : {}),
    ...Object.fromEntries((rate.dimensions ?? []).map(({ name, value }) => [name, value])),
  };
  const terms = { model: 'UNIT', unitAmount: rate.amount, per: rate.per } as const;
  const now = { name: rate.kind, unit, dimensions, meterId: null, terms, source, fields: [], priceId: null };

  return { key: priceKey(unit, dimensions), model, now };
}

function tokenUnit(kind: string): PriceUnit {
  return SEARCHES.includes(kind) ? 'query' : 'token';
}

function unitOfMeter(meters: CostMeters, key: string): PriceUnit | null {
  const units = Object.entries(meters) as [PriceUnit, string][];

  return units.find(([unit, meter]) => meter === key && unit !== 'token' && unit !== 'query')?.[0] ?? null;
}

/**
 * The rates of a model with what was approved: changed in place, without those removed, and the new ones at the end. `null`
 * when what is in force is no longer what the list was laid beside.
 */
export function withRates(
  model: string,
  rates: readonly CostRate[],
  approved: readonly CostChange[],
  meters: CostMeters,
): readonly CostRate[] | null {
  const changes = new Map(approved.map(change => [change.key, change]));
  const seen = new Set<string>();
  const next: CostRate[] = [];

  for (const rate of rates) {
    const now = rateInForce(model, rate, meters, null);
    const change = now && changes.get(now.key);

    if (!now || !change) {
      next.push(rate);
      continue;
    }

    if (!isSame(change.before, now.now)) {
      return null;
    }

    if (change.proposed && !seen.has(change.key)) {
      next.push(costRate(change.proposed, meters));
    }

    seen.add(change.key);
  }

  const left = approved.filter(({ key }) => !seen.has(key));

  return left.every(({ before }) => before === null)
    ? [...next, ...left.flatMap(({ proposed }) => (proposed ? [costRate(proposed, meters)] : []))]
    : null;
}

function isSame(before: PlannedTerms | null, now: PlannedTerms): boolean {
  return before?.terms.unitAmount === now.terms.unitAmount && before?.terms.per === now.terms.per;
}

/** A proposed price as a rate of a cost. */
function costRate({ unit, dimensions, terms }: PlannedTerms, meters: CostMeters): CostRate {
  const { model: _, token_kind: kind, ...others } = dimensions;
  const isTokens = unit === 'token' || unit === 'query';

  return {
    kind: (isTokens ? kind : meters[unit]) ?? '',
    amount: terms.unitAmount ?? '0',
    per: terms.per ?? '1',
    dimensions: Object.entries({ ...others, ...(isTokens || kind === undefined ? {} : { token_kind: kind }) }).map(
      ([name, value]) => ({ name, value }),
    ),
  };
}

import { decimal, formatDecimal, sum, ZERO, type Decimal } from '../../src/money/index.js';
import type { BillableOutcome } from '../../src/outcomes/billable.rules.js';
import type { Cap, MinimumTerms, OutcomePrice, OutcomeTerms } from '../../src/outcomes/outcome-terms.rules.js';
import { canonicalJson } from '../../src/platform/canonical-json.js';
import type { PriceTermsJson } from '../../src/pricing/price.rules.js';
import type { AllocatedOutcome } from '../../src/rating/outcome-allocation.rules.js';
import type { RuleToRate, RuleVersionToRate } from '../../src/rating/outcome-prices.rules.js';
import { PERIOD, terms } from './period.js';

type MoneyTerms = Pick<OutcomeTerms, 'measure' | 'prices' | 'minimum' | 'caps'>;

/** A price of an outcome rule: on all attributes, in US dollars, unless told otherwise. */
export const outcomePrice = (given: PriceTermsJson, rest: Partial<Omit<OutcomePrice, 'terms'>> = {}): OutcomePrice => ({
  name: 'Each',
  currency: 'USD',
  pattern: {},
  ...rest,
  terms: terms(given),
});

/** So much for each outcome. */
export const each = (unitAmount: string): readonly OutcomePrice[] => [outcomePrice({ model: 'UNIT', unitAmount })];

export const money = (amount: string, currency = 'USD') => ({ amount: decimal(amount), currency });

export const minimum = (given: { quantity?: string; amount?: string; isProrated?: boolean }): MinimumTerms => ({
  quantity: given.quantity === undefined ? null : decimal(given.quantity),
  amount: given.amount === undefined ? null : money(given.amount),
  isProrated: given.isProrated ?? false,
});

export const cap = (
  given: Pick<Cap, 'mode'> & Partial<Pick<Cap, 'per'>> & { count?: string; amount?: string },
): Cap => ({
  mode: given.mode,
  per: given.per ?? 'PERIOD',
  count: given.count === undefined ? null : decimal(given.count),
  amount: given.amount === undefined ? null : money(given.amount),
});

export const ruleVersion = (
  given: Partial<MoneyTerms> & Pick<MoneyTerms, 'prices'>,
  number = 1,
  effectiveAt = new Date('2026-01-01T00:00:00Z'),
): RuleVersionToRate => ({
  id: `orv_${number}`,
  number,
  effectiveAt,
  terms: { measure: 'UNITS', minimum: null, caps: [], ...given },
});

/** The rule `orl`, over in November 2026 (30 days), in US dollars, unless told otherwise. */
export const rule = (
  versions: RuleVersionToRate | readonly RuleVersionToRate[],
  rest: Partial<Omit<RuleToRate, 'versions'>> = {},
): RuleToRate => ({
  id: 'orl',
  key: 'resolution',
  versions: 'id' in versions ? [versions] : versions,
  period: PERIOD,
  currency: 'USD',
  isOver: true,
  monthMs: 30 * 86_400_000,
  audit: null,
  ...rest,
});

/** An outcome of version 1, one unit, a minute after the one before it. */
export const outcome = (
  place: number,
  given: Partial<Omit<BillableOutcome, 'units' | 'value' | 'reimbursement' | 'attributes'>> & {
    readonly units?: string;
    readonly value?: string;
    readonly reimbursement?: string;
    readonly attributes?: Readonly<Record<string, string>>;
  } = {},
): BillableOutcome => {
  const occurredAt = given.occurredAt ?? new Date(PERIOD.start.getTime() + place * 60_000);

  return {
    id: `out_${String(place).padStart(6, '0')}`,
    versionId: 'orv_1',
    occurredAt,
    subject: null,
    day: occurredAt.toISOString().slice(0, 10),
    isFree: false,
    ...given,
    attributes: canonicalJson(given.attributes ?? {}),
    units: decimal(given.units ?? '1'),
    value: given.value === undefined ? null : decimal(given.value),
    reimbursement: decimal(given.reimbursement ?? '0'),
  };
};

/** So many outcomes, all alike. */
export const outcomes = (count: number, given: Parameters<typeof outcome>[1] = {}, first = 0): BillableOutcome[] =>
  Array.from({ length: count }, (_, index) => outcome(first + index, given));

/** Each due as [price id, amount]. */
export const amounts = (dues: readonly { readonly priceId: string; readonly amount: Decimal }[]): string[][] =>
  dues.map(({ priceId, amount }) => [priceId, formatDecimal(amount)]);

/** What was allocated, summed by what it is charged as. */
export const byItem = (allocated: readonly AllocatedOutcome[]): Map<string, Decimal> =>
  allocated.reduce(
    (sums, { item, amount }) => sums.set(item, (sums.get(item) ?? ZERO).plus(amount)),
    new Map<string, Decimal>(),
  );

export const totalOf = (dues: readonly { readonly amount: Decimal }[]): string =>
  formatDecimal(sum(dues.map(({ amount }) => amount)));

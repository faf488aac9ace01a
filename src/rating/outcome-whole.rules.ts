import { decimal, divide, formatDecimal, sum, ZERO, type Decimal } from '../money/index.js';
import type { OutcomeGroup } from '../outcomes/billable.rules.js';
import type { MinimumTerms } from '../outcomes/outcome-terms.rules.js';
import { rate } from '../pricing/rate.rules.js';
import { step, type RateStep } from '../pricing/rate-step.rules.js';
import type { Due, OutcomeCharge } from './charge.rules.js';
import type { Unpriced } from './facts.rules.js';
import type { RulePrices, RuleVersionToRate } from './outcome-prices.rules.js';

const HUNDRED = decimal(100);
const HOUR_MS = decimal(3_600_000);

/** What a rule's minimum asks for beside its prices, or the units of it that have no price. */
export interface MinimumDue {
  readonly dues: readonly Due[];
  readonly unpriced: readonly Unpriced[];
}

const NONE: MinimumDue = { dues: [], unpriced: [] };

/**
 * What is missing to the rule's minimum when the period is over: that of the last version that takes effect before its
 * end, whether there are outcomes or not. So many units cost what the price for outcomes without attributes asks for them
 * from zero (the first price where there is none such), so tiers count; without any price in the currency they are
 * unpriced. An amount in another currency than the contract's is none. A contract that holds for a part of the month owes
 * that part of the amount, where the terms say so.
 */
export function minimumDue(prices: RulePrices, charged: Decimal): MinimumDue {
  const { rule } = prices;
  const version = rule.isOver ? lastVersion(prices) : null;
  const least = version?.terms.minimum ? leastOf(prices, version, version.terms.minimum) : null;

  if (!version || !least) {
    return NONE;
  }

  if ('unpriced' in least) {
    return { dues: [], unpriced: [least.unpriced] };
  }

  const amount = least.amount.minus(charged);

  return amount.gt(ZERO)
    ? {
        dues: [
          ruleDue(prices, version, {
            charge: 'MINIMUM',
            outcomes: 0,
            step: step({ kind: 'MINIMUM', quantity: least.amount, amount }),
            sentence:
              `The minimum of the period is ${least.text}; ${money(prices, charged)} of it is charged, ` +
              `which leaves ${money(prices, amount)}.`,
          }),
        ],
        unpriced: [],
      }
    : NONE;
}

/** What a minimum comes to, and how; the units that have no price; null for one in another currency. */
function leastOf(
  prices: RulePrices,
  version: RuleVersionToRate,
  minimum: MinimumTerms,
): { readonly amount: Decimal; readonly text: string } | { readonly unpriced: Unpriced } | null {
  const { id, currency } = prices.rule;
  const { part, text } = partOf(prices, minimum);
  const asked = (whole: Decimal, what: string) => ({
    amount: part(whole),
    text: text === '' ? what : `${what}${text}, which is ${money(prices, part(whole))}`,
  });

  if (minimum.quantity) {
    const { quantity } = minimum;
    const price =
      prices.priceOf(version.id, '{}') ??
      prices.rated(version.id)?.prices.find(candidate => candidate.currency === currency) ??
      null;

    if (!price) {
      return { unpriced: { meterId: id, dimensions: '{}', quantity: part(quantity), reason: 'NO_PRICE' } };
    }

    const whole = rate(price.terms, { quantity }).amount;

    return asked(whole, `${formatDecimal(quantity)} units, at ${price.name} ${money(prices, whole)}`);
  }

  if (minimum.amount?.currency !== currency) {
    return null;
  }

  return asked(minimum.amount.amount, money(prices, minimum.amount.amount));
}

/** The part of a minimum that the period owes, and how to say so. */
function partOf({ rule: { period, monthMs } }: RulePrices, { isProrated }: MinimumTerms) {
  const [length, month] = [decimal(period.end.getTime() - period.start.getTime()), decimal(monthMs)];

  if (!isProrated || length.gte(month)) {
    return { part: (whole: Decimal) => whole, text: '' };
  }

  const [hours, ofHours] = [length, month].map(ms => formatDecimal(divide(ms, HOUR_MS)));

  return {
    part: (whole: Decimal) => divide(whole.times(length), month),
    text: `, for ${hours} of ${ofHours} hours of the month`,
  };
}

/** What the seller pays back under the guarantee: no fee, which a reversed outcome does not ask for, but the value. */
export function guaranteeDue(prices: RulePrices, groups: readonly OutcomeGroup[]): readonly Due[] {
  const paid = groups
    .filter(({ reimbursed }) => reimbursed > 0)
    .sort((a, b) => prices.placeOf(a.versionId) - prices.placeOf(b.versionId));
  const version = prices.versions[prices.placeOf(paid.at(-1)?.versionId ?? '')] ?? lastVersion(prices);
  const amount = sum(paid.map(({ reimbursement }) => reimbursement)).negated();
  const outcomes = paid.reduce((total, { reimbursed }) => total + reimbursed, 0);

  return version && !amount.isZero()
    ? [
        ruleDue(prices, version, {
          charge: 'GUARANTEE',
          outcomes,
          step: step({ kind: 'FLAT', quantity: decimal(outcomes), flat: amount, amount }),
          sentence: `The value of ${outcomes === 1 ? '1 outcome is' : `${outcomes} outcomes is`} paid back under the guarantee: ${money(prices, amount)}.`,
        }),
      ]
    : [];
}

/** What a sample audit takes off the outcomes of the period, when more of the sample is wrong than is tolerated. */
export function auditDue(prices: RulePrices, charged: Decimal): readonly Due[] {
  const { audit } = prices.rule;
  const version = lastVersion(prices);

  if (!audit || !version || charged.isZero()) {
    return [];
  }

  const [wrong, sample] = [decimal(audit.wrong), decimal(audit.sample)];

  // Cross-multiplied, so that nothing is rounded.
  if (wrong.times(HUNDRED).lte(audit.tolerance.times(sample))) {
    return [];
  }

  const amount = divide(charged.times(wrong), sample).negated();
  const percent = divide(wrong.times(HUNDRED), sample);

  return [
    ruleDue(prices, version, {
      charge: 'AUDIT',
      outcomes: audit.wrong,
      step: step({ kind: 'DISCOUNT', quantity: charged, percent, amount }),
      sentence:
        `${formatDecimal(wrong)} of a sample of ${formatDecimal(sample)} are wrong, more than the ` +
        `${formatDecimal(audit.tolerance)} % that are tolerated; ${formatDecimal(wrong)} / ${formatDecimal(sample)} of ` +
        `${money(prices, charged)} is taken off: ${money(prices, amount)}.`,
    }),
  ];
}

/** The last version that takes effect before the period ends. */
function lastVersion({ versions, rule }: RulePrices): RuleVersionToRate | null {
  return versions.findLast(({ effectiveAt }) => effectiveAt < rule.period.end) ?? null;
}

const NAMES: Readonly<Record<Exclude<OutcomeCharge, 'PRICE'>, string>> = {
  MINIMUM: 'minimum',
  GUARANTEE: 'guarantee',
  AUDIT: 'audit',
};

/** A charge of the rule as a whole, of its own id in every version. */
function ruleDue(
  { rule }: RulePrices,
  version: RuleVersionToRate,
  given: {
    readonly charge: Exclude<OutcomeCharge, 'PRICE'>;
    readonly outcomes: number;
    readonly step: RateStep;
    readonly sentence: string;
  },
): Due {
  const name = NAMES[given.charge];

  return {
    priceId: `${rule.id}:${name}`,
    priceName: `${rule.key}: ${name}`,
    versionId: version.id,
    versionNumber: version.number,
    meterId: rule.id,
    pattern: {},
    terms: null,
    discount: null,
    outcome: { ruleId: rule.id, charge: given.charge, outcomes: given.outcomes },
    inheritedFrom: null,
    takenBy: [],
    from: ZERO,
    to: ZERO,
    converted: ZERO,
    billable: ZERO,
    amount: given.step.amount,
    steps: [given.step],
    sentence: given.sentence,
  };
}

function money({ rule: { currency } }: RulePrices, amount: Decimal): string {
  return `${formatDecimal(amount)} ${currency}`;
}

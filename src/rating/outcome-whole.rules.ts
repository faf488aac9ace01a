import { decimal, divide, formatDecimal, minOf, sum, ZERO, type Decimal } from '../money/index.js';
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

/**
 * What is missing to the rule's minimum when the period is over, whether there are outcomes or not. A minimum that is not
 * prorated is owed whole where the version in force at the end of the period asks for it, and no other then. Otherwise each
 * prorated one is owed for the part of the calendar month in which versions with it are in force within the period, which is
 * that of the contract. So many units cost what the price for outcomes without attributes asks for them from zero (the first
 * price where there is none such), so tiers count; without any price in the currency they are unpriced. An amount in another
 * currency than the contract's is none.
 */
export function minimumDue(prices: RulePrices, charged: Decimal): MinimumDue {
  const asked = prices.rule.isOver ? askedOf(prices) : [];
  const unpriced = asked.flatMap(one => ('unpriced' in one ? [one.unpriced] : []));
  const least = asked.flatMap(one => ('unpriced' in one ? [] : [one]));
  const version = least.at(-1)?.version;
  // Divided once: sevenths of a month do not add up to it.
  const whole = divide(sum(least.map(one => one.weighed)), decimal(prices.rule.monthMs));
  const amount = whole.minus(charged);

  return {
    unpriced,
    dues:
      version && amount.gt(ZERO)
        ? [
            ruleDue(prices, version, {
              charge: 'MINIMUM',
              outcomes: 0,
              step: step({ kind: 'MINIMUM', quantity: whole, amount }),
              sentence:
                `The minimum of the period is ${least.map(({ text }) => text).join(', and ')}; ` +
                `${money(prices, charged)} of it is charged, which leaves ${money(prices, amount)}.`,
            }),
          ]
        : [],
  };
}

/** A minimum that versions ask for, while they are in force. */
interface MinimumInForce {
  readonly version: RuleVersionToRate;
  readonly terms: MinimumTerms;
  /** In milliseconds, within the period. */
  readonly length: Decimal;
}

/** A part of what the period owes at least, and how it comes about; or units of it that have no price. */
type Asked =
  | {
      readonly version: RuleVersionToRate;
      /** Times the milliseconds of the calendar month for which it is owed. */
      readonly weighed: Decimal;
      readonly text: string;
    }
  | { readonly unpriced: Unpriced };

function askedOf(prices: RulePrices): readonly Asked[] {
  const last = lastVersion(prices);
  const { period, monthMs } = prices.rule;

  if (last?.terms.minimum && !last.terms.minimum.isProrated) {
    const asked = leastOf(prices, { version: last, terms: last.terms.minimum, length: decimal(monthMs) });

    return asked ? [asked] : [];
  }

  const found = new Map<string, MinimumInForce>();

  for (const [place, version] of prices.versions.entries()) {
    const until = prices.versions[place + 1]?.effectiveAt ?? period.end;
    const start = Math.max(version.effectiveAt.getTime(), period.start.getTime());
    const length = Math.min(until.getTime(), period.end.getTime()) - start;
    const { minimum } = version.terms;

    if (minimum?.isProrated && length > 0) {
      const key = keyOf(prices, version, minimum);
      found.set(key, { version, terms: minimum, length: (found.get(key)?.length ?? ZERO).plus(decimal(length)) });
    }
  }

  return [...found.values()].flatMap(one => leastOf(prices, one) ?? []);
}

/** The same for minimums that come to the same for the same reason. */
function keyOf(prices: RulePrices, version: RuleVersionToRate, { quantity, amount }: MinimumTerms): string {
  const of = quantity
    ? [formatDecimal(quantity), formatDecimal(rateOf(prices, version, quantity)?.amount ?? ZERO)]
    : [amount?.currency, amount && formatDecimal(amount.amount)];

  return JSON.stringify([quantity !== null, ...of]);
}

/** What so many units cost by a version, and by which of its prices; null without any in the currency. */
function rateOf(prices: RulePrices, { id }: RuleVersionToRate, quantity: Decimal) {
  const price =
    prices.priceOf(id, '{}') ??
    prices.rated(id)?.prices.find(({ currency }) => currency === prices.rule.currency) ??
    null;

  return price && { name: price.name, amount: rate(price.terms, { quantity }).amount };
}

/** What a minimum comes to, and how; the units that have no price; null for one in another currency. */
function leastOf(prices: RulePrices, { version, terms, length }: MinimumInForce): Asked | null {
  const { id, currency } = prices.rule;
  const { part, text } = partOf(prices, length);
  const asked = (whole: Decimal, what: string) => ({
    version,
    weighed: decimal(whole.times(minOf(length, decimal(prices.rule.monthMs)))),
    text: text === '' ? what : `${what}${text}, which is ${money(prices, part(whole))}`,
  });

  if (terms.quantity) {
    const { quantity } = terms;
    const rated = rateOf(prices, version, quantity);

    return rated
      ? asked(rated.amount, `${formatDecimal(quantity)} units, at ${rated.name} ${money(prices, rated.amount)}`)
      : { unpriced: { meterId: id, dimensions: '{}', quantity: part(quantity), reason: 'NO_PRICE' } };
  }

  return terms.amount?.currency === currency ? asked(terms.amount.amount, money(prices, terms.amount.amount)) : null;
}

/** The part of a minimum that is owed for so much of the calendar month, and how to say so. */
function partOf({ rule: { monthMs } }: RulePrices, length: Decimal) {
  const month = decimal(monthMs);

  if (length.gte(month)) {
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

import { decimal, divide, formatDecimal, sum, ZERO, type Decimal } from '../money/index.js';
import { sentenceOf } from '../pricing/explain.rules.js';
import { looksAtEvents, type PriceTerms } from '../pricing/price.rules.js';
import type { ProratedUsage } from '../pricing/prorated.rules.js';
import { rate, rateBetween, type Rated, type Usage } from '../pricing/rate.rules.js';
import { differenceOf, step, type RateStep } from '../pricing/rate-step.rules.js';
import type { PeriodFacts, RatedPrice, Unpriced } from './facts.rules.js';
import type { Stretch } from './piece.rules.js';
import { quantityAt, type Series, usedBetween } from './series.rules.js';

/** Where a segment begins and ends among the pieces. */
export interface Places {
  readonly from: number;
  readonly to: number;
}

/** What a price asks for in one segment, before the minimum and the maximum of the period. */
export interface Part {
  readonly from: Decimal;
  readonly to: Decimal;
  readonly converted: Decimal;
  readonly billable: Decimal;
  readonly amount: Decimal;
  readonly steps: readonly RateStep[];
  readonly sentence: string;
  /** Whether what is due at zero quantity is in it. */
  readonly begins: boolean;
}

/** How a part stands among those of the same price in other versions. */
export interface PartPlace {
  readonly places: Places;
  /** No part before it was charged what is due at zero quantity. */
  readonly isNew: boolean;
  /** No later version has the price. */
  readonly isLast: boolean;
}

/**
 * What one price asks for in one segment of a period.
 *
 * - A price that adds up (flat, units, packages, graduated, percentages): rate(to) − rate(from) of the running quantity, and
 *   what is due at zero quantity once.
 * - VOLUME and STAIRSTEP price the whole by one tier: the units of the segment at the unit amount of the tier that the
 *   quantity of the period reaches; its flat amount once, by the last version that has the price.
 * - The value of a LATEST meter is one for the period: it is priced whole, by the last version that prices it.
 */
export function partOf(
  facts: PeriodFacts,
  price: RatedPrice,
  series: readonly Series[],
  place: PartPlace,
  unpriced: Unpriced[],
): Part {
  const terms = { ...price.terms, minimum: null, maximum: null };
  const { places } = place;

  if (terms.pricing.model === 'COST_PLUS') {
    const [from, to] = costsBetween(facts, series, places, price.costCurrency ?? null, unpriced);

    return difference(facts, terms, from, to, place.isNew);
  }

  if (series[0]?.aggregation === 'LATEST') {
    const own = series.filter(one => isPricedLast(facts, one, places));
    const isDue = place.isNew && (own.length > 0 || place.isLast);

    return difference(facts, terms, { quantity: ZERO }, usageAt(facts, terms, own, places.to), isDue);
  }

  const [from, to] = [usageAt(facts, terms, series, places.from), usageAt(facts, terms, series, places.to)];

  if ((terms.pricing.model === 'VOLUME' || terms.pricing.model === 'STAIRSTEP') && !terms.prorated) {
    return shareOfWhole(facts, terms, from, to, usageAt(facts, terms, series, facts.pieces.length), place.isLast);
  }

  return difference(facts, terms, from, to, place.isNew);
}

/** Whether no later segment prices the series. */
function isPricedLast({ segments, pieces, currency }: PeriodFacts, one: Series, { to }: Places): boolean {
  const segment = pieces[to - 1]?.segment ?? 0;

  return !segments
    .slice(segment + 1)
    .some(({ version }) => version?.index.match(one.meterId, one.values, currency, one.active));
}

function difference({ currency }: PeriodFacts, terms: PriceTerms, from: Usage, to: Usage, isNew: boolean): Part {
  const between = rateBetween(terms, from, to);
  // What is due at zero quantity is in neither of two quantities above zero, and not in their difference.
  const base = isNew ? rate(terms, { quantity: ZERO, events: [] }) : null;
  const amount = base ? between.amount.plus(base.amount) : between.amount;

  return {
    from: from.quantity,
    to: to.quantity,
    converted: between.converted,
    billable: between.billable,
    amount,
    steps: base ? differenceOf([...between.steps, ...base.steps], []) : between.steps,
    sentence: differenceSentence(terms, from, to, { amount, base: base?.amount ?? ZERO, currency }),
    begins: base !== null && !base.amount.isZero(),
  };
}

function differenceSentence(
  terms: PriceTerms,
  from: Usage,
  to: Usage,
  { amount, base, currency }: { readonly amount: Decimal; readonly base: Decimal; readonly currency: string },
): string {
  const sentence = (usage: Usage, rated: Rated = rate(terms, usage)) =>
    sentenceOf(terms, rated, { measured: usage.quantity, currency });

  const whole = rate(terms, to);

  if (whole.amount.eq(amount)) {
    return sentence(to, whole);
  }

  // From nothing on there is still something to take off: what another version has asked for once already.
  if (from.quantity.isZero()) {
    const before = formatDecimal(whole.amount.minus(amount));

    return `${sentence(to, whole)} ${before} of it was due once and is charged, which leaves ${formatDecimal(amount)} ${currency}.`;
  }

  const once = base.isZero() ? '' : ` ${formatDecimal(base)} is due once.`;

  return (
    `For ${formatDecimal(to.quantity)} since the period began: ${sentence(to)} ` +
    `Less the first ${formatDecimal(from.quantity)}, at the same prices: ${sentence(from)}${once} ` +
    `That is ${formatDecimal(amount)} ${currency}.`
  );
}

/** The units of a segment at the tier that the whole period reaches. */
function shareOfWhole(
  { currency }: PeriodFacts,
  terms: PriceTerms,
  from: Usage,
  to: Usage,
  all: Usage,
  isLast: boolean,
): Part {
  const { converted, billable } = rateBetween(terms, from, to);
  const whole = rate({ ...terms, discount: ZERO }, all);
  const [tier] = whole.steps;
  const unitAmount = tier?.unitAmount ?? null;
  const flat = isLast ? (tier?.flat ?? ZERO) : ZERO;
  const priced = unitAmount ? divide(billable.times(unitAmount.amount), unitAmount.per) : ZERO;
  const full = priced.plus(flat);
  const off = divide(full.times(terms.discount), decimal(100)).negated();
  const amount = decimal(full.plus(off));
  const steps = [
    ...(tier ? [{ ...tier, quantity: billable, flat, amount: full }] : []),
    ...(off.isZero() ? [] : [step({ kind: 'DISCOUNT', quantity: full, percent: terms.discount, amount: off })]),
  ];
  const rated = { amount, steps, converted, billable };
  const isAll = from.quantity.isZero() && to.quantity.eq(all.quantity);

  return {
    from: from.quantity,
    to: to.quantity,
    converted,
    billable,
    amount,
    steps,
    sentence:
      (isAll ? '' : `The period comes to ${formatDecimal(all.quantity)}, which decides the tier. `) +
      sentenceOf(terms, rated, { measured: to.quantity.minus(from.quantity), currency }),
    begins: false,
  };
}

function usageAt({ period, pieces }: PeriodFacts, terms: PriceTerms, series: readonly Series[], place: number): Usage {
  const quantity = quantityAt(series, place);

  if (!looksAtEvents(terms)) {
    return { quantity };
  }

  const until = pieces[place]?.start ?? period.end;
  const events = series
    .flatMap(one => one.events)
    .filter(({ time }) => time < until)
    .sort((a, b) => a.time.getTime() - b.time.getTime())
    .map(({ time, value }) => ({ amount: decimal(value), share: decimal(until.getTime() - time.getTime()) }));

  return terms.prorated ? { quantity, prorated: proratedOf(period, until, series, events) } : { quantity, events };
}

/** The level over the period as far as it is known until an instant: what comes later counts from there on. */
function proratedOf(
  { start, end }: Stretch,
  until: Date,
  series: readonly Series[],
  events: readonly { readonly amount: Decimal; readonly share: Decimal }[],
): ProratedUsage {
  // Before the period has begun no tier is entered: the flat amount of one that the level is in from then on is due.
  const before = until > start ? sum(series.map(one => one.level)) : ZERO;
  const level = { change: before, share: decimal(until.getTime() - start.getTime()) };

  return {
    level: ZERO,
    whole: decimal(end.getTime() - start.getTime()),
    changes: [level, ...events.map(({ amount, share }) => ({ change: amount, share }))],
  };
}

/** The costs of the usage up to where a segment begins and ends: the quantities of a cost-plus price. */
function costsBetween(
  { pieces, costOf }: PeriodFacts,
  series: readonly Series[],
  places: Places,
  currency: string | null,
  unpriced: Unpriced[],
): readonly [Usage, Usage] {
  const totals: [Decimal, Decimal] = [ZERO, ZERO];

  for (const one of series) {
    const { meterId, dimensions, values } = one;

    for (const [index, piece] of pieces.slice(0, places.to).entries()) {
      const used = usedBetween(one, index, index + 1);
      const cost = used.isZero() ? null : costOf(meterId, values, piece.start, currency);

      if (cost) {
        const amount = divide(used.times(cost.amount), cost.per);
        totals[0] = index < places.from ? totals[0].plus(amount) : totals[0];
        totals[1] = totals[1].plus(amount);
      } else if (!used.isZero() && index >= places.from) {
        unpriced.push({ meterId, dimensions, quantity: used, reason: 'NO_COST' });
      }
    }
  }

  return [{ quantity: totals[0] }, { quantity: totals[1] }];
}

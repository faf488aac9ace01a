import { type Decimal, formatDecimal, sum } from '../money/index.js';
import type { Percentage, PriceTerms, PricingModel, Rate } from './price.rules.js';
import type { Rated } from './rate.rules.js';
import type { RateStep } from './rate-step.rules.js';

/** A step with decimal strings: what the API, charges and the command line carry. */
export interface RateStepJson {
  readonly kind: string;
  readonly tier: number | null;
  readonly from: string;
  readonly upTo: string | null;
  readonly quantity: string;
  readonly unitAmount: { readonly amount: string; readonly per: string } | null;
  readonly percent: string | null;
  readonly flat: string;
  readonly packages: string | null;
  readonly amount: string;
}

/** The JSON form of a step. */
export function rateStepJson(step: RateStep): RateStepJson {
  const { kind, tier, from, upTo, quantity, unitAmount, percent, flat, packages, amount } = step;

  return {
    kind,
    tier,
    from: formatDecimal(from),
    upTo: upTo && formatDecimal(upTo),
    quantity: formatDecimal(quantity),
    unitAmount: unitAmount && { amount: formatDecimal(unitAmount.amount), per: formatDecimal(unitAmount.per) },
    percent: percent && formatDecimal(percent),
    flat: formatDecimal(flat),
    packages: packages && formatDecimal(packages),
    amount: formatDecimal(amount),
  };
}

/**
 * The arithmetic as one sentence that a customer can check by hand: what was measured, how it became billable units, every
 * step, and the sum. `measured` is the quantity before conversion; `unit` names one of it.
 */
export function sentenceOf(
  terms: PriceTerms,
  rated: Rated,
  facts: { readonly measured: Decimal; readonly currency: string; readonly unit?: string },
): string {
  const steps = [...freePartTexts(terms, rated), ...rated.steps.map(step => stepText(step, terms))];
  const total = `${formatDecimal(rated.amount)} ${facts.currency}`;
  const priced = steps.length === 0 ? `nothing to price: ${total}` : `${steps.join('; ')}; in total ${total}`;
  const [first = '', ...rest] = [...quantityTexts(terms, rated, facts), priced].join('; ');

  return `${first.toUpperCase()}${rest.join('')}.`;
}

function quantityTexts(
  { conversion, freeUnits, prorated }: PriceTerms,
  { converted, billable, steps }: Rated,
  { measured, unit }: { readonly measured: Decimal; readonly unit?: string },
): readonly string[] {
  const texts: string[] = [];

  if (conversion) {
    const factor = conversion.multiplyBy.eq(1) ? '' : ` × ${formatDecimal(conversion.multiplyBy)}`;
    const divisor = conversion.divideBy.eq(1) ? '' : ` / ${formatDecimal(conversion.divideBy)}`;
    const rounded = conversion.rounding === 'NONE' ? '' : `, rounded (${conversion.rounding}),`;
    const what = unit ? ` ${unit}` : '';
    texts.push(`${formatDecimal(measured)}${what}${factor}${divisor}${rounded} is ${unitsText(converted)}`);
  }

  const isOne = freeUnits.eq(1);

  if (prorated) {
    const first = isOne
      ? 'the first unit of the level is'
      : `the first ${formatDecimal(freeUnits)} units of the level are`;
    texts.push(...(freeUnits.isZero() ? [] : [`${first} free`]));
    texts.push(...(steps.length === 0 ? [] : ['the quantity is the average over the period']));
  } else if (!freeUnits.isZero()) {
    const leaves = `which leaves ${formatDecimal(billable)}`;
    texts.push(`${formatDecimal(freeUnits)} of a period ${isOne ? 'is' : 'are'} free, ${leaves}`);
  }

  return texts;
}

/** How much of the amounts a percentage asks nothing of, where something may be free. */
function freePartTexts({ pricing }: PriceTerms, { converted, steps }: Rated): readonly string[] {
  if (pricing.model !== 'PERCENTAGE' || (!pricing.freeEvents && !pricing.freeAmount)) {
    return [];
  }

  const free = converted.minus(sum(steps.filter(({ kind }) => kind === 'PERCENT').map(({ quantity }) => quantity)));

  // What was taken back of free events can be more than what is left of them: then there is no such part.
  return free.isZero() || free.isNegative() !== converted.isNegative() || free.abs().gt(converted.abs())
    ? []
    : [`${formatDecimal(free)} of ${formatDecimal(converted)} is free`];
}

function stepText(step: RateStep, { pricing, minimum, maximum }: PriceTerms): string {
  const { kind, quantity, unitAmount, percent, flat, packages, amount } = step;
  const result = ` = ${formatDecimal(amount)}`;

  switch (kind) {
    case 'FLAT':
      return `a flat amount${result}`;

    case 'UNITS':
      return `${times(quantity, unitAmount)}${result}`;

    case 'PACKAGES':
      return (
        `${formatDecimal(quantity)} in packages of ${formatDecimal(unitAmount?.per ?? quantity)}: ` +
        `${formatDecimal(packages ?? quantity)} × ${formatDecimal(unitAmount?.amount ?? amount)}${result}`
      );

    case 'TIER': {
      const bounds = `${formatDecimal(step.from)} to ${step.upTo ? formatDecimal(step.upTo) : 'any quantity'}`;
      const part = percent ? `${formatDecimal(percent)} % of ${formatDecimal(quantity)}` : times(quantity, unitAmount);
      const sign = flat.isNegative() ? '−' : '+';
      const once = `${formatDecimal(flat)} once`;
      // A stair has no price of its units, and no units have none.
      const isFlat = pricing.model === 'STAIRSTEP' || (quantity.isZero() && !flat.isZero());
      const both = flat.isZero() ? part : `${part} ${sign} ${formatDecimal(flat.abs())} once`;

      return `tier ${step.tier ?? 1} (${bounds}): ${isFlat ? once : both}${result}`;
    }

    case 'PERCENT':
      return `${formatDecimal(percent ?? quantity)} % of ${formatDecimal(quantity)}${result}`;

    case 'FIXED':
      return `${eventsText(quantity)} × ${formatDecimal(unitAmount?.amount ?? amount)}${result}`;

    case 'EVENT_MINIMUM':
      return `${boundedText(quantity, 'raised to the minimum', eventBounds(pricing)?.eventMinimum)}: ${signed(amount)}`;

    case 'EVENT_MAXIMUM':
      return `${boundedText(quantity, 'cut to the maximum', eventBounds(pricing)?.eventMaximum)}: ${signed(amount)}`;

    case 'NOTHING_IN_TOTAL':
      return `the events come to nothing in total and cost nothing: ${signed(amount)}`;

    case 'MARKUP':
      return `${formatDecimal(quantity)} × ${formatDecimal(unitAmount?.amount ?? quantity)}${result}`;

    case 'DISCOUNT':
      return `${formatDecimal(percent ?? quantity)} % off ${formatDecimal(quantity)}: ${signed(amount)}`;

    case 'MINIMUM':
      return `raised to the minimum${minimum ? ` of ${formatDecimal(minimum)}` : ''}: ${signed(amount)}`;

    case 'MAXIMUM':
      return `cut to the maximum${maximum ? ` of ${formatDecimal(maximum)}` : ''}: ${signed(amount)}`;

    default:
      return kind satisfies never;
  }
}

function times(quantity: Decimal, unitAmount: Rate | null): string {
  if (!unitAmount) {
    return formatDecimal(quantity);
  }

  const per = unitAmount.per.eq(1) ? '' : ` / ${formatDecimal(unitAmount.per)}`;

  return `${formatDecimal(quantity)} × ${formatDecimal(unitAmount.amount)}${per}`;
}

function eventBounds(pricing: PricingModel): Percentage | null {
  return pricing.model === 'PERCENTAGE' ? pricing : null;
}

/** `1 event cut to the maximum of 12`. Events paid and events taken back can come to none, and still to an amount. */
function boundedText(count: Decimal, what: string, bound: Decimal | null | undefined): string {
  const of = bound ? ` of ${formatDecimal(bound)}` : '';

  return `${count.isZero() ? 'events' : eventsText(count)} ${what}${of}${bound && !count.abs().eq(1) ? ' each' : ''}`;
}

function unitsText(quantity: Decimal): string {
  return `${formatDecimal(quantity)} ${quantity.abs().eq(1) ? 'unit' : 'units'}`;
}

function eventsText(count: Decimal): string {
  return `${formatDecimal(count)} ${count.abs().eq(1) ? 'event' : 'events'}`;
}

function signed(amount: Decimal): string {
  return amount.isNegative() ? formatDecimal(amount) : `+${formatDecimal(amount)}`;
}

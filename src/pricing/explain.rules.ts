import { type Decimal, formatDecimal } from '../money/index.js';
import type { PriceTerms, Rate } from './price.rules.js';
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
  const steps = rated.steps.map(step => stepText(step, terms));
  const total = `${formatDecimal(rated.amount)} ${facts.currency}`;
  const sum = steps.length === 0 ? `nothing to price: ${total}` : `${steps.join('; ')}; in total ${total}`;
  const [first = '', ...rest] = [...quantityTexts(terms, rated, facts), sum].join('; ');

  return `${first.toUpperCase()}${rest.join('')}.`;
}

function quantityTexts(
  { conversion, freeUnits }: PriceTerms,
  { converted, billable }: Rated,
  { measured, unit }: { readonly measured: Decimal; readonly unit?: string },
): readonly string[] {
  const texts: string[] = [];

  if (conversion) {
    const factor = conversion.multiplyBy.eq(1) ? '' : ` × ${formatDecimal(conversion.multiplyBy)}`;
    const divisor = conversion.divideBy.eq(1) ? '' : ` / ${formatDecimal(conversion.divideBy)}`;
    const rounded = conversion.rounding === 'NONE' ? '' : `, rounded (${conversion.rounding}),`;
    const what = unit ? ` ${unit}` : '';
    texts.push(`${formatDecimal(measured)}${what}${factor}${divisor}${rounded} is ${formatDecimal(converted)} units`);
  }

  if (!freeUnits.isZero()) {
    texts.push(`${formatDecimal(freeUnits)} of a period are free, which leaves ${formatDecimal(billable)}`);
  }

  return texts;
}

function stepText(step: RateStep, { minimum, maximum }: PriceTerms): string {
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
      const once = flat.isZero() ? '' : ` + ${formatDecimal(flat)} once`;

      return `tier ${step.tier ?? 1} (${bounds}): ${part}${once}${result}`;
    }

    case 'PERCENT':
      return `${formatDecimal(percent ?? quantity)} % of ${formatDecimal(quantity)}${result}`;

    case 'FIXED':
      return `${eventsText(quantity)} × ${formatDecimal(unitAmount?.amount ?? amount)}${result}`;

    case 'EVENT_MINIMUM':
      return `${eventsText(quantity)} raised to the minimum: ${signed(amount)}`;

    case 'EVENT_MAXIMUM':
      return `${eventsText(quantity)} cut to the maximum: ${signed(amount)}`;

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

function eventsText(count: Decimal): string {
  return `${formatDecimal(count)} ${count.abs().eq(1) ? 'event' : 'events'}`;
}

function signed(amount: Decimal): string {
  return amount.isNegative() ? formatDecimal(amount) : `+${formatDecimal(amount)}`;
}

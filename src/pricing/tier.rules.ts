import { convert, type Decimal, decimal, divide, minOf, ONE, ZERO } from '../money/index.js';
import type { PercentTier, PricingModel, Tier } from './price.rules.js';
import { type RateStep, step } from './rate-step.rules.js';

type Graduated = Extract<PricingModel, { model: 'GRADUATED' | 'VOLUME' | 'STAIRSTEP' }>;
type GraduatedPercentage = Extract<PricingModel, { model: 'GRADUATED_PERCENTAGE' }>;

const WHOLE_UNITS = { divideBy: ONE, multiplyBy: ONE, rounding: 'CEILING', precision: 0 } as const;
const HUNDRED = decimal(100);

/** The quantity that decides the tier: rounded up to a whole unit where tiers are integer steps. */
function deciding({ bounds }: Graduated | GraduatedPercentage, quantity: Decimal): Decimal {
  return bounds === 'INTEGER_STEPS' ? convert(quantity, WHOLE_UNITS) : quantity;
}

/** Whether the tiers end below the quantity. */
export function exceedsTiers(pricing: Graduated | GraduatedPercentage, quantity: Decimal): boolean {
  const last = pricing.tiers.at(-1)?.upTo;

  return last ? deciding(pricing, quantity).gt(last) : false;
}

/** Each tier prices its own slice, plus its flat amount: that of the first tier always, of the others once they are entered. */
export function graduatedSteps(pricing: Graduated, quantity: Decimal): readonly RateStep[] {
  return slices(pricing, pricing.tiers, quantity).map(({ tier, index, from, slice }) =>
    tierStep(tier, index, from, slice),
  );
}

/** As `graduatedSteps`, with a per cent of each slice. */
export function graduatedPercentSteps(pricing: GraduatedPercentage, quantity: Decimal): readonly RateStep[] {
  return slices(pricing, pricing.tiers, quantity).map(({ tier: { upTo, percent, flat }, index, from, slice }) =>
    step({
      kind: 'TIER',
      tier: index + 1,
      from,
      upTo,
      quantity: slice,
      percent,
      flat,
      amount: divide(slice.times(percent), HUNDRED).plus(flat),
    }),
  );
}

/** The tier that holds the quantity prices all of it. A stair-step has no unit amounts, so its flat amount is all. */
export function volumeSteps(pricing: Graduated, quantity: Decimal): readonly RateStep[] {
  const decides = deciding(pricing, quantity);
  const index = pricing.tiers.findIndex(({ upTo }) => !upTo || decides.lte(upTo));
  const tier = pricing.tiers[index];

  if (!tier) {
    throw new RangeError(`no tier holds the quantity ${quantity.toString()}`);
  }

  return [tierStep(tier, index, pricing.tiers[index - 1]?.upTo ?? ZERO, quantity)];
}

/** A tier's part of the price of so many units in it. */
function tierStep(tier: Tier, index: number, from: Decimal, quantity: Decimal): RateStep {
  const { upTo, rate: unitAmount, flat } = tier;
  const amount = divide(quantity.times(unitAmount.amount), unitAmount.per).plus(flat);

  return step({ kind: 'TIER', tier: index + 1, from, upTo, quantity, unitAmount, flat, amount });
}

function slices<T extends Tier | PercentTier>(
  pricing: Graduated | GraduatedPercentage,
  tiers: readonly T[],
  quantity: Decimal,
): readonly { readonly tier: T; readonly index: number; readonly from: Decimal; readonly slice: Decimal }[] {
  const decides = deciding(pricing, quantity);
  const entered: { tier: T; index: number; from: Decimal; slice: Decimal }[] = [];
  let from = ZERO;

  for (const [index, tier] of tiers.entries()) {
    const isLast = !tier.upTo || decides.lte(tier.upTo);
    const end = isLast ? quantity : minOf(tier.upTo ?? quantity, quantity);
    entered.push({ tier, index, from, slice: end.minus(from) });

    if (isLast) {
      return entered;
    }

    from = end;
  }

  throw new RangeError(`no tier holds the quantity ${quantity.toString()}`);
}

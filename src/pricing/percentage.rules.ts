import { type Decimal, decimal, divide, minOf, ONE, sum, ZERO } from '../money/index.js';
import { isLinear, type Percentage } from './price.rules.js';
import { type RateStep, step } from './rate-step.rules.js';

/** What one event is worth. */
export interface EventAmount {
  readonly amount: Decimal;
}

const HUNDRED = decimal(100);

/**
 * A percentage of each event's amount, plus a fixed amount for each, both within the bounds of a single event.
 *
 * The first `freeEvents` events and the first `freeAmount` of money are free; what is free ends at the first of the two
 * limits that is reached. The event that crosses `freeAmount` pays the fixed amount in full and the rate on what lies
 * above. Free events know no minimum. An event that takes back (a negative amount) takes back of what was paid so far, and
 * no more than that: it costs the opposite of an event of so much, or nothing when nothing was paid. Events that come to
 * nothing in total cost nothing, fixed amounts included. Where nothing is free, fixed or bounded, the sum alone counts.
 */
export function percentageSteps(pricing: Percentage, events: readonly EventAmount[]): readonly RateStep[] {
  const { percent, fixed, eventMinimum, eventMaximum } = pricing;
  const paid = isLinear(pricing) ? events.map(signedPart) : paidParts(pricing, events);
  let [base, low, high] = [ZERO, ZERO, ZERO];
  let [count, lows, highs] = [0, 0, 0];

  for (const { amount, sign } of paid) {
    const asked = divide(amount.times(percent), HUNDRED).plus(fixed);
    const raised = eventMinimum && asked.lt(eventMinimum) ? eventMinimum.minus(asked) : ZERO;
    const cut = eventMaximum && asked.gt(eventMaximum) ? asked.minus(eventMaximum) : ZERO;
    base = base.plus(amount.times(sign));
    low = low.plus(raised.times(sign));
    high = high.plus(cut.times(sign));
    count += sign;
    lows += raised.isZero() ? 0 : sign;
    highs += cut.isZero() ? 0 : sign;
  }

  const steps = [
    step({ kind: 'PERCENT', quantity: base, percent, amount: divide(base.times(percent), HUNDRED) }),
    ...(fixed.isZero()
      ? []
      : [
          step({
            kind: 'FIXED',
            quantity: decimal(count),
            unitAmount: { amount: fixed, per: ONE },
            amount: fixed.times(count),
          }),
        ]),
    step({ kind: 'EVENT_MINIMUM', quantity: decimal(lows), amount: low }),
    step({ kind: 'EVENT_MAXIMUM', quantity: decimal(highs), amount: decimal(high.negated()) }),
  ];
  const total = sum(steps.map(({ amount }) => amount));

  return sum(events.map(({ amount }) => amount)).isZero() && !total.isZero()
    ? [...steps, step({ kind: 'NOTHING_IN_TOTAL', quantity: ZERO, amount: decimal(total.negated()) })]
    : steps;
}

/** An amount from zero with its sign. */
interface SignedPart {
  readonly amount: Decimal;
  readonly sign: 1 | -1;
}

function signedPart({ amount }: EventAmount): SignedPart {
  return { amount: amount.abs(), sign: amount.isNegative() ? -1 : 1 };
}

/** The part of each event that is not free, and of each that takes back the part that had been paid. */
function* paidParts({ freeEvents, freeAmount }: Percentage, events: readonly EventAmount[]): Generator<SignedPart> {
  const hasFree = freeEvents !== null || freeAmount !== null;
  let isFree = hasFree && (freeEvents === null || freeEvents.gt(ZERO));
  let [seen, running, paid] = [0, ZERO, ZERO];

  for (const { amount } of events) {
    seen += 1;
    running = running.plus(amount);

    if (isFree && freeEvents?.lt(seen)) {
      isFree = false;
    }

    let part = amount;

    if (isFree && freeAmount && running.gt(freeAmount)) {
      isFree = false;
      // What was free before ends here: this event pays for what lies above the free amount.
      part = minOf(running.minus(freeAmount), amount);
    }

    const taken = part.isNegative() ? minOf(part.abs(), paid) : part;

    // What takes back of nothing is no event: it gives no fixed amount back either.
    if (isFree || (part.isNegative() && taken.isZero())) {
      continue;
    }

    const sign = part.isNegative() ? -1 : 1;
    paid = paid.plus(taken.times(sign));
    yield { amount: taken, sign };
  }
}

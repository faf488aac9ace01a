import {
  type Decimal,
  decimal,
  formatDecimal,
  formatMoney,
  isCurrency,
  parseDecimal,
  sum,
  ZERO,
} from '../money/index.js';
import { rateStepJson, type RateStepJson, sentenceOf } from './explain.rules.js';
import { type Fields, isAbsent, isRecord } from './fields.rules.js';
import type { EventAmount } from './percentage.rules.js';
import { readPriceTerms } from './price-reading.rules.js';
import { looksAtEvents, type PriceTerms } from './price.rules.js';
import type { LevelChange } from './prorated.rules.js';
import { exceeds, highestOf, rate, type Usage } from './rate.rules.js';

/** What one case comes to, or why it has no answer. */
export type RatedCase =
  | {
      readonly id: string;
      /** Exact and unrounded; with `alreadyBilled`, what is still to charge. */
      readonly amount: string;
      /** Half-even to the currency's minor unit. */
      readonly rounded: string;
      readonly explanation: string;
      readonly steps: readonly RateStepJson[];
    }
  | { readonly id: string; readonly error: CaseError };

/** Why a case has no answer. `path` is the field at fault, outermost first, joined by dots. */
export interface CaseError {
  readonly code: 'INVALID_INPUT' | 'UNPRICED';
  readonly path: string;
  readonly message: string;
}

/** Thrown and caught in this file only: the way out of a case that cannot be priced. */
class CaseFault extends Error {
  constructor(
    readonly code: CaseError['code'],
    readonly path: readonly string[],
    message: string,
  ) {
    super(message);
  }
}

const CASE_FIELDS = ['id', 'currency', 'price', 'usage', 'alreadyBilled', 'period'];

/**
 * Rates one case of a price book's own tests:
 * `{id, currency, price, usage: {quantity} | {events: [{quantity, amount, time}]}, alreadyBilled?: {quantity, amount}, period?: {start, end}}`.
 * Never throws for what is in the case.
 */
export function rateCase(json: unknown, index: number): RatedCase {
  const given = isRecord(json) ? json['id'] : undefined;
  const id = typeof given === 'string' || Number.isSafeInteger(given) ? String(given) : String(index);

  try {
    return { id, ...answerOf(json) };
  } catch (error) {
    if (error instanceof CaseFault) {
      return { id, error: { code: error.code, path: error.path.join('.'), message: error.message } };
    }

    throw error;
  }
}

function answerOf(json: unknown) {
  if (!isRecord(json)) {
    throw new CaseFault('INVALID_INPUT', [], 'a case is an object with id, currency, price and usage');
  }

  refuseUnknown(json, CASE_FIELDS, []);
  const currency = json['currency'];

  if (typeof currency !== 'string' || !isCurrency(currency)) {
    throw new CaseFault('INVALID_INPUT', ['currency'], 'currency must be an ISO 4217 code in use, such as USD');
  }

  const terms = termsOf(json['price']);
  const usage = usageOf(terms, json['usage'], json['period']);

  if (exceeds(terms, usage)) {
    throw new CaseFault('UNPRICED', ['price', 'tiers'], noTierText(terms, usage));
  }

  const rated = rate(terms, usage);
  const billed = billedOf(terms, json['alreadyBilled']);
  const amount = billed ? rated.amount.minus(billed) : rated.amount;
  const sentence = sentenceOf(terms, rated, { measured: usage.quantity, currency });

  return {
    amount: formatDecimal(amount),
    rounded: formatMoney(amount, currency),
    explanation: billed
      ? `${sentence} ${formatDecimal(billed)} ${currency} are billed already, so ${formatDecimal(amount)} ${currency} are to be charged.`
      : sentence,
    steps: rated.steps.map(rateStepJson),
  };
}

function termsOf(json: unknown): PriceTerms {
  const reading = readPriceTerms(json);

  if ('terms' in reading) {
    return reading.terms;
  }

  const [{ field, message }] = reading.refusals;
  throw new CaseFault('INVALID_INPUT', ['price', ...field], message);
}

function usageOf(terms: PriceTerms, json: unknown, period: unknown): Usage {
  if (!isRecord(json)) {
    throw new CaseFault('INVALID_INPUT', ['usage'], 'usage must be {"quantity"} or {"events"}');
  }

  refuseUnknown(json, ['quantity', 'events'], ['usage']);
  const { quantity, events } = json as { quantity?: unknown; events?: unknown };

  if (isAbsent(events)) {
    // A flat price asks for no quantity.
    const given = isAbsent(quantity) && terms.pricing.model === 'FLAT' ? '0' : quantity;

    return { quantity: numberAt(given, ['usage', 'quantity']) };
  }

  if (!isAbsent(quantity)) {
    throw new CaseFault('INVALID_INPUT', ['usage', 'quantity'], 'usage has a quantity or events, not both');
  }

  if (!Array.isArray(events)) {
    throw new CaseFault('INVALID_INPUT', ['usage', 'events'], 'events must be a list');
  }

  const read = inTimeOrder((events as readonly unknown[]).map((event, at) => eventOf(terms, event, at)));

  return {
    quantity: sum(read.map(({ amount }) => amount)),
    events: read,
    ...(terms.prorated ? { prorated: { level: ZERO, ...sharesOf(read, period) } } : {}),
  };
}

interface TimedAmount extends EventAmount {
  readonly at: number;
  readonly time: Date | null;
}

/** What an event counts for: its amount where the price is about money, its quantity otherwise. */
function eventOf({ pricing: { model } }: PriceTerms, json: unknown, at: number): TimedAmount {
  const path = ['usage', 'events', String(at)];

  if (!isRecord(json)) {
    throw new CaseFault('INVALID_INPUT', path, 'an event is an object with a quantity or an amount');
  }

  refuseUnknown(json, ['quantity', 'amount', 'time'], path);
  const { quantity, amount, time } = json as { quantity?: unknown; amount?: unknown; time?: unknown };
  const isMoney = ['PERCENTAGE', 'GRADUATED_PERCENTAGE', 'DYNAMIC', 'COST_PLUS'].includes(model);
  const name =
    isMoney && !isAbsent(amount) ? 'amount' : isAbsent(quantity) && !isAbsent(amount) ? 'amount' : 'quantity';

  return {
    amount: numberAt(name === 'amount' ? amount : quantity, [...path, name]),
    at,
    time: isAbsent(time) ? null : instantAt(time, [...path, 'time']),
  };
}

/** By time where every event has one, as given otherwise; events of one instant stay as given. */
function inTimeOrder(events: readonly TimedAmount[]): readonly TimedAmount[] {
  return events.every(({ time }) => time !== null)
    ? events.toSorted((a, b) => (a.time?.getTime() ?? 0) - (b.time?.getTime() ?? 0) || a.at - b.at)
    : events;
}

/** How much of the period is left from each event on, in milliseconds. */
function sharesOf(
  events: readonly TimedAmount[],
  period: unknown,
): { readonly whole: Decimal; readonly changes: readonly LevelChange[] } {
  if (!isRecord(period)) {
    throw new CaseFault('INVALID_INPUT', ['period'], 'a prorated price needs the period: {"start", "end"}');
  }

  refuseUnknown(period, ['start', 'end'], ['period']);
  const start = instantAt(period['start'], ['period', 'start']);
  const end = instantAt(period['end'], ['period', 'end']);

  if (end <= start) {
    throw new CaseFault('INVALID_INPUT', ['period', 'end'], 'a period ends after its start');
  }

  return {
    whole: decimal(end.getTime() - start.getTime()),
    changes: events.map(({ amount, time, at }) => {
      if (!time || time < start || time >= end) {
        throw new CaseFault(
          'INVALID_INPUT',
          ['usage', 'events', String(at), 'time'],
          'the time lies within the period',
        );
      }

      return { change: amount, share: decimal(end.getTime() - time.getTime()) };
    }),
  };
}

/** The amount that was billed before: as told, or what the quantity told comes to. */
function billedOf(terms: PriceTerms, json: unknown): Decimal | null {
  if (isAbsent(json)) {
    return null;
  }

  if (!isRecord(json)) {
    throw new CaseFault('INVALID_INPUT', ['alreadyBilled'], 'alreadyBilled must be {"quantity", "amount"}');
  }

  refuseUnknown(json, ['quantity', 'amount'], ['alreadyBilled']);
  const { quantity, amount } = json as { quantity?: unknown; amount?: unknown };
  const before = isAbsent(quantity) ? null : numberAt(quantity, ['alreadyBilled', 'quantity']);

  if (!isAbsent(amount)) {
    return numberAt(amount, ['alreadyBilled', 'amount']);
  }

  if (!before) {
    throw new CaseFault('INVALID_INPUT', ['alreadyBilled', 'amount'], 'alreadyBilled needs an amount or a quantity');
  }

  if (looksAtEvents(terms)) {
    const text = 'say the amount that was billed: what a quantity came to depends on its events';
    throw new CaseFault('INVALID_INPUT', ['alreadyBilled', 'amount'], text);
  }

  const usage = { quantity: before };

  if (exceeds(terms, usage)) {
    throw new CaseFault('UNPRICED', ['alreadyBilled', 'quantity'], noTierText(terms, usage));
  }

  return rate(terms, usage).amount;
}

function noTierText(terms: PriceTerms, usage: Usage): string {
  return `no tier of this price holds ${formatDecimal(highestOf(terms, usage))} units: the last tier is closed`;
}

function numberAt(json: unknown, path: readonly string[]): Decimal {
  const value = parseDecimal(json, { integerDigits: 26, fractionDigits: 18 });

  if (!value) {
    const text = `${path.join('.')} must be a decimal string such as "12.5": at most 26 digits before and 18 after the point, no exponent`;
    throw new CaseFault('INVALID_INPUT', path, text);
  }

  return value;
}

const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?Z$/;

function instantAt(json: unknown, path: readonly string[]): Date {
  const at = typeof json === 'string' && INSTANT.test(json) ? new Date(json) : null;

  // A date takes the 30th of February for the 2nd of March: written again, it tells what was not meant.
  if (!at || Number.isNaN(at.getTime()) || !at.toISOString().startsWith(String(json).slice(0, -1))) {
    throw new CaseFault('INVALID_INPUT', path, `${path.join('.')} must be an instant such as 2026-11-23T12:00:00Z`);
  }

  return at;
}

function refuseUnknown(json: Fields, known: readonly string[], path: readonly string[]): void {
  const stranger = Object.keys(json).find(name => !known.includes(name));

  if (stranger !== undefined) {
    const text = `${stranger.slice(0, 60)} is not a field here: ${known.join(', ')} are`;
    throw new CaseFault('INVALID_INPUT', [...path, stranger.slice(0, 60)], text);
  }
}

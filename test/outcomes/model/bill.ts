// What findings come to in money: periods, caps, prices, minimums, guarantees. See `oracle.ts`.
import type { OutcomeTermsJson } from '../../../src/outcomes/outcome-terms.rules.js';
import type { ContractGiven, RuleGiven, TenantFacts } from './facts.js';
import {
  fraction,
  greatest,
  isBelow,
  minus,
  negative,
  NOTHING,
  over,
  times,
  total,
  WHOLE,
  type Fraction,
} from './fraction.js';
import { versionAt, type Finding } from './oracle.js';
import { priced, pricedBetween, priceOf } from './prices.js';

export interface Stretch {
  readonly start: number;
  readonly end: number;
}

/** What one rule comes to in one period of one contract. */
export interface Bill {
  readonly contractId: string;
  readonly ruleId: string;
  readonly period: Stretch;
  readonly amount: Fraction;
  /** What is missing to the least that the period comes to; nothing before it is over. */
  readonly trueUp: Fraction;
  /** What the seller pays back, as a negative amount. */
  readonly guarantee: Fraction;
  /** What a cap made of a finding, by its key. */
  readonly capped: ReadonlyMap<string, 'HARD' | 'FREE'>;
  /** Quantities without a price. */
  readonly unpriced: Fraction;
}

/** The bills of every period that a finding falls into or that is `also` asked for. */
export function billsOf(
  facts: TenantFacts,
  findings: readonly Finding[],
  now: number,
  also: readonly number[] = [],
): Bill[] {
  return facts.contracts.flatMap(contract =>
    contract.rules.flatMap(rule => {
      const own = findings.filter(finding => finding.contract.id === contract.id && finding.ruleId === rule.id);
      const instants = [...own.map(({ periodAt }) => periodAt), ...also].filter(
        instant => instant >= contract.startsAt && (contract.endsAt === null || instant < contract.endsAt),
      );
      const periods = new Map(
        instants.map(instant => {
          const period = periodOf(contract, instant, facts.timeZone);

          return [period.start, period] as const;
        }),
      );

      return [...periods.values()].map(period =>
        billOf(
          contract,
          rule,
          period,
          own.filter(({ periodAt }) => periodAt >= period.start && periodAt < period.end),
          { now, timeZone: facts.timeZone },
        ),
      );
    }),
  );
}

function billOf(
  contract: ContractGiven,
  rule: RuleGiven,
  period: Stretch,
  findings: readonly Finding[],
  { now, timeZone }: { readonly now: number; readonly timeZone: string },
): Bill {
  const charged = findings.filter(({ state, isFree }) => state === 'MATURED' && !isFree);
  const capped = capsOf(charged, timeZone);
  const billed = charged.filter(({ key }) => !capped.has(key));
  const unpriced = total(billed.filter(finding => !priceFor(finding)).map(quantityOf));
  const amount = amountOf(billed);
  const terms = (contract.isPinned ? versionAt(rule, contract.startsAt) : versionAt(rule, period.end - 1))?.terms;
  const isDue = now >= period.end && terms !== undefined;

  return {
    contractId: contract.id,
    ruleId: rule.id,
    period,
    amount,
    capped,
    unpriced,
    trueUp: isDue ? greatest(NOTHING, minus(leastOf(terms, contract, period, timeZone), amount)) : NOTHING,
    guarantee: negative(total(findings.map(({ reimbursement }) => reimbursement))),
  };
}

const quantityOf = ({ version, units, value }: Finding): Fraction =>
  (version.terms.measure === 'UNITS' ? units : value) ?? NOTHING;

const priceFor = ({ version, contract, attributes }: Finding): OutcomeTermsJson['prices'][number] | null =>
  priceOf(version.terms, contract.currency, attributes);

/** The versions one after the other, each at its own prices, from where those before it have brought the quantity to. */
function amountOf(findings: readonly Finding[]): Fraction {
  const versions = [...new Set(findings.map(({ version }) => version))].toSorted(
    (a, b) => a.effectiveAt - b.effectiveAt,
  );
  const inOrder = versions.flatMap(version => findings.filter(finding => finding.version === version));
  const parts = versions.flatMap((version, place) =>
    version.terms.prices.map(price => {
      // What this version's price is for, whichever version judged it.
      const matched = inOrder.filter(
        ({ contract, attributes }) => priceOf(version.terms, contract.currency, attributes) === price,
      );
      const isOfVersions = (until: number): Finding[] =>
        matched.filter(finding => versions.indexOf(finding.version) < until);
      const isLast = !versions
        .slice(place + 1)
        .some(({ terms }) => terms.prices.some(other => placeOf(other) === placeOf(price)));

      return matched.length === 0
        ? NOTHING
        : pricedBetween(price.terms, isOfVersions(place + 1).map(quantityOf), isOfVersions(place).length, {
            all: matched.map(quantityOf),
            isLast,
          });
    }),
  );

  return total(parts);
}

type Priced = OutcomeTermsJson['prices'][number];

const placeOf = ({ currency, pattern }: Priced): string =>
  JSON.stringify([currency, ...Object.entries(pattern).map(([name, value]) => `${name}=${value}`)].toSorted());

/** Goes through the findings in the order in which they occurred; one that would break a cap takes none of it. */
function capsOf(findings: readonly Finding[], timeZone: string): Map<string, 'HARD' | 'FREE'> {
  const capped = new Map<string, 'HARD' | 'FREE'>();
  const taken: { readonly finding: Finding; readonly added: Fraction }[] = [];

  const isOfMoney = findings.some(({ version }) => version.terms.caps.some(({ amount }) => amount !== null));

  for (const finding of findings) {
    const caps = finding.version.terms.caps.filter(({ mode }) => mode !== 'SOFT');
    const added = isOfMoney
      ? addedBy(
          finding,
          taken.map(one => one.finding),
        )
      : NOTHING;
    const hit = caps.find(({ per, count, amount }) => {
      const scopeOf = (other: Finding): string =>
        // What has no subject is a subject of its own.
        ({ PERIOD: '', DAY: dayOf(other.occurredAt, timeZone), SUBJECT: other.subject ?? `of ${other.key}` })[per];
      const before = taken.filter(one => scopeOf(one.finding) === scopeOf(finding));

      return count !== null
        ? isBelow(fraction(count), fraction(before.length + 1))
        : amount !== null && isBelow(fraction(amount.amount), total([...before.map(one => one.added), added]));
    });

    if (hit) {
      capped.set(finding.key, hit.mode === 'HARD' ? 'HARD' : 'FREE');
    } else {
      taken.push({ finding, added });
    }
  }

  return capped;
}

/** What a finding adds to those before it in the list, at its own price. */
function addedBy(finding: Finding, taken: readonly Finding[]): Fraction {
  const price = priceFor(finding);

  if (!price) {
    return NOTHING;
  }

  const before = taken
    .filter(({ contract, attributes }) => priceOf(finding.version.terms, contract.currency, attributes) === price)
    .map(quantityOf);

  return minus(priced(price.terms, [...before, quantityOf(finding)]), priced(price.terms, before));
}

/** The least that a period comes to. */
function leastOf(terms: OutcomeTermsJson, contract: ContractGiven, period: Stretch, timeZone: string): Fraction {
  const { minimum } = terms;
  const month = monthOf(period.start, timeZone);
  const part = over(fraction(period.end - period.start), fraction(month.end - month.start));

  if (!minimum) {
    return NOTHING;
  }

  const price = priceOf(terms, contract.currency, {});
  const whole =
    minimum.quantity !== null
      ? price
        ? priced(price.terms, [fraction(minimum.quantity)])
        : NOTHING
      : minimum.amount?.currency === contract.currency
        ? fraction(minimum.amount.amount)
        : NOTHING;

  return times(whole, minimum.isProrated ? part : WHOLE);
}

/** The calendar month of the zone that holds an instant, clipped to the contract. */
function periodOf({ startsAt, endsAt }: ContractGiven, instant: number, timeZone: string): Stretch {
  const month = monthOf(instant, timeZone);

  return {
    start: Math.max(month.start, startsAt),
    end: endsAt === null ? month.end : Math.min(month.end, endsAt),
  };
}

function monthOf(instant: number, timeZone: string): Stretch {
  const { year, month } = calendarOf(instant, timeZone);

  return { start: midnightOf(year, month, timeZone), end: midnightOf(year, month + 1, timeZone) };
}

/** Midnight of the first of a month: guessed in UTC, then moved by how far the zone is off there. */
function midnightOf(year: number, month: number, timeZone: string): number {
  const wanted = Date.UTC(year, month - 1, 1);
  let instant = wanted;

  for (let round = 0; round < 3; round++) {
    instant = wanted - (calendarOf(instant, timeZone).asUtc - instant);
  }

  return instant;
}

const dayOf = (instant: number, timeZone: string): string => {
  const { year, month, day } = calendarOf(instant, timeZone);

  return `${year}-${month}-${day}`;
};

const calendars = new Map<string, Intl.DateTimeFormat>();

function calendarOf(
  instant: number,
  timeZone: string,
): { readonly year: number; readonly month: number; readonly day: number; readonly asUtc: number } {
  const format =
    calendars.get(timeZone) ??
    new Intl.DateTimeFormat('en-US', {
      timeZone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  calendars.set(timeZone, format);
  const parts = Object.fromEntries(format.formatToParts(instant).map(({ type, value }) => [type, Number(value)]));
  const { year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0 } = parts;

  return {
    year,
    month,
    day,
    asUtc: Date.UTC(year, month - 1, day, hour, minute, second) + (((instant % 1_000) + 1_000) % 1_000),
  };
}

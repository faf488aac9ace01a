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
  plus,
  times,
  total,
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
  // What was free is never paid back.
  const paidBack = findings.filter(({ reimbursement, isFree }) => isBelow(NOTHING, reimbursement) && !isFree);
  const { capped, unpaid } = capsOf(
    findings.filter(finding => charged.includes(finding) || paidBack.includes(finding)),
    timeZone,
  );
  const billed = charged.filter(({ key }) => !capped.has(key));
  const unpriced = total(billed.filter(finding => !priceFor(finding)).map(quantityOf));
  const amount = amountOf(billed);
  const asked = now >= period.end ? leastOf(rule, contract, period, timeZone) : NOTHING;

  return {
    contractId: contract.id,
    ruleId: rule.id,
    period,
    amount,
    capped,
    unpriced,
    trueUp: greatest(NOTHING, minus(asked, amount)),
    guarantee: negative(
      total(paidBack.filter(({ key }) => !unpaid.has(key)).map(({ reimbursement }) => reimbursement)),
    ),
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

interface CapsMade {
  readonly capped: ReadonlyMap<string, 'HARD' | 'FREE'>;
  /** What is paid back would be no more: nothing was charged for it. */
  readonly unpaid: ReadonlySet<string>;
}

/**
 * Goes through the findings in the order in which they occurred; one that would break a cap takes none of it, nor does one
 * that is paid back. Where what is left costs more than a cap on money lets through, the last ones go, too.
 */
function capsOf(findings: readonly Finding[], timeZone: string): CapsMade {
  const capped = new Map<string, 'HARD' | 'FREE'>();
  const unpaid = new Set<string>();
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
      const scopeOf = (other: Finding): string => scopeNamed(per, other, timeZone);
      const before = taken.filter(one => scopeOf(one.finding) === scopeOf(finding));

      return count !== null
        ? isBelow(fraction(count), fraction(before.length + 1))
        : amount !== null && isBelow(fraction(amount.amount), total([...before.map(one => one.added), added]));
    });

    if (finding.state !== 'MATURED') {
      if (hit?.mode === 'HARD') {
        unpaid.add(finding.key);
      }
    } else if (hit) {
      capped.set(finding.key, hit.mode === 'HARD' ? 'HARD' : 'FREE');
    } else {
      taken.push({ finding, added });
    }
  }

  let left = taken.map(({ finding }) => finding);

  for (let more = tooDear(left, timeZone); more.size > 0; more = tooDear(left, timeZone)) {
    more.forEach((mode, key) => capped.set(key, mode));
    left = left.filter(({ key }) => !capped.has(key));
  }

  return { capped, unpaid };
}

type Scoped = OutcomeTermsJson['caps'][number]['per'];

const scopeNamed = (per: Scoped, { occurredAt, subject, key }: Finding, timeZone: string): string =>
  // What has no subject is a subject of its own.
  ({ PERIOD: '', DAY: dayOf(occurredAt, timeZone), SUBJECT: subject ?? `of ${key}` })[per];

/**
 * Those with which a scope is above its cap by what is charged, from the last one backwards, until they make up for what it
 * is above with the last one. The oracle has no caps on money beside prices that are one for the period.
 */
function tooDear(left: readonly Finding[], timeZone: string): Map<string, 'HARD' | 'FREE'> {
  const out = new Map<string, 'HARD' | 'FREE'>();

  if (new Set(left.map(({ version }) => version)).size < 2) {
    return out;
  }

  const parts = partsOf(left);

  for (const per of ['PERIOD', 'DAY', 'SUBJECT'] as const) {
    for (const scope of Map.groupBy(left, finding => scopeNamed(per, finding, timeZone)).values()) {
      const above: { readonly finding: Finding; readonly mode: 'HARD' | 'FREE'; readonly excess: Fraction }[] = [];
      let spent = NOTHING;

      for (const finding of scope) {
        spent = plus(spent, parts.get(finding) ?? NOTHING);

        for (const { per: of, mode, amount } of finding.version.terms.caps) {
          if (of === per && mode !== 'SOFT' && amount !== null && isBelow(fraction(amount.amount), spent)) {
            above.push({ finding, mode, excess: minus(spent, fraction(amount.amount)) });
          }
        }
      }

      let missing = above.at(-1)?.excess ?? NOTHING;

      for (const { finding, mode } of above.toReversed()) {
        const part = parts.get(finding) ?? NOTHING;

        if (isBelow(NOTHING, missing) && (isBelow(NOTHING, part) || finding === above.at(-1)?.finding)) {
          out.set(finding.key, out.get(finding.key) ?? mode);
          missing = minus(missing, part);
        }
      }
    }
  }

  return out;
}

/** What each adds to those before it, versions one after the other. */
function partsOf(findings: readonly Finding[]): Map<Finding, Fraction> {
  const inOrder = findings.toSorted((a, b) => a.version.effectiveAt - b.version.effectiveAt);

  return new Map(inOrder.map((finding, place) => [finding, addedBy(finding, inOrder.slice(0, place))]));
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

/**
 * The least that a period comes to: what the version at its end asks for, or what each prorated minimum asks for the part of
 * the month in which its version holds.
 */
function leastOf(rule: RuleGiven, contract: ContractGiven, period: Stretch, timeZone: string): Fraction {
  const month = monthOf(period.start, timeZone);
  const versionOf = (at: number) => versionAt(rule, contract.isPinned ? contract.startsAt : at);
  const last = versionOf(period.end - 1);

  if (last?.terms.minimum && !last.terms.minimum.isProrated) {
    return minimumOf(last.terms, contract);
  }

  const changes = rule.versions
    .map(({ effectiveAt }) => effectiveAt)
    .filter(at => at > period.start && at < period.end);
  const cuts = [period.start, ...new Set(changes), period.end].sort((a, b) => a - b);

  return total(
    cuts.slice(1).map((end, place) => {
      const start = cuts[place] ?? end;
      const terms = versionOf(start)?.terms;
      const part = over(fraction(end - start), fraction(month.end - month.start));

      return terms?.minimum?.isProrated ? times(minimumOf(terms, contract), part) : NOTHING;
    }),
  );
}

/** What a whole month asks for. */
function minimumOf(terms: OutcomeTermsJson, contract: ContractGiven): Fraction {
  const { minimum } = terms;

  if (!minimum) {
    return NOTHING;
  }

  const price = priceOf(terms, contract.currency, {});

  if (minimum.quantity !== null) {
    return price ? priced(price.terms, [fraction(minimum.quantity)]) : NOTHING;
  }

  return minimum.amount?.currency === contract.currency ? fraction(minimum.amount.amount) : NOTHING;
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

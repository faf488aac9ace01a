import { NAME } from '../catalog/meter.rules.js';
import { type Decimal, decimal, type FieldRefusal, formatDecimal, ONE, ZERO } from '../money/index.js';
import { isAbsent } from '../pricing/fields.rules.js';
import { priceTermsJson } from '../pricing/price.rules.js';
import {
  readAttributes,
  readAttribution,
  readDedupe,
  readEnvironment,
  readExclusion,
  readExclusive,
  readQuality,
  readVerification,
} from './outcome-claim-reading.rules.js';
import { readOutcomePrices, readUnitTerms } from './outcome-price-reading.rules.js';
import {
  type AnomalyTerms,
  type Cap,
  CAP_MODES,
  CAP_SCOPES,
  type DisputeTerms,
  type GuaranteeTerms,
  type MinimumTerms,
  OUTCOME_MEASURES,
  type OutcomeTerms,
  type OutcomeTermsJson,
  PERIOD_ANCHORS,
  type ReversalTerms,
  type SampleAuditTerms,
  SENDERS,
  SILENT_DECISIONS,
  USAGE_RELATIONS,
  type UsageTerms,
  VERSION_ANCHORS,
} from './outcome-terms.rules.js';
import { LARGEST_SAMPLE } from './review.rules.js';
import { NAME_RULE, TermsReader } from './terms-reader.rules.js';

/** The terms, or every reason why there are none, each with the path of its member. */
export type OutcomeTermsReading =
  { readonly terms: OutcomeTerms } | { readonly refusals: readonly [FieldRefusal, ...FieldRefusal[]] };

const MEMBERS = [
  'claim',
  'startedProperty',
  'customerProperty',
  'versionAnchor',
  'periodAnchor',
  'maturationHours',
  'exclusions',
  'environment',
  'evidence',
  'verification',
  'quality',
  'attribution',
  'dedupe',
  'exclusive',
  'measure',
  'units',
  'valueProperty',
  'currencyProperty',
  'humanShareProperty',
  'attributes',
  'prices',
  'minimum',
  'caps',
  'reversal',
  'guarantee',
  'usage',
  'dispute',
  'sampleAudit',
  'anomaly',
] satisfies readonly (keyof OutcomeTerms)[];

const MOST_EXCLUSIONS = 20;
const MOST_EVIDENCE = 20;
const MOST_CAPS = 10;
const MOST_METERS = 20;
const MOST_ID = 64;
const MOST_CLAIMS = 1_000_000_000;
/** What a sample holds at least where terms say nothing. */
const USUAL_SAMPLE = 50;
const HUNDRED = decimal(100);

/** Why a text is no key of a rule; null when it may be one. */
export function refuseRuleKey(key: string): string | null {
  return NAME.test(key) ? null : `key ${NAME_RULE}`;
}

/**
 * Reads the JSON form of terms, `OutcomeTermsJson`, and names every member at fault. What is left out, or null, has its
 * default: `versionAnchor` OCCURRED, `periodAnchor` MATURED, `maturationHours` 0, `dedupe.scope` NONE, `measure` UNITS, `units`
 * one per outcome, `sentBy` ANY and the guarantee's SELLER, `sampleAudit.leastSample` 50, filters empty, lists empty, everything
 * else null. There have to be `claim` and 1 to 100 `prices`. A member that is not known is refused, for a misspelled exclusion
 * must not become a bill. Hours are whole, up to those of a year. Whether filters compile and meters are there is not looked
 * at here. What `isStored` was accepted before there were senders, least samples and some reasons, and means what it meant.
 */
export function readOutcomeTerms(json: unknown, isStored = false): OutcomeTermsReading {
  const reader = new TermsReader(isStored);
  const terms = readMembers(reader, json);
  refuseContradictions(reader, terms);
  const [first, ...others] = reader.refusals;

  return first ? { refusals: [first, ...others] } : { terms };
}

function readMembers(reader: TermsReader, json: unknown): OutcomeTerms {
  const given = reader.members(json, MEMBERS, []);
  const path = (name: (typeof MEMBERS)[number]) => reader.pathOrNull(given[name], [name]);
  const attributes = readAttributes(reader, given['attributes']);
  const names = attributes.map(({ name }) => name);
  const measure = reader.oneOf(OUTCOME_MEASURES, given['measure'], ['measure'], 'UNITS');

  return {
    claim: reader.clause(given['claim'], ['claim']),
    startedProperty: path('startedProperty'),
    customerProperty: path('customerProperty'),
    versionAnchor: reader.oneOf(VERSION_ANCHORS, given['versionAnchor'], ['versionAnchor'], 'OCCURRED'),
    periodAnchor: reader.oneOf(PERIOD_ANCHORS, given['periodAnchor'], ['periodAnchor'], 'MATURED'),
    maturationHours: reader.hours(given['maturationHours'], ['maturationHours'], 0, 0),
    exclusions: reader.list(given['exclusions'], MOST_EXCLUSIONS, ['exclusions'], (item, field) =>
      readExclusion(reader, item, field),
    ),
    environment: readEnvironment(reader, given['environment']),
    evidence: reader.list(given['evidence'], MOST_EVIDENCE, ['evidence'], (item, field) => reader.path(item, field)),
    verification: readVerification(reader, given['verification']),
    quality: readQuality(reader, given['quality']),
    attribution: readAttribution(reader, given['attribution']),
    dedupe: readDedupe(reader, given['dedupe']),
    exclusive: readExclusive(reader, given['exclusive']),
    measure,
    units: readUnitTerms(reader, given['units'], names),
    valueProperty: path('valueProperty'),
    currencyProperty: path('currencyProperty'),
    humanShareProperty: path('humanShareProperty'),
    attributes,
    prices: readOutcomePrices(reader, given['prices'], measure, names),
    minimum: readMinimum(reader, given['minimum']),
    caps: reader.list(given['caps'], MOST_CAPS, ['caps'], (item, field) => readCap(reader, item, field)),
    reversal: readReversal(reader, given['reversal']),
    guarantee: readGuarantee(reader, given['guarantee']),
    usage: readUsage(reader, given['usage']),
    dispute: readDispute(reader, given['dispute']),
    sampleAudit: readSampleAudit(reader, given['sampleAudit']),
    anomaly: readAnomaly(reader, given['anomaly']),
  };
}

/** Refuses what is right by itself and not beside the rest. */
function refuseContradictions(reader: TermsReader, terms: OutcomeTerms): void {
  const { exclusions, maturationHours, customerProperty, dedupe, measure, valueProperty, evidence, attributes } = terms;
  const noCustomer = 'is CUSTOMER: say in customerProperty where events name theirs';

  for (const [index, { scope, withinHours }] of exclusions.entries()) {
    const field = ['exclusions', String(index)];

    if (withinHours > maturationHours) {
      reader.refuse([...field, 'withinHours'], `must not be above maturationHours, which is ${maturationHours}`);
    }

    if (scope === 'CUSTOMER' && customerProperty === null) {
      reader.refuse([...field, 'scope'], noCustomer);
    }
  }

  if (dedupe.scope === 'CUSTOMER' && customerProperty === null) {
    reader.refuse(['dedupe', 'scope'], noCustomer);
  }

  if (measure === 'VALUE' && valueProperty === null) {
    reader.refuse(['valueProperty'], 'is missing: measure is VALUE; say where claims carry it');
  }

  if (terms.guarantee !== null && valueProperty === null) {
    reader.refuse(['valueProperty'], 'is missing: a guarantee pays the value back; say where claims carry it');
  }

  reader.refuseTwice(evidence, ['evidence']);
  reader.refuseTwice(
    attributes.map(({ name }) => name),
    ['attributes'],
    'name',
  );
}

type Path = readonly string[];

function readMinimum(reader: TermsReader, json: unknown): MinimumTerms | null {
  const field = ['minimum'];

  return reader.optional(json, ['quantity', 'amount', 'isProrated'], field, given => ({
    ...eitherOf(reader, given, 'quantity', field),
    isProrated: reader.flag(given['isProrated'], [...field, 'isProrated']),
  }));
}

function readCap(reader: TermsReader, json: unknown, field: Path): Cap {
  const given = reader.members(json, ['mode', 'per', 'count', 'amount'], field);
  const bound = eitherOf(reader, given, 'count', field);

  if (bound.count && !bound.count.isInteger()) {
    reader.refuse([...field, 'count'], 'must be a whole number: outcomes are counted one by one');
  }

  return {
    mode: reader.oneOf(CAP_MODES, given['mode'], [...field, 'mode']),
    per: reader.oneOf(CAP_SCOPES, given['per'], [...field, 'per'], 'PERIOD'),
    ...bound,
  };
}

/** A number of outcomes, by its name, or an amount: exactly one of the two. */
function eitherOf<N extends 'quantity' | 'count'>(
  reader: TermsReader,
  given: Readonly<Record<string, unknown>>,
  name: N,
  field: Path,
): Record<N, Decimal | null> & Pick<Cap, 'amount'> {
  if (isAbsent(given[name]) === isAbsent(given['amount'])) {
    reader.refuse(field, `must have ${name} or amount, and not both`);
  }

  const number = isAbsent(given[name]) ? null : reader.positive(given[name], [...field, name]);
  const amount = isAbsent(given['amount']) ? null : reader.amount(given['amount'], [...field, 'amount']);

  return { [name]: number, amount } as Record<N, Decimal | null> & Pick<Cap, 'amount'>;
}

function readReversal(reader: TermsReader, json: unknown): ReversalTerms | null {
  const field = ['reversal'];
  const known = ['clause', 'windowHours', 'amountProperty', 'targetProperty', 'sentBy'];

  return reader.optional(json, known, field, given => ({
    clause: reader.clauseOrNull(given['clause'], [...field, 'clause']),
    windowHours: reader.hours(given['windowHours'], [...field, 'windowHours']),
    amountProperty: reader.pathOrNull(given['amountProperty'], [...field, 'amountProperty']),
    targetProperty: reader.pathOrNull(given['targetProperty'], [...field, 'targetProperty']),
    sentBy: reader.oneOf(SENDERS, given['sentBy'], [...field, 'sentBy'], 'ANY'),
  }));
}

function readGuarantee(reader: TermsReader, json: unknown): GuaranteeTerms | null {
  const field = ['guarantee'];

  return reader.optional(json, ['clause', 'windowHours', 'sentBy'], field, ({ clause, windowHours, sentBy }) => ({
    clause: reader.clause(clause, [...field, 'clause']),
    windowHours: reader.hours(windowHours, [...field, 'windowHours']),
    sentBy: reader.oneOf(SENDERS, sentBy, [...field, 'sentBy'], reader.isStored ? 'ANY' : 'SELLER'),
  }));
}

function readUsage(reader: TermsReader, json: unknown): UsageTerms | null {
  const field = ['usage'];

  return reader.optional(json, ['relation', 'meterIds'], field, given => {
    const relation = reader.oneOf(USAGE_RELATIONS, given['relation'], [...field, 'relation']);
    const meterIds = reader.list(given['meterIds'], MOST_METERS, [...field, 'meterIds'], (item, path) =>
      reader.text(item, MOST_ID, path),
    );
    reader.refuseTwice(meterIds, [...field, 'meterIds']);

    if (relation !== 'ADD' && meterIds.length === 0) {
      reader.refuse([...field, 'meterIds'], `is missing: name the meters whose usage is meant by ${relation}`);
    }

    return { relation, meterIds };
  });
}

function readDispute(reader: TermsReader, json: unknown): DisputeTerms | null {
  const field = ['dispute'];

  return reader.optional(json, ['windowHours', 'responseHours', 'whenSilent'], field, given => ({
    windowHours: reader.hours(given['windowHours'], [...field, 'windowHours']),
    responseHours: reader.hours(given['responseHours'], [...field, 'responseHours'], 1),
    whenSilent: reader.oneOf(SILENT_DECISIONS, given['whenSilent'], [...field, 'whenSilent']),
  }));
}

function readSampleAudit(reader: TermsReader, json: unknown): SampleAuditTerms | null {
  return reader.optional(json, ['tolerance', 'leastSample'], ['sampleAudit'], ({ tolerance, leastSample }) => ({
    tolerance: reader.decimal(tolerance, ['sampleAudit', 'tolerance'], ZERO, HUNDRED),
    leastSample: reader.whole(
      leastSample,
      [1, LARGEST_SAMPLE],
      ['sampleAudit', 'leastSample'],
      reader.isStored ? 1 : USUAL_SAMPLE,
    ),
  }));
}

function readAnomaly(reader: TermsReader, json: unknown): AnomalyTerms | null {
  return reader.optional(json, ['factor', 'leastClaims'], ['anomaly'], ({ factor, leastClaims }) => ({
    factor: reader.decimal(factor, ['anomaly', 'factor'], ONE),
    leastClaims: reader.whole(leastClaims, [0, MOST_CLAIMS], ['anomaly', 'leastClaims']),
  }));
}

/** The JSON form of terms; `readOutcomeTerms` reads the same terms back. */
export function outcomeTermsJson(terms: OutcomeTerms): OutcomeTermsJson {
  const { quality, units, prices, minimum, caps, sampleAudit, anomaly } = terms;

  return {
    ...terms,
    quality: quality && { ...quality, minimum: formatDecimal(quality.minimum) },
    units: {
      property: units.property,
      per: formatDecimal(units.per),
      weights: units.weights.map(weight => ({ pattern: weight.pattern, units: formatDecimal(weight.units) })),
    },
    prices: prices.map(price => ({ ...price, terms: priceTermsJson(price.terms) })),
    minimum: minimum && { ...minimum, quantity: numberJson(minimum.quantity), amount: amountJson(minimum.amount) },
    caps: caps.map(cap => ({ ...cap, count: numberJson(cap.count), amount: amountJson(cap.amount) })),
    sampleAudit: sampleAudit && { ...sampleAudit, tolerance: formatDecimal(sampleAudit.tolerance) },
    anomaly: anomaly && { ...anomaly, factor: formatDecimal(anomaly.factor) },
  };
}

function numberJson(number: Decimal | null): string | null {
  return number && formatDecimal(number);
}

function amountJson(given: Cap['amount']): { readonly amount: string; readonly currency: string } | null {
  return given && { amount: formatDecimal(given.amount), currency: given.currency };
}

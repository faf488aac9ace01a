import { type Decimal, decimal, formatDecimal, ONE, parseDecimal, ZERO } from '../money/index.js';

/** So much money per so many units: 2.50 per 1,000,000 tokens. The currency is the price book's. */
export interface Rate {
  readonly amount: Decimal;
  /** Units, above zero. */
  readonly per: Decimal;
}

/** One step of a tiered model. It begins where the tier before it ends (the first one at zero). */
export interface Tier {
  /** The last quantity that is still in this tier; `null` in the last tier only, which is open. */
  readonly upTo: Decimal | null;
  readonly rate: Rate;
  /** Money charged once when the tier is entered (graduated) or applies (volume). */
  readonly flat: Decimal;
}

/** How a quantity becomes money. What each kind means is written in `rate.rules.ts`. */
export type PricingModel =
  | { readonly kind: 'FLAT'; readonly amount: Decimal }
  | { readonly kind: 'PER_UNIT'; readonly rate: Rate }
  | { readonly kind: 'PACKAGE'; readonly amount: Decimal; readonly size: Decimal; readonly free: Decimal }
  | { readonly kind: 'GRADUATED'; readonly tiers: readonly Tier[] }
  | { readonly kind: 'VOLUME'; readonly tiers: readonly Tier[] };

/** `Rate` with decimal strings. */
export interface RateJson {
  readonly amount: string;
  readonly per: string;
}

/** `Tier` with decimal strings. */
export interface TierJson {
  readonly upTo: string | null;
  readonly rate: RateJson;
  readonly flat: string;
}

/** `PricingModel` with decimal strings: what jsonb stores and the API carries. */
export type PricingModelJson =
  | { readonly kind: 'FLAT'; readonly amount: string }
  | { readonly kind: 'PER_UNIT'; readonly rate: RateJson }
  | { readonly kind: 'PACKAGE'; readonly amount: string; readonly size: string; readonly free: string }
  | { readonly kind: 'GRADUATED'; readonly tiers: readonly TierJson[] }
  | { readonly kind: 'VOLUME'; readonly tiers: readonly TierJson[] };

/** Why a pricing model is not accepted: the path of the field inside the model and a sentence. */
export interface PricingModelRefusal {
  readonly field: readonly string[];
  readonly message: string;
}

/** The model, or every reason why there is none. */
export type PricingModelReading =
  { readonly model: PricingModel } | { readonly refusals: readonly PricingModelRefusal[] };

/** Amounts above this are taken for a slip of the hand. In every currency it is far above any list price. */
const MAX_AMOUNT = decimal('1000000000000000');

/** Sixteen integer digits hold MAX_AMOUNT. Finer prices than twelve decimals are written with a larger `per`. */
const AMOUNT_LIMITS = { integerDigits: 16, fractionDigits: 12 };

const MAX_TIERS = 100;

const FIELDS: Readonly<Record<PricingModel['kind'], readonly string[]>> = {
  FLAT: ['kind', 'amount'],
  PER_UNIT: ['kind', 'rate'],
  PACKAGE: ['kind', 'amount', 'size', 'free'],
  GRADUATED: ['kind', 'tiers'],
  VOLUME: ['kind', 'tiers'],
};

/**
 * Reads the JSON form, naming every field at fault. Accepted: amounts and flats from 0 to 1e15 with at most 12
 * fraction digits; `per`, `size` and `upTo` above 0 and `free` from 0, with at most 26 integer and 18 fraction digits;
 * 1 to 100 tiers, `upTo` strictly ascending and `null` in the last only. `flat` and `free` are 0 when absent, all else
 * is required; `null` counts as absent. A field that the kind does not know is refused, for a misspelled `flat` must
 * not become a silent 0.
 */
export function readPricingModel(json: unknown): PricingModelReading {
  const refusals: PricingModelRefusal[] = [];
  const model = readModel(json, refusals);

  return model && refusals.length === 0 ? { model } : { refusals };
}

function readModel(json: unknown, refusals: PricingModelRefusal[]): PricingModel | null {
  if (!isRecord(json)) {
    refusals.push({ field: [], message: 'a pricing model must be an object with a kind' });

    return null;
  }

  const kind = json['kind'];

  if (!isKind(kind)) {
    const message = `kind must be one of ${Object.keys(FIELDS).join(', ')}, not ${shown(kind)}`;
    refusals.push({ field: ['kind'], message });

    return null;
  }

  refuseUnknownFields(json, FIELDS[kind], [], refusals);

  switch (kind) {
    case 'FLAT':
      return { kind, amount: readAmount(json['amount'], ['amount'], refusals) };

    case 'PER_UNIT':
      return { kind, rate: readRate(json['rate'], ['rate'], refusals) };

    case 'PACKAGE':
      return {
        kind,
        amount: readAmount(json['amount'], ['amount'], refusals),
        size: readUnits(json['size'], ['size'], refusals),
        free: readFree(json['free'], ['free'], refusals),
      };

    case 'GRADUATED':
    case 'VOLUME':
      return { kind, tiers: readTiers(json['tiers'], ['tiers'], refusals) };

    default:
      return kind satisfies never;
  }
}

function readTiers(json: unknown, field: readonly string[], refusals: PricingModelRefusal[]): readonly Tier[] {
  if (!Array.isArray(json) || json.length === 0 || json.length > MAX_TIERS) {
    refusals.push({ field, message: `${field.join('.')} must be a list of 1 to ${MAX_TIERS} tiers` });

    return [];
  }

  const tiers: Tier[] = [];
  let floor = ZERO;

  for (const [index, tier] of json.entries()) {
    const path = [...field, String(index)];

    if (!isRecord(tier)) {
      refusals.push({ field: path, message: `${path.join('.')} must be a tier with upTo, rate and flat` });
      continue;
    }

    refuseUnknownFields(tier, ['upTo', 'rate', 'flat'], path, refusals);

    const upTo = readBound(tier['upTo'], index === json.length - 1, floor, [...path, 'upTo'], refusals);
    const flat = isAbsent(tier['flat']) ? ZERO : readAmount(tier['flat'], [...path, 'flat'], refusals);
    tiers.push({ upTo, rate: readRate(tier['rate'], [...path, 'rate'], refusals), flat });
    floor = upTo ?? floor;
  }

  return tiers;
}

/** A tier's upper bound: above the bound before it, and open in the last tier only. */
function readBound(
  json: unknown,
  isLast: boolean,
  floor: Decimal,
  field: readonly string[],
  refusals: PricingModelRefusal[],
): Decimal | null {
  const name = field.join('.');

  if (isLast) {
    if (!isAbsent(json)) {
      refusals.push({ field, message: `${name} must be null: the last tier is open, or usage above it has no price` });
    }

    return null;
  }

  if (isAbsent(json)) {
    refusals.push({ field, message: `${name} is missing: only the last tier is open` });

    return null;
  }

  const upTo = readUnits(json, field, refusals);

  // A bound that is refused already reads as ONE; what it should be above is then nobody's question.
  if (parseDecimal(json)?.gt(ZERO) && !upTo.gt(floor)) {
    refusals.push({ field, message: `${name} must be above ${formatDecimal(floor)}, where the tier before it ends` });
  }

  return upTo;
}

function readRate(json: unknown, field: readonly string[], refusals: PricingModelRefusal[]): Rate {
  if (!isRecord(json)) {
    refusals.push({ field, message: `${field.join('.')} must be a rate with amount and per` });

    return { amount: ZERO, per: ONE };
  }

  refuseUnknownFields(json, ['amount', 'per'], field, refusals);

  return {
    amount: readAmount(json['amount'], [...field, 'amount'], refusals),
    per: readUnits(json['per'], [...field, 'per'], refusals),
  };
}

function readAmount(json: unknown, field: readonly string[], refusals: PricingModelRefusal[]): Decimal {
  const amount = parseDecimal(json, AMOUNT_LIMITS);

  if (amount && !amount.lt(ZERO) && !amount.gt(MAX_AMOUNT)) {
    return amount;
  }

  const range = `from 0 to ${formatDecimal(MAX_AMOUNT)} with at most ${AMOUNT_LIMITS.fractionDigits} fraction digits`;
  refusals.push({ field, message: `${field.join('.')} must be a decimal string ${range}, not ${shown(json)}` });

  return ZERO;
}

/** A number of units above zero; ONE when it is refused, so that reading can go on. */
function readUnits(json: unknown, field: readonly string[], refusals: PricingModelRefusal[]): Decimal {
  const units = parseDecimal(json);

  if (units?.gt(ZERO)) {
    return units;
  }

  refusals.push({ field, message: `${field.join('.')} must be a decimal string above 0, not ${shown(json)}` });

  return ONE;
}

function readFree(json: unknown, field: readonly string[], refusals: PricingModelRefusal[]): Decimal {
  const units = isAbsent(json) ? ZERO : parseDecimal(json);

  if (units && !units.lt(ZERO)) {
    return units;
  }

  refusals.push({ field, message: `${field.join('.')} must be a decimal string from 0, not ${shown(json)}` });

  return ZERO;
}

function refuseUnknownFields(
  json: Readonly<Record<string, unknown>>,
  known: readonly string[],
  path: readonly string[],
  refusals: PricingModelRefusal[],
): void {
  for (const name of Object.keys(json)) {
    if (!known.includes(name) && !isAbsent(json[name])) {
      const message = `${name.slice(0, 60)} is not a field here: ${known.join(', ')} are`;
      refusals.push({ field: [...path, name], message });
    }
  }
}

function isRecord(json: unknown): json is Readonly<Record<string, unknown>> {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}

function isKind(kind: unknown): kind is PricingModel['kind'] {
  return typeof kind === 'string' && Object.hasOwn(FIELDS, kind);
}

function isAbsent(json: unknown): boolean {
  return json === undefined || json === null;
}

/** What was given, short enough for a sentence. */
function shown(json: unknown): string {
  if (typeof json === 'string') {
    return JSON.stringify(json.slice(0, 40));
  }

  return isAbsent(json) ? 'nothing' : `a ${Array.isArray(json) ? 'list' : typeof json}`;
}

/** The JSON form of a model; `readPricingModel` reads the same model back. */
export function pricingModelJson(model: PricingModel): PricingModelJson {
  switch (model.kind) {
    case 'FLAT':
      return { kind: model.kind, amount: formatDecimal(model.amount) };

    case 'PER_UNIT':
      return { kind: model.kind, rate: rateJson(model.rate) };

    case 'PACKAGE':
      return {
        kind: model.kind,
        amount: formatDecimal(model.amount),
        size: formatDecimal(model.size),
        free: formatDecimal(model.free),
      };

    case 'GRADUATED':
    case 'VOLUME':
      return { kind: model.kind, tiers: model.tiers.map(tierJson) };

    default:
      return model satisfies never;
  }
}

function tierJson({ upTo, rate, flat }: Tier): TierJson {
  return { upTo: upTo && formatDecimal(upTo), rate: rateJson(rate), flat: formatDecimal(flat) };
}

function rateJson({ amount, per }: Rate): RateJson {
  return { amount: formatDecimal(amount), per: formatDecimal(per) };
}

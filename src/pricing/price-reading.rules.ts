import {
  type Conversion,
  type Decimal,
  type FieldRefusal,
  formatDecimal,
  ONE,
  parseDecimal,
  readConversion,
  ZERO,
} from '../money/index.js';
import { type Fields, isAbsent, isRecord, shown } from './fields.rules.js';
import {
  type PercentTier,
  type PriceTerms,
  PRICING_MODELS,
  type PricingModel,
  type PricingModelName,
  type Rate,
  type Tier,
  TIER_BOUNDS,
  type TierBounds,
} from './price.rules.js';

/** The terms, or every reason why there are none, each with the path of its field inside the price. */
export type PriceTermsReading =
  { readonly terms: PriceTerms } | { readonly refusals: readonly [FieldRefusal, ...FieldRefusal[]] };

/** Amounts above this are taken for a slip of the hand. In every currency it is far above any list price. */
const MAX_AMOUNT = 10n ** 15n;

/** Sixteen integer digits hold MAX_AMOUNT. Finer prices than twelve decimals are written with a larger `per`. */
const AMOUNT_LIMITS = { integerDigits: 16, fractionDigits: 12 };
const MAX_TIERS = 100;
/** No rate of a price is above this many per cent. */
const MAX_PERCENT = 1_000_000;
const HUNDRED = 100;

const BOUNDS = ['minimum', 'maximum', 'discountRate'];
const UNITS = ['freeUnits', 'conversion', ...BOUNDS];

/** The fields that each model knows besides `model`. */
const FIELDS: Readonly<Record<PricingModelName, readonly string[]>> = {
  FLAT: ['flatAmount', ...BOUNDS],
  UNIT: ['unitAmount', 'per', 'prorated', ...UNITS],
  PACKAGE: ['packageSize', 'packageAmount', ...UNITS],
  GRADUATED: ['tiers', 'per', 'tierBounds', 'prorated', ...UNITS],
  VOLUME: ['tiers', 'per', 'tierBounds', 'prorated', ...UNITS],
  STAIRSTEP: ['tiers', 'tierBounds', ...UNITS],
  PERCENTAGE: ['rate', 'fixedAmount', 'freeEvents', 'freeAmount', 'perEventMinimum', 'perEventMaximum', ...BOUNDS],
  GRADUATED_PERCENTAGE: ['tiers', 'tierBounds', ...UNITS],
  DYNAMIC: ['markup', ...BOUNDS],
  COST_PLUS: ['markup', ...BOUNDS],
};

const TIER_FIELDS: Readonly<Record<string, readonly string[]>> = {
  GRADUATED: ['upTo', 'unitAmount', 'per', 'flatAmount'],
  VOLUME: ['upTo', 'unitAmount', 'per', 'flatAmount'],
  STAIRSTEP: ['upTo', 'flatAmount'],
  GRADUATED_PERCENTAGE: ['upTo', 'rate', 'flatAmount'],
};

/**
 * Reads the flat JSON form of a price's terms and names every field at fault. Amounts are decimal strings from 0 to 1e15
 * with at most 12 fraction digits; units have at most 26 integer and 18 fraction digits; a rate is in per cent. 1 to 100
 * tiers, `upTo` strictly ascending, `null` in the last only. A field that the model does not know is refused, for a
 * misspelled flat amount must not become a silent 0; `null` counts as absent. Defaults: `per` 1, `markup` 1, `flatAmount`
 * of a tier 0, `unitAmount` of a tier 0 where it has a flat amount, `tierBounds` INCLUSIVE.
 */
export function readPriceTerms(json: unknown): PriceTermsReading {
  const reader = new TermsReader();
  const terms = reader.read(json);
  const [first, ...rest] = reader.refusals;

  return terms && !first ? { terms } : { refusals: [first ?? NOTHING_READ, ...rest] };
}

const NOTHING_READ: FieldRefusal = { field: [], message: 'a price must be an object with a model' };

class TermsReader {
  readonly refusals: FieldRefusal[] = [];

  read(json: unknown): PriceTerms | null {
    if (!isRecord(json)) {
      this.refusals.push(NOTHING_READ);

      return null;
    }

    const name = PRICING_MODELS.find(model => model === json['model']);

    if (!name) {
      this.#refuse(['model'], `must be one of ${PRICING_MODELS.join(', ')}, not ${shown(json['model'])}`);

      return null;
    }

    this.#refuseUnknown(json, ['model', ...FIELDS[name]], []);

    const minimum = this.#amountOrNull(json, 'minimum');
    const maximum = this.#amountOrNull(json, 'maximum');

    if (minimum && maximum?.lt(minimum)) {
      this.#refuse(['maximum'], `must not be below the minimum of ${formatDecimal(minimum)}`);
    }

    const prorated = json['prorated'] ?? false;

    if (typeof prorated !== 'boolean') {
      this.#refuse(['prorated'], `must be true or false, not ${shown(prorated)}`);
    }

    if (prorated === true && !isAbsent(json['conversion'])) {
      this.#refuse(['conversion'], 'must be left out: a prorated price has no conversion, it counts metered units');
    }

    return {
      pricing: this.#pricing(name, json),
      conversion: this.#conversion(json),
      freeUnits: this.#from0(json['freeUnits'], ['freeUnits']) ?? ZERO,
      discount: this.#percentOrNull(json['discountRate'], ['discountRate'], HUNDRED) ?? ZERO,
      minimum,
      maximum,
      prorated: prorated === true,
    };
  }

  #pricing(model: PricingModelName, json: Fields): PricingModel {
    switch (model) {
      case 'FLAT':
        return { model, amount: this.#amount(json['flatAmount'], ['flatAmount']) };

      case 'UNIT':
        return { model, rate: { amount: this.#amount(json['unitAmount'], ['unitAmount']), per: this.#per(json) } };

      case 'PACKAGE':
        return {
          model,
          amount: this.#amount(json['packageAmount'], ['packageAmount']),
          size: this.#units(json['packageSize'], ['packageSize']),
        };

      case 'GRADUATED':
      case 'VOLUME':
      case 'STAIRSTEP':
        return { model, ...this.#tiers(model, json, this.#per(json)) };

      case 'GRADUATED_PERCENTAGE':
        return { model, ...this.#percentTiers(model, json) };

      case 'PERCENTAGE':
        return this.#percentage(json);

      case 'DYNAMIC':
      case 'COST_PLUS':
        return { model, markup: isAbsent(json['markup']) ? ONE : this.#amount(json['markup'], ['markup']) };

      default:
        return model satisfies never;
    }
  }

  #percentage(json: Fields): PricingModel {
    const eventMinimum = this.#amountOrNull(json, 'perEventMinimum');
    const eventMaximum = this.#amountOrNull(json, 'perEventMaximum');

    if (eventMinimum && eventMaximum?.lt(eventMinimum)) {
      this.#refuse(['perEventMaximum'], `must not be below perEventMinimum, which is ${formatDecimal(eventMinimum)}`);
    }

    const freeEvents = this.#from0(json['freeEvents'], ['freeEvents']);

    if (freeEvents && !freeEvents.isInteger()) {
      this.#refuse(['freeEvents'], `must be a whole number, not ${shown(json['freeEvents'])}`);
    }

    return {
      model: 'PERCENTAGE',
      percent: this.#percent(json['rate'], ['rate']),
      fixed: this.#amountOrNull(json, 'fixedAmount') ?? ZERO,
      freeEvents,
      freeAmount: this.#amountOrNull(json, 'freeAmount'),
      eventMinimum,
      eventMaximum,
    };
  }

  #tiers(model: PricingModelName, json: Fields, per: Decimal): { tiers: readonly Tier[]; bounds: TierBounds } {
    return this.#tierList(model, json, (tier, upTo, flat, path) => {
      // A tier that names neither amount is a slip of the hand, not a gift.
      const amount =
        model === 'STAIRSTEP' || (isAbsent(tier['unitAmount']) && !isAbsent(tier['flatAmount']))
          ? ZERO
          : this.#amount(tier['unitAmount'], [...path, 'unitAmount']);
      const rate: Rate = { amount, per: isAbsent(tier['per']) ? per : this.#units(tier['per'], [...path, 'per']) };

      return { upTo, rate, flat };
    });
  }

  #percentTiers(model: PricingModelName, json: Fields): { tiers: readonly PercentTier[]; bounds: TierBounds } {
    return this.#tierList(model, json, (tier, upTo, flat, path) => ({
      upTo,
      percent: this.#percent(tier['rate'], [...path, 'rate']),
      flat,
    }));
  }

  #tierList<T>(
    model: PricingModelName,
    json: Fields,
    read: (tier: Fields, upTo: Decimal | null, flat: Decimal, path: readonly string[]) => T,
  ): { tiers: readonly T[]; bounds: TierBounds } {
    const bounds = TIER_BOUNDS.find(name => name === (json['tierBounds'] ?? 'INCLUSIVE'));
    const list: unknown = json['tiers'];
    const tiers: T[] = [];

    if (!bounds) {
      this.#refuse(['tierBounds'], `must be one of ${TIER_BOUNDS.join(', ')}, not ${shown(json['tierBounds'])}`);
    }

    if (!Array.isArray(list) || list.length === 0 || list.length > MAX_TIERS) {
      this.#refuse(['tiers'], `must be a list of 1 to ${MAX_TIERS} tiers`);

      return { tiers, bounds: 'INCLUSIVE' };
    }

    let floor = ZERO;

    for (const [index, tier] of (list as readonly unknown[]).entries()) {
      const path = ['tiers', String(index)];

      if (!isRecord(tier)) {
        this.#refuse(path, 'must be a tier with upTo and its amounts');
        continue;
      }

      this.#refuseUnknown(tier, TIER_FIELDS[model] ?? [], path);
      const upTo = this.#bound(tier['upTo'], index === list.length - 1, floor, [...path, 'upTo']);

      if (upTo && bounds === 'INTEGER_STEPS' && !upTo.isInteger()) {
        this.#refuse([...path, 'upTo'], `must be a whole number where tierBounds is INTEGER_STEPS`);
      }

      const flat =
        isAbsent(tier['flatAmount']) && model !== 'STAIRSTEP'
          ? ZERO
          : this.#amount(tier['flatAmount'], [...path, 'flatAmount']);
      tiers.push(read(tier, upTo, flat, path));
      floor = upTo ?? floor;
    }

    return { tiers, bounds: bounds ?? 'INCLUSIVE' };
  }

  /** A tier's upper bound: above the bound before it; only the last tier may be open. */
  #bound(json: unknown, isLast: boolean, floor: Decimal, field: readonly string[]): Decimal | null {
    if (isAbsent(json)) {
      if (!isLast) {
        this.#refuse(field, 'is missing: only the last tier is open, and no tier comes after an open one');
      }

      return null;
    }

    const upTo = this.#units(json, field);

    // A refused bound reads as ONE; what it should be above is then nobody's question.
    if (parseDecimal(json)?.gt(ZERO) && !upTo.gt(floor)) {
      this.#refuse(field, `must be above ${formatDecimal(floor)}, where the tier before it ends`);
    }

    return upTo;
  }

  #conversion(json: Fields): Conversion | null {
    if (isAbsent(json['conversion'])) {
      return null;
    }

    const reading = readConversion(json['conversion'], ['conversion']);

    if ('conversion' in reading) {
      return reading.conversion;
    }

    this.refusals.push(...reading.refusals);

    return null;
  }

  #per(json: Fields): Decimal {
    return isAbsent(json['per']) ? ONE : this.#units(json['per'], ['per']);
  }

  #amountOrNull(json: Fields, name: string): Decimal | null {
    return isAbsent(json[name]) ? null : this.#amount(json[name], [name]);
  }

  #amount(json: unknown, field: readonly string[]): Decimal {
    const amount = parseDecimal(json, AMOUNT_LIMITS);

    if (amount && !amount.lt(ZERO) && !amount.gt(MAX_AMOUNT.toString())) {
      return amount;
    }

    const range = `from 0 to ${MAX_AMOUNT} with at most ${AMOUNT_LIMITS.fractionDigits} fraction digits`;
    this.#refuse(field, `must be a decimal string ${range}, not ${shown(json)}`);

    return ZERO;
  }

  #percent(json: unknown, field: readonly string[]): Decimal {
    const percent = this.#percentOrNull(json, field, MAX_PERCENT);

    if (!percent && isAbsent(json)) {
      this.#refuse(field, 'is missing: a rate in per cent, such as "2.99"');
    }

    return percent ?? ZERO;
  }

  #percentOrNull(json: unknown, field: readonly string[], most: number): Decimal | null {
    if (isAbsent(json)) {
      return null;
    }

    const percent = parseDecimal(json, AMOUNT_LIMITS);

    if (percent && !percent.lt(ZERO) && !percent.gt(most)) {
      return percent;
    }

    this.#refuse(field, `must be a decimal string from 0 to ${most}, in per cent, not ${shown(json)}`);

    return ZERO;
  }

  /** A number of units above zero; ONE when it is refused, so that reading can go on. */
  #units(json: unknown, field: readonly string[]): Decimal {
    const units = parseDecimal(json);

    if (units?.gt(ZERO)) {
      return units;
    }

    this.#refuse(field, `must be a decimal string above 0, not ${shown(json)}`);

    return ONE;
  }

  #from0(json: unknown, field: readonly string[]): Decimal | null {
    if (isAbsent(json)) {
      return null;
    }

    const units = parseDecimal(json);

    if (units && !units.lt(ZERO)) {
      return units;
    }

    this.#refuse(field, `must be a decimal string from 0, not ${shown(json)}`);

    return ZERO;
  }

  #refuseUnknown(json: Fields, known: readonly string[], path: readonly string[]): void {
    for (const name of Object.keys(json)) {
      if (!known.includes(name) && !isAbsent(json[name])) {
        const message = `${name.slice(0, 60)} is not a field here: ${known.join(', ')} are`;
        this.refusals.push({ field: [...path, name.slice(0, 60)], message });
      }
    }
  }

  #refuse(field: readonly string[], message: string): void {
    this.refusals.push({ field, message: `${field.join('.')} ${message}` });
  }
}

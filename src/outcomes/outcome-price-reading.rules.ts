import { ONE, ZERO } from '../money/index.js';
import { isAbsent } from '../pricing/fields.rules.js';
import { refusePrices } from '../pricing/pattern.rules.js';
import { closedTier, type PriceTerms } from '../pricing/price.rules.js';
import { readPriceTerms } from '../pricing/price-reading.rules.js';
import { asksWithoutUsage } from '../pricing/rate.rules.js';
import { bindingOf } from './outcome-price.rules.js';
import type { OutcomeMeasure, OutcomePrice, UnitTerms } from './outcome-terms.rules.js';
import type { TermsReader } from './terms-reader.rules.js';

type Path = readonly string[];

const MOST_PRICES = 100;
const MOST_WEIGHTS = 100;
const MOST_NAME = 200;

/** Reads the prices of a version; `attributes` are the names that their patterns may use. */
export function readOutcomePrices(
  reader: TermsReader,
  json: unknown,
  measure: OutcomeMeasure,
  attributes: readonly string[],
): readonly OutcomePrice[] {
  const field = ['prices'];
  const prices = reader.list(json, MOST_PRICES, field, (item, path) =>
    readPrice(reader, item, path, measure, attributes),
  );

  if (isAbsent(json) || (Array.isArray(json) && json.length === 0)) {
    reader.refuse(field, `must be a list of 1 to ${MOST_PRICES} prices`);
  }

  reader.refuseTwice(
    prices.map(({ name }) => name),
    field,
    'name',
  );

  const [pair] = refusePrices(prices.map((price, index) => ({ ...bindingOf(price), index })));

  if (pair) {
    const [one, other] = pair;
    const places = `prices ${JSON.stringify(one.id)} and ${JSON.stringify(other.id)}`;
    reader.refuse(
      [...field, String(other.index), 'pattern'],
      `must be narrower or wider: ${places} are for the same outcomes and neither is more specific`,
    );
  }

  return prices;
}

function readPrice(
  reader: TermsReader,
  json: unknown,
  field: Path,
  measure: OutcomeMeasure,
  attributes: readonly string[],
): OutcomePrice {
  const { name, currency, pattern, terms } = reader.members(json, ['name', 'currency', 'pattern', 'terms'], field);

  return {
    name: reader.text(name, MOST_NAME, [...field, 'name']),
    currency: reader.currency(currency, [...field, 'currency']),
    pattern: reader.pattern(pattern, attributes, [...field, 'pattern']),
    terms: readTerms(reader, terms, [...field, 'terms'], measure),
  };
}

function readTerms(reader: TermsReader, json: unknown, field: Path, measure: OutcomeMeasure): PriceTerms {
  const reading = readPriceTerms(json);

  if ('refusals' in reading) {
    for (const refusal of reading.refusals) {
      reader.refusals.push({ field: [...field, ...refusal.field], message: `${field.join('.')}: ${refusal.message}` });
    }

    return NOTHING;
  }

  for (const [member, fault] of faultsOf(reading.terms, measure)) {
    reader.refuse([...field, ...member], fault);
  }

  return reading.terms;
}

/** Stands for terms that were refused. */
const NOTHING: PriceTerms = {
  pricing: { model: 'UNIT', rate: { amount: ZERO, per: ONE } },
  conversion: null,
  freeUnits: ZERO,
  discount: ZERO,
  minimum: null,
  maximum: null,
  prorated: false,
};

/** What terms that price usage may have and those of an outcome may not: each outcome has its own part of an amount. */
function faultsOf(terms: PriceTerms, measure: OutcomeMeasure): readonly (readonly [Path, string])[] {
  const { pricing, minimum, maximum, prorated } = terms;
  const faults: (readonly [Path, string])[] = [];

  switch (pricing.model) {
    case 'FLAT':
      faults.push([['model'], 'is FLAT: an outcome has no price per period; say what one costs']);
      break;

    case 'COST_PLUS':
    case 'DYNAMIC':
      faults.push([['model'], `is ${pricing.model}, which prices what events cost; say what an outcome costs`]);
      break;

    case 'PERCENTAGE':
    case 'GRADUATED_PERCENTAGE':
      if (measure !== 'VALUE') {
        faults.push([['model'], `is ${pricing.model}, a part of money: measure must be VALUE then`]);
      }

      break;

    default:
  }

  if (minimum) {
    faults.push([['minimum'], 'must be left out: the minimum of the terms is for all their prices']);
  }

  if (maximum) {
    faults.push([['maximum'], 'must be left out: the caps of the terms are for all their prices']);
  }

  if (prorated) {
    faults.push([['prorated'], 'must be left out: an outcome is there at an instant']);
  }

  const closed = closedTier(terms);

  if (closed !== null) {
    faults.push([
      ['tiers', String(closed), 'upTo'],
      'must be null in the last tier, or outcomes above it have no price',
    ]);
  }

  if (faults.length === 0 && asksWithoutUsage(terms)) {
    faults.push([[], 'must come to nothing without outcomes: the first tier has no flat amount']);
  }

  return faults;
}

const MEMBERS = ['property', 'per', 'weights'];

/** Reads how many units an outcome is: one, where nothing is said. */
export function readUnitTerms(reader: TermsReader, json: unknown, attributes: readonly string[]): UnitTerms {
  const { property, per, weights: list } = isAbsent(json) ? {} : reader.members(json, MEMBERS, ['units']);
  const field = ['units', 'weights'];
  const weights = reader.list(list, MOST_WEIGHTS, field, (item, path) => {
    const { pattern, units } = reader.members(item, ['pattern', 'units'], path);

    return {
      pattern: reader.pattern(pattern, attributes, [...path, 'pattern']),
      units: reader.decimal(units, [...path, 'units'], ZERO),
    };
  });
  const [pair] = refusePrices(
    weights.map(({ pattern }, index) => ({ id: String(index), meterId: '', currency: '', pattern, window: null })),
  );

  if (pair) {
    const [one, other] = pair;
    reader.refuse(
      [...field, other.id, 'pattern'],
      `must be narrower or wider: weights ${one.id} and ${other.id} are for the same outcomes and neither is more specific`,
    );
  }

  return {
    property: reader.pathOrNull(property, ['units', 'property']),
    per: isAbsent(per) ? ONE : reader.positive(per, ['units', 'per']),
    weights,
  };
}

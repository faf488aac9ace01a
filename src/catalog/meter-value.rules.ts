import { convert, type Decimal, formatDecimal, ONE } from '../money/index.js';
import { MAX_DIMENSION_LENGTH, type MeterDefinition } from './meter.rules.js';
import {
  kindOf,
  limitFault,
  type Properties,
  propertyAt,
  readNumber,
  refusal,
  scalarText,
  type ValueRefusal,
} from './property.rules.js';

const MAX_UNIQUE_LENGTH = 255;

/** The parts of a definition that say what an event adds. */
export type Valued = Pick<MeterDefinition, 'aggregation' | 'valueProperty' | 'factorProperties' | 'conversion'>;

/**
 * What one event adds to a meter of a property: 1 for COUNT; a text to be counted once for UNIQUE_COUNT; else the exact
 * value of the property, a JSON number or a plain decimal string from 0 (TIME_WEIGHTED: from -10^15) to 10^15 with at most
 * 12 fraction digits, converted, times its factors. A JSON number stands for the decimal that JavaScript prints for it.
 */
export function readQuantity(
  definition: Valued,
  properties: Properties,
): { readonly quantity: Decimal } | { readonly unique: string } | ValueRefusal {
  const { aggregation, valueProperty, factorProperties, conversion } = definition;

  if (aggregation === 'COUNT' || valueProperty === null) {
    return { quantity: ONE };
  }

  const value = propertyAt(properties, valueProperty);

  if (aggregation === 'UNIQUE_COUNT') {
    return readUnique(value, valueProperty);
  }

  const read = readNumber(value, valueProperty, aggregation === 'TIME_WEIGHTED');

  if ('reason' in read || (factorProperties.length === 0 && conversion === null)) {
    return read;
  }

  // The value alone is converted: each of two replicas has its own minute begun.
  let quantity = conversion ? convert(read.quantity, conversion) : read.quantity;

  for (const property of factorProperties) {
    const factor = readNumber(propertyAt(properties, property), property);

    if ('reason' in factor) {
      return factor;
    }

    quantity = quantity.times(factor.quantity);
  }

  return checked(quantity, valueProperty);
}

/** A quantity of an event as its meter converts it; refused when it is then larger or finer than a quantity may be. */
export function convertQuantity(
  { conversion }: Pick<MeterDefinition, 'conversion'>,
  given: Decimal,
  property: string,
): { readonly quantity: Decimal } | ValueRefusal {
  return checked(conversion ? convert(given, conversion) : given, property);
}

function checked(quantity: Decimal, property: string): { readonly quantity: Decimal } | ValueRefusal {
  const fault = limitFault(quantity);

  return fault === null
    ? { quantity }
    : refusal(property, `comes to ${formatDecimal(quantity).slice(0, 40)} as the meter counts it, ${fault}`);
}

function readUnique(value: unknown, property: string): { readonly unique: string } | ValueRefusal {
  const text = scalarText(value);

  if (text === null) {
    return refusal(property, value === undefined ? 'is missing' : `is ${kindOf(value)}, not a text, number or boolean`);
  }

  return text.length > MAX_UNIQUE_LENGTH
    ? refusal(property, `has ${text.length} characters; at most ${MAX_UNIQUE_LENGTH} are counted apart`)
    : { unique: text };
}

/**
 * The own dimensions of one event as texts of at most 128 characters. For a property that is missing or null stands the
 * dimension's default; without one it is left out. A number and the string of its digits are the same dimension, so `1024`
 * and `"1024"` have one price.
 */
export function readDimensions(
  definition: Pick<MeterDefinition, 'dimensions'>,
  properties: Properties,
): { readonly dimensions: Readonly<Record<string, string>> } | ValueRefusal {
  const dimensions: Record<string, string> = {};

  for (const dimension of definition.dimensions) {
    const { name, property } = dimension;
    const value = propertyAt(properties, property);

    if (value === undefined || value === null) {
      if (dimension.default !== undefined) {
        dimensions[name] = dimension.default;
      }
      continue;
    }

    const text = scalarText(value);

    if (text === null) {
      return refusal(property, `is ${kindOf(value)}; dimension ${name} is a text, number or boolean`);
    }

    if (text.length > MAX_DIMENSION_LENGTH) {
      return refusal(property, `has ${text.length} characters; dimension ${name} has at most ${MAX_DIMENSION_LENGTH}`);
    }

    dimensions[name] = text;
  }

  return { dimensions };
}

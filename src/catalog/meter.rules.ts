import { type Decimal, decimal, ONE, parseDecimal } from '../money/index.js';

/** How a meter folds the values of its events into one quantity. */
export const AGGREGATIONS = ['SUM', 'COUNT', 'MAX', 'LATEST', 'UNIQUE_COUNT'] as const;

/** One of `AGGREGATIONS`. */
export type Aggregation = (typeof AGGREGATIONS)[number];

/** A property of the event that prices may depend on, and the name prices know it by. */
export interface MeterDimension {
  readonly name: string;
  readonly property: string;
}

/** What is counted. */
export interface MeterDefinition {
  readonly key: string;
  /** The one event type this meter reads. */
  readonly eventType: string;
  /** A CEL expression over the event, see `compileFilter`; empty for every event of the type. */
  readonly filter: string;
  readonly aggregation: Aggregation;
  /** The property that is folded, as a path of up to four parts (`usage.tokens`); `null` for COUNT. */
  readonly valueProperty: string | null;
  readonly dimensions: readonly MeterDimension[];
  /** What one of the quantity is called: `token`, `second`. */
  readonly unit: string;
}

/** One fault of a definition, with the path of the input field, outermost first. */
export interface MeterRefusal {
  readonly field: readonly string[];
  readonly message: string;
}

/** Why an event cannot be metered, and the property at fault (`properties.tokens`). */
export interface ValueRefusal {
  readonly field: string;
  readonly reason: string;
}

type Properties = Readonly<Record<string, unknown>>;

const NAME = /^[a-z][a-z0-9_]{0,62}$/;
const EVENT_TYPE = /^[A-Za-z0-9._:/-]{1,128}$/;
const PATH_PART = /^[A-Za-z0-9_:/@-]{1,128}$/;
const UNIT = /^[A-Za-z0-9][A-Za-z0-9 ._%/-]{0,39}$/;
/** Names that reach an object's prototype or constructor in JavaScript. */
const RESERVED: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

const MAX_DIMENSIONS = 8;
const MAX_PATH_PARTS = 4;
const MAX_PATH_LENGTH = 255;
const MAX_UNIQUE_LENGTH = 255;
const MAX_DIMENSION_LENGTH = 128;
const MAX_FRACTION_DIGITS = 12;
const MAX_QUANTITY = decimal('1000000000000000');
/** Wide enough to tell "too large" and "too fine" from "no number". */
const ANY_DECIMAL = { integerDigits: 400, fractionDigits: 400 };

/** Everything wrong with a definition; empty when it may be saved. The filter is checked by `compileFilter`. */
export function refuseMeter(definition: MeterDefinition): MeterRefusal[] {
  const { key, eventType, aggregation, valueProperty, dimensions, unit } = definition;
  const refusals: MeterRefusal[] = [];
  const refuse = (message: string, ...field: string[]): void => {
    refusals.push({ field, message });
  };

  if (!NAME.test(key)) {
    refuse('key begins with a-z and has up to 63 characters out of a-z, 0-9 and _', 'key');
  }

  if (!EVENT_TYPE.test(eventType)) {
    refuse('event type has 1 to 128 characters out of A-Z a-z 0-9 . _ : / -', 'eventType');
  }

  if (!AGGREGATIONS.includes(aggregation)) {
    refuse(`aggregation is one of ${AGGREGATIONS.join(', ')}`, 'aggregation');
  }

  if (!UNIT.test(unit)) {
    refuse('unit has 1 to 40 characters: letters, digits, spaces and . _ % / -', 'unit');
  }

  if (aggregation === 'COUNT' && valueProperty !== null) {
    refuse('COUNT counts events and has no value property', 'valueProperty');
  }

  if (aggregation !== 'COUNT') {
    const fault = valueProperty === null ? `${aggregation} needs a value property` : pathFault(valueProperty);

    if (fault) {
      refuse(fault, 'valueProperty');
    }
  }

  if (dimensions.length > MAX_DIMENSIONS) {
    refuse(`a meter has at most ${MAX_DIMENSIONS} dimensions, not ${dimensions.length}`, 'dimensions');
  }

  const names = new Set<string>();

  for (const [index, { name, property }] of dimensions.entries()) {
    if (!NAME.test(name)) {
      refuse(
        'dimension name begins with a-z and has up to 63 characters out of a-z, 0-9 and _',
        'dimensions',
        String(index),
        'name',
      );
    } else if (names.has(name)) {
      refuse(`dimension ${name} is there twice`, 'dimensions', String(index), 'name');
    }

    names.add(name);

    const fault = pathFault(property);

    if (fault) {
      refuse(fault, 'dimensions', String(index), 'property');
    }
  }

  return refusals;
}

function pathFault(path: string): string | null {
  const parts = path.length > MAX_PATH_LENGTH ? [] : path.split('.');

  if (parts.length === 0 || parts.length > MAX_PATH_PARTS || !parts.every(part => PATH_PART.test(part))) {
    return `property is a path of 1 to ${MAX_PATH_PARTS} parts joined by dots, of letters, digits and _ : / @ -`;
  }

  const reserved = parts.find(part => RESERVED.has(part));

  return reserved ? `${reserved} is a reserved name and no property` : null;
}

/**
 * What one event adds to a meter: 1 for COUNT; a text to be counted once for UNIQUE_COUNT; else the exact value of the
 * property, a JSON number or a plain decimal string from 0 to 10^15 with at most 12 fraction digits.
 * A JSON number stands for the decimal that JavaScript prints for it.
 */
export function readQuantity(
  definition: Pick<MeterDefinition, 'aggregation' | 'valueProperty'>,
  properties: Properties,
): { readonly quantity: Decimal } | { readonly unique: string } | ValueRefusal {
  const { aggregation, valueProperty } = definition;

  if (aggregation === 'COUNT' || valueProperty === null) {
    return { quantity: ONE };
  }

  const value = propertyAt(properties, valueProperty);

  if (aggregation === 'UNIQUE_COUNT') {
    return readUnique(value, valueProperty);
  }

  switch (typeof value) {
    case 'number':
      if (Number.isSafeInteger(value) && value >= 0 && value <= 1e15) {
        return { quantity: decimal(value) };
      }

      return Number.isFinite(value)
        ? readDecimal(plainText(value), valueProperty)
        : refusal(valueProperty, 'is not a finite number');

    case 'string':
      return readDecimal(value, valueProperty);

    case 'undefined':
      return refusal(valueProperty, 'is missing');

    default:
      return refusal(valueProperty, `is ${kindOf(value)}, not a number or a decimal string`);
  }
}

function readDecimal(text: string, property: string): { readonly quantity: Decimal } | ValueRefusal {
  const quantity = parseDecimal(text, ANY_DECIMAL);

  if (quantity === null) {
    return refusal(property, `is ${excerpt(text)}, not a plain decimal such as 12 or 0.5`);
  }

  if (quantity.isNegative()) {
    return refusal(property, `is ${excerpt(text)}; a quantity is not negative`);
  }

  if (quantity.gt(MAX_QUANTITY)) {
    return refusal(property, `is ${excerpt(text)}, larger than 10^15`);
  }

  return (quantity.decimalPlaces() ?? 0) > MAX_FRACTION_DIGITS
    ? refusal(property, `is ${excerpt(text)}, with more than ${MAX_FRACTION_DIGITS} fraction digits; round it first`)
    : { quantity };
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
 * The dimensions of one event as texts of at most 128 characters. A property that is missing or null leaves its dimension
 * out. A number and the string of its digits are the same dimension, so `1024` and `"1024"` have one price.
 */
export function readDimensions(
  definition: Pick<MeterDefinition, 'dimensions'>,
  properties: Properties,
): { readonly dimensions: Readonly<Record<string, string>> } | ValueRefusal {
  const dimensions: Record<string, string> = {};

  for (const { name, property } of definition.dimensions) {
    const value = propertyAt(properties, property);

    if (value === undefined || value === null) {
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

/** The value at a path: the key of that very name first (`gen_ai.usage.tokens` is a common flat key), then part by part. */
function propertyAt(properties: Properties, path: string): unknown {
  if (Object.hasOwn(properties, path)) {
    return properties[path];
  }

  if (!path.includes('.')) {
    return undefined;
  }

  let value: unknown = properties;

  for (const part of path.split('.')) {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, part)) {
      return undefined;
    }

    value = (value as Properties)[part];
  }

  return value;
}

function scalarText(value: unknown): string | null {
  switch (typeof value) {
    case 'string':
      return value;

    case 'number':
      return Number.isFinite(value) ? plainText(value) : null;

    case 'boolean':
      return value ? 'true' : 'false';

    default:
      return null;
  }
}

/** The decimal that JavaScript prints for a finite number, without an exponent. */
function plainText(value: number): string {
  const text = String(value);
  const at = text.indexOf('e');

  if (at < 0) {
    return text;
  }

  const sign = value < 0 ? '-' : '';
  const digits = text.slice(sign.length, at).replace('.', '');
  const exponent = Number(text.slice(at + 1));

  return exponent < 0 ? `${sign}0.${'0'.repeat(-exponent - 1)}${digits}` : sign + digits.padEnd(exponent + 1, '0');
}

function refusal(property: string, fault: string): ValueRefusal {
  const field = `properties.${property}`;

  return { field, reason: `${field} ${fault}` };
}

function kindOf(value: unknown): string {
  if (value === null) {
    return 'null';
  }

  if (Array.isArray(value)) {
    return 'an array';
  }

  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

/** The beginning of a sender's text, quoted, as a refusal may repeat it. */
function excerpt(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}

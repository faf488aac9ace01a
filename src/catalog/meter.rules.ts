import {
  type Conversion,
  type ConversionJson,
  conversionJson,
  type Decimal,
  divide,
  formatDecimal,
  ONE,
  readConversion,
} from '../money/index.js';

/** How a meter folds the values of its events into one quantity. */
export const AGGREGATIONS = ['SUM', 'COUNT', 'MAX', 'LATEST', 'UNIQUE_COUNT', 'TIME_WEIGHTED'] as const;

/** One of `AGGREGATIONS`. */
export type Aggregation = (typeof AGGREGATIONS)[number];

/** Where a meter finds what it counts: in one property, or in the usage object of an AI provider. */
export const METER_SOURCES = ['PROPERTY', 'TOKEN_USAGE'] as const;

/** One of `METER_SOURCES`. */
export type MeterSource = (typeof METER_SOURCES)[number];

/** A property of the event that prices may depend on, and the name prices know it by. */
export interface MeterDimension {
  readonly name: string;
  readonly property: string;
  /** What a property that is missing or null stands for; without it the dimension is left out. */
  readonly default?: string;
}

/** What is counted. */
export interface MeterDefinition {
  readonly key: string;
  /** The one event type this meter reads. */
  readonly eventType: string;
  /** A CEL expression over the event, see `compileFilter`; empty for every event of the type. */
  readonly filter: string;
  readonly source: MeterSource;
  readonly aggregation: Aggregation;
  /**
   * The property that is folded, as a path of up to four parts (`usage.tokens`); `null` for COUNT. Of a token meter it is
   * the usage object as the provider reports it.
   */
  readonly valueProperty: string | null;
  /** Properties that the value is multiplied by: minutes × replicas. */
  readonly factorProperties: readonly string[];
  /** What becomes of each event's value before it is multiplied by its factors and folded. */
  readonly conversion: Conversion | null;
  readonly dimensions: readonly MeterDimension[];
  /** What one of the quantity is called: `token`, `second`. */
  readonly unit: string;
  /** Whether the value of each event is kept beside the buckets, for prices that look at single events. */
  readonly keepsEvents: boolean;
}

/** What adds up event by event, so that an event can be looked at, or taken off, by itself. */
const KEEPING = ['SUM', 'COUNT', 'TIME_WEIGHTED'] as const;

/** What only some meters have, and what it is for the others. */
const PLAIN = { source: 'PROPERTY', factorProperties: [], conversion: null, keepsEvents: false } as const;

/** A definition as it is entered. */
export type MeterDraft = Omit<MeterDefinition, keyof typeof PLAIN | 'dimensions'> & {
  readonly dimensions: readonly (Omit<MeterDimension, 'default'> & { readonly default?: string | null })[];
  readonly source?: MeterSource;
  readonly factorProperties?: readonly string[];
  /** As `readConversion` reads it; null and absent for none. */
  readonly conversion?: unknown;
  readonly keepsEvents?: boolean;
};

/** A definition as it is stored. */
export type MeterJson = Omit<MeterDefinition, 'conversion'> & { readonly conversion: ConversionJson | null };

/**
 * The names that the events of a token meter bring along: the kind of tokens and the tier that served them always, the
 * others where the event or the catalog knows them.
 */
export const DERIVED_DIMENSIONS = [
  'token_kind',
  'service_tier',
  'context_band',
  'model_family',
  'provider',
  'inference_geo',
] as const;

/** The dimension of a token meter that names the model. */
export const MODEL_DIMENSION = 'model';

/** One fault of a definition, with the path of the input field, outermost first. */
export interface MeterRefusal {
  readonly field: readonly string[];
  readonly message: string;
}

/** What meters, dimensions and whatever else is named by a key are called. */
export const NAME = /^[a-z][a-z0-9_]{0,62}$/;
/** What types of events are called. */
export const EVENT_TYPE = /^[A-Za-z0-9._:/-]{1,128}$/;
const PATH_PART = /^[A-Za-z0-9_:/@-]{1,128}$/;
const UNIT = /^[A-Za-z0-9][A-Za-z0-9 ._%/-]{0,39}$/;
/** Names that reach an object's prototype or constructor in JavaScript. */
const RESERVED: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

/** How many dimensions of its own a meter may have. */
export const MAX_DIMENSIONS = 8;
const MAX_PATH_PARTS = 4;
const MAX_PATH_LENGTH = 255;
const MAX_FACTORS = 2;
/** How long the value of a dimension may be, in UTF-16 units. */
export const MAX_DIMENSION_LENGTH = 128;

/** Fills in what was left out and reads the conversion; or everything that is wrong with the draft. */
export function readMeter(
  draft: MeterDraft,
): { readonly definition: MeterDefinition } | { readonly refusals: readonly MeterRefusal[] } {
  const { conversion: given, dimensions, ...rest } = draft;
  const read = given === null || given === undefined ? null : readConversion(given, ['conversion']);
  const definition: MeterDefinition = {
    ...PLAIN,
    ...rest,
    conversion: read && 'conversion' in read ? read.conversion : null,
    dimensions: dimensions.map(({ name, property, default: text }) =>
      text === undefined || text === null ? { name, property } : { name, property, default: text },
    ),
  };
  const refusals = [...(read && 'refusals' in read ? read.refusals : []), ...refuseMeter(definition)];

  return refusals.length > 0 ? { refusals } : { definition };
}

/** The definition as it is stored; `definitionOf` reads the same one back. */
export function meterJson({ conversion, ...rest }: MeterDefinition): MeterJson {
  return { ...rest, conversion: conversion && conversionJson(conversion) };
}

/** A definition that was accepted once, and so is not judged again. Throws when its conversion is none. */
export function definitionOf({ conversion, ...rest }: MeterJson): MeterDefinition {
  const read = conversion && readConversion(conversion, ['conversion']);

  if (read && 'refusals' in read) {
    throw new Error(`meter ${rest.key} has a conversion that was accepted once and can no longer be read`);
  }

  return { ...rest, conversion: read && read.conversion };
}

/** The names that a price on the meter may bind: its own dimensions and, for a token meter, the derived ones. */
export function dimensionNames(definition: Pick<MeterDefinition, 'source' | 'dimensions'>): readonly string[] {
  const own = definition.dimensions.map(({ name }) => name);

  return definition.source === 'TOKEN_USAGE' ? [...own, ...DERIVED_DIMENSIONS] : own;
}

type Refuse = (message: string, ...field: string[]) => void;

/** Everything wrong with a definition; empty when it may be saved. The filter is checked by `compileFilter`. */
export function refuseMeter(definition: MeterDefinition): MeterRefusal[] {
  const { key, eventType, source, aggregation, valueProperty, unit, keepsEvents } = definition;
  const refusals: MeterRefusal[] = [];
  const refuse: Refuse = (message, ...field) => {
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

  if (!METER_SOURCES.includes(source)) {
    refuse(`source is one of ${METER_SOURCES.join(', ')}`, 'source');
  } else if (source === 'TOKEN_USAGE' && aggregation !== 'SUM') {
    refuse(`a token meter adds tokens up: its aggregation is SUM, not ${aggregation}`, 'aggregation');
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

  if (keepsEvents && !KEEPING.some(keeping => keeping === aggregation)) {
    refuse(`the events of ${KEEPING.join(', ')} are kept one by one, not those of ${aggregation}`, 'keepsEvents');
  }

  refuseFactors(definition, refuse);
  refuseConversion(definition, refuse);
  refuseDimensions(definition, refuse);

  return refusals;
}

function refuseFactors({ source, aggregation, factorProperties }: MeterDefinition, refuse: Refuse): void {
  if (factorProperties.length === 0) {
    return;
  }

  if (factorProperties.length > MAX_FACTORS) {
    refuse(`a value has at most ${MAX_FACTORS} factors, not ${factorProperties.length}`, 'factorProperties');
  }

  if (source === 'TOKEN_USAGE' || !hasNumber(aggregation)) {
    refuse('only the one number of a property has factors: SUM, MAX, LATEST and TIME_WEIGHTED', 'factorProperties');
  }

  for (const [index, property] of factorProperties.entries()) {
    const fault = pathFault(property);

    if (fault) {
      refuse(fault, 'factorProperties', String(index));
    }
  }
}

function refuseConversion({ aggregation, conversion }: MeterDefinition, refuse: Refuse): void {
  if (!conversion) {
    return;
  }

  if (!hasNumber(aggregation)) {
    refuse(`${aggregation} counts events and has no value to convert`, 'conversion');
  }

  // Rounded one by one, +0.4, +0.4 and −0.8 would leave a level of −1 behind.
  if (aggregation === 'TIME_WEIGHTED' && conversion.rounding !== 'NONE') {
    refuse('a level is the sum of its changes, which are not rounded: rounding is NONE', 'conversion', 'rounding');
  }

  if (conversion.rounding === 'NONE' && !dividesExactly(conversion.divideBy)) {
    refuse(
      `a division by ${formatDecimal(conversion.divideBy)} may never end; say how it is rounded`,
      'conversion',
      'rounding',
    );
  }
}

/** Whether every quotient ends: the divisor is made of twos and fives alone, wherever its point stands. */
function dividesExactly(divisor: Decimal): boolean {
  return divide(ONE, divisor).times(divisor).eq(ONE);
}

/** Whether an event adds a number of its own, rather than itself or a text. */
function hasNumber(aggregation: Aggregation): boolean {
  return aggregation !== 'COUNT' && aggregation !== 'UNIQUE_COUNT';
}

function refuseDimensions({ source, dimensions }: MeterDefinition, refuse: Refuse): void {
  if (dimensions.length > MAX_DIMENSIONS) {
    refuse(`a meter has at most ${MAX_DIMENSIONS} dimensions, not ${dimensions.length}`, 'dimensions');
  }

  if (source === 'TOKEN_USAGE' && !dimensions.some(({ name }) => name === MODEL_DIMENSION)) {
    refuse('a token meter has a dimension named model, whose property names the model', 'dimensions');
  }

  const derived: readonly string[] = source === 'TOKEN_USAGE' ? DERIVED_DIMENSIONS : [];
  const names = new Set<string>();

  for (const [index, { name, property, default: text }] of dimensions.entries()) {
    const refuseAt = (message: string, member: string) => refuse(message, 'dimensions', String(index), member);

    if (!NAME.test(name)) {
      refuseAt('dimension name begins with a-z and has up to 63 characters out of a-z, 0-9 and _', 'name');
    } else if (names.has(name)) {
      refuseAt(`dimension ${name} is there twice`, 'name');
    } else if (derived.includes(name)) {
      refuseAt(`a token meter has the dimension ${name} by itself; choose another name`, 'name');
    }

    names.add(name);

    const fault = pathFault(property);

    if (fault) {
      refuseAt(fault, 'property');
    }

    if (text !== undefined && (text.length > MAX_DIMENSION_LENGTH || !isCleanText(text))) {
      refuseAt(`default has at most ${MAX_DIMENSION_LENGTH} characters, no control characters among them`, 'default');
    }
  }
}

/** Whether a text has neither control characters nor half a surrogate pair, so that it is stored and printed as it is. */
export function isCleanText(text: string): boolean {
  return text.isWellFormed() && !/\p{Cc}/u.test(text);
}

/** Why a text is no path of a property; null when it is one. */
export function pathFault(path: string): string | null {
  const parts = path.length > MAX_PATH_LENGTH ? [] : path.split('.');

  if (parts.length === 0 || parts.length > MAX_PATH_PARTS || !parts.every(part => PATH_PART.test(part))) {
    return `property is a path of 1 to ${MAX_PATH_PARTS} parts joined by dots, of letters, digits and _ : / @ -`;
  }

  const reserved = parts.find(part => RESERVED.has(part));

  return reserved ? `${reserved} is a reserved name and no property` : null;
}

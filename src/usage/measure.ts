import {
  bandOf,
  bandsAt,
  convertQuantity,
  MODEL_DIMENSION,
  readDimensions,
  readQuantity,
  readTokenUsage,
  type LiveMeter,
  type ModelLookup,
  type TokenUsage,
} from '../catalog/index.js';
import { ZERO } from '../money/index.js';
import { canonicalJson } from '../platform/index.js';
import { foldKindOf, type Measure } from './fold.rules.js';
import type { ItemRejection, UsageItem } from './usage-item.rules.js';

/** What measuring has to know of an event: as it is sent, or as it was stored. */
export type MeteredEvent = Pick<UsageItem, 'id' | 'source' | 'type' | 'time' | 'subject' | 'properties'>;

/** Why an event cannot be measured. */
export type MeasureRefusal = Pick<ItemRejection, 'code' | 'field' | 'reason'>;

// A bucket's key is one row of a B-tree, which holds some 2,700 bytes.
const MAX_KEY_BYTES = 2_000;

const NO_KIND = '"token_kind":""';

/**
 * What an event adds to the buckets of these meters, which count its type: nothing where a filter does not match, one
 * measure for a property, one for each kind of tokens of a token meter. Knows no clock and no database, so that an event
 * measured again, from the same meters and models, gives the same.
 */
export function measureEvent(
  event: MeteredEvent,
  meters: readonly LiveMeter[],
  modelOf: ModelLookup,
): { readonly measures: Measure[] } | MeasureRefusal {
  const measures: Measure[] = [];

  for (const meter of meters) {
    if (!meter.filter.matches(event)) {
      continue;
    }

    const refused =
      meter.definition.source === 'TOKEN_USAGE'
        ? measureTokens(event, meter, modelOf, measures)
        : measureProperty(event, meter, measures);

    if (refused) {
      return refused;
    }
  }

  return { measures };
}

function measureProperty(
  event: MeteredEvent,
  { id, definition }: LiveMeter,
  measures: Measure[],
): MeasureRefusal | null {
  const quantity = readQuantity(definition, event.properties);

  if ('reason' in quantity) {
    return refusal('INVALID_QUANTITY', quantity.field, `meter ${definition.key}: ${quantity.reason}`);
  }

  const read = readDimensions(definition, event.properties);

  if ('reason' in read) {
    return refusal('INVALID_DIMENSION', read.field, `meter ${definition.key}: ${read.reason}`);
  }

  const dimensions = canonicalJson(read.dimensions);
  const unique = 'unique' in quantity ? quantity.unique : null;

  if (isTooLongForKey(dimensions, unique)) {
    return tooLong(definition.key, unique);
  }

  measures.push({
    meterId: id,
    kind: foldKindOf(definition.aggregation),
    dimensions,
    time: event.time,
    order: orderOf(event),
    quantity: 'quantity' in quantity ? quantity.quantity : ZERO,
    unique,
    isKept: definition.keepsEvents,
  });

  return null;
}

function measureTokens(
  event: MeteredEvent,
  { id, definition }: LiveMeter,
  modelOf: ModelLookup,
  measures: Measure[],
): MeasureRefusal | null {
  const path = definition.valueProperty ?? '';
  const usage = readTokenUsage(event.properties, path);

  if ('reason' in usage) {
    return refusal('INVALID_QUANTITY', usage.field, `meter ${definition.key}: ${usage.reason}`);
  }

  const read = readDimensions(definition, event.properties);

  if ('reason' in read) {
    return refusal('INVALID_DIMENSION', read.field, `meter ${definition.key}: ${read.reason}`);
  }

  const derived = derivedDimensions(event.time, read.dimensions, usage, modelOf);
  // Written once for all its kinds. Quotes within a value are escaped, so only the member itself reads like this.
  const [head = '', tail = ''] = canonicalJson({ ...read.dimensions, ...derived, token_kind: '' }).split(NO_KIND);
  const order = orderOf(event);

  for (const { kind, quantity: count } of usage.counts) {
    const converted = convertQuantity(definition, count, path);

    if ('reason' in converted) {
      return refusal('INVALID_QUANTITY', converted.field, `meter ${definition.key}: ${converted.reason}`);
    }

    const dimensions = `${head}"token_kind":${canonicalJson(kind)}${tail}`;

    if (isTooLongForKey(dimensions, null)) {
      return tooLong(definition.key, null);
    }

    measures.push({
      meterId: id,
      kind: 'ADD',
      dimensions,
      time: event.time,
      order,
      quantity: converted.quantity,
      unique: null,
      isKept: definition.keepsEvents,
    });
  }

  return null;
}

/** What the provider's answer and the catalog know of a request beyond its own dimensions, the same for all its tokens. */
function derivedDimensions(
  time: Date,
  own: Readonly<Record<string, string>>,
  usage: TokenUsage,
  modelOf: ModelLookup,
): Record<string, string> {
  const derived: Record<string, string> = { service_tier: usage.servedTier };
  const key = own[MODEL_DIMENSION];
  const model = key === undefined ? undefined : modelOf(key);

  if (usage.inferenceGeo !== null) {
    derived['inference_geo'] = usage.inferenceGeo;
  }

  if (model) {
    const band = bandOf(bandsAt(model, time), usage.promptTokens);
    derived['model_family'] = model.family;
    derived['provider'] = model.provider;

    if (band !== null) {
      derived['context_band'] = band;
    }
  }

  return derived;
}

/** Which of several events of one instant is the latest. */
function orderOf({ id, source }: MeteredEvent): string {
  // U+0001 is in neither and below all that is, so ids compare before sources.
  return source ? `${id}\u0001${source}` : id;
}

function refusal(code: MeasureRefusal['code'], field: string, reason: string): MeasureRefusal {
  return { code, field, reason };
}

function tooLong(meterKey: string, unique: string | null): MeasureRefusal {
  return refusal(
    'INVALID_DIMENSION',
    'properties',
    `meter ${meterKey}: its dimensions${unique === null ? '' : ' and value'} have more than ${MAX_KEY_BYTES} bytes together`,
  );
}

function isTooLongForKey(dimensions: string, unique: string | null): boolean {
  // Three bytes is the most that a UTF-16 unit takes in UTF-8, so most texts need not be counted.
  return (
    (dimensions.length + (unique?.length ?? 0)) * 3 > MAX_KEY_BYTES &&
    Buffer.byteLength(dimensions) + Buffer.byteLength(unique ?? '') > MAX_KEY_BYTES
  );
}

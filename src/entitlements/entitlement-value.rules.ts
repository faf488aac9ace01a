import { type Decimal, type FieldRefusal, formatDecimal, ZERO } from '../money/index.js';
import { TermsReader } from '../outcomes/terms-reader.rules.js';
import { isAbsent, shown } from '../pricing/fields.rules.js';
import { matches } from '../pricing/pattern.rules.js';
import { isCleanText } from '../tenants/tenant.rules.js';

/** What a feature is: on or off, a setting, models, so much of a meter, calls in a stretch of time, holds at a time. */
export const FEATURE_KINDS = ['BOOLEAN', 'CONFIG', 'MODELS', 'LIMIT', 'RATE', 'CONCURRENCY'] as const;

/** One of `FEATURE_KINDS`. */
export type FeatureKind = (typeof FEATURE_KINDS)[number];

const RATE_PER = ['MINUTE', 'HOUR', 'DAY'] as const;
const LIMIT_PER = [...RATE_PER, 'WEEK', 'MONTH'] as const;
const LIMIT_MODES = ['HARD', 'SOFT', 'WARN'] as const;
const LIMIT_RESETS = ['CALENDAR', 'BILLING'] as const;

/** Which models may be used, and where. */
export interface ModelsValue {
  readonly kind: 'MODELS';
  /** A name, or the beginning of one and `*`; nothing is allowed by none. */
  readonly allow: readonly string[];
  /** Likewise; what fits one of these may not be used, whatever allows it. */
  readonly deny: readonly string[];
  /** Where it may be used; anywhere when empty. */
  readonly regions: readonly string[];
}

/** How much of a meter may be used. */
export interface LimitValue {
  readonly kind: 'LIMIT';
  /** In units of the meter. */
  readonly amount: Decimal;
  /** In each stretch of this length; ever when null. */
  readonly per: (typeof LIMIT_PER)[number] | null;
  /** HARD refuses beyond it; SOFT and WARN go on and are told in the answer to the call, and nowhere else. */
  readonly mode: (typeof LIMIT_MODES)[number];
  /** Whether a MONTH is one of the calendar or a billing period. */
  readonly reset: (typeof LIMIT_RESETS)[number];
  /** What is left at the end of a stretch is added to the next, up to `most`; null for not. */
  readonly rollover: { readonly most: Decimal } | null;
}

/** A setting: exactly one of a text, a number and a list of texts. */
export type Setting = { readonly text: string } | { readonly number: Decimal } | { readonly list: readonly string[] };

/** What an entitlement gives of a feature, by the feature's kind. */
export type EntitlementValue =
  | { readonly kind: 'BOOLEAN'; readonly isOn: boolean }
  | { readonly kind: 'CONFIG'; readonly setting: Setting }
  | ModelsValue
  | LimitValue
  | { readonly kind: 'RATE'; readonly calls: number; readonly per: (typeof RATE_PER)[number] }
  | { readonly kind: 'CONCURRENCY'; readonly most: number };

/** A value as it is stored and shown, without its kind, which is the feature's; decimals are strings. */
export type EntitlementValueJson = Readonly<Record<string, unknown>>;

/** A value that was read, or every reason why there is none, each with the path of its field. */
export type ValueReading =
  { readonly value: EntitlementValue } | { readonly refusals: readonly [FieldRefusal, ...FieldRefusal[]] };

type Path = readonly string[];

const MOST_CALLS = 1_000_000_000;
const MOST_AT_A_TIME = 1_000_000;
const MOST_PATTERNS = 500;
const MOST_TEXTS = 100;
const MOST_TEXT = 1_000;
const MOST_REGION = 60;
const MOST_PATTERN = 128;

/**
 * Reads the JSON form of a value for a feature of a kind. `field` is where the value stands in the input. A member that the
 * kind does not know is refused, for it may be misspelled; `null` counts as left out, but for `per` of a LIMIT, which is said
 * or null. Defaults: no patterns, no regions, mode HARD, reset CALENDAR, no rollover.
 */
export function readEntitlementValue(kind: FeatureKind, json: unknown, field: Path): ValueReading {
  const reader = new TermsReader();
  const value = READ[kind](reader, json, field);
  const [first, ...rest] = reader.refusals;

  return first ? { refusals: [first, ...rest] } : { value };
}

/** The value as it is stored; `entitlementValueOf` reads the same one back. */
export function entitlementValueJson(value: EntitlementValue): EntitlementValueJson {
  switch (value.kind) {
    case 'BOOLEAN':
      return { isOn: value.isOn };

    case 'CONFIG':
      return 'number' in value.setting ? { number: formatDecimal(value.setting.number) } : { ...value.setting };

    case 'MODELS':
      return { allow: value.allow, deny: value.deny, regions: value.regions };

    case 'LIMIT':
      return {
        amount: formatDecimal(value.amount),
        per: value.per,
        mode: value.mode,
        reset: value.reset,
        rollover: value.rollover && { most: formatDecimal(value.rollover.most) },
      };

    case 'RATE':
      return { calls: value.calls, per: value.per };

    case 'CONCURRENCY':
      return { most: value.most };

    default:
      return value satisfies never;
  }
}

/** A value that was accepted once, and so is not judged again. Throws when it can no longer be read. */
export function entitlementValueOf(kind: FeatureKind, json: EntitlementValueJson): EntitlementValue {
  const read = readEntitlementValue(kind, json, []);

  if ('refusals' in read) {
    throw new Error(`an entitlement's value was accepted once and can no longer be read: ${read.refusals[0].message}`);
  }

  return read.value;
}

/**
 * Whether a model may be used in a region. Deny wins over allow. A model or a region that is not known (null) fits nothing,
 * so that a value which asks for it refuses.
 */
export function mayUse(value: Omit<ModelsValue, 'kind'>, model: string | null, region: string | null): boolean {
  const fits = (pattern: string): boolean => model !== null && matches({ model: pattern }, { model });

  return (
    !value.deny.some(fits) &&
    value.allow.some(fits) &&
    (value.regions.length === 0 || (region !== null && value.regions.includes(region)))
  );
}

/** Reads a value of each kind; what is refused is in the reader, and something harmless in its place. */
const READ: {
  readonly [K in FeatureKind]: (
    reader: TermsReader,
    json: unknown,
    field: Path,
  ) => Extract<EntitlementValue, { readonly kind: K }>;
} = {
  BOOLEAN: (reader, json, field) => {
    const { isOn } = reader.members(json, ['isOn'], field);

    // Left out it would be off, silently.
    if (typeof isOn !== 'boolean') {
      reader.refuse([...field, 'isOn'], `must be true or false, not ${shown(isOn)}`);
    }

    return { kind: 'BOOLEAN', isOn: isOn === true };
  },

  CONFIG: (reader, json, field) => ({ kind: 'CONFIG', setting: readSetting(reader, json, field) }),

  MODELS: (reader, json, field) => {
    const { allow, deny, regions } = reader.members(json, ['allow', 'deny', 'regions'], field);
    const pattern = (item: unknown, at: Path): string => readPattern(reader, item, at);

    return {
      kind: 'MODELS',
      allow: reader.list(allow, MOST_PATTERNS, [...field, 'allow'], pattern),
      deny: reader.list(deny, MOST_PATTERNS, [...field, 'deny'], pattern),
      regions: reader.list(regions, MOST_TEXTS, [...field, 'regions'], (item, at) =>
        reader.text(item, MOST_REGION, at),
      ),
    };
  },

  LIMIT: readLimit,

  RATE: (reader, json, field) => {
    const { calls, per } = reader.members(json, ['calls', 'per'], field);

    return {
      kind: 'RATE',
      calls: reader.whole(calls, [1, MOST_CALLS], [...field, 'calls']),
      per: reader.oneOf(RATE_PER, per, [...field, 'per']),
    };
  },

  CONCURRENCY: (reader, json, field) => {
    const { most } = reader.members(json, ['most'], field);

    return { kind: 'CONCURRENCY', most: reader.whole(most, [0, MOST_AT_A_TIME], [...field, 'most']) };
  },
};

function readSetting(reader: TermsReader, json: unknown, field: Path): Setting {
  const { text, number, list } = reader.members(json, ['text', 'number', 'list'], field);

  if ([text, number, list].filter(given => !isAbsent(given)).length !== 1) {
    reader.refuse(field, 'has exactly one of text, number and list');
  } else if (!isAbsent(number)) {
    return { number: reader.decimal(number, [...field, 'number']) };
  } else if (!isAbsent(list)) {
    return {
      list: reader.list(list, MOST_TEXTS, [...field, 'list'], (item, at) => reader.text(item, MOST_TEXT, at)),
    };
  } else if (!isAbsent(text)) {
    return { text: reader.text(text, MOST_TEXT, [...field, 'text']) };
  }

  return { text: '' };
}

function readLimit(reader: TermsReader, json: unknown, field: Path): LimitValue {
  const fields = reader.members(json, ['amount', 'per', 'mode', 'reset', 'rollover'], field);
  const { amount, per, mode, reset, rollover } = fields;

  // Left out it would be a limit for ever, silently.
  if (per === undefined) {
    reader.refuse(
      [...field, 'per'],
      `must be one of ${LIMIT_PER.join(', ')}, or null for a limit that never starts anew`,
    );
  }

  const value: LimitValue = {
    kind: 'LIMIT',
    amount: reader.decimal(amount, [...field, 'amount'], ZERO),
    per: isAbsent(per) ? null : reader.oneOf(LIMIT_PER, per, [...field, 'per']),
    mode: reader.oneOf(LIMIT_MODES, mode, [...field, 'mode'], 'HARD'),
    reset: reader.oneOf(LIMIT_RESETS, reset, [...field, 'reset'], 'CALENDAR'),
    rollover: reader.optional(rollover, ['most'], [...field, 'rollover'], ({ most }) => ({
      most: reader.decimal(most, [...field, 'rollover', 'most'], ZERO),
    })),
  };

  if (value.reset === 'BILLING' && value.per !== 'MONTH') {
    reader.refuse([...field, 'reset'], 'is BILLING only where per is MONTH');
  }

  if (value.rollover && value.per === null) {
    reader.refuse([...field, 'rollover'], 'must be left out where per is null: nothing follows');
  }

  return value;
}

function readPattern(reader: TermsReader, json: unknown, field: Path): string {
  if (
    typeof json === 'string' &&
    json.length >= 1 &&
    json.length <= MOST_PATTERN &&
    isCleanText(json) &&
    !json.slice(0, -1).includes('*')
  ) {
    return json;
  }

  reader.refuse(field, `has 1 to ${MOST_PATTERN} characters, and a * only at its end, not ${shown(json)}`);

  return '';
}

import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import { ConversionInput, ConversionType } from '../catalog/index.js';
import { connectionOf, DecimalScalar, Node } from '../platform/index.js';
import type { InheritedFrom, LivePrice } from './live-price.rules.js';
import type { DimensionPattern } from './pattern.rules.js';
import type { Price } from './price-book.entity.js';
import { PriceTermsFields, termsFields } from './price-terms.types.js';
import { priceTermsJson, type PriceTermsJson } from './price.rules.js';
import { priceWindowJson, type PriceWindowJson } from './window.rules.js';

const CONVERSION = 'From metered units to priced units, in which tiers and free units count.';
const DAILY_TIME = 'Time of day on a quarter hour, such as 00:30.';

@ObjectType('DailyWindow', { description: 'Hours of the day in a time zone.' })
@InputType('DailyWindowInput', { description: 'Hours of the day in a time zone.' })
export class DailyWindowType {
  @Field(() => String, { description: `${DAILY_TIME} It begins here …` })
  start!: string;

  @Field(() => String, {
    description: `${DAILY_TIME} … and ends before here, 24:00 for midnight; before the start, it runs over midnight.`,
  })
  end!: string;

  @Field(() => String, { description: 'IANA time zone.' })
  timeZone!: string;

  @Field(() => [Int], { nullable: true, description: 'Days on which it begins, Monday 1 to Sunday 7; null for all.' })
  weekdays?: number[] | null;
}

@ObjectType('PriceWindow', { description: 'When a price applies.' })
@InputType('PriceWindowInput', { description: 'When a price applies: a promotion, hours of the day, or both.' })
export class PriceWindowType {
  @Field(() => Date, { nullable: true, description: 'From this instant, a quarter hour.' })
  from?: Date | null;

  @Field(() => Date, { nullable: true, description: 'Until before this instant, a quarter hour.' })
  until?: Date | null;

  @Field(() => DailyWindowType, { nullable: true, description: 'And only in these hours.' })
  daily?: DailyWindowType | null;

  static from({ from, until, daily }: PriceWindowJson): PriceWindowType {
    return Object.assign(new PriceWindowType(), {
      from: from ? new Date(from) : null,
      until: until ? new Date(until) : null,
      daily: daily ? Object.assign(new DailyWindowType(), daily) : null,
    });
  }
}

@ObjectType('DimensionMatch', { description: 'What a dimension has to be for a price to apply.' })
@InputType('DimensionMatchInput', { description: 'What a dimension has to be for a price to apply.' })
export class DimensionMatchType {
  @Field(() => String, { description: 'A dimension of the meter.' })
  name!: string;

  @Field(() => String, { description: 'The value, or the beginning of one followed by *.' })
  value!: string;
}

/** What every price shows, be it a row or one that a version takes over. */
@ObjectType()
abstract class PriceFields extends PriceTermsFields {
  @Field(() => String, { description: 'What the invoice line says.' })
  name!: string;

  @Field(() => ID, { description: 'The meter it prices.' })
  meterId!: string;

  @Field(() => String, { description: 'ISO 4217 code; it prices contracts in this currency.' })
  currency!: string;

  @Field(() => [DimensionMatchType], { description: 'Which usage of the meter it prices; empty for all. At most 16.' })
  dimensions!: DimensionMatchType[];

  @Field(() => PriceWindowType, { nullable: true, description: 'When it applies; null for always.' })
  window!: PriceWindowType | null;

  @Field(() => ConversionType, { nullable: true, description: CONVERSION })
  conversion!: ConversionType | null;
}

/** Fields of an output, from a row or a price that the rate engine takes. */
function fieldsOf(price: {
  readonly name: string;
  readonly meterId: string;
  readonly currency: string;
  readonly pattern: DimensionPattern;
  readonly window?: PriceWindowJson | null;
  readonly terms: PriceTermsJson;
}) {
  return {
    ...termsFields(price.terms),
    name: price.name,
    meterId: price.meterId,
    currency: price.currency,
    window: price.window ? PriceWindowType.from(price.window) : null,
    dimensions: dimensionMatches(price.pattern),
  };
}

/** A pattern as the list that the API shows. */
export function dimensionMatches(pattern: DimensionPattern): DimensionMatchType[] {
  return Object.entries(pattern).map(([name, value]) => Object.assign(new DimensionMatchType(), { name, value }));
}

/** The pattern of a list that the API was given. */
export function patternOf(dimensions: readonly DimensionMatchType[]): DimensionPattern {
  return Object.fromEntries(dimensions.map(({ name, value }) => [name, value]));
}

@ObjectType('Price', {
  implements: Node,
  description:
    'What one meter costs for the usage that the dimensions match. Terms that the model does not use are null.',
})
export class PriceType extends PriceFields implements Node {
  @Field(() => ID, { description: 'Its id.' })
  id!: string;

  @Field(() => String, { nullable: true, description: 'Where the price was read, and when.' })
  source!: string | null;

  static from(price: Price): PriceType {
    return Object.assign(new PriceType(), { ...fieldsOf(price), id: price.id, source: price.source ?? null });
  }
}

@ObjectType('InheritedFrom', { description: 'Where a price was taken over from, and what became of it on the way.' })
export class InheritedFromType {
  @Field(() => ID, { description: 'The version of the other book whose price it is or that takes it over itself.' })
  priceBookVersionId!: string;

  @Field(() => DecimalScalar, { description: 'What was added or, below zero, taken off, in per cent.' })
  percent!: string;

  @Field(() => ID, { nullable: true, description: 'The exchange rate by which it was converted; null for none.' })
  fxSnapshotId!: string | null;

  @Field(() => Boolean, { description: 'Whether unit amounts were raised to a floor.' })
  isFloored!: boolean;

  @Field(() => InheritedFromType, { nullable: true, description: 'Where that version has it from; null for its own.' })
  inheritedFrom!: InheritedFromType | null;

  static from(given: InheritedFrom): InheritedFromType {
    return Object.assign(new InheritedFromType(), {
      ...given,
      inheritedFrom: given.inheritedFrom && InheritedFromType.from(given.inheritedFrom),
    });
  }
}

@ObjectType('LivePrice', {
  description: 'A price as a version asks for it: its own, or one of another book, adjusted and converted.',
})
export class LivePriceType extends PriceFields {
  @Field(() => ID, { description: 'The price, as it is in the version that it comes from.' })
  priceId!: string;

  @Field(() => InheritedFromType, { nullable: true, description: 'Where it was taken over from; null for its own.' })
  inheritedFrom!: InheritedFromType | null;

  static from(price: LivePrice): LivePriceType {
    return Object.assign(new LivePriceType(), {
      ...fieldsOf({
        ...price,
        window: price.window && priceWindowJson(price.window),
        terms: priceTermsJson(price.terms),
      }),
      priceId: price.id,
      inheritedFrom: price.inheritedFrom && InheritedFromType.from(price.inheritedFrom),
    });
  }
}

export const LivePriceConnection = connectionOf('LivePrice', () => LivePriceType);

export const PriceConnection = connectionOf('Price', () => PriceType);

@InputType({ description: 'A price to put into a draft. Give the terms that the model uses and no others.' })
export class PriceInput extends PriceTermsFields {
  @Field(() => ID, { description: 'The meter it prices.' })
  meterId!: string;

  @Field(() => String, { description: 'What the invoice line says: 1 to 200 characters.' })
  name!: string;

  @Field(() => String, {
    nullable: true,
    description: 'ISO 4217 code; that of the book by default. A book may hold a price in each of several currencies.',
  })
  currency?: string | null;

  @Field(() => [DimensionMatchType], {
    defaultValue: [],
    description: 'Which usage of the meter it prices; empty for all.',
  })
  dimensions!: DimensionMatchType[];

  @Field(() => PriceWindowType, { nullable: true, description: 'When it applies; always by default.' })
  window?: PriceWindowType | null;

  @Field(() => String, { nullable: true, description: 'Where the price was read, and when: up to 500 characters.' })
  source?: string | null;

  @Field(() => ConversionInput, { nullable: true, description: CONVERSION })
  conversion?: ConversionInput | null;
}

/** An input as the service takes it: what is bound, and the terms as they were given. */
export function priceDraftOf(input: PriceInput) {
  const { meterId, name, currency, dimensions, window, source, ...terms } = input;

  return {
    meterId,
    name,
    currency: currency ?? null,
    pattern: patternOf(dimensions),
    window: window ? windowJson(window) : null,
    source: source ?? null,
    terms: {
      ...terms,
      ...(terms.tiers ? { tiers: terms.tiers.map(tier => ({ ...tier })) } : {}),
      ...(terms.conversion ? { conversion: { ...terms.conversion } } : {}),
    },
  };
}

function windowJson({ from, until, daily }: PriceWindowType): PriceWindowJson {
  return {
    from: from?.toISOString() ?? null,
    until: until?.toISOString() ?? null,
    daily: daily ? { ...daily, weekdays: daily.weekdays ?? null } : null,
  };
}

import { Field, ID, InputType } from 'type-graphql';
import { DomainError, IDEMPOTENCY_KEY, TENANT_ID } from '../platform/index.js';
import { PriceImportDecisionEnum, PriceListFormatEnum, PriceListUnitEnum, unitOfEnum } from './price-import.enums.js';
import type { UnitMeter } from './import-store.js';
import type { PriceListInput } from './price-list.js';

/** Characters of a list in a request, whose body may have 2 MB; the command line takes more. */
const MOST_CONTENT = 1_500_000;

@InputType({ description: 'Which meter counts a unit.' })
class PriceImportMeterInput {
  @Field(() => PriceListUnitEnum, { description: 'The unit, each once.' })
  unit!: PriceListUnitEnum;

  @Field(() => ID, { description: 'The meter.' })
  meterId!: string;
}

@InputType()
abstract class PriceListFields {
  @Field(() => String, IDEMPOTENCY_KEY)
  idempotencyKey!: string;

  @Field(() => PriceListFormatEnum, { description: 'How the list is written.' })
  format!: PriceListFormatEnum;

  @Field(() => String, {
    description: 'The list as it is, up to 1,500,000 characters. Send it as a variable, not in the document.',
  })
  content!: string;

  @Field(() => String, { description: 'Where the list comes from: 1 to 200 characters.' })
  source!: string;

  @Field(() => String, { description: 'As of when the list is: a day such as 2026-08-20.' })
  sourceDate!: string;

  @Field(() => [String], {
    defaultValue: [],
    description: 'Up to 50 models to read, or beginnings of their names followed by *; empty for all.',
  })
  models!: string[];

  @Field(() => [PriceImportMeterInput], {
    defaultValue: [],
    description: 'Meters of what is not counted in tokens, at most 6. What no meter counts is left out.',
  })
  meters!: PriceImportMeterInput[];
}

@InputType({ description: 'A price list to lay beside a price book.' })
export class PriceImportProposeInput extends PriceListFields {
  @Field(() => ID, TENANT_ID)
  tenantId?: string | null;

  @Field(() => ID, { description: 'The book. The list is laid beside its newest published version.' })
  priceBookId!: string;

  @Field(() => ID, { description: 'The meter of tokens, which counts web searches and search units, too.' })
  meterId!: string;
}

@InputType({ description: 'A price list to lay beside what models cost us.' })
export class ModelCostImportProposeInput extends PriceListFields {}

@InputType()
abstract class DecideFields {
  @Field(() => ID, { description: 'The import.' })
  importId!: string;

  @Field(() => [String], { defaultValue: [], description: 'Keys of up to 500 lines to decide about.' })
  keys!: string[];

  @Field(() => Boolean, {
    defaultValue: false,
    description:
      'Instead of keys: every line that is added or changed, open and without a flag. Flagged lines and removals are decided by their keys alone.',
  })
  allUnflagged!: boolean;

  @Field(() => PriceImportDecisionEnum, { description: 'What to say about them.' })
  decision!: PriceImportDecisionEnum;
}

@InputType({ description: 'Lines of an import to decide about.' })
export class PriceImportDecideInput extends DecideFields {
  @Field(() => ID, TENANT_ID)
  tenantId?: string | null;
}

@InputType({ description: 'Lines of an import to decide about.' })
export class ModelCostImportDecideInput extends DecideFields {}

@InputType({ description: 'An import to write as a draft.' })
export class PriceImportDraftInput {
  @Field(() => ID, { description: 'The import.' })
  importId!: string;

  @Field(() => ID, TENANT_ID)
  tenantId?: string | null;
}

@InputType({ description: 'An import of which nothing shall come.' })
export class PriceImportDiscardInput {
  @Field(() => ID, { description: 'The import.' })
  importId!: string;

  @Field(() => ID, TENANT_ID)
  tenantId?: string | null;
}

@InputType({ description: 'An import of which nothing shall come.' })
export class ModelCostImportDiscardInput {
  @Field(() => ID, { description: 'The import.' })
  importId!: string;
}

@InputType({ description: 'An import whose approved lines are to be what models cost us.' })
export class ModelCostImportApplyInput {
  @Field(() => ID, { description: 'The import.' })
  importId!: string;

  @Field(() => Date, { description: 'From when the costs hold.' })
  effectiveAt!: Date;

  @Field(() => Boolean, {
    defaultValue: false,
    description: 'Whether models that nobody has entered are entered as the list has them, each a family of its own.',
  })
  enterModels!: boolean;
}

/** The list of an input, as the services take it. */
export function priceListOf(
  input: PriceListFields,
): PriceListInput & { readonly meters: readonly UnitMeter[]; readonly idempotencyKey: string } {
  const { idempotencyKey, format, content, source, sourceDate, models, meters } = input;

  if (content.length > MOST_CONTENT) {
    throw DomainError.invalid(
      `content has at most ${MOST_CONTENT} characters here; the command line reads larger files`,
      ['content'],
    );
  }

  return {
    idempotencyKey,
    format,
    content,
    source,
    sourceDate,
    models,
    meters: meters.map(({ unit, meterId }) => ({ unit: unitOfEnum(unit), meterId })),
  };
}

import { Field, ID, Int, ObjectType } from 'type-graphql';
import { connectionOf, DecimalScalar, MutationPayload, Node, OncePayload } from '../platform/index.js';
import type { PlannedTerms } from './import-plan.rules.js';
import { PriceBookVersionType } from './price-book.types.js';
import type { ImportCounts, PriceImport } from './price-import.entity.js';
import {
  enumOfUnit,
  PriceImportChangeEnum,
  PriceImportDecisionEnum,
  PriceImportStatusEnum,
  PriceImportTargetEnum,
  PriceListFormatEnum,
  PriceListUnitEnum,
  PriceProposalFlagEnum,
} from './price-import.enums.js';
import type { ImportRow } from './price-import.queries.js';
import { PriceTermsFields, termsFields } from './price-terms.types.js';
import { DimensionMatchType } from './price.types.js';

@ObjectType('PriceImportCounts', { description: 'What came of a price list.' })
class PriceImportCountsType {
  @Field(() => Int, { description: 'Entries of the list, all models.' })
  entries!: number;

  @Field(() => Int, { description: 'Lines that are new.' })
  added!: number;

  @Field(() => Int, { description: 'Lines that say something else.' })
  changed!: number;

  @Field(() => Int, { description: 'Lines in force that the list does not have.' })
  removed!: number;

  @Field(() => Int, { description: 'Lines that say the same.' })
  same!: number;

  @Field(() => Int, { description: 'Lines with a flag.' })
  flagged!: number;

  @Field(() => Int, { description: 'Entries and fields of the list that are no line.' })
  skipped!: number;
}

@ObjectType('PriceImport', {
  implements: Node,
  description: 'A price list laid beside what is in force, for somebody to decide about line by line.',
})
export class PriceImportType extends Node {
  @Field(() => PriceImportTargetEnum, { description: 'What it is for.' })
  target!: PriceImportTargetEnum;

  @Field(() => ID, { nullable: true, description: 'The book; null for costs.' })
  priceBookId!: string | null;

  @Field(() => PriceListFormatEnum, { description: 'How the list is written.' })
  format!: PriceListFormatEnum;

  @Field(() => String, { description: 'Where the list comes from.' })
  source!: string;

  @Field(() => String, { description: 'As of when the list is, such as 2026-08-20.' })
  sourceDate!: string;

  @Field(() => String, { description: 'SHA-256, in hex, of the list.' })
  contentHash!: string;

  @Field(() => PriceImportStatusEnum, { description: 'How far it is.' })
  status!: PriceImportStatusEnum;

  @Field(() => PriceImportCountsType, { description: 'What came of the list.' })
  counts!: ImportCounts;

  @Field(() => ID, { nullable: true, description: 'The draft version with what was approved.' })
  draftVersionId!: string | null;

  @Field(() => Date, { nullable: true, description: 'From when the approved costs hold.' })
  effectiveAt!: Date | null;

  @Field(() => Date, { description: 'When the list was proposed.' })
  createdAt!: Date;

  tenantId!: string;

  static from(row: PriceImport): PriceImportType {
    return Object.assign(new PriceImportType(), {
      id: row.id,
      tenantId: row.tenantId,
      target: PriceImportTargetEnum[row.target],
      priceBookId: row.priceBookId ?? null,
      format: PriceListFormatEnum[row.format],
      source: row.source,
      sourceDate: row.sourceDate,
      contentHash: row.contentHash,
      status: PriceImportStatusEnum[row.status],
      counts: Object.assign(new PriceImportCountsType(), row.counts),
      draftVersionId: row.draftVersionId ?? null,
      effectiveAt: row.effectiveAt ?? null,
      createdAt: row.createdAt,
    });
  }
}

export const PriceImportConnection = connectionOf('PriceImport', () => PriceImportType);

@ObjectType('PriceImportTerms', { description: 'One side of a line: a price or a cost. Terms without a use are null.' })
export class PriceImportTermsType extends PriceTermsFields {
  @Field(() => String, { description: 'What the price is called.' })
  name!: string;

  @Field(() => PriceListUnitEnum, { description: 'What it counts.' })
  unit!: PriceListUnitEnum;

  @Field(() => ID, { nullable: true, description: 'The meter it prices; null for a cost.' })
  meterId!: string | null;

  @Field(() => [DimensionMatchType], { description: 'Which usage it is for; at most 16.' })
  dimensions!: DimensionMatchType[];

  @Field(() => String, { nullable: true, description: 'Where it was read, and when.' })
  source!: string | null;

  @Field(() => [String], { description: 'Up to 100 places in the entry of the list where the amount stands.' })
  fields!: string[];

  static from({ name, unit, meterId, dimensions, terms, source, fields }: PlannedTerms): PriceImportTermsType {
    return Object.assign(new PriceImportTermsType(), {
      ...termsFields(terms),
      name,
      unit: enumOfUnit(unit),
      meterId,
      dimensions: Object.entries(dimensions)
        .map(([dimension, value]) => Object.assign(new DimensionMatchType(), { name: dimension, value }))
        .sort((a, b) => (a.name < b.name ? -1 : 1)),
      source,
      fields: fields.slice(0, 100),
    });
  }
}

@ObjectType('PriceImportRow', { description: 'A line of an import.' })
export class PriceImportRowType {
  @Field(() => String, { description: 'What it is decided about by: the unit and the dimensions.' })
  key!: string;

  @Field(() => String, { description: 'The key of the AI model.' })
  modelKey!: string;

  @Field(() => PriceImportChangeEnum, { description: 'What it does to what is in force.' })
  change!: PriceImportChangeEnum;

  @Field(() => [PriceProposalFlagEnum], { description: 'Why to look at it by itself; at most 10.' })
  flags!: PriceProposalFlagEnum[];

  @Field(() => String, { nullable: true, description: 'Why it is flagged.' })
  note!: string | null;

  @Field(() => DecimalScalar, {
    nullable: true,
    description: 'The new amount by the old one, where both are prices per unit that differ in nothing else.',
  })
  ratio!: string | null;

  @Field(() => PriceImportTermsType, { nullable: true, description: 'What is in force; null when it is new.' })
  before!: PriceImportTermsType | null;

  @Field(() => PriceImportTermsType, { nullable: true, description: 'What the list says; null when it has it not.' })
  proposed!: PriceImportTermsType | null;

  @Field(() => PriceImportDecisionEnum, { description: 'What somebody said about it.' })
  decision!: PriceImportDecisionEnum;

  @Field(() => String, { nullable: true, description: 'The key or command that decided.' })
  decidedBy!: string | null;

  @Field(() => Date, { nullable: true, description: 'When it was decided.' })
  decidedAt!: Date | null;

  static from(row: ImportRow): PriceImportRowType {
    return Object.assign(new PriceImportRowType(), {
      key: row.key,
      modelKey: row.model,
      change: PriceImportChangeEnum[row.change],
      flags: row.flags.map(flag => PriceProposalFlagEnum[flag]),
      note: row.note,
      ratio: row.ratio,
      before: row.before && PriceImportTermsType.from(row.before),
      proposed: row.proposed && PriceImportTermsType.from(row.proposed),
      decision: PriceImportDecisionEnum[row.decision],
      decidedBy: row.decidedBy,
      decidedAt: row.decidedAt,
    });
  }
}

export const PriceImportRowConnection = connectionOf('PriceImportRow', () => PriceImportRowType);

@ObjectType('PriceListSkip', { description: 'Something of a price list that is no line of the import.' })
export class PriceListSkipType {
  @Field(() => String, { description: 'The entry, as the list calls it.' })
  name!: string;

  @Field(() => String, { nullable: true, description: 'The field of the entry; null for the whole entry.' })
  listField!: string | null;

  @Field(() => String, { description: 'Why.' })
  reason!: string;

  static from(item: { readonly name: string; readonly field: string | null; readonly reason: string }) {
    const { name, field, reason } = item;

    return Object.assign(new PriceListSkipType(), { name, listField: field, reason });
  }
}

export const PriceListSkipConnection = connectionOf('PriceListSkip', () => PriceListSkipType);

@ObjectType('PriceImportDecisions', { description: 'How many changes of an import are decided in which way.' })
export class PriceImportDecisionsType {
  @Field(() => Int, { description: 'Changes nobody has decided about.' })
  open!: number;

  @Field(() => Int, { description: 'Changes that are to happen.' })
  approved!: number;

  @Field(() => Int, { description: 'Changes that are not to happen.' })
  rejected!: number;
}

@ObjectType({ description: 'The answer of priceImportPropose, modelCostImportPropose and modelCostImportApply.' })
export class PriceImportPayload extends OncePayload {
  @Field(() => PriceImportType, { nullable: true, description: 'The import; null when refused.' })
  priceImport?: PriceImportType | null;
}

@ObjectType({ description: 'The answer of priceImportDiscard and modelCostImportDiscard.' })
export class PriceImportDiscardPayload extends MutationPayload {
  @Field(() => PriceImportType, { nullable: true, description: 'The import; null when refused.' })
  priceImport?: PriceImportType | null;
}

@ObjectType({ description: 'The answer of priceImportDecide and modelCostImportDecide.' })
export class PriceImportDecidePayload extends MutationPayload {
  @Field(() => PriceImportType, { nullable: true, description: 'The import; null when refused.' })
  priceImport?: PriceImportType | null;

  @Field(() => Int, { nullable: true, description: 'Lines that are decided otherwise than before.' })
  decided?: number | null;
}

@ObjectType({ description: 'The answer of priceImportDraft.' })
export class PriceImportDraftPayload extends OncePayload {
  @Field(() => PriceImportType, { nullable: true, description: 'The import; null when refused.' })
  priceImport?: PriceImportType | null;

  @Field(() => PriceBookVersionType, { nullable: true, description: 'The draft; null when refused.' })
  priceBookVersion?: PriceBookVersionType | null;
}

import { registerEnumType } from 'type-graphql';
import type { PriceUnit } from './proposal.rules.js';

export enum PriceImportTargetEnum {
  BOOK = 'BOOK',
  COSTS = 'COSTS',
}
registerEnumType(PriceImportTargetEnum, {
  name: 'PriceImportTarget',
  description: 'What an import is for.',
  valuesConfig: {
    BOOK: { description: 'The prices of a book, what usage is sold for.' },
    COSTS: { description: 'What models cost us.' },
  },
});

export enum PriceListFormatEnum {
  LITELLM = 'LITELLM',
  LANGFUSE = 'LANGFUSE',
}
registerEnumType(PriceListFormatEnum, {
  name: 'PriceListFormat',
  description: 'How a price list is written. Prices are US dollars in both.',
  valuesConfig: {
    LITELLM: { description: "LiteLLM's map: a JSON object of costs by model name." },
    LANGFUSE: { description: "Langfuse's JSON list of models with tiers of prices." },
  },
});

export enum PriceImportStatusEnum {
  PROPOSED = 'PROPOSED',
  DRAFTED = 'DRAFTED',
  APPLIED = 'APPLIED',
  DISCARDED = 'DISCARDED',
}
registerEnumType(PriceImportStatusEnum, {
  name: 'PriceImportStatus',
  description: 'How far an import is.',
  valuesConfig: {
    PROPOSED: { description: 'Its changes are decided about; nothing of it has happened.' },
    DRAFTED: { description: 'What was approved is in a draft version of the book, which somebody may publish.' },
    APPLIED: { description: 'What was approved is what models cost us from an instant on.' },
    DISCARDED: { description: 'Nothing came of it.' },
  },
});

export enum PriceImportChangeEnum {
  ADDED = 'ADDED',
  CHANGED = 'CHANGED',
  REMOVED = 'REMOVED',
  SAME = 'SAME',
}
registerEnumType(PriceImportChangeEnum, {
  name: 'PriceImportChange',
  description: 'What a line of an import does to what is in force.',
  valuesConfig: {
    ADDED: { description: 'The list has it and nothing in force does.' },
    CHANGED: { description: 'The list says something else than what is in force.' },
    REMOVED: { description: 'It is in force, and the list, which knows the model, does not have it.' },
    SAME: { description: 'Both say the same: nothing to decide.' },
  },
});

export enum PriceImportDecisionEnum {
  OPEN = 'OPEN',
  APPROVED = 'APPROVED',
  REJECTED = 'REJECTED',
}
registerEnumType(PriceImportDecisionEnum, {
  name: 'PriceImportDecision',
  description: 'What somebody said about a line of an import.',
  valuesConfig: {
    OPEN: { description: 'Nothing yet; it does not happen.' },
    APPROVED: { description: 'It is to happen.' },
    REJECTED: { description: 'It is not to happen.' },
  },
});

export enum PriceProposalFlagEnum {
  ZERO_PRICE = 'ZERO_PRICE',
  MISSING_PRICE = 'MISSING_PRICE',
  DUPLICATE = 'DUPLICATE',
  SUSPICIOUS = 'SUSPICIOUS',
  UNKNOWN_FIELD = 'UNKNOWN_FIELD',
  UNKNOWN_PROVIDER = 'UNKNOWN_PROVIDER',
  NAME_MISMATCH = 'NAME_MISMATCH',
  UNKNOWN_MODEL = 'UNKNOWN_MODEL',
  OTHER_BANDS = 'OTHER_BANDS',
}
registerEnumType(PriceProposalFlagEnum, {
  name: 'PriceProposalFlag',
  description: 'Why a person should look at a line of an import by itself. Flags are added over time.',
  valuesConfig: {
    ZERO_PRICE: { description: 'The list says 0, which may be unknown as well as free.' },
    MISSING_PRICE: { description: 'The list has no price of something that goes with it.' },
    DUPLICATE: { description: 'The list prices it more than once.' },
    SUSPICIOUS: { description: 'The amount is out of proportion.' },
    UNKNOWN_FIELD: { description: 'The list says something about the model that is not understood.' },
    UNKNOWN_PROVIDER: { description: 'The list does not say whose model it is.' },
    NAME_MISMATCH: { description: "The list's own pattern does not take the name of the model." },
    UNKNOWN_MODEL: {
      description: 'It names a context band, and nobody has entered the model with its bands: it would match no usage.',
    },
    OTHER_BANDS: { description: 'The model is entered with other context bands than the list has.' },
  },
});

export enum PriceListUnitEnum {
  TOKEN = 'TOKEN',
  CHARACTER = 'CHARACTER',
  PIXEL = 'PIXEL',
  IMAGE = 'IMAGE',
  SECOND = 'SECOND',
  QUERY = 'QUERY',
  REQUEST = 'REQUEST',
}
registerEnumType(PriceListUnitEnum, {
  name: 'PriceListUnit',
  description: 'What a price of a list counts.',
  valuesConfig: {
    TOKEN: { description: 'Tokens.' },
    CHARACTER: { description: 'Characters.' },
    PIXEL: { description: 'Pixels of an image.' },
    IMAGE: { description: 'Images.' },
    SECOND: { description: 'Seconds of audio, video or computing.' },
    QUERY: { description: 'Web searches, and search units of a rerank.' },
    REQUEST: { description: 'Requests.' },
  },
});

/** The unit of the rules. */
export function unitOfEnum(unit: PriceListUnitEnum): PriceUnit {
  return unit.toLowerCase() as Lowercase<PriceListUnitEnum>;
}

/** The unit of the API. */
export function enumOfUnit(unit: PriceUnit): PriceListUnitEnum {
  return PriceListUnitEnum[unit.toUpperCase() as Uppercase<PriceUnit>];
}

import { type Decimal, decimal, isCurrency, parseDecimal } from '../money/index.js';
import { DERIVED_DIMENSIONS, isCleanText, MAX_DIMENSION_LENGTH, MAX_DIMENSIONS } from './meter.rules.js';

/** A stretch of prompt lengths, up to where the next one begins. */
export interface ContextBand {
  /** The band holds prompts of more than so many tokens … */
  readonly above: string;
  /** … or, when true, of at least so many. */
  readonly inclusive?: boolean;
  /** The name prices bind, such as long. */
  readonly name: string;
}

/** The bands of a model from an instant on, until the next one. */
export interface ModelContext {
  readonly effectiveAt: Date;
  readonly bands: readonly ContextBand[];
}

/** What folding an event has to know of its model. */
export interface CatalogModel {
  readonly key: string;
  readonly provider: string;
  readonly family: string;
  /** The bands from the beginning, and those that took their place, ascending by instant. */
  readonly contextBands: readonly ContextBand[];
  readonly contexts: readonly ModelContext[];
}

/** Which usage a cost rate is for: a dimension and its value, or the beginning of one followed by `*`. */
export interface CostDimension {
  readonly name: string;
  readonly value: string;
}

/** What one unit of usage of a model costs us, such as `{kind: "input_tokens", amount: "2", per: "1000000"}`. */
export interface CostRate {
  /** The kind of tokens, or the key of the meter. */
  readonly kind: string;
  readonly amount: string;
  readonly per: string;
  /** Dimensions that are not named are free; empty or absent for all usage of the kind. */
  readonly dimensions?: readonly CostDimension[];
}

/** A model as it is entered. */
export interface ModelDraft {
  readonly key: string;
  readonly provider: string;
  readonly family: string;
  readonly modality: string;
  readonly contextBands: readonly ContextBand[];
}

/** A cost as it is entered. */
export interface CostDraft {
  readonly currency: string;
  readonly source: string;
  readonly rates: readonly CostRate[];
}

/** One fault of an input, with the path of the field, outermost first. */
export interface Refusal {
  readonly field: readonly string[];
  readonly message: string;
}

/** The name of the stretch below the first band. */
const SHORTEST = 'short';
const MAX_BANDS = 16;
/** A price binds so many dimensions at most, and so does a cost: the own ones of a meter and those it derives. */
const MAX_COST_DIMENSIONS = MAX_DIMENSIONS + DERIVED_DIMENSIONS.length;
const NAME = /^[a-z][a-z0-9_]{0,62}$/;
const WORD = /^[a-z0-9][a-z0-9._:/@-]{0,127}$/;

/** Why a model cannot be entered as described; empty when it can. */
export function refuseModel(draft: ModelDraft): Refusal[] {
  const refusals: Refusal[] = [];

  for (const field of ['key', 'provider', 'family', 'modality'] as const) {
    if (!WORD.test(draft[field])) {
      refusals.push({
        field: [field],
        message: `${field} has 1 to 128 lower-case letters, digits and . _ : / @ -, such as gpt-6.2-sol`,
      });
    }
  }

  return [...refusals, ...refuseBands(draft.contextBands, 'contextBands')];
}

/** Why these cannot be the bands of a model; empty when they can. No bands is an answer too. `field` is where they stand. */
export function refuseBands(bands: readonly ContextBand[], field: string): Refusal[] {
  const refusals: Refusal[] = [];
  const names = new Set([SHORTEST]);
  let last = parseDecimal('0');

  if (bands.length > MAX_BANDS) {
    refusals.push({ field: [field], message: `a model has at most ${MAX_BANDS} context bands, not ${bands.length}` });
  }

  for (const [index, band] of bands.entries()) {
    const above = parseDecimal(band.above);
    const path = [field, String(index)];

    if (!WORD.test(band.name) || names.has(band.name)) {
      refusals.push({
        field: [...path, 'name'],
        message: `a context band has a name of its own such as long; what lies below the first one is ${SHORTEST}`,
      });
    }

    if (!above || !last || above.lte(last)) {
      refusals.push({
        field: [...path, 'above'],
        message: 'context bands start at ascending numbers of tokens above 0',
      });
    }

    names.add(band.name);
    last = above ?? last;
  }

  return refusals;
}

/** The band of a prompt of so many tokens: `short` below the first one; null when the model has no bands. */
export function bandOf(bands: readonly ContextBand[], promptTokens: Decimal): string | null {
  if (bands.length === 0) {
    return null;
  }

  let name = SHORTEST;

  for (const band of bands) {
    const above = decimal(band.above);

    if (band.inclusive ? promptTokens.lt(above) : promptTokens.lte(above)) {
      break;
    }

    name = band.name;
  }

  return name;
}

/** The bands of a model that are in force at an instant. `contexts` ascend. */
export function bandsAt(
  { contextBands, contexts }: Pick<CatalogModel, 'contextBands' | 'contexts'>,
  instant: Date,
): readonly ContextBand[] {
  return contexts.findLast(({ effectiveAt }) => effectiveAt <= instant)?.bands ?? contextBands;
}

/** Why a cost cannot be entered as described; empty when it can. Zero is a price that somebody has to mean: it is allowed. */
export function refuseCost(draft: CostDraft): Refusal[] {
  const refusals: Refusal[] = [];

  if (!isCurrency(draft.currency)) {
    refusals.push({ field: ['currency'], message: 'currency is an ISO 4217 currency in use' });
  }

  if (
    draft.source.trim().length < 1 ||
    draft.source.length > 500 ||
    !draft.source.isWellFormed() ||
    draft.source.includes('\0')
  ) {
    refusals.push({
      field: ['source'],
      message: 'source says in 1 to 500 characters where the cost was read, and when',
    });
  }

  if (draft.rates.length < 1 || draft.rates.length > 200) {
    refusals.push({ field: ['rates'], message: 'a cost has 1 to 200 rates' });
  }

  for (const [index, rate] of draft.rates.entries()) {
    const amount = parseDecimal(rate.amount, { integerDigits: 16, fractionDigits: 12 });
    const per = parseDecimal(rate.per, { integerDigits: 16, fractionDigits: 0 });
    const field = ['rates', String(index)];

    if (!WORD.test(rate.kind)) {
      refusals.push({ field: [...field, 'kind'], message: 'kind names what is counted, such as input_tokens' });
    }

    if (!amount || amount.isNegative()) {
      refusals.push({ field: [...field, 'amount'], message: 'amount is a decimal from 0' });
    }

    if (!per || per.lte(0)) {
      refusals.push({ field: [...field, 'per'], message: 'per is a whole number above 0, such as 1000000' });
    }

    refusals.push(...refuseCostDimensions(rate.dimensions ?? [], [...field, 'dimensions']));
  }

  return refusals;
}

function refuseCostDimensions(dimensions: readonly CostDimension[], path: readonly string[]): Refusal[] {
  const refusals: Refusal[] = [];
  const names = new Set<string>();

  if (dimensions.length > MAX_COST_DIMENSIONS) {
    refusals.push({ field: path, message: `a rate binds at most ${MAX_COST_DIMENSIONS} dimensions` });
  }

  for (const [index, { name, value }] of dimensions.entries()) {
    const field = [...path, String(index)];

    if (!NAME.test(name) || names.has(name)) {
      refusals.push({
        field: [...field, 'name'],
        message: 'name is a dimension such as service_tier, and stands once',
      });
    }

    if (value.length < 1 || value.length > MAX_DIMENSION_LENGTH || !isCleanText(value) || /\*./s.test(value)) {
      refusals.push({
        field: [...field, 'value'],
        message: `value has 1 to ${MAX_DIMENSION_LENGTH} characters, and a * only at its end`,
      });
    }

    names.add(name);
  }

  return refusals;
}

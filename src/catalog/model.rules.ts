import { isCurrency, parseDecimal } from '../money/index.js';

export interface ModelDraft {
  readonly key: string;
  readonly provider: string;
  readonly family: string;
  readonly modality: string;
  readonly contextBands: readonly { readonly above: string; readonly name: string }[];
}

export interface CostDraft {
  readonly currency: string;
  readonly source: string;
  readonly rates: readonly { readonly kind: string; readonly amount: string; readonly per: string }[];
}

export interface Refusal {
  readonly field: readonly string[];
  readonly message: string;
}

const WORD = /^[a-z0-9][a-z0-9._:/-]{0,127}$/;

/** Why a model cannot be entered as described; empty when it can. */
export function refuseModel(draft: ModelDraft): Refusal[] {
  const refusals: Refusal[] = [];

  for (const field of ['key', 'provider', 'family', 'modality'] as const) {
    if (!WORD.test(draft[field])) {
      refusals.push({
        field: [field],
        message: `${field} has 1 to 128 lower-case letters, digits and . _ : / -, such as gpt-6.2-sol`,
      });
    }
  }

  let last = parseDecimal('0');

  for (const [index, band] of draft.contextBands.entries()) {
    const above = parseDecimal(band.above);
    const field = ['contextBands', String(index)];

    if (!WORD.test(band.name)) {
      refusals.push({ field: [...field, 'name'], message: 'a context band has a name such as long' });
    }

    if (!above || !last || above.lte(last)) {
      refusals.push({
        field: [...field, 'above'],
        message: 'context bands start at ascending numbers of tokens above 0',
      });
    }

    last = above ?? last;
  }

  return refusals;
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

  if (draft.rates.length < 1 || draft.rates.length > 64) {
    refusals.push({ field: ['rates'], message: 'a cost has 1 to 64 rates' });
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
  }

  return refusals;
}

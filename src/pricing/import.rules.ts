import { refuseModel } from '../catalog/model.rules.js';
import { type Decimal, formatDecimal } from '../money/index.js';
import { findFaults } from './import-checks.rules.js';
import { exactNumber } from './json-text.rules.js';
import type { Candidate, ListedPrice, ListEntry } from './listed-price.rules.js';
import {
  priceKey,
  type PriceListReading,
  type ProposedModel,
  type ProposedPrice,
  type SkippedItem,
  unitPrice,
} from './proposal.rules.js';

/** A member that was not named in this list's format when it was last looked at. */
export const UNKNOWN_MEMBER = 'a field that this import does not know';

const MILLION = '1000000';
const MOST_SHOWN = 200;
/** As long as a note may be. */
const MOST_NOTE = 1_000;
/** A model with more prices than this is none: the richest has 40. */
const MOST_PRICES = 500;

/** Proposals of the entries. Entries of one model, however its name is cased, become one, and are flagged. */
export function proposePrices(
  entries: readonly ListEntry[],
  source: string,
  unread: readonly SkippedItem[],
): PriceListReading {
  const rows: ProposedPrice[] = [];
  const models: ProposedModel[] = [];
  const skipped: SkippedItem[] = unread.map(shownItem);

  for (const [key, same] of Map.groupBy(entries, ({ name }) => name.toLowerCase())) {
    const [entry] = same.length > 1 ? [merged(same)] : same;

    if (!entry) {
      continue;
    }

    const { provider, modality, contextBands, aliases } = entry;
    const refusals = [
      ...refuseModel({ key, provider, family: provider, modality, contextBands }).map(({ message }) => message),
      ...(entry.prices.length > MOST_PRICES ? [`it has more than ${MOST_PRICES} prices`] : []),
    ];

    if (refusals.length > 0) {
      const reason = refusals.join('; ');
      skipped.push(...same.map(({ name }) => shownItem({ name, field: null, reason })));
      continue;
    }

    const { found, refused } = candidates(key, entry);
    skipped.push(...[...entry.skipped, ...refused].map(item => shownItem({ name: entry.name, ...item })));

    if (found.length > 0) {
      const others = aliases.filter(alias => alias !== key);
      models.push({ key, provider, family: null, modality, contextBands, aliases: others });
      rows.push(...found.flatMap(candidate => proposal(key, entry, source, candidate)));
    } else if (entry.skipped.length + refused.length === 0) {
      skipped.push(shownItem({ name: entry.name, field: null, reason: 'it has no price' }));
    }
  }

  const distinct = new Map(skipped.map(item => [JSON.stringify(item), item]));

  return { currency: 'USD', entries: entries.length + unread.length, rows, models, skipped: [...distinct.values()] };
}

function shownItem({ name, field, reason }: SkippedItem): SkippedItem {
  return { name: shown(name), field: field === null ? null : shown(field), reason: shown(reason, MOST_NOTE) };
}

/** A stranger's text, fit for a row and a screen: without control characters and broken pairs, and not long. */
function shown(text: string, most = MOST_SHOWN): string {
  return text
    .slice(0, most)
    .toWellFormed()
    .replaceAll(/\p{Cc}/gu, '�');
}

/** Several entries of one model as one. */
function merged(same: readonly ListEntry[]): ListEntry | undefined {
  const [first] = same;
  const message = `the list has ${same.length} entries of this model`;

  return (
    first && {
      ...first,
      contextBands: first.contextBands.length > 0 ? first.contextBands : (same.at(-1)?.contextBands ?? []),
      prices: same.flatMap(({ prices }) => prices),
      skipped: same.flatMap(({ skipped }) => skipped),
      faults: [...same.flatMap(({ faults }) => faults), { flag: 'DUPLICATE', message }],
    }
  );
}

interface Priced extends ListedPrice {
  readonly each: Decimal;
}

/** The prices of an entry by their keys, with what is odd about them, and what cannot be a price. */
function candidates(
  model: string,
  entry: ListEntry,
): { readonly found: readonly Candidate[]; readonly refused: ListEntry['skipped'] } {
  const refused: { field: string; reason: string }[] = [];
  const priced = entry.prices.flatMap((price): readonly Priced[] => {
    const each = exactNumber(price.number);
    const reason =
      each === null || each.isNegative() ? 'is no price' : unitPrice(each, price.unit) ? null : 'is too fine';

    if (each === null || reason !== null) {
      refused.push({ field: price.field, reason: `${price.number.number.slice(0, 40)} ${reason ?? ''}` });

      return [];
    }

    return [{ ...price, each }];
  });

  const reasoning = priced.filter(({ kind }) => kind === 'reasoning');
  const byKey = Map.groupBy(
    narrowed(
      model,
      priced.filter(({ kind }) => kind !== 'reasoning'),
    ),
    ({ key }) => key,
  );
  const found = [...byKey.values()].map(united).map(candidate => withReasoning(candidate, reasoning));

  for (const { field, each, tier, band } of reasoning) {
    const output = found.find(candidate => isOutput(candidate) && candidate.tier === tier && candidate.band === band);

    if (!output?.fields.includes(field)) {
      const price = perMillion(each);
      refused.push({
        field,
        reason: output
          ? `reasoning tokens are output tokens, which are ${perMillion(output.each)} here, not ${price}`
          : `reasoning tokens are output tokens, which have no price here`,
      });
    }
  }

  return { found: findFaults(found, entry.modality), refused };
}

function isOutput({ kind, unit }: Pick<Candidate, 'kind' | 'unit'>): boolean {
  return kind === 'output' && unit === 'token';
}

/** An output price with what the list says of reasoning tokens: that the same holds for them, or a doubt. */
function withReasoning(candidate: Candidate, reasoning: readonly Priced[]): Candidate {
  if (!isOutput(candidate)) {
    return candidate;
  }

  const own = reasoning.filter(({ tier, band }) => tier === candidate.tier && band === candidate.band);
  const [alike, other] = [
    own.filter(({ each }) => each.eq(candidate.each)),
    own.filter(({ each }) => !each.eq(candidate.each)),
  ];
  const message = `the list has reasoning tokens at ${other.map(({ each }) => perMillion(each)).join(' and ')}`;

  return {
    ...candidate,
    fields: [...candidate.fields, ...alike.map(({ field }) => field)],
    faults: [...candidate.faults, ...(other.length > 0 ? [{ flag: 'SUSPICIOUS' as const, message }] : [])],
  };
}

function perMillion(each: Decimal): string {
  return `${formatDecimal(each.times(MILLION))} per ${MILLION}`;
}

/**
 * The dimensions that each price needs. Tokens name their tier always, so that a price that is added for another tier
 * leaves them alone. What is not counted in tokens names tier and band only where the price depends on them.
 */
function narrowed(model: string, prices: readonly Priced[]): readonly Candidate[] {
  const groups = Map.groupBy(prices, ({ unit, kind, more }) => JSON.stringify([unit, kind, more ?? null]));

  return [...groups.values()].flatMap(group => {
    const [first] = group;
    const isToken = first?.unit === 'token';
    const isOne =
      !isToken && group.some(isPlain) && group.every(({ each }) => first !== undefined && each.eq(first.each));
    const hasTiers = isToken || new Set(group.map(({ tier }) => tier)).size > 1;

    return group.map(({ unit, kind, tier, band, more, each, field }) => {
      const dimensions = {
        model,
        ...(kind === null ? {} : { token_kind: kind }),
        ...(hasTiers && !isOne ? { service_tier: tier } : {}),
        ...(band === null || isOne ? {} : { context_band: band }),
        ...more,
      };

      return {
        key: priceKey(unit, dimensions),
        dimensions,
        unit,
        kind,
        tier,
        band: isOne ? null : band,
        each,
        fields: [field],
        faults: [],
      };
    });
  });
}

/** Whether it is the price where no tier and no band is named. */
function isPlain({ tier, band }: Priced): boolean {
  return tier === 'standard' && (band === null || band === 'short');
}

/** Several figures for one key: the first one's amount, and a doubt when they differ. */
function united(same: readonly Candidate[]): Candidate {
  const [first, ...rest] = same;

  if (!first) {
    throw new TypeError('a key without prices');
  }

  const others = rest.filter(({ each }) => !each.eq(first.each));
  const said = ({ each, fields }: Candidate) => `${fields.join()} says ${formatDecimal(each)}`;
  const message = `the list disagrees with itself: ${[first, ...others].map(said).join(', ')}`;

  return {
    ...first,
    fields: [...new Set(same.flatMap(({ fields }) => fields))],
    faults:
      others.length > 0
        ? [
            { flag: 'DUPLICATE', message },
            { flag: 'SUSPICIOUS', message },
          ]
        : [],
  };
}

function proposal(
  model: string,
  { provider, modality, sourceDate, faults: entryFaults }: ListEntry,
  source: string,
  { key, unit, dimensions, each, fields, faults: ownFaults }: Candidate,
): readonly ProposedPrice[] {
  const price = unitPrice(each, unit);
  const faults = [...ownFaults, ...entryFaults];
  const messages = [...new Set(faults.map(({ message }) => message))];

  return price
    ? [
        {
          key,
          model,
          provider,
          modality,
          unit,
          dimensions,
          ...price,
          source,
          sourceDate,
          fields: fields.map(field => shown(field)),
          flags: [...new Set(faults.map(({ flag }) => flag))],
          note: messages.length > 0 ? shown(messages.join('; '), MOST_NOTE) : null,
        },
      ]
    : [];
}

import type { ContextBand } from '../catalog/model.rules.js';
import { decimal, divide, formatDecimal } from '../money/index.js';
import { diffPrices } from './diff.rules.js';
import type { PriceTermsJson } from './price.rules.js';
import {
  priceKey,
  type PriceListReading,
  type PriceUnit,
  type ProposalFlag,
  type ProposedModel,
  type ProposedPrice,
  type SkippedItem,
} from './proposal.rules.js';

/** What becomes of a price when an import is approved as a whole. */
export type ImportChange = 'ADDED' | 'CHANGED' | 'REMOVED' | 'SAME';

/** A meter that prices of a unit are proposed for. */
export interface PlanMeter {
  readonly id: string;
  readonly key: string;
  /** The names that its prices may bind. */
  readonly dimensions: readonly string[];
}

/** Which meter counts what. A unit without a meter is left out. */
export type PlanMeters = ReadonlyMap<PriceUnit, PlanMeter>;

/** A price or cost as an import stores it, on either side of a change. */
export interface PlannedTerms {
  readonly name: string;
  readonly unit: PriceUnit;
  readonly dimensions: Readonly<Record<string, string>>;
  /** `null` for a cost. */
  readonly meterId: string | null;
  readonly terms: PriceTermsJson;
  readonly source: string | null;
  /** Where in the list's entry it stands; empty for what is in force. */
  readonly fields: readonly string[];
  /** The price in force; `null` for what is proposed, and for a cost. */
  readonly priceId: string | null;
}

/** What is in force, of the models that the list speaks of. */
export interface InForce {
  readonly key: string;
  readonly model: string;
  readonly now: PlannedTerms;
}

/** A line of an import: what is, what is proposed, and whether a person has to look at it alone. */
export interface PlannedRow {
  readonly key: string;
  readonly model: string;
  readonly change: ImportChange;
  readonly flags: readonly ProposalFlag[];
  readonly note: string | null;
  /** After by before, a decimal. */
  readonly ratio: string | null;
  /** `null` when the list has it no more. */
  readonly proposed: PlannedTerms | null;
  /** `null` when it is new. */
  readonly before: PlannedTerms | null;
}

/** An import before anybody has decided anything, and what of the list is not in it. */
export interface ImportPlan {
  readonly rows: readonly PlannedRow[];
  readonly models: readonly ProposedModel[];
  readonly skipped: readonly SkippedItem[];
}

/** The context bands of a model that the catalog knows, in force now; `null` for one that it does not. */
export type KnownBands = (model: string) => readonly ContextBand[] | null;

const MILLION = '1000000';
const TEN = 10;
/** Counted on the meter of tokens, though they are none. */
const SEARCHES: readonly string[] = ['web_search', 'search_unit'];

/** Whether a model is among the asked ones: names, or beginnings of names followed by `*`, in any case; none for all. */
export function isAsked(model: string, globs: readonly string[]): boolean {
  const isOf = (glob: string): boolean => (glob.endsWith('*') ? model.startsWith(glob.slice(0, -1)) : model === glob);

  return globs.length === 0 || globs.some(glob => isOf(glob.toLowerCase()));
}

/** The list without the models that nobody asked for. */
export function askedOnly(list: PriceListReading, globs: readonly string[]): PriceListReading {
  const isOf = (model: string): boolean => isAsked(model, globs);

  return {
    ...list,
    rows: list.rows.filter(({ model }) => isOf(model)),
    models: list.models.filter(({ key }) => isOf(key)),
    skipped: list.skipped.filter(({ name }) => isOf(name.toLowerCase())),
  };
}

/** The unit that a price in force on a meter is for, by what the units' meters are; `null` when it is on none. */
export function unitOf(meters: PlanMeters, meterId: string, dimensions: PlannedTerms['dimensions']): PriceUnit | null {
  const units = [...meters].flatMap(([unit, { id }]) => (id === meterId ? [unit] : []));
  const isSearch = SEARCHES.includes(dimensions['token_kind'] ?? '');

  return units.find(unit => (unit === 'query') === isSearch) ?? units[0] ?? null;
}

/**
 * Lays the list beside what is in force. A dimension that the unit's meter does not have is left away where that says the same
 * (the standard tier; the kind of what is not counted in tokens), and else the price is left out with the reason; so are
 * prices that could then no longer be told apart.
 */
export function planImport(
  list: PriceListReading,
  meters: PlanMeters,
  inForce: readonly InForce[],
  knownBands: KnownBands,
): ImportPlan {
  const skipped = [...list.skipped];
  const bound = new Map<string, (readonly [row: ProposedPrice, bound: PlannedTerms])[]>();

  for (const row of list.rows) {
    const read = bind(row, meters);

    if (typeof read === 'string') {
      skipped.push({ name: row.model, field: row.fields.join(', '), reason: read });
    } else {
      const key = priceKey(row.unit, read.dimensions);
      bound.set(key, [...(bound.get(key) ?? []), [row, read]]);
    }
  }

  const models = new Map(list.models.map(model => [model.key, model]));
  const before = new Map(inForce.map(item => [item.key, item.now]));
  const proposed = new Map<string, { readonly row: ProposedPrice; readonly terms: PlannedTerms }>();

  for (const [key, [first, ...others]] of bound) {
    if (first && others.length === 0) {
      const [row, terms] = first;
      proposed.set(key, { row, terms: { ...terms, terms: applied(terms.terms, before.get(key)?.terms) } });
    } else {
      const reason = 'the meter does not tell it from another price of the model';
      skipped.push(
        ...(bound.get(key) ?? []).map(([row]) => ({ name: row.model, field: row.fields.join(', '), reason })),
      );
    }
  }

  const diff = diffPrices(
    inForce
      .filter(({ model }) => models.has(model))
      .map(({ key, now }) => ({ key, name: now.name, terms: text(now.terms) })),
    [...proposed].map(([key, { terms }]) => ({ key, name: terms.name, terms: text(terms.terms) })),
  );
  const line = (key: string, change: ImportChange, ratio: string | null): readonly PlannedRow[] => {
    const [now, next] = [before.get(key) ?? null, proposed.get(key)];
    const model = next?.row.model ?? now?.dimensions['model'] ?? '';
    const faults =
      next && change !== 'SAME'
        ? [...ownFaults(next.row), ...changeFaults(now, ratio), ...bandFaults(next, models, knownBands)]
        : [];
    const note = [...new Set(faults.map(([, message]) => message))].join('; ');

    return [
      {
        key,
        model,
        change,
        flags: [...new Set(faults.flatMap(([flag]) => flag))],
        note: note === '' ? null : note,
        ratio,
        proposed: next?.terms ?? null,
        before: now,
      },
    ];
  };

  return {
    rows: [
      ...diff.added.flatMap(({ key }) => line(key, 'ADDED', null)),
      ...diff.changed.flatMap(({ key, ratio }) => line(key, 'CHANGED', ratio)),
      ...diff.removed.flatMap(({ key }) => line(key, 'REMOVED', null)),
      ...diff.same.flatMap(({ key }) => line(key, 'SAME', null)),
    ],
    models: list.models,
    skipped,
  };
}

type Fault = readonly [flags: readonly ProposalFlag[], message: string];

function ownFaults({ flags, note }: ProposedPrice): readonly Fault[] {
  return flags.length > 0 ? [[flags, note ?? '']] : [];
}

/** What is odd about a change by itself: another model of pricing, or ten times as much. */
function changeFaults(before: PlannedTerms | null, ratio: string | null): readonly Fault[] {
  if (!before) {
    return [];
  }

  if (before.terms.model !== 'UNIT') {
    return [[['SUSPICIOUS'], `it takes the place of a price by ${before.terms.model}`]];
  }

  const times = ratio === null ? null : decimal(ratio);

  return times && !times.isZero() && (times.gte(TEN) || times.times(TEN).lte(1))
    ? [[['SUSPICIOUS'], `${formatDecimal(times)} times the price in force`]]
    : [];
}

function bandFaults(
  { row, terms }: { readonly row: ProposedPrice; readonly terms: PlannedTerms },
  models: ReadonlyMap<string, ProposedModel>,
  knownBands: KnownBands,
): readonly Fault[] {
  if (terms.dimensions['context_band'] === undefined) {
    return [];
  }

  const known = knownBands(row.model);

  if (!known) {
    return [[['UNKNOWN_MODEL'], `nobody has entered the model ${row.model} with its context bands`]];
  }

  return bandText(known) === bandText(models.get(row.model)?.contextBands ?? [])
    ? []
    : [[['OTHER_BANDS'], `the model ${row.model} is entered with other context bands than the list has`]];
}

function bandText(bands: readonly ContextBand[]): string {
  return JSON.stringify(bands.map(({ above, inclusive, name }) => [above, inclusive ?? false, name]));
}

/** The price on its meter, or why the meter cannot hold it. */
function bind(row: ProposedPrice, meters: PlanMeters): PlannedTerms | string {
  const meter = meters.get(row.unit);

  if (!meter) {
    return `no meter counts it by the ${row.unit}: name one for the unit`;
  }

  const { token_kind: kind, service_tier: tier, ...others } = row.dimensions;
  const has = (name: string): boolean => meter.dimensions.includes(name);
  // Where tokens are counted, a price without a kind would be one for all of them.
  const needsKind = has('token_kind') || meters.get('token')?.id === meter.id;
  const needed = {
    ...others,
    ...(tier === undefined || (tier === 'standard' && !has('service_tier')) ? {} : { service_tier: tier }),
    ...(kind === undefined || !needsKind ? {} : { token_kind: kind }),
  };
  const missing = Object.keys(needed).find(name => !has(name));

  if (missing !== undefined) {
    return `meter ${meter.key} has no dimension ${missing}`;
  }

  const told = [kind?.replaceAll('_', ' '), tier === 'standard' ? undefined : tier, others['context_band']];
  const name = [row.model, ...told.filter(part => part !== undefined)].join(' ');

  return {
    name,
    unit: row.unit,
    dimensions: needed,
    meterId: meter.id,
    terms: { model: 'UNIT', unitAmount: row.unitAmount, per: row.per },
    source: `${row.source}, ${row.sourceDate}`,
    fields: row.fields,
    priceId: null,
  };
}

/** The price in force with the amount of the list: what else it says stays. Of another kind, it is replaced. */
function applied(next: PriceTermsJson, now: PriceTermsJson | undefined): PriceTermsJson {
  return now?.model === 'UNIT' ? { ...now, ...next } : next;
}

/** Canonical text in which the same rate is the same, whatever it is per. */
function text(terms: PriceTermsJson): string {
  const { model, unitAmount, per = '1', ...rest } = terms;

  if (model !== 'UNIT' || unitAmount === undefined) {
    return JSON.stringify(sorted(terms));
  }

  const amount = divide(decimal(unitAmount).times(MILLION), decimal(per));

  return JSON.stringify({ model, unitAmount: formatDecimal(amount), per: MILLION, ...sorted(rest) });
}

function sorted(terms: object): object {
  return Object.fromEntries(Object.entries(terms).sort(([a], [b]) => (a < b ? -1 : 1)));
}

import { dimensionNames, type Meter } from '../catalog/index.js';
import { type Decimal, isCurrency, maxOf, sum, ZERO } from '../money/index.js';
import { DomainError, ErrorCode, newId, type Scope } from '../platform/index.js';
import { isCleanText } from '../tenants/index.js';
import { adjustmentJson, type AdjustmentJson, type BasisJson, covers, readAdjustments } from './basis.rules.js';
import {
  DISCOUNT_BASES,
  DISCOUNT_MODES,
  type Discount,
  type DiscountBasis,
  type DiscountJson,
  discountJson,
  type DiscountMode,
  readDiscountTiers,
} from './discount-terms.rules.js';
import { fxSnapshotById } from './fx-snapshots.service.js';
import type { LivePrice } from './live-price.rules.js';
import type { LivePrices, LiveVersion } from './live-prices.js';
import { type DimensionPattern, refusePrices } from './pattern.rules.js';
import { type PriceBook, PriceBookVersion } from './price-book.entity.js';
import { bookById, refuseBasis, versionById } from './price-book.queries.js';

/** A basis as it is given. */
export interface BasisDraft {
  readonly priceBookId: string;
  readonly versionId?: string | null;
  readonly adjustments?: readonly AdjustmentJson[];
  readonly fxSnapshotId?: string | null;
}

/** A discount as it is given. */
export interface DiscountDraft {
  readonly name: string;
  readonly meterId?: string | null;
  readonly dimensions?: DimensionPattern;
  /** That of the book when absent. */
  readonly currency?: string | null;
  readonly basis: DiscountBasis;
  /** VOLUME when absent; a COMMITMENT knows no other. */
  readonly mode?: DiscountMode | null;
  readonly tiers: readonly { readonly upTo?: string | null; readonly rate: string }[];
}

/** The meters that may be named, by id. */
type Meters = ReadonlyMap<string, Meter>;

const MAX_ADJUSTMENTS = 1_000;
const MAX_DISCOUNTS = 100;
const MAX_DIMENSIONS = 16;

/** The meters that a basis and discounts name. */
export function metersNamed(basis: BasisDraft | null, discounts: readonly DiscountDraft[]): string[] {
  return [...(basis?.adjustments ?? []), ...discounts].flatMap(({ meterId }) => meterId ?? []);
}

/** The basis of a draft of a book, every part of it checked. Locks the bases of the tenant. */
export async function readBasis(
  tx: Scope,
  book: PriceBook,
  draft: BasisDraft,
  meters: Meters,
  live: LivePrices,
): Promise<BasisJson> {
  const { versionId = null, adjustments = [], fxSnapshotId = null } = draft;
  const parent = await bookById(tx, draft.priceBookId, ['basis', 'priceBookId']);
  const version = versionId === null ? null : await versionById(tx, versionId, ['basis', 'versionId']);
  refuseParentVersion(parent, version, ['basis', 'versionId']);

  if (adjustments.length > MAX_ADJUSTMENTS) {
    throw DomainError.invalid(`a basis has up to ${MAX_ADJUSTMENTS} adjustments`, ['basis', 'adjustments']);
  }

  for (const [index, { meterId, dimensions }] of adjustments.entries()) {
    refuseScope(meterId ?? null, dimensions ?? {}, meters, ['basis', 'adjustments', String(index)]);
  }

  const read = readAdjustments(adjustments);

  if ('refusals' in read) {
    const [{ field, message }] = read.refusals;
    throw DomainError.invalid(message, ['basis', 'adjustments', ...field]);
  }

  const fx = fxSnapshotId === null ? null : await fxSnapshotById(tx, fxSnapshotId, ['basis', 'fxSnapshotId']);
  await refuseBasis(tx, { child: book.id, parent: parent.id }, ['basis', 'priceBookId']);
  const within = { start: tx.now, end: null };
  const parents = version ? await live.ofVersion(tx, version.id, within) : await live.ofBook(tx, parent.id, within);
  const prices = parents.flatMap(slice => slice.prices);

  if (fx && prices.length > 0 && !prices.some(({ currency }) => currency === fx.base)) {
    throw DomainError.invalid(
      `the exchange rate converts ${fx.base}, and ${parent.name} has no price in it; name a rate from a currency it has`,
      ['basis', 'fxSnapshotId'],
    );
  }

  const idle = read.adjustments.findIndex(adjustment => prices.length > 0 && !coversAny(adjustment, prices));

  if (idle >= 0) {
    throw DomainError.invalid(
      `this adjustment changes no price of ${parent.name}: it changes prices that name all of its dimensions`,
      ['basis', 'adjustments', String(idle)],
    );
  }

  return { priceBookId: parent.id, versionId, fxSnapshotId, adjustments: read.adjustments.map(adjustmentJson) };
}

/** What a draft takes over from may have changed since it was written: refuses what `readBasis` would. */
export async function refuseStaleBasis(tx: Scope, { priceBookId, basis }: PriceBookVersion): Promise<void> {
  if (!basis) {
    return;
  }

  await refuseBasis(tx, { child: priceBookId, parent: basis.priceBookId }, ['versionId']);
  const parent = await bookById(tx, basis.priceBookId, ['versionId']);
  const version = basis.versionId === null ? null : await versionById(tx, basis.versionId, ['versionId']);
  refuseParentVersion(parent, version, ['versionId']);
}

/**
 * Refuses to publish own prices that match the same usage as another price of the version equally well, be it an own one or
 * one that is taken over then or, as far as is published, later.
 */
export async function refuseAmbiguous(
  tx: Scope,
  version: PriceBookVersion,
  effectiveAt: Date,
  live: LivePrices,
): Promise<void> {
  const [next] = await tx.em.find(
    PriceBookVersion,
    { priceBookId: version.priceBookId, status: 'PUBLISHED', effectiveAt: { $gt: effectiveAt } },
    { orderBy: { effectiveAt: 'asc' }, limit: 1 },
  );
  const slices = await live.ofDraft(tx, version, { start: effectiveAt, end: next?.effectiveAt ?? null });
  const pair = slices
    .flatMap(({ prices }) => refusePrices(prices))
    .find(prices => prices.some(({ inheritedFrom }) => inheritedFrom === null));

  if (pair) {
    const [one, other] = pair.map(({ name, inheritedFrom }) => `"${name}"${inheritedFrom ? ' (taken over)' : ''}`);
    throw new DomainError(
      ErrorCode.PRICES_AMBIGUOUS,
      `prices ${one} and ${other} match the same usage and neither is more specific; narrow one of them`,
      ['versionId'],
    );
  }
}

/** Refuses the version of a basis when it is none of the parent's, or none that holds at some time. */
function refuseParentVersion(
  parent: Pick<PriceBook, 'id' | 'name'>,
  version: PriceBookVersion | null,
  field: readonly string[],
): void {
  if (version && version.priceBookId !== parent.id) {
    throw DomainError.notFound(`version of ${parent.name}`, version.id, field);
  }

  if (version && version.status !== 'PUBLISHED') {
    throw new DomainError(
      ErrorCode.INVALID_TRANSITION,
      `version ${version.number} of ${parent.name} is ${version.status}; take over a published one`,
      field,
    );
  }
}

/** The discounts of a draft, every part of them checked. */
export function readDiscounts(
  tx: Scope,
  book: PriceBook,
  drafts: readonly DiscountDraft[],
  meters: Meters,
): DiscountJson[] {
  if (drafts.length > MAX_DISCOUNTS) {
    throw DomainError.invalid(`a version has up to ${MAX_DISCOUNTS} discounts`, ['discounts']);
  }

  const discounts = drafts.map((draft, index) => readDiscount(tx, book, draft, meters, ['discounts', String(index)]));
  const tooMuch = discounts.findIndex(one => mostOff(discounts.filter(other => mayMeet(one, other))).gt(100));

  if (tooMuch >= 0) {
    throw DomainError.invalid('discounts off the same spend come to more than 100 per cent together', [
      'discounts',
      String(tooMuch),
    ]);
  }

  return discounts.map(discountJson);
}

/** The most that discounts take off together, in per cent: each is reckoned on the same spend. */
function mostOff(discounts: readonly Discount[]): Decimal {
  return sum(discounts.map(({ tiers }) => maxOf(ZERO, ...tiers.map(({ percent }) => percent))));
}

/** Whether some price may be covered by both. */
function mayMeet(one: Discount, other: Discount): boolean {
  const meters = one.meterId === null || other.meterId === null || one.meterId === other.meterId;
  const isApart = Object.entries(one.pattern).some(([name, value]) => {
    const wanted = other.pattern[name] ?? value;

    return wanted !== value && !wanted.endsWith('*') && !value.endsWith('*');
  });

  return one.currency === other.currency && meters && !isApart;
}

function readDiscount(
  tx: Scope,
  book: PriceBook,
  draft: DiscountDraft,
  meters: Meters,
  field: readonly string[],
): Discount {
  const { name, meterId = null, dimensions = {}, basis, mode } = draft;
  const currency = draft.currency ?? book.currency;

  if (name.trim().length < 1 || name.length > 200 || !isCleanText(name)) {
    throw DomainError.invalid('name has 1 to 200 characters and no control characters', [...field, 'name']);
  }

  if (!isCurrency(currency)) {
    throw DomainError.invalid('currency is an ISO 4217 currency in use', [...field, 'currency']);
  }

  if (!DISCOUNT_BASES.includes(basis)) {
    throw DomainError.invalid(`basis is one of ${DISCOUNT_BASES.join(', ')}`, [...field, 'basis']);
  }

  if (!DISCOUNT_MODES.includes(mode ?? 'VOLUME') || (basis === 'COMMITMENT' && mode === 'GRADUATED')) {
    throw DomainError.invalid('mode is VOLUME, or GRADUATED where the spend decides', [...field, 'mode']);
  }

  refuseScope(meterId, dimensions, meters, field);
  const read = readDiscountTiers(draft.tiers);

  if ('refusals' in read) {
    const [refusal] = read.refusals;
    throw DomainError.invalid(refusal.message, [...field, ...refusal.field]);
  }

  return {
    id: newId('dsc', tx.now),
    name,
    meterId,
    pattern: dimensions,
    currency,
    basis,
    mode: mode ?? 'VOLUME',
    tiers: read.tiers,
  };
}

/** Refuses discounts that cover no price of the draft: a misspelled one must not become a silent nothing. */
export function refuseIdleDiscounts(discounts: readonly Discount[], slices: readonly LiveVersion[]): void {
  const prices = slices.flatMap(slice => slice.prices);
  const idle = discounts.findIndex(
    discount =>
      prices.length > 0 &&
      !coversAny(
        discount,
        prices.filter(({ currency }) => currency === discount.currency),
      ),
  );

  if (idle >= 0) {
    throw DomainError.invalid(
      'this discount is taken off no price: it is for prices in its currency that name all of its dimensions',
      ['discounts', String(idle)],
    );
  }
}

function coversAny(
  { meterId, pattern }: { readonly meterId: string | null; readonly pattern: DimensionPattern },
  prices: readonly LivePrice[],
): boolean {
  return prices.some(price => (meterId === null || meterId === price.meterId) && covers(pattern, price.pattern));
}

/** Refuses a meter that is not there, dimensions that it has not, and values that no pattern can have. */
function refuseScope(
  meterId: string | null,
  pattern: DimensionPattern,
  meters: Meters,
  field: readonly string[],
): void {
  const meter = meterId === null ? null : meters.get(meterId);

  if (meter === undefined) {
    throw DomainError.notFound('meter', meterId ?? '', [...field, 'meterId']);
  }

  if (Object.keys(pattern).length > MAX_DIMENSIONS) {
    throw DomainError.invalid(`dimensions names up to ${MAX_DIMENSIONS} dimensions`, [...field, 'dimensions']);
  }

  for (const [name, value] of Object.entries(pattern)) {
    if (meter ? !dimensionNames(meter).includes(name) : name.length < 1 || name.length > 64 || !isCleanText(name)) {
      const text = meter ? `meter ${meter.key} has no dimension ${name.slice(0, 40)}` : 'a dimension has a name';
      throw DomainError.invalid(text, [...field, 'dimensions']);
    }

    if (value.length < 1 || value.length > 128 || !isCleanText(value) || value.slice(0, -1).includes('*')) {
      throw DomainError.invalid(`the value of dimension ${name} has 1 to 128 characters, and a * only at its end`, [
        ...field,
        'dimensions',
      ]);
    }
  }
}

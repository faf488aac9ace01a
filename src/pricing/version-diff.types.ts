import { Field, Int, ObjectType, registerEnumType } from 'type-graphql';
import { canonicalJson, connectionOf, DecimalScalar } from '../platform/index.js';
import { diffPrices } from './diff.rules.js';
import { identityOf, type LivePrice } from './live-price.rules.js';
import type { LiveVersion } from './live-prices.js';
import { priceTermsJson } from './price.rules.js';
import { LivePriceType } from './price.types.js';

export enum PriceChangeKindEnum {
  ADDED = 'ADDED',
  CHANGED = 'CHANGED',
  REMOVED = 'REMOVED',
}
registerEnumType(PriceChangeKindEnum, {
  name: 'PriceChangeKind',
  description: 'What becomes of a price from one version to another.',
  valuesConfig: {
    ADDED: { description: 'Only the other version has it.' },
    CHANGED: { description: 'Both have it, with other terms.' },
    REMOVED: { description: 'Only this version has it.' },
  },
});

@ObjectType('PriceChange', {
  description: 'What becomes of the price of one meter, dimensions, window and currency.',
})
export class PriceChangeType {
  @Field(() => PriceChangeKindEnum, { description: 'What becomes of it.' })
  kind!: PriceChangeKindEnum;

  @Field(() => LivePriceType, { nullable: true, description: 'As it is in this version; null when it is added.' })
  before!: LivePriceType | null;

  @Field(() => LivePriceType, { nullable: true, description: 'As it is in the other; null when it is removed.' })
  after!: LivePriceType | null;

  @Field(() => DecimalScalar, {
    nullable: true,
    description:
      'After by before, to six significant digits: "1.225" is 22.5 % more. Null unless both are prices per unit that differ in nothing else.',
  })
  ratio!: string | null;
}

export const PriceChangeConnection = connectionOf('PriceChange', () => PriceChangeType);

@ObjectType('PriceBookVersionDiff', {
  description: 'What becomes of the prices of one version in another, taken-over ones included.',
})
export class PriceBookVersionDiffType {
  @Field(() => Int, { description: 'Prices that only the other version has.' })
  added!: number;

  @Field(() => Int, { description: 'Prices that both have, with other terms.' })
  changed!: number;

  @Field(() => Int, { description: 'Prices that only this version has.' })
  removed!: number;

  @Field(() => Int, { description: 'Prices that say the same in both.' })
  same!: number;

  /** All changes: changed ones first, then added and removed ones, each by meter, currency and dimensions. */
  all!: readonly PriceChangeType[];

  static of(from: LiveVersion, to: LiveVersion): PriceBookVersionDiffType {
    const { added, changed, removed, same } = diffPrices(itemsOf(from), itemsOf(to));
    const change = (kind: PriceChangeKindEnum, before: Item | null, after: Item | null, ratio: string | null = null) =>
      Object.assign(new PriceChangeType(), {
        kind,
        before: before && LivePriceType.from(before.price),
        after: after && LivePriceType.from(after.price),
        ratio,
      });

    return Object.assign(new PriceBookVersionDiffType(), {
      added: added.length,
      changed: changed.length,
      removed: removed.length,
      same: same.length,
      all: [
        ...changed.map(({ before, after, ratio }) => change(PriceChangeKindEnum.CHANGED, before, after, ratio)),
        ...added.map(after => change(PriceChangeKindEnum.ADDED, null, after)),
        ...removed.map(before => change(PriceChangeKindEnum.REMOVED, before, null)),
      ],
    });
  }
}

interface Item {
  readonly key: string;
  readonly name: string;
  readonly terms: string;
  readonly price: LivePrice;
}

/** By meter, currency and dimensions, so that the pages of a diff are the same each time. */
function itemsOf({ prices }: LiveVersion): Item[] {
  return prices.map(itemOf).sort((a, b) => (a.key < b.key ? -1 : 1));
}

function itemOf(price: LivePrice): Item {
  return {
    key: identityOf(price),
    name: price.name,
    terms: canonicalJson(priceTermsJson(price.terms)),
    price,
  };
}

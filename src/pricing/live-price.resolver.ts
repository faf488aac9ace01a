import { Arg, Authorized, Ctx, FieldResolver, ID, Int, Resolver, Root } from 'type-graphql';
import { AFTER, connection, FIRST, page, scopeFor, type GraphqlContext } from '../platform/index.js';
import type { LivePrice } from './live-price.rules.js';
import { PriceBookVersionType } from './price-book.types.js';
import { LivePriceConnection, LivePriceType } from './price.types.js';
import type { PricingService } from './pricing.service.js';
import { PriceBookVersionDiffType, PriceChangeConnection } from './version-diff.types.js';

@Resolver(() => PriceBookVersionType)
export class LivePriceResolver {
  constructor(private readonly pricing: PricingService) {}

  @Authorized('pricing:read')
  @FieldResolver(() => LivePriceConnection, {
    description: 'What it asks for at an instant: its own prices and those it takes over, adjusted and converted.',
  })
  async livePrices(
    @Root() version: PriceBookVersionType,
    @Arg('at', () => Date, {
      nullable: true,
      description: 'The instant; now by default. Before the version takes effect, that of its effect.',
    })
    at: Date | null,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const { limit, after: place } = page({ first, after });
    const { prices } = await this.pricing.live(scopeFor(scope, version.tenantId), version.id, at ?? scope.now);
    const sorted = [...prices].sort((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1));
    const rest = sorted.filter(price => place === null || placeOf(price) > place);

    return connection(rest.slice(0, limit), first, placeOf, LivePriceType.from);
  }

  @Authorized('pricing:read')
  @FieldResolver(() => PriceBookVersionDiffType, {
    description:
      'What becomes of its prices in another version of the same seller. What they take over is that of now, or of the later effect.',
  })
  async diff(
    @Root() version: PriceBookVersionType,
    @Arg('toId', () => ID, { description: 'The other version.' }) toId: string,
    @Ctx() { scope }: GraphqlContext,
  ): Promise<PriceBookVersionDiffType> {
    const { from, to } = await this.pricing.both(scopeFor(scope, version.tenantId), version.id, toId);

    return PriceBookVersionDiffType.of(from, to);
  }
}

/** Where a price stands in the list; the same price may be taken over more than once on the way up. */
function placeOf({ id, takenBy }: LivePrice): string {
  return [id, ...takenBy].join(' ');
}

@Resolver(() => PriceBookVersionDiffType)
export class VersionDiffResolver {
  @Authorized('pricing:read')
  @FieldResolver(() => PriceChangeConnection, {
    description:
      'The changes: changed prices first, then added and removed ones, each by meter, currency and dimensions.',
  })
  changes(
    @Root() diff: PriceBookVersionDiffType,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
  ) {
    const { limit, after: place } = page({ first, after });
    const from = place !== null && /^\d{1,6}$/.test(place) ? Number(place) : 0;
    const rows = diff.all.map((change, index) => ({ change, place: String(index + 1) })).slice(from, from + limit);

    return connection(
      rows,
      first,
      row => row.place,
      row => row.change,
    );
  }
}

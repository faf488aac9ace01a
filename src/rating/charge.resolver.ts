import { Arg, Authorized, Ctx, FieldResolver, Int, Resolver, Root } from 'type-graphql';
import { AFTER, connection, FIRST, scopeFor, type GraphqlContext } from '../platform/index.js';
import { TenantType } from '../tenants/index.js';
import { ChargeConnection, ChargeType, UnpricedUsageConnection, UnpricedUsageType } from './charge.types.js';
import type { RatingService } from './rating.service.js';

@Resolver(() => TenantType)
export class ChargeResolver {
  constructor(private readonly rating: RatingService) {}

  @Authorized('billing:read')
  @FieldResolver(() => ChargeConnection, {
    description: 'What it is charged, newest first, each with its explanation.',
  })
  async charges(
    @Root() tenant: TenantType,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const rows = await this.rating.charges(scopeFor(scope, tenant.id), { first, after });

    return connection(rows, first, row => row.id, ChargeType.from);
  }

  @Authorized('usage:read')
  @FieldResolver(() => UnpricedUsageConnection, { description: 'Its usage without a price, the latest period first.' })
  async unpricedUsage(
    @Root() tenant: TenantType,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const rows = await this.rating.unpriced(scopeFor(scope, tenant.id), { first, after });
    const offset = after ? Number(Buffer.from(after, 'base64url').toString()) : 0;
    const places = new Map(rows.map((row, index) => [row, String(offset + index + 1)]));

    return connection(rows, first, row => places.get(row) ?? '', UnpricedUsageType.from);
  }
}

import { Arg, Authorized, Ctx, FieldResolver, Int, Mutation, Resolver, Root } from 'type-graphql';
import { AFTER, connection, FIRST, payload, scopeFor, type GraphqlContext } from '../platform/index.js';
import { TenantType, type TenantsService } from '../tenants/index.js';
import { basisDraftOf, discountDraftOf } from './basis.types.js';
import {
  PriceBookConnection,
  PriceBookCreateInput,
  PriceBookCreatePayload,
  PriceBookPublishInput,
  PriceBookType,
  PriceBookVersionConnection,
  PriceBookVersionCreateInput,
  PriceBookVersionPayload,
  PriceBookVersionType,
  PriceBookWithdrawInput,
} from './price-book.types.js';
import { PriceConnection, priceDraftOf, PriceType } from './price.types.js';
import type { PricingService } from './pricing.service.js';

@Resolver(() => TenantType)
export class PriceBookResolver {
  constructor(
    private readonly tenants: TenantsService,
    private readonly pricing: PricingService,
  ) {}

  @Authorized('pricing:read')
  @FieldResolver(() => PriceBookConnection, { description: 'The price books it sells by, newest first.' })
  async priceBooks(
    @Root() tenant: TenantType,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const rows = await this.pricing.books(scopeFor(scope, tenant.id), { first, after });

    return connection(rows, first, row => row.id, PriceBookType.from);
  }

  @Authorized('pricing:write')
  @Mutation(() => PriceBookCreatePayload, { description: 'Makes a price book.' })
  priceBookCreate(
    @Arg('input', () => PriceBookCreateInput, { description: 'The book to make.' }) input: PriceBookCreateInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(PriceBookCreatePayload, async () => {
      const { tenantId, ...asked } = input;
      const { book, replayed } = await this.pricing.createBook(await this.tenants.within(scope, tenantId), asked);

      return { priceBook: PriceBookType.from(book), replayed };
    });
  }

  @Authorized('pricing:write')
  @Mutation(() => PriceBookVersionPayload, { description: 'Writes a draft version of a price book.' })
  priceBookVersionCreate(
    @Arg('input', () => PriceBookVersionCreateInput, { description: 'The draft to write.' })
    input: PriceBookVersionCreateInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(PriceBookVersionPayload, async () => {
      const { tenantId, prices, basis, discounts, ...asked } = input;
      const { version, replayed } = await this.pricing.createVersion(await this.tenants.within(scope, tenantId), {
        ...asked,
        prices: prices.map(priceDraftOf),
        ...(basis ? { basis: basisDraftOf(basis) } : {}),
        ...(discounts.length > 0 ? { discounts: discounts.map(discountDraftOf) } : {}),
      });

      return { priceBookVersion: PriceBookVersionType.from(version), replayed };
    });
  }

  @Authorized('pricing:write')
  @Mutation(() => PriceBookVersionPayload, {
    description: 'Publishes a draft: from its effective instant it prices usage, and it never changes.',
  })
  priceBookPublish(
    @Arg('input', () => PriceBookPublishInput, { description: 'The draft to publish.' }) input: PriceBookPublishInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(PriceBookVersionPayload, async () => {
      const target = await this.tenants.within(scope, input.tenantId);
      const version = await this.pricing.publish(target, {
        versionId: input.versionId,
        effectiveAt: input.effectiveAt ?? null,
      });

      return { priceBookVersion: PriceBookVersionType.from(version), replayed: false };
    });
  }

  @Authorized('pricing:write')
  @Mutation(() => PriceBookVersionPayload, { description: 'Takes back a published version that has not taken effect.' })
  priceBookWithdraw(
    @Arg('input', () => PriceBookWithdrawInput, { description: 'The version to take back.' })
    input: PriceBookWithdrawInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(PriceBookVersionPayload, async () => {
      const target = await this.tenants.within(scope, input.tenantId);

      return {
        priceBookVersion: PriceBookVersionType.from(await this.pricing.withdraw(target, input.versionId)),
        replayed: false,
      };
    });
  }
}

@Resolver(() => PriceBookType)
export class PriceBookVersionsResolver {
  constructor(private readonly pricing: PricingService) {}

  @Authorized('pricing:read')
  @FieldResolver(() => PriceBookVersionConnection, { description: 'Its versions, newest first.' })
  async versions(
    @Root() book: PriceBookType,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const rows = await this.pricing.versions(scopeFor(scope, book.tenantId), book.id, { first, after });

    return connection(rows, first, row => row.id, PriceBookVersionType.from);
  }
}

@Resolver(() => PriceBookVersionType)
export class PricesResolver {
  constructor(private readonly pricing: PricingService) {}

  @Authorized('pricing:read')
  @FieldResolver(() => PriceConnection, { description: 'Its prices.' })
  async prices(
    @Root() version: PriceBookVersionType,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const rows = await this.pricing.prices(scopeFor(scope, version.tenantId), version.id, { first, after });

    return connection(rows, first, row => row.id, PriceType.from);
  }
}

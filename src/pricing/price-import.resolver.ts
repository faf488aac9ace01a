import { GraphQLError } from 'graphql';
import { Arg, Authorized, Ctx, FieldResolver, Int, Mutation, Resolver, Root } from 'type-graphql';
import { AFTER, connection, FIRST, payload, scopeFor, type GraphqlContext } from '../platform/index.js';
import type { TenantsService } from '../tenants/index.js';
import { PriceBookType, PriceBookVersionType } from './price-book.types.js';
import { PriceImportChangeEnum, PriceImportDecisionEnum, PriceProposalFlagEnum } from './price-import.enums.js';
import {
  PriceImportDecideInput,
  PriceImportDiscardInput,
  PriceImportDraftInput,
  PriceImportProposeInput,
  priceListOf,
} from './price-import.inputs.js';
import type { PriceImportService } from './price-import.service.js';
import {
  PriceImportConnection,
  PriceImportDecidePayload,
  PriceImportDecisionsType,
  PriceImportDiscardPayload,
  PriceImportDraftPayload,
  PriceImportPayload,
  PriceImportRowConnection,
  PriceImportRowType,
  PriceImportType,
  PriceListSkipConnection,
  PriceListSkipType,
} from './price-import.types.js';

@Resolver(() => PriceBookType)
export class PriceImportResolver {
  constructor(
    private readonly tenants: TenantsService,
    private readonly imports: PriceImportService,
  ) {}

  @Authorized('pricing:read')
  @FieldResolver(() => PriceImportConnection, { description: 'Price lists laid beside it, newest first.' })
  async priceImports(
    @Root() book: PriceBookType,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const rows = await this.imports.imports(scopeFor(scope, book.tenantId), book.id, { first, after });

    return connection(rows, first, row => row.id, PriceImportType.from);
  }

  @Authorized('pricing:write')
  @Mutation(() => PriceImportPayload, { description: 'Lays a price list beside a price book. Changes no price.' })
  priceImportPropose(
    @Arg('input', () => PriceImportProposeInput, { description: 'The list and the book.' })
    input: PriceImportProposeInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(PriceImportPayload, async () => {
      const { tenantId, priceBookId, meterId } = input;
      const target = await this.tenants.within(scope, tenantId);
      const asked = { ...priceListOf(input), priceBookId, meterId };
      const { priceImport, replayed } = await this.imports.propose(target, asked);

      return { priceImport: PriceImportType.from(priceImport), replayed };
    });
  }

  @Authorized('pricing:write')
  @Mutation(() => PriceImportDecidePayload, { description: 'Approves, rejects or reopens lines of an import.' })
  priceImportDecide(
    @Arg('input', () => PriceImportDecideInput, { description: 'The lines and the decision.' })
    input: PriceImportDecideInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(PriceImportDecidePayload, async () => {
      const { tenantId, ...asked } = input;
      const target = await this.tenants.within(scope, tenantId);
      const { priceImport, decided } = await this.imports.decide(target, 'BOOK', asked);

      return { priceImport: PriceImportType.from(priceImport), decided };
    });
  }

  @Authorized('pricing:write')
  @Mutation(() => PriceImportDraftPayload, {
    description:
      'Writes a draft of the book: its newest published version with the approved lines. Publishing it stays a step of its own.',
  })
  priceImportDraft(
    @Arg('input', () => PriceImportDraftInput, { description: 'The import.' }) input: PriceImportDraftInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(PriceImportDraftPayload, async () => {
      const target = await this.tenants.within(scope, input.tenantId);
      const { priceImport, version, replayed } = await this.imports.draft(target, input.importId);

      return {
        priceImport: PriceImportType.from(priceImport),
        priceBookVersion: PriceBookVersionType.from(version),
        replayed,
      };
    });
  }

  @Authorized('pricing:write')
  @Mutation(() => PriceImportDiscardPayload, { description: 'Closes an import of which nothing shall come.' })
  priceImportDiscard(
    @Arg('input', () => PriceImportDiscardInput, { description: 'The import.' }) input: PriceImportDiscardInput,
    @Ctx() { scope }: GraphqlContext,
  ) {
    return payload(PriceImportDiscardPayload, async () => {
      const target = await this.tenants.within(scope, input.tenantId);
      const priceImport = await this.imports.discard(target, 'BOOK', input.importId);

      return { priceImport: PriceImportType.from(priceImport) };
    });
  }
}

/** The lines of an import of either kind; which permission they take depends on the kind, and is asked for here. */
@Resolver(() => PriceImportType)
export class PriceImportRowsResolver {
  constructor(private readonly imports: PriceImportService) {}

  @Authorized()
  @FieldResolver(() => PriceImportRowConnection, {
    description: 'Its lines by their keys. Takes pricing:read, or costs:read for costs.',
  })
  async rows(
    @Root() priceImport: PriceImportType,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Arg('change', () => PriceImportChangeEnum, { nullable: true, description: 'Only lines that do this.' })
    change: PriceImportChangeEnum | null,
    @Arg('flag', () => PriceProposalFlagEnum, { nullable: true, description: 'Only lines with this flag.' })
    flag: PriceProposalFlagEnum | null,
    @Arg('decision', () => PriceImportDecisionEnum, { nullable: true, description: 'Only lines decided like this.' })
    decision: PriceImportDecisionEnum | null,
    @Ctx() context: GraphqlContext,
  ) {
    const scope = scopeToRead(context, priceImport);
    const rows = await this.imports.rows(scope, priceImport.id, { change, flag, decision }, { first, after });

    return connection(rows, first, row => row.key, PriceImportRowType.from);
  }

  @Authorized()
  @FieldResolver(() => PriceListSkipConnection, {
    description: 'What of the list is no line, and why. Takes pricing:read, or costs:read for costs.',
  })
  async skipped(
    @Root() priceImport: PriceImportType,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Ctx() context: GraphqlContext,
  ) {
    const rows = await this.imports.skipped(scopeToRead(context, priceImport), priceImport.id, { first, after });

    return connection(rows, first, row => String(row.place), PriceListSkipType.from);
  }

  @Authorized()
  @FieldResolver(() => PriceImportDecisionsType, {
    description: 'How many of its changes are decided. Takes pricing:read, or costs:read for costs.',
  })
  async decisions(@Root() priceImport: PriceImportType, @Ctx() context: GraphqlContext) {
    const { OPEN, APPROVED, REJECTED } = await this.imports.decisions(
      scopeToRead(context, priceImport),
      priceImport.id,
    );

    return Object.assign(new PriceImportDecisionsType(), { open: OPEN, approved: APPROVED, rejected: REJECTED });
  }
}

/** The scope of the import's tenant, for a key that may read what it is about. */
function scopeToRead({ scope, permissions }: GraphqlContext, { target, tenantId }: PriceImportType) {
  const needed = target === 'BOOK' ? 'pricing:read' : 'costs:read';

  if (!permissions.has(needed)) {
    throw new GraphQLError(`this key lacks the permission ${needed}`, { extensions: { code: 'FORBIDDEN' } });
  }

  return scopeFor(scope, tenantId);
}

import { record } from '../audit/index.js';
import { bandsAt, type CatalogService } from '../catalog/index.js';
import {
  DomainError,
  ErrorCode,
  findPage,
  inTransaction,
  once,
  page,
  type PageArguments,
  type Scope,
} from '../platform/index.js';
import type { TenantsService } from '../tenants/index.js';
import { MOST_KEY, pricesInForce, withChanges } from './import-changes.js';
import { planImport, type PlanMeters } from './import-plan.rules.js';
import { lockedImport, openImport, planMeter, refuseClosed, writeImport, type UnitMeter } from './import-store.js';
import { Price, PriceBookVersion } from './price-book.entity.js';
import { PriceImport, type ImportTarget } from './price-import.entity.js';
import {
  approvedRows,
  countDecisions,
  decidableKeys,
  decideRows,
  rowsOf,
  skippedOf,
  type ImportDecision,
  type ImportRow,
  type RowFilter,
} from './price-import.queries.js';
import { readPriceList, type PriceListInput } from './price-list.js';
import type { PriceDraft } from './price-draft.js';
import type { PricingService } from './pricing.service.js';
import { PRICE_UNITS, type PriceUnit, type SkippedItem } from './proposal.rules.js';

/** A list to lay beside a price book. */
export interface PriceImportProposal extends PriceListInput {
  readonly priceBookId: string;
  /** The meter of tokens, which counts web searches and search units, too. */
  readonly meterId: string;
  readonly meters: readonly UnitMeter[];
  readonly idempotencyKey: string;
}

/** Lines to decide about: these, or all that are added or changed, open and without a flag. */
export interface ImportDecisions {
  readonly importId: string;
  readonly keys: readonly string[];
  readonly allUnflagged: boolean;
  readonly decision: ImportDecision;
}

const MOST_KEYS = 500;

/** Price lists: proposed, decided about line by line, and written as a draft of a price book. Publishes nothing. */
export class PriceImportService {
  constructor(
    private readonly tenants: TenantsService,
    private readonly catalog: CatalogService,
    private readonly pricing: PricingService,
  ) {}

  /** Reads a list and lays it beside the newest published version of a book. Changes no price. */
  async propose(scope: Scope, input: PriceImportProposal): Promise<{ priceImport: PriceImport; replayed: boolean }> {
    const own = await this.tenants.own(scope);
    const list = readPriceList(input);

    return inTransaction(scope, async tx => {
      const book = await this.pricing.book(tx, input.priceBookId);
      const meters = await this.#meters(tx, own.ancestors, input);
      const { idempotencyKey, content: _, ...asked } = input;
      const draft = { ...asked, contentHash: list.contentHash };
      const { id, replayed } = await once(tx, 'priceImportPropose', idempotencyKey, draft, async () => {
        const base = await newestVersion(tx, book.id);
        const inForce = base ? pricesInForce(await tx.em.find(Price, { versionId: base.id }), meters) : [];
        const modelOf = await this.catalog.modelsFor(tx, own.ancestors);
        const plan = planImport(list, meters, inForce, key => {
          const model = modelOf(key);

          return model ? bandsAt(model, tx.now) : null;
        });

        return writeImport(
          tx,
          { target: 'BOOK', priceBookId: book.id, baseVersionId: base?.id ?? null },
          input,
          list,
          plan,
          meters,
        );
      });

      return { priceImport: await tx.em.findOneOrFail(PriceImport, { id }), replayed };
    });
  }

  /** Approves, rejects or reopens lines. What is flagged and what is removed is approved by its key alone. */
  async decide(
    scope: Scope,
    target: ImportTarget,
    input: ImportDecisions,
  ): Promise<{ priceImport: PriceImport; decided: number }> {
    const { importId, keys, allUnflagged, decision } = input;

    if (
      keys.length > MOST_KEYS ||
      keys.some(key => key.length > MOST_KEY || key.includes('\0') || !key.isWellFormed())
    ) {
      throw DomainError.invalid(`keys has up to ${MOST_KEYS} keys of lines`, ['keys']);
    }

    if (allUnflagged === keys.length > 0) {
      throw DomainError.invalid('name the keys to decide about, or say allUnflagged, and not both', ['keys']);
    }

    return inTransaction(scope, async tx => {
      const priceImport = await openImport(tx, target, importId);
      const known = await decidableKeys(tx, importId, keys);
      const unknown = keys.find(key => !known.has(key));

      if (unknown !== undefined) {
        throw DomainError.notFound('a change with the key', unknown, ['keys']);
      }

      const decided = await decideRows(tx, importId, allUnflagged ? null : keys, decision);

      if (decided.length > 0) {
        await record(tx, {
          action: 'price_import.decided',
          subjectId: importId,
          after: { decision, ...(allUnflagged ? { allUnflagged: decided.length } : { keys: decided }) },
        });
      }

      return { priceImport, decided: decided.length };
    });
  }

  /**
   * Writes a draft version of the book: the prices of its newest published version with the approved changes. Once; asked
   * again, it answers the same draft.
   */
  async draft(
    scope: Scope,
    importId: string,
  ): Promise<{ priceImport: PriceImport; version: PriceBookVersion; replayed: boolean }> {
    return inTransaction(scope, async tx => {
      const priceImport = await lockedImport(tx, 'BOOK', importId);

      if (priceImport.draftVersionId) {
        const version = await tx.em.findOneOrFail(PriceBookVersion, { id: priceImport.draftVersionId });

        return { priceImport, version, replayed: true };
      }

      refuseClosed(priceImport);
      const base = await baseOf(tx, priceImport);
      const approved = await approvedRows(tx, importId);
      const current = base ? await tx.em.find(Price, { versionId: base.id }, { orderBy: { id: 'asc' } }) : [];
      const prices = withChanges(current, approved);

      if (approved.length === 0) {
        throw DomainError.invalid('nothing of the import is approved: approve changes first', ['importId']);
      }

      const version = await this.#write(tx, priceImport, base, prices);
      // Writing the draft has locked the book; what was published until then is seen now.
      await baseOf(tx, priceImport);
      priceImport.status = 'DRAFTED';
      priceImport.draftVersionId = version.id;
      await record(tx, {
        action: 'price_import.drafted',
        subjectId: importId,
        before: { status: 'PROPOSED' },
        after: { status: 'DRAFTED', versionId: version.id, approved: approved.length },
      });

      return { priceImport, version, replayed: false };
    });
  }

  /** Closes an import of which nothing shall come. */
  async discard(scope: Scope, target: ImportTarget, importId: string): Promise<PriceImport> {
    return inTransaction(scope, async tx => {
      const priceImport = await openImport(tx, target, importId);
      priceImport.status = 'DISCARDED';
      await record(tx, {
        action: 'price_import.discarded',
        subjectId: importId,
        before: { status: 'PROPOSED' },
        after: { status: 'DISCARDED' },
      });

      return priceImport;
    });
  }

  /** Imports for a book, newest first: up to `first` + 1. */
  async imports(scope: Scope, priceBookId: string, args: PageArguments): Promise<PriceImport[]> {
    return inTransaction(scope, tx => findPage(tx.em, PriceImport, { priceBookId }, args));
  }

  /** The lines of an import by their keys: up to `first` + 1. */
  async rows(scope: Scope, importId: string, filter: RowFilter, args: PageArguments): Promise<ImportRow[]> {
    return inTransaction(scope, tx => rowsOf(tx, importId, filter, args));
  }

  /** What of the list is no line of an import: up to `first` + 1, from a place on. */
  async skipped(
    scope: Scope,
    importId: string,
    args: PageArguments,
  ): Promise<(SkippedItem & { readonly place: number })[]> {
    const { limit, after } = page(args);

    if (after !== null && !/^\d{1,7}$/.test(after)) {
      throw DomainError.invalid('after is a cursor that a page of this list gave', ['after']);
    }

    return inTransaction(scope, tx => skippedOf(tx, importId, Number(after ?? '0'), limit));
  }

  /** How many changes of an import are decided in which way. */
  async decisions(scope: Scope, importId: string): Promise<Readonly<Record<ImportDecision, number>>> {
    return inTransaction(scope, tx => countDecisions(tx, importId));
  }

  /** A draft with these prices and all else that the version before it says. */
  async #write(
    tx: Scope,
    { id, priceBookId }: PriceImport,
    base: PriceBookVersion | null,
    prices: readonly PriceDraft[],
  ): Promise<PriceBookVersion> {
    const discounts = (base?.discounts ?? []).map(discount => {
      const { id: _, ...given } = discount;

      return given;
    });
    const basis = base?.basis ?? null;
    const draft = { priceBookId: priceBookId ?? '', prices, basis, discounts, idempotencyKey: id };

    try {
      return (await this.pricing.createVersion(tx, draft)).version;
    } catch (error) {
      // What is wrong with the draft is not in a field of the caller's.
      throw error instanceof DomainError
        ? new DomainError(error.code, `the draft cannot be written: ${error.message}`, ['importId'])
        : error;
    }
  }

  /** The meter of each unit, checked: it is there, and a model is among its dimensions. */
  async #meters(tx: Scope, ancestors: readonly string[], input: PriceImportProposal): Promise<PlanMeters> {
    const asked = new Map<PriceUnit, readonly [id: string, field: readonly string[]]>([
      ['token', [input.meterId, ['meterId']]],
      ['query', [input.meterId, ['meterId']]],
    ]);

    for (const [index, { unit, meterId }] of input.meters.entries()) {
      const field = ['meters', String(index)];

      if (unit === 'token' || input.meters.findIndex(other => other.unit === unit) < index) {
        throw DomainError.invalid(`the meter of ${unit} is named once; that of tokens is meterId`, [...field, 'unit']);
      }

      asked.set(unit, [meterId, [...field, 'meterId']]);
    }

    const found = await this.catalog.metersById(
      tx,
      ancestors,
      [...asked.values()].map(([id]) => id),
    );

    return new Map(
      PRICE_UNITS.flatMap(unit => {
        const [id, field] = asked.get(unit) ?? [];

        return id && field ? [[unit, planMeter(found.get(id), id, field, unit)] as const] : [];
      }),
    );
  }
}

/** The published version of a book that takes effect last. */
async function newestVersion(tx: Scope, priceBookId: string): Promise<PriceBookVersion | null> {
  const [version] = await tx.em.find(
    PriceBookVersion,
    { priceBookId, status: 'PUBLISHED' },
    { orderBy: { effectiveAt: 'desc' }, limit: 1 },
  );

  return version ?? null;
}

/** The version that the list was laid beside; refuses when a newer one was published since. */
async function baseOf(tx: Scope, { priceBookId, baseVersionId }: PriceImport): Promise<PriceBookVersion | null> {
  const newest = await newestVersion(tx, priceBookId ?? '');

  if ((newest?.id ?? null) !== (baseVersionId ?? null)) {
    throw new DomainError(
      ErrorCode.INVALID_TRANSITION,
      'another version of the book is the newest by now than when the list was laid beside it; propose the list again',
      ['importId'],
    );
  }

  return newest;
}

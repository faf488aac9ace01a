import { record } from '../audit/index.js';
import { formatDecimal, isCurrency, parseDecimal } from '../money/index.js';
import {
  DomainError,
  findPage,
  inTransaction,
  isId,
  newId,
  once,
  type PageArguments,
  type Scope,
} from '../platform/index.js';
import { isCleanText } from '../tenants/index.js';
import { FxSnapshot } from './fx-snapshot.entity.js';

export interface FxSnapshotCreate {
  readonly base: string;
  readonly quote: string;
  /** Units of `quote` for one unit of `base`, a decimal string above 0. */
  readonly rate: string;
  readonly asOf: Date;
  readonly source: string;
  readonly idempotencyKey: string;
}

/** As fine as any published rate, and of currencies of any size. */
const RATE_DIGITS = { integerDigits: 12, fractionDigits: 18 };

/** Exchange rates as somebody entered them. Nothing is converted but by what names one. */
export class FxSnapshotsService {
  async create(scope: Scope, input: FxSnapshotCreate): Promise<{ snapshot: FxSnapshot; replayed: boolean }> {
    const { idempotencyKey, ...draft } = input;
    const { base, quote, asOf, source } = draft;

    for (const [field, code] of [
      ['base', base],
      ['quote', quote],
    ] as const) {
      if (!isCurrency(code)) {
        throw DomainError.invalid(`${field} is an ISO 4217 currency in use`, [field]);
      }
    }

    if (base === quote) {
      throw DomainError.invalid('quote is another currency than base', ['quote']);
    }

    const rate = parseDecimal(draft.rate, RATE_DIGITS);

    if (!rate?.gt(0)) {
      const { integerDigits, fractionDigits } = RATE_DIGITS;
      throw DomainError.invalid(
        `rate is a decimal string above 0 with up to ${integerDigits} digits before and ${fractionDigits} after the point`,
        ['rate'],
      );
    }

    if (asOf > scope.now) {
      throw DomainError.invalid('asOf is not in the future: nobody knows that rate yet', ['asOf']);
    }

    if (source.trim().length < 1 || source.length > 500 || !isCleanText(source)) {
      throw DomainError.invalid('source has 1 to 500 characters and no control characters', ['source']);
    }

    return inTransaction(scope, async tx => {
      const { id, replayed } = await once(tx, 'fxSnapshotCreate', idempotencyKey, draft, async () => {
        const snapshot = tx.em.create(FxSnapshot, {
          tenantId: tx.tenantId,
          id: newId('fxs', tx.now),
          base,
          quote,
          rate,
          asOf,
          source,
          createdAt: tx.now,
        });
        await record(tx, {
          action: 'fx_snapshot.created',
          subjectId: snapshot.id,
          after: { ...draft, rate: formatDecimal(rate) },
        });

        return snapshot.id;
      });

      return { snapshot: await tx.em.findOneOrFail(FxSnapshot, { id }), replayed };
    });
  }

  async list(scope: Scope, args: PageArguments): Promise<FxSnapshot[]> {
    return inTransaction(scope, tx => findPage(tx.em, FxSnapshot, {}, args));
  }
}

/** The snapshot with this id of the scope's tenant; NOT_FOUND otherwise. */
export async function fxSnapshotById(tx: Scope, id: string, field: readonly string[]): Promise<FxSnapshot> {
  const snapshot = isId(id, 'fxs') ? await tx.em.findOne(FxSnapshot, { id }) : null;

  if (!snapshot) {
    throw DomainError.notFound('exchange rate', id, field);
  }

  return snapshot;
}

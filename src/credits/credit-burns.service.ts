import { type Decimal, formatDecimal, sum } from '../money/index.js';
import { DomainError, ErrorCode, type Scope } from '../platform/index.js';
import { type BurnPart, type BurnPlan, type BurnTerms, type BurnUse, planBurns, planReversal } from './burn.rules.js';
import { type HeldCredits, heldOf, NOTHING_HELD } from './held-credits.js';
import {
  against,
  burnEntries,
  type Entry,
  grantsLeft,
  lockCredits,
  movesByReference,
  newTransactionId,
  openTransactions,
  type Posting,
  stillBurned,
  type StoredMove,
  writeEntries,
} from './ledger.queries.js';
import type { LowCredits } from './low-credits.js';
import { planInTurn } from './payment.rules.js';

/** Something that was used, to be paid with credits as far as they go. */
export interface Burn extends BurnTerms {
  /** What caused it, such as a hold's id. The same reference again is the same burn, and changes nothing. */
  readonly reference: string;
  readonly uses: readonly BurnUse[];
}

/** What credits pay of a burn. */
export interface Burned {
  readonly transactionId: string;
  readonly reference: string;
  readonly parts: readonly BurnPart[];
  /** What they pay, in the currency of the burn … */
  readonly covered: Decimal;
  /** … and what they do not. */
  readonly uncovered: Decimal;
}

/** A burn of which something is to be given back. */
export interface Reversal {
  /** What caused it. The same reference again is the same reversal, and changes nothing. */
  readonly reference: string;
  readonly burnReference: string;
  /** In the currency of the burn; null for all that is still burned. */
  readonly amount: Decimal | null;
  readonly at: Date;
  readonly reason: string | null;
}

/** What each grant got back. */
export interface Reversed {
  readonly transactionId: string;
  readonly parts: readonly BurnPart[];
  readonly covered: Decimal;
}

/**
 * Pays with the credits of the scope's tenant, in the caller's transaction, first with what no open call has set aside.
 * Burns and reversals leave no audit line: the ledger is their record, and who reverses one by hand writes its own.
 */
export class CreditBurnsService {
  constructor(
    private readonly low: LowCredits,
    private readonly held: HeldCredits = NOTHING_HELD,
  ) {}

  /**
   * What credits would pay of some uses if they were burned now, without burning any. Whoever must be sure of it takes
   * `lockCredits` before.
   */
  async plan(tx: Scope, terms: BurnTerms, uses: readonly BurnUse[]): Promise<BurnPlan> {
    return planBurns(await grantsLeft(tx), uses, terms);
  }

  /**
   * Burns one after the other, all in one go; the answers are in their order. What was burned under a reference before is
   * answered as it was. Refuses a reference that was used for something else; then nothing is to be committed.
   */
  async burn(tx: Scope, burns: readonly Burn[]): Promise<Burned[]> {
    if (burns.length === 0) {
      return [];
    }

    burns.forEach(({ reference }) => refuseReference(reference));
    await lockCredits(tx);
    const postings = burns.map(burn => postingOf(tx, burn));
    const fresh = await openTransactions(tx, postings);
    const grants = await grantsLeft(tx);
    const written = planInTurn(
      grants,
      await heldOf(tx, this.held, grants),
      burns.flatMap((burn, index) => {
        const transactionId = postings[index]?.id ?? '';

        return fresh.has(transactionId) ? [{ ...burn, transactionId }] : [];
      }),
    );
    await writeEntries(
      tx,
      written.map(({ transactionId, parts }) => ({ transactionId, entries: burnEntries(parts) })),
    );
    await this.low.look(
      tx,
      written.flatMap(({ parts }) => parts.map(({ unit }) => unit)),
    );
    const plans = new Map(written.map(({ transactionId, parts }) => [transactionId, parts]));
    const earlier = burns.filter((_, index) => !plans.has(postings[index]?.id ?? ''));
    const stored =
      earlier.length === 0
        ? null
        : await movesByReference(
            tx,
            'BURN',
            earlier.map(({ reference }) => reference),
          );

    return burns.map((burn, index) => {
      const transactionId = postings[index]?.id ?? '';
      const parts = plans.get(transactionId);

      return parts ? burnedOf(burn, transactionId, parts) : replayOf(burn, stored?.get(burn.reference));
    });
  }

  /**
   * Gives back what a burn took, to the very grants it came from, the last of them first. A grant that has expired since gets
   * it too, and loses it to the next run of the expiry. Refuses more than is still burned.
   */
  async reverse(tx: Scope, reversal: Reversal): Promise<Reversed> {
    const { reference, burnReference, at, reason } = reversal;
    refuseReference(reference);
    await lockCredits(tx);
    const burn = (await movesByReference(tx, 'BURN', [burnReference])).get(burnReference);

    if (!burn) {
      throw DomainError.notFound('burn', burnReference, ['burnReference']);
    }

    const earlier = (await movesByReference(tx, 'REVERSAL', [reference])).get(reference);

    if (earlier) {
      return reversedOf(reversal, burn, earlier);
    }

    const burned = await stillBurned(tx, burn);
    const still = sum(burned.map(({ pays }) => pays));
    const amount = reversal.amount ?? still;
    const parts = amount.isNegative() ? null : planReversal(burned, amount);

    if (!parts) {
      throw DomainError.invalid(
        `of ${burnReference} ${formatDecimal(still)} ${burn.currency} are burned: give back from 0 to that`,
        ['amount'],
      );
    }

    const id = newTransactionId(tx);
    const asked = { amount, currency: burn.currency };
    await openTransactions(tx, [{ id, kind: 'REVERSAL', at, reference, reason, asked, ofId: burn.id }]);
    await writeEntries(tx, [{ transactionId: id, entries: reversalEntries(parts) }]);
    await this.low.look(
      tx,
      parts.map(({ unit }) => unit),
    );

    return { transactionId: id, parts, covered: amount };
  }
}

const LONGEST_REFERENCE = 255;

function refuseReference(reference: string): void {
  if (reference.length < 1 || reference.length > LONGEST_REFERENCE) {
    throw DomainError.invalid(`reference has 1 to ${LONGEST_REFERENCE} characters`, ['reference']);
  }
}

function askedOf({ uses }: Burn): Decimal {
  return sum(uses.map(({ amount }) => amount));
}

function postingOf(tx: Scope, burn: Burn): Posting {
  const { at, reference, currency } = burn;

  return { id: newTransactionId(tx), kind: 'BURN', at, reference, asked: { amount: askedOf(burn), currency } };
}

function reversalEntries(parts: readonly BurnPart[]): Entry[] {
  return against(
    'used',
    parts.map(({ pays, ...part }) => ({ ...part, pays: pays.negated() })),
  );
}

function burnedOf(burn: Burn, transactionId: string, parts: readonly BurnPart[]): Burned {
  const covered = sum(parts.map(({ pays }) => pays));

  return { transactionId, reference: burn.reference, parts, covered, uncovered: askedOf(burn).minus(covered) };
}

function replayOf(burn: Burn, stored: StoredMove | undefined): Burned {
  if (!stored?.asked.eq(askedOf(burn)) || stored.currency !== burn.currency) {
    throw usedBefore(burn.reference, 'burn');
  }

  return burnedOf(burn, stored.id, stored.parts.map(plain));
}

function reversedOf({ reference, amount }: Reversal, burn: StoredMove, earlier: StoredMove): Reversed {
  if (earlier.ofId !== burn.id || !(amount ?? earlier.asked).eq(earlier.asked)) {
    throw usedBefore(reference, 'reversal');
  }

  return { transactionId: earlier.id, parts: earlier.parts.map(plain), covered: earlier.asked };
}

function usedBefore(reference: string, what: string): DomainError {
  return new DomainError(
    ErrorCode.IDEMPOTENCY_KEY_REUSED,
    `reference ${reference} was used for another ${what}; use a new one`,
    ['reference'],
  );
}

function plain({ grantId, unit, amount, pays }: BurnPart): BurnPart {
  return { grantId, unit, amount, pays };
}

import { periodsWithin, type Contract, type ContractsService } from '../contracts/index.js';
import { sum, ZERO, type Decimal } from '../money/index.js';
import {
  alikeOutcomes,
  billableOutcomes,
  chargedStretches,
  countOccurred,
  countReckoned,
  finishedAudits,
  heldBy,
  heldWithin,
  standingsCharged,
  type AlikeOutcomes,
  type HeldOutcome,
  type LiveRule,
  type OccurredWithin,
} from '../outcomes/index.js';
import { DomainError, inTransaction, type Scope } from '../platform/index.js';
import type { Tenant, TenantsService } from '../tenants/index.js';
import { FiguresAllowance } from './figures-allowance.js';
import { heldAmounts, isChargedSingly } from './outcome-figures.rules.js';
import { allocatePeriod, ruleToRate, type OutcomesRating } from './outcome-rating.js';

/** What the outcomes of a rule that stand in one place come to in one currency. */
export interface OutcomeStat {
  readonly state: AlikeOutcomes['state'];
  readonly reason: string | null;
  readonly currency: string;
  readonly count: number;
  /** What of the charges is for them; exact. */
  readonly amount: Decimal;
  /** What they would cost one by one, each counted from zero. */
  readonly listAmount: Decimal;
  /** How many have no price, and so are in no amount. */
  readonly unpriced: number;
  /** DISPUTED: what they would add to the charges; null for others. */
  readonly held: Decimal | null;
}

/** Money in one currency. */
export interface HeldMoney {
  readonly currency: string;
  readonly amount: Decimal;
}

const MOST_DAYS = 1_830;
const DAY_MS = 86_400_000;

/** Refuses what is no stretch of time of up to five years. */
export function insistStretch({ from, until }: OccurredWithin): void {
  if (until <= from || until.getTime() - from.getTime() > MOST_DAYS * DAY_MS) {
    throw DomainError.invalid(`until is after from, by at most ${MOST_DAYS} days`, ['until']);
  }
}

/** Counts outcomes and says what they come to. Reads, and changes nothing. */
export class OutcomeStatsService {
  constructor(
    private readonly tenants: TenantsService,
    private readonly contracts: ContractsService,
    private readonly outcomes: Pick<OutcomesRating, 'rulesOf'>,
  ) {}

  /**
   * The outcomes of a rule that occurred in a stretch of time, by where they stand and why. `scope` is their tenant's.
   * Amounts are those of the billing periods that the outcomes are charged in, rated as of now. Refuses what looks at more
   * outcomes than the request's allowance has left, before it does.
   */
  async stats(
    scope: Scope,
    ruleId: string,
    stretch: OccurredWithin,
    allowance = new FiguresAllowance(),
  ): Promise<OutcomeStat[]> {
    insistStretch(stretch);

    return inTransaction(scope, async tx => {
      allowance.count(await countOccurred(tx, ruleId, stretch, allowance.countable));
      const alike = await alikeOutcomes(tx, ruleId, stretch, allowance.reckonable);
      allowance.reckon(alike.length);
      const known = await this.#known(tx, new Set(alike.map(({ contractId }) => contractId)));
      const figures = new Figures();

      for (const one of alike) {
        figures.count(one, listAmountOf(known, ruleId, one));
      }

      for (const { contractId, first, last } of await chargedStretches(tx, ruleId, stretch)) {
        const found = known.byContract.get(contractId);
        const versions = found?.rules.find(({ id }) => id === ruleId)?.versions ?? [];

        if (found && isChargedSingly(versions, found.contract.currency)) {
          alike
            .filter(one => one.contractId === contractId)
            .forEach(one => figures.charge(one, one.currency, chargedSingly(known, ruleId, one)));
        } else if (found) {
          await addAllocated(tx, known.tenant, { ...found, ruleId, first, last }, stretch, { figures, allowance });
        }
      }

      const held = await heldWithin(tx, ruleId, stretch, known.tenant.timeZone, allowance.reckonable);
      allowance.reckon(held.length);

      for (const { reason, currency, amount } of await this.#heldAmounts(tx, known, held, allowance)) {
        figures.hold({ state: 'DISPUTED', reason }, currency, amount);
      }

      return figures.all();
    });
  }

  /** What the outcomes that a dispute holds would add to the charges, currency by currency; within the request's allowance. */
  async held(scope: Scope, disputeId: string, allowance = new FiguresAllowance()): Promise<HeldMoney[]> {
    return inTransaction(scope, async tx => {
      const { timeZone } = await this.tenants.own(tx);
      const held = await heldBy(tx, disputeId, timeZone);
      const known = await this.#known(tx, new Set(held.map(({ contractId }) => contractId)));
      const amounts = await this.#heldAmounts(
        tx,
        known,
        held.map(outcome => ({ ...outcome, reason: null })),
        allowance,
      );

      return [...Map.groupBy(amounts, ({ currency }) => currency)]
        .map(([currency, own]) => ({ currency, amount: sum(own.map(({ amount }) => amount)) }))
        .sort((a, b) => (a.currency < b.currency ? -1 : 1));
    });
  }

  async #known(tx: Scope, contractIds: ReadonlySet<string>): Promise<Known> {
    const byContract = new Map<string, { contract: Contract; rules: readonly LiveRule[] }>();

    for (const contract of await this.contracts.all(tx)) {
      if (contractIds.has(contract.id)) {
        byContract.set(contract.id, { contract, rules: await this.outcomes.rulesOf(tx, contract) });
      }
    }

    return { tenant: await this.tenants.own(tx), byContract };
  }

  /** What held outcomes would add, period by period and rule by rule, in each by their reasons. */
  async #heldAmounts(
    tx: Scope,
    { tenant, byContract }: Known,
    held: readonly HeldOutcome[],
    allowance: FiguresAllowance,
  ): Promise<(HeldMoney & { readonly reason: string | null })[]> {
    const amounts: (HeldMoney & { readonly reason: string | null })[] = [];

    for (const [contractId, ofContract] of Map.groupBy(held, outcome => outcome.contractId)) {
      const found = byContract.get(contractId);

      for (const period of found ? periodsOf(found.contract, tenant, ofContract) : []) {
        const within = ofContract.filter(({ periodAt }) => period.start <= periodAt && periodAt < period.end);

        for (const [ruleId, ofRule] of Map.groupBy(within, outcome => outcome.ruleId)) {
          const { contract, rules } = found ?? { contract: undefined, rules: [] };

          if (contract) {
            const asked = { contract, period, rules, timeZone: tenant.timeZone };
            const byReason = [...Map.groupBy(ofRule, ({ reason }) => reason ?? '')].sort(([a], [b]) =>
              a < b ? -1 : 1,
            );
            const added = await heldIn(
              tx,
              asked,
              ruleId,
              byReason.map(([, own]) => own),
              allowance,
            );
            amounts.push(
              ...byReason.map(([reason], place) => ({
                reason: reason === '' ? null : reason,
                currency: contract.currency,
                amount: added[place] ?? ZERO,
              })),
            );
          }
        }
      }
    }

    return amounts;
  }
}

/** Contracts of a tenant with the rules that its outcomes under them are judged and priced by. */
interface Known {
  readonly tenant: Tenant;
  readonly byContract: ReadonlyMap<string, { readonly contract: Contract; readonly rules: readonly LiveRule[] }>;
}

/** Adds up what stands alike. */
class Figures {
  readonly #stats = new Map<string, { -readonly [K in keyof OutcomeStat]: OutcomeStat[K] }>();

  count({ state, reason, currency, count }: AlikeOutcomes, listAmount: Decimal | null): void {
    const stat = this.#stat({ state, reason }, currency);
    stat.count += count;
    stat.listAmount = stat.listAmount.plus(listAmount ?? ZERO);
    stat.unpriced += listAmount ? 0 : count;
  }

  charge(standing: Pick<AlikeOutcomes, 'state' | 'reason'>, currency: string, amount: Decimal): void {
    const stat = this.#stat(standing, currency);
    stat.amount = stat.amount.plus(amount);
  }

  hold(standing: Pick<AlikeOutcomes, 'state' | 'reason'>, currency: string, amount: Decimal): void {
    const stat = this.#stat(standing, currency);
    stat.held = (stat.held ?? ZERO).plus(amount);
  }

  all(): OutcomeStat[] {
    return [...this.#stats].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, stat]) => stat);
  }

  #stat({ state, reason }: Pick<AlikeOutcomes, 'state' | 'reason'>, currency: string) {
    const key = `${state} ${reason ?? ''} ${currency}`;
    const stat = this.#stats.get(key) ?? {
      state,
      reason,
      currency,
      count: 0,
      amount: ZERO,
      listAmount: ZERO,
      unpriced: 0,
      held: null,
    };
    this.#stats.set(key, stat);

    return stat;
  }
}

/** What alike outcomes cost one by one; null where they have no price. */
function listAmountOf({ byContract }: Known, ruleId: string, one: AlikeOutcomes): Decimal | null {
  const rule = byContract.get(one.contractId)?.rules.find(({ id }) => id === ruleId);
  const version = rule?.versions.find(({ id }) => id === one.versionId);
  const attributes = JSON.parse(one.attributes) as Readonly<Record<string, string>>;

  return version?.listAmount({ ...one, attributes }, one.currency)?.times(one.count) ?? null;
}

/** What one outcome costs by itself; null where it has no price. */
function listAmountOfOne(
  versions: LiveRule['versions'],
  { versionId, attributes, units, value, isFree }: HeldOutcome,
  currency: string,
): Decimal | null {
  const version = isFree ? undefined : versions.find(({ id }) => id === versionId);
  const worth = { attributes: JSON.parse(attributes) as Readonly<Record<string, string>>, units, value };

  return version?.listAmount(worth, currency) ?? null;
}

/** What alike outcomes are charged where each is by itself: its list amount, and what is paid back for it. */
function chargedSingly(known: Known, ruleId: string, one: AlikeOutcomes): Decimal {
  const charged = one.isCharged ? (listAmountOf(known, ruleId, one) ?? ZERO) : ZERO;

  return charged.minus(one.reimbursement);
}

/** Adds what each outcome has in the charges of its period to where it stands. */
async function addAllocated(
  tx: Scope,
  tenant: Tenant,
  found: {
    readonly contract: Contract;
    readonly rules: readonly LiveRule[];
    readonly ruleId: string;
    readonly first: Date;
    readonly last: Date;
  },
  stretch: OccurredWithin,
  { figures, allowance }: { readonly figures: Figures; readonly allowance: FiguresAllowance },
): Promise<void> {
  const { contract, rules, ruleId, first, last } = found;

  for (const period of periodsOf(contract, tenant, [{ periodAt: first }, { periodAt: last }])) {
    const place = { contractId: contract.id, ...period };
    await insistReckonable(tx, ruleId, place, allowance);
    const standings = new Map(
      (await standingsCharged(tx, ruleId, stretch, place)).map(standing => [standing.id, standing]),
    );
    const asked = { contract, period, rules, timeZone: tenant.timeZone };

    for (const { outcomeId, amount } of standings.size > 0 ? await allocatePeriod(tx, asked, ruleId) : []) {
      const standing = standings.get(outcomeId ?? '');

      if (standing) {
        figures.charge(standing, contract.currency, amount);
      }
    }
  }
}

/** Draws on the allowance for what a period is reckoned with, so many times, and refuses before any of it is read. */
async function insistReckonable(
  tx: Scope,
  ruleId: string,
  place: Parameters<typeof countReckoned>[2],
  allowance: FiguresAllowance,
  times = 1,
): Promise<void> {
  const { all, own } = await countReckoned(tx, ruleId, place, allowance.countable);
  allowance.reckon(own * times);
  allowance.count(all);
}

/** The billing periods of a contract from the first to the last of these instants. */
function periodsOf(contract: Contract, { timeZone }: Tenant, places: readonly { readonly periodAt: Date }[]) {
  const times = places.map(({ periodAt }) => periodAt.getTime());
  const start = new Date(times.reduce((a, b) => Math.min(a, b), Infinity));
  const end = new Date(times.reduce((a, b) => Math.max(a, b), -Infinity) + 1);

  return periodsWithin({ start, end }, { startsAt: contract.startsAt, endsAt: contract.endsAt ?? null }, timeZone);
}

/** What groups of held outcomes of a rule would add to a period. */
async function heldIn(
  tx: Scope,
  asked: Parameters<typeof allocatePeriod>[1],
  ruleId: string,
  groups: readonly (readonly HeldOutcome[])[],
  allowance: FiguresAllowance,
): Promise<Decimal[]> {
  const { contract, rules } = asked;
  const place = { contractId: contract.id, ...asked.period };
  const audit = (await finishedAudits(tx, place)).find(found => found.ruleId === ruleId) ?? null;
  const versions = rules.find(({ id }) => id === ruleId)?.versions ?? [];
  const isWhole = audit !== null || versions.some(({ terms }) => terms.minimum !== null);

  if (!isWhole && isChargedSingly(versions, contract.currency)) {
    return groups.map(group => sum(group.map(one => listAmountOfOne(versions, one, contract.currency) ?? ZERO)));
  }

  // Once without any of them, and once more for each group.
  await insistReckonable(tx, ruleId, place, allowance, groups.length + 1);
  const rule = ruleToRate(tx, asked, ruleId, audit);

  return heldAmounts(rule, await billableOutcomes(tx, place, ruleId, asked.timeZone), groups);
}

import type { Contract, ContractsService } from '../contracts/index.js';
import { asTenant, inTransaction, newId, type Scope } from '../platform/index.js';
import { lockRating } from '../usage/index.js';
import type { AnomaliesService } from './anomalies.service.js';
import { customerOf } from './customer.rules.js';
import type { HeldContract } from './idle-event.rules.js';
import type { LiveRules, NewlyWatched } from './live-rules.js';
import { casesOf, grouped, type OutcomeCase } from './outcome-cases.js';
import { judgeCases, LISTED, tellBatch } from './outcome-judging.js';
import { takeCustomersAnew } from './customers-anew.js';
import { matureOutcomes, type DuePlace } from './maturing.queries.js';
import type { LiveRule } from './outcome.rules.js';
import { justPublishedSince, lookAgain, takeOverlooked, timeToLook } from './overlooked.js';
import {
  dueOutcomes,
  isAnythingDue,
  isAnythingReceived,
  isMoreThanALot,
  keepEvents,
  lastReceived,
  subjectlessFrom,
  subjectsFrom,
  takeIntake,
  type CaseName,
} from './settle.queries.js';
import { TenantRules } from './tenant-rules.js';

/** So many events are taken in, and so many events' cases judged, at a time. */
const EVENTS_AT_A_TIME = 5_000;
const DUE_AT_A_TIME = 1_000;
/** What one transaction may well do besides what it is for. */
const LOT = { events: EVENTS_AT_A_TIME, due: DUE_AT_A_TIME };
/** A second's work and less, so that a busy machine does not come near the time that a statement may take. */
const MATURED_AT_A_TIME = 5_000;
const NAMES_AT_A_TIME = 2_000;

/** How far a run has come. */
interface Progress {
  /** The last row of the intake that it takes; null for all. */
  upTo: string | null;
  /** The last outcome that was due and has been looked at: none is looked at twice in a run. */
  due: DuePlace | null;
  /** The last that has matured: behind it nothing does. */
  matured: DuePlace | null;
}

/** What names the case of an outcome. */
export interface OutcomeNamed {
  readonly eventId: string;
  readonly source: string;
  readonly subject?: string | null;
  readonly customer?: string | null;
}

/**
 * Brings outcomes to what the facts say. A verdict is a function of the facts of a case, the rules and the instant, so
 * everything here may be done again, in any order and any number of times.
 */
export class OutcomesService {
  constructor(
    private readonly contracts: ContractsService,
    private readonly liveRules: LiveRules,
    private readonly anomalies: AnomaliesService,
  ) {}

  /** Judges all that came in and all that is due for the scope's tenant, in as many transactions as it takes. */
  async settle(scope: Scope): Promise<void> {
    if (await inTransaction(scope, isAnythingDue)) {
      await this.#settle(scope, begun(null), () => true);
    }
  }

  /**
   * The same, until no more than a lot is left of what is there by now: a caller judges that within its own transaction. Who
   * waits for it does not wait for what others go on sending meanwhile. Returns the last row of the intake that is there, for
   * `settleWithin`.
   */
  async settleBacklog(scope: Scope): Promise<string> {
    const upTo = await inTransaction(scope, lastReceived);
    const progress = begun(upTo);
    await this.#settle(scope, progress, tx => isMoreThanALot(tx, progress.upTo ?? upTo, LOT));

    return progress.upTo ?? upTo;
  }

  /** All of what is there by now. */
  async settleReceived(scope: Scope): Promise<void> {
    const upTo = await this.settleBacklog(scope);
    await inTransaction(scope, async tx => {
      await lockRating(tx);
      await this.settleWithin(tx, upTo);
    });
  }

  async #settle(scope: Scope, progress: Progress, isAsked: (tx: Scope) => Promise<boolean> | boolean): Promise<void> {
    while (
      await inTransaction(scope, async tx => {
        if (!(await isAsked(tx))) {
          return false;
        }

        await lockRating(tx);

        return this.#step(tx, await this.#rulesOfAll(tx), progress);
      })
    ) {
      // Until nothing is left.
    }
  }

  /** The same within the caller's transaction, which holds the rating lock: all that is left up to a row of the intake. */
  async settleWithin(tx: Scope, upTo: string | null = null): Promise<void> {
    if (!(await isAnythingDue(tx))) {
      return;
    }

    const rules = await this.#rulesOfAll(tx);
    const progress = begun(upTo);

    while (await this.#step(tx, rules, progress)) {
      // Until nothing is left.
    }
  }

  /**
   * Judges every case again that holds an event whose verdict may depend on what is in force from an instant on: of that
   * instant or later, or still waiting for its verification or maturation then; and those with an event whose customer only
   * the rules of now name. The caller holds the rating lock.
   */
  async rejudge(tx: Scope, from: Date): Promise<void> {
    const rules = await this.#rulesOfAll(tx);

    if ((await this.#publishedSince(tx, justPublishedSince(tx.now))).length > 0) {
      await lookAgain(tx);
    }

    const earliest = new Date(Math.max(0, from.getTime() - rules.longestWaitMs));
    const done = new Set<string>();
    const judgeNew = async (names: readonly CaseName[]): Promise<void> => {
      const cases = await casesOf(
        tx,
        names.filter(({ subject }) => !done.has(subject ?? '')),
        rules.linksCustomers,
      );

      // A case of several subjects turns up at each of them.
      if (rules.linksCustomers) {
        cases.forEach(({ subjects }) => subjects.forEach(subject => done.add(subject)));
      }

      await this.#judge(tx, rules, cases);
    };
    // Once all of them have their customers, so that no case is judged before it is whole.
    const named = await takeCustomersAnew(tx, rules);

    for (let place = 0; place < named.length; place += NAMES_AT_A_TIME) {
      await judgeNew(named.slice(place, place + NAMES_AT_A_TIME));
    }

    for (let after = ''; ;) {
      const subjects = await subjectsFrom(tx, earliest, after, NAMES_AT_A_TIME);
      await judgeNew(subjects.map(subject => ({ subject, customer: null, id: '', source: '' })));
      after = subjects.at(-1) ?? after;

      if (subjects.length < NAMES_AT_A_TIME) {
        break;
      }
    }

    for (let after: CaseName = { id: '', source: '', subject: null, customer: null }; ;) {
      const names = await subjectlessFrom(tx, earliest, after, NAMES_AT_A_TIME);
      await judgeNew(names);
      after = names.at(-1) ?? after;

      if (names.length < NAMES_AT_A_TIME) {
        break;
      }
    }
  }

  /** Judges the cases of these outcomes again, for something was said of them. The caller holds the rating lock. */
  async judge(tx: Scope, outcomes: readonly OutcomeNamed[]): Promise<void> {
    const rules = await this.#rulesOfAll(tx);
    const names = outcomes.map(({ eventId, source, subject = null, customer = null }) => ({
      id: eventId,
      source,
      subject,
      customer,
    }));
    await this.#judge(tx, rules, await casesOf(tx, names, rules.linksCustomers));
  }

  /**
   * The rules that a contract's claims are judged by: those of its book as they are published, or, when the contract is
   * pinned to a version of the book, those that were in force when it began, for ever. `tx` acts for the buyer.
   */
  async rulesOf(tx: Scope, contract: Contract): Promise<readonly LiveRule[]> {
    return takenBy(contract, await this.#offeredTo(tx, contract));
  }

  /** The tenant's contracts by start, each with all the rules of its book and those of them that judge under it. */
  async heldContracts(tx: Scope): Promise<HeldContract[]> {
    const held: HeldContract[] = [];

    for (const contract of await this.contracts.all(tx)) {
      const { id, currency, startsAt, endsAt = null } = contract;
      const offered = await this.#offeredTo(tx, contract);
      held.push({ contractId: id, currency, startsAt, endsAt, offered, rules: takenBy(contract, offered) });
    }

    return held;
  }

  async #offeredTo(tx: Scope, { sellerId, priceBookId }: Contract): Promise<readonly LiveRule[]> {
    return asTenant(tx, sellerId, seller => this.liveRules.ofBook(seller, priceBookId));
  }

  /** What versions that were published since an instant watch, of all books that the tenant has bought by. */
  async #publishedSince(tx: Scope, since: Date): Promise<NewlyWatched[]> {
    const books = new Map((await this.contracts.all(tx)).map(contract => [contract.priceBookId, contract.sellerId]));
    const watched: NewlyWatched[] = [];

    for (const [bookId, sellerId] of books) {
      watched.push(...(await asTenant(tx, sellerId, seller => this.liveRules.publishedSince(seller, bookId, since))));
    }

    return watched;
  }

  async #rulesOfAll(tx: Scope): Promise<TenantRules> {
    const contracts = await this.contracts.all(tx);
    const rules: (readonly LiveRule[])[] = [];

    for (const contract of contracts) {
      rules.push(await this.rulesOf(tx, contract));
    }

    return new TenantRules(contracts, rules);
  }

  /** Does one chunk of what is to be done. Returns whether there was any. */
  async #step(tx: Scope, rules: TenantRules, progress: Progress): Promise<boolean> {
    // What came in waits for a contract: only that says who an event's customer is.
    if (rules.isEmpty) {
      return false;
    }

    await this.#findOverlooked(tx, progress);

    return (
      (await this.#takeIn(tx, rules, progress)) ||
      (await this.#mature(tx, rules, progress)) ||
      this.#judgeDue(tx, rules, progress)
    );
  }

  /** Puts into the intake what was accepted by a process that did not know yet that a rule looks at it. */
  async #findOverlooked(tx: Scope, progress: Progress): Promise<void> {
    const since = await timeToLook(tx);

    if (!since) {
      return;
    }

    for (const watched of await this.#publishedSince(tx, since)) {
      await takeOverlooked(tx, watched);
    }

    // It came in long before, though its row in the intake is new.
    progress.upTo &&= await lastReceived(tx);
  }

  async #takeIn(tx: Scope, rules: TenantRules, { upTo }: Progress): Promise<boolean> {
    const taken = await takeIntake(tx, EVENTS_AT_A_TIME, upTo);

    if (taken.length === 0) {
      return false;
    }

    const events = taken.map(event => ({
      ...event,
      customer: customerOf(event.properties, rules.customerPropertyAt(event.time)),
    }));
    await keepEvents(tx, events);
    await this.#judge(tx, rules, await casesOf(tx, events, rules.linksCustomers));

    // With the last of what came in, so that what is told is all of it.
    if (!(await isAnythingReceived(tx))) {
      await this.anomalies.tell(tx, rules.all);
    }

    return true;
  }

  /**
   * Has outcomes mature that nothing but time holds back, many at a time. Everything told of them has been judged before:
   * what came in goes first, and acts are judged as they are told.
   */
  async #mature(tx: Scope, rules: TenantRules, progress: Progress): Promise<boolean> {
    const id = newId('otb', tx.now);
    const { last, ruleIds, subjects, months, ...batch } = await matureOutcomes(tx, {
      ruleIds: rules.maturedByTime,
      forUsage: rules.maturedByTime.filter(ruleId => rules.metersStoodFor([ruleId]).length > 0),
      batch: id,
      limit: MATURED_AT_A_TIME,
      listed: LISTED,
      after: progress.matured,
    });

    if (batch.transitions === 0) {
      return false;
    }

    progress.matured = last;
    await tellBatch(tx, { id, ...batch }, { months, usage: { subjects, meterIds: rules.metersStoodFor(ruleIds) } });

    return true;
  }

  async #judgeDue(tx: Scope, rules: TenantRules, progress: Progress): Promise<boolean> {
    const due = await dueOutcomes(tx, progress.due, DUE_AT_A_TIME);
    progress.due = due.at(-1) ?? progress.due;
    await this.#judge(tx, rules, await casesOf(tx, due, rules.linksCustomers));

    return due.length > 0;
  }

  async #judge(tx: Scope, rules: TenantRules, cases: readonly OutcomeCase[]): Promise<void> {
    for (const group of grouped(cases, EVENTS_AT_A_TIME)) {
      await judgeCases(tx, rules, group);
    }
  }
}

/** What a contract takes of the rules of its book. */
function takenBy({ priceBookVersionId = null, startsAt }: Contract, rules: readonly LiveRule[]): readonly LiveRule[] {
  return priceBookVersionId === null
    ? rules
    : rules
        .map(rule => ({ ...rule, versions: rule.versions.filter(({ effectiveAt }) => effectiveAt <= startsAt) }))
        .filter(({ versions }) => versions.length > 0);
}

function begun(upTo: string | null): Progress {
  return { upTo, due: null, matured: null };
}

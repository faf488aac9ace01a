import { type Decimal, decimal, divide, ZERO } from '../money/index.js';
import { type Case, caseOf, type Claim, claimsOf, after } from './claim.rules.js';
import { type Aftermath, aftermathOf } from './ending.rules.js';
import { joinedFacts, NO_FACTS } from './fact-run.rules.js';
import type { CaseFacts, Verdict } from './outcome.rules.js';
import { type Qualified, qualify } from './qualification.rules.js';

/** Where a claim stands among the others of its case. */
interface Standing {
  readonly qualified: Qualified;
  /** Null where another claim counts instead, or the claim came to nothing by itself. */
  readonly aftermath: Aftermath | null;
  /** The outcome that counts instead. */
  readonly instead: string | null;
}

/**
 * What the facts of a case say about each claim, in the order in which the claims occurred. A pure function of the facts:
 * in whichever order they arrived, and however often the case is judged, the verdicts are the same.
 *
 * A claim is first held against everything that its rule asks for. Of those that come through, the earliest counts for its
 * subject or customer and the later ones are duplicates of it, until it is taken back or its window ends. Then what was
 * taken back, or is disputed, is looked at, and of exclusive outcomes of one subject one is chosen.
 */
export function judgeCase(facts: CaseFacts): Verdict[] {
  const all = caseOf(facts);
  const qualified = claimsOf(facts, all).map(claim => qualify(all, claim));
  const standings = new Map<Qualified, Standing>();

  for (const ofRule of Map.groupBy(qualified, ({ claim }) => claim.rule.id).values()) {
    for (const standing of countOnce(all, ofRule)) {
      standings.set(standing.qualified, standing);
    }
  }

  // In the order in which the claims occurred, over all rules: ties between rules are told by it.
  const inOrder = qualified.flatMap(one => standings.get(one) ?? []);
  const superseded = chosenInstead(inOrder);

  return inOrder.map(standing => verdictOf(all, standing, superseded.get(standing.qualified) ?? null));
}

/** Names what counts once; null where each claim does. */
function dedupeKeyOf({ event, version }: Claim): string | null {
  const { scope } = version.terms.dedupe;

  if (scope === 'CUSTOMER' && event.customer !== null) {
    return `customer:${event.customer}`;
  }

  return scope === 'NONE' || event.subject === null ? null : `subject:${event.subject}`;
}

function dedupeUntil({ event, version }: Claim): Date | null {
  const { windowHours } = version.terms.dedupe;

  return windowHours === null ? null : after(event.time, windowHours);
}

/** The claims of one rule, in the order in which they occurred: which of them count, and which are duplicates. */
function countOnce(all: Case, ofRule: readonly Qualified[]): Standing[] {
  const winners = new Map<string, { readonly claim: Claim; readonly endedAt: Date | null }>();

  return ofRule.map(qualified => {
    const { claim, standing } = qualified;

    if (standing === 'REJECTED' || standing === 'EXPIRED') {
      return { qualified, aftermath: null, instead: null };
    }

    const key = dedupeKeyOf(claim);
    const winner = key === null ? undefined : winners.get(key);

    if (winner && isCovered(winner, claim.event.time)) {
      return { qualified, aftermath: null, instead: winner.claim.outcomeId };
    }

    const aftermath = aftermathOf(all, qualified);

    if (key !== null) {
      winners.set(key, { claim, endedAt: aftermath.ending?.at ?? null });
    }

    return { qualified, aftermath, instead: null };
  });
}

/** Whether an instant lies where a claim that counts leaves no room for another: in its window, and not taken back before. */
function isCovered({ claim, endedAt }: { readonly claim: Claim; readonly endedAt: Date | null }, at: Date): boolean {
  const until = dedupeUntil(claim);

  return (until === null || at < until) && (endedAt === null || at < endedAt);
}

/** For each exclusive outcome that has to stand back, the one that counts instead. */
function chosenInstead(standings: readonly Standing[]): Map<Qualified, string> {
  const instead = new Map<Qualified, string>();
  const rivals = Map.groupBy(standings.filter(isRival), ({ qualified: { claim } }) => {
    const { group } = claim.version.terms.exclusive ?? { group: '' };

    return JSON.stringify([group, claim.event.subject]);
  });

  for (const group of rivals.values()) {
    const amounts = new Map(group.map(rival => [rival, hasHighest(rival) ? listAmountOf(rival) : null]));
    // Ties go to the earlier one, which stands first.
    const [chosen, ...others] = [...group].sort((a, b) => rankOf(a, b, amounts));

    for (const other of others) {
      instead.set(other.qualified, chosen?.qualified.claim.outcomeId ?? '');
    }
  }

  return instead;
}

/**
 * Whether an outcome takes part in the choice among exclusive ones: a verified one of a subject that stands, or that fell to
 * the guarantee. What was paid back for a subject is paid back once, so that one keeps the others out.
 */
function isRival({ qualified: { claim, standing }, aftermath }: Standing): boolean {
  return (
    claim.version.terms.exclusive !== null &&
    claim.event.subject !== null &&
    standing === 'PASSED' &&
    aftermath !== null &&
    (aftermath.ending === null || aftermath.ending.reason === 'GUARANTEE')
  );
}

function hasHighest({ qualified: { claim } }: Standing): boolean {
  return claim.version.terms.exclusive?.choice === 'HIGHEST';
}

/** `amounts` are what they cost by themselves, where the choice is by that. */
function rankOf(a: Standing, b: Standing, amounts: ReadonlyMap<Standing, Decimal | null>): number {
  const [left, right] = [a.qualified.claim, b.qualified.claim];
  const [one, other] = [left.version.terms.exclusive, right.version.terms.exclusive];

  switch (one?.choice) {
    case 'PRIORITY':
      return one.priority - (other?.priority ?? 0);

    case 'HIGHEST': {
      const [first = null, second = null] = [amounts.get(a), amounts.get(b)];

      return first && second ? (second.comparedTo(first) ?? 0) : Number(second !== null) - Number(first !== null);
    }

    default:
      return left.event.time.getTime() - right.event.time.getTime();
  }
}

function listAmountOf({ qualified, aftermath }: Standing): Decimal | null {
  const { claim, attributes } = qualified;

  return claim.version.listAmount({ attributes, ...worthAfter(qualified, aftermath) }, claim.contract.currency);
}

/** Units and value after what was taken back and people's share. */
function worthAfter(
  { claim, worth: { units, value, ownShare } }: Qualified,
  aftermath: Aftermath | null,
): { readonly units: Decimal; readonly value: Decimal | null } {
  const takenBack = aftermath?.takenBack ?? ZERO;
  const left = value && decimal(value.minus(takenBack));
  // Where the value is priced itself, the units are none of it.
  const isShared = claim.version.terms.measure === 'UNITS' && !takenBack.isZero();

  return {
    units: decimal((isShared && value && left ? divide(units.times(left), value) : units).times(ownShare)),
    value: left && decimal(left.times(ownShare)),
  };
}

function verdictOf(all: Case, standing: Standing, superseding: string | null): Verdict {
  const { qualified, aftermath } = standing;
  const { claim, verifiedAt, maturesAt } = qualified;
  const { event, version, contract } = claim;
  const { state, reason, dueAt } = stateOf(all, standing, superseding);
  const key = dedupeKeyOf(claim);
  const facts = joinedFacts(qualified.facts, aftermath?.facts ?? NO_FACTS);
  const isEnded = state === 'REJECTED' || state === 'EXPIRED' || state === 'REVERSED';

  return {
    outcomeId: claim.outcomeId,
    ruleId: claim.rule.id,
    versionId: version.id,
    versionNumber: version.number,
    contractId: contract.contractId,
    currency: contract.currency,
    eventId: event.id,
    source: event.source,
    subject: event.subject,
    customer: event.customer,
    state,
    reason,
    instead: standing.instead ?? superseding,
    startedAt: claim.startedAt,
    occurredAt: event.time,
    verifiedAt,
    maturesAt,
    periodAt: periodAt(qualified),
    dueAt,
    isLive: !isEnded,
    dedupeKey: key,
    dedupeUntil: key === null ? null : dedupeUntil(claim),
    isFree: qualified.isFree,
    ...worthAfter(qualified, aftermath),
    reimbursement: state === 'REVERSED' ? reimbursementOf(standing) : ZERO,
    attributes: qualified.attributes,
    agents: qualified.agents,
    factIds: facts.named,
    otherFacts: facts.others,
  };
}

/** What the guarantee pays back: the value that was left, of what was verified and cost something. */
function reimbursementOf({ qualified: { standing, isFree, worth }, aftermath }: Standing): Decimal {
  return aftermath?.ending?.reason === 'GUARANTEE' && standing === 'PASSED' && !isFree && worth.value
    ? decimal(worth.value.minus(aftermath.takenBack))
    : ZERO;
}

function stateOf(
  { now }: Case,
  { qualified, aftermath, instead }: Standing,
  superseding: string | null,
): Pick<Verdict, 'state' | 'reason' | 'dueAt'> {
  const { standing, maturesAt, expiresAt } = qualified;

  if (standing === 'REJECTED' || standing === 'EXPIRED') {
    return { state: standing, reason: qualified.reason, dueAt: null };
  }

  if (instead !== null) {
    return { state: 'REJECTED', reason: 'DUPLICATE', dueAt: waitsUntil(now, qualified) };
  }

  // Before it may be told to have fallen to the guarantee: another one did, or stands.
  if (superseding !== null) {
    // A dispute that is open may yet take it back for good.
    const dueAt = waitsUntil(now, qualified) ?? aftermath?.heldUntil ?? null;

    return { state: 'REJECTED', reason: 'SUPERSEDED', dueAt };
  }

  if (aftermath?.ending) {
    return { state: 'REVERSED', reason: aftermath.ending.reason, dueAt: waitsUntil(now, qualified) };
  }

  const note = aftermath?.note ?? (qualified.isFree ? 'SANDBOX' : null);

  if (standing === 'CLAIMED') {
    return { state: 'CLAIMED', reason: note ?? qualified.reason, dueAt: expiresAt };
  }

  if (aftermath?.heldUntil) {
    return { state: 'DISPUTED', reason: note, dueAt: aftermath.heldUntil };
  }

  return now >= maturesAt
    ? { state: 'MATURED', reason: note, dueAt: null }
    : { state: 'VERIFIED', reason: note, dueAt: maturesAt };
}

/** When a claim that stands back, or was taken back, comes to nothing by itself all the same: it expires, or no rating has come. */
function waitsUntil(now: Date, { claim, standing, expiresAt, maturesAt }: Qualified): Date | null {
  if (standing === 'CLAIMED') {
    return expiresAt;
  }

  const { quality } = claim.version.terms;
  const mayFail = quality?.whenMissing === 'REJECT' && quality.eventType !== null;

  return mayFail && now < maturesAt ? maturesAt : null;
}

/** The instant whose billing period it is charged in: never after the contract has ended. */
function periodAt({ claim, maturesAt }: Qualified): Date {
  const at = claim.version.terms.periodAnchor === 'MATURED' ? maturesAt : claim.event.time;
  const { endsAt } = claim.contract;

  return endsAt && at >= endsAt ? new Date(endsAt.getTime() - 1) : at;
}

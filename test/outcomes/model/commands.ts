// What happens to outcomes: told in every order, on both sides, at every moment.
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { DomainError } from '../../../src/platform/index.js';
import { change, changed, CLAIM_TYPES, OTHER_TYPES, twoRules, type Change } from './arbitrary-rules.js';
import { billsOf } from './bill.js';
import { compare } from './compare.js';
import type { ActFact, EventFact, Party } from './facts.js';
import { findingsAt, keyOf, type Finding } from './oracle.js';
import { factsOf, offer, publish, scopeAt, send, settle, type Plan, type World } from './world.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Where the model's clock stands, and what was counted. */
export interface Model {
  now: number;
  /** How many events were made. */
  serial: number;
  readonly tally: Tally;
}

export interface Tally {
  /** How often each kind of command did something. */
  readonly commands: Record<string, number>;
  comparisons: number;
  outcomes: number;
  amounts: number;
}

export const aTally = (): Tally => ({ commands: {}, comparisons: 0, outcomes: 0, amounts: 0 });

export const plan: fc.Arbitrary<Plan> = fc.record({
  timeZone: fc.constantFrom('UTC', 'America/New_York', 'Asia/Kathmandu'),
  startsAt: fc.constantFrom(Date.UTC(2026, 7, 1), Date.UTC(2026, 7, 11, 12)),
  effectiveAt: fc.constantFrom(Date.UTC(2026, 6, 1), Date.UTC(2026, 8, 10, 6)),
  now: fc.constant(Date.UTC(2026, 8, 14, 12)),
  rules: twoRules,
});

/** One thing that is told to both. */
export abstract class Told {
  abstract readonly name: string;

  async run(model: Model, world: World): Promise<void> {
    if (await this.tell(model, world)) {
      model.tally.commands[this.name] = (model.tally.commands[this.name] ?? 0) + 1;
    }

    await holds(model, world);
  }

  /** Answers whether there was anything to do it to. */
  abstract tell(model: Model, world: World): Promise<boolean>;

  toString(): string {
    const { name, ...given } = this as unknown as Readonly<Record<string, unknown>>;

    return `${String(name)}(${JSON.stringify(given)})`;
  }
}

/** Settles, and throws where the product and the oracle differ. */
export async function holds(model: Model, world: World): Promise<void> {
  await settle(world, model.now);
  const { outcomes, amounts, differences } = await compare(world, model.now);
  model.tally.comparisons += 1;
  model.tally.outcomes += outcomes;
  model.tally.amounts += amounts;

  if (differences.length > 0) {
    throw new Error(`at ${new Date(model.now).toISOString()}:\n${differences.join('\n')}`);
  }
}

/** An event before it has a time and an id. */
interface Draft {
  readonly type: string;
  readonly subject: string | null;
  readonly ago: number;
  readonly key: string;
  readonly party: Party;
  readonly properties: Readonly<Record<string, unknown>>;
  /** Which earlier claim is meant, where one is. */
  readonly target: number;
}

const pick = <T>(list: readonly T[], place: number): T | undefined => list[place % Math.max(1, list.length)];

function eventOf({ type, subject, ago, key, party, properties, target }: Draft, model: Model, world: World): EventFact {
  model.serial += 1;
  const { serial } = model;
  const claims = world.events.filter(event => (CLAIM_TYPES as readonly string[]).includes(event.type));
  const meant = pick(claims, target);
  // What concerns a subject mostly concerns one that is there.
  const isOther = !(CLAIM_TYPES as readonly string[]).includes(type) && meant && target % 4 !== 0;
  const started = type.startsWith('claim') ? model.now - ago - (target % 50) * HOUR : null;

  return {
    // Ids in no order, so that no order of ids helps.
    id: `e${((serial * 7_919) % 100_003).toString(36)}-${serial}`,
    source: target % 5 === 0 ? 'gateway' : '',
    type,
    time: isOther ? Math.min(model.now, meant.time + ago) : model.now - ago,
    subject: isOther ? meant.subject : subject,
    properties: {
      ...properties,
      ...(started === null ? { target: meant?.id ?? 'none' } : { started: new Date(started).toISOString() }),
    },
    keyId: key,
    party,
  };
}

const sender = { key: fc.constantFrom('key_a', 'key_b', 'key_c'), party: fc.constantFrom('BUYER', 'SELLER') } as const;
const subject = fc.option(fc.constantFrom('s1', 's2', 's3', 's4', 's5', 's6'), { nil: null, freq: 12 });
const customer = fc.constantFrom({}, { customer: 'c1' }, { customer: 'c2' }, { customer: 3 });
const ago = fc.constantFrom(
  ...[0, 0, 1, 2, 5, 24, 25, 47, 48, 72, 168, 336].flatMap(hours => [hours * HOUR, hours * HOUR + 1]),
  30 * MINUTE,
  35 * DAY,
);
const often = <T>(usual: T, ...seldom: readonly T[]): fc.Arbitrary<T> =>
  fc.oneof(
    { weight: 12, arbitrary: fc.constant(usual) },
    ...seldom.map(value => ({ weight: 1, arbitrary: fc.constant(value) })),
  );

/** A record without the members that are undefined. */
const present = (given: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));

const claim: fc.Arbitrary<Draft> = fc.record({
  ...sender,
  ago,
  subject,
  target: fc.nat(1_000),
  type: fc.constantFrom(...CLAIM_TYPES),
  properties: fc
    .tuple(
      customer,
      fc.record({
        kind: often('talk', 'greeting', 'spam'),
        sandbox: often<boolean | undefined>(undefined, true),
        proof: often<string | null | undefined>('yes', undefined, null),
        score: fc.constantFrom(5, 5, 4, 3, 1, undefined),
        channel: fc.constantFrom('voice', 'chat', 'chat.web', 'mail'),
        tokens: often<unknown>(24_000, 5_000, '10000', undefined, -1, 'many'),
        value: fc.oneof(
          { weight: 8, arbitrary: fc.constantFrom<unknown>('200', 184, '20.5', '12500', '0') },
          { weight: 1, arbitrary: fc.constantFrom<unknown>(undefined, 'none', '-3') },
        ),
        currency: often<string>('USD', 'EUR'),
        human: often<unknown>(0, undefined, 50, '25', 100, 101, 'half'),
      }),
    )
    .map(([who, rest]) => present({ ...who, ...rest })),
});

const fact: fc.Arbitrary<Draft> = fc.record({
  ...sender,
  ago,
  subject,
  target: fc.nat(1_000),
  type: fc.constantFrom(...OTHER_TYPES, 'verified', 'verified', 'reopened', 'reopened', 'touched'),
  properties: fc
    .tuple(
      customer,
      fc.record({
        level: fc.constantFrom(1, 2),
        passes: often<boolean>(true, false),
        verifier: fc.constantFrom('LLM', 'HUMAN', 'SYSTEM'),
        evidence: fc.constantFrom<unknown>({ proof: 'seen' }, {}, undefined),
        reason: fc.constantFrom<unknown>('NOT_RESOLVED', undefined),
        score: fc.constantFrom(5, 4, 1),
        agent: fc.constantFrom('ann', 'bob', 'cyd'),
        weight: fc.constantFrom(60, 40, 0),
        amount: fc.constantFrom<unknown>(undefined, undefined, '50', 20, '150'),
      }),
    )
    .map(([who, rest]) => present({ ...who, ...rest })),
});

class Claims extends Told {
  readonly name = 'claim';
  readonly draft: Draft;

  constructor(draft: Draft) {
    super();
    this.draft = draft;
  }

  async tell(model: Model, world: World): Promise<boolean> {
    await send(world, [eventOf(this.draft, model, world)], model.now);

    return true;
  }
}

class Facts extends Told {
  readonly name: string;
  readonly draft: Draft;

  constructor(draft: Draft) {
    super();
    this.draft = draft;
    this.name = draft.ago >= 24 * HOUR ? 'late event' : 'event';
  }

  async tell(model: Model, world: World): Promise<boolean> {
    await send(world, [eventOf(this.draft, model, world)], model.now);

    return true;
  }
}

/** Many at once, in no order. */
class Batch extends Told {
  readonly name = 'out-of-order batch';
  readonly drafts: readonly Draft[];

  constructor(drafts: readonly Draft[]) {
    super();
    this.drafts = drafts;
  }

  async tell(model: Model, world: World): Promise<boolean> {
    await send(
      world,
      this.drafts.map(draft => eventOf(draft, model, world)),
      model.now,
    );

    return true;
  }
}

/** The same event again changes nothing. */
class Duplicate extends Told {
  readonly name = 'duplicate event';
  readonly place: number;

  constructor(place: number) {
    super();
    this.place = place;
  }

  async tell(model: Model, world: World): Promise<boolean> {
    const event = pick(world.events, this.place);

    if (event && (await offer(world, [event], model.now)) !== 0) {
      throw new Error(`event ${event.id} was accepted twice`);
    }

    return event !== undefined;
  }
}

/** What stands in the states now, in the order in which it occurred. */
const standing = (world: World, { now }: Model, ...states: readonly Finding['state'][]): Finding[] =>
  findingsAt(factsOf(world), now).filter(({ state }) => states.includes(state));

/** The keys of what a hard cap keeps out now: rejected, so that nobody takes it back by mutation. */
const keptOut = (world: World, { now }: Model): Set<string> => {
  const facts = factsOf(world);
  const caps = billsOf(facts, findingsAt(facts, now), now).flatMap(({ capped }) => [...capped]);

  return new Set(caps.filter(([, mode]) => mode === 'HARD').map(([key]) => key));
};

/** The ids of the outcomes of findings. */
export async function outcomeIds(world: World, findings: readonly Finding[]): Promise<string[]> {
  const { rows } = await world.database.query<{ id: string; key: string }>(
    "select id, rule_id || ' ' || event_id || ' ' || source as key from outcome where tenant_id = $1",
    [world.tenantId],
  );

  return findings.map(({ key }) => rows.find(row => row.key === key)?.id ?? `no outcome ${key}`);
}

/** Takes the acts over that the product has written, with their ids and instants; what each says is known here. */
export async function learn(
  world: World,
  said: (act: { readonly key: string; readonly kind: string }) => Partial<ActFact>,
): Promise<void> {
  const { rows } = await world.database.query<{
    id: string;
    kind: ActFact['kind'];
    at: Date;
    dispute_id: string | null;
    rule_id: string;
    event_id: string;
    source: string;
    key_id: string;
    party: Party;
  }>(
    `select a.id, a.kind, a.at, a.dispute_id, a.key_id, a.party, o.rule_id, o.event_id, o.source
     from outcome_act a join outcome o on o.tenant_id = a.tenant_id and o.id = a.outcome_id
     where a.tenant_id = $1 and not a.id = any($2)`,
    [world.tenantId, world.acts.map(({ id }) => id)],
  );

  for (const { id, kind, at, dispute_id, rule_id, event_id, source, key_id, party } of rows) {
    world.acts.push({
      id,
      kind,
      at: at.getTime(),
      ruleId: rule_id,
      eventId: event_id,
      source,
      keyId: key_id,
      party,
      ...(dispute_id === null ? {} : { disputeId: dispute_id }),
      ...said({ kind, key: keyOf(rule_id, event_id, source) }),
    });
  }
}

const codeOf = async (work: () => Promise<unknown>): Promise<string | null> => {
  try {
    await work();

    return null;
  } catch (error) {
    if (error instanceof DomainError) {
      return error.code;
    }

    throw error;
  }
};

interface VerificationSaid {
  readonly place: number;
  readonly key: string;
  readonly party: Party;
  readonly passes: boolean;
  readonly verifier: 'LLM' | 'HUMAN' | 'SYSTEM';
  readonly hasEvidence: boolean;
  readonly score: string | null;
  readonly reason: string | null;
}

class Verify extends Told {
  readonly name: string;
  readonly said: VerificationSaid;

  constructor(said: VerificationSaid) {
    super();
    this.said = said;
    this.name = said.passes ? 'verify, passing' : 'verify, failing';
  }

  async tell(model: Model, world: World): Promise<boolean> {
    const { place, key, party, passes, verifier, hasEvidence, score, reason } = this.said;
    const finding = pick(standing(world, model, 'CLAIMED'), place);
    const claimed = world.events.find(({ id, source }) => id === finding?.eventId && source === finding.source);

    if (!finding || !claimed) {
      return false;
    }

    const { verification } = finding.version.terms;
    const evidence = hasEvidence ? { proof: 'seen' } : {};
    const own = verification?.parties === 'BOTH' ? null : score;
    const refused = await codeOf(async () =>
      world.product.app.services.outcomeActs.verify(
        scopeAt(world, world.tenantId, model.now),
        {
          outcomeIds: await outcomeIds(world, [finding]),
          idempotencyKey: randomUUID(),
          passes,
          verifier,
          score: own,
          evidence,
          reason,
        },
        { keyId: key, party },
      ),
    );

    if (claimed.keyId === key) {
      if (refused !== 'SELF_VERIFICATION') {
        throw new Error(`the claimant verified ${finding.key}: ${refused}`);
      }

      model.tally.commands['verify, self'] = (model.tally.commands['verify, self'] ?? 0) + 1;

      return false;
    }

    const isTaken = verification?.verifiers.includes(verifier);

    if ((refused === null) !== isTaken) {
      throw new Error(`the word of ${verifier} on ${finding.key} was answered ${refused}`);
    }

    await learn(world, () => ({ passes, verifier, score: own, evidence, reason }));

    return true;
  }
}

interface ReversalSaid {
  readonly place: number;
  readonly kind: 'FULL' | 'PARTIAL' | 'GUARANTEE';
  readonly amount: string;
  readonly key: string;
  /** Hours before now, where that is after the claim. */
  readonly ago: number;
}

class Reverse extends Told {
  readonly name: string;
  readonly said: ReversalSaid;

  constructor(said: ReversalSaid) {
    super();
    this.said = said;
    this.name = `reverse, ${said.kind.toLowerCase()}`;
  }

  async tell(model: Model, world: World): Promise<boolean> {
    const { place, kind, amount, key, ago: before } = this.said;
    const at = model.now - before;
    const finding = pick(
      standing(world, model, 'CLAIMED', 'VERIFIED', 'MATURED', 'DISPUTED').filter(one => {
        const { reversal, guarantee } = one.version.terms;
        const hours = (kind === 'GUARANTEE' ? guarantee : reversal)?.windowHours;

        return (
          hours !== undefined &&
          at >= one.occurredAt &&
          at <= one.occurredAt + hours * HOUR &&
          (kind !== 'PARTIAL' || (one.value !== null && one.value.top > 0n))
        );
      }),
      place,
    );

    if (!finding) {
      return false;
    }

    const part = kind === 'PARTIAL' ? amount : null;
    const refused = await codeOf(async () =>
      world.product.app.services.outcomeActs.reverse(
        scopeAt(world, world.tenantId, model.now),
        {
          outcomeIds: await outcomeIds(world, [finding]),
          idempotencyKey: randomUUID(),
          amount: part,
          isGuarantee: kind === 'GUARANTEE',
          at: before === 0 ? null : new Date(at),
          reason: null,
        },
        { keyId: key, party: 'SELLER' },
      ),
    );

    if (keptOut(world, model).has(finding.key)) {
      if (refused !== 'INVALID_TRANSITION') {
        throw new Error(`reversal ${kind} of ${finding.key}, which a cap keeps out, was answered ${refused}`);
      }

      model.tally.commands['reverse, kept out'] = (model.tally.commands['reverse, kept out'] ?? 0) + 1;

      return false;
    }

    if (refused !== null) {
      throw new Error(`reversal ${kind} ${part} of ${finding.key} was refused: ${refused}`);
    }

    await learn(world, () => ({ amount: part, isGuarantee: kind === 'GUARANTEE' }));

    return true;
  }
}

class Dispute extends Told {
  readonly name = 'dispute';
  readonly said: { readonly place: number; readonly count: number };

  constructor(said: { readonly place: number; readonly count: number }) {
    super();
    this.said = said;
  }

  async tell(model: Model, world: World): Promise<boolean> {
    const disputed = new Set(
      world.acts.filter(({ kind }) => kind === 'DISPUTE').map(act => keyOf(act.ruleId, act.eventId, act.source)),
    );
    const open = standing(world, model, 'MATURED').filter(({ key, version, maturesAt, isFree }) => {
      const { dispute } = version.terms;

      return dispute !== null && !isFree && !disputed.has(key) && model.now <= maturesAt + dispute.windowHours * HOUR;
    });
    const chosen = open.slice(this.said.place % Math.max(1, open.length)).slice(0, this.said.count);
    // What a hard cap has rejected there is nothing to dispute about.
    const ids = await outcomeIds(world, chosen);
    const { rows } = await world.database.query<{ id: string }>(
      'select id from outcome where tenant_id = $1 and id = any($2) and cap is null',
      [world.tenantId, ids],
    );

    if (rows.length === 0) {
      return false;
    }

    await world.product.app.services.outcomeDisputes.open(
      scopeAt(world, world.tenantId, model.now),
      { outcomeIds: rows.map(({ id }) => id), reason: 'not solved', evidence: {}, idempotencyKey: randomUUID() },
      { keyId: 'key_disputes', party: 'BUYER' },
    );
    await learn(world, () => ({}));

    return true;
  }
}

class Decide extends Told {
  readonly name = 'decide';
  readonly said: { readonly place: number; readonly accepts: number };

  constructor(said: { readonly place: number; readonly accepts: number }) {
    super();
    this.said = said;
  }

  async tell(model: Model, world: World): Promise<boolean> {
    const held = standing(world, model, 'DISPUTED');
    const disputeOf = ({ key }: Finding): string | undefined =>
      world.acts.find(act => act.kind === 'DISPUTE' && keyOf(act.ruleId, act.eventId, act.source) === key)?.disputeId;
    const meant = pick(held, this.said.place);
    const dispute = meant && disputeOf(meant);

    if (dispute === undefined) {
      return false;
    }

    const own = held.filter(finding => disputeOf(finding) === dispute);
    const accepted = own.filter((_, place) => ((this.said.accepts >> place) & 1) === 1);
    // One that is left out stays open.
    const rejected = own.filter(
      (one, place) => !accepted.includes(one) && ((this.said.accepts >> (place + 8)) & 1) === 1,
    );

    if (accepted.length + rejected.length === 0) {
      return false;
    }

    await world.product.app.services.outcomeDisputes.decide(
      scopeAt(world, world.tenantId, model.now),
      {
        outcomeDisputeId: dispute,
        acceptedOutcomeIds: await outcomeIds(world, accepted),
        rejectedOutcomeIds: await outcomeIds(world, rejected),
        reason: null,
        idempotencyKey: randomUUID(),
      },
      { keyId: 'key_decides', party: 'SELLER' },
    );
    await learn(world, ({ key }) => ({ accepts: accepted.some(finding => finding.key === key) }));

    return true;
  }
}

class ChangeRule extends Told {
  readonly name = 'rule change';
  readonly rule: 0 | 1;
  readonly change: Change;
  readonly inHours: number;

  constructor(rule: 0 | 1, change: Change, inHours: number) {
    super();
    this.rule = rule;
    this.change = change;
    this.inHours = inHours;
  }

  async tell(model: Model, world: World): Promise<boolean> {
    const rule = world.rules[this.rule];
    const effectiveAt = model.now + this.inHours * HOUR;
    const latest = rule.versions.toSorted((a, b) => a.effectiveAt - b.effectiveAt).at(-1);

    if (!latest || rule.versions.some(version => version.effectiveAt === effectiveAt)) {
      return false;
    }

    await publish(world.product, rule, changed(latest.terms, this.change), { now: model.now, effectiveAt });
    await world.product.app.services.rating.rerate(scopeAt(world, world.tenantId, model.now), new Date(effectiveAt));

    return true;
  }
}

class Clock extends Told {
  readonly name = 'clock';
  readonly by: number;

  constructor(by: number) {
    super();
    this.by = by;
  }

  tell(model: Model): Promise<boolean> {
    model.now += this.by;

    return Promise.resolve(true);
  }
}

/** Issues what is over, oldest first. */
class Issue extends Told {
  readonly name = 'invoice';

  async tell(model: Model, world: World): Promise<boolean> {
    const { rows } = await world.database.query<{ id: string }>(
      `select id from invoice where tenant_id = $1 and status = 'DRAFT' and period_end <= $2 order by period_start`,
      [world.tenantId, new Date(model.now)],
    );

    for (const { id } of rows) {
      await world.product.app.services.invoicing.issue(scopeAt(world, world.tenantId, model.now), {
        invoiceId: id,
        acceptUnpriced: true,
        idempotencyKey: randomUUID(),
      });
    }

    return rows.length > 0;
  }
}

const keys = fc.constantFrom('key_a', 'key_b', 'key_c', 'key_d');
const place = fc.nat(1_000);

/** The kinds of commands, with how often each is drawn. */
export const kinds: readonly fc.Arbitrary<Told>[] = [
  claim.map(draft => new Claims(draft)),
  claim.map(draft => new Claims(draft)),
  claim.map(draft => new Claims(draft)),
  claim.map(draft => new Claims(draft)),
  fact.map(draft => new Facts(draft)),
  fact.map(draft => new Facts(draft)),
  fact.map(draft => new Facts(draft)),
  fc.array(fc.oneof(claim, fact), { minLength: 2, maxLength: 6 }).map(drafts => new Batch(drafts)),
  place.map(given => new Duplicate(given)),
  fc
    .record({
      place,
      key: keys,
      party: sender.party,
      passes: often<boolean>(true, false),
      verifier: fc.constantFrom('LLM', 'HUMAN', 'SYSTEM'),
      hasEvidence: fc.boolean(),
      score: fc.constantFrom(null, '5', '1'),
      reason: fc.constantFrom(null, 'NOT_TRUE'),
    })
    .map(said => new Verify(said)),
  fc
    .record({
      place,
      kind: fc.constantFrom('FULL', 'PARTIAL', 'PARTIAL', 'GUARANTEE'),
      amount: fc.constantFrom('50', '20.5', '3'),
      key: keys,
      ago: fc.constantFrom(0, 0, HOUR, 30 * HOUR),
    })
    .map(said => new Reverse(said)),
  fc.record({ place, count: fc.integer({ min: 1, max: 3 }) }).map(said => new Dispute(said)),
  fc.record({ place, accepts: fc.nat(65_535) }).map(said => new Decide(said)),
  fc
    .record({ rule: fc.constantFrom(0, 1), to: change, inHours: fc.constantFrom(0, 1, 30, 200) })
    .map(({ rule, to, inHours }) => new ChangeRule(rule, to, inHours)),
  fc
    .constantFrom(30 * MINUTE, HOUR, 5 * HOUR, DAY, 2 * DAY, 3 * DAY, 7 * DAY, 10 * DAY, 21 * DAY)
    .map(by => new Clock(by)),
  fc.constantFrom(HOUR, DAY, 3 * DAY).map(by => new Clock(by)),
  fc.constant(new Issue()),
];

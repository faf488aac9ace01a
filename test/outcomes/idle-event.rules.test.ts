import fc from 'fast-check';
import { decimal } from '../../src/money/index.js';
import { judgeCase } from '../../src/outcomes/case.rules.js';
import {
  awaitedSince,
  idleOf,
  idleStateOf,
  idleTypes,
  type HeldContract,
  type Idle,
} from '../../src/outcomes/idle-event.rules.js';
import { readOutcomeTerms } from '../../src/outcomes/outcome-terms-reading.rules.js';
import { VERSION_ANCHORS } from '../../src/outcomes/outcome-terms.rules.js';
import type { LiveRule, LiveRuleVersion, OutcomeEvent, Verdict } from '../../src/outcomes/outcome.rules.js';

/*
 * What an idle event was meant to be, against the judge: everything is on whole hours, so that every claim that an event
 * could bear on can be tried.
 */

const START = Date.parse('2026-11-02T12:00:00Z');
const HOUR_MS = 3_600_000;
const at = (hours: number): Date => new Date(START + hours * HOUR_MS);
const hoursOf = (time: Date): number => (time.getTime() - START) / HOUR_MS;

const CLAIMS = ['claim.a', 'claim.b'] as const;
const TYPES = [...CLAIMS, 'back', 'charged', 'verified'] as const;

interface VersionGiven {
  readonly from: number;
  readonly claim: (typeof CLAIMS)[number];
  readonly anchor: (typeof VERSION_ANCHORS)[number];
  readonly maturation: number;
  readonly back: { readonly type: string; readonly hours: number; readonly isTargeted: boolean } | null;
  readonly charged: number | null;
  readonly verified: number | null;
}

const isFine = { matches: ({ properties }: Pick<OutcomeEvent, 'properties'>) => properties['ok'] === true };

function aVersion(ruleId: string, number: number, given: VersionGiven): LiveRuleVersion {
  const { claim, anchor, maturation, back, charged, verified } = given;
  const read = readOutcomeTerms({
    claim: { eventType: claim, filter: '' },
    prices: [{ name: 'Each', currency: 'USD', pattern: {}, terms: { model: 'UNIT', unitAmount: '1' } }],
    startedProperty: 'started',
    valueProperty: 'value',
    versionAnchor: anchor,
    maturationHours: maturation,
    ...(back && {
      reversal: {
        clause: { eventType: back.type, filter: '' },
        windowHours: back.hours,
        targetProperty: back.isTargeted ? 'target' : null,
      },
    }),
    ...(charged && { guarantee: { clause: { eventType: 'charged', filter: '' }, windowHours: charged } }),
    ...(verified && { verification: { verifiers: ['LLM'], eventType: 'verified', expiresAfterHours: verified } }),
  });

  if ('refusals' in read) {
    throw new Error(JSON.stringify(read.refusals));
  }

  return {
    id: `${ruleId}-${number}`,
    number,
    effectiveAt: at(given.from),
    terms: read.terms,
    filters: {
      claim: isFine,
      exclusions: [],
      environment: null,
      touch: null,
      // A claim of that type would take itself back, and nothing else could any more.
      reversal: back && { matches: event => isFine.matches(event) && event.properties['isFirst'] !== true },
      guarantee: charged === null ? null : isFine,
    },
    listAmount: () => decimal('1'),
  };
}

const aGiven = (given: Partial<VersionGiven> = {}): VersionGiven => ({
  from: 0,
  claim: 'claim.a',
  anchor: 'OCCURRED',
  maturation: 0,
  back: { type: 'back', hours: 10, isTargeted: false },
  charged: null,
  verified: null,
  ...given,
});

const aRule = (id: string, givens: readonly VersionGiven[]): LiveRule => ({
  id,
  key: id,
  versions: givens.map((given, place) => aVersion(id, place + 1, given)),
});

const aContract = (
  offered: readonly LiveRule[],
  given: { readonly from?: number; readonly until?: number | null; readonly isPinned?: boolean } = {},
): HeldContract => {
  const { from = -1_000, until = null, isPinned = false } = given;
  const taken = offered
    .map(rule => ({ ...rule, versions: rule.versions.filter(({ effectiveAt }) => effectiveAt <= at(from)) }))
    .filter(({ versions }) => versions.length > 0);

  return {
    contractId: `ctr-${from}`,
    currency: 'USD',
    startsAt: at(from),
    endsAt: until === null ? null : at(until),
    offered,
    rules: isPinned ? taken : offered,
  };
};

const anEvent = (type: string, hours: number, given: Partial<OutcomeEvent> = {}): OutcomeEvent => ({
  id: `${type} ${hours}`,
  source: '',
  type,
  time: at(hours),
  subject: 'c1',
  customer: null,
  properties: { ok: true },
  keyId: type,
  party: 'BUYER',
  ...given,
});

const judge = (contracts: readonly HeldContract[], events: readonly OutcomeEvent[], now: Date): readonly Verdict[] =>
  judgeCase({
    events,
    acts: [],
    now,
    rulesAt: instant =>
      contracts.find(({ startsAt, endsAt }) => startsAt <= instant && (endsAt === null || instant < endsAt)) ?? null,
    outcomeId: (ruleId, { id }) => `${ruleId}/${id}`,
  });

const shown = (idle: Idle | null): string | null =>
  idle && [idle.role, idle.ruleId, idle.reason, idle.pendingUntil ? hoursOf(idle.pendingUntil) : '-'].join(' ');

const hours = (min: number, max: number) => fc.integer({ min, max });

const versions = fc.uniqueArray(
  fc.record({
    from: hours(-20, 40),
    claim: fc.constantFrom(...CLAIMS),
    anchor: fc.constantFrom(...VERSION_ANCHORS),
    maturation: fc.constantFrom(0, 3, 15),
    back: fc.option(
      fc.record({
        type: fc.constantFrom('back', 'back', 'claim.b'),
        hours: fc.constantFrom(1, 4, 12),
        isTargeted: fc.boolean(),
      }),
      { nil: null },
    ),
    charged: fc.option(fc.constantFrom(2, 9), { nil: null }),
    verified: fc.option(fc.constantFrom(1, 7), { nil: null }),
  }),
  { selector: ({ from }) => from, minLength: 1, maxLength: 3 },
);

const rulesOf = (prefix: string) =>
  fc.array(versions, { minLength: 1, maxLength: 2 }).map(all =>
    all.map((givens, place) =>
      aRule(
        `${prefix}${place + 1}`,
        [...givens].sort((a, b) => a.from - b.from),
      ),
    ),
  );

const pinned = fc.boolean();
const contracts = fc
  .record({
    rules: rulesOf('r'),
    others: rulesOf('other'),
    start: hours(-10, 5),
    length: hours(1, 25),
    gap: hours(0, 6),
    pinned,
    also: pinned,
  })
  .chain(({ rules: offered, others, start, length, gap, pinned: isPinned, also }) => {
    const first = aContract(offered, { from: start, until: start + length, isPinned });
    return fc.constantFrom(
      [first],
      [first, aContract(offered, { from: start + length + gap, isPinned: also })],
      [first, aContract(others, { from: start + length + gap, isPinned: also })],
    );
  });

const events = fc
  .record({
    type: fc.constantFrom(...TYPES, 'back', 'verified'),
    time: hours(-15, 45),
    subject: fc.constantFrom('c1', 'c1', 'c1', null),
    ok: fc.constantFrom(true, true, true, false),
    passes: fc.boolean(),
    started: fc.option(hours(-30, 45), { nil: undefined }),
    party: fc.constantFrom('BUYER', 'SELLER', 'SELLER'),
  })
  .map(({ type, time, subject, ok, passes, started, party }) =>
    anEvent(type, time, {
      subject,
      party,
      properties: {
        ok,
        passes,
        verifier: 'LLM',
        target: 'the claim',
        ...(started === undefined ? {} : { started: at(started).toISOString() }),
      },
    }),
  );

/** Every claim, hour by hour, that the event may bear on, with how long after it at most. */
function borneOn(held: readonly HeldContract[], event: OutcomeEvent): number[] {
  const offered = new Map(
    held.flatMap(contract => contract.offered.flatMap(rule => rule.versions)).map(v => [v.id, v]),
  );
  const starts = [undefined, ...[...offered.values()].map(({ effectiveAt }) => effectiveAt.toISOString())];
  const windows = { back: 'reversal', charged: 'guarantee', verified: 'verification' } as const;

  return Array.from({ length: 13 }, (_, back) => hoursOf(event.time) - back).flatMap(time =>
    CLAIMS.flatMap(type =>
      starts.flatMap(started => {
        const claim = anEvent(type, time, {
          id: 'the claim',
          properties: { ok: true, isFirst: true, started },
          subject: event.subject,
        });
        const verdicts = judge(held, [claim, event], claim.time);

        return verdicts
          .filter(({ eventId, factIds }) => eventId === claim.id && factIds.includes(event.id))
          .map(({ versionId }) => {
            const { reversal, guarantee, verification } = offered.get(versionId)?.terms ?? {};
            const asked = {
              reversal: reversal?.windowHours,
              guarantee: guarantee?.windowHours,
              verification: verification?.expiresAfterHours,
            };

            return asked[windows[event.type as keyof typeof windows] ?? 'reversal'] ?? 0;
          });
      }),
    ),
  );
}

describe('an idle event, whatever the rules and contracts', () => {
  test('is none that claims, and none of a type that no book names', () => {
    let claiming = 0;
    fc.assert(
      fc.property(contracts, events, (held, event) => {
        const isClaim = judge(held, [event], event.time).length > 0;
        claiming += Number(isClaim);
        expect(idleOf(event, held, []) === null).toBe(isClaim || !idleTypes(held, null).includes(event.type));
      }),
      { numRuns: 2_000 },
    );
    expect(claiming).toBeGreaterThan(50);
  });

  test('is awaited exactly while a claim may come that it would bear on', () => {
    const seen = { awaited: 0, not: 0 };
    fc.assert(
      fc.property(contracts, events, (held, event) => {
        const idle = idleOf(event, held, []);
        fc.pre(idle !== null);
        const windows = borneOn(held, event);
        const until = idle?.pendingUntil ?? null;
        seen[until ? 'awaited' : 'not']++;
        expect(until && hoursOf(until) - hoursOf(event.time)).toBe(windows.length === 0 ? null : Math.max(...windows));
      }),
      { numRuns: 1_000 },
    );
    expect(Math.min(seen.awaited, seen.not)).toBeGreaterThan(100);
  });

  test('is found among those that may be pending, by type and time', () => {
    fc.assert(
      fc.property(contracts, events, hours(-20, 80), (held, event, now) => {
        const idle = idleOf(event, held, []);
        fc.pre(idle !== null && idleStateOf(idle, at(now)) === 'PENDING');
        expect(idleTypes(held, 'PENDING')).toContain(event.type);
        expect(event.time > awaitedSince(held, at(now))).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });

  test('is awaited as long whatever outcomes there are; only the reason tells of them', () => {
    const outcomes = fc.array(
      fc.record({
        ruleId: fc.constantFrom('r1', 'r2'),
        eventId: fc.constantFrom('the claim', 'another'),
        source: fc.constant(''),
        subject: fc.constant('c1'),
        occurredAt: hours(-30, 45).map(at),
      }),
    );
    fc.assert(
      fc.property(contracts, events, outcomes, (held, event, known) => {
        const [without, withThem] = [idleOf(event, held, []), idleOf(event, held, known)];
        expect(withThem?.pendingUntil).toEqual(without?.pendingUntil);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('an idle event by itself', () => {
  const under = (given: Partial<VersionGiven>, more: Parameters<typeof aContract>[1] = {}) => [
    aContract([aRule('r1', [aGiven(given)])], more),
  ];

  test('is PENDING until before the instant at which it is awaited no more', () => {
    const idle = idleOf(anEvent('back', 5), under({}), []);
    expect(shown(idle)).toBe('REVERSAL r1 NO_OUTCOME 15');
    expect(idle && [at(14.999), at(15), at(15.001)].map(now => idleStateOf(idle, now))).toEqual([
      'PENDING',
      'EXPIRED',
      'EXPIRED',
    ]);
  });

  test.each([
    ['a claim under no contract', anEvent('claim.a', 5), under({}, { from: 6 }), 'CLAIM r1 NO_CONTRACT -'],
    ['a claim at the end of its contract', anEvent('claim.a', 5), under({}, { until: 5 }), 'CLAIM r1 NO_CONTRACT -'],
    ['a claim before the first version', anEvent('claim.a', -1), under({}), 'CLAIM r1 NO_RULE_VERSION -'],
    [
      'a claim under a contract pinned before the first version',
      anEvent('claim.a', 5),
      under({}, { from: -1, isPinned: true }),
      'CLAIM r1 NO_RULE_VERSION -',
    ],
    ['a claim that is not matched', anEvent('claim.a', 5, { properties: {} }), under({}), 'CLAIM r1 NOT_MATCHED -'],
    ['a reversal under no contract', anEvent('back', 5), under({}, { from: 6 }), 'REVERSAL r1 NO_CONTRACT -'],
    ['a reversal after the contract', anEvent('back', 5), under({}, { until: 1 }), 'REVERSAL r1 NO_OUTCOME 15'],
    ['a reversal long after the contract', anEvent('back', 11), under({}, { until: 1 }), 'REVERSAL r1 NO_CONTRACT -'],
    ['a reversal before the first version', anEvent('back', -1), under({}), 'REVERSAL r1 NO_RULE_VERSION -'],
    ['a reversal without a subject', anEvent('back', 5, { subject: null }), under({}), 'REVERSAL r1 NO_SUBJECT -'],
    [
      'a guarantee of the buyer’s',
      anEvent('charged', 5),
      under({ back: null, charged: 10 }),
      'GUARANTEE r1 NOT_MATCHED -',
    ],
    ['a reversal that is not matched', anEvent('back', 5, { properties: {} }), under({}), 'REVERSAL r1 NOT_MATCHED -'],
    [
      'a guarantee of nothing',
      anEvent('charged', 5, { party: 'SELLER' }),
      under({ charged: 7 }),
      'GUARANTEE r1 NO_OUTCOME 12',
    ],
    ['a verification of nothing', anEvent('verified', 5), under({ verified: 3 }), 'VERIFICATION r1 NO_OUTCOME 8'],
    ['what no rule looks at', anEvent('rated', 5), under({}), null],
  ])('%s', (_what, event, held, expected) => {
    expect(shown(idleOf(event, held, []))).toBe(expected);
  });

  test.each([
    ['before it, in time', 'r1', 'e', 0, 'NO_EFFECT'],
    ['so long before it that it is just in time', 'r1', 'e', -5, 'NO_EFFECT'],
    ['too long before it', 'r1', 'e', -6, 'TOO_LATE'],
    ['after it', 'r1', 'e', 6, 'NO_OUTCOME'],
    ['of another rule', 'r2', 'e', 0, 'NO_OUTCOME'],
    ['that it does not name', 'r1', 'another', 0, 'NO_OUTCOME'],
  ])('an outcome %s', (_what, ruleId, eventId, occurred, reason) => {
    const held = [aContract([aRule('r1', [aGiven({ back: { type: 'back', hours: 10, isTargeted: true } })])])];
    const event = anEvent('back', 5, { properties: { ok: true, target: 'e' } });
    const outcome = { ruleId, eventId, source: '', subject: 'c1', occurredAt: at(occurred) };
    // The version has not been there for ever, so that a late one is of a time before it.
    const idle = idleOf(event, held, [outcome]);
    expect(shown(idle)).toBe(`REVERSAL r1 ${reason} 15`);
  });

  test('has the role by which it is awaited longest, else the furthest one, else the first', () => {
    const rule = (id: string, given: Partial<VersionGiven>) => aRule(id, [aGiven(given)]);
    const back = (length: number) => ({ type: 'claim.b', hours: length, isTargeted: false });
    const short = rule('r1', { back: back(2) });
    const long = rule('r2', { back: back(20) });
    const claims = rule('r3', { claim: 'claim.b', back: null });
    const bad = anEvent('claim.b', 5, { properties: { ok: false } });
    const later = aRule('r4', [aGiven({ from: 6, claim: 'claim.b', back: null })]);
    expect(shown(idleOf(anEvent('claim.b', 5), [aContract([short, long, later])], []))).toBe(
      'REVERSAL r2 NO_OUTCOME 25',
    );
    expect(shown(idleOf(bad, [aContract([later, claims, short])], []))).toBe('CLAIM r3 NOT_MATCHED -');
    expect(shown(idleOf(bad, [aContract([short, claims])], []))).toBe('REVERSAL r1 NOT_MATCHED -');
  });

  test('is judged by the rules of its time before those of others', () => {
    const [old, present] = [aRule('old', [aGiven({ from: -50 })]), aRule('present', [aGiven({ from: -50 })])];
    const held = [aContract([old], { until: 0 }), aContract([present], { from: 0 })];
    expect(shown(idleOf(anEvent('back', -5), held, []))).toBe('REVERSAL old NO_OUTCOME 5');
    expect(shown(idleOf(anEvent('back', 5), held, []))).toBe('REVERSAL present NO_OUTCOME 15');
    // What both may have claimed in its window is of the one that holds then.
    expect(shown(idleOf(anEvent('claim.a', 5, { properties: {} }), held, []))).toBe('CLAIM present NOT_MATCHED -');
  });
});

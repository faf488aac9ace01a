import fc from 'fast-check';
import { decimal, formatDecimal } from '../../src/money/index.js';
import { judgeCase } from '../../src/outcomes/case.rules.js';
import { readOutcomeTerms } from '../../src/outcomes/outcome-terms-reading.rules.js';
import type { CaseFacts, LiveRule, OutcomeAct, OutcomeEvent, Verdict } from '../../src/outcomes/outcome.rules.js';
import type { OutcomeTermsJson } from '../../src/outcomes/outcome-terms.rules.js';

/*
 * The judge by itself: facts in, verdicts out. The numbers of the requirements are tested through the public API
 * (acceptance/), whole lives against an independent oracle (model/).
 */

const START = Date.parse('2026-11-02T12:00:00Z');
const at = (hours: number): Date => new Date(START + hours * 3_600_000);

type Given = Partial<OutcomeTermsJson>;

const price = (unitAmount: string) => [
  { name: 'Each', currency: 'USD', pattern: {}, terms: { model: 'UNIT' as const, unitAmount } },
];

const aRule = (id: string, given: Given = {}): LiveRule => {
  const read = readOutcomeTerms({ claim: { eventType: id, filter: '' }, prices: price('0.99'), ...given });

  if ('refusals' in read) {
    throw new Error(JSON.stringify(read.refusals));
  }

  const { terms } = read;
  const all = { matches: () => true };
  const when = (wanted: unknown) => (wanted ? all : null);

  return {
    id,
    key: id,
    versions: [
      {
        id: `${id}-1`,
        number: 1,
        effectiveAt: new Date(0),
        terms,
        filters: {
          claim: all,
          exclusions: terms.exclusions.map(() => all),
          environment: terms.environment ? { matches: event => event.properties['test'] === true } : null,
          touch: when(terms.attribution),
          reversal: when(terms.reversal?.clause),
          guarantee: when(terms.guarantee),
        },
        listAmount: () => decimal(id === 'qualification' ? '9.99' : '0.99'),
      },
    ],
  };
};

const anEvent = (type: string, hours: number, given: Partial<OutcomeEvent> = {}): OutcomeEvent => ({
  id: `${type}-${hours}`,
  source: '',
  type,
  time: at(hours),
  subject: 'c1',
  customer: null,
  properties: {},
  keyId: 'gateway',
  party: 'BUYER',
  ...given,
});

const judge = (
  rules: readonly LiveRule[],
  events: readonly OutcomeEvent[],
  { now = 10_000, acts = [], endsAt = null }: { now?: number; acts?: readonly OutcomeAct[]; endsAt?: Date | null } = {},
): readonly Verdict[] =>
  judgeCase({
    events,
    acts,
    now: at(now),
    rulesAt: () => ({ contractId: 'ctr', currency: 'USD', endsAt, rules }),
    outcomeId: (ruleId, event) => `${ruleId}/${event.id}`,
  } satisfies CaseFacts);

const shown = (verdicts: readonly Verdict[]) =>
  verdicts.map(({ outcomeId, state, reason }) => `${outcomeId} ${state}${reason === null ? '' : ` ${reason}`}`);

const aWord = (
  outcomeId: string,
  hours: number,
  given: Partial<Extract<OutcomeAct, { kind: 'VERIFICATION' }>> = {},
) => ({
  kind: 'VERIFICATION' as const,
  id: `word-${hours}`,
  outcomeId,
  at: at(hours),
  passes: true,
  verifier: 'HUMAN' as const,
  score: null,
  evidence: {},
  reason: null,
  keyId: 'reviewer',
  party: 'SELLER' as const,
  ...given,
});

const REVERSIBLE: Given = {
  dedupe: { scope: 'SUBJECT', windowHours: null },
  reversal: {
    clause: { eventType: 'reopened', filter: '' },
    windowHours: 336,
    amountProperty: 'refunded',
    targetProperty: null,
    sentBy: 'ANY',
  },
};

const VERIFIED: Given = {
  verification: { verifiers: ['HUMAN'], parties: 'ANY', eventType: 'checked', sentBy: 'ANY', expiresAfterHours: 168 },
};

const DISPUTABLE: Given = { dispute: { windowHours: 240, responseHours: 240, whenSilent: 'CREDIT' } };

describe('what counts once', () => {
  const resolved = aRule('resolved', REVERSIBLE);

  test('is the earliest claim of a subject, whichever came first', () => {
    const verdicts = judge([resolved], [anEvent('resolved', 5), anEvent('resolved', 1), anEvent('resolved', 3)]);

    expect(shown(verdicts)).toEqual([
      'resolved/resolved-1 MATURED',
      'resolved/resolved-3 REJECTED DUPLICATE',
      'resolved/resolved-5 REJECTED DUPLICATE',
    ]);
    expect(verdicts[1]?.instead).toBe('resolved/resolved-1');
  });

  test('counts again after it was taken back, and what it had made a duplicate stays one', () => {
    const verdicts = judge(
      [resolved],
      [anEvent('resolved', 1), anEvent('resolved', 2), anEvent('reopened', 3), anEvent('resolved', 4)],
    );

    expect(shown(verdicts)).toEqual([
      'resolved/resolved-1 REVERSED REVERSED',
      'resolved/resolved-2 REJECTED DUPLICATE',
      'resolved/resolved-4 MATURED',
    ]);
  });

  test('a claim that came to nothing by itself makes room for the next', () => {
    const verified = aRule('resolved', { ...REVERSIBLE, ...VERIFIED });
    const events = [anEvent('resolved', 1), anEvent('resolved', 2), anEvent('reopened', 1_000)];
    const acts = [
      aWord('resolved/resolved-1', 3, { passes: false, reason: 'NOT_SOLVED' }),
      aWord('resolved/resolved-2', 4, { id: 'other' }),
    ];

    expect(shown(judge([verified], events, { acts }))).toEqual([
      'resolved/resolved-1 REJECTED NOT_SOLVED',
      'resolved/resolved-2 MATURED',
    ]);
  });

  test('a window begins at the claim that counts, not at the last one', () => {
    const rolling = aRule('resolved', { dedupe: { scope: 'SUBJECT', windowHours: 48 } });
    const events = [0, 10, 47, 50].map(hours => anEvent('resolved', hours));

    expect(judge([rolling], events).map(({ state }) => state)).toEqual(['MATURED', 'REJECTED', 'REJECTED', 'MATURED']);
  });

  test('of a customer it reaches over subjects', () => {
    const rule = aRule('resolved', {
      customerProperty: 'customer',
      dedupe: { scope: 'CUSTOMER', windowHours: 24 },
    });
    const events = [
      anEvent('resolved', 0, { customer: 'ada', subject: 'chat' }),
      anEvent('resolved', 20, { customer: 'ada', subject: 'mail' }),
      anEvent('resolved', 21, { customer: 'bob', subject: 'call' }),
    ];

    expect(judge([rule], events).map(({ state }) => state)).toEqual(['MATURED', 'REJECTED', 'MATURED']);
  });
});

describe('what is taken back', () => {
  const rule = aRule('resolved', { ...REVERSIBLE, valueProperty: 'value' });

  test('is all of it inside the window and nothing after it', () => {
    expect(shown(judge([rule], [anEvent('resolved', 0), anEvent('reopened', 336)]))).toEqual([
      'resolved/resolved-0 REVERSED REVERSED',
    ]);
    expect(shown(judge([rule], [anEvent('resolved', 0), anEvent('reopened', 337)]))).toEqual([
      'resolved/resolved-0 MATURED',
    ]);
  });

  test('is a part of the value, until the parts use it up', () => {
    const claim = anEvent('resolved', 0, { properties: { value: 200 } });
    const part = anEvent('reopened', 1, { properties: { refunded: 50 } });
    const rest = anEvent('reopened', 2, { properties: { refunded: '150' } });
    const [partly] = judge([rule], [claim, part]);
    const [wholly] = judge([rule], [rest, part, claim]);

    expect([
      partly?.reason,
      formatDecimal(partly?.units ?? decimal(0)),
      formatDecimal(partly?.value ?? decimal(0)),
    ]).toEqual(['PARTLY_REVERSED', '0.75', '150']);
    expect(wholly?.state).toBe('REVERSED');
  });

  test('changes nothing, and says so, where a part is of nothing or is no number', () => {
    const part = anEvent('reopened', 1, { properties: { refunded: 50 } });
    const bad = anEvent('reopened', 1, { properties: { refunded: 'half' } });

    expect(shown(judge([rule], [anEvent('resolved', 0), part]))).toEqual([
      'resolved/resolved-0 MATURED PARTIAL_WITHOUT_VALUE',
    ]);
    expect(shown(judge([rule], [anEvent('resolved', 0), bad]))).toEqual([
      'resolved/resolved-0 MATURED REVERSAL_INVALID',
    ]);
  });

  test('is paid back with what was left of the value under a guarantee', () => {
    const guaranteed = aRule('resolved', {
      ...REVERSIBLE,
      valueProperty: 'value',
      guarantee: { clause: { eventType: 'chargeback', filter: '' }, windowHours: 2_000, sentBy: 'ANY' },
    });
    const [verdict] = judge(
      [guaranteed],
      [
        anEvent('resolved', 0, { properties: { value: '200.00' } }),
        anEvent('reopened', 1, { properties: { refunded: 50 } }),
        anEvent('chargeback', 500),
      ],
    );

    expect([verdict?.state, verdict?.reason, formatDecimal(verdict?.reimbursement ?? decimal(0))]).toEqual([
      'REVERSED',
      'GUARANTEE',
      '150',
    ]);
  });
});

describe('a verification', () => {
  const rule = aRule('resolved', { ...VERIFIED, evidence: ['transcript'] });
  const claim = anEvent('resolved', 0);
  const proof = { evidence: { transcript: 'https://example.com/t/1' } };

  test('does not count from the key that claimed, nor without evidence, and says why the claim still waits', () => {
    const self = aWord('resolved/resolved-0', 1, { ...proof, keyId: 'gateway' });

    expect(shown(judge([rule], [claim], { now: 2, acts: [self] }))).toEqual([
      'resolved/resolved-0 CLAIMED SELF_VERIFICATION',
    ]);
    expect(shown(judge([rule], [claim], { now: 2, acts: [aWord('resolved/resolved-0', 1)] }))).toEqual([
      'resolved/resolved-0 CLAIMED EVIDENCE_MISSING',
    ]);
    expect(shown(judge([rule], [claim], { now: 2, acts: [aWord('resolved/resolved-0', 1, proof)] }))).toEqual([
      'resolved/resolved-0 MATURED',
    ]);
  });

  test('comes too late when the claim has expired', () => {
    const late = aWord('resolved/resolved-0', 169, proof);

    expect(shown(judge([rule], [claim], { now: 167 }))).toEqual(['resolved/resolved-0 CLAIMED']);
    expect(shown(judge([rule], [claim], { now: 168 }))).toEqual(['resolved/resolved-0 EXPIRED UNVERIFIED']);
    expect(shown(judge([rule], [claim], { now: 200, acts: [late] }))).toEqual([
      'resolved/resolved-0 EXPIRED UNVERIFIED',
    ]);
  });

  test('says a reason of its own, never one that judging gives by itself', () => {
    const because = (reason: string | null) => {
      const acts = [aWord('resolved/resolved-0', 1, { passes: false, reason })];

      return judge([rule], [claim], { now: 2, acts })[0]?.reason;
    };

    expect(['NOT_SOLVED', 'DUPLICATE', 'NO_RULE', 'GUARANTEE', 'no code', null].map(because)).toEqual([
      'NOT_SOLVED',
      'VERIFICATION_FAILED',
      'VERIFICATION_FAILED',
      'VERIFICATION_FAILED',
      'VERIFICATION_FAILED',
      'VERIFICATION_FAILED',
    ]);
  });

  test('of both parties needs one word of each', () => {
    const both = aRule('resolved', {
      verification: { verifiers: ['HUMAN'], parties: 'BOTH', eventType: null, sentBy: 'ANY', expiresAfterHours: 168 },
    });
    const seller = aWord('resolved/resolved-0', 1);
    const again = aWord('resolved/resolved-0', 2);
    const buyer = aWord('resolved/resolved-0', 3, { party: 'BUYER', keyId: 'customer' });

    expect(judge([both], [claim], { now: 5, acts: [seller, again] })[0]?.state).toBe('CLAIMED');
    expect(judge([both], [claim], { now: 5, acts: [buyer, seller] })[0]?.verifiedAt).toEqual(at(3));
  });
});

test('no event takes back, or guarantees, what it claims itself', () => {
  const clause = { eventType: 'resolved', filter: '' };
  const rule = aRule('resolved', {
    valueProperty: 'value',
    reversal: { clause, windowHours: 10, amountProperty: null, targetProperty: null, sentBy: 'ANY' },
    guarantee: { clause, windowHours: 10, sentBy: 'ANY' },
  });
  const first = anEvent('resolved', 0, { properties: { value: 5 } });

  expect(shown(judge([rule], [first]))).toEqual(['resolved/resolved-0 MATURED']);
  expect(shown(judge([rule], [first, anEvent('resolved', 1, { properties: { value: 5 } })]))).toEqual([
    'resolved/resolved-0 REVERSED REVERSED',
    'resolved/resolved-1 MATURED',
  ]);
});

test('the guarantee is called on by the next event of the type that claims', () => {
  const rule = aRule('resolved', {
    valueProperty: 'value',
    guarantee: { clause: { eventType: 'resolved', filter: '' }, windowHours: 10, sentBy: 'ANY' },
  });
  const valued = (hours: number) => anEvent('resolved', hours, { properties: { value: 5 } });

  expect(shown(judge([rule], [valued(0), valued(1), valued(20)]))).toEqual([
    'resolved/resolved-0 REVERSED GUARANTEE',
    'resolved/resolved-1 MATURED',
    'resolved/resolved-20 MATURED',
  ]);
});

describe('exclusive outcomes', () => {
  const group = (choice: 'HIGHEST' | 'FIRST', priority = 0): Given => ({
    ...REVERSIBLE,
    exclusive: { group: 'conversation', choice, priority },
  });

  test('of a subject are one, the highest; and the next when that falls away', () => {
    const rules = [aRule('resolved', group('HIGHEST')), aRule('qualification', group('HIGHEST'))];
    const events = [anEvent('resolved', 0), anEvent('qualification', 5)];

    expect(shown(judge(rules, events))).toEqual([
      'resolved/resolved-0 REJECTED SUPERSEDED',
      'qualification/qualification-5 MATURED',
    ]);
    expect(
      shown(
        judge(rules, events, {
          acts: [
            {
              kind: 'REVERSAL',
              id: 'back',
              outcomeId: 'qualification/qualification-5',
              at: at(6),
              amount: null,
              isGuarantee: false,
              reason: null,
              keyId: 'k',
              party: 'SELLER',
            },
          ],
        }),
      ),
    ).toEqual(['resolved/resolved-0 MATURED', 'qualification/qualification-5 REVERSED REVERSED']);
  });

  test('of one instant are told apart by their events, whatever else the case holds', () => {
    const rules = [aRule('resolved', group('FIRST')), aRule('qualification', group('FIRST'))];
    const events = [anEvent('resolved', 5, { id: 'a' }), anEvent('qualification', 5, { id: 'b' })];
    const chosen = ['resolved/a MATURED', 'qualification/b REJECTED SUPERSEDED'];
    const elsewhere = anEvent('qualification', 0, { id: 'c', subject: 'c2' });

    expect(shown(judge(rules, events))).toEqual(chosen);
    expect(shown(judge(rules, [...events, elsewhere]))).toEqual(['qualification/c MATURED', ...chosen]);
    expect(shown(judge(rules.toReversed(), events))).toEqual(chosen);
  });

  test('that stand back are still taken back by a dispute that nobody answers, at its deadline', () => {
    const dispute = { windowHours: 100, responseHours: 24, whenSilent: 'CREDIT' as const };
    const rules = [aRule('resolved', { ...group('HIGHEST'), dispute }), aRule('qualification', group('HIGHEST'))];
    const events = [anEvent('resolved', 0), anEvent('qualification', 5)];
    const opened = {
      kind: 'DISPUTE' as const,
      id: 'opened',
      outcomeId: 'resolved/resolved-0',
      disputeId: 'dispute',
      at: at(2),
      reason: null,
      keyId: 'k',
      party: 'BUYER' as const,
    };
    const judged = (now: number) => judge(rules, events, { now, acts: [opened] })[0];

    expect(judged(25.9)).toMatchObject({ state: 'REJECTED', reason: 'SUPERSEDED', dueAt: at(26) });
    expect(judged(26)).toMatchObject({ state: 'REVERSED', reason: 'DISPUTE_UNANSWERED', dueAt: null });
  });

  test('do not stand back for a claim that nobody has verified', () => {
    const rules = [aRule('resolved', group('HIGHEST')), aRule('qualification', { ...group('HIGHEST'), ...VERIFIED })];

    expect(shown(judge(rules, [anEvent('resolved', 0), anEvent('qualification', 5)], { now: 10 }))).toEqual([
      'resolved/resolved-0 MATURED',
      'qualification/qualification-5 CLAIMED',
    ]);
  });
});

describe('a dispute', () => {
  const rule = aRule('resolved', DISPUTABLE);
  const opened: OutcomeAct = {
    kind: 'DISPUTE',
    id: 'opened',
    disputeId: 'dsp',
    outcomeId: 'resolved/resolved-0',
    at: at(10),
    reason: null,
    keyId: 'customer',
    party: 'BUYER',
  };
  const decided = (accepts: boolean, hours: number): OutcomeAct => ({
    ...opened,
    kind: 'DECISION',
    id: 'decided',
    accepts,
    at: at(hours),
  });
  const after = (now: number, ...acts: OutcomeAct[]) =>
    shown(judge([rule], [anEvent('resolved', 0)], { now, acts }))[0];

  test('holds until it is decided or its deadline passes, and then the rule decides', () => {
    expect(after(20, opened)).toBe('resolved/resolved-0 DISPUTED');
    expect(after(20, opened, decided(false, 15))).toBe('resolved/resolved-0 MATURED');
    expect(after(20, opened, decided(true, 15))).toBe('resolved/resolved-0 REVERSED DISPUTE_ACCEPTED');
    expect(after(250, opened)).toBe('resolved/resolved-0 REVERSED DISPUTE_UNANSWERED');
    expect(after(300, opened, decided(false, 251))).toBe('resolved/resolved-0 REVERSED DISPUTE_UNANSWERED');
  });
});

describe('at the very instant', () => {
  const claim = anEvent('resolved', 0);
  const back: OutcomeAct = {
    kind: 'REVERSAL',
    id: 'back',
    outcomeId: 'resolved/resolved-1',
    at: at(3),
    amount: null,
    isGuarantee: false,
    reason: null,
    keyId: 'k',
    party: 'SELLER',
  };

  test('at which the one that counts is taken back there is room for another', () => {
    const rule = aRule('resolved', REVERSIBLE);
    const claims = [anEvent('resolved', 1), anEvent('resolved', 2.999), anEvent('resolved', 3)];

    expect(shown(judge([rule], claims, { acts: [back] }))).toEqual([
      'resolved/resolved-1 REVERSED REVERSED',
      'resolved/resolved-2.999 REJECTED DUPLICATE',
      'resolved/resolved-3 MATURED',
    ]);
  });

  test('at which a contract ends nothing is charged under it any more', () => {
    const rule = aRule('resolved', { periodAnchor: 'MATURED', maturationHours: 72 });
    const chargedAt = (endsAt: Date) => judge([rule], [claim], { endsAt })[0]?.periodAt;
    const [justBefore, justAfter] = [new Date(at(72).getTime() - 1), new Date(at(72).getTime() + 1)];

    expect(chargedAt(at(72))).toEqual(justBefore);
    expect(chargedAt(justAfter)).toEqual(at(72));
  });

  test('at which it would have matured a duplicate waits for no rating any more', () => {
    const rule = aRule('resolved', {
      dedupe: { scope: 'SUBJECT', windowHours: null },
      maturationHours: 24,
      quality: { property: 'score', minimum: '3', whenMissing: 'REJECT', eventType: 'rated' },
    });
    const events = [claim, anEvent('resolved', 1), anEvent('rated', 2, { properties: { score: 5 } })];
    const waits = (now: number) => judge([rule], events, { now })[1]?.dueAt;

    expect(waits(24.9)).toEqual(at(25));
    expect(waits(25)).toBeNull();
  });

  test('a rating that comes with the claim is one of it', () => {
    const quality = { property: 'score', minimum: '3', whenMissing: 'ACCEPT' as const, eventType: 'rated' };
    const rule = aRule('resolved', { maturationHours: 24, quality });
    const rated = (hours: number) =>
      shown(judge([rule], [claim, anEvent('rated', hours, { properties: { score: 1 } })]))[0];

    expect(rated(-0.001)).toBe('resolved/resolved-0 MATURED');
    expect(rated(0)).toBe('resolved/resolved-0 REJECTED QUALITY_BELOW');
    expect(rated(24)).toBe('resolved/resolved-0 REJECTED QUALITY_BELOW');
    expect(rated(24.001)).toBe('resolved/resolved-0 MATURED');
  });

  test('a touch that comes with the claim, or at the beginning of the window, is one before it', () => {
    const touch = { eventType: 'touched', filter: '' };
    const attribution = { touch, windowHours: 24, model: 'LAST' as const, agentProperty: 'agent', shareProperty: null };
    const touched = (hours: number) =>
      shown(judge([aRule('resolved', { attribution })], [claim, anEvent('touched', hours)]))[0];

    expect([-24, 0].map(touched)).toEqual(['resolved/resolved-0 MATURED', 'resolved/resolved-0 MATURED']);
    expect([-24.001, 0.001].map(touched)).toEqual([
      'resolved/resolved-0 REJECTED OUTSIDE_ATTRIBUTION',
      'resolved/resolved-0 REJECTED OUTSIDE_ATTRIBUTION',
    ]);
  });

  test('at which a claim expires a word still counts', () => {
    const rule = aRule('resolved', VERIFIED);
    const verified = (hours: number) =>
      shown(judge([rule], [claim], { acts: [aWord('resolved/resolved-0', hours)] }))[0];

    expect(verified(168)).toBe('resolved/resolved-0 MATURED');
    expect(verified(168.001)).toBe('resolved/resolved-0 EXPIRED UNVERIFIED');
  });

  test('at which its window closes an outcome is disputed, and at its deadline it is decided', () => {
    const rule = aRule('resolved', DISPUTABLE);
    const act = { outcomeId: 'resolved/resolved-0', disputeId: 'dsp', reason: null, keyId: 'k' };
    const opened = (hours: number): OutcomeAct => ({
      ...act,
      kind: 'DISPUTE',
      id: 'opened',
      at: at(hours),
      party: 'BUYER',
    });
    const rejected = (hours: number): OutcomeAct => ({
      ...act,
      kind: 'DECISION',
      id: 'decided',
      accepts: false,
      at: at(hours),
      party: 'SELLER',
    });
    const became = (now: number, ...acts: OutcomeAct[]) => shown(judge([rule], [claim], { now, acts }))[0];

    expect(became(241, opened(240))).toBe('resolved/resolved-0 DISPUTED');
    expect(became(241, opened(240.001))).toBe('resolved/resolved-0 MATURED');
    expect(became(300, opened(10), rejected(250))).toBe('resolved/resolved-0 MATURED');
    expect(became(300, opened(10), rejected(250.001))).toBe('resolved/resolved-0 REVERSED DISPUTE_UNANSWERED');
  });

  test('an outcome that was all people’s work is one of nothing, and more than all is no share', () => {
    const rule = aRule('resolved', { humanShareProperty: 'human' });
    const [whole] = judge([rule], [anEvent('resolved', 0, { properties: { human: 100 } })]);

    expect([whole?.state, formatDecimal(whole?.units ?? decimal(1))]).toEqual(['MATURED', '0']);
    expect(shown(judge([rule], [anEvent('resolved', 0, { properties: { human: '100.01' } })]))).toEqual([
      'resolved/resolved-0 REJECTED SHARE_INVALID',
    ]);
  });
});

describe('periods', () => {
  test('an outcome that matures after its contract has ended is charged in its last period', () => {
    const rule = aRule('resolved', { periodAnchor: 'MATURED', maturationHours: 72 });
    const [verdict] = judge([rule], [anEvent('resolved', 0)], { endsAt: at(10) });

    expect(verdict?.maturesAt).toEqual(at(72));
    expect(verdict?.periodAt).toEqual(new Date(at(10).getTime() - 1));
  });
});

test('verdicts do not depend on the order in which facts arrive', () => {
  const rules = [
    aRule('resolved', { ...REVERSIBLE, ...VERIFIED, ...DISPUTABLE, valueProperty: 'value', maturationHours: 24 }),
    aRule('qualification', { ...REVERSIBLE, exclusive: { group: 'c', choice: 'HIGHEST', priority: 0 } }),
  ];
  const facts = fc.array(
    fc.record({
      type: fc.constantFrom('resolved', 'qualification', 'reopened', 'checked'),
      hours: fc.integer({ min: 0, max: 400 }),
      subject: fc.constantFrom('c1', 'c2', null),
      properties: fc.constantFrom(
        {},
        { value: 10 },
        { refunded: 4 },
        { passes: true, verifier: 'HUMAN' },
        { passes: false },
      ),
      keyId: fc.constantFrom('gateway', 'reviewer'),
    }),
    { maxLength: 14 },
  );

  fc.assert(
    fc.property(facts, fc.integer({ min: 0, max: 500 }), fc.infiniteStream(fc.nat()), (given, now, numbers) => {
      const events = given.map((fact, index) => anEvent(fact.type, fact.hours, { ...fact, id: `e${index}` }));
      const shuffled = events
        .map(event => ({ event, place: Number(numbers.next().value) }))
        .sort((a, b) => a.place - b.place)
        .map(({ event }) => event);
      const verdicts = judge(rules, events, { now });

      expect(judge(rules, shuffled, { now })).toEqual(verdicts);

      // At most one live outcome for what counts once.
      const live = verdicts.filter(({ isLive, dedupeKey }) => isLive && dedupeKey !== null);
      const keys = live.map(({ ruleId, dedupeKey }) => `${ruleId} ${dedupeKey}`);
      expect(new Set(keys).size).toBe(keys.length);
    }),
    { numRuns: 500 },
  );
});

describe('a case of thousands of events about one subject', () => {
  const COUNT = 5_000;

  /** The terms with filters that tell how often they are asked. */
  function counted(rule: LiveRule, matches: (event: { readonly type: string }) => boolean) {
    const asked = { times: 0 };
    const filter = {
      matches: (event: { readonly type: string }) => {
        asked.times += 1;

        return matches(event);
      },
    };
    const all = { matches: () => true };
    const versions = rule.versions.map(version => ({
      ...version,
      filters: {
        claim: all,
        exclusions: version.terms.exclusions.map(() => ({ ...filter })),
        environment: null,
        touch: { ...filter },
        reversal: { ...filter },
        guarantee: { ...filter },
      },
    }));

    return { rule: { ...rule, versions }, asked };
  }

  const many = (type: string, minutes: number): OutcomeEvent[] =>
    Array.from({ length: COUNT }, (_, place) =>
      anEvent(type, (place * 2 + minutes) / 60, {
        customer: 'ada',
        properties: { value: 5, refunded: 1, target: 'x' },
      }),
    );

  test.each(['FIRST', 'LAST'] as const)('asks each filter once about each event, %s', model => {
    const clause = { eventType: 'message', filter: '' };
    const { rule, asked } = counted(
      aRule('resolved', {
        customerProperty: 'customer',
        maturationHours: 24,
        valueProperty: 'value',
        exclusions: [
          { reason: 'WROTE', filter: '', eventType: 'message', scope: 'SUBJECT', withinHours: 1 },
          { reason: 'RETURNED', filter: '', eventType: 'message', scope: 'CUSTOMER', withinHours: 24 },
        ],
        attribution: {
          touch: { eventType: 'touched', filter: '' },
          windowHours: 8_760,
          model,
          agentProperty: 'agent',
          shareProperty: null,
        },
        reversal: { clause, windowHours: 8_760, amountProperty: null, targetProperty: 'target', sentBy: 'ANY' },
        guarantee: { clause, windowHours: 8_760, sentBy: 'ANY' },
      }),
      ({ type }) => type === 'touched',
    );
    const verdicts = judge([rule], [...many('resolved', 1), ...many('message', 2), anEvent('touched', 0)]);

    expect(new Set(verdicts.map(({ state }) => state))).toEqual(new Set(['MATURED']));
    expect(verdicts).toHaveLength(COUNT);
    // Two exclusions, the reversal and the guarantee look at each message, the attribution at each touch.
    expect(asked.times).toBe(4 * COUNT + 1);
  });

  test('holds the same of a customer’s many subjects, whichever of them came back', () => {
    const rule = aRule('resolved', {
      customerProperty: 'customer',
      maturationHours: 24,
      exclusions: [{ reason: 'RETURNED', filter: '', eventType: 'opened', scope: 'CUSTOMER', withinHours: 24 }],
    });
    const opened = (hours: number, subject: string | null) => anEvent('opened', hours, { customer: 'ada', subject });
    const claim = anEvent('resolved', 0, { customer: 'ada' });
    const own = [opened(1, 'c1'), opened(2, 'c1'), opened(3, 'c1')];
    const stateWith = (...events: readonly OutcomeEvent[]) => shown(judge([rule], [claim, ...events]))[0];

    expect(stateWith(...own)).toBe('resolved/resolved-0 MATURED');
    expect(stateWith(...own, opened(4, 'c2'))).toBe('resolved/resolved-0 REJECTED RETURNED');
    expect(stateWith(...own, opened(4, null))).toBe('resolved/resolved-0 REJECTED RETURNED');
    expect(stateWith(...own, opened(24, 'c2'))).toBe('resolved/resolved-0 REJECTED RETURNED');
    expect(stateWith(...own, opened(24.1, 'c2'))).toBe('resolved/resolved-0 MATURED');
    expect(stateWith(...own, opened(0, 'c2'), opened(-1, 'c2'))).toBe('resolved/resolved-0 MATURED');
    expect(shown(judge([rule], [anEvent('resolved', 0, { customer: 'ada', subject: null }), opened(4, 'c1')]))[0]).toBe(
      'resolved/resolved-0 REJECTED RETURNED',
    );
  });
});

describe('the guarantee pays back', () => {
  const guarantee = { clause: { eventType: 'chargeback', filter: '' }, windowHours: 100, sentBy: 'ANY' as const };
  const valued = (type: string, hours: number, value: number, properties: object = {}) =>
    anEvent(type, hours, { properties: { value, ...properties } });
  const paid = (verdicts: readonly Verdict[]) =>
    verdicts.map(
      ({ outcomeId, state, reason, reimbursement }) =>
        `${outcomeId} ${state} ${String(reason)} ${formatDecimal(reimbursement)}`,
    );

  test('nothing for what cost nothing by its environment', () => {
    const rule = aRule('resolved', {
      valueProperty: 'value',
      guarantee,
      environment: { filter: 'properties.test', policy: 'FREE' },
    });

    expect(paid(judge([rule], [valued('resolved', 0, 200, { test: true }), anEvent('chargeback', 1)]))).toEqual([
      'resolved/resolved-0 REVERSED GUARANTEE 0',
    ]);
    expect(paid(judge([rule], [valued('resolved', 0, 200), anEvent('chargeback', 1)]))).toEqual([
      'resolved/resolved-0 REVERSED GUARANTEE 200',
    ]);
  });

  test('nothing for a claim before somebody has verified it', () => {
    const rule = aRule('resolved', { valueProperty: 'value', guarantee, ...VERIFIED });
    const events = [valued('resolved', 0, 200), anEvent('chargeback', 1)];

    expect(paid(judge([rule], events, { now: 5 }))).toEqual(['resolved/resolved-0 REVERSED GUARANTEE 0']);
    expect(paid(judge([rule], events, { now: 5, acts: [aWord('resolved/resolved-0', 2)] }))).toEqual([
      'resolved/resolved-0 REVERSED GUARANTEE 200',
    ]);
    expect(paid(judge([rule], events, { now: 200 }))).toEqual(['resolved/resolved-0 EXPIRED UNVERIFIED 0']);
  });

  test('one of the exclusive outcomes of a subject, which keeps the others out', () => {
    const exclusive = { group: 'conversation', choice: 'HIGHEST' as const, priority: 0 };
    const terms = { valueProperty: 'value', guarantee, exclusive };
    const rules = [aRule('resolved', terms), aRule('qualification', terms)];
    const claims = [valued('resolved', 0, 200), valued('qualification', 5, 300)];

    expect(paid(judge(rules, [...claims, anEvent('chargeback', 6)]))).toEqual([
      'resolved/resolved-0 REJECTED SUPERSEDED 0',
      'qualification/qualification-5 REVERSED GUARANTEE 300',
    ]);
    // The chargeback before the second one: the first fell to it and is not the highest, so nothing is paid for it.
    expect(paid(judge(rules, [...claims, anEvent('chargeback', 3)]))).toEqual([
      'resolved/resolved-0 REJECTED SUPERSEDED 0',
      'qualification/qualification-5 MATURED null 0',
    ]);
  });
});

describe('an event of the buyer', () => {
  const claim = anEvent('resolved', 0, { properties: { value: 200 } });
  const sent = (type: string, party: 'BUYER' | 'SELLER', properties: object = {}) =>
    anEvent(type, 1, { party, keyId: 'another', properties: { ...properties } });

  test.each([
    ['takes back', 'reopened', 'MATURED', 'REVERSED REVERSED'],
    ['guarantees', 'chargeback', 'MATURED', 'REVERSED GUARANTEE'],
  ])('%s nothing where the rule hears the seller’s side', (_what, type, without, withIt) => {
    const rule = (sentBy: 'ANY' | 'SELLER') =>
      aRule('resolved', {
        valueProperty: 'value',
        reversal: {
          clause: { eventType: 'reopened', filter: '' },
          windowHours: 10,
          amountProperty: null,
          targetProperty: null,
          sentBy,
        },
        guarantee: { clause: { eventType: 'chargeback', filter: '' }, windowHours: 10, sentBy },
      });
    const became = (sentBy: 'ANY' | 'SELLER', party: 'BUYER' | 'SELLER') =>
      shown(judge([rule(sentBy)], [claim, sent(type, party)]))[0];

    expect(became('SELLER', 'BUYER')).toBe(`resolved/resolved-0 ${without}`);
    expect(became('SELLER', 'SELLER')).toBe(`resolved/resolved-0 ${withIt}`);
    expect(became('ANY', 'BUYER')).toBe(`resolved/resolved-0 ${withIt}`);
  });

  test('verifies nothing where the rule hears the seller’s side', () => {
    const rule = (sentBy: 'ANY' | 'SELLER') =>
      aRule('resolved', {
        verification: { verifiers: ['HUMAN'], parties: 'ANY', eventType: 'checked', sentBy, expiresAfterHours: 168 },
      });
    const became = (sentBy: 'ANY' | 'SELLER', party: 'BUYER' | 'SELLER', passes: boolean) =>
      shown(judge([rule(sentBy)], [claim, sent('checked', party, { passes, verifier: 'HUMAN' })], { now: 2 }))[0];

    expect(became('SELLER', 'BUYER', true)).toBe('resolved/resolved-0 CLAIMED');
    expect(became('SELLER', 'BUYER', false)).toBe('resolved/resolved-0 CLAIMED');
    expect(became('SELLER', 'SELLER', true)).toBe('resolved/resolved-0 MATURED');
    expect(became('ANY', 'BUYER', false)).toBe('resolved/resolved-0 REJECTED VERIFICATION_FAILED');
  });
});

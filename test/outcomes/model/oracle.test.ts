import type { OutcomeTermsJson } from '../../../src/outcomes/outcome-terms.rules.js';
import { billsOf, type Bill } from './bill.js';
import type { ActFact, EventFact, RuleGiven, TenantFacts } from './facts.js';
import { fraction, text, total } from './fraction.js';
import { findingsAt, listAmountOf, type Finding } from './oracle.js';
import { each, onePrice, termsOf } from './terms.js';

// The oracle of the model-based test against the examples of the requirements themselves (O1 to O30), so that it is not
// only the product's twin.

const at = (instant: string): number => Date.parse(`${instant}${/Z|[+-]\d\d:\d\d$/.test(instant) ? '' : 'Z'}`);
const HOUR = 3_600_000;
const NOON = at('2026-11-10T12:00');
const LATER = at('2027-06-01T00:00');

let serial = 0;

function event(given: Partial<EventFact> = {}): EventFact {
  serial += 1;

  return {
    id: `e${String(serial).padStart(6, '0')}`,
    source: '',
    type: 'claim',
    time: NOON,
    subject: `s${serial}`,
    properties: {},
    keyId: 'key_claims',
    party: 'SELLER',
    ...given,
  };
}

const events = (count: number, given: (place: number) => Partial<EventFact> = () => ({})): EventFact[] =>
  Array.from({ length: count }, (_, place) => event(given(place)));

function act(of: EventFact, given: Partial<ActFact> & Pick<ActFact, 'kind'>): ActFact {
  serial += 1;

  return {
    id: `a${String(serial).padStart(6, '0')}`,
    ruleId: 'rule',
    eventId: of.id,
    source: of.source,
    at: of.time,
    keyId: 'key_other',
    party: 'BUYER',
    ...given,
  };
}

function factsOf(
  terms: OutcomeTermsJson | readonly RuleGiven[],
  given: {
    readonly events: readonly EventFact[];
    readonly acts?: readonly ActFact[];
    readonly timeZone?: string;
    readonly currency?: string;
    readonly startsAt?: number;
  },
): TenantFacts {
  const rules = Array.isArray(terms)
    ? (terms as readonly RuleGiven[])
    : [{ id: 'rule', versions: [{ number: 1, effectiveAt: 0, terms: terms as OutcomeTermsJson }] }];

  return {
    timeZone: given.timeZone ?? 'UTC',
    contracts: [
      {
        id: 'contract',
        currency: given.currency ?? 'USD',
        startsAt: given.startsAt ?? at('2026-01-01T00:00'),
        endsAt: null,
        rules,
      },
    ],
    events: given.events,
    acts: given.acts ?? [],
  };
}

const billed = (facts: TenantFacts, now = LATER, also: readonly number[] = []): Bill[] =>
  billsOf(facts, findingsAt(facts, now), now, also);

/** What everything comes to, minimums and guarantees included. */
const amountOf = (facts: TenantFacts, now = LATER, also: readonly number[] = []): string =>
  text(total(billed(facts, now, also).flatMap(({ amount, trueUp, guarantee }) => [amount, trueUp, guarantee])));

/** How many findings there are of each state and reason. */
function counted(facts: TenantFacts, now = LATER): Record<string, number> {
  const counts: Record<string, number> = {};

  for (const { state, reason } of findingsAt(facts, now)) {
    const name = reason === null ? state : `${state} ${reason}`;
    counts[name] = (counts[name] ?? 0) + 1;
  }

  return counts;
}

describe('the oracle of outcomes', () => {
  test.each([
    ['STARTED', '0.99'],
    ['OCCURRED', '1.1'],
  ] as const)('takes the version of the instant that the rule names (O1, %s)', (versionAnchor, expected) => {
    const zone = 'America/New_York';
    const terms = { startedProperty: 'started', versionAnchor };
    const versions = [
      { number: 1, effectiveAt: 0, terms: termsOf({ ...terms, prices: [onePrice(each('0.99'))] }) },
      {
        number: 2,
        effectiveAt: at('2026-06-01T04:00'),
        terms: termsOf({ ...terms, prices: [onePrice(each('1.10'))] }),
      },
    ];
    const claim = event({ time: at('2026-06-01T00:10-04:00'), properties: { started: '2026-05-31T23:50:00-04:00' } });

    expect(amountOf(factsOf([{ id: 'rule', versions }], { events: [claim], timeZone: zone }))).toBe(expected);
  });

  test('counts exclusions by reason (O2)', () => {
    const kinds = [...Array(120).fill('greeting'), ...Array(60).fill('test'), ...Array(820).fill('talk')] as string[];
    const claims = events(1_000, place => ({ properties: { kind: kinds[place] } }));
    const escalations = claims.slice(180, 500).map(({ subject }) => event({ type: 'escalated', subject }));
    const facts = factsOf(
      termsOf({
        maturationHours: 24,
        exclusions: [
          {
            reason: 'GREETING',
            filter: 'properties.kind == "greeting"',
            eventType: null,
            scope: 'SUBJECT',
            withinHours: 0,
          },
          { reason: 'ESCALATED', filter: '', eventType: 'escalated', scope: 'SUBJECT', withinHours: 24 },
        ],
        environment: { filter: 'properties.kind == "test"', policy: 'REJECT' },
        prices: [onePrice(each('0.99'))],
      }),
      { events: [...claims, ...escalations] },
    );

    expect(counted(facts)).toEqual({
      'REJECTED GREETING': 120,
      'REJECTED TEST_ENVIRONMENT': 60,
      'REJECTED ESCALATED': 320,
      MATURED: 500,
    });
    expect(amountOf(facts)).toBe('495');
  });

  const verification = {
    verifiers: ['LLM', 'HUMAN'],
    parties: 'ANY',
    eventType: null,
    sentBy: 'ANY',
    expiresAfterHours: 168,
  } as const;

  test('charges what was verified only (O3), never by the word of the claimant (O29), and lets the rest expire (O30)', () => {
    const claims = events(500);
    const told = (claim: EventFact, keyId: string, verifier = 'LLM'): ActFact =>
      act(claim, { kind: 'VERIFICATION', at: claim.time + HOUR, passes: true, verifier, keyId });
    const facts = factsOf(termsOf({ verification, prices: [onePrice(each('0.99'))] }), {
      events: claims,
      acts: [
        ...claims.slice(0, 470).map(claim => told(claim, 'key_other')),
        ...claims.slice(470, 490).map(claim => told(claim, 'key_claims')),
        ...claims.slice(490).map(claim => told(claim, 'key_other', 'SYSTEM')),
      ],
    });

    expect(counted(facts, NOON + 168 * HOUR - 1)).toEqual({
      MATURED: 470,
      CLAIMED: 10,
      'CLAIMED SELF_VERIFICATION': 20,
    });
    expect(counted(facts, NOON + 168 * HOUR)).toEqual({ MATURED: 470, 'EXPIRED UNVERIFIED': 30 });
    expect(amountOf(facts)).toBe('465.3');
  });

  test('needs the word of both sides where the rule says so, and the evidence with each (O3)', () => {
    const claim = event();
    const word = (party: 'BUYER' | 'SELLER', hours: number, evidence = {}): ActFact =>
      act(claim, { kind: 'VERIFICATION', at: NOON + hours * HOUR, passes: true, verifier: 'LLM', party, evidence });
    const terms = termsOf({ verification: { ...verification, parties: 'BOTH' }, evidence: ['proof'] });
    const proof = { proof: 'x' };

    expect(counted(factsOf(terms, { events: [claim], acts: [word('BUYER', 1, proof)] }), NOON + 2 * HOUR)).toEqual({
      CLAIMED: 1,
    });
    expect(
      counted(factsOf(terms, { events: [claim], acts: [word('BUYER', 1, proof), word('SELLER', 2)] }), NOON + 3 * HOUR),
    ).toEqual({ 'CLAIMED EVIDENCE_MISSING': 1 });
    expect(
      findingsAt(
        factsOf(terms, {
          events: [claim],
          acts: [word('BUYER', 1, proof), word('BUYER', 2, proof), word('SELLER', 3, proof)],
        }),
        LATER,
      ),
    ).toMatchObject([{ state: 'MATURED', verifiedAt: NOON + 3 * HOUR, maturesAt: NOON + 3 * HOUR }]);
  });

  const redo = onePrice({
    model: 'GRADUATED',
    tiers: [
      { upTo: '50', unitAmount: '0.95' },
      { upTo: '100', unitAmount: '0.90' },
      { upTo: null, unitAmount: '0.85' },
    ],
  });

  test('leaves out what was rated too low, and prices by tiers (O4)', () => {
    const claims = events(253);
    const ratings = claims.slice(0, 13).map(({ subject }) => event({ type: 'csat', subject, properties: { csat: 3 } }));
    const quality = { property: 'csat', minimum: '4', whenMissing: 'ACCEPT', eventType: 'csat' } as const;
    const terms = termsOf({ maturationHours: 1, quality, prices: [redo] });

    expect(amountOf(factsOf(terms, { events: [...claims, ...ratings] }))).toBe('211.5');
    expect(amountOf(factsOf(terms, { events: claims }))).toBe('222.55');
    expect(counted(factsOf({ ...terms, quality: { ...quality, whenMissing: 'REJECT' } }, { events: claims }))).toEqual({
      'REJECTED QUALITY_MISSING': 253,
    });
  });

  test.each([
    ['MATURED', '2026-12-01T00:00'],
    ['OCCURRED', '2026-11-01T00:00'],
  ] as const)('bills in the period that the rule names (O5, %s)', (periodAnchor, start) => {
    const terms = termsOf({ periodAnchor, maturationHours: 72, prices: [onePrice(each('1.5'))] });
    const facts = factsOf(terms, { events: [event({ time: at('2026-11-30T20:00') })] });

    expect(counted(facts, at('2026-12-03T19:59'))).toEqual({ VERIFIED: 1 });
    expect(billed(facts, at('2026-12-03T20:00')).map(({ period, amount }) => [period.start, text(amount)])).toEqual([
      [at(start), '1.5'],
    ]);
  });

  test('attributes within the window, to one agent or to several by weight (O6)', () => {
    const attribution = {
      touch: { eventType: 'touch', filter: '' },
      windowHours: 168,
      model: 'SPLIT',
      agentProperty: 'agent',
      shareProperty: 'weight',
    } as const;
    const touch = (agent: string, weight: number, hours: number): EventFact =>
      event({ type: 'touch', subject: 'lead', time: NOON + hours * HOUR, properties: { agent, weight } });
    const converted = (days: number): EventFact => event({ subject: 'lead', time: NOON + days * 24 * HOUR });
    const terms = termsOf({ attribution, prices: [onePrice(each('50'))] });
    const touches = [touch('ann', 60, 0), touch('bob', 40, 0)];
    const agents = (model: 'FIRST' | 'LAST' | 'SPLIT'): string[] =>
      findingsAt(
        factsOf(termsOf({ attribution: { ...attribution, model } }), {
          events: [touch('ann', 60, 0), touch('bob', 40, 1), converted(6)],
        }),
        LATER,
      ).flatMap((finding: Finding) => finding.agents.map(({ agent, share }) => `${agent} ${text(share)}`));

    expect(amountOf(factsOf(terms, { events: [...touches, converted(6)] }))).toBe('50');
    expect(amountOf(factsOf(terms, { events: [...touches, converted(9)] }))).toBe('0');
    // Of 50 dollars: 30 and 20.
    expect(agents('SPLIT')).toEqual(['ann 0.6', 'bob 0.4']);
    expect(agents('FIRST')).toEqual(['ann 1']);
    expect(agents('LAST')).toEqual(['bob 1']);
  });

  test('counts once by subject, by rolling window, by customer over channels (O7, O22)', () => {
    const rolling = (price: string, windowHours: number, ...hours: number[]): string =>
      amountOf(
        factsOf(termsOf({ dedupe: { scope: 'SUBJECT', windowHours }, prices: [onePrice(each(price))] }), {
          events: hours.map(hour => event({ subject: 'one', time: NOON + hour * HOUR })),
        }),
      );
    const once = termsOf({ dedupe: { scope: 'SUBJECT', windowHours: null }, prices: [onePrice(each('0.99'))] });
    const customers = termsOf({
      customerProperty: 'customer',
      maturationHours: 24,
      exclusions: [{ reason: 'CAME_BACK', filter: '', eventType: 'opened', scope: 'CUSTOMER', withinHours: 24 }],
    });
    const chat = event({ properties: { customer: 'c' } });
    const mail = (hours: number): EventFact =>
      event({ type: 'opened', time: NOON + hours * HOUR, properties: { customer: 'c' } });

    expect(amountOf(factsOf(once, { events: events(3, () => ({ subject: 'one' })) }))).toBe('0.99');
    expect(rolling('0.2', 48, 0, 10, 50)).toBe('0.4');
    expect(rolling('2', 24, 0, 23)).toBe('2');
    expect(rolling('2', 24, 0, 25)).toBe('4');
    expect(amountOf(factsOf(customers, { events: [chat, mail(20)] }))).toBe('0');
    expect(amountOf(factsOf(customers, { events: [chat, mail(25)] }))).toBe('1');
    expect(amountOf(factsOf(customers, { events: [chat, mail(-1)] }))).toBe('1');
  });

  test('charges the dearest of exclusive outcomes, whichever came first (O8)', () => {
    const exclusive = { group: 'ending', choice: 'HIGHEST', priority: 0 } as const;
    const rules = [
      { id: 'resolution', price: '0.99' },
      { id: 'qualification', price: '9.99' },
    ].map(({ id, price }) => ({
      id,
      versions: [
        {
          number: 1,
          effectiveAt: 0,
          terms: termsOf({ claim: { eventType: id, filter: '' }, exclusive, prices: [onePrice(each(price))] }),
        },
      ],
    }));
    const resolved = event({ type: 'resolution', subject: 'one' });
    const qualified = event({ type: 'qualification', subject: 'one', time: NOON + 5 * HOUR });

    expect(amountOf(factsOf(rules, { events: [resolved] }))).toBe('0.99');
    expect(amountOf(factsOf(rules, { events: [resolved, qualified] }))).toBe('9.99');
    expect(counted(factsOf(rules, { events: [resolved, qualified] }))).toEqual({
      MATURED: 1,
      'REJECTED SUPERSEDED': 1,
    });
  });

  test.each([
    ['25 % of 184', { model: 'PERCENTAGE', rate: '25' }, '184', '46'],
    ['0.8 % of 12500, at most 75', { model: 'PERCENTAGE', rate: '0.8', perEventMaximum: '75' }, '12500', '75'],
    ['0.8 % of 20, at least 0.30', { model: 'PERCENTAGE', rate: '0.8', perEventMinimum: '0.30' }, '20', '0.3'],
  ] as const)('prices a part of the value (O9): %s', (_, price, value, expected) => {
    const terms = termsOf({ measure: 'VALUE', valueProperty: 'value', prices: [onePrice(price)] });

    expect(amountOf(factsOf(terms, { events: [event({ properties: { value } })] }))).toBe(expected);
  });

  test('knows allowances, units of several credits and sizes (O10, O23)', () => {
    const credits = (units: string, property: string | null = null): OutcomeTermsJson['units'] => ({
      property,
      per: property ? '10000' : '1',
      weights: [
        { pattern: {}, units },
        { pattern: { channel: 'voice' }, units: '30' },
      ],
    });
    const attributes = [{ name: 'channel', property: 'channel' }];
    const allowance = { ...each('10', '1000'), freeUnits: '3000' };
    const action = termsOf({ units: credits('20', 'tokens'), attributes, prices: [onePrice(each('0.005'))] });

    expect(
      amountOf(factsOf(termsOf({ units: credits('50'), prices: [onePrice(allowance)] }), { events: events(100) })),
    ).toBe('20');
    expect(amountOf(factsOf(action, { events: [event({ properties: { tokens: 24_000 } })] }))).toBe('0.3');
    expect(amountOf(factsOf(action, { events: [event({ properties: { tokens: 24_000, channel: 'voice' } })] }))).toBe(
      '0.45',
    );
  });

  test('raises to the minimum when the period is over, or to the part of it that the contract holds (O11)', () => {
    const terms = termsOf({
      prices: [onePrice(each('0.99'))],
      minimum: { quantity: '50', amount: null, isProrated: true },
    });
    const month = [at('2026-11-15T00:00')];
    const facts = factsOf(terms, { events: events(12) });
    const parts = billed(facts).map(({ amount, trueUp }) => [text(amount), text(trueUp)]);

    expect(parts).toEqual([['11.88', '37.62']]);
    expect(amountOf(facts, at('2026-11-30T23:59'))).toBe('11.88');
    expect(
      amountOf(factsOf(terms, { events: [], startsAt: at('2026-11-16T00:00') }), LATER, [at('2026-11-20T00:00')]),
    ).toBe('24.75');
    expect(amountOf(factsOf(terms, { events: [] }), LATER, month)).toBe('49.5');
  });

  test('stops at caps, in three ways (O12)', () => {
    const capped = (mode: 'HARD' | 'FREE' | 'SOFT', count: number): (string | number)[] => {
      const caps = [{ mode, per: 'PERIOD' as const, count: null, amount: { amount: '500', currency: 'USD' } }];
      const facts = factsOf(termsOf({ prices: [onePrice(each('0.99'))], caps }), { events: events(count) });

      return [amountOf(facts), billed(facts)[0]?.capped.size ?? 0];
    };
    const daily = termsOf({ caps: [{ mode: 'FREE', per: 'DAY', count: '2', amount: null }] });
    const bySubject = termsOf({ caps: [{ mode: 'FREE', per: 'SUBJECT', count: '1', amount: null }] });

    expect(capped('HARD', 506)).toEqual(['499.95', 1]);
    expect(capped('FREE', 600)).toEqual(['499.95', 95]);
    expect(capped('SOFT', 600)).toEqual(['594', 0]);
    expect(
      amountOf(
        factsOf(daily, {
          // 23:30 and 00:30 in Kathmandu.
          events: [...events(3, () => ({ time: at('2026-11-10T17:45') })), event({ time: at('2026-11-10T18:45') })],
          timeZone: 'Asia/Kathmandu',
        }),
      ),
    ).toBe('3');
    expect(amountOf(factsOf(bySubject, { events: events(4, place => ({ subject: `x${place % 2}` })) }))).toBe('2');
  });

  test.each([
    ['2026-12-02T00:00', '0'],
    ['2026-12-04T12:00', '0'],
    ['2026-12-05T00:00', '0.99'],
  ])('takes back within the reversal window (O13): %s', (reopened, expected) => {
    const reversal = {
      clause: { eventType: 'reopened', filter: '' },
      windowHours: 336,
      amountProperty: null,
      targetProperty: null,
      sentBy: 'ANY' as const,
    };
    const claim = event({ time: at('2026-11-20T12:00') });
    const facts = factsOf(termsOf({ reversal, prices: [onePrice(each('0.99'))] }), {
      events: [claim, event({ type: 'reopened', subject: claim.subject, time: at(reopened) })],
    });

    expect(amountOf({ ...facts, events: [claim] }, at('2026-12-01T00:00'))).toBe('0.99');
    expect(amountOf(facts)).toBe(expected);
  });

  test('takes back a part by value, and pays the value back under a guarantee (O14)', () => {
    const terms = termsOf({
      measure: 'VALUE',
      valueProperty: 'value',
      prices: [onePrice({ model: 'PERCENTAGE', rate: '0.5' })],
      reversal: {
        clause: { eventType: 'refund', filter: '' },
        windowHours: 720,
        amountProperty: 'amount',
        targetProperty: null,
        sentBy: 'ANY',
      },
      guarantee: { clause: { eventType: 'chargeback', filter: '' }, windowHours: 720, sentBy: 'ANY' },
    });
    const claim = event({ properties: { value: '200' } });
    const then = (type: string, properties = {}): EventFact =>
      event({ type, subject: claim.subject, time: NOON + HOUR, properties });

    expect(amountOf(factsOf(terms, { events: [claim] }))).toBe('1');
    expect(amountOf(factsOf(terms, { events: [claim, then('refund', { amount: '50' })] }))).toBe('0.75');
    expect(
      amountOf(
        factsOf(terms, { events: [claim, then('refund', { amount: '120' }), then('refund', { amount: '80' })] }),
      ),
    ).toBe('0');
    // From 1 to −200: −(200 + 1).
    expect(amountOf(factsOf(terms, { events: [claim, then('chargeback')] }))).toBe('-200');
    expect(
      amountOf(
        factsOf(terms, { events: [claim], acts: [act(claim, { kind: 'REVERSAL', at: NOON, isGuarantee: true })] }),
      ),
    ).toBe('-200');
  });

  test('comes to what it would have come to without what was taken back (O15), and counts again after it (O16)', () => {
    const reversal = {
      clause: { eventType: 'reopened', filter: '' },
      windowHours: 336,
      amountProperty: null,
      targetProperty: null,
      sentBy: 'ANY' as const,
    };
    const terms = termsOf({ reversal, dedupe: { scope: 'SUBJECT', windowHours: null }, prices: [redo] });
    const claims = events(101, place => ({ time: NOON + place }));
    const tenth = claims[9]?.subject ?? null;
    const back = event({ type: 'reopened', subject: tenth, time: NOON + HOUR });
    const again = [event({ subject: tenth, time: NOON + 2 * HOUR }), event({ subject: tenth, time: NOON + 3 * HOUR })];

    expect(amountOf(factsOf(terms, { events: claims }))).toBe('93.35');
    expect(amountOf(factsOf(terms, { events: [...claims, back] }))).toBe('92.5');
    expect(amountOf(factsOf(terms, { events: [...claims, back, ...again] }))).toBe('93.35');
    expect(counted(factsOf(terms, { events: [...claims, back, ...again] }))).toEqual({
      MATURED: 101,
      'REVERSED REVERSED': 1,
      'REJECTED DUPLICATE': 1,
    });
  });

  test('holds what is disputed until it is decided or the deadline passes (O17)', () => {
    const claims = events(2_000);
    const disputed = claims.slice(0, 300);
    const acts = disputed.map(claim => act(claim, { kind: 'DISPUTE', at: NOON + HOUR, disputeId: 'dispute' }));
    const decided = disputed.map((claim, place) =>
      act(claim, { kind: 'DECISION', at: NOON + 2 * HOUR, disputeId: 'dispute', accepts: place < 180 }),
    );
    const terms = (whenSilent: 'CREDIT' | 'UPHOLD'): OutcomeTermsJson =>
      termsOf({ dispute: { windowHours: 720, responseHours: 240, whenSilent } });
    const deadline = NOON + 241 * HOUR;

    expect(amountOf(factsOf(terms('CREDIT'), { events: claims, acts }), deadline - 1)).toBe('1700');
    expect(amountOf(factsOf(terms('CREDIT'), { events: claims, acts }), deadline)).toBe('1700');
    expect(amountOf(factsOf(terms('UPHOLD'), { events: claims, acts }), deadline)).toBe('2000');
    expect(amountOf(factsOf(terms('CREDIT'), { events: claims, acts: [...acts, ...decided] }), deadline)).toBe('1820');
    expect(counted(factsOf(terms('CREDIT'), { events: claims, acts: [...acts, ...decided] }))).toEqual({
      MATURED: 1_820,
      'REVERSED DISPUTE_ACCEPTED': 180,
    });
    expect(counted(factsOf(terms('CREDIT'), { events: claims, acts }))).toEqual({
      MATURED: 1_700,
      'REVERSED DISPUTE_UNANSWERED': 300,
    });
  });

  test('says the same in whichever order facts came (O20)', () => {
    const reversal = {
      clause: { eventType: 'reopened', filter: '' },
      windowHours: 336,
      amountProperty: null,
      targetProperty: null,
      sentBy: 'ANY' as const,
    };
    const terms = termsOf({ reversal, prices: [onePrice(each('0.99'))] });
    const claim = event({ time: at('2026-11-03T08:00') });
    const back = event({ type: 'reopened', subject: claim.subject, time: at('2026-11-04T08:00') });
    const late = billed(factsOf(terms, { events: [claim] }), at('2026-12-04T00:00'));

    expect(late.map(({ period, amount }) => [period.start, text(amount)])).toEqual([[at('2026-11-01T00:00'), '0.99']]);
    expect(amountOf(factsOf(terms, { events: [back, claim] }))).toBe('0');
    expect(amountOf(factsOf(terms, { events: [claim, back] }))).toBe('0');
  });

  test('records what costs nothing (O24, O26) and prices work that people shared by the share (O27)', () => {
    const attributes = [{ name: 'ending', property: 'ending' }];
    const free = ['contained', 'assisted'].map(ending => ({
      ...onePrice(each('0'), 'USD', ending),
      pattern: { ending },
    }));
    const endings = [
      ...Array(300).fill('contained'),
      ...Array(80).fill('assisted'),
      ...Array(120).fill('resolved'),
    ] as string[];
    const tiers = factsOf(termsOf({ attributes, prices: [...free, onePrice(each('1.5'))] }), {
      events: events(500, place => ({ properties: { ending: endings[place] } })),
    });
    const sandbox = factsOf(
      termsOf({
        environment: { filter: 'properties.sandbox == true', policy: 'FREE' },
        units: { property: null, per: '1', weights: [{ pattern: {}, units: '16' }] },
        prices: [onePrice(each('0.005'))],
      }),
      { events: events(40, () => ({ properties: { sandbox: true } })) },
    );
    const shared = factsOf(termsOf({ humanShareProperty: 'human' }), {
      events: [event({ properties: { human: 50 } })],
    });

    expect([amountOf(tiers), counted(tiers)]).toEqual(['180', { MATURED: 500 }]);
    expect([amountOf(sandbox), counted(sandbox)]).toEqual(['0', { 'MATURED SANDBOX': 40 }]);
    expect(text(total(findingsAt(sandbox, LATER).map(finding => listAmountOf(finding) ?? fraction(0))))).toBe('3.2');
    expect(amountOf(shared)).toBe('0.5');
  });

  test('keeps every digit and converts no currency (O28)', () => {
    const terms = termsOf({ prices: [onePrice(each('0.333333333')), onePrice(each('10'), 'INR', 'Rupees')] });

    expect(amountOf(factsOf(terms, { events: events(3) }))).toBe('0.999999999');
    expect(amountOf(factsOf(terms, { events: events(3), currency: 'INR' }))).toBe('30');
    expect(
      billed(factsOf(terms, { events: events(3), currency: 'EUR' })).map(({ unpriced }) => text(unpriced)),
    ).toEqual(['3']);
  });
});

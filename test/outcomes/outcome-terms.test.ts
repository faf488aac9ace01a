import fc from 'fast-check';
import { decimal } from '../../src/money/index.js';
import { eventTypesOf } from '../../src/outcomes/event-types.rules.js';
import { indexOutcomePrices, listAmountOf } from '../../src/outcomes/outcome-price.rules.js';
import { outcomeTermsJson, readOutcomeTerms } from '../../src/outcomes/outcome-terms-reading.rules.js';
import {
  ATTRIBUTION_MODELS,
  CAP_MODES,
  CAP_SCOPES,
  ENVIRONMENT_POLICIES,
  EXCLUSIVE_CHOICES,
  type OutcomeTerms,
  type OutcomeTermsJson,
  PARTIES_NEEDED,
  PERIOD_ANCHORS,
  SENDERS,
  SILENT_DECISIONS,
  VERIFIERS,
  VERSION_ANCHORS,
} from '../../src/outcomes/outcome-terms.rules.js';
import { BUILT_IN_REASONS } from '../../src/outcomes/reason.rules.js';

const CLAIM = { eventType: 'conversation.resolved', filter: '' };
const UNIT = { model: 'UNIT', unitAmount: '0.99', per: '1' } as const;
const price = (more: object = {}) => ({ name: 'Resolution', currency: 'USD', pattern: {}, terms: UNIT, ...more });
const least = (more: object = {}) => ({ claim: CLAIM, prices: [price()], ...more });
const byChannel = (more: object = {}) =>
  least({
    attributes: [
      { name: 'channel', property: 'channel' },
      { name: 'region', property: 'geo.region' },
    ],
    ...more,
  });

/** Every member in use. */
const MOST: OutcomeTermsJson = {
  claim: { eventType: 'conversation.resolved', filter: 'properties.kind == "confirmed"' },
  startedProperty: 'started_at',
  customerProperty: 'customer.id',
  versionAnchor: 'STARTED',
  periodAnchor: 'OCCURRED',
  maturationHours: 72,
  exclusions: [
    { reason: 'GREETING', filter: 'properties.turns < 2', eventType: null, scope: 'SUBJECT', withinHours: 0 },
    { reason: 'CAME_BACK', filter: '', eventType: 'conversation.opened', scope: 'CUSTOMER', withinHours: 72 },
  ],
  environment: { filter: 'properties.sandbox == true', policy: 'FREE' },
  evidence: ['transcript.url', 'csat'],
  verification: {
    verifiers: ['LLM', 'HUMAN'],
    parties: 'BOTH',
    eventType: 'conversation.verified',
    sentBy: 'SELLER',
    expiresAfterHours: 168,
  },
  quality: { property: 'csat', minimum: '4', whenMissing: 'ACCEPT', eventType: 'conversation.rated' },
  attribution: {
    touch: { eventType: 'agent.replied', filter: '' },
    windowHours: 168,
    model: 'SPLIT',
    agentProperty: 'agent',
    shareProperty: 'weight',
  },
  dedupe: { scope: 'CUSTOMER', windowHours: 48 },
  exclusive: { group: 'conversation', choice: 'PRIORITY', priority: 2 },
  measure: 'VALUE',
  units: { property: 'tokens', per: '10000', weights: [{ pattern: { channel: 'voice' }, units: '30' }] },
  valueProperty: 'amount.value',
  currencyProperty: 'amount.currency',
  humanShareProperty: 'human_share',
  attributes: [{ name: 'channel', property: 'channel' }],
  prices: [
    {
      name: 'Recovered',
      currency: 'USD',
      pattern: {},
      terms: { model: 'PERCENTAGE', rate: '0.8', perEventMinimum: '0.3', perEventMaximum: '75' },
    },
    {
      name: 'Voice',
      currency: 'USD',
      pattern: { channel: 'vo*' },
      terms: { model: 'UNIT', unitAmount: '1', per: '1' },
    },
  ],
  minimum: { quantity: null, amount: { amount: '49.5', currency: 'USD' }, isProrated: true },
  caps: [
    { mode: 'HARD', per: 'PERIOD', count: null, amount: { amount: '500', currency: 'USD' } },
    { mode: 'FREE', per: 'SUBJECT', count: '1', amount: null },
  ],
  reversal: {
    clause: { eventType: 'conversation.reopened', filter: '' },
    windowHours: 336,
    amountProperty: 'refunded',
    targetProperty: 'claim',
    sentBy: 'SELLER',
  },
  guarantee: { clause: { eventType: 'chargeback', filter: '' }, windowHours: 4320, sentBy: 'ANY' },
  usage: { relation: 'FALLBACK', meterIds: ['mtr_1', 'mtr_2'] },
  dispute: { windowHours: 240, responseHours: 240, whenSilent: 'CREDIT' },
  sampleAudit: { tolerance: '5', leastSample: 100 },
  anomaly: { factor: '3', leastClaims: 50 },
};

/** The refused members, dotted; empty when the terms are accepted. */
const refusedMembers = (json: unknown) => {
  const reading = readOutcomeTerms(json);

  return 'refusals' in reading ? reading.refusals.map(({ field }) => field.join('.')) : [];
};

const readTerms = (json: unknown): OutcomeTerms => {
  const reading = readOutcomeTerms(json);

  if ('refusals' in reading) {
    throw new Error(reading.refusals.map(({ message }) => message).join('\n'));
  }

  return reading.terms;
};

describe('readOutcomeTerms', () => {
  test('terms in which every member is used are read and written back the same', () => {
    expect(outcomeTermsJson(readTerms(MOST))).toEqual(MOST);
  });

  test.each([
    ['left out', least()],
    ['null', Object.fromEntries(Object.keys(MOST).map(name => [name, null]))],
  ])('what is %s has its default', (_how, json) => {
    expect(outcomeTermsJson(readTerms({ ...json, ...least() }))).toEqual({
      claim: CLAIM,
      startedProperty: null,
      customerProperty: null,
      versionAnchor: 'OCCURRED',
      periodAnchor: 'MATURED',
      maturationHours: 0,
      exclusions: [],
      environment: null,
      evidence: [],
      verification: null,
      quality: null,
      attribution: null,
      dedupe: { scope: 'NONE', windowHours: null },
      exclusive: null,
      measure: 'UNITS',
      units: { property: null, per: '1', weights: [] },
      valueProperty: null,
      currencyProperty: null,
      humanShareProperty: null,
      attributes: [],
      prices: [price()],
      minimum: null,
      caps: [],
      reversal: null,
      guarantee: null,
      usage: null,
      dispute: null,
      sampleAudit: null,
      anomaly: null,
    });
  });

  test('what is left out inside a member has its default', () => {
    const json = outcomeTermsJson(
      readTerms(
        least({
          claim: { eventType: 'a' },
          maturationHours: 1,
          exclusions: [{ reason: 'B', eventType: 'b' }],
          verification: { verifiers: ['LLM'], expiresAfterHours: 1 },
          exclusive: { group: 'g', choice: 'FIRST' },
          units: { property: 'n' },
          prices: [{ name: 'P', currency: 'INR', terms: { model: 'UNIT', unitAmount: '10.00' } }],
          minimum: { quantity: '50' },
          caps: [{ mode: 'SOFT', count: '5' }],
          valueProperty: 'value',
          reversal: { windowHours: 24 },
          guarantee: { clause: { eventType: 'g' }, windowHours: 24 },
          sampleAudit: { tolerance: '5' },
          usage: { relation: 'ADD' },
        }),
      ),
    );
    expect(json).toMatchObject({
      claim: { eventType: 'a', filter: '' },
      exclusions: [{ reason: 'B', filter: '', eventType: 'b', scope: 'SUBJECT', withinHours: 0 }],
      verification: { verifiers: ['LLM'], parties: 'ANY', eventType: null, sentBy: 'ANY', expiresAfterHours: 1 },
      exclusive: { group: 'g', choice: 'FIRST', priority: 0 },
      units: { property: 'n', per: '1', weights: [] },
      prices: [{ name: 'P', currency: 'INR', pattern: {}, terms: { model: 'UNIT', unitAmount: '10', per: '1' } }],
      minimum: { quantity: '50', amount: null, isProrated: false },
      caps: [{ mode: 'SOFT', per: 'PERIOD', count: '5', amount: null }],
      reversal: { clause: null, windowHours: 24, amountProperty: null, targetProperty: null, sentBy: 'ANY' },
      guarantee: { clause: { eventType: 'g', filter: '' }, windowHours: 24, sentBy: 'SELLER' },
      sampleAudit: { tolerance: '5', leastSample: 50 },
      usage: { relation: 'ADD', meterIds: [] },
    });
  });

  test.each<[string, unknown, readonly string[]]>([
    ['no object', 'terms', ['', 'claim', 'claim.eventType', 'prices']],
    ['a list', [], ['', 'claim', 'claim.eventType', 'prices']],
    ['nothing at all', null, ['', 'claim', 'claim.eventType', 'prices']],
    ['no claim', { prices: [price()] }, ['claim', 'claim.eventType']],
    ['no price', { claim: CLAIM }, ['prices']],
    ['an empty list of prices', least({ prices: [] }), ['prices']],
    ['a misspelled member', least({ exclusion: [] }), ['exclusion']],
    ['a misspelled member of a member', least({ claim: { ...CLAIM, filer: 'x' } }), ['claim.filer']],
    ['a type of events with a space', least({ claim: { eventType: 'a b' } }), ['claim.eventType']],
    ['a filter that is no text', least({ claim: { eventType: 'a', filter: true } }), ['claim.filter']],
    ['a path of five parts', least({ startedProperty: 'a.b.c.d.e' }), ['startedProperty']],
    ['a path to a prototype', least({ valueProperty: '__proto__.x' }), ['valueProperty']],
    ['a path that is a number', least({ currencyProperty: 7 }), ['currencyProperty']],
    ['an empty path', least({ humanShareProperty: '' }), ['humanShareProperty']],
    ['an unknown anchor', least({ versionAnchor: 'BILLED' }), ['versionAnchor']],
    ['an anchor in small letters', least({ periodAnchor: 'matured' }), ['periodAnchor']],
    ['an unknown measure', least({ measure: 'constructor' }), ['measure']],
    ['half an hour', least({ maturationHours: 0.5 }), ['maturationHours']],
    ['hours as a text', least({ maturationHours: '72' }), ['maturationHours']],
    ['hours below zero', least({ maturationHours: -1 }), ['maturationHours']],
    ['more hours than a year has', least({ maturationHours: 8_761 }), ['maturationHours']],
  ])('%s is refused', (_what, json, members) => {
    expect(refusedMembers(json)).toEqual(members);
  });

  const exclusion = (more: object) =>
    least({ maturationHours: 24, exclusions: [{ reason: 'ESCALATED', filter: 'true', ...more }] });

  test.each<[string, unknown, readonly string[]]>([
    ['no reason', exclusion({ reason: null }), ['exclusions.0.reason']],
    ['a reason in small letters', exclusion({ reason: 'Escalated' }), ['exclusions.0.reason']],
    ['a reason of another kind', exclusion({ reason: 1 }), ['exclusions.0.reason']],
    ['no filter and no other event', exclusion({ filter: ' ' }), ['exclusions.0.filter']],
    ['a window without another event', exclusion({ withinHours: 1 }), ['exclusions.0.withinHours']],
    ['a window beyond the maturation', exclusion({ eventType: 'b', withinHours: 25 }), ['exclusions.0.withinHours']],
    ['customers nobody names', exclusion({ eventType: 'b', scope: 'CUSTOMER' }), ['exclusions.0.scope']],
    ['an unknown scope', exclusion({ eventType: 'b', scope: 'TENANT' }), ['exclusions.0.scope']],
    ['21 exclusions', least({ exclusions: Array(21).fill({ reason: 'A', filter: 'true' }) }), ['exclusions']],
  ])('an exclusion with %s is refused', (_what, json, members) => {
    expect(refusedMembers(json)).toEqual(members);
  });

  test('an exclusion may look until the maturation, at events of the customer, and 20 of them may', () => {
    const wide = { reason: 'A', eventType: 'b', scope: 'CUSTOMER', withinHours: 24 };
    expect(
      refusedMembers(least({ customerProperty: 'c', maturationHours: 24, exclusions: Array(20).fill(wide) })),
    ).toEqual([]);
  });

  test('no exclusion has a reason that judging gives by itself', () => {
    for (const reason of BUILT_IN_REASONS) {
      expect(refusedMembers(exclusion({ reason }))).toEqual(['exclusions.0.reason']);
    }
  });

  test('every reason that judging gives is one of them', () => {
    expect([...BUILT_IN_REASONS]).toEqual(
      expect.arrayContaining(['NO_RULE', 'PARTLY_REVERSED', 'REVERSAL_INVALID', 'PARTIAL_WITHOUT_VALUE', 'SANDBOX']),
    );
  });

  test('terms that were accepted before some reasons, senders and least samples were known are read as they were meant', () => {
    const before = {
      ...exclusion({ reason: 'NO_RULE' }),
      valueProperty: 'value',
      guarantee: { clause: { eventType: 'g' }, windowHours: 1 },
      sampleAudit: { tolerance: '5' },
    };
    expect(readOutcomeTerms(before, true)).toMatchObject({
      terms: {
        exclusions: [{ reason: 'NO_RULE' }],
        guarantee: { sentBy: 'ANY' },
        sampleAudit: { leastSample: 1 },
      },
    });
    expect(refusedMembers(before)).toEqual(['exclusions.0.reason']);
  });

  const verification = { verifiers: ['LLM'], expiresAfterHours: 168 };
  const attribution = { touch: { eventType: 't' }, windowHours: 1, model: 'LAST', agentProperty: 'agent' };
  const guarantee = { clause: { eventType: 'g' }, windowHours: 1 };
  const dispute = { windowHours: 240, responseHours: 240, whenSilent: 'CREDIT' };

  test.each<[string, object, readonly string[]]>([
    ['an environment that is a text', { environment: 'test' }, ['environment']],
    ['an environment without policy', { environment: { filter: 'true' } }, ['environment.policy']],
    ['the same evidence twice', { evidence: ['a', 'b', 'a'] }, ['evidence.2']],
    ['evidence that is no path', { evidence: ['a b'] }, ['evidence.0']],
    ['21 kinds of evidence', { evidence: Array.from({ length: 21 }, (_, index) => `e${index}`) }, ['evidence']],
    ['no verifier', { verification: { ...verification, verifiers: [] } }, ['verification.verifiers']],
    [
      'one verifier twice',
      { verification: { ...verification, verifiers: ['LLM', 'LLM'] } },
      ['verification.verifiers.1'],
    ],
    ['an unknown verifier', { verification: { ...verification, verifiers: ['CAT'] } }, ['verification.verifiers.0']],
    ['an unknown number of parties', { verification: { ...verification, parties: 'NONE' } }, ['verification.parties']],
    ['no expiry', { verification: { verifiers: ['LLM'] } }, ['verification.expiresAfterHours']],
    [
      'an expiry at once',
      { verification: { ...verification, expiresAfterHours: 0 } },
      ['verification.expiresAfterHours'],
    ],
    [
      'a quality that is a number',
      { quality: { property: 'q', minimum: 4, whenMissing: 'ACCEPT' } },
      ['quality.minimum'],
    ],
    ['a quality that forgets what to do', { quality: { property: 'q', minimum: '4' } }, ['quality.whenMissing']],
    ['attribution to nobody', { attribution: { ...attribution, agentProperty: null } }, ['attribution.agentProperty']],
    ['touches of no type', { attribution: { ...attribution, touch: {} } }, ['attribution.touch.eventType']],
    [
      'shares where one agent gets all',
      { attribution: { ...attribution, shareProperty: 'weight' } },
      ['attribution.shareProperty'],
    ],
    ['a dedupe of customers nobody names', { dedupe: { scope: 'CUSTOMER' } }, ['dedupe.scope']],
    ['a dedupe window of no time', { dedupe: { scope: 'SUBJECT', windowHours: 0 } }, ['dedupe.windowHours']],
    ['an exclusive group without a name', { exclusive: { group: ' ', choice: 'FIRST' } }, ['exclusive.group']],
    ['an exclusive group that chooses nothing', { exclusive: { group: 'g' } }, ['exclusive.choice']],
    ['a priority below zero', { exclusive: { group: 'g', choice: 'FIRST', priority: -1 } }, ['exclusive.priority']],
    ['a value nobody names', { measure: 'VALUE' }, ['valueProperty']],
    ['units of nothing', { units: { property: 'n', per: '0' } }, ['units.per']],
    ['units that are a number', { units: { property: 'n', per: 10_000 } }, ['units.per']],
    ['an attribute in capitals', { attributes: [{ name: 'Channel', property: 'c' }] }, ['attributes.0.name']],
    [
      'an attribute twice',
      {
        attributes: [
          { name: 'c', property: 'a' },
          { name: 'c', property: 'b' },
        ],
      },
      ['attributes.1.name'],
    ],
    ['a minimum of nothing', { minimum: {} }, ['minimum']],
    ['a minimum of both kinds', { minimum: { quantity: '1', amount: { amount: '1', currency: 'USD' } } }, ['minimum']],
    ['a minimum below zero', { minimum: { quantity: '-1' } }, ['minimum.quantity']],
    ['a minimum in no currency', { minimum: { amount: { amount: '1' } } }, ['minimum.amount.currency']],
    ['a minimum that is perhaps prorated', { minimum: { quantity: '1', isProrated: 1 } }, ['minimum.isProrated']],
    ['a cap on nothing', { caps: [{ mode: 'HARD' }] }, ['caps.0']],
    ['a cap on both', { caps: [{ mode: 'HARD', count: '1', amount: { amount: '1', currency: 'USD' } }] }, ['caps.0']],
    ['a cap at half an outcome', { caps: [{ mode: 'HARD', count: '1.5' }] }, ['caps.0.count']],
    ['a cap at zero', { caps: [{ mode: 'HARD', count: '0' }] }, ['caps.0.count']],
    ['a cap without a mode', { caps: [{ count: '1' }] }, ['caps.0.mode']],
    ['eleven caps', { caps: Array(11).fill({ mode: 'HARD', count: '1' }) }, ['caps']],
    ['a reversal without a window', { reversal: {} }, ['reversal.windowHours']],
    [
      'a guarantee without events',
      { guarantee: { windowHours: 1 }, valueProperty: 'value' },
      ['guarantee.clause', 'guarantee.clause.eventType'],
    ],
    [
      'a guarantee with a misspelled member',
      { guarantee: { ...guarantee, hours: 1 }, valueProperty: 'value' },
      ['guarantee.hours'],
    ],
    ['a guarantee of a value that is nowhere', { guarantee }, ['valueProperty']],
    ['usage that is replaced and not named', { usage: { relation: 'REPLACE' } }, ['usage.meterIds']],
    ['usage to fall back on and not named', { usage: { relation: 'FALLBACK', meterIds: [] } }, ['usage.meterIds']],
    ['a meter twice', { usage: { relation: 'REPLACE', meterIds: ['m', 'm'] } }, ['usage.meterIds.1']],
    ['a dispute answered at once', { dispute: { ...dispute, responseHours: 0 } }, ['dispute.responseHours']],
    ['a dispute that silence leaves open', { dispute: { ...dispute, whenSilent: null } }, ['dispute.whenSilent']],
    ['a least sample of none', { sampleAudit: { tolerance: '5', leastSample: 0 } }, ['sampleAudit.leastSample']],
    ['a least sample beyond all', { sampleAudit: { tolerance: '5', leastSample: 1_001 } }, ['sampleAudit.leastSample']],
    ['an unknown sender', { reversal: { windowHours: 1, sentBy: 'BUYER' } }, ['reversal.sentBy']],
    ['a tolerance above all', { sampleAudit: { tolerance: '100.1' } }, ['sampleAudit.tolerance']],
    ['an anomaly below the ordinary', { anomaly: { factor: '0.9', leastClaims: 1 } }, ['anomaly.factor']],
    ['an anomaly of how many claims', { anomaly: { factor: '2' } }, ['anomaly.leastClaims']],
  ])('%s is refused', (_what, member, members) => {
    expect(refusedMembers(least(member))).toEqual(members);
  });

  const priced = (terms: object, more: object = {}) => least({ prices: [price({ terms })], ...more });
  const tiers = (...flats: readonly string[]) =>
    flats.map((flatAmount, index) => ({
      upTo: index === flats.length - 1 ? null : String(index + 1),
      unitAmount: '1',
      flatAmount,
    }));

  test.each<[string, unknown, readonly string[]]>([
    ['a flat amount', priced({ model: 'FLAT', flatAmount: '1' }), ['prices.0.terms.model']],
    ['a mark-up on cost', priced({ model: 'COST_PLUS' }), ['prices.0.terms.model']],
    ['a mark-up on amounts', priced({ model: 'DYNAMIC' }), ['prices.0.terms.model']],
    ['a minimum', priced({ ...UNIT, minimum: '1' }), ['prices.0.terms.minimum']],
    ['a maximum', priced({ ...UNIT, maximum: '1' }), ['prices.0.terms.maximum']],
    ['a part of the period', priced({ ...UNIT, prorated: true }), ['prices.0.terms.prorated']],
    ['an amount without outcomes', priced({ model: 'GRADUATED', tiers: tiers('5', '0') }), ['prices.0.terms']],
    [
      'a last tier that ends',
      priced({ model: 'VOLUME', tiers: [{ upTo: '5', unitAmount: '1' }] }),
      ['prices.0.terms.tiers.0.upTo'],
    ],
    ['a per cent of units', priced({ model: 'PERCENTAGE', rate: '1' }), ['prices.0.terms.model']],
    [
      'per cents of units by tiers',
      priced({ model: 'GRADUATED_PERCENTAGE', tiers: [{ upTo: null, rate: '1' }] }),
      ['prices.0.terms.model'],
    ],
    [
      'terms that cannot be read',
      priced({ model: 'UNIT', per: '0' }),
      ['prices.0.terms.unitAmount', 'prices.0.terms.per'],
    ],
    ['no terms', least({ prices: [price({ terms: null })] }), ['prices.0.terms']],
    ['no name', least({ prices: [price({ name: '' })] }), ['prices.0.name']],
    ['a currency that is none', least({ prices: [price({ currency: 'XYZ' })] }), ['prices.0.currency']],
    ['an attribute nobody named', least({ prices: [price({ pattern: { channel: 'voice' } })] }), ['prices.0.pattern']],
    ['a star in the middle', byChannel({ prices: [price({ pattern: { channel: 'v*e' } })] }), ['prices.0.pattern']],
    ['an empty attribute', byChannel({ prices: [price({ pattern: { channel: '' } })] }), ['prices.0.pattern']],
    ['a list for a pattern', byChannel({ prices: [price({ pattern: [] })] }), ['prices.0.pattern']],
    [
      '101 prices',
      least({ prices: Array.from({ length: 101 }, (_, index) => price({ name: `p${index}` })) }),
      ['prices'],
    ],
  ])('a price with %s is refused', (_what, json, members) => {
    expect(refusedMembers(json)).toEqual(members);
  });

  test.each<[string, readonly object[], readonly string[]]>([
    ['of one name', [price(), price({ currency: 'EUR' })], ['prices.1.name']],
    ['of one pattern', [price(), price({ name: 'B' })], ['prices.1.pattern']],
    [
      'that some outcome matches equally well',
      [price({ pattern: { channel: 'voice' } }), price({ name: 'B', pattern: { region: 'eu' } })],
      ['prices.1.pattern'],
    ],
    [
      'in two currencies, and of patterns one within the other',
      [
        price(),
        price({ name: 'B', currency: 'INR' }),
        price({ name: 'C', pattern: { channel: 'voice' } }),
        price({ name: 'D', pattern: { channel: 'v*' } }),
        price({ name: 'E', pattern: { channel: 'voice', region: 'eu' } }),
      ],
      [],
    ],
  ])('of two prices %s the second is refused, if any', (_what, prices, members) => {
    expect(refusedMembers(byChannel({ prices }))).toEqual(members);
  });

  test.each<[string, readonly object[], readonly string[]]>([
    ['of nothing', [{ pattern: { channel: 'chat' }, units: '0' }], []],
    ['below zero', [{ pattern: { channel: 'chat' }, units: '-1' }], ['units.weights.0.units']],
    ['of an attribute nobody named', [{ pattern: { tier: 'a' }, units: '1' }], ['units.weights.0.pattern']],
    [
      'beside another for the same outcomes',
      [
        { pattern: { channel: 'chat' }, units: '1' },
        { pattern: { region: 'eu' }, units: '2' },
      ],
      ['units.weights.1.pattern'],
    ],
  ])('a weight %s is judged like a price', (_what, weights, members) => {
    expect(refusedMembers(byChannel({ units: { weights } }))).toEqual(members);
  });

  test('a per cent of values may have bounds for each and a free amount', () => {
    const terms = { model: 'PERCENTAGE', rate: '0.8', perEventMinimum: '0.3', freeAmount: '100' };
    expect(refusedMembers(priced(terms, { measure: 'VALUE', valueProperty: 'amount' }))).toEqual([]);
  });

  test('a refusal says what to do', () => {
    const reading = readOutcomeTerms(
      least({
        measure: 'VALUE',
        exclusions: [{ reason: 'DUPLICATE', filter: 'true' }],
        prices: [price({ terms: { model: 'UNIT' } })],
      }),
    );
    expect('refusals' in reading && reading.refusals.map(({ message }) => message)).toEqual([
      'exclusions.0.reason must not be DUPLICATE, which says something else already; choose another',
      'prices.0.terms: unitAmount must be a decimal string from 0 to 1000000000000000 with at most 12 fraction digits, not nothing',
      'valueProperty is missing: measure is VALUE; say where claims carry it',
    ]);
  });

  test('any terms are read, written and read back the same', () => {
    fc.assert(
      fc.property(arbitraryTerms(), json => {
        const terms = readTerms(json);
        const written = outcomeTermsJson(terms);

        expect(readTerms(JSON.parse(JSON.stringify(written)))).toEqual(terms);
        expect(outcomeTermsJson(readTerms(written))).toEqual(written);
      }),
      { numRuns: 300 },
    );
  });

  test('whatever JSON is given is read or refused, never thrown at', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(...Object.keys(MOST)), (value, name) => {
        const reading = readOutcomeTerms({ ...MOST, [name]: value });

        if ('refusals' in reading) {
          // Some member is at fault because of another one: prices name attributes, scopes need the customer.
          expect(reading.refusals.every(({ field }) => Object.keys(MOST).includes(field[0] ?? ''))).toBe(true);
        } else {
          expect(readTerms(outcomeTermsJson(reading.terms))).toEqual(reading.terms);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('what a version looks at', () => {
  test('is every type of events that one of its members names, once', () => {
    expect([...eventTypesOf(readTerms(MOST))].toSorted()).toEqual([
      'agent.replied',
      'chargeback',
      'conversation.opened',
      'conversation.rated',
      'conversation.reopened',
      'conversation.resolved',
      'conversation.verified',
    ]);
    expect([...eventTypesOf(readTerms(least()))]).toEqual(['conversation.resolved']);
  });
});

describe('what one outcome costs by itself', () => {
  const listAmount = (
    json: unknown,
    outcome: { attributes?: Record<string, string>; units?: string; value?: string },
    currency = 'USD',
  ) => {
    const terms = readTerms(json);

    return (
      listAmountOf(
        terms,
        indexOutcomePrices(terms.prices),
        {
          attributes: outcome.attributes ?? {},
          units: decimal(outcome.units ?? '1'),
          value: outcome.value === undefined ? null : decimal(outcome.value),
        },
        currency,
      )?.toString() ?? null
    );
  };

  test.each([
    ['25 % of 184.00', { model: 'PERCENTAGE', rate: '25' }, '184', '46'],
    ['0.8 % of 12,500, at most 75', { model: 'PERCENTAGE', rate: '0.8', perEventMaximum: '75' }, '12500', '75'],
    ['0.8 % of 20, at least 0.30', { model: 'PERCENTAGE', rate: '0.8', perEventMinimum: '0.3' }, '20', '0.3'],
  ])('%s', (_what, terms, value, amount) => {
    expect(listAmount(least({ measure: 'VALUE', valueProperty: 'v', prices: [price({ terms })] }), { value })).toBe(
      amount,
    );
  });

  test('is that of the most specific price in the currency, and nothing where there is none', () => {
    const json = byChannel({
      prices: [
        price(),
        price({ name: 'Voice', pattern: { channel: 'voice' }, terms: { model: 'UNIT', unitAmount: '2' } }),
        price({ name: 'Rupees', currency: 'INR', terms: { model: 'UNIT', unitAmount: '10' } }),
      ],
    });
    expect(listAmount(json, {})).toBe('0.99');
    expect(listAmount(json, { attributes: { channel: 'voice' }, units: '3' })).toBe('6');
    expect(listAmount(json, { attributes: { channel: 'voice' } }, 'INR')).toBe('10');
    expect(listAmount(json, {}, 'EUR')).toBeNull();
  });

  test('is nothing to be said of an outcome without the value that is priced', () => {
    const json = least({ measure: 'VALUE', valueProperty: 'v' });
    expect(listAmount(json, {})).toBeNull();
    expect(listAmount(json, { value: '0' })).toBe('0');
  });
});

/** Terms of every kind, with decimals written as people write them and members left out at random. */
function arbitraryTerms(): fc.Arbitrary<object> {
  const name = fc.stringMatching(/^[a-z][a-z0-9_]{0,8}$/);
  const path = fc
    .array(fc.stringMatching(/^[A-Za-z0-9_]{1,6}$/), { minLength: 1, maxLength: 4 })
    .map(parts => parts.join('.'));
  const maybe = <T>(given: fc.Arbitrary<T>) => fc.option(given, { nil: null });
  const amount = fc
    .tuple(fc.integer({ min: 1, max: 99_999 }), fc.stringMatching(/^(\.[0-9]{0,5}0?[0-9])?$/))
    .map(([whole, fraction]) => `${whole}${fraction}`);
  const money = fc.record({ amount, currency: fc.constantFrom('USD', 'EUR', 'INR') });
  const hours = fc.integer({ min: 1, max: 8_760 });
  const clause = fc.record({ eventType: name, filter: fc.string({ maxLength: 20 }) });
  const either = (member: string) =>
    fc.oneof(
      fc.integer({ min: 1, max: 9_999 }).map(count => ({ [member]: String(count), amount: null })),
      money.map(given => ({ amount: given })),
    );
  const terms = fc.oneof(
    amount.map(unitAmount => ({ model: 'UNIT', unitAmount })),
    fc.tuple(amount, amount).map(([packageAmount, packageSize]) => ({ model: 'PACKAGE', packageAmount, packageSize })),
    fc.tuple(amount, amount).map(([upTo, unitAmount]) => ({
      model: 'GRADUATED',
      tiers: [{ upTo, unitAmount }, { unitAmount: '0' }],
      freeUnits: '3',
    })),
    amount.map(rate => ({ model: 'PERCENTAGE', rate, fixedAmount: '0.10' })),
  );

  return fc
    .record(
      {
        startedProperty: maybe(path),
        versionAnchor: fc.constantFrom(...VERSION_ANCHORS),
        periodAnchor: fc.constantFrom(...PERIOD_ANCHORS),
        exclusions: fc.array(
          fc.oneof(
            fc.record({ reason: fc.constantFrom('GREETING', 'A1'), filter: fc.constant('true') }),
            fc.record({
              reason: fc.constantFrom('CAME_BACK'),
              eventType: name,
              scope: fc.constantFrom('SUBJECT', 'CUSTOMER'),
              withinHours: fc.integer({ min: 0, max: 24 }),
            }),
          ),
          { maxLength: 4 },
        ),
        environment: maybe(fc.record({ filter: fc.string(), policy: fc.constantFrom(...ENVIRONMENT_POLICIES) })),
        evidence: fc.uniqueArray(path, { maxLength: 3 }),
        verification: maybe(
          fc.record({
            verifiers: fc.uniqueArray(fc.constantFrom(...VERIFIERS), { minLength: 1 }),
            parties: fc.constantFrom(...PARTIES_NEEDED),
            eventType: maybe(name),
            expiresAfterHours: hours,
          }),
        ),
        quality: maybe(
          fc.record({
            property: path,
            minimum: amount,
            whenMissing: fc.constantFrom('ACCEPT', 'REJECT'),
            eventType: maybe(name),
          }),
        ),
        attribution: maybe(
          fc
            .record({
              touch: clause,
              windowHours: hours,
              model: fc.constantFrom(...ATTRIBUTION_MODELS),
              agentProperty: path,
              shareProperty: path,
            })
            .map(({ shareProperty, ...rest }) => (rest.model === 'SPLIT' ? { ...rest, shareProperty } : rest)),
        ),
        dedupe: maybe(fc.record({ scope: fc.constantFrom('NONE', 'SUBJECT', 'CUSTOMER'), windowHours: maybe(hours) })),
        exclusive: maybe(
          fc.record({ group: name, choice: fc.constantFrom(...EXCLUSIVE_CHOICES), priority: fc.nat(1_000) }),
        ),
        units: maybe(
          fc.record({
            property: maybe(path),
            per: amount,
            weights: fc.constantFrom(
              [],
              [
                { pattern: { channel: 'voice' }, units: '30.0' },
                { pattern: {}, units: '0' },
              ],
            ),
          }),
        ),
        currencyProperty: maybe(path),
        humanShareProperty: maybe(path),
        minimum: maybe(
          fc.tuple(either('quantity'), fc.boolean()).map(([bound, isProrated]) => ({ ...bound, isProrated })),
        ),
        caps: fc.array(
          fc
            .tuple(either('count'), fc.constantFrom(...CAP_MODES), fc.constantFrom(...CAP_SCOPES))
            .map(([bound, mode, per]) => ({ ...bound, mode, per })),
          { maxLength: 3 },
        ),
        reversal: maybe(
          fc.record({
            clause: maybe(clause),
            windowHours: hours,
            amountProperty: maybe(path),
            targetProperty: maybe(path),
            sentBy: fc.constantFrom(...SENDERS),
          }),
        ),
        guarantee: maybe(fc.record({ clause, windowHours: hours, sentBy: maybe(fc.constantFrom(...SENDERS)) })),
        usage: maybe(
          fc.record({
            relation: fc.constantFrom('ADD', 'REPLACE', 'FALLBACK'),
            meterIds: fc.uniqueArray(name, { minLength: 1, maxLength: 3 }),
          }),
        ),
        dispute: maybe(
          fc.record({ windowHours: hours, responseHours: hours, whenSilent: fc.constantFrom(...SILENT_DECISIONS) }),
        ),
        sampleAudit: maybe(
          fc.record({ tolerance: fc.constantFrom('0', '5.50', '100'), leastSample: fc.constantFrom(1, 50) }),
        ),
        anomaly: maybe(fc.record({ factor: amount, leastClaims: fc.nat(1_000) })),
      },
      { requiredKeys: [] },
    )
    .chain(rest =>
      fc
        .tuple(
          clause,
          path,
          fc.array(
            fc.tuple(
              fc.constantFrom({}, { channel: 'v*' }, { channel: 'voice' }),
              fc.constantFrom('USD', 'INR'),
              terms,
            ),
            { minLength: 1, maxLength: 6 },
          ),
        )
        .map(([claim, customerProperty, prices]) => ({
          ...rest,
          claim,
          customerProperty,
          maturationHours: 24,
          measure: 'VALUE',
          valueProperty: 'amount',
          attributes: [{ name: 'channel', property: 'channel' }],
          // One price for each currency and pattern.
          prices: [...new Map(prices.map(given => [JSON.stringify(given.slice(0, 2)), given])).values()].map(
            ([pattern, currency, given], index) => ({ name: `Price ${index}`, currency, pattern, terms: given }),
          ),
        })),
    );
}

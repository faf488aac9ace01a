import fc from 'fast-check';
import type { OutcomeTermsJson } from '../../../src/outcomes/outcome-terms.rules.js';
import type { PriceTermsJson } from '../../../src/pricing/price.rules.js';
import { each, onePrice, termsOf } from './terms.js';

// Rules out of everything that terms can say, in every combination whose meaning is written down.

/** The claims of the two rules of a book. */
export const CLAIM_TYPES = ['claim.a', 'claim.b'] as const;
/** All other events that rules look at. */
export const OTHER_TYPES = ['escalated', 'opened', 'verified', 'rated', 'touched', 'reopened', 'charged_back'] as const;

const UNIT_PRICES: readonly PriceTermsJson[] = [
  each('0.99'),
  each('0.333333333'),
  each('10', '1000'),
  { ...each('2.5'), freeUnits: '3' },
  {
    model: 'GRADUATED',
    tiers: [
      { upTo: '2', unitAmount: '0.95' },
      { upTo: '5', unitAmount: '0.90', flatAmount: '0.1' },
      { upTo: null, unitAmount: '0.85' },
    ],
  },
  {
    model: 'VOLUME',
    tiers: [
      { upTo: '3', unitAmount: '2' },
      { upTo: '40', unitAmount: '1.5', flatAmount: '0.25' },
      { upTo: null, unitAmount: '1' },
    ],
  },
  { model: 'PACKAGE', packageAmount: '7', packageSize: '3' },
];

const VALUE_PRICES: readonly PriceTermsJson[] = [
  { model: 'PERCENTAGE', rate: '25' },
  { model: 'PERCENTAGE', rate: '0.8', perEventMinimum: '0.30', perEventMaximum: '75' },
  { model: 'PERCENTAGE', rate: '1', fixedAmount: '0.1' },
];

const price = (measure: 'UNITS' | 'VALUE'): fc.Arbitrary<PriceTermsJson> =>
  fc.constantFrom(...UNIT_PRICES, ...(measure === 'VALUE' ? [...VALUE_PRICES, ...VALUE_PRICES] : []));

const prices = (measure: 'UNITS' | 'VALUE'): fc.Arbitrary<OutcomeTermsJson['prices']> =>
  fc
    .record({
      all: price(measure),
      voice: price(measure),
      web: price(measure),
      shape: fc.constantFrom('ONE', 'ONE', 'THREE', 'HOLE'),
    })
    .map(({ all, voice, web, shape }) => {
      const narrow = [
        { ...onePrice(voice, 'USD', 'Voice'), pattern: { channel: 'voice' } },
        { ...onePrice(web, 'USD', 'Web'), pattern: { channel: 'chat*' } },
      ];

      return shape === 'HOLE'
        ? narrow
        : [onePrice(all), ...(shape === 'THREE' ? narrow : []), onePrice(each('10'), 'INR', 'Rupees')];
    });

const orNone = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(arbitrary, { nil: null, freq: 2 });

const senders = fc.constantFrom<'ANY' | 'SELLER'>('ANY', 'ANY', 'SELLER');

/** What both rules of a book have in common. */
const shared = fc.record({
  customerProperty: orNone(fc.constant('customer')),
  exclusive: orNone(fc.constantFrom('HIGHEST', 'FIRST', 'PRIORITY')),
  parties: fc.constantFrom('ANY', 'ANY', 'BOTH'),
});

const own = fc.record({
  startedProperty: orNone(fc.constant('started')),
  versionAnchor: fc.constantFrom('STARTED', 'OCCURRED', 'MATURED'),
  periodAnchor: fc.constantFrom('OCCURRED', 'MATURED'),
  maturationHours: fc.constantFrom(0, 1, 24, 72),
  greeting: fc.boolean(),
  escalated: orNone(fc.constantFrom(0, 1, 24)),
  cameBack: orNone(fc.constantFrom(1, 24)),
  environment: orNone(fc.constantFrom('REJECT', 'FREE', 'PRICED')),
  evidence: fc.constantFrom([], [], ['proof']),
  verification: orNone(
    fc.record({
      verifiers: fc.constantFrom<('LLM' | 'HUMAN' | 'SYSTEM')[]>(['LLM', 'HUMAN', 'SYSTEM'], ['HUMAN', 'LLM']),
      eventType: orNone(fc.constant('verified')),
      sentBy: senders,
      expiresAfterHours: fc.constantFrom(48, 168),
    }),
  ),
  quality: orNone(
    fc.record({ whenMissing: fc.constantFrom('ACCEPT', 'REJECT'), eventType: orNone(fc.constant('rated')) }),
  ),
  attribution: fc.option(
    fc.record({
      windowHours: fc.constantFrom(24, 168),
      model: fc.constantFrom('FIRST', 'LAST', 'SPLIT'),
      shareProperty: orNone(fc.constant('weight')),
    }),
    { nil: null, freq: 4 },
  ),
  scope: fc.constantFrom('NONE', 'SUBJECT', 'SUBJECT', 'CUSTOMER'),
  dedupeHours: orNone(fc.constantFrom(24, 48)),
  measure: fc.constantFrom('UNITS', 'VALUE'),
  tokens: fc.boolean(),
  weights: fc.boolean(),
  hasValue: fc.boolean(),
  hasCurrency: fc.boolean(),
  hasShare: fc.boolean(),
  minimum: orNone(
    fc.constantFrom(
      { quantity: '5', amount: null, isProrated: true },
      { quantity: '4', amount: null, isProrated: false },
      { quantity: null, amount: { amount: '20', currency: 'USD' }, isProrated: true },
    ),
  ),
  cap: orNone(
    fc.record({
      mode: fc.constantFrom('HARD', 'FREE', 'SOFT'),
      per: fc.constantFrom('PERIOD', 'DAY', 'SUBJECT'),
      count: orNone(fc.constantFrom('1', '2', '3')),
      amount: fc.constantFrom('3', '1.98', '40'),
    }),
  ),
  reversal: fc.option(
    fc.record({
      hasClause: fc.constantFrom(true, true, false),
      windowHours: fc.constantFrom(48, 336, 8_760),
      amountProperty: orNone(fc.constant('amount')),
      targetProperty: orNone(fc.constant('target')),
      sentBy: senders,
    }),
    { nil: null, freq: 4 },
  ),
  guarantee: orNone(fc.record({ windowHours: fc.constantFrom(48, 720), sentBy: senders })),
  dispute: fc.option(
    fc.record({
      windowHours: fc.constantFrom(24, 720),
      responseHours: fc.constantFrom(24, 240),
      whenSilent: fc.constantFrom('CREDIT', 'UPHOLD'),
    }),
    { nil: null, freq: 4 },
  ),
});

type Own = typeof own extends fc.Arbitrary<infer T> ? T : never;
type Shared = typeof shared extends fc.Arbitrary<infer T> ? T : never;

function assembled(rule: number, common: Shared, given: Own, priced: OutcomeTermsJson['prices']): OutcomeTermsJson {
  const { maturationHours, measure, verification, quality, attribution, cap, reversal, guarantee } = given;
  const { customerProperty, parties } = common;
  const within = (hours: number): number => Math.min(hours, maturationHours);
  const valueProperty = measure === 'VALUE' || given.hasValue ? 'value' : null;
  const [first] = priced;
  const isPlain = priced.filter(({ currency }) => currency === 'USD').length === 1;
  // What an amount adds is only clear where a further outcome never makes the earlier ones cheaper.
  const isCappable = isPlain && first?.terms.model !== 'VOLUME';

  return termsOf({
    claim: { eventType: CLAIM_TYPES[rule] ?? 'claim', filter: 'properties.kind != "spam"' },
    startedProperty: given.startedProperty,
    customerProperty,
    versionAnchor: given.versionAnchor as OutcomeTermsJson['versionAnchor'],
    periodAnchor: given.periodAnchor as OutcomeTermsJson['periodAnchor'],
    maturationHours,
    exclusions: [
      ...(given.greeting
        ? [
            {
              reason: 'GREETING',
              filter: 'properties.kind == "greeting"',
              eventType: null,
              scope: 'SUBJECT' as const,
              withinHours: 0,
            },
          ]
        : []),
      ...(given.escalated === null
        ? []
        : [
            {
              reason: 'ESCALATED',
              filter: 'properties.level > 1',
              eventType: 'escalated',
              scope: 'SUBJECT' as const,
              withinHours: within(given.escalated),
            },
          ]),
      ...(given.cameBack === null || customerProperty === null
        ? []
        : [
            {
              reason: 'CAME_BACK',
              filter: '',
              eventType: 'opened',
              scope: 'CUSTOMER' as const,
              withinHours: within(given.cameBack),
            },
          ]),
    ],
    environment:
      given.environment === null
        ? null
        : {
            filter: 'properties.sandbox == true',
            policy: given.environment as 'REJECT' | 'FREE' | 'PRICED',
          },
    evidence: given.evidence,
    verification: verification && {
      verifiers: verification.verifiers,
      parties: parties as 'ANY' | 'BOTH',
      eventType: verification.eventType,
      sentBy: verification.sentBy,
      expiresAfterHours: verification.expiresAfterHours,
    },
    quality: quality && {
      property: 'score',
      minimum: '3',
      whenMissing: quality.whenMissing as 'ACCEPT' | 'REJECT',
      eventType: quality.eventType,
    },
    attribution: attribution && {
      touch: { eventType: 'touched', filter: 'properties.weight > 0' },
      windowHours: attribution.windowHours,
      model: attribution.model as 'FIRST' | 'LAST' | 'SPLIT',
      agentProperty: 'agent',
      shareProperty: attribution.model === 'SPLIT' ? attribution.shareProperty : null,
    },
    dedupe: {
      scope: (given.scope === 'CUSTOMER' && customerProperty === null
        ? 'SUBJECT'
        : given.scope) as OutcomeTermsJson['dedupe']['scope'],
      windowHours: given.scope === 'NONE' ? null : given.dedupeHours,
    },
    exclusive: common.exclusive && {
      group: 'ending',
      choice: common.exclusive as 'HIGHEST' | 'FIRST' | 'PRIORITY',
      priority: rule,
    },
    measure: measure as 'UNITS' | 'VALUE',
    units: {
      property: given.tokens ? 'tokens' : null,
      per: given.tokens ? '10000' : '1',
      weights: given.weights
        ? [
            { pattern: {}, units: '2' },
            { pattern: { channel: 'voice' }, units: '3' },
            { pattern: { channel: 'chat*' }, units: '0.5' },
          ]
        : [],
    },
    valueProperty,
    currencyProperty: given.hasCurrency ? 'currency' : null,
    humanShareProperty: given.hasShare ? 'human' : null,
    attributes: [{ name: 'channel', property: 'channel' }],
    prices: priced,
    minimum: given.minimum && (given.minimum.quantity === null || isPlain) ? given.minimum : null,
    caps:
      cap && (cap.count !== null || isCappable)
        ? [
            {
              mode: cap.mode as 'HARD' | 'FREE' | 'SOFT',
              per: cap.per as 'PERIOD' | 'DAY' | 'SUBJECT',
              count: cap.count,
              amount: cap.count === null ? { amount: cap.amount, currency: 'USD' } : null,
            },
          ]
        : [],
    reversal: reversal && {
      clause: reversal.hasClause ? { eventType: 'reopened', filter: '' } : null,
      windowHours: reversal.windowHours,
      amountProperty: reversal.amountProperty,
      targetProperty: reversal.targetProperty,
      sentBy: reversal.sentBy,
    },
    guarantee:
      guarantee === null || valueProperty === null
        ? null
        : { clause: { eventType: 'charged_back', filter: '' }, ...guarantee },
    dispute: given.dispute && {
      ...given.dispute,
      whenSilent: given.dispute.whenSilent as 'CREDIT' | 'UPHOLD',
    },
  });
}

const rule = (place: number, common: Shared): fc.Arbitrary<OutcomeTermsJson> =>
  own.chain(given => prices(given.measure as 'UNITS' | 'VALUE').map(priced => assembled(place, common, given, priced)));

/** The terms of the two rules of a book. */
export const twoRules: fc.Arbitrary<readonly [OutcomeTermsJson, OutcomeTermsJson]> = shared.chain(common =>
  fc.tuple(rule(0, common), rule(1, common)),
);

/** A rule that knows every type of event: the events of a type that no rule knows are refused. */
export const everything: OutcomeTermsJson = termsOf({
  claim: { eventType: CLAIM_TYPES[0], filter: '' },
  maturationHours: 1,
  exclusions: [CLAIM_TYPES[1], ...OTHER_TYPES].map(eventType => ({
    reason: 'SEEN',
    filter: '',
    eventType,
    scope: 'SUBJECT',
    withinHours: 1,
  })),
});

/** What another version of a rule says differently; what it leaves as it was, is what would be ambiguous else. */
export interface Change {
  readonly price: PriceTermsJson;
  readonly maturationHours: number;
  readonly minimum: string;
}

export const change: fc.Arbitrary<Change> = fc.record({
  price: fc.constantFrom(each('1.10'), each('0.5'), ...UNIT_PRICES),
  maturationHours: fc.constantFrom(24, 48, 72),
  minimum: fc.constantFrom('2', '4'),
});

/** The terms after a change: other prices of the same patterns, another maturation, another threshold. */
export function changed(terms: OutcomeTermsJson, { price: next, maturationHours, minimum }: Change): OutcomeTermsJson {
  const isCapped = terms.caps.some(({ amount }) => amount !== null) || terms.minimum !== null;
  const other = isCapped && next.model === 'VOLUME' ? each('1.25') : next;

  return {
    ...terms,
    maturationHours: terms.maturationHours === 0 ? 0 : Math.max(maturationHours, 24),
    exclusions: terms.exclusions.map(one => ({ ...one, withinHours: Math.min(one.withinHours, maturationHours) })),
    quality: terms.quality && { ...terms.quality, minimum },
    prices: terms.prices.map((one, place) => (place === 0 ? { ...one, terms: other } : one)),
  };
}

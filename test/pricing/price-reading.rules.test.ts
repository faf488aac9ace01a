import fc from 'fast-check';
import { PRICING_MODELS, priceTermsJson } from '../../src/pricing/price.rules.js';
import { readPriceTerms } from '../../src/pricing/price-reading.rules.js';

const tier = (upTo: string | null, unitAmount = '1', flatAmount = '0') => ({ upTo, unitAmount, flatAmount });
const graduated = (...bounds: (string | null)[]) => ({ model: 'GRADUATED', tiers: bounds.map(bound => tier(bound)) });

/** The refused fields, dotted; empty when the terms are accepted. */
const refusedFields = (json: unknown) => {
  const reading = readPriceTerms(json);

  return 'refusals' in reading ? reading.refusals.map(refusal => refusal.field.join('.')) : [];
};
const writtenBack = (json: unknown) => {
  const reading = readPriceTerms(json);

  return 'terms' in reading ? priceTermsJson(reading.terms) : reading.refusals;
};

describe('readPriceTerms', () => {
  test.each([
    [{ model: 'FLAT', flatAmount: '10.5' }],
    [{ model: 'FLAT', flatAmount: '0' }],
    [{ model: 'FLAT', flatAmount: '1000000000000000' }],
    [{ model: 'UNIT', unitAmount: '0.000000000001', per: '1000000' }],
    [{ model: 'UNIT', unitAmount: '1', per: '0.5', freeUnits: '3', minimum: '5', maximum: '5', discountRate: '12.5' }],
    [{ model: 'UNIT', unitAmount: '1', per: '1', prorated: true }],
    [{ model: 'PACKAGE', packageAmount: '15', packageSize: '10', freeUnits: '3' }],
    [{ ...graduated(null), per: '1', tierBounds: 'INCLUSIVE' }],
    [{ ...graduated('5', '1000', null), per: '1000', tierBounds: 'INTEGER_STEPS' }],
    [
      {
        model: 'VOLUME',
        per: '1',
        tiers: [tier('0.5', '2', '5'), { ...tier(null, '1', '7'), per: '10' }],
        tierBounds: 'INCLUSIVE',
      },
    ],
    [
      {
        model: 'STAIRSTEP',
        tiers: [
          { upTo: '10', flatAmount: '5' },
          { upTo: null, flatAmount: '9' },
        ],
        tierBounds: 'INCLUSIVE',
      },
    ],
    [{ model: 'PERCENTAGE', rate: '2.99' }],
    [
      {
        model: 'PERCENTAGE',
        rate: '1.3',
        fixedAmount: '2',
        freeEvents: '3',
        freeAmount: '250',
        perEventMinimum: '1.75',
        perEventMaximum: '12',
      },
    ],
    [{ model: 'GRADUATED_PERCENTAGE', tiers: [{ upTo: null, rate: '1', flatAmount: '0' }], tierBounds: 'INCLUSIVE' }],
    [{ model: 'DYNAMIC', markup: '1.33333' }],
    [{ model: 'COST_PLUS', markup: '1.2' }],
    [
      {
        model: 'UNIT',
        unitAmount: '10',
        per: '1',
        conversion: { divideBy: '1000', multiplyBy: '1', rounding: 'CEILING', precision: 0 },
      },
    ],
  ])('%j is read and written back the same', json => {
    expect(writtenBack(json)).toEqual(json);
  });

  test('what is left out has its default, and null is left out', () => {
    expect(
      [
        { model: 'UNIT', unitAmount: '2', per: null, tiers: undefined, conversion: null, prorated: null },
        { model: 'VOLUME', tiers: [{ unitAmount: '1' }] },
        { model: 'GRADUATED', tiers: [{ upTo: '5', flatAmount: '3' }, { unitAmount: '1' }] },
        { model: 'DYNAMIC' },
      ].map(writtenBack),
    ).toEqual([
      { model: 'UNIT', unitAmount: '2', per: '1' },
      {
        model: 'VOLUME',
        per: '1',
        tiers: [{ upTo: null, unitAmount: '1', flatAmount: '0' }],
        tierBounds: 'INCLUSIVE',
      },
      {
        model: 'GRADUATED',
        per: '1',
        tiers: [
          { upTo: '5', unitAmount: '0', flatAmount: '3' },
          { upTo: null, unitAmount: '1', flatAmount: '0' },
        ],
        tierBounds: 'INCLUSIVE',
      },
      { model: 'DYNAMIC', markup: '1' },
    ]);
  });

  test.each<[string, unknown, string[]]>([
    ['no object', 'FLAT', ['']],
    ['a list', [], ['']],
    ['nothing', null, ['']],
    ['no model', {}, ['model']],
    ['an unknown model', { model: 'TIERED' }, ['model']],
    ['a model that every object has', { model: 'constructor' }, ['model']],
    ['a missing amount', { model: 'FLAT' }, ['flatAmount']],
    ['a number', { model: 'FLAT', flatAmount: 1 }, ['flatAmount']],
    ['an exponent', { model: 'UNIT', unitAmount: '1e3' }, ['unitAmount']],
    ['a negative amount', { model: 'FLAT', flatAmount: '-0.01' }, ['flatAmount']],
    ['an amount above 1e15', { model: 'FLAT', flatAmount: '1000000000000000.01' }, ['flatAmount']],
    ['thirteen fraction digits', { model: 'FLAT', flatAmount: '0.0000000000001' }, ['flatAmount']],
    ['forty digits', { model: 'UNIT', unitAmount: '1', per: '1'.repeat(40) }, ['per']],
    ['a misspelled field', { model: 'FLAT', flatAmount: '1', fre: '1' }, ['fre']],
    ['a field of another model', { model: 'FLAT', flatAmount: '1', packageSize: '1' }, ['packageSize']],
    ['per zero', { model: 'UNIT', unitAmount: '1', per: '0' }, ['per']],
    ['per below zero', { model: 'UNIT', unitAmount: '1', per: '-1' }, ['per']],
    ['package size zero', { model: 'PACKAGE', packageAmount: '1', packageSize: '0' }, ['packageSize']],
    ['a negative size', { model: 'PACKAGE', packageAmount: '1', packageSize: '-5' }, ['packageSize']],
    ['negative free units', { model: 'UNIT', unitAmount: '1', freeUnits: '-1' }, ['freeUnits']],
    [
      'everything at once',
      { model: 'PACKAGE', packageSize: '-1', freeUnits: 'x' },
      ['packageAmount', 'packageSize', 'freeUnits'],
    ],
    ['no tiers', { model: 'VOLUME' }, ['tiers']],
    ['an empty list of tiers', graduated(), ['tiers']],
    ['101 tiers', graduated(...Array.from({ length: 100 }, (_, index) => String(index + 1)), null), ['tiers']],
    ['a tier that is none', { model: 'VOLUME', tiers: ['x', tier(null)] }, ['tiers.0']],
    ['a first bound of zero', graduated('0', null), ['tiers.0.upTo']],
    ['a first bound below zero', graduated('-5', null), ['tiers.0.upTo']],
    ['bounds that overlap', graduated('5', '5.0', null), ['tiers.1.upTo']],
    ['bounds that fall', graduated('10', '5', null), ['tiers.1.upTo']],
    ['a tier after the open one', graduated('5', null, null), ['tiers.1.upTo']],
    ['a free tier after the open one', { model: 'GRADUATED', tiers: [tier(null), tier('9', '0')] }, ['tiers.0.upTo']],
    [
      'a broken bound among integer steps',
      { ...graduated('0.5', null), tierBounds: 'INTEGER_STEPS' },
      ['tiers.0.upTo'],
    ],
    ['unknown bounds', { ...graduated(null), tierBounds: 'EXCLUSIVE' }, ['tierBounds']],
    ['a negative flat amount', { model: 'VOLUME', tiers: [tier(null, '1', '-1')] }, ['tiers.0.flatAmount']],
    ['a tier without amounts', { model: 'VOLUME', tiers: [{ upTo: null }] }, ['tiers.0.unitAmount']],
    ['a stair without its amount', { model: 'STAIRSTEP', tiers: [{ upTo: null }] }, ['tiers.0.flatAmount']],
    [
      'a unit amount on a stair',
      { model: 'STAIRSTEP', tiers: [{ upTo: null, flatAmount: '1', unitAmount: '1' }] },
      ['tiers.0.unitAmount'],
    ],
    ['a misspelled tier field', { model: 'VOLUME', tiers: [{ ...tier(null), flatt: '3' }] }, ['tiers.0.flatt']],
    ['a bad amount in a tier', { model: 'VOLUME', tiers: [tier(null, 'x')] }, ['tiers.0.unitAmount']],
    ['no rate', { model: 'PERCENTAGE' }, ['rate']],
    ['a negative rate', { model: 'PERCENTAGE', rate: '-1' }, ['rate']],
    ['half a free event', { model: 'PERCENTAGE', rate: '1', freeEvents: '0.5' }, ['freeEvents']],
    [
      'an event maximum below its minimum',
      { model: 'PERCENTAGE', rate: '1', perEventMinimum: '2', perEventMaximum: '1' },
      ['perEventMaximum'],
    ],
    ['a maximum below the minimum', { model: 'UNIT', unitAmount: '1', minimum: '2', maximum: '1' }, ['maximum']],
    ['more than all off', { model: 'UNIT', unitAmount: '1', discountRate: '100.1' }, ['discountRate']],
    [
      'a bad conversion',
      { model: 'UNIT', unitAmount: '1', conversion: { divideBy: '0', rounding: 'SIDEWAYS' } },
      ['conversion.divideBy', 'conversion.rounding'],
    ],
    ['prorated that is no boolean', { model: 'UNIT', unitAmount: '1', prorated: 'yes' }, ['prorated']],
    [
      'a prorated price with a conversion',
      { model: 'UNIT', unitAmount: '1', prorated: true, conversion: { divideBy: '1000' } },
      ['conversion'],
    ],
    ['a flat price prorated', { model: 'FLAT', flatAmount: '1', prorated: true }, ['prorated']],
  ])('refuses %s, naming the field', (_, json, fields) => {
    expect(refusedFields(json)).toEqual(fields);
  });

  test('a refusal says what was given and what would do', () => {
    expect(readPriceTerms({ model: 'FLAT', flatAmount: '-1' })).toEqual({
      refusals: [
        {
          field: ['flatAmount'],
          message:
            'flatAmount must be a decimal string from 0 to 1000000000000000 with at most 12 fraction digits, not "-1"',
        },
      ],
    });
  });

  test('any JSON is answered, never thrown at', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(...PRICING_MODELS), (json, model) => {
        const reading = readPriceTerms({
          model,
          unitAmount: json,
          flatAmount: json,
          rate: json,
          tiers: [json, json],
          packageSize: json,
          conversion: json,
          markup: json,
        });
        expect('terms' in reading || reading.refusals.length > 0).toBe(true);
      }),
    );
  });
});

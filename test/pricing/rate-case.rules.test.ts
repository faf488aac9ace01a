import fc from 'fast-check';
import { rateCase } from '../../src/pricing/rate-case.rules.js';

const UNIT = { model: 'UNIT', unitAmount: '10' };
const aCase = (fields: object = {}) => ({
  id: 'a',
  currency: 'USD',
  price: UNIT,
  usage: { quantity: '15' },
  ...fields,
});
const answer = (fields: object) => rateCase(aCase(fields), 0);

describe('rateCase', () => {
  test('answers the exact amount, the rounded one, the arithmetic and its steps', () => {
    expect(answer({ price: { model: 'UNIT', unitAmount: '0.3333', freeUnits: '5' } })).toEqual({
      id: 'a',
      amount: '3.333',
      rounded: '3.33',
      explanation: '5 of a period are free, which leaves 10; 10 × 0.3333 = 3.333; in total 3.333 USD.',
      steps: [
        {
          kind: 'UNITS',
          tier: null,
          from: '0',
          upTo: null,
          quantity: '10',
          unitAmount: { amount: '0.3333', per: '1' },
          percent: null,
          flat: '0',
          packages: null,
          amount: '3.333',
        },
      ],
    });
  });

  test.each<[string, object, string]>([
    [
      'one unit',
      { usage: { quantity: '900' }, price: { ...UNIT, conversion: { divideBy: '1000', rounding: 'CEILING' } } },
      '900 / 1000, rounded (CEILING), is 1 unit; 1 × 10 = 10; in total 10 USD.',
    ],
    [
      'one free unit',
      { price: { ...UNIT, freeUnits: '1' } },
      '1 of a period is free, which leaves 14; 14 × 10 = 140; in total 140 USD.',
    ],
    [
      'the free units of a level',
      {
        price: { model: 'UNIT', unitAmount: '1', freeUnits: '5', prorated: true },
        usage: { events: [{ quantity: '10', time: '2026-09-16T00:00:00Z' }] },
        period: { start: '2026-09-01T00:00:00Z', end: '2026-10-01T00:00:00Z' },
      },
      'The first 5 units of the level are free; the quantity is the average over the period; 2.5 × 1 = 2.5; in total 2.5 USD.',
    ],
    [
      'what is due once',
      {
        usage: { quantity: '0' },
        price: { model: 'GRADUATED', tiers: [{ upTo: null, unitAmount: '10', flatAmount: '4' }] },
      },
      'Tier 1 (0 to any quantity): 4 once = 4; in total 4 USD.',
    ],
    [
      'what is given back once',
      {
        usage: { quantity: '-2' },
        price: {
          model: 'GRADUATED',
          tiers: [
            { upTo: '1', unitAmount: '1' },
            { unitAmount: '1', flatAmount: '3' },
          ],
        },
      },
      'Tier 1 (0 to 1): -1 × 1 = -1; tier 2 (1 to any quantity): -1 × 1 − 3 once = -4; in total -5 USD.',
    ],
    [
      'a stair',
      { usage: { quantity: '5' }, price: { model: 'STAIRSTEP', tiers: [{ flatAmount: '2' }] } },
      'Tier 1 (0 to any quantity): 2 once = 2; in total 2 USD.',
    ],
    [
      'the free part of a percentage',
      {
        price: { model: 'PERCENTAGE', rate: '1', freeAmount: '250' },
        usage: { events: [{ amount: '300' }, { amount: '20' }] },
      },
      '250 of 320 is free; 1 % of 70 = 0.7; in total 0.7 USD.',
    ],
    [
      'the bounds of events',
      {
        price: { model: 'PERCENTAGE', rate: '10', perEventMinimum: '3', perEventMaximum: '12' },
        usage: { events: [{ amount: '20' }, { amount: '200' }, { amount: '300' }] },
      },
      '10 % of 520 = 52; 1 event raised to the minimum of 3: +1; 2 events cut to the maximum of 12 each: -26; in total 27 USD.',
    ],
    [
      'bounds of events of which as many were taken back',
      {
        price: { model: 'PERCENTAGE', rate: '1', perEventMinimum: '3' },
        usage: { events: [{ amount: '100' }, { amount: '-50' }] },
      },
      '1 % of 50 = 0.5; events raised to the minimum of 3 each: -0.5; in total 0 USD.',
    ],
    [
      'nothing used, and something billed',
      { usage: { quantity: '0' }, alreadyBilled: { amount: '50' } },
      'Nothing to price: 0 USD. 50 USD are billed already, so -50 USD are to be charged.',
    ],
  ])('explains %s', (_, fields, explanation) => {
    expect(answer(fields)).toEqual(expect.objectContaining({ explanation }));
  });

  test.each<[string, object, string, string]>([
    [
      'halves go to the even cent',
      { usage: { quantity: '1' }, price: { model: 'UNIT', unitAmount: '0.125' } },
      '0.125',
      '0.12',
    ],
    ['yen have no cents', { currency: 'JPY', usage: { quantity: '0.25' } }, '2.5', '2'],
    ['dinars have three', { currency: 'KWD', usage: { quantity: '0.25' } }, '2.5', '2.500'],
    ['what is billed is taken off', { alreadyBilled: { quantity: '7', amount: '35' } }, '115', '115.00'],
    [
      'less than was billed gives back',
      { usage: { quantity: '0' }, alreadyBilled: { quantity: '5' } },
      '-50',
      '-50.00',
    ],
    ['a flat price needs no quantity', { price: { model: 'FLAT', flatAmount: '9' }, usage: {} }, '9', '9.00'],
    [
      'amounts are the basis of a percentage, quantities where there are none',
      {
        price: { model: 'PERCENTAGE', rate: '10' },
        usage: { events: [{ quantity: '1', amount: '50' }, { quantity: '30' }] },
      },
      '8',
      '8.00',
    ],
    [
      'quantities are the basis of a unit price',
      { usage: { events: [{ quantity: '1', amount: '50' }, { quantity: '2' }] } },
      '30',
      '30.00',
    ],
    [
      'events count in the order of their times',
      {
        price: { model: 'PERCENTAGE', rate: '10', freeEvents: '1' },
        usage: {
          events: [
            { amount: '100', time: '2026-11-02T00:00:00Z' },
            { amount: '7', time: '2026-11-01T00:00:00Z' },
          ],
        },
      },
      '10',
      '10.00',
    ],
    [
      'a level is charged for the time it was there',
      {
        price: { ...UNIT, prorated: true },
        usage: { events: [{ quantity: '2', time: '2026-09-10T00:00:00Z' }] },
        period: { start: '2026-09-01T00:00:00Z', end: '2026-10-01T00:00:00Z' },
      },
      '14',
      '14.00',
    ],
  ])('%s', (_, fields, amount, rounded) => {
    expect(answer(fields)).toEqual(expect.objectContaining({ amount, rounded }));
  });

  test.each<[string, unknown, string, string]>([
    ['no object', 7, 'INVALID_INPUT', ''],
    ['an unknown currency', aCase({ currency: 'usd' }), 'INVALID_INPUT', 'currency'],
    ['no price', aCase({ price: undefined }), 'INVALID_INPUT', 'price'],
    [
      'a fault deep in a price',
      aCase({ price: { model: 'VOLUME', tiers: [{ upTo: null }] } }),
      'INVALID_INPUT',
      'price.tiers.0.unitAmount',
    ],
    ['no usage', aCase({ usage: undefined }), 'INVALID_INPUT', 'usage'],
    ['both kinds of usage', aCase({ usage: { quantity: '1', events: [] } }), 'INVALID_INPUT', 'usage.quantity'],
    ['a number', aCase({ usage: { quantity: 15 } }), 'INVALID_INPUT', 'usage.quantity'],
    ['an exponent', aCase({ usage: { quantity: '1e3' } }), 'INVALID_INPUT', 'usage.quantity'],
    ['forty digits', aCase({ usage: { quantity: '1'.repeat(40) } }), 'INVALID_INPUT', 'usage.quantity'],
    [
      'a bad event',
      aCase({ usage: { events: [{ quantity: '1' }, { amount: 'x' }] } }),
      'INVALID_INPUT',
      'usage.events.1.amount',
    ],
    [
      'a bad time',
      aCase({ usage: { events: [{ quantity: '1', time: 'noon' }] } }),
      'INVALID_INPUT',
      'usage.events.0.time',
    ],
    ['a misspelled field', aCase({ alreadybilled: {} }), 'INVALID_INPUT', 'alreadybilled'],
    ['nothing billed', aCase({ alreadyBilled: {} }), 'INVALID_INPUT', 'alreadyBilled.amount'],
    [
      'no period of a prorated price',
      aCase({ price: { ...UNIT, prorated: true }, usage: { events: [] } }),
      'INVALID_INPUT',
      'period',
    ],
    [
      'usage above a closed tier',
      aCase({ price: { model: 'VOLUME', tiers: [{ upTo: '10', unitAmount: '1' }] } }),
      'UNPRICED',
      'price.tiers',
    ],
    [
      'a level that was above a closed tier',
      aCase({
        price: { model: 'GRADUATED', tiers: [{ upTo: '10', unitAmount: '1' }], prorated: true },
        usage: {
          events: [
            { quantity: '11', time: '2026-09-10T00:00:00Z' },
            { quantity: '-11', time: '2026-09-11T00:00:00Z' },
          ],
        },
        period: { start: '2026-09-01T00:00:00Z', end: '2026-10-01T00:00:00Z' },
      }),
      'UNPRICED',
      'price.tiers',
    ],
    [
      'a billed quantity above a closed tier',
      aCase({
        price: { model: 'VOLUME', tiers: [{ upTo: '20', unitAmount: '1' }] },
        alreadyBilled: { quantity: '21' },
      }),
      'UNPRICED',
      'alreadyBilled.quantity',
    ],
    [
      'a billed quantity whose events are not known',
      aCase({ price: { model: 'PERCENTAGE', rate: '1', freeEvents: '1' }, alreadyBilled: { quantity: '5' } }),
      'INVALID_INPUT',
      'alreadyBilled.amount',
    ],
    [
      'a day that no month has',
      aCase({ usage: { events: [{ quantity: '1', time: '2026-02-30T00:00:00Z' }] } }),
      'INVALID_INPUT',
      'usage.events.0.time',
    ],
    [
      'an hour that no day has',
      aCase({ usage: { events: [{ quantity: '1', time: '2026-02-03T24:00Z' }] } }),
      'INVALID_INPUT',
      'usage.events.0.time',
    ],
  ])('refuses %s by its path', (_, json, code, path) => {
    expect(rateCase(json, 3)).toEqual({
      id: expect.any(String),
      error: { code, path, message: expect.stringMatching(/\w+ \w+/) },
    });
  });

  test('times may leave out seconds and parts of them', () => {
    const result = answer({
      price: { model: 'UNIT', unitAmount: '1', prorated: true },
      usage: {
        events: [
          { quantity: '1', time: '2026-09-10T12:30Z' },
          { quantity: '2', time: '2026-09-10T12:30:15.5Z' },
        ],
      },
      period: { start: '2026-09-01T00:00Z', end: '2026-10-01T00:00:00.000Z' },
    });
    expect('error' in result).toBe(false);
  });

  test('any JSON is answered, never thrown at', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (price, usage) => {
        const result = rateCase({ id: 'x', currency: 'USD', price, usage, alreadyBilled: usage, period: price }, 0);
        expect('error' in result || result.rounded.includes('.')).toBe(true);
      }),
    );
  });
});

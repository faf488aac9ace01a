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
  ])('refuses %s by its path', (_, json, code, path) => {
    expect(rateCase(json, 3)).toEqual({
      id: expect.any(String),
      error: { code, path, message: expect.stringMatching(/\w+ \w+/) },
    });
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

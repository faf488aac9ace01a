import { refuseDecision } from '../../src/outcomes/review.rules.js';

const ids = (count: number, name: string): string[] => Array.from({ length: count }, (_, place) => `${name} ${place}`);
const by = { keyId: 'key', party: 'SELLER' } as const;

describe('a decision of a dispute', () => {
  test('is refused at once where its lists are beyond all bounds', () => {
    const began = performance.now();
    const draft = { acceptedOutcomeIds: ids(100_000, 'a'), rejectedOutcomeIds: ids(100_000, 'b'), reason: null };

    expect(refuseDecision(draft, by, 'another')).toMatchObject({
      code: 'INVALID_INPUT',
      field: ['acceptedOutcomeIds'],
    });
    // Each held against each would take ten billion steps.
    expect(performance.now() - began).toBeLessThan(2_000);
  });

  test('names the first outcome that is to go both ways', () => {
    const draft = { acceptedOutcomeIds: ['a', 'b', 'c'], rejectedOutcomeIds: ['d', 'c', 'b'], reason: null };

    expect(refuseDecision(draft, by, 'another')).toMatchObject({
      code: 'INVALID_INPUT',
      field: ['rejectedOutcomeIds', '1'],
    });
    expect(refuseDecision({ ...draft, rejectedOutcomeIds: ['d'] }, by, 'another')).toBeNull();
  });
});

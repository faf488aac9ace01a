import fc from 'fast-check';
import { decimal, formatDecimal, sum, ZERO, type Decimal } from '../../src/money/index.js';
import { namesIn } from '../../src/outcomes/fact-run.rules.js';
import type { OutcomeEvent, Party } from '../../src/outcomes/outcome.rules.js';
import { byAt, type Return, ReturnList, type SentReturn } from '../../src/outcomes/return-list.rules.js';
import { TouchWindow } from '../../src/outcomes/touch-window.rules.js';
import { type Heard, type Saying, type Word, WordList } from '../../src/outcomes/word-list.rules.js';

/*
 * What is found by sums and by halving is what one finds who goes through the facts one by one.
 */

const at = (hour: number): Date => new Date(hour * 3_600_000);

const sentReturn = (place: number, hour: number, amount: string | null): SentReturn => ({
  event: {
    id: `r${place}`,
    source: '',
    type: 'refund',
    time: at(hour),
    subject: 's',
    customer: null,
    properties: {},
    keyId: 'k',
    party: 'SELLER',
  } satisfies OutcomeEvent,
  at: at(hour),
  fact: `r${place}`,
  amount: amount === null || amount === 'INVALID' ? amount : decimal(amount),
});

const hours = fc.integer({ min: 0, max: 6 });
const amounts = fc.constantFrom('1', '2', '0.5', '1', '2', '0.5', 'INVALID', null);
const told = fc.array(fc.record({ hour: hours, amount: fc.constantFrom('1', '3', '0.25', null) }), { maxLength: 3 });

/** One return after the other. */
function walked(value: Decimal | null, returns: readonly Return[]) {
  const parts: Return[] = [];
  let left = value;
  let fault: string | null = null;

  for (const one of returns) {
    if (one.amount === 'INVALID') {
      fault ??= 'REVERSAL_INVALID';
    } else if (one.amount !== null && left === null) {
      fault ??= 'PARTIAL_WITHOUT_VALUE';
    } else if (one.amount === null || left?.lte(one.amount)) {
      return { ending: one.fact, parts, fault };
    } else {
      left = decimal((left ?? ZERO).minus(one.amount));
      parts.push(one);
    }
  }

  return { ending: null, parts, fault };
}

test('returns take of a value what they take one after the other', () => {
  const seen = { ended: 0, parted: 0, faulty: 0 };
  fc.assert(
    fc.property(
      fc.array(fc.record({ hour: hours, amount: amounts }), { maxLength: 12 }),
      told,
      fc.constantFrom('0', '1', '3', '5', '100', null),
      hours,
      hours,
      fc.integer({ min: 0, max: 12 }),
      (given, acts, value, from, length, own) => {
        const list = given.map(({ hour, amount }, place) => sentReturn(place, hour, amount)).sort(byAt);
        const until = at(from + length);
        const said = acts
          .map(({ hour, amount }, place) => ({
            at: at(from + Math.min(hour, length)),
            fact: `act${place}`,
            amount: amount === null ? null : decimal(amount),
          }))
          .sort(byAt);
        const worth = value === null ? null : decimal(value);
        const expected = walked(
          worth,
          [
            ...list.filter(({ event, at: when }) => event.id !== `r${own}` && when >= at(from) && when <= until),
            ...said,
          ].sort(byAt),
        );
        const taken = new ReturnList(list).takenOf(
          worth,
          { id: `r${own}`, source: '' },
          { from: at(from), until, told: said },
        );

        expect({ ending: taken.ending?.fact ?? null, facts: namesIn(taken.runs), fault: taken.fault }).toEqual({
          ending: expected.ending,
          facts: expected.parts.map(({ fact }) => fact),
          fault: expected.fault,
        });
        expect(formatDecimal(taken.parts)).toBe(
          formatDecimal(
            sum(expected.parts.map(({ amount }) => (amount === 'INVALID' || amount === null ? ZERO : amount))),
          ),
        );
        seen.ended += Number(expected.ending !== null);
        seen.parted += Number(expected.parts.length > 0);
        seen.faulty += Number(expected.fault !== null);
      },
    ),
    { numRuns: 2_000 },
  );
  expect(Math.min(seen.ended, seen.parted, seen.faulty)).toBeGreaterThan(200);
});

test('shares in a stretch of touches are those of its touches alone, wherever was looked before', () => {
  const touch = fc.record({
    agent: fc.constantFrom('a', 'b', 'c'),
    weight: fc.constantFrom('0', '1', '2', '0.5').map(decimal),
  });
  const shown = (shares: readonly { agent: string; share: Decimal }[]) =>
    shares.map(({ agent, share }) => `${agent} ${formatDecimal(share)}`);
  fc.assert(
    fc.property(
      fc.array(touch, { minLength: 1, maxLength: 12 }),
      fc.array(fc.tuple(fc.nat(12), fc.nat(12)), { minLength: 1, maxLength: 8 }),
      fc.boolean(),
      (touches, asked, isOnward) => {
        const stretches = asked.map(
          ([a, b]) => [Math.min(a, b, touches.length), Math.min(Math.max(a, b), touches.length)] as const,
        );
        // As claims ask, and as nobody does.
        const ordered = isOnward ? stretches.toSorted(([a, b], [c, d]) => a - c || b - d) : stretches;
        const window = new TouchWindow(touches);

        for (const [from, until] of ordered) {
          const own = touches.slice(from, until);
          expect(shown(window.sharesIn(from, until))).toEqual(shown(new TouchWindow(own).sharesIn(0, own.length)));
        }
      },
    ),
    { numRuns: 2_000 },
  );
  const [first, second] = [
    { agent: 'b', weight: decimal('3') },
    { agent: 'a', weight: decimal('1') },
  ];
  expect(shown(new TouchWindow([first, second]).sharesIn(0, 2))).toEqual(['b 0.75', 'a 0.25']);
});

test('words come to what they come to one after the other', () => {
  const word = fc.record({
    saying: fc.constantFrom<Saying>('PASSES', 'PASSES', 'SELF_VERIFICATION', 'EVIDENCE_MISSING', 'REFUSES'),
    party: fc.constantFrom<Party>('BUYER', 'SELLER', 'SELLER'),
    score: fc.constantFrom('1', '2', null),
  });
  const nothing: Heard = { passed: new Set(), runs: [], score: null, ignored: null, settled: null };
  const shown = ({ passed, runs, score, ignored, settled }: Heard) =>
    settled
      ? { settled: settled.fact, facts: namesIn(runs), score: settled.passes ? score && formatDecimal(score) : null }
      : { passed: [...passed].sort(), facts: namesIn(runs), score: score && formatDecimal(score), ignored };
  fc.assert(
    fc.property(
      fc.array(word, { maxLength: 10 }),
      fc.array(fc.nat(10), { maxLength: 3 }),
      fc.boolean(),
      (given, cuts, needsBoth) => {
        const words = given.map(({ saying, party, score }, place): Word => ({
          fact: `w${place}`,
          at: at(place),
          passes: saying !== 'REFUSES',
          verifier: 'HUMAN',
          score: score === null ? null : decimal(score),
          evidence: {},
          reason: null,
          keyId: 'k',
          party,
        }));
        const sayingOf = ({ fact }: Word): Saying => given[Number(fact.slice(1))]?.saying ?? 'PASSES';
        const list = new WordList(words, sayingOf);
        const places = [0, ...cuts.map(cut => Math.min(cut, words.length)).sort((a, b) => a - b), words.length];
        const heard = places.reduce(
          (before, until, index) =>
            index === 0 ? before : list.heard(before, places[index - 1] ?? 0, until, needsBoth),
          nothing,
        );
        const oneByOne = words.reduce(
          (before, one) => new WordList([one], sayingOf).heard(before, 0, 1, needsBoth),
          nothing,
        );
        expect(shown(heard)).toEqual(shown(oneByOne));
        const passing = words.filter(one => sayingOf(one) === 'PASSES');
        const refusal = words.find(one => sayingOf(one) === 'REFUSES');
        const last = needsBoth
          ? passing.find((_, place) => new Set(passing.slice(0, place + 1).map(({ party }) => party)).size === 2)
          : passing[0];
        const settled = [refusal, last].flatMap(one => one ?? []).sort((a, b) => a.at.getTime() - b.at.getTime())[0];
        expect(heard.settled?.fact ?? null).toBe(settled?.fact ?? null);
      },
    ),
    { numRuns: 2_000 },
  );
});

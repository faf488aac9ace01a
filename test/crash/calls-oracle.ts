// What the budgets and holds of the scenario must come to.
import { product, text, units } from './arithmetic.js';
import type { Facts, Line } from './oracle.js';
import type { EventGiven, SCENARIO } from './scenario.js';

/** What the calls have used, as events. */
export function calledEvents({ customer, calls }: (typeof SCENARIO)['CALLS']): EventGiven[] {
  return calls.flatMap(({ end: { used } }) =>
    used ? [{ id: used.id, customer, type: 'agent.run', time: used.at, properties: { units: used.units } }] : [],
  );
}

/** What a run costs by the version that all of them are of. */
export function priceOfRun({ PRICES }: Pick<typeof SCENARIO, 'PRICES'>): string {
  const price = PRICES.find(({ meter }) => meter === 'runs');

  if (price?.kind !== 'UNIT') {
    throw new Error('runs are priced by the unit');
  }

  return price.versions.at(-1)?.amount ?? '';
}

/** Every hold as it ended, and every window with what was used in it: nothing is held any more. */
export function factsOfCalls(scenario: typeof SCENARIO, events: readonly EventGiven[]): Facts {
  const { CALLS } = scenario;
  const costOf = (quantity: string): bigint => product(units(quantity), units(priceOfRun(scenario)));
  const runs = events.filter(({ type }) => type === 'agent.run');

  return {
    holds: CALLS.calls.map(({ key, units: most, end: { as, used } }) => {
      const amount = costOf(most);
      const actual = used ? costOf(used.units) : null;
      // Of what was settled in time, what is above the hold; of what came too late, all.
      const more = (actual ?? 0n) - (as === 'SETTLED' ? amount : 0n);

      return {
        key: `${CALLS.customer} ${key}`,
        value: `${as} ${text(amount)}, used ${actual === null ? 'nothing' : text(actual)}, overrun ${text(more > 0n ? more : 0n)}`,
      };
    }),
    windows: Object.entries(CALLS.budgets).flatMap(([owner, { per }]): Line[] => {
      const counted = runs.filter(({ customer }) => owner === 'platform' || customer === owner);
      const byWindow = Map.groupBy(counted, ({ time }) => (per === 'MONTH' ? `${time.slice(0, 7)}-01` : '1970-01-01'));

      return [...byWindow].map(([start, own]) => ({
        key: `${owner} ${start}T00:00:00.000Z`,
        value: `used ${text(own.reduce((total, { properties }) => total + costOf(properties['units'] ?? ''), 0n))}, held 0`,
      }));
    }),
  };
}

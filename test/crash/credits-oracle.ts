// What the credits of the scenario must come to.
import { product, text, units } from './arithmetic.js';
import { calledEvents, priceOfRun } from './calls-oracle.js';
import type { Facts, Line } from './oracle.js';
import type { SCENARIO } from './scenario.js';

/** Every movement of credits with its entries, which sum to zero, and what is left of each grant. */
export function factsOfCredits(scenario: typeof SCENARIO): Facts {
  const { BATCHES, CALLS, CREDITS } = scenario;
  const { customer, promotional, paid, burn, reversal } = CREDITS;
  const least = (a: bigint, b: bigint): bigint => (a < b ? a : b);
  const unit = units(priceOfRun(scenario));
  const runs = (events: readonly { type: string; customer: string; properties: Readonly<Record<string, string>> }[]) =>
    events
      .filter(event => event.type === 'agent.run' && event.customer === customer)
      .map(({ properties }) => product(units(properties['units'] ?? ''), unit));
  const left = { PROMOTIONAL: units(promotional.amount), PAID: 0n };
  const ledger: Line[] = [];
  const post = (
    kind: string,
    name: string,
    ...entries: readonly (readonly [account: string, amount: bigint])[]
  ): number =>
    ledger.push({
      key: `${customer} ${kind} ${name}`,
      value: entries
        .filter(([, amount]) => amount !== 0n)
        .map(([account, amount]) => `${account} ${text(amount)}`)
        .sort()
        .join(),
    });
  // What expires first burns first.
  const pay = (asked: bigint, nameOf: (total: bigint) => string): readonly [free: bigint, bought: bigint] => {
    const free = least(left.PROMOTIONAL, asked);
    const bought = least(left.PAID, asked - free);
    left.PROMOTIONAL -= free;
    left.PAID -= bought;
    post('BURN', nameOf(free + bought), ['PROMOTIONAL', -free], ['PAID', -bought], ['used', free + bought]);

    return [free, bought];
  };
  const byUsage = (total: bigint): string => `usage ${text(total)}`;
  const [first, , late] = BATCHES;

  post('GRANT', 'PROMOTIONAL', ['PROMOTIONAL', left.PROMOTIONAL], ['issued', -left.PROMOTIONAL]);

  for (const cost of [...runs(first.items), ...runs(calledEvents(CALLS))]) {
    pay(cost, byUsage);
  }

  left.PAID = units(paid.amount);
  post('GRANT', 'PAID', ['PAID', left.PAID], ['issued', -left.PAID]);
  const [ofFree, ofBought] = pay(units(burn.amount), () => burn.reference);
  // What burned last is given back first.
  const back = units(reversal.amount);
  const toBought = least(ofBought, back);
  const toFree = least(ofFree, back - toBought);
  left.PAID += toBought;
  left.PROMOTIONAL += toFree;
  post('REVERSAL', reversal.reference, ['PROMOTIONAL', toFree], ['PAID', toBought], ['used', -toFree - toBought]);

  for (const cost of runs(late.items)) {
    pay(cost, byUsage);
  }

  post('EXPIRE', 'PROMOTIONAL', ['PROMOTIONAL', -left.PROMOTIONAL], ['expired', left.PROMOTIONAL]);

  return {
    ledger,
    credits: [
      { key: `${customer} PROMOTIONAL`, value: '0 left' },
      { key: `${customer} PAID`, value: `${text(left.PAID)} left` },
    ],
  };
}

import { spawnSync } from 'node:child_process';
import { aDatabase } from '../support/database.js';
import { dropWorld, makeWorld, runPoint, runPoints, samplePoints, type Outcome, type World } from './harness.js';
import { compare } from './judging.js';
import { oracle } from './oracle.js';
import { SCENARIO } from './scenario.js';

// A dozen of the campaign's points (`npm run campaign:crash` runs every one); another seed chooses others.
const SEED = 20261123;
const POINTS = 12;
// About 15 s on an idle machine of two processors; several times that beside other work.
const PATIENCE_MS = 240_000;

describe('a process that is killed', () => {
  const adminUrl = process.env['TEST_DATABASE_ADMIN_URL'] ?? '';
  const expected = oracle(SCENARIO);
  let world: World;

  beforeAll(async () => {
    // The children run the product as it is built.
    expect(spawnSync('npm', ['run', '-s', 'build'], { encoding: 'utf8' })).toMatchObject({ status: 0 });
    const database = await aDatabase();
    world = await makeWorld(adminUrl, {}, new URL(database.adminUrl).pathname.slice(1));
  }, PATIENCE_MS);

  afterAll(async () => {
    await dropWorld(world);
  });

  /** The same world, where somebody has forgotten the transaction around the statement at which a process dies. */
  const forgetful = (): World => ({ ...world, options: { plant: 'autocommit' } });

  test('does the whole flow, to the last digit, when nothing kills it', async () => {
    expect(await runPoint(world, expected, null)).toEqual({ point: null, killed: false, faults: [], isLate: false });
  });

  test(
    `loses, doubles and falsifies nothing at ${POINTS} statements out of the whole flow`,
    async () => {
      const outcomes: Outcome[] = [];
      await runPoints(world, expected, {
        numbers: samplePoints(world.statements * 2, POINTS, SEED),
        parallel: 2,
        onOutcome: (_, outcome) => outcomes.push(outcome),
      });

      expect(outcomes.filter(({ killed, faults }) => !killed || faults.length > 0)).toEqual([]);
      expect(outcomes).toHaveLength(POINTS);
    },
    PATIENCE_MS,
  );

  test.each([
    ['insert into usage_bucket'],
    ['insert into outcome_transition'],
    ['insert into webhook_delivery'],
    ['insert into invoice_number'],
    ['insert into credit_entry'],
    // What was used in the place of a hold is left at its windows when that has ended.
    ['insert into limit_entry', 'with locked as materialized ( select id, state'],
  ])(
    'is caught when it dies before "%s" and somebody has forgotten the transaction around it',
    async (statement, after = '') => {
      const begin = world.sent.findIndex(text => text.startsWith(after));
      const place = world.sent.findIndex((text, at) => at > begin && text.startsWith(statement)) + 1;
      const outcome = await runPoint(forgetful(), expected, { statement: place, when: 'before' });

      expect(world.sent).toHaveLength(world.statements);
      expect(place).toBeGreaterThan(0);
      expect(outcome).toMatchObject({ killed: true, isLate: false });
      expect(outcome.faults).not.toEqual([]);
    },
    PATIENCE_MS,
  );

  test.each([
    ['the book', 0],
    ['a buyer', 1],
  ])(
    'is caught when it dies after it acknowledged a change for %s and somebody has forgotten the transaction around it',
    async (_, after) => {
      const places = world.sent.flatMap((text, at) =>
        text.startsWith('delete from outbox where tenant_id') ? at : [],
      );
      // The book's, and then that of each buyer on it by id. It is Acme whose alert tells by when it was rated.
      expect(places).toHaveLength(3);
      const { acme, yeti } = world.ids.customers;
      const place = places[after && after + [acme, yeti].sort().indexOf(acme)] ?? -1;
      const outcome = await runPoint(forgetful(), expected, { statement: place + 1, when: 'after' });

      expect(outcome).toMatchObject({ killed: true, isLate: false });
      expect(outcome.faults).not.toEqual([]);
    },
    PATIENCE_MS,
  );
});

describe('the oracle of the crash test', () => {
  const expected = oracle(SCENARIO);

  test('sees what is missing, what is there twice and what is off in the last digit', () => {
    const [first, second, ...rest] = expected['charges'] ?? [];

    if (!first || !second) {
      throw new Error('the scenario has charges');
    }

    const off = { ...second, value: second.value.replace(/\d(?= on )/, digit => String((Number(digit) + 1) % 10)) };

    expect(compare(expected, { ...expected, charges: [second, ...rest] })).toEqual([
      { kind: 'lost', text: `charges: ${first.key} is missing` },
    ]);
    expect(compare(expected, { ...expected, charges: [first, first, second, ...rest] })).toEqual([
      { kind: 'doubled', text: `charges: ${first.key} is there 2 times, not 1` },
    ]);
    expect(compare(expected, { ...expected, charges: [first, off, ...rest] })).toEqual([
      { kind: 'wrong', text: `charges: ${second.key} is ${off.value}, not ${second.value}` },
    ]);
    expect(compare(expected, expected)).toEqual([]);
  });

  test('chooses the same points for the same seed, none twice, from the beginning to the end of the flow', () => {
    const points = samplePoints(1_000, 10, 7);

    expect(samplePoints(1_000, 10, 7)).toEqual(points);
    expect(samplePoints(1_000, 10, 8)).not.toEqual(points);
    expect(points.map(point => Math.floor((point - 1) / 100))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(samplePoints(3, 10, 7)).toEqual([1, 2, 3]);
  });
});

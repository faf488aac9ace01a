// Kills ingest → rate → issue at every SQL statement, before and after, and proves that a retry makes it whole:
//   npm run campaign:crash [-- --help]
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { SingleBar } from 'cli-progress';
import { startEmbeddedPostgres } from '../../src/platform/embedded-postgres.ts';
import { dropWorld, makeWorld, pointOf, runPoint, samplePoints } from './harness.ts';
import { oracle } from './oracle.ts';
import { SCENARIO } from './scenario.ts';

const HELP = `Kills the process before and after every SQL statement of ingest, rate and issue, runs it again, and compares
every event, bucket, charge, invoice, number, firing, delivery and audit chain with an independent oracle.

  --from <n>      first point (1)               a point is a statement and a side of it: 1 is before
  --to <n>        last point (the last one)     the first statement, 2 is after it, 3 before the second …
  --sample <n>    only so many points, spread over the range
  --seed <n>      which ones (1)
  --parallel <n>  points at once (2, or the number of processors if that is less)
  --plant <bug>   plants a bug in the product, to see the campaign find it: autocommit
  --build <url>   another build than dist/, as a file: URL that ends with a slash
  --help

Starts a Postgres of its own unless TEST_DATABASE_ADMIN_URL names one. Ends with 1 when anything was wrong.`;

const { values } = parseArgs({
  options: {
    from: { type: 'string', default: '1' },
    to: { type: 'string' },
    sample: { type: 'string' },
    seed: { type: 'string', default: '1' },
    parallel: { type: 'string', default: String(Math.min(2, availableParallelism())) },
    plant: { type: 'string' },
    build: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  console.log(HELP);
} else {
  const folder = mkdtempSync(join(tmpdir(), 'ratebook-crash-'));
  chmodSync(folder, 0o755);
  let postgres = null;

  try {
    if (!process.env.TEST_DATABASE_ADMIN_URL) {
      const settings = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_connections: '200' };
      postgres = await startEmbeddedPostgres({ dataDir: join(folder, 'postgres'), settings });
    }

    process.exitCode = await campaign(process.env.TEST_DATABASE_ADMIN_URL || postgres.url);
  } finally {
    await postgres?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function campaign(adminUrl) {
  const began = performance.now();
  const expected = oracle(SCENARIO);
  const { plant, build } = values;
  const world = await makeWorld(adminUrl, { ...(plant && { plant }), ...(build && { build }) });
  const points = chosen(world.statements * 2);
  const progress = progressOf(points.length);
  const counts = { points: 0, killed: 0, lost: 0, doubled: 0, wrong: 0 };
  console.log(`the flow sends ${world.statements} statements; ${points.length} points of ${world.statements * 2}`);

  try {
    const whole = await runPoint(world, expected, null);
    report(whole, 'without a crash', counts);
    progress.start();
    const queue = [...points];
    await Promise.all(
      Array.from({ length: number('parallel') }, async () => {
        for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
          const point = pointOf(next);
          const outcome = await runPoint(world, expected, point);
          counts.points++;
          counts.killed += Number(outcome.killed);
          report(outcome, `point ${next}, ${point.when} statement ${point.statement}`, counts);
          progress.step(counts);
        }
      }),
    );
  } finally {
    progress.stop();
    await dropWorld(world);
  }

  const seconds = Math.round((performance.now() - began) / 1_000);
  console.log(
    `crash campaign: ${counts.points} points, ${counts.killed} killed, ${counts.lost} lost, ${counts.doubled} doubled, ${counts.wrong} wrong totals, ${seconds} s`,
  );

  return counts.lost + counts.doubled + counts.wrong + (counts.points - counts.killed) === 0 ? 0 : 1;
}

function chosen(last) {
  const from = number('from');
  const to = Math.min(values.to === undefined ? last : number('to'), last);
  const all = Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index);

  return values.sample === undefined
    ? all
    : samplePoints(all.length, number('sample'), number('seed')).map(place => all[place - 1]);
}

/** A point counts once for each way in which it was wrong; its first faults are printed. */
function report({ faults }, where, counts) {
  for (const kind of new Set(faults.map(fault => fault.kind))) {
    counts[kind]++;
  }

  for (const { kind, text } of faults.slice(0, 5)) {
    console.error(`\n${where}: ${kind}: ${text.slice(0, 600)}`);
  }
}

/** A bar for people, a line now and then for a file. */
function progressOf(total) {
  if (process.stdout.isTTY) {
    const bar = new SingleBar({
      format: '{bar} {value}/{total} points, {lost} lost, {doubled} doubled, {wrong} wrong',
    });
    const payload = { lost: 0, doubled: 0, wrong: 0 };

    return {
      start: () => bar.start(total, 0, payload),
      step: counts => bar.update(counts.points, counts),
      stop: () => bar.stop(),
    };
  }

  const every = Math.max(1, Math.ceil(total / 20));

  return {
    start: () => undefined,
    step: ({ points, killed, lost, doubled, wrong }) => {
      if (points % every === 0) {
        console.log(`${points}/${total} points, ${killed} killed, ${lost} lost, ${doubled} doubled, ${wrong} wrong`);
      }
    },
    stop: () => undefined,
  };
}

function number(name) {
  const value = Number(values[name]);

  if (!Number.isSafeInteger(value) || value < 0) {
    throw new Error(`--${name} is a whole number`);
  }

  return value;
}

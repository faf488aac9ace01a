// Kills ingest → rate → issue at every SQL statement, before and after, and proves that a retry makes it whole:
//   npm run campaign:crash [-- --help]
import { availableParallelism } from 'node:os';
import { progressOf, runCampaign, wholeNumber } from '../support/campaign.mjs';
import { useSources } from '../support/sources.mjs';

const HELP = `Kills the process before and after every SQL statement of ingest, calls with holds on budgets, credits, rating and
issuing, runs it again, and compares every event, bucket, hold, window, movement of credits, charge, invoice, number, firing,
delivery and audit chain with an independent oracle.

  --from <n>      first point (1)               a point is a statement and a side of it: 1 is before
  --to <n>        last point (the last one)     the first statement, 2 is after it, 3 before the second …
  --sample <n>    only so many points, spread over the range
  --seed <n>      which ones (1)
  --parallel <n>  points at once (2, or the number of processors if that is less)
  --patience <s>  how long one process may take (60 s). A point that takes longer is tried once more by itself at the end:
                  the machine may have had other work
  --plant <bug>   plants a bug around each point, to see the campaign find it: autocommit (the transaction is forgotten)
  --build <url>   another build than dist/, as a file: URL that ends with a slash
  --help

Starts a Postgres of its own unless TEST_DATABASE_ADMIN_URL names one. Ends with 1 when anything was wrong.`;

await runCampaign(
  {
    name: 'crash',
    help: HELP,
    maxConnections: 200,
    options: {
      from: { type: 'string', default: '1' },
      to: { type: 'string' },
      sample: { type: 'string' },
      seed: { type: 'string', default: '1' },
      parallel: { type: 'string', default: String(Math.min(2, availableParallelism())) },
      patience: { type: 'string', default: '60' },
      plant: { type: 'string' },
      build: { type: 'string' },
    },
  },
  campaign,
);

async function campaign(values) {
  useSources();
  const [{ dropWorld, makeWorld, pointOf, runPoint, runPoints, samplePoints }, { oracle }, { SCENARIO }] =
    await Promise.all([import('./harness.ts'), import('./oracle.ts'), import('./scenario.ts')]);
  const number = name => wholeNumber(values, name, 1);
  const began = performance.now();
  const expected = oracle(SCENARIO);
  const { plant, build } = values;
  const options = { ...(plant && { plant }), ...(build && { build }), patienceMs: number('patience') * 1_000 };
  const world = await makeWorld(process.env.TEST_DATABASE_ADMIN_URL, options);
  const points = chosen(world.statements * 2);
  const counts = { points: 0, killed: 0, lost: 0, doubled: 0, wrong: 0 };
  const progress = progressOf(
    points.length,
    'points',
    ({ killed, lost, doubled, wrong }) => `${killed} killed, ${lost} lost, ${doubled} doubled, ${wrong} wrong`,
  );
  let again = [];
  console.log(`the flow sends ${world.statements} statements; ${points.length} points of ${world.statements * 2}`);

  try {
    const first = await runPoint(world, expected, null);
    const whole = first.isLate ? await runPoint(world, expected, null) : first;
    report(whole, 'without a crash', counts);
    progress.start(counts);
    ({ triedAgain: again } = await runPoints(world, expected, {
      numbers: points,
      parallel: number('parallel'),
      onOutcome: (next, outcome) => {
        const point = pointOf(next);
        counts.points++;
        counts.killed += Number(outcome.killed);
        report(outcome, `point ${next}, ${point.when} statement ${point.statement}`, counts);
        progress.step(counts.points, counts);
      },
    }));
  } finally {
    progress.stop();
    await dropWorld(world);
  }

  if (again.length > 0) {
    console.log(
      `${again.length} points took longer than ${values.patience} s beside others, and count as they came out by themselves: ${again.join(', ')}`,
    );
  }

  const seconds = Math.round((performance.now() - began) / 1_000);
  console.log(
    `crash campaign: ${counts.points} points, ${counts.killed} killed, ${counts.lost} lost, ${counts.doubled} doubled, ${counts.wrong} wrong totals, ${seconds} s`,
  );

  return counts.lost + counts.doubled + counts.wrong + (counts.points - counts.killed);

  function chosen(last) {
    const from = number('from');
    const to = Math.min(values.to === undefined ? last : number('to'), last);
    const all = Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index);

    return values.sample === undefined
      ? all
      : samplePoints(all.length, number('sample'), number('seed')).map(place => all[place - 1]);
  }
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

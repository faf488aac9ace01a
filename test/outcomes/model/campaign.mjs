// Tells outcomes in every order on both sides and compares with an independent reading of the facts after every command:
//   npm run campaign:outcomes [-- --help]
import pg from 'pg';
import { progressOf, runCampaign, wholeNumber } from '../../support/campaign.mjs';
import { useSources } from '../../support/sources.mjs';

const HELP = `Draws runs of commands on outcomes (claims, verifications, reversals, disputes, late, repeated and disordered
events, changes of rules, moves of the clock, invoices) and compares every outcome and every amount with an independent
oracle after every command; then tells a second tenant the same facts in another order, and takes everything back.

  --runs <n>      how many runs (300)
  --commands <n>  so many commands in a run (60), those that find nothing to speak about not counted
  --seed <n>      seed of the first run; the others count on from it (1)
  --help

Starts a Postgres of its own unless TEST_DATABASE_ADMIN_URL names one. Ends with 1 when anything diverged.`;

await runCampaign(
  {
    name: 'outcomes',
    help: HELP,
    options: {
      runs: { type: 'string', default: '300' },
      commands: { type: 'string', default: '60' },
      seed: { type: 'string', default: '1' },
    },
  },
  campaign,
);

async function campaign(values) {
  useSources();
  const [{ aProduct }, { aTally }, { run }, { watchEverything }] = await Promise.all([
    import('../../support/product.ts'),
    import('./commands.ts'),
    import('./run.ts'),
    import('./world.ts'),
  ]);
  const began = performance.now();
  const [runs, commands, seed] = ['runs', 'commands', 'seed'].map(name => wholeNumber(values, name, 1));
  const product = await aProduct({ now: new Date('2026-10-01T00:00:00Z') });
  const database = new pg.Client({ connectionString: product.database.adminUrl });
  await database.connect();
  await watchEverything(product);
  const tally = aTally();
  const progress = progressOf(runs, 'runs', () => `${countOf(tally)} commands, ${divergences} divergences`);
  let divergences = 0;
  progress.start();

  try {
    for (let place = 0; place < runs; place++) {
      const { failure } = await run(product, database, { seed: seed + place, commands }, tally);

      if (failure !== null) {
        divergences++;
        console.error(`\n${failure}\n`);
      }

      progress.step(place + 1);
    }
  } finally {
    progress.stop();
    await database.end();
    await product.close();
  }

  for (const [kind, count] of Object.entries(tally.commands).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    console.log(`  ${kind}: ${count}`);
  }

  const seconds = Math.round((performance.now() - began) / 1_000);
  console.log(
    `outcomes campaign: ${runs} runs, ${countOf(tally)} commands, ${tally.comparisons} comparisons of ${tally.outcomes} outcomes and ${tally.amounts} amounts, ${divergences} divergences, ${seconds} s`,
  );

  return divergences;
}

function countOf({ commands }) {
  return Object.values(commands).reduce((sum, count) => sum + count, 0);
}

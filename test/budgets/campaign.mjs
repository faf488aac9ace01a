// Beats many callers against budgets on both backends and recounts every window from its holds and events:
//   npm run campaign:budgets [-- --help]
import { progressOf, runCampaign, wholeNumber } from '../support/campaign.mjs';
import { spawnRedis } from '../support/global-setup.mjs';
import { useSources } from '../support/sources.mjs';

const HELP = `Storms of callers (2, 16 and 200) against one budget and three over one another, from two processes: authorize,
settle (also above what was held), void, expire and plain recording. A trigger of the campaign's own refuses any step in
which more is held than there is room for; afterwards every window is recounted from its holds and events.

  --operations <n>  operations of all storms together on one backend (10000)
  --seed <n>        (1)
  --redis <url>     does it all again with jobs and hints on this Redis (one of its own, where redis-server is found)
  --help

Starts a Postgres of its own unless TEST_DATABASE_ADMIN_URL names one. Ends with 1 when anything was wrong.`;

await runCampaign(
  {
    name: 'budgets',
    help: HELP,
    options: {
      operations: { type: 'string', default: '10000' },
      seed: { type: 'string', default: '1' },
      redis: { type: 'string' },
    },
  },
  async values => {
    useSources();
    const redis = { stops: [] };
    const redisUrl = values.redis ?? (await spawnRedis(redis));
    let faults = await campaign(values, null);

    if (redisUrl) {
      faults += await campaign(values, redisUrl);
    } else {
      console.log('no redis-server on PATH and no --redis: the Redis half is SKIPPED');
    }

    await Promise.all(redis.stops.map(stop => stop()));

    return faults;
  },
);

async function campaign(values, redisUrl) {
  const [{ aProduct }, { createApp }, { storm, watchWindows }] = await Promise.all([
    import('../support/product.ts'),
    import('../../dist/src/app.js'),
    import('./storm.ts'),
  ]);
  const began = performance.now();
  const storms = [2, 16, 200].flatMap(callers => [1, 3].map(levels => ({ callers, levels })));
  const operations = Math.ceil(wholeNumber(values, 'operations', 1) / storms.length);
  const product = await aProduct({ redisUrl });
  const other = await createApp(
    { ...product.app.config },
    { clock: product.app.clock, jobPrefix: product.app.jobPrefix, poolSize: 12 },
  );
  await watchWindows(product);
  const total = {};
  let faults = 0;
  const progress = progressOf(
    storms.length,
    'storms',
    ({ callers, levels }) => `${callers} callers, ${levels} budgets over one another: ${faults} faults`,
  );
  progress.start(storms[0]);

  try {
    for (const [place, { callers, levels }] of storms.entries()) {
      const told = await storm(product, [product.app, other], {
        callers,
        levels,
        operations,
        seed: wholeNumber(values, 'seed', 1) + place,
      });
      faults += told.faults.length;
      told.faults.slice(0, 10).forEach(fault => console.error(fault));
      Object.entries(told.done).forEach(([what, count]) => (total[what] = (total[what] ?? 0) + count));
      progress.step(place + 1, { callers, levels });
    }
  } finally {
    progress.stop();
    await other.close();
    await product.close();
  }

  for (const [what, count] of Object.entries(total).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    console.log(`  ${what}: ${count}`);
  }

  const seconds = Math.round((performance.now() - began) / 1_000);
  console.log(
    `budgets campaign on ${redisUrl ? 'Redis' : 'Postgres alone'}: ${operations * storms.length} operations, ${faults} faults, ${seconds} s`,
  );

  return faults;
}

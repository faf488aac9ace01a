import { parseArgs } from 'node:util';
import color from 'picocolors';
import {
  compareSpecificity,
  type DimensionPattern,
  matches,
  type PriceBinding,
  refusePrices,
  specificity,
} from '../src/pricing/pattern.rules.js';
import { indexPrices } from '../src/pricing/price-index.rules.js';
import { type PriceWindow, windowKey } from '../src/pricing/window.rules.js';
import { median, percentile } from './stage.js';

const HELP = `How long it takes to find the price of some usage among 10,000 prices, in books of several shapes.

  npm run bench:match -- [--prices 10000] [--matches 5000] [--linear 300]

The baseline tries each price, for the first --linear of the same usages in the same run, and must find the same ones.`;

const { values } = parseArgs({
  options: {
    prices: { type: 'string', default: '10000' },
    matches: { type: 'string', default: '5000' },
    linear: { type: 'string', default: '300' },
    help: { type: 'boolean', default: false },
  },
});

type Dimensions = Readonly<Record<string, string>>;

interface BenchPrice {
  readonly pattern: DimensionPattern;
  readonly window?: PriceWindow;
}

/** A book and usage for it. Numbers count from 0; the same number is always the same price and the same usage. */
interface Shape {
  readonly title: string;
  /** Microseconds at the median; the shapes without one are there to show how it degrades. */
  readonly target?: number;
  price(number: number): BenchPrice;
  usage(number: number): Dimensions;
}

const KINDS = ['input', 'output', 'cached_input', 'cache_write', 'reasoning'];
const TIERS = ['standard', 'batch', 'flex', 'priority'];
const REGIONS = ['eu', 'us', 'ap', 'uk', 'ca'];
const FAMILIES = ['gpt', 'claude', 'gemini', 'mistral', 'deepseek', 'qwen', 'llama', 'grok', 'command', 'nova'];
const PROMOTION: PriceWindow = { from: null, until: new Date('2026-11-21T00:00:00Z'), daily: null };
const OVER: PriceWindow = { from: null, until: new Date('2026-10-01T00:00:00Z'), daily: null };

/** A number below `bound` that looks like chance and is the same in every run. */
function scatter(seed: number, bound: number): number {
  let hash = Math.imul(seed + 0x9e37, 0x85eb_ca6b) >>> 0;
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35) >>> 0;

  return ((hash ^ (hash >>> 16)) >>> 0) % bound;
}

function pick(list: readonly string[], number: number): string {
  return list[number % list.length] ?? '';
}

/** Two thousand models at most, so that usage of ten thousand prices has them all. */
function model(number: number): string {
  const which = number % 2_000;

  return `${pick(FAMILIES, which)}-${Math.floor(which / FAMILIES.length)}-${which % 7 ? 'pro' : 'mini'}`;
}

function letters(seed: number, length: number): string {
  return Array.from({ length }, (_, index) => 'abcd'[scatter(seed * 131 + index, 4)]).join('');
}

/** What lists of prices look like: most by name and kind of token, some by family, some for a while only. */
function mixedPrice(number: number): BenchPrice {
  const [provider, kind] = [pick(FAMILIES, number), pick(KINDS, Math.floor(number / 2_000))];
  const tier = pick(TIERS, Math.floor(number / 500));

  switch (number % 20) {
    case 0:
      return { pattern: { model: `${model(number).slice(0, -4)}*`, kind } };
    case 1:
      return { pattern: { model: `${provider}-${number % 10}*`, kind, tier } };
    case 2:
      return { pattern: { provider, model: `${provider}-*`, kind, region: pick(REGIONS, number) } };
    case 3:
      return { pattern: { provider, model: model(number), kind }, window: number % 40 === 3 ? PROMOTION : OVER };
    case 4:
      return { pattern: { provider, model: model(number), kind, tier, region: pick(REGIONS, number) } };
    default:
      return {
        pattern: number % 3 ? { provider, model: model(number), kind, tier } : { provider, model: model(number), kind },
      };
  }
}

const usageOfModels = (number: number): Dimensions => {
  const seed = scatter(number, 1_000_000);

  return {
    provider: pick(FAMILIES, seed),
    model: model(seed),
    kind: pick(KINDS, scatter(seed, 1_000)),
    tier: pick(TIERS, scatter(seed + 1, 1_000)),
    region: pick(REGIONS, scatter(seed + 2, 1_000)),
  };
};

const SHAPES: readonly Shape[] = [
  {
    title: 'four exact dimensions',
    target: 20,
    price: number => ({
      pattern: {
        provider: pick(FAMILIES, number),
        model: model(number),
        kind: pick(KINDS, Math.floor(number / 2_000)),
        tier: 'standard',
      },
    }),
    usage: usageOfModels,
  },
  {
    title: 'three to five exact dimensions, globs by family, promotions',
    target: 20,
    price: mixedPrice,
    usage: usageOfModels,
  },
  {
    title: 'one glob each, no exact dimension',
    price: number => ({ pattern: { model: `${letters(number, 4 + scatter(number, 12))}*` } }),
    usage: number => ({ model: letters(scatter(number, 10_000), 24) }),
  },
  {
    title: 'two globs each, of all lengths',
    price: number => ({
      pattern: {
        model: `${letters(number % 500, 1 + scatter(number, 30))}*`,
        region: `${letters(number % 300, 1 + scatter(number + 7, 30))}*`,
      },
    }),
    usage: number => ({ model: letters(scatter(number, 500), 32), region: letters(scatter(number, 300), 32) }),
  },
  {
    title: 'globs that all begin alike, up to 128 characters',
    price: number => ({
      pattern: { model: `${'a'.repeat(number % 128)}*`, region: `${'a'.repeat(Math.floor(number / 128) % 128)}*` },
    }),
    usage: number => ({ model: 'a'.repeat(64 + (number % 64)), region: 'a'.repeat(64 + (number % 64)) }),
  },
  {
    title: 'every choice of eight dimensions, exact or glob',
    price: number => ({
      pattern: Object.fromEntries(
        Array.from({ length: 8 }, (_, index) => [`d${index}`, Math.floor(number / 3 ** index) % 3] as const)
          .filter(([, choice]) => choice > 0)
          .map(([name, choice]) => [name, choice === 1 ? `v${number % 5}` : 'v*']),
      ),
    }),
    usage: number =>
      Object.fromEntries(Array.from({ length: 8 }, (_, index) => [`d${index}`, `v${scatter(number + index, 9)}`])),
  },
];

/** The same by trying each price. */
function linearMatch(
  prices: readonly PriceBinding[],
  dimensions: Dimensions,
  active: ReadonlySet<string>,
): PriceBinding | null {
  let winner: PriceBinding | null = null;

  for (const price of prices) {
    const isOn = price.meterId === 'tokens' && price.currency === 'USD';

    if (!isOn || (price.window && !active.has(windowKey(price.window))) || !matches(price.pattern, dimensions)) {
      continue;
    }

    const margin = winner ? compareSpecificity(specificity(price), specificity(winner)) : 1;

    if (margin > 0 || (margin === 0 && winner && price.id < winner.id)) {
      winner = price;
    }
  }

  return winner;
}

/** Microseconds of each call. */
function timed<T>(usages: readonly T[], match: (usage: T) => unknown): number[] {
  return usages.map(usage => {
    const started = performance.now();
    match(usage);

    return (performance.now() - started) * 1_000;
  });
}

function run(shape: Shape): void {
  const prices = Array.from({ length: Number(values.prices) }, (_, number) => ({
    id: `price-${String(number).padStart(6, '0')}`,
    meterId: 'tokens',
    currency: 'USD',
    window: null,
    ...shape.price(number),
  }));
  const active = new Set([windowKey(PROMOTION)]);
  const usages = Array.from({ length: Number(values.matches) }, (_, number) => shape.usage(number));
  const few = usages.slice(0, Number(values.linear));

  const built = performance.now();
  const index = indexPrices(prices);
  const indexing = performance.now() - built;
  const match = (usage: Dimensions): PriceBinding | null => index.match('tokens', usage, 'USD', active);
  const wrong = few.filter(usage => match(usage) !== linearMatch(prices, usage, active));

  if (wrong.length > 0) {
    throw new Error(`${shape.title}: ${wrong.length} usages have another price than trying each finds`);
  }

  const checked = performance.now();
  refusePrices(prices);
  const checking = performance.now() - checked;
  const priced = usages.filter(usage => match(usage)).length / usages.length;
  const times = timed(usages, match);
  const linear = timed(few, usage => linearMatch(prices, usage, active));

  console.log(
    `${color.bold('match')}   ${shape.title}: median ${median(times).toFixed(2)} µs, ` +
      `p99 ${percentile(times, 0.99).toFixed(2)} µs${shape.target ? ` (target ≤ ${shape.target} µs)` : ''}, ` +
      `${(median(linear) / median(times)).toFixed(0)} × faster than trying each (${median(linear).toFixed(0)} µs); ` +
      `${(priced * 100).toFixed(0)} % priced; indexed in ${indexing.toFixed(0)} ms, checked for ambiguity in ${checking.toFixed(0)} ms`,
  );
}

function main(): void {
  if (values.help) {
    console.log(HELP);

    return;
  }

  SHAPES.forEach(run);
}

main();

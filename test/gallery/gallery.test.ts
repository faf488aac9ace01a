import { compileFilter } from '../../src/catalog/event-filter.js';
import { readDimensions, readQuantity } from '../../src/catalog/meter-value.rules.js';
import { dimensionNames, readMeter, type MeterDefinition } from '../../src/catalog/meter.rules.js';
import { bandOf, refuseModel } from '../../src/catalog/model.rules.js';
import { readTokenUsage, TOKEN_KINDS } from '../../src/catalog/token-usage.rules.js';
import {
  GALLERY,
  type GalleryBook,
  type GalleryEvent,
  type GalleryMeter,
  type GalleryPrice,
  type GalleryVersion,
} from '../../src/gallery/index.js';
import { type Decimal, decimal, divide, formatDecimal, sum, ZERO } from '../../src/money/index.js';
import { matches } from '../../src/pricing/pattern.rules.js';
import { readPriceTerms } from '../../src/pricing/price-reading.rules.js';
import { isQuarterHour } from '../../src/pricing/version.rules.js';
import { isActive, readPriceWindow, windowsOverlap, type PriceWindow } from '../../src/pricing/window.rules.js';

const books = GALLERY.map(book => [book.key, book] as const);
const examples = GALLERY.flatMap(book =>
  book.examples.map(example => [book.key, example.name, book, example] as const),
);

/** Everything of a version, priced in a sentence that names it when it is wrong. */
function pricesOf(book: GalleryBook): { version: GalleryVersion; price: GalleryPrice }[] {
  return book.versions.flatMap(version => version.prices.map(price => ({ version, price })));
}

function meterOf(book: GalleryBook, key: string): GalleryMeter {
  const meter = book.meters.find(candidate => candidate.key === key);

  if (!meter) {
    throw new Error(`${book.key} has no meter ${key}`);
  }

  return meter;
}

function definitionOf(meter: GalleryMeter): MeterDefinition {
  const read = readMeter(meter);

  if ('refusals' in read) {
    throw new Error(read.refusals.map(({ message }) => message).join('; '));
  }

  return read.definition;
}

function windowOf({ window }: GalleryPrice): PriceWindow | null {
  const read = window ? readPriceWindow(window, ['window']) : null;

  if (read && 'refusals' in read) {
    throw new Error(read.refusals.map(({ message }) => message).join('; '));
  }

  return read && read.window;
}

/** The pricing fields alone, as a price book takes them. */
function termsOf({ model, unitAmount, per, conversion }: GalleryPrice): object {
  return { model, unitAmount, per, conversion };
}

/** The version in force at an instant, by the dates alone. */
function versionAt(book: GalleryBook, at: string): GalleryVersion | undefined {
  return book.versions.findLast(({ effectiveAt, withdrawn }) => !withdrawn && new Date(effectiveAt) <= new Date(at));
}

/** What a count costs by the book, without the product's rate engine and price index. */
function amountOf(book: GalleryBook, count: GalleryBook['examples'][number]['counts'][number]): Decimal {
  const at = new Date(count.at);
  const prices = (versionAt(book, count.at)?.prices ?? []).filter(price => {
    const window = windowOf(price);

    return (
      price.meter === count.meter && matches(price.dimensions, count.dimensions) && (!window || isActive(window, at))
    );
  });
  const most = Math.max(0, ...prices.map(({ dimensions }) => Object.keys(dimensions).length));
  const [price, ...rivals] = prices.filter(({ dimensions }) => Object.keys(dimensions).length === most);

  if (!price || rivals.length > 0) {
    throw new Error(`${rivals.length + (price ? 1 : 0)} prices for ${JSON.stringify(count)}`);
  }

  const units = decimal(count.quantity).times(price.conversion?.multiplyBy ?? '1');

  return divide(units.times(price.unitAmount ?? '0'), decimal(price.per ?? '1'));
}

/** What the book's meters count of an event, as the catalog reads events. */
function countsOf(book: GalleryBook, event: GalleryEvent): object[] {
  return book.meters.flatMap(meter => {
    const compiled = compileFilter(meter.filter);
    const asked = { type: event.type, subject: null, source: '', properties: event.properties };

    if (meter.eventType !== event.type || 'refusals' in compiled || !compiled.filter.matches(asked)) {
      return [];
    }

    const definition = definitionOf(meter);
    const own = readDimensions(definition, event.properties);

    if ('reason' in own) {
      throw new Error(own.reason);
    }

    if (meter.source === 'PROPERTY') {
      const read = readQuantity(definition, event.properties);

      return 'quantity' in read
        ? [{ at: event.time, meter: meter.key, dimensions: own.dimensions, quantity: formatDecimal(read.quantity) }]
        : [];
    }

    const usage = readTokenUsage(event.properties, meter.valueProperty ?? '');

    if ('reason' in usage) {
      throw new Error(usage.reason);
    }

    const model = book.models.find(({ key }) => key === own.dimensions['model']);
    const band = model ? bandOf(model.contextBands, usage.promptTokens) : null;

    return usage.counts.map(({ kind, quantity }) => ({
      at: event.time,
      meter: meter.key,
      dimensions: {
        ...own.dimensions,
        token_kind: kind,
        service_tier: usage.servedTier,
        ...(band ? { context_band: band } : {}),
        ...(usage.inferenceGeo ? { inference_geo: usage.inferenceGeo } : {}),
      },
      quantity: formatDecimal(quantity),
    }));
  });
}

/** The order in which counts are listed says nothing. */
function sorted(counts: readonly object[]): string[] {
  return counts
    .map(count => JSON.stringify(Object.entries(count).map(([name, value]) => [name, entriesOf(value)])))
    .toSorted();
}

function entriesOf(value: unknown): unknown {
  return typeof value === 'object' && value !== null
    ? Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))
    : value;
}

describe.each(books)('the book %s', (_key, book) => {
  test('has meters and models that the catalog accepts', () => {
    expect(book.meters.flatMap(meter => ('refusals' in readMeter(meter) ? [readMeter(meter)] : []))).toEqual([]);
    expect(book.meters.map(({ filter }) => compileFilter(filter)).filter(read => 'refusals' in read)).toEqual([]);
    expect(book.models.flatMap(refuseModel)).toEqual([]);
    expect(book.models.filter(({ sources }) => sources.length === 0)).toEqual([]);
    expect(new Set(book.models.map(({ key }) => key)).size).toBe(book.models.length);
  });

  test('has prices of known meters, dimensions, models, kinds, tiers and bands only', () => {
    const tiers = ['standard', 'batch', 'flex', 'fast', 'ultrafast'];
    const faults = pricesOf(book).filter(({ price }) => {
      const { model: key, token_kind: kind, service_tier: tier, context_band: band } = price.dimensions;
      const meter = meterOf(book, price.meter);
      const names = dimensionNames(definitionOf(meter));
      const model = book.models.find(candidate => candidate.key === key);
      const bands = model?.contextBands.map(({ name }) => name) ?? [];

      return (
        !Object.keys(price.dimensions).every(name => names.includes(name)) ||
        (key !== undefined && !model) ||
        (meter.source === 'TOKEN_USAGE' &&
          (!TOKEN_KINDS.some(known => known === kind) || !tiers.includes(tier ?? ''))) ||
        (bands.length > 0 ? !['short', ...bands].includes(band ?? '') : band !== undefined)
      );
    });

    expect(faults).toEqual([]);
  });

  test('has prices that a price book accepts, each with its source and day', () => {
    const faults = pricesOf(book).filter(
      ({ price }) =>
        'refusals' in readPriceTerms(termsOf(price)) ||
        (price.window !== undefined && 'refusals' in readPriceWindow(price.window, ['window'])) ||
        price.name.length > 200 ||
        price.source.trim() === '' ||
        !/^20\d\d-[01]\d-[0-3]\d$/.test(price.asOf) ||
        price.asOf > '2026-11-30',
    );

    expect(faults).toEqual([]);
  });

  test('never has two prices for the same usage at the same time', () => {
    const pairs = book.versions.flatMap(({ effectiveAt, prices }) => {
      const groups = Map.groupBy(prices, ({ meter, dimensions }) => JSON.stringify([meter, entriesOf(dimensions)]));

      return [...groups.values()].flatMap(group =>
        group.flatMap((price, index) =>
          group.slice(index + 1).flatMap(other => {
            const [a, b] = [windowOf(price), windowOf(other)];

            return !a || !b || windowsOverlap(a, b) ? [`${effectiveAt}: ${price.name} and ${other.name}`] : [];
          }),
        ),
      );
    });

    expect(pairs).toEqual([]);
  });

  test('has versions in order, on quarter hours, one at an instant', () => {
    const instants = book.versions.map(({ effectiveAt }) => new Date(effectiveAt));
    const held = book.versions.filter(({ withdrawn }) => !withdrawn).map(({ effectiveAt }) => effectiveAt);

    expect(instants.every(isQuarterHour)).toBe(true);
    expect(book.versions.map(({ effectiveAt }) => effectiveAt)).toEqual(
      book.versions.map(({ effectiveAt }) => effectiveAt).toSorted(),
    );
    expect(new Set(held).size).toBe(held.length);
    expect(book.versions.filter(({ source }) => source.trim() === '')).toEqual([]);
  });
});

test.each(examples)('%s, %s: the catalog counts the events as the example says', (_key, _name, book, example) => {
  const counted = example.events.flatMap(event => countsOf(book, event));

  expect(sorted(counted)).toEqual(sorted(example.counts));
});

test.each(examples)('%s, %s: the counts come to the total', (_key, _name, book, example) => {
  expect(formatDecimal(sum(example.counts.map(count => amountOf(book, count))))).toBe(example.total);
});

test('the published examples are all there', () => {
  const published = examples.filter(([, , , { source }]) => !source.startsWith('worked out by hand'));

  expect(published.map(([key, , , { total }]) => [key, total])).toEqual([
    ['openai', '0.0705'],
    ['openai', '0.28'],
    ['openai', '0.56'],
    ['openai', '0.14'],
    ['openai', '0.554'],
    ['openai', '1.103004'],
    ['openai', '2.741686'],
    ['anthropic', '0.266'],
    ['anthropic', '0.133'],
    ['anthropic', '0.012875'],
    ['anthropic', '0.0825'],
    ['cohere', '0.006'],
    ['hugging-face', '547.5'],
    ['hugging-face', '48.91'],
    ['hugging-face', '0.0012'],
    ['stability', '6.045'],
    ['replicate', '0.4998'],
    ['replicate', '0.0168'],
  ]);
});

describe('a figure stands as it was published', () => {
  /** The price of this usage on a day, by the dimensions it names exactly; null when there is none. */
  const priceOf = (key: string, at: string, dimensions: Readonly<Record<string, string>>): string | null => {
    const book = GALLERY.find(candidate => candidate.key === key);
    const wanted = JSON.stringify(entriesOf(dimensions));
    const found = (book ? versionAt(book, at)?.prices : undefined)?.filter(price => {
      const window = windowOf(price);

      return JSON.stringify(entriesOf(price.dimensions)) === wanted && (!window || isActive(window, new Date(at)));
    });

    return found?.[0]?.unitAmount ?? null;
  };
  const now = '2026-11-20T12:00:00Z';
  const tokens = (model: string, kind: string, tier: string, more: Readonly<Record<string, string>> = {}) => ({
    model,
    token_kind: kind,
    service_tier: tier,
    ...more,
  });
  const short = { context_band: 'short' };
  const long = { context_band: 'long' };

  test.each([
    // Published irregularities.
    ['openai', now, tokens('gpt-5.4', 'cache_read', 'flex', short), '0.13'],
    ['openai', now, tokens('gpt-5.5', 'input', 'fast', short), '12.5'],
    ['openai', now, tokens('gpt-4o', 'output', 'fast'), '17'],
    ['openai', now, tokens('o4-mini', 'cache_read', 'batch'), '0.138'],
    ['openai', now, tokens('gpt-6-astra', 'cache_write', 'ultrafast', short), '75'],
    // Multiples.
    ['openai', now, tokens('gpt-6.2-sol', 'cache_write_12h', 'fast', long), '20'],
    ['openai', now, tokens('gpt-6.2-sol', 'input', 'batch', { ...long, region: '*' }), '2.2'],
    [
      'anthropic',
      now,
      tokens('claude-haiku-5.5', 'cache_write_5m', 'batch', { ...long, inference_geo: 'us' }),
      '0.34375',
    ],
    ['anthropic', now, tokens('claude-opus-4.6', 'output', 'fast'), '150'],
    // Dates.
    ['openai', '2025-06-09T23:59:59Z', tokens('o3', 'output', 'standard'), '40'],
    ['openai', '2025-06-10T00:00:00Z', tokens('o3', 'output', 'standard'), '8'],
    ['openai', '2026-07-29T23:59:59Z', tokens('gpt-5.6-luna', 'input', 'standard', short), '1'],
    ['openai', '2026-07-30T00:00:00Z', tokens('gpt-5.6-luna', 'input', 'standard', short), '0.2'],
    ['openai', '2026-08-20T23:59:59Z', tokens('gpt-5.6-sol', 'output', 'standard', short), '30'],
    ['openai', '2026-11-21T23:59:59Z', tokens('gpt-5.6-sol', 'output', 'standard', short), '20'],
    ['openai', '2027-02-28T23:59:59Z', tokens('gpt-6.2-sol', 'output', 'ultrafast', short), '30'],
    ['openai', '2027-03-01T00:00:00Z', tokens('gpt-6.2-sol', 'output', 'ultrafast', short), '60'],
    ['anthropic', '2026-10-06T23:59:59Z', tokens('claude-sonnet-5.5', 'cache_read', 'batch'), '0.1'],
    ['anthropic', '2026-10-07T00:00:00Z', tokens('claude-sonnet-5.5', 'cache_read', 'batch'), '0.05'],
    ['google', '2026-12-31T23:59:59Z', tokens('gemini-3.6-flash', 'output', 'standard'), '3.75'],
    ['google', '2027-01-01T00:00:00Z', tokens('gemini-3.6-flash', 'output', 'standard'), '7.5'],
    // What nobody confirms has no price.
    ['openai', '2026-11-22T00:00:00Z', tokens('gpt-5.6-sol', 'output', 'standard', short), null],
    ['openai', now, tokens('gpt-5.6-sol', 'output', 'fast', short), null],
    ['openai', now, tokens('gpt-6.2-astra', 'cache_write', 'standard', short), null],
    ['openai', now, tokens('gpt-6.1-terra', 'input', 'standard', long), null],
    ['openai', now, tokens('gpt-6.1-terra', 'cache_write_12h', 'standard', short), null],
    ['openai', now, tokens('gpt-6.1-sol', 'cache_write', 'standard', long), null],
    ['openai', now, tokens('gpt-6-astra', 'cache_read', 'fast', short), null],
    ['openai', '2025-06-09T00:00:00Z', tokens('o3', 'cache_read', 'standard'), null],
    ['anthropic', now, tokens('claude-sonnet-4.5', 'cache_read', 'standard', long), null],
    ['anthropic', now, tokens('claude-opus-4.5', 'input', 'standard', { inference_geo: 'us' }), null],
    ['anthropic', '2026-03-12T23:59:59Z', tokens('claude-sonnet-4.6', 'input', 'standard'), null],
  ])('%s at %s: %j is %s', (key, at, dimensions, amount) => {
    expect(priceOf(key, at, dimensions)).toBe(amount);
  });

  test('the cancelled rise of Sonnet 5 is kept, and nothing builds on it', () => {
    const book = GALLERY.find(({ key }) => key === 'anthropic');
    const withdrawn = book?.versions.filter(version => version.withdrawn) ?? [];
    const announced = withdrawn[0]?.prices.filter(({ dimensions }) => dimensions['model'] === 'claude-sonnet-5') ?? [];
    const standard = announced.filter(({ dimensions }) => dimensions['service_tier'] === 'standard');

    expect(withdrawn.map(({ effectiveAt }) => effectiveAt)).toEqual(['2026-09-01T00:00:00Z']);
    expect(standard.map(({ unitAmount }) => unitAmount)).toEqual(['3', '15', '3.3', '16.5']);
    expect(priceOf('anthropic', now, tokens('claude-sonnet-5', 'input', 'standard'))).toBe('2');
    expect(priceOf('anthropic', now, tokens('claude-sonnet-5', 'cache_read', 'standard'))).toBe('0.20');
  });

  test('every derived figure is a multiple that its note names', () => {
    const derived = GALLERY.flatMap(pricesOf).filter(({ price }) => price.note?.includes('derived'));
    const tiers = derived.filter(({ price }) => !price.note?.match(/×|\+10 %|−\d+ %|60 % below/));

    expect(derived.length).toBeGreaterThan(0);
    expect(tiers).toEqual([]);
    expect(derived.filter(({ price }) => decimal(price.unitAmount ?? '0').lte(ZERO))).toEqual([]);
  });
});

test('the gallery has so many prices', () => {
  const counts = GALLERY.map(({ key, meters, models, versions, examples: worked }) => ({
    key,
    meters: meters.length,
    models: models.length,
    versions: versions.length,
    pricesNow: versions.at(-1)?.prices.length ?? 0,
    derived: versions.at(-1)?.prices.filter(({ note }) => note?.includes('derived')).length ?? 0,
    allPrices: versions.reduce((all, { prices }) => all + prices.length, 0),
    examples: worked.length,
  }));
  console.table(counts);

  expect(counts.map(({ key, pricesNow }) => [key, pricesNow])).toEqual([
    ['openai', 786],
    ['anthropic', 406],
    ['google', 28],
    ['cohere', 18],
    ['hugging-face', 57],
    ['stability', 6],
    ['replicate', 14],
    ['tidewater', 6],
    ['other-providers', 39],
  ]);
});

import { DEMO_MODELS, listingOf, type DemoBook, type DemoModel, type Listing } from './demo-prices.js';

/** The tokens of one request, in whole numbers. */
interface Tokens {
  /** Sent, and neither read from the cache nor written to it. */
  readonly fresh: number;
  readonly cached: number;
  readonly written: number;
  readonly thoughts: number;
  readonly answer: number;
}

const DAY_MS = 86_400_000;

/**
 * The usage of one customer, the same at every run: from the first of the month before until now, busier on weekdays.
 * An event is the same whenever it is made, so that a run which was killed sends nothing under an id that differs.
 */
export function* monthOfUsage(key: string, seed: number, until: Date): Generator<object> {
  const random = mulberry32(seed + 1);
  const models = DEMO_MODELS.map(model => ({ ...model, ...listingOf(model) }));
  const start = Date.UTC(until.getUTCFullYear(), until.getUTCMonth() - 1, 1);

  for (let day = start; day < until.getTime(); day += DAY_MS) {
    const weekday = new Date(day).getUTCDay();
    const requests = weekday === 0 || weekday === 6 ? 6 : 16 + seed * 6;

    for (let index = 0; index < requests; index++) {
      const time = new Date(day + Math.floor(random() * DAY_MS));
      const stamp = `${key}-${day / DAY_MS}-${index}`;
      // None where the clock stands before the lists begin: then there is no request either.
      const listed = models.filter(({ since }) => since <= time);
      const model = listed[Math.floor(random() * listed.length)];
      const subject = `conversation-${Math.floor(random() * 400)}`;
      const answer = model ? answerOf(model, random) : null;
      const user = `user-${Math.floor(random() * 12)}`;

      if (time < until && answer) {
        yield {
          id: `demo-${stamp}`,
          type: 'llm.request',
          time: time.toISOString(),
          subject,
          properties: answer,
        };
      }

      if (time < until && index % 8 === 0) {
        yield { id: `demo-run-${stamp}`, type: 'agent.run', time: time.toISOString(), properties: { user } };
      }
    }
  }
}

/** What a gateway tells of one request: the provider, the model, and the provider's own usage object. */
function answerOf(model: DemoModel & Listing, random: () => number): object {
  const [long, batch, size, output] = [random(), random(), random(), random()];
  const [reads, writes, thinks] = [random(), random(), random()];
  const prompt = 500 + Math.floor(size * 90_000) + (model.hasLongPrompts && long < 0.03 ? 280_000 : 0);
  // Half of the prompts are mostly in the cache, and a third of all leave something there.
  const cached = reads < 0.5 ? 0 : Math.floor(prompt * (reads - 0.2));
  const written = model.hasCacheWrites && writes < 0.3 ? Math.floor((prompt - cached) * writes) : 0;
  const out = 50 + Math.floor(output * 9_000);
  const thoughts = Math.floor(out * thinks * 0.5);
  const tokens = { fresh: prompt - cached - written, cached, written, thoughts, answer: out - thoughts };

  // The books are called what gateways call the providers.
  return { provider: model.book, model: model.key, ...SHAPES[model.book](tokens, model.hasBatches && batch < 0.1) };
}

/** How each provider's API tells of usage, and of the tier that served. */
const SHAPES: Readonly<Record<DemoBook, (tokens: Tokens, isBatch: boolean) => object>> = {
  // Cached and written tokens are part of the input, and reasoning is part of the output.
  openai: ({ fresh, cached, written, thoughts, answer }, isBatch) => ({
    service_tier: isBatch ? 'batch' : 'default',
    usage: {
      input_tokens: fresh + cached + written,
      input_tokens_details: { cached_tokens: cached, ...(written > 0 ? { cache_write_tokens: written } : {}) },
      output_tokens: thoughts + answer,
      output_tokens_details: { reasoning_tokens: thoughts },
      total_tokens: fresh + cached + written + thoughts + answer,
    },
  }),
  // Cached and written tokens stand beside the input.
  anthropic: ({ fresh, cached, written, thoughts, answer }, isBatch) => ({
    usage: {
      input_tokens: fresh,
      cache_read_input_tokens: cached,
      cache_creation_input_tokens: written,
      cache_creation: { ephemeral_5m_input_tokens: written, ephemeral_1h_input_tokens: 0 },
      output_tokens: thoughts + answer,
      service_tier: isBatch ? 'batch' : 'standard',
    },
  }),
  // Cached tokens are part of the prompt, and thoughts stand beside the candidates.
  google: ({ fresh, cached, thoughts, answer }) => ({
    usage: {
      promptTokenCount: fresh + cached,
      ...(cached > 0 ? { cachedContentTokenCount: cached } : {}),
      candidatesTokenCount: answer,
      thoughtsTokenCount: thoughts,
      totalTokenCount: fresh + cached + thoughts + answer,
    },
  }),
};

/** A small seeded generator (mulberry32): the demo is to be the same everywhere, not unpredictable. */
function mulberry32(seed: number): () => number {
  let state = seed * 0x9e3779b9;

  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;

    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

import { TOKEN_KINDS, type TokenUsage, readTokenUsage } from '../../src/catalog/token-usage.rules.js';
import { formatDecimal } from '../../src/money/index.js';

type Json = Readonly<Record<string, unknown>>;
type Vector = Readonly<Record<string, string>>;

function read(properties: Json, valueProperty = 'usage'): TokenUsage {
  const usage = readTokenUsage(properties, valueProperty);

  if ('reason' in usage) {
    throw new Error(usage.reason);
  }

  return usage;
}

const vectorOf = ({ counts }: TokenUsage): Vector =>
  Object.fromEntries(counts.map(({ kind, quantity }) => [kind, formatDecimal(quantity)]));
const vector = (usage: unknown, others: Json = {}): Vector => vectorOf(read({ ...others, usage }));
const promptOf = (usage: unknown): string => formatDecimal(read({ usage }).promptTokens);
const refusal = (usage: unknown, others: Json = {}): unknown => {
  const result = readTokenUsage({ ...others, usage }, 'usage');

  return 'reason' in result ? result : vectorOf(result);
};

describe('OpenAI', () => {
  test('Chat Completions: cached, written and audio tokens are taken out of the prompt, audio out of the answer', () => {
    const usage = {
      prompt_tokens: 2600,
      completion_tokens: 300,
      total_tokens: 2900,
      prompt_tokens_details: { cached_tokens: 2000, cache_write_tokens: 400, audio_tokens: 150 },
      completion_tokens_details: {
        reasoning_tokens: 100,
        audio_tokens: 120,
        accepted_prediction_tokens: 10,
        rejected_prediction_tokens: 5,
      },
    };

    expect(vector(usage)).toEqual({
      input: '50',
      input_audio: '150',
      cache_read: '2000',
      cache_write: '400',
      output: '180',
      output_audio: '120',
    });
    expect(promptOf(usage)).toBe('2600');
  });

  test('Responses: the same under its own names', () => {
    const usage = {
      input_tokens: 18014,
      input_tokens_details: { cache_write_tokens: 18011, cached_tokens: 0 },
      output_tokens: 42,
      output_tokens_details: { reasoning_tokens: 25 },
      total_tokens: 18056,
    };

    expect(vector(usage)).toEqual({ input: '3', cache_write: '18011', output: '42' });
    expect(promptOf(usage)).toBe('18014');
  });

  test('Realtime: every modality has its own fresh and cached tokens', () => {
    const usage = {
      total_tokens: 1300,
      input_tokens: 1000,
      output_tokens: 300,
      input_token_details: {
        text_tokens: 400,
        audio_tokens: 500,
        image_tokens: 100,
        cached_tokens: 640,
        cached_tokens_details: { text_tokens: 300, audio_tokens: 260, image_tokens: 80 },
      },
      output_token_details: { text_tokens: 60, audio_tokens: 240 },
    };

    expect(vector(usage)).toEqual({
      input: '100',
      input_audio: '240',
      input_image: '20',
      cache_read: '300',
      cache_read_audio: '260',
      cache_read_image: '80',
      output: '60',
      output_audio: '240',
    });
    expect(promptOf(usage)).toBe('1000');
  });

  test('images: the answer is images only where its details say so', () => {
    const usage = {
      input_tokens: 50,
      input_tokens_details: { text_tokens: 10, image_tokens: 40 },
      output_tokens: 4160,
      total_tokens: 4210,
    };

    expect(vector(usage)).toEqual({ input: '10', input_image: '40', output: '4160' });
    expect(vector({ ...usage, output_tokens_details: { image_tokens: 4000, text_tokens: 160 } })).toEqual({
      input: '10',
      input_image: '40',
      output: '160',
      output_image: '4000',
    });
  });

  test('embeddings have no answer', () => {
    expect(vector({ prompt_tokens: 8, total_tokens: 8 })).toEqual({ input: '8' });
  });

  test('xAI: text in the details is the whole text, cached or not, and reasoning is added when the total says so', () => {
    const usage = {
      prompt_tokens: 125,
      completion_tokens: 48,
      total_tokens: 173,
      prompt_tokens_details: { text_tokens: 125, audio_tokens: 0, image_tokens: 0, cached_tokens: 98 },
      completion_tokens_details: { reasoning_tokens: 20 },
    };

    expect(vector(usage)).toEqual({ input: '27', cache_read: '98', output: '48' });
    expect(vector({ ...usage, total_tokens: 193 })).toEqual({ input: '27', cache_read: '98', output: '68' });
    // More reasoning than answer cannot be inside of it.
    expect(
      vector({
        prompt_tokens: 10120,
        completion_tokens: 1499,
        total_tokens: 14428,
        prompt_tokens_details: { cached_tokens: 128 },
        completion_tokens_details: { reasoning_tokens: 2809 },
        cost_in_usd_ticks: 232856000,
      }),
    ).toEqual({ input: '9992', cache_read: '128', output: '4308' });
  });

  test('where media and cache overlap without a word on how, text is cached first', () => {
    const usage = (cached: number, media: Json): Json => ({
      prompt_tokens: 100,
      completion_tokens: 0,
      prompt_tokens_details: { cached_tokens: cached, ...media },
    });

    expect(vector(usage(60, { audio_tokens: 50 }))).toEqual({
      input_audio: '40',
      cache_read: '50',
      cache_read_audio: '10',
    });
    expect(vector(usage(100, { audio_tokens: 30, image_tokens: 30, video_tokens: 30 }))).toEqual({
      cache_read: '40',
      cache_read_audio: '30',
      cache_read_image: '30',
    });
    expect(vector(usage(10, { cache_write_tokens: 80, video_tokens: 30 }))).toEqual({
      input_video: '10',
      cache_read: '10',
      cache_write: '80',
    });
  });

  test('cached media may be told without the media', () => {
    const details = { cached_tokens: 30, cached_tokens_details: { audio_tokens: 20 } };

    expect(vector({ input_tokens: 100, output_tokens: 1, input_token_details: details })).toEqual({
      input: '70',
      cache_read: '10',
      cache_read_audio: '20',
      output: '1',
    });
  });

  test('those who imitate it may say the same twice, fill what they do not use with zero, and add money and time', () => {
    expect(
      vector({
        prompt_tokens: 1000,
        completion_tokens: 50,
        total_tokens: 1050,
        input_tokens: 0,
        output_tokens: 0,
        input_tokens_details: null,
        prompt_cache_hit_tokens: 640,
        prompt_cache_miss_tokens: 360,
        prompt_tokens_details: { cached_tokens: 640, cache_creation_tokens: 0 },
        cost: 0.00014,
        cost_details: { upstream_inference_cost: 0.00019 },
        is_byok: false,
        queue_time: 0.018,
        server_tool_use: { web_search_requests: 2 },
      }),
    ).toEqual({ input: '360', cache_read: '640', output: '50', web_search: '2' });
  });

  test('flat keys are the same as nested ones', () => {
    const properties = {
      'usage.prompt_tokens': 100,
      'usage.completion_tokens': 5,
      'usage.prompt_tokens_details.cached_tokens': 60,
      'usage.cost_details.upstream': 0.5,
    };

    expect(vectorOf(read(properties))).toEqual({ input: '40', cache_read: '60', output: '5' });
  });

  test('files and text of the prompt are plain input', () => {
    const details = { text_tokens: 20, file_tokens: 70, cached_tokens: 60 };

    expect(vector({ prompt_tokens: 100, completion_tokens: 1, prompt_tokens_details: details })).toEqual({
      input: '40',
      cache_read: '60',
      output: '1',
    });
  });

  test('lifetimes of cache writes are read from names', () => {
    const details = { cache_creation_tokens: 500, cache_creation_token_details: { ephemeral_1h_input_tokens: 300 } };

    expect(vector({ prompt_tokens: 600, completion_tokens: 1, prompt_tokens_details: details })).toEqual({
      input: '100',
      cache_write: '200',
      cache_write_1h: '300',
      output: '1',
    });
    expect(
      vector({
        prompt_tokens: 600,
        completion_tokens: 1,
        prompt_tokens_details: { cache_write_30m_tokens: 7, cache_write_tokens_12h: 5 },
      }),
    ).toEqual({ input: '588', cache_write_30m: '7', cache_write_12h: '5', output: '1' });
  });
});

describe('Anthropic', () => {
  test('counts stand beside each other, and a write without a lifetime lives five minutes', () => {
    const usage = {
      input_tokens: 20000,
      cache_read_input_tokens: 180000,
      cache_creation_input_tokens: 15500,
      cache_creation: { ephemeral_5m_input_tokens: 10000, ephemeral_1h_input_tokens: 5000 },
      output_tokens: 3000,
      output_tokens_details: { thinking_tokens: 1200 },
      server_tool_use: { web_search_requests: 3, web_fetch_requests: 7 },
      service_tier: 'standard',
      inference_geo: 'us',
      speed: 'standard',
    };

    expect(vector(usage)).toEqual({
      input: '20000',
      cache_read: '180000',
      cache_write_5m: '10500',
      cache_write_1h: '5000',
      output: '3000',
      web_search: '3',
    });
    expect(promptOf(usage)).toBe('215500');
  });

  test('lifetimes without a sum are the sum; nulls are nothing', () => {
    const usage = {
      input_tokens: 5,
      cache_read_input_tokens: null,
      cache_creation_input_tokens: null,
      cache_creation: { ephemeral_1h_input_tokens: 7 },
      server_tool_use: null,
      output_tokens: 1,
    };

    expect(vector(usage)).toEqual({ input: '5', cache_write_1h: '7', output: '1' });
    expect(promptOf(usage)).toBe('12');
  });

  test('a total that a gateway adds says nothing', () => {
    const usage = { input_tokens: 5, cache_read_input_tokens: 90, output_tokens: 1, total_tokens: 6 };

    expect(vector(usage)).toEqual({ input: '5', cache_read: '90', output: '1' });
    expect(vector({ ...usage, total_tokens: 500 })).toEqual({ input: '5', cache_read: '90', output: '1' });
  });

  test('a lifetime nobody knows is not five minutes', () => {
    const usage = {
      input_tokens: 5,
      cache_creation_input_tokens: 100,
      cache_creation: { ephemeral_5m_input_tokens: 10, ephemeral_7d_input_tokens: 60 },
    };

    expect(vector(usage)).toEqual({
      input: '5',
      cache_write_5m: '40',
      'unknown:cache_creation.ephemeral_7d_input_tokens': '60',
    });
  });

  test('what was sampled besides the answer is in no count of the answer and becomes unknown', () => {
    const iteration = {
      cache_creation_input_tokens: 40,
      cache_read_input_tokens: 0,
      cache_creation: { ephemeral_5m_input_tokens: 40, ephemeral_1h_input_tokens: 0 },
    };

    expect(
      vector({
        input_tokens: 23000,
        output_tokens: 1000,
        cache_read_input_tokens: 0,
        iterations: [
          { ...iteration, type: 'compaction', input_tokens: 180000, output_tokens: 3500 },
          { ...iteration, type: 'message', input_tokens: 23000, output_tokens: 1000 },
          { ...iteration, type: 'advisor_message', model: 'claude-opus-5-5', input_tokens: 900, output_tokens: 20 },
          { ...iteration, type: 'advisor_message', model: 'claude-opus-5-5', input_tokens: 100, output_tokens: 30 },
        ],
      }),
    ).toEqual({
      input: '23000',
      output: '1000',
      'unknown:iterations.advisor_message.cache_creation_input_tokens': '80',
      'unknown:iterations.advisor_message.input_tokens': '1000',
      'unknown:iterations.advisor_message.output_tokens': '50',
      'unknown:iterations.compaction.cache_creation_input_tokens': '40',
      'unknown:iterations.compaction.input_tokens': '180000',
      'unknown:iterations.compaction.output_tokens': '3500',
    });
  });

  test('is told from Responses by its keys; the provider decides only where keys do not', () => {
    const exclusive = { input_tokens: 10, output_tokens: 2, cache_read_input_tokens: 90 };
    const inclusive = { input_tokens: 100, output_tokens: 2, input_tokens_details: { cached_tokens: 90 } };

    expect(vector(exclusive, { provider: 'openai' })).toEqual({ input: '10', cache_read: '90', output: '2' });
    expect(vector(inclusive, { provider: 'anthropic' })).toEqual({ input: '10', cache_read: '90', output: '2' });
    expect(vector({ ...inclusive, server_tool_use: { web_search_requests: 1 } })).toEqual({
      input: '10',
      cache_read: '90',
      output: '2',
      web_search: '1',
    });
    expect(
      vector(
        { input_tokens: 10, output_tokens: 2, output_tokens_details: { thinking_tokens: 1 } },
        { provider: 'Anthropic' },
      ),
    ).toEqual({ input: '10', output: '2' });
  });

  test('gives the vector of the same request at a gateway that speaks like OpenAI', () => {
    const anthropic = {
      input_tokens: 15000,
      cache_read_input_tokens: 80000,
      cache_creation_input_tokens: 5000,
      cache_creation: { ephemeral_5m_input_tokens: 4000, ephemeral_1h_input_tokens: 1000 },
      output_tokens: 2000,
    };
    const openAi = {
      prompt_tokens: 100000,
      completion_tokens: 2000,
      total_tokens: 102000,
      prompt_tokens_details: {
        cached_tokens: 80000,
        cache_creation_tokens: 5000,
        cache_creation_token_details: { ephemeral_5m_input_tokens: 4000, ephemeral_1h_input_tokens: 1000 },
      },
      cache_read_input_tokens: 80000,
      cache_creation_input_tokens: 5000,
    };

    expect(vector(openAi)).toEqual(vector(anthropic));
    expect(promptOf(openAi)).toBe(promptOf(anthropic));
  });
});

describe('Gemini', () => {
  const usage = {
    promptTokenCount: 3000,
    cachedContentTokenCount: 1000,
    candidatesTokenCount: 400,
    thoughtsTokenCount: 250,
    toolUsePromptTokenCount: 60,
    totalTokenCount: 3710,
    promptTokensDetails: [
      { modality: 'TEXT', tokenCount: 1500 },
      { modality: 'DOCUMENT', tokenCount: 300 },
      { modality: 'AUDIO', tokenCount: 700 },
      { modality: 'VIDEO', tokenCount: 500 },
    ],
    cacheTokensDetails: [
      { modality: 'TEXT', tokenCount: 600 },
      { modality: 'AUDIO', tokenCount: 300 },
      { modality: 'VIDEO', tokenCount: 100 },
    ],
    toolUsePromptTokensDetails: [{ modality: 'TEXT', tokenCount: 60 }],
    candidatesTokensDetails: [
      { modality: 'TEXT', tokenCount: 100 },
      { modality: 'IMAGE', tokenCount: 300 },
    ],
    trafficType: 'ON_DEMAND',
  };

  test('thoughts are output, prompts of tools input, and the cache is inside the prompt by modality', () => {
    expect(vector(usage)).toEqual({
      input: '1260',
      input_audio: '400',
      input_video: '400',
      cache_read: '700',
      cache_read_audio: '300',
      output: '350',
      output_image: '300',
    });
    expect(promptOf(usage)).toBe('3060');
  });

  test('its Python library spells the same otherwise, and Live calls candidates a response', () => {
    const snake = (value: unknown): unknown => {
      if (Array.isArray(value)) {
        return value.map(snake);
      }

      return typeof value === 'object' && value !== null
        ? Object.fromEntries(
            Object.entries(value).map(([key, member]) => [
              key.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`),
              snake(member),
            ]),
          )
        : value;
    };

    expect(vector(snake(usage))).toEqual(vector(usage));
    expect(
      vector({
        promptTokenCount: 10,
        responseTokenCount: 20,
        totalTokenCount: 30,
        responseTokensDetails: [{ modality: 'AUDIO', tokenCount: 20 }],
      }),
    ).toEqual({ input: '10', output_audio: '20' });
  });

  test('a modality that only the cache tells of is in the prompt as well', () => {
    expect(
      vector({
        promptTokenCount: 100,
        cachedContentTokenCount: 90,
        promptTokensDetails: [{ modality: 'TEXT', tokenCount: 10 }],
        cacheTokensDetails: [{ modality: 'AUDIO', tokenCount: 90 }],
      }),
    ).toEqual({ input: '10', cache_read_audio: '90' });
  });

  test('a modality nobody knows has no price', () => {
    expect(
      vector({
        promptTokenCount: 100,
        cachedContentTokenCount: 30,
        candidatesTokenCount: 40,
        promptTokensDetails: [{ modality: 'HOLOGRAM', tokenCount: 60 }],
        cacheTokensDetails: [{ modality: 'HOLOGRAM', tokenCount: 20 }],
        candidatesTokensDetails: [{ modality: 'VIDEO', tokenCount: 40 }],
      }),
    ).toEqual({
      input: '30',
      cache_read: '10',
      'unknown:candidatesTokensDetails.VIDEO': '40',
      'unknown:promptTokensDetails.HOLOGRAM': '60',
    });
  });
});

describe('OpenTelemetry', () => {
  const flat = {
    'gen_ai.usage.input_tokens': 100,
    'gen_ai.usage.output_tokens': 40,
    'gen_ai.usage.cache_read.input_tokens': 50,
    'gen_ai.usage.cache_creation.input_tokens': 25,
    'gen_ai.usage.reasoning.output_tokens': 30,
  };
  const span = { ...flat, 'gen_ai.request.max_tokens': 4096, 'server.port': 443, provider: 'anthropic' };
  const expected = { input: '25', cache_read: '50', cache_write: '25', output: '40' };

  test('reads flat keys of the properties or of an object in them, cache inside of the input', () => {
    expect(vectorOf(read(span, 'gen_ai.usage'))).toEqual(expected);
    expect(vectorOf(read(span, 'usage'))).toEqual(expected);
    expect(vectorOf(read({ attributes: span }, 'attributes'))).toEqual(expected);
    expect(formatDecimal(read(span, 'gen_ai.usage').promptTokens)).toBe('100');
  });

  test('reads nested keys and older names', () => {
    const nested = {
      input_tokens: 100,
      output_tokens: 40,
      cache_read: { input_tokens: 50 },
      cache_write: { input_tokens: 25 },
    };

    expect(vectorOf(read({ gen_ai: { usage: nested } }, 'gen_ai.usage'))).toEqual(expected);
    expect(
      vectorOf(
        read(
          {
            'gen_ai.usage.prompt_tokens': 100,
            'gen_ai.usage.completion_tokens': 40,
            'gen_ai.usage.cache_read_input_tokens': 50,
            'gen_ai.usage.cache_write_input_tokens': 25,
            'gen_ai.usage.total_tokens': 140,
            'gen_ai.usage.cost': 0.5,
          },
          'gen_ai.usage',
        ),
      ),
    ).toEqual(expected);
  });

  test('is told by its path where its names are also those of others', () => {
    const usage = { input_tokens: 100, output_tokens: 40, cache_read_input_tokens: 50 };

    expect(vectorOf(read({ gen_ai: { usage } }, 'gen_ai.usage'))).toEqual({
      input: '50',
      cache_read: '50',
      output: '40',
    });
    expect(vector(usage)).toEqual({ input: '100', cache_read: '50', output: '40' });
  });

  test('names the attribute in a refusal and keeps what it does not know', () => {
    expect(readTokenUsage({ ...flat, 'gen_ai.usage.cache_read.input_tokens': 101 }, 'gen_ai.usage')).toEqual({
      field: 'properties.gen_ai.usage.cache_read.input_tokens',
      reason:
        'properties.gen_ai.usage.cache_read.input_tokens is 101, which brings the parts of input_tokens to 101, more than its 100',
    });
    expect(vectorOf(read({ ...flat, 'gen_ai.usage.hologram_tokens': 3 }, 'gen_ai.usage'))).toEqual({
      ...expected,
      'unknown:hologram_tokens': '3',
    });
  });
});

describe('Cohere', () => {
  test('what it bills counts, and what it computed does not', () => {
    const billed = { input_tokens: 12, output_tokens: 30, search_units: 2 };
    const meta = {
      api_version: { version: '2' },
      billed_units: billed,
      tokens: { input_tokens: 80, output_tokens: 31 },
    };
    const expected = { input: '12', output: '30', search_unit: '2' };

    expect(vector(meta)).toEqual(expected);
    expect(vectorOf(read({ meta: { billed_units: billed } }, 'meta.billed_units'))).toEqual(expected);
    expect(promptOf(meta)).toBe('12');
  });

  test('classifications and images without tokens have no kind', () => {
    expect(vector({ billed_units: { classifications: 4, images: 1 } })).toEqual({
      'unknown:billed_units.classifications': '4',
      'unknown:billed_units.images': '1',
    });
    expect(vector({ billed_units: { images: 1, image_tokens: 900 } })).toEqual({ input_image: '900' });
  });
});

describe('a vector', () => {
  test('is read as it is', () => {
    const usage = Object.fromEntries(TOKEN_KINDS.map((kind, index) => [kind, index + 1]));

    expect(vector({ ...usage, 'unknown:a.b': 5, hologram: 6, total: 1 })).toEqual({
      ...Object.fromEntries(TOKEN_KINDS.map((kind, index) => [kind, String(index + 1)])),
      'unknown:a.b': '5',
      'unknown:hologram': '6',
    });
    // 1 to 12: all but output and what is no token.
    expect(promptOf(usage)).toBe('78');
  });

  test('has the order of the vocabulary and no zeros', () => {
    const { counts } = read({ usage: { zebra: 1, output: 3, apple: 2, cache_read: 0, input: '12' } });

    expect(counts.map(({ kind }) => kind)).toEqual(['input', 'output', 'unknown:apple', 'unknown:zebra']);
  });
});

describe('the worked examples of the price lists', () => {
  test.each([
    [
      'gpt-6.2-sol, short context',
      {
        prompt_tokens: 100000,
        completion_tokens: 2000,
        total_tokens: 102000,
        prompt_tokens_details: { cached_tokens: 80000, cache_write_tokens: 5000 },
      },
      { input: '15000', cache_read: '80000', cache_write: '5000', output: '2000' },
      '100000',
    ],
    [
      'gpt-6.2-sol, long context',
      { input_tokens: 300000, output_tokens: 2000, input_tokens_details: { cached_tokens: 250000 } },
      { input: '50000', cache_read: '250000', output: '2000' },
      '300000',
    ],
    ['272,000', { prompt_tokens: 272000, completion_tokens: 1000 }, { input: '272000', output: '1000' }, '272000'],
    ['272,001', { prompt_tokens: 272001, completion_tokens: 1000 }, { input: '272001', output: '1000' }, '272001'],
    [
      'gpt-5.5 band',
      { prompt_tokens: 278476, completion_tokens: 630, prompt_tokens_details: { cached_tokens: 7936 } },
      { input: '270540', cache_read: '7936', output: '630' },
      '278476',
    ],
    [
      'Opus 5.5',
      {
        input_tokens: 20000,
        cache_read_input_tokens: 180000,
        cache_creation_input_tokens: 15000,
        cache_creation: { ephemeral_5m_input_tokens: 10000, ephemeral_1h_input_tokens: 5000 },
        output_tokens: 3000,
      },
      { input: '20000', cache_read: '180000', cache_write_5m: '10000', cache_write_1h: '5000', output: '3000' },
      '215000',
    ],
    [
      'Haiku 5.5',
      {
        input_tokens: 8000,
        cache_read_input_tokens: 90000,
        cache_creation_input_tokens: 3000,
        output_tokens: 1000,
      },
      { input: '8000', cache_read: '90000', cache_write_5m: '3000', output: '1000' },
      '101000',
    ],
  ])('%s', (_name, usage, expected, prompt) => {
    expect(vector(usage)).toEqual(expected);
    expect(promptOf(usage)).toBe(prompt);
  });
});

describe('what was served', () => {
  const chat = { prompt_tokens: 1, completion_tokens: 1 };
  const messages = { input_tokens: 1, output_tokens: 1, cache_read_input_tokens: 0 };
  const tier = (usage: Json, others: Json = {}): string => read({ ...others, usage }).servedTier;

  test.each([
    [undefined, 'standard'],
    [null, 'standard'],
    ['', 'standard'],
    ['default', 'standard'],
    ['standard', 'standard'],
    ['standard_only', 'standard'],
    ['auto', 'standard'],
    ['priority', 'fast'],
    ['Flex', 'flex'],
    ['batch', 'batch'],
    ['fast', 'fast'],
    ['ultrafast', 'ultrafast'],
    ['Scale', 'scale'],
  ])('the tier %j is %s', (word, expected) => {
    expect(tier({ ...chat, service_tier: word })).toBe(expected);
    expect(tier(chat, { service_tier: word })).toBe(expected);
    expect(vector({ ...chat, service_tier: word })).toEqual({ input: '1', output: '1' });
  });

  test('the usage object has the first word, then the response around it; auto is no word', () => {
    expect(tier({ ...chat, service_tier: 'default' }, { service_tier: 'flex' })).toBe('standard');
    expect(tier({ ...chat, service_tier: 'auto' }, { service_tier: 'flex' })).toBe('flex');
    expect(
      read({ service_tier: 'auto', response: { service_tier: 'priority', usage: chat } }, 'response.usage').servedTier,
    ).toBe('fast');
  });

  test("Anthropic's speed makes it fast, and its priority tier is not that", () => {
    expect(tier({ ...messages, service_tier: 'standard', speed: 'fast' })).toBe('fast');
    expect(tier(messages, { speed: 'FAST' })).toBe('fast');
    expect(tier({ ...messages, speed: 'standard' })).toBe('standard');
    expect(tier({ ...messages, service_tier: 'priority' })).toBe('priority');
    expect(tier({ ...messages, service_tier: 'batch', speed: 'fast' })).toBe('batch+fast');
  });

  test('a speed beside the usage that is a measurement says nothing', () => {
    expect(tier(chat, { speed: 85.5 })).toBe('standard');
    expect(tier(chat, { speed: 'slow' })).toBe('standard');
  });

  test.each([
    ['ON_DEMAND', 'standard'],
    ['ON_DEMAND_PRIORITY', 'fast'],
    ['ON_DEMAND_FLEX', 'flex'],
    ['TRAFFIC_TYPE_UNSPECIFIED', 'standard'],
    ['PROVISIONED_THROUGHPUT', 'provisioned_throughput'],
  ])('Vertex calls it %s', (trafficType, expected) => {
    expect(tier({ promptTokenCount: 1, trafficType })).toBe(expected);
  });

  test('OpenTelemetry has an attribute for it', () => {
    const span = { 'gen_ai.usage.input_tokens': 1, 'openai.response.service_tier': 'priority' };

    expect(read(span, 'gen_ai.usage').servedTier).toBe('fast');
    expect(read({ attributes: span }, 'attributes').servedTier).toBe('fast');
  });

  test('the region is the one the response tells', () => {
    const geo = (usage: Json): string | null => read({ usage }).inferenceGeo;

    expect(geo({ ...messages, inference_geo: 'US' })).toBe('us');
    expect(geo({ ...messages, inference_geo: 'global' })).toBe('global');
    expect(geo({ ...messages, inference_geo: 'not_available' })).toBeNull();
    expect(geo({ ...messages, inference_geo: '' })).toBeNull();
    expect(geo(messages)).toBeNull();
    expect(read({ usage: messages, inference_geo: 'us' }).inferenceGeo).toBe('us');
  });

  test('a word that is too long for a dimension is refused', () => {
    expect(refusal({ ...chat, service_tier: 'x'.repeat(129) })).toEqual({
      field: 'properties.usage',
      reason: 'properties.usage tells a tier or region of 129 characters; at most 128 are told apart',
    });
  });
});

describe('what nobody knows', () => {
  const chat = { prompt_tokens: 100, completion_tokens: 10 };

  test('is an unknown kind with its quantity, fractions too, and no text', () => {
    expect(
      vector({
        ...chat,
        num_search_queries: 3,
        gpu_seconds: 0.25,
        tiny: 1e-15,
        big: '12345',
        label: 'v2',
        flag: true,
        none: null,
        zero: 0,
        empty: {},
        list: [],
      }),
    ).toEqual({
      input: '100',
      output: '10',
      'unknown:big': '12345',
      'unknown:gpu_seconds': '0.25',
      'unknown:num_search_queries': '3',
      'unknown:tiny': '0.000000000001',
    });
  });

  test('takes its tokens out of those that are nothing else when it is a detail', () => {
    const details = { cached_tokens: 60, hologram_tokens: 30, scent: { tokens: 25 } };

    expect(vector({ ...chat, prompt_tokens_details: details, completion_tokens_details: { smoke_tokens: 4 } })).toEqual(
      {
        cache_read: '60',
        output: '6',
        'unknown:completion_tokens_details.smoke_tokens': '4',
        'unknown:prompt_tokens_details.hologram_tokens': '30',
        'unknown:prompt_tokens_details.scent.tokens': '10',
      },
    );
    expect(promptOf({ ...chat, prompt_tokens_details: details })).toBe('100');
    expect(vector({ ...chat, prompt_tokens_details: { cached_ratio: 0.6 } })).toEqual({
      input: '100',
      output: '10',
      'unknown:prompt_tokens_details.cached_ratio': '0.6',
    });
  });

  test('is what a total has beyond its parts', () => {
    expect(vector({ ...chat, total_tokens: 150 })).toEqual({
      input: '100',
      output: '10',
      'unknown:total_tokens': '40',
    });
    expect(vector({ promptTokenCount: 5, candidatesTokenCount: 1, totalTokenCount: 9 })).toEqual({
      input: '5',
      output: '1',
      'unknown:totalTokenCount': '3',
    });
  });

  test('is everything in a shape nobody knows', () => {
    expect(vector({ type: 'duration', seconds: 9 })).toEqual({ 'unknown:seconds': '9' });
    expect(promptOf({ type: 'duration', seconds: 9 })).toBe('0');
  });

  test('has a name in ASCII of at most 100 characters without positions in lists, and adds up under it', () => {
    expect(
      vector({ ...chat, list: [{ n: 1 }, { n: 2 }], 'größe µ': 3, ['x'.repeat(120)]: 4, ['x'.repeat(119)]: 5 }),
    ).toEqual({
      input: '100',
      output: '10',
      'unknown:gr__e__': '3',
      'unknown:list.n': '3',
      [`unknown:${'x'.repeat(100)}`]: '9',
    });
  });

  test('is at most 20 kinds', () => {
    const many = (size: number): Json => Object.fromEntries(Array.from({ length: size }, (_, at) => [`k${at}`, 1]));

    expect(Object.keys(vector({ ...chat, ...many(20) }))).toHaveLength(22);
    expect(refusal({ ...chat, ...many(21) })).toEqual({
      field: 'properties.usage',
      reason: 'properties.usage has 21 counts that are not known, more than 20',
    });
  });
});

describe('refused', () => {
  const at = (path: string, fault: string): unknown => ({
    field: `properties.${path}`,
    reason: `properties.${path} ${fault}`,
  });

  test.each<[string, Json, unknown]>([
    ['nothing', {}, at('usage', 'is missing')],
    ['null', { usage: null }, at('usage', 'is missing')],
    ['a number', { usage: 5 }, at('usage', 'is a number, not an object with counts')],
    ['a list', { usage: [{ prompt_tokens: 1 }] }, at('usage', 'is an array, not an object with counts')],
    ['an empty object', { usage: {} }, at('usage', 'tells no count')],
    ['an object of nulls', { usage: { prompt_tokens: null, model: 'x' } }, at('usage', 'tells no count')],
    ['money alone', { usage: { cost: 0.5 } }, at('usage', 'tells no count')],
    [
      'the same path twice',
      { usage: { prompt_tokens: 1, 'a.b': 1, a: { b: 2 } } },
      at('usage.a.b', 'is there twice, once as a flat key'),
    ],
  ])('%s', (_name, properties, expected) => {
    expect(readTokenUsage(properties, 'usage')).toEqual(expected);
  });

  const beyond = (path: string, part: number, whole: string, all: number, most: number): unknown =>
    at(`usage.${path}`, `is ${part}, which brings the parts of ${whole} to ${all}, more than its ${most}`);

  test.each<[Json, unknown]>([
    [
      { prompt_tokens: 10, prompt_tokens_details: { cached_tokens: 11 } },
      beyond('prompt_tokens_details.cached_tokens', 11, 'prompt_tokens', 11, 10),
    ],
    [
      { prompt_tokens: 10, prompt_tokens_details: { cached_tokens: 6, cache_write_tokens: 5 } },
      beyond('prompt_tokens_details.cache_write_tokens', 5, 'prompt_tokens', 11, 10),
    ],
    [
      { prompt_tokens: 10, prompt_tokens_details: { text_tokens: 6, audio_tokens: 5 } },
      beyond('prompt_tokens_details.audio_tokens', 5, 'prompt_tokens', 11, 10),
    ],
    [
      {
        input_tokens: 10,
        input_token_details: { cached_tokens: 3, cached_tokens_details: { text_tokens: 2, audio_tokens: 2 } },
      },
      beyond('input_token_details.cached_tokens_details.audio_tokens', 2, 'input_token_details.cached_tokens', 4, 3),
    ],
    [
      {
        input_tokens: 10,
        input_token_details: { audio_tokens: 1, cached_tokens: 3, cached_tokens_details: { audio_tokens: 2 } },
      },
      beyond('input_token_details.cached_tokens_details.audio_tokens', 2, 'input_token_details.audio_tokens', 2, 1),
    ],
    [
      { completion_tokens: 10, completion_tokens_details: { reasoning_tokens: 11 } },
      beyond('completion_tokens_details.reasoning_tokens', 11, 'completion_tokens', 11, 10),
    ],
    [
      { completion_tokens: 10, completion_tokens_details: { audio_tokens: 6, text_tokens: 5 } },
      beyond('completion_tokens_details.text_tokens', 5, 'completion_tokens', 11, 10),
    ],
    [
      { completion_tokens: 10, completion_tokens_details: { rejected_prediction_tokens: 11 } },
      beyond('completion_tokens_details.rejected_prediction_tokens', 11, 'completion_tokens', 11, 10),
    ],
    [
      { prompt_tokens: 10, completion_tokens: 5, total_tokens: 14 },
      at('usage.total_tokens', 'is 14, less than its parts with 15'),
    ],
    [
      { prompt_tokens: 10, input_tokens: 9 },
      at('usage.input_tokens', 'is 9, but prompt_tokens, which counts the same, is 10'),
    ],
    [
      {
        input_tokens: 1,
        cache_creation_input_tokens: 10,
        cache_creation: { ephemeral_1h_input_tokens: 6, ephemeral_5m_input_tokens: 5 },
      },
      beyond('cache_creation.ephemeral_5m_input_tokens', 5, 'cache_creation_input_tokens', 11, 10),
    ],
    [
      { input_tokens: 1, cache_creation_input_tokens: 0, cache_creation: { ephemeral_5m_input_tokens: 5 } },
      beyond('cache_creation.ephemeral_5m_input_tokens', 5, 'cache_creation_input_tokens', 5, 0),
    ],
    [
      { cache_read_input_tokens: 0, output_tokens: 5, output_tokens_details: { thinking_tokens: 6 } },
      beyond('output_tokens_details.thinking_tokens', 6, 'output_tokens', 6, 5),
    ],
    [
      { promptTokenCount: 5, cachedContentTokenCount: 6 },
      beyond('cachedContentTokenCount', 6, 'promptTokenCount', 6, 5),
    ],
    [
      { promptTokenCount: 5, promptTokensDetails: [{ modality: 'AUDIO', tokenCount: 6 }] },
      beyond('promptTokensDetails.0.tokenCount', 6, 'promptTokenCount', 6, 5),
    ],
    [
      { candidatesTokenCount: 5, candidatesTokensDetails: [{ modality: 'TEXT', tokenCount: 6 }] },
      beyond('candidatesTokensDetails.0.tokenCount', 6, 'candidatesTokenCount', 6, 5),
    ],
    [
      { promptTokenCount: 5, thoughtsTokenCount: 5, totalTokenCount: 9 },
      at('usage.totalTokenCount', 'is 9, less than its parts with 10'),
    ],
    [{ prompt_tokens: -1 }, at('usage.prompt_tokens', 'is "-1"; a quantity is not negative')],
    [{ prompt_tokens: 1.5 }, at('usage.prompt_tokens', 'is 1.5, not a whole number')],
    [{ prompt_tokens: '1000000000000001' }, at('usage.prompt_tokens', 'is "1000000000000001", larger than 10^15')],
    [{ prompt_tokens: 'many' }, at('usage.prompt_tokens', 'is "many", not a plain decimal such as 12 or 0.5')],
    [{ prompt_tokens: true }, at('usage.prompt_tokens', 'is a boolean, not a number or a decimal string')],
    [{ prompt_tokens: {} }, at('usage.prompt_tokens', 'is an object or an array, not a number or a decimal string')],
    [{ prompt_tokens: 1, hologram: -2 }, at('usage.hologram', 'is -2; a quantity is from 0 to 10^15')],
    [{ prompt_tokens: 1, hologram: 1e16 }, at('usage.hologram', 'is 10000000000000000; a quantity is from 0 to 10^15')],
    [
      { candidatesTokenCount: 1e15, thoughtsTokenCount: 1 },
      at('usage', 'has 1000000000000001 of output, more than 10^15'),
    ],
  ])('%j', (usage, expected) => {
    expect(refusal(usage)).toEqual(expected);
  });
});

import fc from 'fast-check';
import { TOKEN_KINDS, type TokenUsage, readTokenUsage } from '../../src/catalog/token-usage.rules.js';
import { formatDecimal } from '../../src/money/index.js';

type Json = Readonly<Record<string, unknown>>;
type Vector = Readonly<Record<string, string>>;

function read(properties: Json): TokenUsage {
  const usage = readTokenUsage(properties, 'usage');

  if ('reason' in usage) {
    throw new Error(usage.reason);
  }

  return usage;
}

const vectorOf = ({ counts }: TokenUsage): Vector =>
  Object.fromEntries(counts.map(({ kind, quantity }) => [kind, formatDecimal(quantity)]));
const vector = (usage: unknown): Vector => vectorOf(read({ usage }));
const promptOf = (usage: unknown): string => formatDecimal(read({ usage }).promptTokens);

describe('whatever the counts', () => {
  const tokens = fc.oneof(
    { arbitrary: fc.constant(0), weight: 1 },
    { arbitrary: fc.integer({ min: 1, max: 300_000 }), weight: 3 },
  );
  const kinds = fc.record(
    Object.fromEntries(TOKEN_KINDS.map(kind => [kind, tokens])) as Record<(typeof TOKEN_KINDS)[number], typeof tokens>,
  );
  type Counts = Readonly<Record<(typeof TOKEN_KINDS)[number], number>>;

  const modalities = (list: Readonly<Record<string, number>>): unknown =>
    Object.entries(list).map(([modality, tokenCount]) => ({ modality, tokenCount }));

  /** How each provider tells a vector, and the kinds it can tell. */
  const shapes: readonly (readonly [string, readonly (keyof Counts)[], (n: Counts) => Json])[] = [
    [
      'Chat Completions',
      ['input', 'input_audio', 'input_image', 'input_video', 'cache_read', 'cache_write', 'output', 'output_audio'],
      n => {
        const prompt = n.input + n.input_audio + n.input_image + n.input_video + n.cache_read + n.cache_write;

        return {
          prompt_tokens: prompt,
          completion_tokens: n.output + n.output_audio,
          total_tokens: prompt + n.output + n.output_audio,
          prompt_tokens_details: {
            cached_tokens: n.cache_read,
            cache_write_tokens: n.cache_write,
            audio_tokens: n.input_audio,
            image_tokens: n.input_image,
            video_tokens: n.input_video,
          },
          completion_tokens_details: { audio_tokens: n.output_audio, reasoning_tokens: Math.floor(n.output / 2) },
        };
      },
    ],
    [
      'Responses',
      ['input', 'cache_read', 'cache_write', 'output', 'output_image'],
      n => ({
        input_tokens: n.input + n.cache_read + n.cache_write,
        input_tokens_details: { cached_tokens: n.cache_read, cache_write_tokens: n.cache_write },
        output_tokens: n.output + n.output_image,
        output_tokens_details: { image_tokens: n.output_image, text_tokens: n.output },
      }),
    ],
    [
      'Realtime',
      ['input', 'input_audio', 'input_image', 'cache_read', 'cache_read_audio', 'cache_read_image', 'output_audio'],
      n => {
        const text = n.input + n.cache_read;
        const [audio, image] = [n.input_audio + n.cache_read_audio, n.input_image + n.cache_read_image];

        return {
          input_tokens: text + audio + image,
          output_tokens: n.output_audio,
          input_token_details: {
            text_tokens: text,
            audio_tokens: audio,
            image_tokens: image,
            cached_tokens: n.cache_read + n.cache_read_audio + n.cache_read_image,
            cached_tokens_details: {
              text_tokens: n.cache_read,
              audio_tokens: n.cache_read_audio,
              image_tokens: n.cache_read_image,
            },
          },
          output_token_details: { audio_tokens: n.output_audio, text_tokens: 0 },
        };
      },
    ],
    [
      'Anthropic',
      ['input', 'cache_read', 'cache_write_5m', 'cache_write_1h', 'output', 'web_search'],
      n => ({
        input_tokens: n.input,
        cache_read_input_tokens: n.cache_read,
        cache_creation_input_tokens: n.cache_write_5m + n.cache_write_1h,
        cache_creation: {
          ephemeral_5m_input_tokens: Math.ceil(n.cache_write_5m / 2),
          ephemeral_1h_input_tokens: n.cache_write_1h,
        },
        output_tokens: n.output,
        server_tool_use: { web_search_requests: n.web_search, web_fetch_requests: 3 },
      }),
    ],
    [
      'Gemini',
      [
        'input',
        'input_audio',
        'input_image',
        'input_video',
        'cache_read',
        'cache_read_audio',
        'output',
        'output_image',
      ],
      n => {
        const [tool, thoughts] = [Math.floor(n.input / 3), Math.floor(n.output / 3)];
        const prompt =
          n.input - tool + n.input_audio + n.input_image + n.input_video + n.cache_read + n.cache_read_audio;

        return {
          promptTokenCount: prompt,
          toolUsePromptTokenCount: tool,
          cachedContentTokenCount: n.cache_read + n.cache_read_audio,
          candidatesTokenCount: n.output - thoughts + n.output_image,
          thoughtsTokenCount: thoughts,
          totalTokenCount: prompt + tool + n.output + n.output_image,
          promptTokensDetails: modalities({
            VIDEO: n.input_video,
            TEXT: n.input - tool + n.cache_read,
            AUDIO: n.input_audio + n.cache_read_audio,
            IMAGE: n.input_image,
          }),
          cacheTokensDetails: modalities({ AUDIO: n.cache_read_audio, TEXT: n.cache_read }),
          candidatesTokensDetails: modalities({ IMAGE: n.output_image, TEXT: n.output - thoughts }),
        };
      },
    ],
    [
      'OpenTelemetry',
      ['input', 'cache_read', 'cache_write', 'output'],
      n => ({
        'gen_ai.usage.input_tokens': n.input + n.cache_read + n.cache_write,
        'gen_ai.usage.cache_read.input_tokens': n.cache_read,
        'gen_ai.usage.cache_creation.input_tokens': n.cache_write,
        'gen_ai.usage.output_tokens': n.output,
        'gen_ai.usage.reasoning.output_tokens': Math.floor(n.output / 2),
      }),
    ],
    [
      'Cohere',
      ['input', 'input_image', 'output', 'search_unit'],
      n => ({
        billed_units: {
          input_tokens: n.input,
          image_tokens: n.input_image,
          output_tokens: n.output,
          search_units: n.search_unit,
        },
        tokens: { input_tokens: n.input + 70, output_tokens: n.output },
      }),
    ],
    ['itself', TOKEN_KINDS, n => n],
  ];

  /** Numbers that came as decimal strings are the same numbers. */
  const asTexts = (usage: Json): Json =>
    JSON.parse(
      JSON.stringify(usage, (_key, value: unknown) => (typeof value === 'number' ? String(value) : value)),
    ) as Json;

  test.each(shapes)('%s gives back the vector it was told', (_name, told, render) => {
    fc.assert(
      fc.property(kinds, all => {
        const counts = Object.fromEntries(
          TOKEN_KINDS.map(kind => [kind, told.includes(kind) ? all[kind] : 0]),
        ) as unknown as Counts;
        const expected = Object.fromEntries(
          TOKEN_KINDS.filter(kind => counts[kind] > 0).map(kind => [kind, String(counts[kind])]),
        );
        const prompt = TOKEN_KINDS.filter(kind => /^(input|cache)/.test(kind)).map(kind => counts[kind]);

        expect(vector(render(counts))).toEqual(expected);
        expect(vector(asTexts(render(counts)))).toEqual(expected);
        expect(promptOf(render(counts))).toBe(String(prompt.reduce((total, count) => total + count, 0)));
      }),
      { numRuns: 300 },
    );
  });

  test('details that overlap, contradict or are new never make tokens more or fewer than their total', () => {
    const few = fc.integer({ min: 0, max: 12 });
    const many = fc.integer({ min: 0, max: 60 });
    const details = fc.dictionary(
      fc.constantFrom(
        'cached_tokens',
        'cache_write_tokens',
        'text_tokens',
        'audio_tokens',
        'image_tokens',
        'video_tokens',
        'hologram_tokens',
        'cache_write_5m_tokens',
        'cache_creation_7d',
      ),
      few,
    );
    const cachedDetails = fc.dictionary(
      fc.constantFrom('text_tokens', 'audio_tokens', 'image_tokens'),
      fc.integer({ min: 0, max: 3 }),
      { maxKeys: 2 },
    );
    const answerDetails = fc.dictionary(
      fc.constantFrom('reasoning_tokens', 'audio_tokens', 'image_tokens', 'smoke_tokens'),
      few,
    );
    const seen = { read: 0, refused: 0 };

    fc.assert(
      fc.property(
        many,
        many,
        details,
        fc.option(cachedDetails),
        answerDetails,
        (prompt, answer, inside, cached, said) => {
          const usage = {
            prompt_tokens: prompt,
            completion_tokens: answer,
            prompt_tokens_details: { ...inside, ...(cached ? { cached_tokens_details: cached } : {}) },
            completion_tokens_details: said,
          };
          const result = readTokenUsage({ usage }, 'usage');

          if ('reason' in result) {
            seen.refused += 1;
            expect(result.field).toMatch(/^properties\.usage\.(prompt|completion)_tokens_details\./);

            return;
          }

          seen.read += 1;

          const sumOf = (pattern: RegExp): number =>
            result.counts
              .filter(({ kind }) => pattern.test(kind))
              .reduce((total, { quantity }) => total + Number(quantity), 0);

          expect(result.counts.every(({ quantity }) => quantity.gt(0))).toBe(true);
          expect(sumOf(/^(input|cache_|unknown:prompt)/)).toBe(prompt);
          expect(sumOf(/^(output|unknown:completion)/)).toBe(answer);
        },
      ),
      { numRuns: 2000 },
    );

    expect(seen.read).toBeGreaterThan(200);
    expect(seen.refused).toBeGreaterThan(200);
  });

  test('any JSON is read or refused, and nothing throws', () => {
    const key = fc.constantFrom(
      'prompt_tokens',
      'input_tokens',
      'output_tokens',
      'prompt_tokens_details',
      'cached_tokens',
      'cache_creation',
      'cache_read_input_tokens',
      'promptTokenCount',
      'promptTokensDetails',
      'modality',
      'tokenCount',
      'iterations',
      'type',
      'billed_units',
      'service_tier',
      'speed',
      'gen_ai.usage.input_tokens',
      'input',
      'x',
    );
    const { json } = fc.letrec(tie => ({
      json: fc.oneof(
        { depthSize: 'small' },
        fc.constantFrom(0, 1, 7, 0.5, -1, 1e300, '12', 'text', true, null),
        fc.array(tie('json'), { maxLength: 3 }),
        fc.dictionary(key, tie('json')),
      ),
    }));

    fc.assert(
      fc.property(fc.dictionary(key, json), fc.option(fc.constant('anthropic')), (usage, provider) => {
        const result = readTokenUsage({ usage, provider }, 'usage');

        if ('reason' in result) {
          expect(result.reason.startsWith(result.field)).toBe(true);
        } else {
          expect(new Set(result.counts.map(({ kind }) => kind)).size).toBe(result.counts.length);
          expect(result.counts.every(({ quantity }) => quantity.gt(0) && quantity.lte(1e15))).toBe(true);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

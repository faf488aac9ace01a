import type { Decimal } from '../money/index.js';
import { addCacheWrites } from './token-prompt.rules.js';
import { sumOf, type TokenSheet } from './token-sheet.rules.js';

/** Samplings that the counts of the whole answer already hold. */
const HELD: ReadonlySet<string> = new Set(['message', 'fallback_message']);

/**
 * Reads what Anthropic's Messages API answers: input, cache reads and cache writes stand beside each other, the answer
 * holds its thinking. A write without a lifetime lives five minutes, the default. Fetching web pages costs nothing beyond
 * its tokens. Returns the tokens of the prompt.
 */
export function readAnthropic(sheet: TokenSheet): Decimal {
  const input = sheet.count('input_tokens');
  const read = sheet.count('cache_read_input_tokens');
  const written = addCacheWrites(
    sheet,
    sheet.count('cache_creation_input_tokens'),
    path => path.startsWith('cache_creation.'),
    'cache_write_5m',
  );
  const answer = sheet.count('output_tokens');

  sheet.within(answer, [sheet.count('output_tokens_details.thinking_tokens')]);
  sheet.within(answer, [sheet.count('output_tokens_details.reasoning_tokens')]);
  sheet.add('input', input.quantity);
  sheet.add('cache_read', read.quantity);
  sheet.add(
    'output',
    sheet.claim(path => path.startsWith('output_tokens_details.'), answer.quantity),
  );
  sheet.add('web_search', sheet.count('server_tool_use.web_search_requests').quantity);
  // The API has no total, and gateways that add one do not agree on what it holds.
  sheet.ignore('server_tool_use.web_fetch_requests', 'total_tokens');
  addIterations(sheet);

  return sumOf([input, read, written]);
}

/**
 * The counts of the whole answer leave out what the provider sampled besides: compaction, which is a prompt with a context
 * band of its own, and advisors, which are other models. One vector cannot say so; they become unknown kinds.
 */
function addIterations(sheet: TokenSheet): void {
  for (let at = 0; sheet.has(`iterations.${at}`); at += 1) {
    const entry = `iterations.${at}`;
    const type = sheet.text(`${entry}.type`) ?? '';

    // The lifetimes of the writes are in their sum.
    sheet.ignore(`${entry}.cache_creation`, ...(HELD.has(type) ? [entry] : []));

    for (const path of sheet.unread(unread => unread.startsWith(`${entry}.`))) {
      sheet.addUnknown(path, `iterations.${type}${path.slice(entry.length)}`);
    }
  }
}

import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { rateCase } from '../pricing/rate-case.rules.js';

/**
 * Rates the cases of a file (`-` for standard input) and prints the results as JSON. A case that cannot be priced has an
 * error and the others stand. Throws when the file cannot be read or is no JSON list.
 */
export async function ratePriceCases(file: string): Promise<void> {
  const source = file === '-' ? await text(process.stdin) : await readFile(file, 'utf8');
  const cases = parse(source, file);
  const results = cases.map((json, index) => JSON.stringify(rateCase(json, index)));
  process.stdout.write(results.length === 0 ? '[]\n' : `[\n${results.join(',\n')}\n]\n`);
}

function parse(source: string, file: string): readonly unknown[] {
  let json: unknown;

  try {
    // Some editors begin a file with a byte order mark, which is no JSON.
    json = JSON.parse(source.replace(/^\uFEFF/, ''));
  } catch (error) {
    throw new Error(`${file} is not JSON: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }

  if (!Array.isArray(json)) {
    throw new TypeError(`${file} must hold a list of cases: [{"id", "currency", "price", "usage"}, …]`);
  }

  return json;
}

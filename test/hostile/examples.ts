import { aPriceBook, perMillion } from '../support/builders.js';
import type { Examples } from './ground.js';
import { outcomeExamples } from './outcome-examples.js';
import { priceExamples } from './price-examples.js';
import { spendExamples } from './spend-examples.js';
import type { Stage } from './stage.js';

/** Everything that the examples of all mutations need, and those. */
export async function examples(stage: Stage): Promise<Examples> {
  const { product, meterId } = stage;
  const book = await aPriceBook(product, { prices: [{ meterId, terms: perMillion('1') }] });
  const ground = { stage, ...book };

  return {
    ...(await priceExamples(ground)),
    ...(await spendExamples(ground)),
    ...(await outcomeExamples(ground)),
  };
}

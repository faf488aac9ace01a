import type { Api } from './replay-api.js';
import type { TokenRate } from './replay.rules.js';

/** Terms that the replay's own sum knows nothing of. */
const OTHER_TERMS = ['freeUnits', 'discountRate', 'minimum', 'maximum', 'prorated'] as const;

interface PriceSeen extends Readonly<Record<(typeof OTHER_TERMS)[number], unknown>> {
  readonly meterId: string;
  readonly dimensions: readonly { readonly name: string; readonly value: string }[];
  readonly model: string;
  readonly unitAmount: string | null;
  readonly per: string | null;
  readonly window: object | null;
  readonly conversion: object | null;
}

interface Page<T> {
  readonly edges: readonly { readonly node: T }[];
}

interface BookSeen {
  readonly id: string;
  readonly versions: Page<{ readonly prices: Page<PriceSeen> }>;
}

interface Seen {
  readonly tenant: {
    readonly priceBooks: Page<BookSeen> & {
      readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
    };
  };
  readonly meters: Page<{ readonly id: string; readonly key: string }>;
}

/**
 * The newest book of the key's tenant whose prices in force are so much a unit for this model, and no more, by the meters of
 * plain counts. Refused when there is none.
 */
export async function priceBookFor(
  api: Api,
  model: string,
): Promise<{ bookId: string; rates: { input: TokenRate; output: TokenRate } }> {
  let after: string | null = null;

  do {
    const seen: Seen = await api.query<Seen>(
      `query ($after: String) { meters(first: 100) { edges { node { id key } } }
         tenant { priceBooks(first: 5, after: $after) { pageInfo { hasNextPage endCursor } edges { node { id
           versions(first: 1) { edges { node { prices(first: 100) { edges { node {
             meterId dimensions { name value } model unitAmount per window { from } conversion { rounding } ${OTHER_TERMS.join(' ')}
           } } } } } } } } } } }`,
      { after },
    );

    for (const { node: book } of seen.tenant.priceBooks.edges) {
      const prices = book.versions.edges[0]?.node.prices.edges.map(edge => edge.node) ?? [];
      const [input, output] = ['input_tokens', 'output_tokens'].map(key => rateOf(prices, meterOf(seen, key), model));

      if (input && output) {
        return { bookId: book.id, rates: { input, output } };
      }
    }

    const { hasNextPage, endCursor } = seen.tenant.priceBooks.pageInfo;
    after = hasNextPage ? endCursor : null;
  } while (after !== null);

  throw new Error(
    `no price book of this key's tenant has plain unit prices of input_tokens and output_tokens for ${model}`,
  );
}

function meterOf(seen: Seen, key: string): string | undefined {
  return seen.meters.edges.find(({ node }) => node.key === key)?.node.id;
}

function rateOf(prices: readonly PriceSeen[], meterId: string | undefined, model: string): TokenRate | null {
  const found = prices.find(
    price =>
      price.meterId === meterId &&
      price.model === 'UNIT' &&
      [price.window, price.conversion, ...OTHER_TERMS.map(term => price[term])].every(term => term === null) &&
      price.dimensions.some(({ name, value }) => name === 'model' && value === model),
  );

  return found?.unitAmount && found.per ? { amount: found.unitAmount, per: found.per } : null;
}

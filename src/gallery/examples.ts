import type { GalleryCount, GalleryEvent, GalleryExample } from './gallery.types.js';
import type { ServiceTier, TokenKind } from './rows.js';

/** The source of an example that no provider published. */
export const BY_HAND = 'worked out by hand from the prices of this book';

/** An event, and what the book's meters count of it. */
export interface Part {
  readonly event: GalleryEvent;
  readonly counts: readonly Omit<GalleryCount, 'at'>[];
}

/** A worked example of these parts. */
export function example(name: string, source: string, total: string, parts: readonly Part[]): GalleryExample {
  return {
    name,
    source,
    events: parts.map(({ event }) => event),
    counts: parts.flatMap(({ event, counts }) => counts.map(count => ({ at: event.time, ...count }))),
    total,
  };
}

/** A finished model request with the provider's own usage object, as a gateway passes it on. */
export function llmRequest(
  time: string,
  provider: string,
  model: string,
  usage: Readonly<Record<string, unknown>>,
  more: Readonly<Record<string, unknown>> = {},
): GalleryEvent {
  return { type: 'llm.request', time, properties: { provider, model, ...more, usage } };
}

/** What a token meter counts of one request: so many of each kind, all under the same model, tier, band and place. */
export function tokenCounts(
  meter: string,
  of: {
    readonly model: string;
    readonly tier?: ServiceTier | undefined;
    readonly band?: string | undefined;
    readonly place?: Readonly<Record<string, string>> | undefined;
  },
  quantities: Partial<Record<TokenKind, string>>,
): Part['counts'] {
  return Object.entries(quantities).map(([kind, quantity]) => ({
    meter,
    dimensions: {
      model: of.model,
      token_kind: kind,
      service_tier: of.tier ?? 'standard',
      ...(of.band ? { context_band: of.band } : {}),
      ...of.place,
    },
    quantity,
  }));
}

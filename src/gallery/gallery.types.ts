/** A dimension of a gallery meter, as `meterCreate` takes it. */
export interface GalleryDimension {
  readonly name: string;
  readonly property: string;
  readonly default?: string;
}

/** How units of an event, or of a price, become other units: quantity × multiplyBy / divideBy, then rounded. */
export interface GalleryConversion {
  readonly divideBy?: string;
  readonly multiplyBy?: string;
  readonly rounding: 'NONE' | 'CEILING' | 'FLOOR' | 'HALF_UP' | 'HALF_EVEN';
  readonly precision: number;
}

/** The definition of a meter, as `meterCreate` takes it. */
export interface GalleryMeter {
  readonly key: string;
  readonly eventType: string;
  /** CEL over the event; empty for every event of the type. */
  readonly filter: string;
  readonly source: 'PROPERTY' | 'TOKEN_USAGE';
  readonly aggregation: 'SUM' | 'COUNT' | 'MAX' | 'LATEST' | 'UNIQUE_COUNT' | 'TIME_WEIGHTED';
  readonly valueProperty: string | null;
  readonly factorProperties: readonly string[];
  /** Applied to each event's value. */
  readonly conversion: GalleryConversion | null;
  readonly keepsEvents: boolean;
  readonly dimensions: readonly GalleryDimension[];
  readonly unit: string;
}

/** A prompt of more than `above` tokens (or of exactly so many, when inclusive) is priced whole in the band `name`. */
export interface GalleryBand {
  readonly above: string;
  readonly inclusive: boolean;
  readonly name: string;
}

/** An AI model that a book has prices for. */
export interface GalleryModel {
  readonly key: string;
  readonly provider: string;
  readonly family: string;
  readonly modality: string;
  readonly contextBands: readonly GalleryBand[];
  readonly sources: readonly string[];
}

/** When a price holds: from an instant on, until another, at some hours of every day, over midnight too. Ends are open. */
export interface GalleryWindow {
  readonly from?: string;
  readonly until?: string;
  readonly daily?: { readonly start: string; readonly end: string; readonly timeZone: string };
}

/** The pricing model of a price: those fields of the flat price shape that public list prices need. */
export interface GalleryPricing {
  readonly model: 'FLAT' | 'UNIT' | 'PACKAGE' | 'GRADUATED' | 'VOLUME' | 'STAIRSTEP' | 'PERCENTAGE';
  readonly unitAmount?: string;
  readonly per?: string;
  readonly minimum?: string;
  readonly rate?: string;
  readonly conversion?: GalleryConversion;
}

/** One published price, with where and when it was read. */
export interface GalleryPrice extends GalleryPricing {
  /** The meter's key. */
  readonly meter: string;
  readonly name: string;
  readonly dimensions: Readonly<Record<string, string>>;
  readonly window?: GalleryWindow;
  /** What the source does not say in a figure: "derived: ×0.5 of standard", "deprecated December 2025". */
  readonly note?: string;
  readonly source: string;
  /** YYYY-MM-DD; the first of the month where the source gives the month only. */
  readonly asOf: string;
}

/** All prices that hold from an instant on, until the next version's. */
export interface GalleryVersion {
  readonly effectiveAt: string;
  readonly prices: readonly GalleryPrice[];
  readonly source: string;
  /** Announced, and taken back before it took effect: these prices never held. */
  readonly withdrawn?: true;
}

/** An event as a gateway sends it, but for its id. */
export interface GalleryEvent {
  readonly type: string;
  readonly time: string;
  readonly properties: Readonly<Record<string, unknown>>;
}

/** What a meter counts of one event under one set of dimensions; those that no price asks for are left out. */
export interface GalleryCount {
  /** The event's time, which decides the version and the window. */
  readonly at: string;
  readonly meter: string;
  readonly dimensions: Readonly<Record<string, string>>;
  readonly quantity: string;
}

/** A worked example: events, what is counted of them, and the exact total in the book's currency. */
export interface GalleryExample {
  /** Unique in its book. */
  readonly name: string;
  readonly source: string;
  readonly events: readonly GalleryEvent[];
  readonly counts: readonly GalleryCount[];
  readonly total: string;
}

/** The books of the gallery. */
export type GalleryKey =
  | 'openai'
  | 'anthropic'
  | 'google'
  | 'cohere'
  | 'hugging-face'
  | 'stability'
  | 'replicate'
  | 'tidewater'
  | 'other-providers';

/** One provider's public list prices, with everything needed to charge by them. */
export interface GalleryBook {
  readonly key: GalleryKey;
  readonly name: string;
  readonly currency: 'USD';
  /** The month in which the sources were read. */
  readonly readOn: '2026-11';
  readonly meters: readonly GalleryMeter[];
  readonly models: readonly GalleryModel[];
  /** By effective instant; a withdrawn version stands before the one that took its place. */
  readonly versions: readonly GalleryVersion[];
  readonly examples: readonly GalleryExample[];
}

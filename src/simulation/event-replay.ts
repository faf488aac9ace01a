import type { CatalogService, LiveMeter, ModelLookup } from '../catalog/index.js';
import type { Period } from '../contracts/index.js';
import { inTransaction, type Scope } from '../platform/index.js';
import {
  foldMeasures,
  measureEvent,
  streamEvents,
  type EventPlace,
  type Measure,
  type MeteredEvent,
} from '../usage/index.js';
import { stretchFor } from './event-density.rules.js';
import type { ReplayedUsage } from './replayed-usage.rules.js';
import { eventDensity } from './simulation.queries.js';
import type { ModelBands } from './simulation.rules.js';

/** Who looks on while events are replayed. */
export interface ReplayControl {
  /** Looked at between pages. */
  readonly signal: AbortSignal;
  /** Looks whether it may go on, at the cost of a small query: a simulation that was cancelled may not. */
  readonly mayGoOn: () => Promise<boolean>;
  readonly onEvents: (count: number) => void;
}

/** Context bands by the key of their model, in the place of the catalog's. */
export type ContextsOnTrial = ReadonlyMap<string, ModelBands['bands']>;

/** Whose events of which period are replayed, and with which context bands. */
export interface ReplayedStretch {
  readonly ancestors: readonly string[];
  readonly period: Period;
  readonly contexts: ContextsOnTrial;
  /** Values that outcomes stand for, as `valueKey` names them: they are no usage. */
  readonly without: ReadonlySet<string>;
}

/** Names what one event adds to one meter. A NUL separates, for no part can hold one. */
export function valueKey(meterId: string, { id, source }: { readonly id: string; readonly source: string }): string {
  return `${meterId}\0${id}\0${source}`;
}

/** Where the usage goes: folded with the bands on trial and, where somebody asks for it, with the catalog as it is. */
export interface ReplayInto {
  readonly onTrial: ReplayedUsage;
  readonly asItIs: ReplayedUsage | null;
}

/** How events of one type are measured. */
interface Counting {
  readonly meters: readonly LiveMeter[];
  readonly onTrial: ModelLookup;
  readonly asItIs: ModelLookup;
}

const PAGE = 5_000;
/** Measures of so many events live at a time: those of a whole page would outlive the young part of the heap. */
const FOLDED_AT_ONCE = 250;

/**
 * Reads the stored events of a period, measures them as they were measured when they came, and folds them. Each page is
 * read in a short transaction of its own, so that no writer and no vacuum waits.
 *
 * Every event is counted by every meter there is now, also when it came before the meter was defined: that is how a new
 * meter is tried.
 */
export class EventReplay {
  constructor(private readonly catalog: CatalogService) {}

  /** Replays the events of the scope's tenant. Returns how many there were; null when the signal stopped it. */
  async replay(
    scope: Scope,
    stretch: ReplayedStretch,
    into: ReplayInto,
    { signal, onEvents }: ReplayControl,
  ): Promise<number | null> {
    const { start, end } = stretch.period;
    const window = { from: start, until: end };
    const density = await inTransaction(scope, tx => eventDensity(tx, window));
    const countings = new Map<string, Counting>();
    const read = (after: EventPlace | null): Promise<MeteredEvent[]> =>
      inTransaction(scope, async tx => {
        const thick = stretchFor(density, (after?.time ?? start).getTime(), end.getTime(), PAGE);
        const events = await streamEvents(tx, window, after, PAGE, thick);

        for (const type of new Set(events.map(event => event.type))) {
          countings.set(type, countings.get(type) ?? (await this.#countingOf(tx, stretch, type)));
        }

        return events;
      });
    let total = 0;
    let events = await read(null);

    while (!signal.aborted) {
      const last = events.length < PAGE ? undefined : events.at(-1);
      const next = last ? read(last) : null;
      // The next page is read while this one is measured; a failure waits until the page is asked for.
      next?.catch(() => undefined);
      measureInto(into.onTrial, events, countings, 'onTrial', stretch.without);

      if (into.asItIs) {
        measureInto(into.asItIs, events, countings, 'asItIs', stretch.without);
      }

      total += events.length;
      onEvents(events.length);

      if (!next) {
        return total;
      }

      events = await next;
    }

    return null;
  }

  async #countingOf(tx: Scope, { ancestors, contexts }: ReplayedStretch, type: string): Promise<Counting> {
    const meters = await this.catalog.metersFor(tx, ancestors, type);
    const asItIs = await this.catalog.modelsFor(tx, ancestors);

    return { meters, asItIs, onTrial: withBands(asItIs, contexts) };
  }
}

function measureInto(
  usage: ReplayedUsage,
  events: readonly MeteredEvent[],
  countings: ReadonlyMap<string, Counting>,
  models: 'onTrial' | 'asItIs',
  without: ReadonlySet<string>,
): void {
  for (let at = 0; at < events.length; at += FOLDED_AT_ONCE) {
    const measures: Measure[] = [];

    for (const event of events.slice(at, at + FOLDED_AT_ONCE)) {
      const counting = countings.get(event.type);

      for (const measure of counting ? measuresOf(event, counting.meters, counting[models]) : []) {
        if (without.size === 0 || !without.has(valueKey(measure.meterId, event))) {
          measures.push(measure);
          usage.keep(measure);
        }
      }
    }

    usage.add(foldMeasures(measures));
  }
}

/** What an event adds. A meter that came later and cannot read it does not keep the others from counting it. */
function measuresOf(event: MeteredEvent, meters: readonly LiveMeter[], modelOf: ModelLookup): readonly Measure[] {
  const result = measureEvent(event, meters, modelOf);

  if ('measures' in result) {
    return result.measures;
  }

  return meters.length === 1 ? [] : meters.flatMap(meter => measuresOf(event, [meter], modelOf));
}

function withBands(modelOf: ModelLookup, contexts: ContextsOnTrial): ModelLookup {
  return key => {
    const [model, contextBands] = [modelOf(key), contexts.get(key)];

    return model && contextBands ? { ...model, contextBands, contexts: [] } : model;
  };
}

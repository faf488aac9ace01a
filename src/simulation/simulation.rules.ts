import { type ContextBand, refuseBands } from '../catalog/model.rules.js';
import { decimal, divide, formatDecimal, minOf } from '../money/index.js';

/** What is compared with: the charges as they are, or the published versions, rated by replay like the one on trial. */
export const BASELINES = ['CHARGED', 'PUBLISHED'] as const;

/** How far a simulation of any kind is. */
export const SIMULATION_STATUSES = ['QUEUED', 'RUNNING', 'DONE', 'CANCELLED', 'FAILED'] as const;

/** One of `BASELINES`. */
export type Baseline = (typeof BASELINES)[number];

/** Other context bands of a model than the catalog has. */
export interface ModelBands {
  readonly modelKey: string;
  readonly bands: readonly ContextBand[];
}

/** What a simulation is asked to do. */
export interface SimulationDraft {
  readonly priceBookVersionId: string;
  readonly from: Date;
  readonly until: Date;
  /** Null for every tenant with a contract on the book. */
  readonly tenantIds: readonly string[] | null;
  readonly baseline: Baseline;
  readonly modelContexts: readonly ModelBands[];
}

/** One fault of an input, with the path of the field, outermost first. */
export interface SimulationRefusal {
  readonly field: readonly string[];
  readonly message: string;
}

/** The most tenants of one simulation. */
export const MOST_TENANTS = 10_000;
const MOST_DAYS = 1_830;
const MOST_MODELS = 100;
const DAY_MS = 86_400_000;
const HUNDRED = decimal(100);
/** What is not done is shown as at most this. */
const ALMOST = decimal('99.9');

/** Everything wrong with a draft that can be seen without looking at rows. */
export function refuseSimulation(draft: SimulationDraft, now: Date): SimulationRefusal[] {
  const { from, until, tenantIds, modelContexts } = draft;
  const refusals: SimulationRefusal[] = [];

  if (until <= from || until.getTime() - from.getTime() > MOST_DAYS * DAY_MS) {
    refusals.push({ field: ['until'], message: `until is after from, by at most ${MOST_DAYS} days` });
  } else if (until > now) {
    refusals.push({ field: ['until'], message: 'until is not after now: a simulation replays what was used' });
  }

  if (tenantIds && (tenantIds.length < 1 || tenantIds.length > MOST_TENANTS)) {
    refusals.push({
      field: ['tenantIds'],
      message: `tenantIds has 1 to ${MOST_TENANTS} tenants; leave it out for all that are on the book`,
    });
  }

  if (modelContexts.length > MOST_MODELS) {
    refusals.push({ field: ['modelContexts'], message: `at most ${MOST_MODELS} models have other context bands` });
  }

  const keys = new Set<string>();

  for (const [index, { modelKey, bands }] of modelContexts.entries()) {
    const field = ['modelContexts', String(index)];

    if (keys.has(modelKey)) {
      refusals.push({ field: [...field, 'modelKey'], message: `model ${modelKey.slice(0, 40)} is there twice` });
    }

    keys.add(modelKey);
    refusals.push(...refuseBands(bands, 'bands').map(refusal => ({ ...refusal, field: [...field, ...refusal.field] })));
  }

  return refusals;
}

/** How far a simulation is. Numbers of events are null or an estimate until it is done. */
export interface Progress {
  readonly isDone: boolean;
  readonly tenantsTotal: number;
  readonly tenantsDone: number;
  readonly eventsTotal: string | null;
  readonly eventsDone: string;
}

/** Per cent, with one fraction digit: by events where their number is estimated, else by tenants; 100 only when done. */
export function percentOf({ isDone, tenantsTotal, tenantsDone, eventsTotal, eventsDone }: Progress): string {
  if (isDone) {
    return '100';
  }

  const [done, total] =
    eventsTotal === null || eventsTotal === '0'
      ? [decimal(tenantsDone), decimal(tenantsTotal)]
      : [decimal(eventsDone), decimal(eventsTotal)];

  return total.isZero() ? '0' : formatDecimal(minOf(ALMOST, divide(done.times(HUNDRED), total)).decimalPlaces(1));
}

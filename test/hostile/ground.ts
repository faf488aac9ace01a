import { randomUUID } from 'node:crypto';
import type { Stage } from './stage.js';

/** What the examples stand on. */
export interface Ground {
  readonly stage: Stage;
  /** A book of the platform, and its one version, which is published. */
  readonly bookId: string;
  readonly versionId: string;
}

/** An input of each mutation, by its name, with every field filled, fit to be accepted but for what a test puts into it. */
export type Examples = Readonly<Record<string, () => object | Promise<object>>>;

export const idempotencyKey = (): string => randomUUID();

/** A key that nobody has. */
export const word = (): string => `x${randomUUID().replaceAll('-', '')}`.slice(0, 30);

let quarters = 0;

/** A publication of one instant must not stand in the way of the next. */
export const nextQuarter = (): string => new Date(Date.UTC(2027, 0, 1) + ++quarters * 900_000).toISOString();

/** Terms of a price that tiers do not use. */
export const OTHER_TERMS = {
  unitAmount: null,
  flatAmount: null,
  packageSize: null,
  packageAmount: null,
  freeEvents: null,
  freeAmount: null,
  rate: null,
  fixedAmount: null,
  perEventMinimum: null,
  perEventMaximum: null,
  markup: null,
};

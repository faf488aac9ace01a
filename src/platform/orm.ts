import { Type, type EntitySchema, type Dictionary } from '@mikro-orm/core';
import { MikroORM } from '@mikro-orm/postgresql';
import pg from 'pg';
import { decimal, formatDecimal, type Decimal } from '../money/index.js';
import { sendsLess } from './sql.js';

/**
 * An exact decimal in a `numeric` column. MikroORM's own decimal type compares through floats and so loses updates
 * in the last digits (seen on 7.2.1); this one compares the decimals.
 */
export class DecimalColumn extends Type<Decimal, string> {
  override convertToDatabaseValue(value: Decimal | string): string {
    return value === null || value === undefined ? value : typeof value === 'string' ? value : formatDecimal(value);
  }

  override convertToJSValue(value: string | Decimal): Decimal {
    return value === null || value === undefined ? value : decimal(value);
  }

  override getColumnType(): string {
    return 'numeric';
  }

  override compareAsType(): string {
    return 'string';
  }

  override compareValues(a: string, b: string): boolean {
    return decimal(a).eq(decimal(b));
  }
}

/** The filter every tenant entity carries: the first of the two isolations (the second is the row-level policy). */
export const tenantFilter = {
  tenant: {
    name: 'tenant',
    cond: ({ tenantId }: Dictionary) => ({ tenantId: tenantId as string }),
    default: true,
  },
} as const;

export interface OrmOptions {
  readonly url: string;
  readonly entities: readonly EntitySchema[];
  readonly poolSize: number;
}

/** Connects nothing yet; the first query does. */
export function createOrm(options: OrmOptions): MikroORM {
  return new MikroORM({
    clientUrl: options.url,
    entities: [...options.entities],
    pool: { min: 0, max: options.poolSize },
    // MikroORM keeps timestamps as raw text; ours come as dates in entities and plain SQL alike.
    driverOptions: {
      types: new pg.TypeOverrides(),
      onPoolCreated: (pool: pg.Pool) => void pool.on('connect', sendsLess),
    },
    // Every unit of work is a fork with its own tenant; the shared one is for nobody.
    allowGlobalContext: false,
    debug: false,
  });
}

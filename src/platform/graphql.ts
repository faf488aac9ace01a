import 'reflect-metadata';
import type { EntityManager } from '@mikro-orm/postgresql';
import { GraphQLError, GraphQLScalarType, Kind } from 'graphql';
import { GraphQLDateTime } from 'graphql-scalars';
import { Field, ID, InputType, InterfaceType, ObjectType, registerEnumType, type ClassType } from 'type-graphql';
import { formatDecimal, type Decimal } from '../money/index.js';
import { DomainError, ErrorCode } from './errors.js';
import type { Scope } from './scope.js';

/** What every resolver gets: the caller's scope and what its key may do. */
export interface GraphqlContext {
  readonly scope: Scope;
  readonly permissions: ReadonlySet<string>;
  /** A test key checks and answers, and changes nothing. */
  readonly isTest: boolean;
}

const DECIMAL = /^-?\d{1,26}(\.\d{1,18})?$/;

function readDecimal(value: unknown): string {
  if (typeof value !== 'string' || !DECIMAL.test(value)) {
    throw new GraphQLError('Decimal is a string such as "12.50": up to 26 digits before and 18 after the point', {
      extensions: { code: 'BAD_USER_INPUT' },
    });
  }

  return value;
}

/** Exact decimals travel as strings: a JSON number would be rounded by most clients. */
export const DecimalScalar = new GraphQLScalarType<string, string>({
  name: 'Decimal',
  description:
    'An exact decimal number as a string, such as "0.0000025": no exponent, up to 26 digits before and 18 after the point on input; output may have more after it. JSON numbers are refused.',
  serialize: value => (typeof value === 'string' ? value : formatDecimal(value as Decimal)),
  parseValue: readDecimal,
  parseLiteral: node => (node.kind === Kind.STRING ? readDecimal(node.value) : readDecimal(undefined)),
});

/** JSON objects: event properties and explanations. */
export const JsonScalar = new GraphQLScalarType<unknown, unknown>({
  name: 'JSON',
  description: 'Any JSON value.',
  serialize: value => value,
  parseValue: value => value,
  parseLiteral: (node, variables) => literal(node, variables ?? {}),
});

function literal(node: Parameters<GraphQLScalarType['parseLiteral']>[0], variables: Record<string, unknown>): unknown {
  switch (node.kind) {
    case Kind.STRING:
    case Kind.BOOLEAN:
      return node.value;

    case Kind.INT:
    case Kind.FLOAT: {
      const value = Number(node.value);

      // A literal that a double cannot carry stays the text it was, so that no quantity is altered unseen.
      return Number.isFinite(value) && node.value.replace(/\D/g, '').length <= 15 ? value : node.value;
    }

    case Kind.LIST:
      return node.values.map(item => literal(item, variables));

    case Kind.OBJECT:
      return Object.fromEntries(node.fields.map(field => [field.name.value, literal(field.value, variables)]));

    case Kind.VARIABLE:
      return variables[node.name.value];

    default:
      return null;
  }
}

/** Postgres and JavaScript disagree about the year 0 and before; no instant of ours is there. */
function inOurEra(value: Date): Date {
  if (value.getUTCFullYear() < 1) {
    throw new TypeError('a DateTime is of the year 1 or later');
  }

  return value;
}

/** Instants as RFC 3339 texts, from the year 1 on. */
export const DateTimeScalar = new GraphQLScalarType<Date, Date>({
  ...GraphQLDateTime.toConfig(),
  parseValue: value => inOurEra(GraphQLDateTime.parseValue(value)),
  parseLiteral: (node, variables) => inOurEra(GraphQLDateTime.parseLiteral(node, variables)),
});

registerEnumType(ErrorCode, {
  name: 'ErrorCode',
  description: 'Why a mutation was refused. Codes are added over time: treat an unknown one as a refusal.',
  valuesConfig: {
    NOT_FOUND: { description: 'The id does not exist for this key.' },
    INVALID_INPUT: { description: 'A field has a value that cannot be; `field` names it.' },
    FORBIDDEN: { description: 'The key may not do this to this object.' },
    ALREADY_EXISTS: { description: 'Another object has this name or place.' },
    IDEMPOTENCY_KEY_REUSED: { description: 'The idempotency key was used with other input.' },
    INVALID_TRANSITION: { description: 'The object is not in a state from which this can happen.' },
    PRICES_AMBIGUOUS: { description: 'Two prices match the same usage and neither is more specific.' },
    PERIOD_OPEN: { description: 'The billing period has not ended.' },
    UNPRICED_USAGE: { description: 'The period holds usage without a price.' },
    SELF_VERIFICATION: { description: 'The key that claimed an outcome does not verify it; another one may.' },
    SELF_DECISION: { description: 'The key that opened a dispute does not decide it; another one may.' },
    CLOCK_SKEW: { description: "The caller's clock is too far from ours: set it right." },
  },
});

@ObjectType('Money', { description: 'An exact amount in one currency.' })
@InputType('MoneyInput', { description: 'An exact amount in one currency.' })
export class MoneyType {
  @Field(() => DecimalScalar, { description: 'The amount in major units, such as "12.50".' })
  amount!: string;

  @Field(() => String, { description: 'ISO 4217 code.' })
  currency!: string;

  static of(amount: Decimal, currency: string): MoneyType {
    return Object.assign(new MoneyType(), { amount: formatDecimal(amount), currency });
  }
}

@InterfaceType({
  description: 'An object that can be fetched again by its id.',
  resolveType: (value: object) => value.constructor.name.replace(/Type$/, ''),
})
export abstract class Node {
  @Field(() => ID, { description: 'Opaque, globally unique and stable.' })
  id!: string;
}

@ObjectType({ description: 'A refusal the caller can act on.' })
export class UserError {
  @Field(() => ErrorCode, { description: 'Stable, for programs.' })
  code!: ErrorCode;

  @Field(() => String, { description: 'For people; wording may change.' })
  message!: string;

  @Field(() => [String], { description: 'Path of the input field at fault, outermost first; empty when none is.' })
  field!: readonly string[];
}

/** What every payload of a mutation has. */
@ObjectType()
export abstract class MutationPayload {
  @Field(() => [UserError], { description: 'Why it was refused; empty when it was not.' })
  userErrors!: UserError[];
}

/** What the payload of a mutation with an idempotency key has besides. */
@ObjectType()
export abstract class OncePayload extends MutationPayload {
  @Field(() => Boolean, { description: 'Whether an earlier call with the same idempotency key did it.' })
  replayed: boolean = false;
}

/** Turns a domain refusal into a payload; lets everything else reach Apollo as an internal error. */
export async function payload<P extends { userErrors: UserError[] }>(
  type: new () => P,
  work: () => Promise<Omit<P, 'userErrors'>>,
): Promise<P> {
  try {
    return Object.assign(new type(), await work(), { userErrors: [] });
  } catch (error) {
    if (!(error instanceof DomainError)) {
      throw error;
    }

    const { code, message, field } = error;

    return Object.assign(new type(), { userErrors: [Object.assign(new UserError(), { code, message, field })] });
  }
}

@ObjectType({ description: 'Where a page stands in its list.' })
export class PageInfo {
  @Field(() => Boolean, { description: 'Whether more follows after `endCursor`.' })
  hasNextPage!: boolean;

  @Field(() => String, { nullable: true, description: 'Give it as `after` to read on; null on an empty page.' })
  endCursor!: string | null;
}

/** The two classes of a Relay connection for one node type. */
export function connectionOf<T extends object>(name: string, node: () => ClassType<T>) {
  @ObjectType(`${name}Edge`, { description: `One ${name} in a list.` })
  class Edge {
    @Field(() => String, { description: 'The place of this node in the list.' })
    cursor!: string;

    @Field(node, { description: 'The object.' })
    node!: T;
  }

  @ObjectType(`${name}Connection`, { description: `A page of a list of ${name}.` })
  class Connection {
    @Field(() => [Edge], { description: 'The nodes of this page, with their cursors.' })
    edges!: Edge[];

    @Field(() => PageInfo, { description: 'Whether and how to read on.' })
    pageInfo!: PageInfo;
  }

  return Connection;
}

export interface PageArguments {
  readonly first: number;
  readonly after?: string | null | undefined;
}

/** A page as a connection: `rows` holds up to first + 1 items, in order; `cursorOf` is made opaque here. */
export function connection<Row, T>(
  rows: readonly Row[],
  first: number,
  cursorOf: (row: Row) => string,
  toNode: (row: Row) => T,
): { edges: { cursor: string; node: T }[]; pageInfo: PageInfo } {
  const edges = rows
    .slice(0, first)
    .map(row => ({ cursor: Buffer.from(cursorOf(row)).toString('base64url'), node: toNode(row) }));

  return { edges, pageInfo: { hasNextPage: rows.length > first, endCursor: edges.at(-1)?.cursor ?? null } };
}

/** Checks `first` and opens the cursor. Refuses out-of-range sizes rather than bending them. */
export function page({ first, after }: PageArguments): { limit: number; after: string | null } {
  if (!Number.isInteger(first) || first < 1 || first > 100) {
    throw DomainError.invalid('first is from 1 to 100', ['first']);
  }

  const opened = after ? Buffer.from(after, 'base64url').toString('utf8') : null;

  // The longest place is that of a usage event: an instant, an id and a source.
  if (opened !== null && (opened === '' || opened.length > 600 || opened.includes('\0') || !opened.isWellFormed())) {
    throw DomainError.invalid('after is a cursor that a page of this list gave', ['after']);
  }

  return { limit: first + 1, after: opened };
}

/** Finds one page of entities of the scope's tenant by descending id (newest first). */
export async function findPage<E extends { id: string }>(
  em: EntityManager,
  entity: new () => E,
  where: object,
  args: PageArguments,
): Promise<E[]> {
  const { limit, after } = page(args);
  const filter = { ...where, ...(after ? { id: { $lt: after } } : {}) };

  return em.find(entity as never, filter as never, { orderBy: { id: 'desc' } as never, limit }) as Promise<E[]>;
}

/** Options of the `first` argument of every list. */
export const FIRST = { defaultValue: 20, description: 'How many, from 1 to 100.' } as const;
/** Options of the `after` argument of every list. */
export const AFTER = { nullable: true, description: 'The `endCursor` of the page before.' } as const;
/** Description of every `idempotencyKey`. */
export const IDEMPOTENCY_KEY = {
  description:
    '1 to 255 characters, chosen by the caller. The same key and input gives the first result again; the same key with other input is an error.',
} as const;
/** Description of every `tenantId` in an input. */
export const TENANT_ID = {
  nullable: true,
  description: "The tenant to act on: the key's own (the default) or one below it.",
} as const;

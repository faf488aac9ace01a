import {
  getNamedType,
  getNullableType,
  GraphQLError,
  GraphQLInt,
  isCompositeType,
  isInterfaceType,
  isListType,
  isObjectType,
  Kind,
  SchemaMetaFieldDef,
  TypeMetaFieldDef,
} from 'graphql';
import type {
  ArgumentNode,
  ASTNode,
  ConstValueNode,
  ConstDirectiveNode,
  DirectiveNode,
  DocumentNode,
  FieldNode,
  FragmentDefinitionNode,
  GraphQLCompositeType,
  GraphQLField,
  GraphQLFormattedError,
  GraphQLSchema,
  OperationDefinitionNode,
  SelectionNode,
  SelectionSetNode,
  ValidationRule,
} from 'graphql';
import { DomainError } from './errors.js';

/** The most tokens a document may have; goes to the parser as `maxTokens` on every transport. */
export const MAX_TOKENS = 2000;

/** How much one document may ask for. A fragment counts at every place that spreads it. */
export interface GraphqlLimits {
  /** Fields inside fields, the leaf counted. */
  readonly maxDepth: number;
  /** The same inside `__schema` and `__type`, counted from there. */
  readonly maxIntrospectionDepth: number;
  /** Lists of types inside lists of types (`fields { type { fields`) inside `__schema` and `__type`. */
  readonly maxIntrospectionLists: number;
  readonly maxAliases: number;
  readonly maxRootFields: number;
  readonly maxDirectives: number;
  /** The greatest number of objects and lists an answer can hold. */
  readonly maxCost: number;
  /** The largest `first` or `last`; also what an absent one without a default in the schema counts as. */
  readonly maxPage: number;
}

/** The limits of both schemas. */
export const DEFAULT_LIMITS: GraphqlLimits = {
  maxDepth: 15,
  maxIntrospectionDepth: 20,
  maxIntrospectionLists: 2,
  maxAliases: 15,
  maxRootFields: 10,
  maxDirectives: 20,
  maxCost: 5000,
  maxPage: 100,
};

type Variables = Readonly<Record<string, unknown>>;

/**
 * The limits as validation rules. With the variables, the verdict is that of `limitDocument`. Without them every page size
 * that is a variable counts as the largest, so the verdict holds for any variables in range: right for trusted documents, and the only
 * safe one where validated documents are cached (Apollo's `validationRules`), but it refuses some documents that would pass.
 */
export function limitRules(limits: GraphqlLimits, variables?: Record<string, unknown>): ValidationRule[] {
  return [
    context => ({
      Document(document) {
        for (const error of new Measuring(context.getSchema(), document, variables, limits).errors()) {
          context.reportError(error);
        }
      },
    }),
  ];
}

/**
 * Judges a parsed document with the variables of its request, before anything is executed; the same call serves HTTP and
 * WebSocket. Every operation and fragment in the document is held to the limits, also those that will not run. Takes time in
 * proportion to the document, whatever its fragments do; never throws. Errors carry `code` QUERY_TOO_COMPLEX (with `limit`
 * and `found`) or BAD_USER_INPUT (a fragment that spreads itself, a page size out of range) and status 400.
 */
export function limitDocument(
  schema: GraphQLSchema,
  document: DocumentNode,
  variables: Variables | null | undefined,
  limits: GraphqlLimits,
): readonly GraphQLError[] {
  return new Measuring(schema, document, variables ?? {}, limits).errors();
}

/** What a selection set asks for. Sizes stop at ENOUGH: fan-out doubles them with every fragment. */
interface Measure {
  readonly depth: number;
  readonly introspectionDepth: number;
  readonly introspectionLists: number;
  readonly fields: number;
  readonly aliases: number;
  readonly directives: number;
  /** The cost is `fixed + n × perItem`, n being the page size of the connection around it, or 1. */
  readonly fixed: number;
  readonly perItem: number;
}

const NOTHING: Measure = {
  depth: 0,
  introspectionDepth: 0,
  introspectionLists: 0,
  fields: 0,
  aliases: 0,
  directives: 0,
  fixed: 0,
  perItem: 0,
};

const ENOUGH = 1_000_000_000;
/** Selection sets and spreads inside each other. The stack holds it, and no honest document comes near. */
const MAX_NESTING = 200;
const MAX_PROBLEMS = 10;
const PAGE_ARGUMENTS: readonly string[] = ['first', 'last'];
const INTROSPECTION_LISTS = new Set(['fields', 'inputFields', 'interfaces', 'possibleTypes']);

class Measuring {
  readonly #fragments = new Map<string, FragmentDefinitionNode>();
  readonly #measured = new Map<string, Measure>();
  readonly #open = new Set<string>();
  /** By variable: what each operation that declares it gives as its default; undefined where one gives none. */
  readonly #defaults = new Map<string, readonly (number | null | undefined)[]>();
  readonly #problems: GraphQLError[] = [];

  constructor(
    private readonly schema: GraphQLSchema,
    private readonly document: DocumentNode,
    private readonly variables: Variables | undefined,
    private readonly limits: GraphqlLimits,
  ) {}

  errors(): readonly GraphQLError[] {
    const operations: OperationDefinitionNode[] = [];

    for (const definition of this.document.definitions) {
      if (definition.kind === Kind.FRAGMENT_DEFINITION) {
        this.#fragments.set(definition.name.value, definition);
      } else if (definition.kind === Kind.OPERATION_DEFINITION) {
        operations.push(definition);
        this.#readDefaults(definition);
      }
    }

    let largest = NOTHING;
    let rootFields = 0;

    for (const operation of operations) {
      const measure = this.#operation(operation);

      largest = largestOf(largest, measure);
      rootFields = Math.max(rootFields, measure.fields);
    }

    for (const name of this.#fragments.keys()) {
      largest = largestOf(largest, this.#fragment(name, 0));
    }

    const { limits } = this;
    const tooComplex = [
      overLimit('is nested too deeply', largest.depth, limits.maxDepth),
      overLimit('nests introspection too deeply', largest.introspectionDepth, limits.maxIntrospectionDepth),
      overLimit('nests introspection lists too deeply', largest.introspectionLists, limits.maxIntrospectionLists),
      overLimit('has too many aliases', largest.aliases, limits.maxAliases),
      overLimit('has too many root fields', rootFields, limits.maxRootFields),
      overLimit('has too many directives', largest.directives, limits.maxDirectives),
      overLimit('costs too much', add(largest.fixed, largest.perItem), limits.maxCost),
    ];

    return [...tooComplex.filter(error => error !== null), ...this.#problems];
  }

  #operation(operation: OperationDefinitionNode): Measure {
    const type = this.schema.getRootType(operation.operation) ?? undefined;
    const directives = [operation, ...(operation.variableDefinitions ?? [])].reduce(
      (n, node) => n + directivesOf(node),
      0,
    );

    return sum(this.#selections(operation.selectionSet, type, 0), { ...NOTHING, directives });
  }

  #selections(set: SelectionSetNode, parent: GraphQLCompositeType | undefined, nesting: number): Measure {
    if (nesting > MAX_NESTING) {
      return { ...NOTHING, depth: MAX_NESTING + 1 };
    }

    return set.selections.reduce((total, node) => sum(total, this.#selection(node, parent, nesting)), NOTHING);
  }

  #selection(node: SelectionNode, parent: GraphQLCompositeType | undefined, nesting: number): Measure {
    const own = { ...NOTHING, directives: directivesOf(node) };

    if (node.kind === Kind.FIELD) {
      return sum(this.#field(node, parent, nesting), own);
    }

    if (node.kind === Kind.FRAGMENT_SPREAD) {
      return sum(this.#fragment(node.name.value, nesting, node), own);
    }

    const type = node.typeCondition ? this.#type(node.typeCondition.name.value) : parent;

    return sum(this.#selections(node.selectionSet, type, nesting + 1), own);
  }

  /** Measured once, however often it is spread; so the time stays linear while the counts double. */
  #fragment(name: string, nesting: number, spread?: ASTNode): Measure {
    const known = this.#measured.get(name);
    const fragment = this.#fragments.get(name);

    if (known || !fragment) {
      return known ?? NOTHING;
    }

    if (this.#open.has(name)) {
      this.#report(`Fragment ${name} spreads itself.`, spread);
      return NOTHING;
    }

    this.#open.add(name);
    const type = this.#type(fragment.typeCondition.name.value);
    const own = { ...NOTHING, directives: directivesOf(fragment) };
    const measure = sum(this.#selections(fragment.selectionSet, type, nesting + 1), own);
    this.#open.delete(name);
    this.#measured.set(name, measure);

    return measure;
  }

  #field(node: FieldNode, parent: GraphQLCompositeType | undefined, nesting: number): Measure {
    const field = this.#fieldOf(parent, node.name.value);
    const named = field && getNamedType(field.type);
    const inner = node.selectionSet
      ? this.#selections(node.selectionSet, isCompositeType(named) ? named : undefined, nesting + 1)
      : NOTHING;
    const counts = { fields: 1, aliases: add(inner.aliases, node.alias ? 1 : 0), directives: inner.directives };
    const cost = this.#costOf(node, field, inner);

    if (!parent?.name.startsWith('__')) {
      return { ...inner, ...counts, ...cost, depth: 1 + inner.depth };
    }

    return {
      ...counts,
      ...cost,
      depth: inner.depth,
      introspectionDepth: 1 + inner.introspectionDepth,
      introspectionLists: inner.introspectionLists + (INTROSPECTION_LISTS.has(node.name.value) ? 1 : 0),
    };
  }

  /**
   * An object costs 1; a list costs, for each item it may hold, 1 and what is selected on the item. A page size belongs to the
   * field's own list, or, on a connection, to the lists selected on it (`edges`, `nodes`). Other lists count as one item.
   */
  #costOf(
    node: FieldNode,
    field: GraphQLField<unknown, unknown> | undefined,
    inner: Measure,
  ): Pick<Measure, 'fixed' | 'perItem'> {
    const isList = field !== undefined && isListType(getNullableType(field.type));
    const page = this.#pageOf(node, field);
    const item = add(1, inner.fixed, inner.perItem);

    if (isList) {
      return page === null ? { fixed: 0, perItem: item } : { fixed: times(page, item), perItem: 0 };
    }

    if (!node.selectionSet) {
      return { fixed: 0, perItem: 0 };
    }

    return page === null
      ? { fixed: add(1, inner.fixed), perItem: inner.perItem }
      : { fixed: add(1, inner.fixed, times(page, inner.perItem)), perItem: 0 };
  }

  /** The page size of a field, or null when it has none. */
  #pageOf(node: FieldNode, field: GraphQLField<unknown, unknown> | undefined): number | null {
    const paging = (field?.args ?? []).filter(
      argument => PAGE_ARGUMENTS.includes(argument.name) && getNullableType(argument.type) === GraphQLInt,
    );

    if (paging.length === 0) {
      return null;
    }

    const sizes: number[] = [];

    for (const argument of paging) {
      const asked = this.#sizesAsked(node, argument.name);

      for (const size of asked) {
        const known: unknown = size === undefined ? argument.defaultValue : size;

        if (typeof known === 'number') {
          sizes.push(known);
        } else if (asked.length > 1) {
          // Left open by one operation only: the others' sizes must not hide that.
          sizes.push(this.limits.maxPage);
        }
      }
    }

    // What a resolver takes when nothing or an explicit null says how many is not known here.
    return sizes.length === 0 ? this.limits.maxPage : Math.max(1, ...sizes);
  }

  /**
   * The page sizes that an argument may ask for; undefined among them is its absence, null an explicit null.
   * Sizes out of range are reported and capped.
   */
  #sizesAsked(node: FieldNode, name: string): readonly (number | null | undefined)[] {
    const argument = node.arguments?.find(candidate => candidate.name.value === name);

    if (!argument) {
      return [undefined];
    }

    const { value } = argument;

    if (value.kind === Kind.NULL) {
      return [null];
    }

    if (value.kind !== Kind.VARIABLE) {
      return [this.#sizeIn(argument, node, value.kind === Kind.INT ? Number(value.value) : value.kind)];
    }

    if (this.variables === undefined) {
      return [this.limits.maxPage];
    }

    const variable = value.name.value;
    const given = Object.hasOwn(this.variables, variable) ? this.variables[variable] : undefined;

    if (given !== undefined) {
      return [given === null ? null : this.#sizeIn(argument, node, given)];
    }

    const defaults = this.#defaults.get(variable) ?? [undefined];

    return defaults.map(size => (typeof size === 'number' ? this.#sizeIn(argument, node, size) : size));
  }

  #sizeIn(argument: ArgumentNode, node: FieldNode, value: unknown): number {
    const { maxPage } = this.limits;

    if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= maxPage) {
      return value;
    }

    const found = typeof value === 'number' ? String(value) : 'another kind of value';

    this.#report(
      `Argument ${argument.name.value} of ${node.name.value} is a whole number up to ${maxPage}; found ${found}.`,
      argument,
    );

    return maxPage;
  }

  #readDefaults(operation: OperationDefinitionNode): void {
    for (const { variable, defaultValue } of operation.variableDefinitions ?? []) {
      const others = this.#defaults.get(variable.name.value) ?? [];

      this.#defaults.set(variable.name.value, [...others, sizeDeclared(defaultValue)]);
    }
  }

  #fieldOf(parent: GraphQLCompositeType | undefined, name: string): GraphQLField<unknown, unknown> | undefined {
    if (parent === this.schema.getQueryType()) {
      const meta = [SchemaMetaFieldDef, TypeMetaFieldDef].find(field => field.name === name);

      if (meta) {
        return meta;
      }
    }

    return isObjectType(parent) || isInterfaceType(parent) ? parent.getFields()[name] : undefined;
  }

  #type(name: string): GraphQLCompositeType | undefined {
    const type = this.schema.getType(name);

    return isCompositeType(type) ? type : undefined;
  }

  #report(message: string, node: ASTNode | undefined): void {
    if (this.#problems.length < MAX_PROBLEMS) {
      this.#problems.push(
        new GraphQLError(message, { nodes: node, extensions: { code: 'BAD_USER_INPUT', http: { status: 400 } } }),
      );
    }
  }
}

function overLimit(what: string, found: number, limit: number): GraphQLError | null {
  if (found <= limit) {
    return null;
  }

  const shown = found >= ENOUGH ? `${ENOUGH} or more` : String(found);

  return new GraphQLError(`The document ${what}: at most ${limit}, found ${shown}.`, {
    extensions: { code: 'QUERY_TOO_COMPLEX', limit, found, http: { status: 400 } },
  });
}

function sizeDeclared(value: ConstValueNode | undefined): number | null | undefined {
  if (value?.kind === Kind.INT) {
    return Number(value.value);
  }

  return value?.kind === Kind.NULL ? null : undefined;
}

function directivesOf(node: { readonly directives?: readonly (DirectiveNode | ConstDirectiveNode)[] }): number {
  return node.directives?.length ?? 0;
}

function add(...terms: readonly number[]): number {
  return Math.min(
    ENOUGH,
    terms.reduce((total, term) => total + term, 0),
  );
}

function times(count: number, each: number): number {
  return Math.min(ENOUGH, count * each);
}

function sum(a: Measure, b: Measure): Measure {
  return {
    depth: Math.min(ENOUGH, Math.max(a.depth, b.depth)),
    introspectionDepth: Math.max(a.introspectionDepth, b.introspectionDepth),
    introspectionLists: Math.max(a.introspectionLists, b.introspectionLists),
    fields: add(a.fields, b.fields),
    aliases: add(a.aliases, b.aliases),
    directives: add(a.directives, b.directives),
    fixed: add(a.fixed, b.fixed),
    perItem: add(a.perItem, b.perItem),
  };
}

function largestOf(a: Measure, b: Measure): Measure {
  return {
    depth: Math.max(a.depth, b.depth),
    introspectionDepth: Math.max(a.introspectionDepth, b.introspectionDepth),
    introspectionLists: Math.max(a.introspectionLists, b.introspectionLists),
    fields: Math.max(a.fields, b.fields),
    aliases: Math.max(a.aliases, b.aliases),
    directives: Math.max(a.directives, b.directives),
    fixed: Math.max(add(a.fixed, a.perItem), add(b.fixed, b.perItem)),
    perItem: 0,
  };
}

/** Codes whose errors were written for the caller. */
const PUBLIC_CODES = new Set([
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'BAD_USER_INPUT',
  'BAD_REQUEST',
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
  'NOT_FOUND',
  'OPERATION_RESOLUTION_FAILURE',
  'PERSISTED_QUERY_NOT_FOUND',
  'PERSISTED_QUERY_NOT_SUPPORTED',
  'QUERY_TOO_COMPLEX',
  'RATE_LIMITED',
]);

/** Members of `extensions` that may leave with a public error. */
const PUBLIC_EXTENSIONS: readonly string[] = [
  'field',
  'fields',
  'path',
  'limit',
  'found',
  'retryAfter',
  'retryAfterSeconds',
];

const MAX_MESSAGE_LENGTH = 500;

/**
 * The error as a caller may see it, on every transport: `formatted` is its wire form so far, `error` what was thrown.
 * A public code passes with its message and the request id; all else becomes INTERNAL without a trace of what happened.
 * Errors of graphql-js itself have no code outside Apollo, and get the one Apollo gives them. When a scalar threw something
 * not meant for callers, the message ends before its words.
 */
export function formatGraphqlError(
  formatted: GraphQLFormattedError,
  error: unknown,
  requestId: string,
): GraphQLFormattedError {
  const { locations, path } = formatted;
  const place = { ...(locations && { locations }), ...(path && { path }) };
  const cause = causeOf(error);
  const code = publicCodeOf(formatted, error, cause);

  if (code === null) {
    const message = 'Internal error. Quote the request id to support.';

    return { message, ...place, extensions: { code: 'INTERNAL', requestId } };
  }

  const extensions: Record<string, unknown> = { code, requestId };

  for (const name of PUBLIC_EXTENSIONS) {
    if (formatted.extensions?.[name] !== undefined) {
      extensions[name] = formatted.extensions[name];
    }
  }

  if (cause instanceof DomainError && cause.field.length > 0) {
    extensions['field'] = cause.field;
  }

  return { message: safeMessage(formatted.message, cause), ...place, extensions };
}

function publicCodeOf(formatted: GraphQLFormattedError, error: unknown, cause: unknown): string | null {
  const code = formatted.extensions?.['code'];

  // Apollo calls all that a validation rule reports GRAPHQL_VALIDATION_FAILED; the rule's own code says more.
  if (code === 'GRAPHQL_VALIDATION_FAILED' && error instanceof GraphQLError) {
    const own = error.originalError instanceof GraphQLError ? error.originalError.extensions['code'] : undefined;

    return typeof own === 'string' && PUBLIC_CODES.has(own) ? own : code;
  }

  if (typeof code === 'string' && PUBLIC_CODES.has(code)) {
    return code;
  }

  // A refusal keeps its own code. A scalar's refusal is about input: it points at the document, and has no path in the answer.
  const isAboutInput = error instanceof GraphQLError && error.path === undefined && error.nodes !== undefined;

  if (cause instanceof DomainError && !isAboutInput) {
    return cause.code;
  }

  const isUncoded = code === undefined || code === 'INTERNAL_SERVER_ERROR';

  return isUncoded && error instanceof GraphQLError ? codeOfGraphqlJs(error) : null;
}

/** The code of an error that graphql-js made itself, told by where it points; null when it came out of a resolver. */
function codeOfGraphqlJs(error: GraphQLError): string | null {
  const node = error.nodes?.[0];

  if (node?.kind === Kind.VARIABLE_DEFINITION && error.path === undefined) {
    return 'BAD_USER_INPUT';
  }

  // Errors of resolvers point at fields; these point at the value of an argument.
  if (node !== undefined && node.kind !== Kind.FIELD && /^Argument "\w+" (of|has) /.test(error.message)) {
    return 'BAD_USER_INPUT';
  }

  if (error.path !== undefined || error.locations === undefined) {
    return null;
  }

  return error.message.startsWith('Syntax Error: ') ? 'GRAPHQL_PARSE_FAILED' : 'GRAPHQL_VALIDATION_FAILED';
}

/** Leaves out the words of an error that was not written for callers, and what makes a message long: the caller's own values. */
function safeMessage(message: string, cause: unknown): string {
  const words = String(member(cause, 'message'));
  const isForeign = cause !== null && words !== '' && !isWrittenForCallers(cause);
  const at = isForeign ? message.lastIndexOf(words) : -1;
  const kept = at === -1 ? message : message.slice(0, at).replace(/[;\s]+$/, '');

  return kept === '' ? 'Invalid input.' : kept.slice(0, MAX_MESSAGE_LENGTH);
}

function isWrittenForCallers(cause: unknown): boolean {
  const code = member(member(cause, 'extensions'), 'code');

  return cause instanceof DomainError || (typeof code === 'string' && PUBLIC_CODES.has(code));
}

/** What was thrown below graphql-js's own errors, which need not be an Error; null when there is nothing below them. */
function causeOf(error: unknown): unknown {
  let cause = error;

  while (cause instanceof GraphQLError) {
    cause = cause.originalError ?? null;
  }

  return cause;
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[name] : undefined;
}

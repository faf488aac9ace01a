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
  GraphQLSchema,
  OperationDefinitionNode,
  SelectionNode,
  SelectionSetNode,
} from 'graphql';
import { add, ENOUGH, largestOf, sum, times, type Measure } from './graphql-measure.js';

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
    private readonly variables: Variables,
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

import { Environment } from '@marcbachmann/cel-js';

/** What a filter sees of an event. */
export interface FilteredEvent {
  readonly type: string;
  readonly subject: string | null;
  readonly source: string;
  readonly properties: Readonly<Record<string, unknown>>;
}

/** A compiled filter. */
export interface EventFilter {
  readonly text: string;
  /**
   * True when the expression is true of the event. An evaluation that fails (a missing key, a text compared with a number)
   * is false, never an error: `has(properties.x)` is the way to ask for a key that may be missing.
   */
  matches(event: FilteredEvent): boolean;
}

/** Why an expression was not compiled. */
export interface FilterRefusal {
  readonly field: string[];
  readonly message: string;
}

const MAX_LENGTH = 2_000;
const MAX_NODES = 300;
const MAX_DEPTH = 32;

/** Functions whose time and memory are linear in their input. Without `matches` (a backtracking RegExp), `bind`, `join` and
 *  `split` (texts that grow with every step) and the functions of time zones. */
const FUNCTIONS: ReadonlySet<string> = new Set([
  'has',
  'size',
  'startsWith',
  'endsWith',
  'contains',
  'lowerAscii',
  'upperAscii',
  'trim',
  'indexOf',
  'lastIndexOf',
  'substring',
  'int',
  'double',
  'string',
  'bool',
]);

/** Comprehensions: each runs its body for every element of a list. */
const MACROS: ReadonlySet<string> = new Set(['all', 'exists', 'exists_one', 'map', 'filter']);

const VARIABLES: ReadonlySet<string> = new Set(['type', 'subject', 'source', 'properties']);

/** The library keeps `type` for its type constant. A name of the same length, so that positions stay those of the sender. */
const TYPE_ALIAS = '_typ';

const environment = new Environment({
  homogeneousAggregateLiterals: false,
  limits: {
    maxAstNodes: MAX_NODES,
    maxDepth: MAX_DEPTH,
    maxListElements: 200,
    maxMapEntries: 50,
    maxCallArguments: 4,
  },
})
  .registerVariable(TYPE_ALIAS, 'string')
  .registerVariable('subject', 'string')
  .registerVariable('source', 'string')
  .registerVariable('properties', 'map<string, dyn>');

// JSON numbers are doubles and CEL's `5` is an int. CEL compares the two but does not calculate with both; a person expects it.
const ARITHMETIC: Readonly<Record<string, (a: number, b: number) => number>> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => a / b,
  '%': (a, b) => a % b,
};

for (const [sign, calculate] of Object.entries(ARITHMETIC)) {
  const handler = (a: number | bigint, b: number | bigint): number => calculate(Number(a), Number(b));

  environment.registerOperator(`double ${sign} int: double`, handler);
  environment.registerOperator(`int ${sign} double: double`, handler);
}

environment.registerOperator('double % double: double', (a: number, b: number) => a % b);

/**
 * Compiles a CEL expression over `type`, `subject` (empty when the event has none), `source` and `properties`; an empty text
 * matches every event. Refused, with the position: what is no CEL, what does not type-check, a result that is not a
 * boolean, functions and macros that an event could make slow (`matches`, a macro in a macro, more than one macro,
 * `properties` inside a macro), more than 2,000 characters, 300 nodes or 32 levels.
 */
export function compileFilter(
  text: string,
): { readonly filter: EventFilter } | { readonly refusals: readonly FilterRefusal[] } {
  if (text.length > MAX_LENGTH) {
    return refuse([`the filter has ${text.length} characters; at most ${MAX_LENGTH} are allowed`]);
  }

  // Postgres stores neither; a comparison with either can be written with an escape.
  if (text.includes('\0') || !text.isWellFormed()) {
    return refuse(['the filter holds a NUL character or half a surrogate pair, which is no text']);
  }

  if (text.trim() === '') {
    return { filter: { text, matches: () => true } };
  }

  try {
    const survey = surveyOf(environment.parse(text).ast);

    if (survey.faults.length > 0) {
      return refuse(survey.faults);
    }

    const expression = withAlias(text, survey.typePositions);
    const checked = environment.check(expression);

    if (!checked.valid) {
      return refuse([describe(checked.error)]);
    }

    if (checked.type !== 'bool' && checked.type !== 'dyn') {
      return refuse([`the filter is a ${checked.type ?? 'value'}, not a boolean; compare it with something`]);
    }

    return { filter: filterOf(text, environment.parse(expression)) };
  } catch (error) {
    return refuse([describe(error)]);
  }
}

function filterOf(text: string, evaluate: (context: Record<string, unknown>) => unknown): EventFilter {
  return {
    text,
    matches: ({ type, subject, source, properties }) => {
      try {
        return evaluate({ [TYPE_ALIAS]: type, subject: subject ?? '', source, properties }) === true;
      } catch {
        return false;
      }
    },
  };
}

function refuse(messages: readonly string[]): { readonly refusals: readonly FilterRefusal[] } {
  return { refusals: messages.map(message => ({ field: ['filter'], message })) };
}

/** The library's sentence and place, without its drawing of the line; a stack that overflowed is a depth refusal too. */
function describe(error: unknown): string {
  const { summary, message, range } = error as {
    readonly summary?: string;
    readonly message?: string;
    readonly range?: { readonly start: number };
  };
  const sentence = summary ?? message ?? 'the filter cannot be read';

  return range ? at(sentence, range.start) : sentence;
}

function at(sentence: string, start: number): string {
  return `${sentence} (at character ${start + 1})`;
}

/** The parts of the library's syntax tree that are looked at. */
interface Node {
  readonly op: string;
  readonly args: unknown;
  readonly start: number;
}

interface Survey {
  readonly faults: string[];
  /** Where the variable `type` stands. */
  readonly typePositions: number[];
  macros: number;
}

function surveyOf(root: Node): Survey {
  const survey: Survey = { faults: [], typePositions: [], macros: 0 };

  look(root, false, survey);

  return survey;
}

function look(node: Node, isInMacro: boolean, survey: Survey): void {
  switch (node.op) {
    case 'value':
      return;

    case 'id':
      lookAtName(node, isInMacro, survey);

      return;

    case 'call': {
      const [name, args] = node.args as [string, Node[]];

      if (!FUNCTIONS.has(name)) {
        survey.faults.push(at(unknownFunction(name), node.start));
      }

      args.forEach(argument => look(argument, isInMacro, survey));

      return;
    }

    case 'rcall': {
      const [name, receiver, args] = node.args as [string, Node, Node[]];

      look(receiver, isInMacro, survey);

      if (MACROS.has(name)) {
        lookAtMacro(node, name, args, isInMacro, survey);

        return;
      }

      if (!FUNCTIONS.has(name)) {
        survey.faults.push(at(unknownFunction(name), node.start));
      }

      args.forEach(argument => look(argument, isInMacro, survey));

      return;
    }

    default:
      childrenOf(node.args).forEach(child => look(child, isInMacro, survey));
  }
}

function lookAtName(node: Node, isInMacro: boolean, survey: Survey): void {
  if (node.args === 'type') {
    survey.typePositions.push(node.start);
  }

  if (node.args === TYPE_ALIAS) {
    survey.faults.push(at(`Unknown variable: ${TYPE_ALIAS}`, node.start));
  }

  // `x in properties.list` for every x is a loop in a loop.
  if (node.args === 'properties' && isInMacro) {
    survey.faults.push(at('properties cannot be used inside a macro, only its element', node.start));
  }
}

function lookAtMacro(node: Node, name: string, args: readonly Node[], isInMacro: boolean, survey: Survey): void {
  const [variable, ...body] = args;

  survey.macros += 1;

  if (isInMacro) {
    survey.faults.push(at(`${name}() stands inside another macro`, node.start));
  } else if (survey.macros > 1) {
    survey.faults.push(at(`${name}() is a second macro; a filter has at most one`, node.start));
  }

  if (variable && VARIABLES.has(String(variable.args))) {
    survey.faults.push(
      at(`${String(variable.args)} is a variable of the event and no name for an element`, variable.start),
    );
  }

  body.forEach(part => look(part, true, survey));
}

function unknownFunction(name: string): string {
  const known = `allowed are ${[...FUNCTIONS, ...MACROS].join(', ')}`;

  return name === 'matches'
    ? `matches() is not allowed, as a regular expression can take for ever; use startsWith, endsWith or contains`
    : `${name}() is not allowed; ${known}`;
}

function childrenOf(args: unknown): Node[] {
  if (Array.isArray(args)) {
    return args.flatMap(childrenOf);
  }

  return typeof args === 'object' && args !== null && 'op' in args ? [args as Node] : [];
}

function withAlias(text: string, positions: readonly number[]): string {
  let expression = text;

  for (const position of positions) {
    expression = expression.slice(0, position) + TYPE_ALIAS + expression.slice(position + TYPE_ALIAS.length);
  }

  return expression;
}

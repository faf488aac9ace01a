import { z } from 'zod';
import { CLIENT_TYPES } from '../http/call-answers.js';

const HEADER = '// Emitted from the code by "npm run client:types". Read it, diff it, never edit it.\n';

/** What of JSON Schema the bodies and answers of /v1 need. */
interface Node {
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, Node>>;
  readonly description?: string;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Node[];
  readonly items?: Node;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Node | false;
}

/** The text of `client/src/types.ts`: the bodies and answers of /v1 as TypeScript. Throws for what it cannot write down. */
export function printClientTypes(): string {
  const types = Object.entries(CLIENT_TYPES).map(([name, schema]) => {
    const root = z.toJSONSchema(schema, { io: 'input' }) as Node;
    const own = root.$ref === undefined ? root : root.$defs?.[nameOf(root.$ref)];

    if (own?.properties === undefined) {
      throw new Error(`${name} is no object`);
    }

    return `${comment(own, '')}export interface ${name} ${typeOf(own, '')}\n`;
  });

  return [HEADER, ...types].join('\n');
}

function typeOf(node: Node, indent: string): string {
  const { $ref, type, items, properties, additionalProperties } = node;

  if ($ref !== undefined) {
    return nameOf($ref);
  }

  if (node.anyOf) {
    return node.anyOf.map(part => typeOf(part, indent)).join(' | ');
  }

  if (node.const !== undefined) {
    return literal(node.const);
  }

  if (node.enum) {
    return node.enum.map(literal).join(' | ');
  }

  if (Array.isArray(type)) {
    return type.map(one => typeOf({ ...node, type: one as string }, indent)).join(' | ');
  }

  switch (type) {
    case undefined:
      return 'unknown';

    case 'string':
    case 'boolean':
    case 'null':
      return type;

    case 'integer':
    case 'number':
      return 'number';

    case 'array':
      return `readonly ${isUnion(items) ? `(${typeOf(items, indent)})` : typeOf(items ?? {}, indent)}[]`;

    case 'object':
      return properties
        ? membersOf(node, indent)
        : `Readonly<Record<string, ${typeOf(additionalProperties || {}, indent)}>>`;

    default:
      throw new Error(`no type is known for ${JSON.stringify(node)}`);
  }
}

function membersOf({ properties = {}, required = [] }: Node, indent: string): string {
  const inner = `${indent}  `;
  const lines = Object.entries(properties).map(([name, node]) => {
    const mark = required.includes(name) ? '' : '?';

    return `${comment(node, inner)}${inner}readonly ${name}${mark}: ${typeOf(node, inner)};\n`;
  });

  return `{\n${lines.join('')}${indent}}`;
}

function comment({ description }: Node, indent: string): string {
  return description === undefined ? '' : `${indent}/** ${description} */\n`;
}

function isUnion(node: Node | undefined): node is Node {
  return node?.anyOf !== undefined || node?.enum !== undefined || Array.isArray(node?.type);
}

function literal(value: unknown): string {
  return typeof value === 'string' ? `'${value}'` : JSON.stringify(value);
}

function nameOf(ref: string): string {
  return ref.replace('#/$defs/', '');
}

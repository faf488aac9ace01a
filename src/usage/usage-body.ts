import { isUtf8 } from 'node:buffer';
import { parseExactly } from './exact-json.js';
import { jsonFault } from './json-fault.js';
import { MalformedItem } from './usage-item.rules.js';

/** How many items one request may carry. */
const MAX_ITEMS = 10_000;

/** Why a body was refused as a whole. Part of the public API: codes are added, never renamed or removed. */
export type BodyRefusalCode =
  'UNSUPPORTED_MEDIA_TYPE' | 'TOO_MANY_ITEMS' | 'INVALID_UTF8' | 'INVALID_JSON' | 'INVALID_BODY';

/** The refusal of a whole body, with the HTTP status that tells it. */
export interface BodyRefusal {
  readonly status: 400 | 413 | 415;
  readonly code: BodyRefusalCode;
  readonly message: string;
}

/** The entries of a body for `readUsageItems`, or why there are none. */
export type BodyReading = { readonly raw: unknown[] } | { readonly refusal: BodyRefusal };

type Form = 'json' | 'lines' | 'cloud event' | 'cloud event batch';

const FORMS: Readonly<Record<string, Form>> = {
  'application/json': 'json',
  'application/x-ndjson': 'lines',
  'application/ndjson': 'lines',
  'application/jsonl': 'lines',
  'application/cloudevents+json': 'cloud event',
  'application/cloudevents-batch+json': 'cloud event batch',
};

/**
 * Reads the body of `POST /v1/usage` into its entries:
 * - `application/json`: an array of items, `{"events": […]}` or one item;
 * - `application/x-ndjson` (also `ndjson`, `jsonl`): one item a line; empty lines are skipped, a line that is no JSON becomes
 *   a `MalformedItem` and the others stand;
 * - `application/cloudevents+json` and `-batch+json`: one CloudEvent, or an array of them.
 * Numbers that a double cannot carry arrive as decimal strings, see `parseExactly`. Nothing throws, whatever was sent.
 */
export function readUsageBody(body: Buffer, contentType: string): BodyReading {
  const [mediaType = '', ...parameters] = contentType.toLowerCase().split(';');
  const form = Object.hasOwn(FORMS, mediaType.trim()) ? FORMS[mediaType.trim()] : undefined;

  if (!form) {
    const known = Object.keys(FORMS).join(', ');

    return refuse(415, 'UNSUPPORTED_MEDIA_TYPE', `the content type of usage is one of ${known}`);
  }

  const charset = parameters.map(parameter => parameter.trim()).find(parameter => parameter.startsWith('charset='));

  if (charset && !/^charset="?(?:utf-8|utf8|us-ascii)"?$/.test(charset)) {
    return refuse(415, 'UNSUPPORTED_MEDIA_TYPE', 'the charset of usage is utf-8');
  }

  if (!isUtf8(body)) {
    return refuse(400, 'INVALID_UTF8', 'the body is not valid UTF-8');
  }

  const text = withoutByteOrderMark(body.toString('utf8'));

  return form === 'lines' ? readLines(text) : readDocument(text, form);
}

function refuse(status: BodyRefusal['status'], code: BodyRefusalCode, message: string): BodyReading {
  return { refusal: { status, code, message } };
}

function withoutByteOrderMark(text: string): string {
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}

function readDocument(text: string, form: Form): BodyReading {
  const value = parse(text);

  if (value instanceof JsonFault) {
    return refuse(400, 'INVALID_JSON', `the body is not JSON: ${value.message}`);
  }

  if (typeof value !== 'object' || value === null) {
    return refuse(400, 'INVALID_BODY', 'the body is neither an array of items nor an object');
  }

  if (form === 'cloud event') {
    return Array.isArray(value)
      ? refuse(400, 'INVALID_BODY', 'application/cloudevents+json is one event; send several as cloudevents-batch+json')
      : { raw: [asCloudEvent(value)] };
  }

  if (form === 'cloud event batch') {
    return Array.isArray(value)
      ? within(value, () => value.map(asCloudEvent))
      : refuse(400, 'INVALID_BODY', 'application/cloudevents-batch+json is an array of events');
  }

  if (Array.isArray(value)) {
    return within(value, () => value);
  }

  return Object.hasOwn(value, 'events') && !Object.hasOwn(value, 'specversion')
    ? readEnvelope(value as Readonly<Record<string, unknown>>)
    : { raw: [value] };
}

/** `{"events": […]}`, and nothing beside it: a second member would be usage that is lost. */
function readEnvelope(envelope: Readonly<Record<string, unknown>>): BodyReading {
  const events: unknown = envelope['events'];

  if (!Array.isArray(events)) {
    return refuse(400, 'INVALID_BODY', 'events is an array of items');
  }

  return Object.keys(envelope).length > 1
    ? refuse(400, 'INVALID_BODY', 'an object with events has no other members')
    : within(events, () => events);
}

function within(found: readonly unknown[], entries: () => unknown[]): BodyReading {
  return found.length > MAX_ITEMS ? tooMany(found.length) : { raw: entries() };
}

function tooMany(count: number): BodyReading {
  return refuse(413, 'TOO_MANY_ITEMS', `the body has ${count} items; at most ${MAX_ITEMS} are allowed`);
}

/** Sent as a CloudEvent, so it is one or nothing: without its version it must not pass as the native form. */
function asCloudEvent(entry: unknown): unknown {
  return typeof entry === 'object' && entry !== null && !Array.isArray(entry) && !Object.hasOwn(entry, 'specversion')
    ? new MalformedItem('specversion', 'specversion is missing; a CloudEvent has "1.0"')
    : entry;
}

function readLines(text: string): BodyReading {
  const raw: unknown[] = [];
  let count = 0;
  let number = 0;

  for (let start = 0; start < text.length;) {
    const newline = text.indexOf('\n', start);
    const end = newline < 0 ? text.length : newline;
    const line = text.slice(start, end);

    start = end + 1;
    number += 1;

    if (isBlank(line)) {
      continue;
    }

    count += 1;

    if (count <= MAX_ITEMS) {
      const value = parse(line);

      raw.push(
        value instanceof JsonFault
          ? new MalformedItem('', `line ${number} of the body is not JSON: ${value.message}`)
          : value,
      );
    }
  }

  return count > MAX_ITEMS ? tooMany(count) : { raw };
}

function isBlank(line: string): boolean {
  return line.trim() === '';
}

/** Why a text is not JSON; a value of its own, since any JSON value may be what was sent. */
class JsonFault {
  constructor(readonly message: string) {}
}

function parse(text: string): unknown {
  try {
    return parseExactly(text);
  } catch (error) {
    if (error instanceof SyntaxError) {
      return new JsonFault(isBlank(text) ? 'it is empty' : jsonFault(text));
    }

    throw error;
  }
}

import { readEventTime } from './event-time.rules.js';
import { propertiesFault } from './properties.rules.js';

/** One accepted reading of a sent item; not yet checked against tenants and meters. */
export interface UsageItem {
  /** Place in the batch, from 0. */
  readonly index: number;
  /** The tenant as the sender named it; `null` means the tenant of the key. */
  readonly tenantId: string | null;
  readonly id: string;
  /** CloudEvents `source`, with `id` the identity of an event; empty when the native form leaves it out. */
  readonly source: string;
  readonly type: string;
  /** When it happened, in whole milliseconds; the time of arrival when `timeGiven` is false. */
  readonly time: Date;
  /** False when a CloudEvent came without `time`: its content hash must not depend on the moment of arrival. */
  readonly timeGiven: boolean;
  readonly subject: string | null;
  readonly properties: Readonly<Record<string, unknown>>;
}

/** Why an item was not taken. Part of the public API: codes are added, never renamed or removed. */
export type ItemRejectionCode =
  | 'INVALID_ITEM'
  | 'INVALID_ID'
  | 'INVALID_TIME'
  | 'INVALID_TYPE'
  | 'INVALID_SUBJECT'
  | 'INVALID_PROPERTIES'
  | 'INVALID_TENANT'
  | 'UNKNOWN_EVENT_TYPE'
  | 'INVALID_QUANTITY'
  | 'INVALID_DIMENSION'
  | 'UNKNOWN_TENANT';

/** The refusal of one item; the rest of its batch stands. */
export interface ItemRejection {
  /** Place in the batch, from 0. */
  readonly index: number;
  /** The id as sent, or `null` when there is none that can be repeated safely. */
  readonly id: string | null;
  readonly code: ItemRejectionCode;
  /** The field at fault, in the names of the sent form (`data.tokens` in a CloudEvent); empty for the item as a whole. */
  readonly field: string;
  /** A sentence for the sender: what is wrong and what is allowed. */
  readonly reason: string;
}

/** Stands in a batch for an entry that could not be read at all, so that the others keep their places. */
export class MalformedItem {
  constructor(
    readonly field: string,
    readonly reason: string,
  ) {}
}

const LIMITS = { text: 255, type: 128, tenant: 128, field: 128 } as const;
const TYPE = /^[A-Za-z0-9._:/-]{1,128}$/;

/** A refusal without its place in the batch. */
type Fault = Pick<ItemRejection, 'code' | 'field' | 'reason'>;

type Members = Readonly<Record<string, unknown>>;

/**
 * Reads a batch in the native form `{id, type, time, tenant?, subject?, properties?, source?}` or as CloudEvents 1.0 (an
 * entry with `specversion`; `data` holds the properties, the extension attribute `tenant` the tenant). Every entry becomes
 * an item or a rejection; nothing throws, whatever was sent. `now` bounds the future and stands for a time left out.
 */
export function readUsageItems(raw: readonly unknown[], now: Date): { items: UsageItem[]; rejected: ItemRejection[] } {
  const items: UsageItem[] = [];
  const rejected: ItemRejection[] = [];
  const nowMs = now.getTime();

  for (let index = 0; index < raw.length; index += 1) {
    const entry = raw[index];
    const result = readEntry(entry, index, nowMs);

    if ('code' in result) {
      rejected.push({ index, id: repeatableId(entry), code: result.code, field: result.field, reason: result.reason });
    } else {
      items.push(result);
    }
  }

  return { items, rejected };
}

/** True for an object with members, as JSON has them. */
function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function readEntry(entry: unknown, index: number, nowMs: number): UsageItem | Fault {
  if (entry instanceof MalformedItem) {
    return fault('INVALID_ITEM', entry.field, entry.reason);
  }

  if (!isMembers(entry)) {
    return fault('INVALID_ITEM', '', `an item is an object, not ${named(entry)}`);
  }

  const isCloudEvent = Object.hasOwn(entry, 'specversion');
  const formFault = isCloudEvent ? cloudEventFault(entry) : nativeFault(entry);

  if (formFault) {
    return formFault;
  }

  const { id, type } = entry;
  const source = entry['source'] ?? '';
  const subject = entry['subject'] ?? null;
  const tenantId = entry['tenant'] ?? null;

  if (typeof id !== 'string') {
    return fault('INVALID_ID', 'id', `id is a string of 1 to ${LIMITS.text} characters, not ${named(id)}`);
  }

  const idFault = textFault('id', id, LIMITS.text);

  if (idFault) {
    return fault('INVALID_ID', 'id', idFault);
  }

  if (typeof type !== 'string' || !TYPE.test(type)) {
    return fault(
      'INVALID_TYPE',
      'type',
      `type is a string of 1 to ${LIMITS.type} characters out of A-Z a-z 0-9 . _ : / -`,
    );
  }

  if (typeof source !== 'string') {
    return fault('INVALID_ITEM', 'source', `source is a string, not ${named(source)}`);
  }

  const sourceFault = source === '' && !isCloudEvent ? null : textFault('source', source, LIMITS.text);

  if (sourceFault) {
    return fault('INVALID_ITEM', 'source', sourceFault);
  }

  if (subject !== null) {
    const subjectFault =
      typeof subject === 'string'
        ? textFault('subject', subject, LIMITS.text)
        : `subject is a string, not ${named(subject)}`;

    if (subjectFault) {
      return fault('INVALID_SUBJECT', 'subject', subjectFault);
    }
  }

  if (tenantId !== null) {
    const tenantFault =
      typeof tenantId === 'string'
        ? textFault('tenant', tenantId, LIMITS.tenant)
        : `tenant is a string, not ${named(tenantId)}`;

    if (tenantFault) {
      return fault('INVALID_TENANT', 'tenant', tenantFault);
    }
  }

  const timeGiven = !(isCloudEvent && (entry['time'] ?? null) === null);
  const timeMs = timeGiven ? readEventTime(entry['time'], nowMs) : nowMs;

  if (typeof timeMs === 'string') {
    return fault('INVALID_TIME', 'time', timeMs);
  }

  const propertiesField = isCloudEvent ? 'data' : 'properties';
  const properties = entry[propertiesField] ?? {};

  if (!isMembers(properties)) {
    return fault('INVALID_PROPERTIES', propertiesField, `${propertiesField} is an object, not ${named(properties)}`);
  }

  const found = propertiesFault(properties, propertiesField);

  if (found) {
    return fault('INVALID_PROPERTIES', found.field, found.reason);
  }

  return {
    index,
    tenantId: tenantId as string | null,
    id,
    source,
    type,
    time: new Date(timeMs),
    timeGiven,
    subject: subject as string | null,
    properties,
  };
}

/** A misspelt field would otherwise be usage that silently costs nothing. */
function nativeFault(entry: Members): Fault | null {
  for (const field in entry) {
    switch (field) {
      case 'id':
      case 'type':
      case 'time':
      case 'tenant':
      case 'subject':
      case 'properties':
      case 'source':
        break;

      default: {
        const known = 'known are id, type, time, tenant, subject, properties and source';
        const name = quotable(field);

        return fault(
          'INVALID_ITEM',
          name,
          `${name ? `${name} is` : 'the item has'} no field of a usage item; ${known}`,
        );
      }
    }
  }

  return null;
}

/** Extension attributes are free in CloudEvents, so only what carries data is looked at. */
function cloudEventFault(entry: Members): Fault | null {
  if (entry['specversion'] !== '1.0') {
    return fault('INVALID_ITEM', 'specversion', 'specversion is "1.0"; other versions of CloudEvents are not read');
  }

  if ((entry['data_base64'] ?? null) !== null) {
    return fault('INVALID_PROPERTIES', 'data_base64', 'binary data is not read; send an object in data');
  }

  return null;
}

function fault(code: ItemRejectionCode, field: string, reason: string): Fault {
  return { code, field, reason };
}

/** What a value is, in the words of JSON. */
function named(value: unknown): string {
  if (value === undefined) {
    return 'missing';
  }

  if (value === null) {
    return 'null';
  }

  return Array.isArray(value) ? 'an array' : typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

/** A sender's name as a refusal may repeat it; empty when it is unfit to print. */
function quotable(name: string): string {
  return name !== '' && textFault('', name, LIMITS.field) === null ? name : '';
}

function repeatableId(entry: unknown): string | null {
  const id = isMembers(entry) && !(entry instanceof MalformedItem) ? entry['id'] : null;

  return typeof id === 'string' && textFault('id', id, LIMITS.text) === null ? id : null;
}

/** Null for 1 to `limit` UTF-16 units without control characters (C0, DEL, C1) and lone surrogates. */
function textFault(name: string, text: string, limit: number): string | null {
  if (text.length === 0 || text.length > limit) {
    return `${name} has ${text.length} characters; 1 to ${limit} are allowed`;
  }

  let hasSurrogates = false;

  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);

    if (unit < 0x20 || (unit >= 0x7f && unit < 0xa0)) {
      return `${name} has a control character at position ${i}`;
    }

    hasSurrogates ||= unit >= 0xd800 && unit <= 0xdfff;
  }

  return hasSurrogates && !text.isWellFormed() ? `${name} has half a surrogate pair, which is no text` : null;
}

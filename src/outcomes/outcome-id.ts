import { hash } from 'node:crypto';

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const TIME_LENGTH = 10;
const HASH_LENGTH = 16;

/**
 * The id of what a rule makes of an event: `out_`, the milliseconds at which it occurred (as in every id, so that ids sort by
 * it), and 80 bits of SHA-256 over the tenant, the rule's id, the event's id and its source. The same claim has the same id, whenever
 * and wherever it is judged.
 */
export function outcomeIdOf(
  tenantId: string,
  ruleId: string,
  event: { readonly id: string; readonly source: string },
  occurredAt: Date,
): string {
  let time = occurredAt.getTime();
  let head = '';

  for (let digit = 0; digit < TIME_LENGTH; digit++) {
    head = ALPHABET.charAt(time % 32) + head;
    time = Math.floor(time / 32);
  }

  // No part holds a line break. Twenty hexadecimal digits are 80 bits, five of which make one of ours.
  let bits = BigInt(`0x${hash('sha256', `${tenantId}\n${ruleId}\n${event.id}\n${event.source}`, 'hex').slice(0, 20)}`);
  let tail = '';

  for (let digit = 0; digit < HASH_LENGTH; digit++) {
    tail = ALPHABET.charAt(Number(bits & 31n)) + tail;
    bits >>= 5n;
  }

  return `out_${head}${tail}`;
}

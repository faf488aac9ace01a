import { randomBytes } from 'node:crypto';

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const ID = /^[a-z]{2,4}_[0-9A-HJKMNP-TV-Z]{26}$/;

/**
 * A typed, sortable, unguessable id such as `inv_01JD…`: a prefix, 48 bits of milliseconds and 80 random bits
 * in Crockford base 32 (the ULID layout). Stored as it is shown; doubles as the GraphQL node id.
 */
export function newId(prefix: string, now: Date): string {
  let time = now.getTime();
  let head = '';

  for (let digit = 0; digit < 10; digit++) {
    head = ALPHABET[time % 32] + head;
    time = Math.floor(time / 32);
  }

  let tail = '';

  for (const byte of randomBytes(16)) {
    tail += ALPHABET[byte % 32];
  }

  return `${prefix}_${head}${tail}`;
}

/** Whether a text has the form of an id; with a prefix, of that kind. Says nothing about existence. */
export function isId(text: string, prefix?: string): boolean {
  return ID.test(text) && (prefix === undefined || text.startsWith(`${prefix}_`));
}

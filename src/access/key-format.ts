import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const RANDOM_LENGTH = 43;
const CHECKSUM_LENGTH = 6;
const FORM = /^([a-z][a-z0-9]{1,15})_(live|test)_([0-9A-Za-z]{43})([0-9A-Za-z]{6})$/;

/** A key's text: `{prefix}_{live|test}_{43 random base-62 characters}{6-character CRC-32}`; 43 × log2(62) ≥ 256 bits. */
export function newKey(prefix: string, mode: 'LIVE' | 'TEST'): string {
  let random = '';

  while (random.length < RANDOM_LENGTH) {
    for (const byte of randomBytes(64)) {
      // 248 = 4 × 62: bytes above it would favour the first characters.
      if (byte < 248 && random.length < RANDOM_LENGTH) {
        random += BASE62[byte % 62];
      }
    }
  }

  const body = `${prefix}_${mode.toLowerCase()}_${random}`;

  return body + checksum(body);
}

/** Whether a text is a well-formed key with a right checksum: needs no database, so a scanner can use it. */
export function isKey(text: string): boolean {
  const parts = text.length <= 100 ? FORM.exec(text) : null;

  return parts !== null && checksum(text.slice(0, -CHECKSUM_LENGTH)) === parts[4];
}

function checksum(body: string): string {
  let rest = crc32(body);
  let text = '';

  for (let digit = 0; digit < CHECKSUM_LENGTH; digit++) {
    text = BASE62[rest % 62] + text;
    rest = Math.floor(rest / 62);
  }

  return text;
}

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

const PREFIX = 'whsec_';
const NEW_SECRET_BYTES = 32;
const MIN_SECRET_BYTES = 24;
const MAX_SECRET_BYTES = 64;

/** How far a message's timestamp may be from the receiver's clock, in seconds, either way (Standard Webhooks 1.0). */
const TOLERANCE_SECONDS = 300;

/** A message as it is signed: `{id}.{timestamp}.{body}`. */
interface SignedMessage {
  /** The value of `webhook-id`: the same on every attempt. It holds no dot and no white space. */
  readonly id: string;
  /** The value of `webhook-timestamp`: whole seconds since 1970, of this attempt. */
  readonly timestamp: number;
  /** The body exactly as it is sent; a string counts as UTF-8. */
  readonly body: string | Uint8Array;
  /** One secret, or several while a rotation overlaps. */
  readonly secrets: readonly string[];
}

/** Makes a new signing secret: `whsec_` and the base64 of 32 random bytes. */
export function newWebhookSecret(): string {
  return PREFIX + randomBytes(NEW_SECRET_BYTES).toString('base64');
}

/**
 * The value of `webhook-signature` (Standard Webhooks 1.0): one `v1,<base64 HMAC-SHA256>` per secret, separated by spaces,
 * in the order of the secrets. Throws on a malformed id, timestamp or secret; no message quotes a secret.
 */
export function signMessage(message: SignedMessage): string {
  if (!/^[^.\s]+$/.test(message.id)) {
    throw new Error(`Webhook message id ${JSON.stringify(message.id)} is empty or holds a dot or white space.`);
  }

  if (!Number.isSafeInteger(message.timestamp) || message.timestamp < 0) {
    throw new Error(`Webhook timestamp ${message.timestamp} of message ${message.id} is not in whole seconds.`);
  }

  if (message.secrets.length === 0) {
    throw new Error(`Webhook message ${message.id} has no secret to sign with.`);
  }

  return message.secrets.map(secret => `v1,${signatureOf(message, keyOf(secret))}`).join(' ');
}

/**
 * Tells whether any `v1` signature in the header was made for this message by any of the secrets, and the timestamp lies
 * within 300 s of `now` (seconds since 1970). Comparison takes the same time whatever the signatures are.
 * Malformed ids, timestamps and headers are false; a malformed secret throws, because it is the verifier's own.
 */
export function verifySignature(
  message: SignedMessage & { readonly signature: string; readonly now: number },
): boolean {
  const keys = message.secrets.map(keyOf);
  const isTimely = Math.abs(message.now - message.timestamp) <= TOLERANCE_SECONDS;

  if (!Number.isSafeInteger(message.timestamp) || !isTimely || !/^[^.\s]+$/.test(message.id)) {
    return false;
  }

  const given = message.signature
    .split(' ')
    .filter(part => part.startsWith('v1,'))
    .map(part => Buffer.from(part.slice('v1,'.length)));
  let matches = 0;

  for (const key of keys) {
    const expected = Buffer.from(signatureOf(message, key));

    for (const candidate of given) {
      matches += candidate.length === expected.length && timingSafeEqual(candidate, expected) ? 1 : 0;
    }
  }

  return matches > 0;
}

function signatureOf(message: SignedMessage, key: Buffer): string {
  return createHmac('sha256', key).update(`${message.id}.${message.timestamp}.`).update(message.body).digest('base64');
}

function keyOf(secret: string): Buffer {
  const encoded = secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : '';
  const key = Buffer.from(encoded, 'base64');

  // Buffer.from skips what is not base64; encoding again shows whether anything was skipped.
  if (key.toString('base64') !== encoded || key.length < MIN_SECRET_BYTES || key.length > MAX_SECRET_BYTES) {
    throw new Error(
      `A webhook secret is "${PREFIX}" and the base64 of ${MIN_SECRET_BYTES} to ${MAX_SECRET_BYTES} bytes.`,
    );
  }

  return key;
}

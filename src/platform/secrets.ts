import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';

/** Keyed hashing and sealing under one master secret; each use has its own derived key. */
export class Secrets {
  readonly #hashKey: Buffer;
  readonly #sealKey: Buffer;

  constructor(masterSecret: string) {
    this.#hashKey = derive(masterSecret, 'api-key-digest');
    this.#sealKey = derive(masterSecret, 'sealed-column');
  }

  /** HMAC-SHA-256: enough for secrets of 256 random bits, which need no slow hash. */
  digest(secret: string): Buffer {
    return createHmac('sha256', this.#hashKey).update(secret).digest();
  }

  /** AES-256-GCM. `context` (the row's ids) is authenticated, so a sealed value cannot move to another row. */
  seal(plain: string, context: string): Buffer {
    const nonce = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', this.#sealKey, nonce).setAAD(Buffer.from(context));
    const sealed = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);

    return Buffer.concat([nonce, cipher.getAuthTag(), sealed]);
  }

  /** Throws when the value was altered, moved, or sealed under another secret. */
  open(sealed: Buffer, context: string): string {
    const decipher = createDecipheriv('aes-256-gcm', this.#sealKey, sealed.subarray(0, 12), { authTagLength: 16 })
      .setAAD(Buffer.from(context))
      .setAuthTag(sealed.subarray(12, 28));

    return Buffer.concat([decipher.update(sealed.subarray(28)), decipher.final()]).toString('utf8');
  }
}

function derive(masterSecret: string, use: string): Buffer {
  return Buffer.from(hkdfSync('sha256', masterSecret, 'ratebook', use, 32));
}

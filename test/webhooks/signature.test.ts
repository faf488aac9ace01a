import { Webhook } from 'standardwebhooks';
import { newWebhookSecret, signMessage, verifySignature } from '../../src/webhooks/signature.js';

const NOW = Math.floor(Date.now() / 1000);

type Message = { id: string; timestamp: number; body: string; secrets: string[] };

function messageOf(over: Partial<Message> = {}) {
  const message = {
    id: 'msg_01',
    timestamp: NOW,
    body: '{"type":"alert.fired"}',
    secrets: [newWebhookSecret()],
    ...over,
  };

  return { now: NOW, signature: signMessage(message), ...message };
}

function headersOf(message: ReturnType<typeof messageOf>) {
  return {
    'webhook-id': message.id,
    'webhook-timestamp': String(message.timestamp),
    'webhook-signature': message.signature,
  };
}

/** Every text that differs in one bit of one of its bytes and is still ASCII. */
function bitFlips(text: string): string[] {
  return Array.from(text).flatMap((letter, index) =>
    [1, 2, 4, 8, 16, 32, 64].map(
      bit => text.slice(0, index) + String.fromCharCode(letter.charCodeAt(0) ^ bit) + text.slice(index + 1),
    ),
  );
}

describe('webhook signatures', () => {
  test('the vector of the Standard Webhooks libraries comes out', () => {
    expect(
      signMessage({
        id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
        timestamp: 1614265330,
        body: '{"test": 2432232314}',
        secrets: ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'],
      }),
    ).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=');
  });

  test('a new secret is whsec_ and 32 random bytes', () => {
    const secret = newWebhookSecret();

    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(newWebhookSecret()).not.toBe(secret);
  });

  test.each(['{}', '{ "a" :\n\t1 } ', '{"name":"Zoë 🧾 \u2028"}', 'x'.repeat(20_000)])(
    'the standard library accepts what we sign and we accept what it signs (%#)',
    body => {
      const message = messageOf({ body });
      const theirs = new Webhook(message.secrets[0] ?? '');
      const options = { jsonParse: false };

      expect(() => theirs.verify(body, headersOf(message), options)).not.toThrow();
      expect(theirs.sign(message.id, new Date(NOW * 1000), body)).toBe(message.signature);
      expect(verifySignature(message)).toBe(true);
      expect(verifySignature({ ...message, body: Buffer.from(body) })).toBe(true);
    },
  );

  test('every flipped bit of id, timestamp, body and signature is rejected', () => {
    const message = messageOf();
    const forged = [
      ...bitFlips(message.id).map(id => ({ ...message, id })),
      ...bitFlips(message.body).map(body => ({ ...message, body })),
      ...bitFlips(message.signature).map(signature => ({ ...message, signature })),
      ...[1, 2, 4, 8, 16, 32, 64, 128].map(bit => ({ ...message, timestamp: NOW ^ bit })),
    ];

    expect(forged.length).toBeGreaterThan(500);
    expect(forged.filter(verifySignature)).toEqual([]);
    expect(verifySignature(message)).toBe(true);
  });

  test.each([
    [-301, false],
    [-300, true],
    [300, true],
    [301, false],
  ])('a timestamp %i s from the clock is timely: %s', (offset, isTimely) => {
    expect(verifySignature(messageOf({ timestamp: NOW + offset }))).toBe(isTimely);
  });

  test('during a rotation each of the secrets verifies, here and with the standard library', () => {
    const secrets = [newWebhookSecret(), newWebhookSecret(), newWebhookSecret()];
    const message = messageOf({ secrets });

    expect(message.signature.split(' ')).toHaveLength(3);

    for (const secret of secrets) {
      expect(verifySignature({ ...message, secrets: [secret] })).toBe(true);
      expect(() => new Webhook(secret).verify(message.body, headersOf(message))).not.toThrow();
    }

    expect(verifySignature({ ...message, secrets: [newWebhookSecret()] })).toBe(false);
    expect(verifySignature({ ...message, secrets: [newWebhookSecret(), ...secrets] })).toBe(true);
  });

  test('signatures of other versions are passed over', () => {
    const message = messageOf();
    const value = message.signature.slice('v1,'.length);

    expect(verifySignature({ ...message, signature: `v1a,${value} v2,x ${message.signature}` })).toBe(true);
    expect(verifySignature({ ...message, signature: `v1a,${value}` })).toBe(false);
    expect(verifySignature({ ...message, signature: '' })).toBe(false);
    expect(verifySignature({ ...message, signature: 'v1,' })).toBe(false);
    expect(verifySignature({ ...message, timestamp: Number.NaN })).toBe(false);
  });

  test.each([23, 65])('a secret of %i bytes is refused without being quoted', size => {
    const secret = `whsec_${Buffer.alloc(size, 7).toString('base64')}`;

    expect(() => messageOf({ secrets: [secret] })).toThrow(
      'A webhook secret is "whsec_" and the base64 of 24 to 64 bytes.',
    );
  });

  test.each([24, 64])('a secret of %i bytes is fine', size => {
    expect(verifySignature(messageOf({ secrets: [`whsec_${Buffer.alloc(size, 7).toString('base64')}`] }))).toBe(true);
  });

  test('what cannot be signed unambiguously is refused', () => {
    expect(() => messageOf({ id: 'msg.01' })).toThrow('holds a dot');
    expect(() => messageOf({ id: '' })).toThrow('is empty');
    expect(() => messageOf({ timestamp: 1.5 })).toThrow('whole seconds');
    expect(() => messageOf({ secrets: [] })).toThrow('no secret');
    expect(() => messageOf({ secrets: [newWebhookSecret().slice('whsec_'.length)] })).toThrow('whsec_');
    expect(() => messageOf({ secrets: [`whsec_!${newWebhookSecret().slice(7)}`] })).toThrow('whsec_');
  });
});

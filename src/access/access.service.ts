import { record } from '../audit/index.js';
import {
  DomainError,
  ErrorCode,
  findPage,
  inTransaction,
  isId,
  newId,
  once,
  type PageArguments,
  Remembered,
  type Scope,
  type Secrets,
} from '../platform/index.js';
import { isCleanText } from '../tenants/index.js';
import { ApiKey } from './api-key.entity.js';
import { isKey, newKey } from './key-format.js';
import { beyond, isPermission } from './permission.rules.js';

export interface ApiKeyCreate {
  readonly name: string;
  readonly prefix: string;
  readonly mode: 'LIVE' | 'TEST';
  readonly permissions: readonly string[];
  readonly expiresAt: Date | null;
  readonly idempotencyKey: string;
}

/** Who a presented key is. */
export interface Caller {
  readonly keyId: string;
  readonly tenantId: string;
  readonly permissions: ReadonlySet<string>;
  readonly isTest: boolean;
  readonly expiresAt: Date | null;
}

// A revoked key is refused within this time in every process, without any message having to arrive.
const FRESH_MS = 1_000;
const LAST_USED_MS = 60_000;

/** API keys: made, presented, revoked. */
export class AccessService {
  readonly #callers = new Remembered<Caller | null>(FRESH_MS);

  constructor(private readonly secrets: Secrets) {}

  /**
   * Makes a key of the scope's tenant. The key's text is in the answer and nowhere else; a replay has none.
   * `makers` are the permissions of whoever asks: a key can only be narrower.
   */
  async create(
    scope: Scope,
    input: ApiKeyCreate,
    makers: ReadonlySet<string>,
  ): Promise<{ key: ApiKey; text: string | null; replayed: boolean }> {
    const unknown = input.permissions.find(permission => !isPermission(permission));

    if (unknown !== undefined || input.permissions.length === 0) {
      throw DomainError.invalid(`${unknown?.slice(0, 40) ?? 'an empty list'} is not a permission`, ['permissions']);
    }

    const [excess] = beyond(makers, input.permissions);

    if (excess !== undefined) {
      throw new DomainError(ErrorCode.FORBIDDEN, `a key without ${excess} cannot give it`, ['permissions']);
    }

    if (input.name.trim().length < 1 || input.name.length > 200 || !isCleanText(input.name)) {
      throw DomainError.invalid('name has 1 to 200 characters and no control characters', ['name']);
    }

    if (!/^[a-z][a-z0-9]{1,15}$/.test(input.prefix)) {
      throw DomainError.invalid('prefix has 2 to 16 lower-case letters and digits and starts with a letter', [
        'prefix',
      ]);
    }

    if (input.expiresAt && input.expiresAt <= scope.now) {
      throw DomainError.invalid('expiresAt is in the future', ['expiresAt']);
    }

    let text: string | null = null;

    return inTransaction(scope, async tx => {
      const { idempotencyKey, ...asked } = input;
      const { id, replayed } = await once(tx, 'apiKeyCreate', idempotencyKey, asked, async () => {
        text = newKey(input.prefix, input.mode);
        const key = tx.em.create(ApiKey, {
          tenantId: tx.tenantId,
          id: newId('key', tx.now),
          name: input.name,
          mode: input.mode,
          start: text.slice(0, input.prefix.length + 10),
          digest: this.secrets.digest(text),
          permissions: [...new Set(input.permissions)].sort(),
          createdAt: tx.now,
          expiresAt: input.expiresAt,
          revokedAt: null,
          lastUsedAt: null,
        });
        await record(tx, { action: 'api_key.created', subjectId: key.id, after: { ...asked, start: key.start } });

        return key.id;
      });
      const key = await tx.em.findOneOrFail(ApiKey, { id });

      return { key, text, replayed };
    });
  }

  /** Ends a key for good. Revoking it again changes nothing. */
  async revoke(scope: Scope, id: string): Promise<ApiKey> {
    const revoked = await inTransaction(scope, async tx => {
      const key = isId(id, 'key') ? await tx.em.findOne(ApiKey, { id }) : null;

      if (!key) {
        throw DomainError.notFound('API key', id, ['apiKeyId']);
      }

      if (!key.revokedAt) {
        key.revokedAt = tx.now;
        await record(tx, {
          action: 'api_key.revoked',
          subjectId: id,
          before: { revokedAt: null },
          after: { revokedAt: tx.now },
        });
      }

      return key;
    });
    this.#callers.forget();

    return revoked;
  }

  /** Keys of the scope's tenant, newest first. */
  async list(scope: Scope, args: PageArguments): Promise<ApiKey[]> {
    return inTransaction(scope, tx => findPage(tx.em, ApiKey, {}, args));
  }

  /** Whether there is a key with this id, revoked ones too, of the scope's tenant or of one below it. */
  async isHereOrBelow(scope: Scope, id: string): Promise<boolean> {
    if (!isId(id, 'key')) {
      return false;
    }

    return inTransaction(scope, async ({ em }) => {
      // The id opens the one row, where its tenant is one that this one sees.
      await em.execute(`set local app.key_id = '${id}'`);
      const key = await em.findOne(ApiKey, { id }, { filters: { tenant: false } });
      await em.execute("set local app.key_id = ''");

      return key !== null;
    });
  }

  /**
   * Who the presented key is, or null when it is none of ours, expired or revoked. The scope has no tenant yet: the
   * digest alone opens the row. Answers are reused for a second.
   */
  async authenticate(scope: Omit<Scope, 'tenantId' | 'actor'>, text: string): Promise<Caller | null> {
    if (!isKey(text)) {
      return null;
    }

    const digest = this.secrets.digest(text).toString('hex');
    const caller = await this.#callers.of(digest, scope.now, false, () => this.#read(scope, digest));

    return caller && (caller.expiresAt === null || caller.expiresAt > scope.now) ? caller : null;
  }

  async #read({ em, now }: Omit<Scope, 'tenantId' | 'actor'>, digest: string): Promise<Caller | null> {
    return em.fork().transactional(async fork => {
      await fork.execute(`set local app.key_digest = '${digest}'`);
      const key = await fork.findOne(
        ApiKey,
        { digest: Buffer.from(digest, 'hex'), revokedAt: null },
        { filters: { tenant: false } },
      );

      if (!key || (key.expiresAt && key.expiresAt <= now)) {
        return null;
      }

      if (!key.lastUsedAt || now.getTime() - key.lastUsedAt.getTime() >= LAST_USED_MS) {
        await fork.execute(`set local app.tenant = '${key.tenantId}'`);
        await fork.nativeUpdate(ApiKey, { id: key.id }, { lastUsedAt: now }, { filters: { tenant: false } });
      }

      return {
        keyId: key.id,
        tenantId: key.tenantId,
        permissions: new Set(key.permissions),
        isTest: key.mode === 'TEST',
        expiresAt: key.expiresAt ?? null,
      };
    });
  }
}

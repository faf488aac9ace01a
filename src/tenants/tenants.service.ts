import { UniqueConstraintViolationException } from '@mikro-orm/core';
import { record } from '../audit/index.js';
import {
  asTenant,
  DomainError,
  ErrorCode,
  findPage,
  inTransaction,
  isId,
  newId,
  once,
  scopeFor,
  type PageArguments,
  type Scope,
} from '../platform/index.js';
import { Tenant } from './tenant.entity.js';
import { refuseTenant, type TenantDraft } from './tenant.rules.js';

export interface TenantCreate extends TenantDraft {
  readonly parentId: string | null;
  readonly idempotencyKey: string;
}

/** Lineages are remembered: the tree only grows, and a tenant's ancestors do not change. */
const MAX_KNOWN_LINEAGES = 50_000;

/** The tenant tree. */
export class TenantsService {
  readonly #lineages = new Map<string, readonly string[]>();

  /** Makes the root of a new installation. Refuses a second one. */
  async createPlatform(scope: Scope, platform: Omit<TenantDraft, 'kind'>): Promise<Tenant> {
    const [refusal] = refuseTenant({ ...platform, kind: 'CUSTOMER' }, 'PLATFORM');

    if (refusal) {
      throw DomainError.invalid(refusal.message, refusal.field);
    }

    return inTransaction(scope, async tx => {
      if (await tx.em.findOne(Tenant, { id: tx.tenantId })) {
        throw new DomainError(ErrorCode.ALREADY_EXISTS, 'this installation has its platform tenant');
      }

      const tenant = tx.em.create(Tenant, {
        id: tx.tenantId,
        parentId: null,
        kind: 'PLATFORM',
        name: platform.name,
        currency: platform.currency,
        timeZone: platform.timeZone,
        region: platform.region,
        ancestors: [tx.tenantId],
        createdAt: tx.now,
      });
      // Another root is out of this one's sight, but not of the unique index's.
      await tx.em.flush().catch((error: unknown) => {
        throw error instanceof UniqueConstraintViolationException
          ? new DomainError(ErrorCode.ALREADY_EXISTS, 'this installation has its platform tenant')
          : error;
      });
      await record(tx, { action: 'tenant.created', subjectId: tenant.id, after: platform });

      return tenant;
    });
  }

  /** Makes a tenant below the scope's own, or below one that is below it. */
  async create(scope: Scope, input: TenantCreate): Promise<{ tenant: Tenant; replayed: boolean }> {
    return inTransaction(scope, async tx => {
      const parent = await this.get(tx, input.parentId ?? tx.tenantId, ['parentId']);
      const [refusal] = refuseTenant(input, parent.kind);

      if (refusal) {
        throw DomainError.invalid(refusal.message, refusal.field);
      }

      const { idempotencyKey, ...draft } = input;
      const { id, replayed } = await once(tx, 'tenantCreate', idempotencyKey, draft, async () => {
        const id = newId('ten', tx.now);
        tx.em.create(Tenant, {
          id,
          parentId: parent.id,
          kind: draft.kind,
          name: draft.name,
          currency: draft.currency,
          timeZone: draft.timeZone,
          region: draft.region,
          ancestors: [...parent.ancestors, id],
          createdAt: tx.now,
        });
        await tx.em.flush();
        // The new tenant's own chain starts with its making.
        await asTenant(tx, id, own => record(own, { action: 'tenant.created', subjectId: id, after: draft }));

        return id;
      });

      return { tenant: await this.get(tx, id), replayed };
    });
  }

  /** The tenant with this id, when it is the scope's own or below it; NOT_FOUND otherwise. */
  async get(scope: Scope, id: string, field: readonly string[] = ['tenantId']): Promise<Tenant> {
    if (!isId(id, 'ten')) {
      throw DomainError.notFound('tenant', id.slice(0, 40), field);
    }

    return inTransaction(scope, async ({ em }) => {
      const tenant = await em.findOne(Tenant, { id });

      if (!tenant) {
        throw DomainError.notFound('tenant', id, field);
      }

      return tenant;
    });
  }

  /** All above a tenant, from the platform down, and the tenant; null unless it is the scope's own or below it. */
  async lineage(scope: Scope, tenantId: string): Promise<readonly string[] | null> {
    let lineage = this.#lineages.get(tenantId);

    if (!lineage) {
      if (!isId(tenantId, 'ten')) {
        return null;
      }

      const tenant = await inTransaction(scope, ({ em }) => em.findOne(Tenant, { id: tenantId }));

      if (!tenant) {
        return null;
      }

      if (this.#lineages.size >= MAX_KNOWN_LINEAGES) {
        this.#lineages.clear();
      }

      lineage = tenant.ancestors;
      this.#lineages.set(tenantId, lineage);
    }

    return lineage.includes(scope.tenantId) ? lineage : null;
  }

  /** The same scope, acting on a tenant below the caller's: how every `tenantId` of a request is checked. */
  async within(
    scope: Scope,
    tenantId: string | null | undefined,
    field: readonly string[] = ['tenantId'],
  ): Promise<Scope> {
    // An empty text is not "left out": it is a caller's slip, and must not act on the caller's own tenant.
    if (tenantId === null || tenantId === undefined || tenantId === scope.tenantId) {
      return scope;
    }

    if (!(await this.lineage(scope, tenantId))) {
      throw DomainError.notFound('tenant', tenantId.slice(0, 40), field);
    }

    return scopeFor(scope, tenantId);
  }

  /** Tenants directly below the scope's own, newest first: up to `first` + 1. */
  async children(scope: Scope, args: PageArguments): Promise<Tenant[]> {
    return inTransaction(scope, tx => findPage(tx.em, Tenant, { parentId: tx.tenantId }, args));
  }

  /** The scope's own tenant. */
  async own(scope: Scope): Promise<Tenant> {
    return this.get(scope, scope.tenantId);
  }
}

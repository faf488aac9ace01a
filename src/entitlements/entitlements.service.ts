import { UniqueConstraintViolationException } from '@mikro-orm/core';
import { record } from '../audit/index.js';
import type { CatalogService } from '../catalog/index.js';
import { Contract, type ContractsService } from '../contracts/index.js';
import { formatDecimal, parseDecimal } from '../money/index.js';
import {
  asTenant,
  DomainError,
  ErrorCode,
  findPage,
  inTransaction,
  isId,
  newId,
  once,
  page,
  type PageArguments,
  type Scope,
} from '../platform/index.js';
import type { PricingService } from '../pricing/index.js';
import type { TenantsService } from '../tenants/index.js';
import {
  type EntitlementValue,
  entitlementValueJson,
  entitlementValueOf,
  readEntitlementValue,
} from './entitlement-value.rules.js';
import { Entitlement, Feature } from './entitlement.entity.js';
import {
  type EffectiveEntitlement,
  effectiveOf,
  type EntitlementFacts,
  failModeOf,
  type FeatureDraft,
  type FeatureFacts,
  refuseFeature,
  type TargetKind,
} from './entitlement.rules.js';

export interface FeatureCreate extends FeatureDraft {
  readonly idempotencyKey: string;
}

/** What somebody is to have of a feature. */
export interface EntitlementSet {
  readonly featureId: string;
  readonly targetKind: TargetKind;
  /** A price book of the seller, a contract it sells, or a tenant below it. */
  readonly targetId: string;
  /** JSON by the feature's kind, checked here; null takes the feature away. None where it inherits. */
  readonly value: unknown;
  /** Hands the feature back: the target has again what a wider one is given. Not for a PLAN, the widest. */
  readonly inherits?: boolean;
  /** From when; now when null. */
  readonly effectiveAt: Date | null;
  readonly idempotencyKey: string;
}

/** What an aggregation must do for a limit to be counted call by call. */
const ADDING: readonly string[] = ['SUM', 'COUNT'];

/** Features that a seller offers, who has what of them, and what that comes to for a tenant. */
export class EntitlementsService {
  constructor(
    private readonly tenants: TenantsService,
    private readonly catalog: CatalogService,
    private readonly pricing: PricingService,
    private readonly contracts: ContractsService,
  ) {}

  /** Makes a feature of the scope's tenant, the seller. Nobody has it yet. */
  async createFeature(seller: Scope, input: FeatureCreate): Promise<{ feature: Feature; replayed: boolean }> {
    const { idempotencyKey, key, name, kind, meterId = null, failMode, failCap } = input;
    const [refusal] = refuseFeature(input);

    if (refusal) {
      throw DomainError.invalid(refusal.message, refusal.field);
    }

    const cap = parseDecimal(failCap);
    const draft = { key, name, kind, meterId, failMode: failMode ?? 'CLOSED', failCap: cap && formatDecimal(cap) };

    return inTransaction(seller, async tx => {
      await this.#refuseMeter(tx, meterId);
      const { id, replayed } = await once(tx, 'featureCreate', idempotencyKey, draft, async () => {
        const feature = tx.em.create(Feature, {
          ...draft,
          tenantId: tx.tenantId,
          id: newId('fea', tx.now),
          failCap: cap,
          createdAt: tx.now,
        });
        await insertOnce(tx, `there is a feature ${key}; choose another key`, ['key']);
        await record(tx, { action: 'feature.created', subjectId: feature.id, after: draft });

        return feature.id;
      });

      return { feature: await tx.em.findOneOrFail(Feature, { id }), replayed };
    });
  }

  /**
   * Says what a price book, a contract or a tenant has of a feature from an instant on, not before now; or that a contract or
   * a tenant has again what is given to the wider. An instant is set once; what was set is never changed, and a correction
   * takes a later instant.
   */
  async setEntitlement(seller: Scope, input: EntitlementSet): Promise<{ entitlement: Entitlement; replayed: boolean }> {
    const { idempotencyKey, inherits = false, ...asked } = input;

    return inTransaction(seller, async tx => {
      const feature = await featureById(tx, asked.featureId);
      const value = inherits ? noValue(asked) : valueFor(feature, asked.value);
      await this.#refuseTarget(tx, asked);
      const draft = { ...asked, value: value && entitlementValueJson(value), ...(inherits ? { inherits } : {}) };
      const { id, replayed } = await once(tx, 'entitlementSet', idempotencyKey, draft, async () => {
        const effectiveAt = asked.effectiveAt ?? tx.now;

        if (effectiveAt < tx.now) {
          throw DomainError.invalid(
            'effectiveAt is not past: what somebody had is never changed; choose now or later',
            ['effectiveAt'],
          );
        }

        const entitlement = tx.em.create(Entitlement, {
          ...draft,
          inherits,
          tenantId: tx.tenantId,
          id: newId('ent', tx.now),
          effectiveAt,
          createdAt: tx.now,
        });
        await insertOnce(
          tx,
          `feature ${feature.key} is set for ${asked.targetId} from that instant; choose a later one`,
          ['effectiveAt'],
        );
        await record(tx, {
          action: 'entitlement.set',
          subjectId: entitlement.id,
          after: { ...draft, effectiveAt },
        });

        return entitlement.id;
      });

      return { entitlement: await tx.em.findOneOrFail(Entitlement, { id }), replayed };
    });
  }

  /** The features of the scope's tenant, newest first. */
  async features(seller: Scope, args: PageArguments): Promise<Feature[]> {
    return inTransaction(seller, tx => findPage(tx.em, Feature, {}, args));
  }

  /** Who has what of a feature of the scope's tenant, and from when: the entitlements set last come first. */
  async entitlementsOf(seller: Scope, featureId: string, args: PageArguments): Promise<Entitlement[]> {
    return inTransaction(seller, tx => findPage(tx.em, Entitlement, { featureId }, args));
  }

  /** `effectiveWithin` in a transaction of its own. */
  async effective(buyer: Scope): Promise<EffectiveEntitlement[]> {
    return inTransaction(buyer, tx => this.effectiveWithin(tx));
  }

  /**
   * What the scope's tenant (the buyer) has now of every feature of the seller of its contract, by key: also of those that
   * nobody gave it, without a source. Nothing without a contract. Each changes when the contract ends, too.
   */
  async effectiveWithin(tx: Scope): Promise<EffectiveEntitlement[]> {
    const contracts = await this.contracts.all(tx);
    const contract = contracts.find(({ startsAt, endsAt }) => startsAt <= tx.now && (!endsAt || endsAt > tx.now));

    if (!contract) {
      return [];
    }

    const { features, entitlements } = await asTenant(tx, contract.sellerId, seller => factsFor(seller, contract));

    return effectiveOf(features, entitlements, tx.now).map(effective => ({
      ...effective,
      changesAt: earlier(effective.changesAt, contract.endsAt ?? null),
    }));
  }

  /**
   * What the scope's tenant was given, one page by key. Features that nobody gave it are not told: what a seller offers to
   * others is the seller's to know.
   */
  async given(buyer: Scope, args: PageArguments): Promise<EffectiveEntitlement[]> {
    const { limit, after } = page(args);
    const all = await this.effective(buyer);

    return all.filter(({ source, featureKey }) => source && (after === null || featureKey > after)).slice(0, limit);
  }

  async #refuseMeter(tx: Scope, meterId: string | null): Promise<void> {
    if (meterId === null) {
      return;
    }

    const { ancestors } = await this.tenants.own(tx);
    const meter = (await this.catalog.metersById(tx, ancestors, [meterId])).get(meterId);

    if (!meter) {
      throw DomainError.notFound('meter', meterId, ['meterId']);
    }

    if (!ADDING.includes(meter.aggregation)) {
      throw DomainError.invalid(
        `a limit adds up what is used, and meter ${meter.key} is a ${meter.aggregation}: name one that is a SUM or a COUNT`,
        ['meterId'],
      );
    }
  }

  /** Refuses a target that is not the seller's. */
  async #refuseTarget(tx: Scope, { targetKind, targetId }: Pick<EntitlementSet, 'targetKind' | 'targetId'>) {
    const field = ['targetId'];

    switch (targetKind) {
      case 'PLAN':
        await this.pricing.book(tx, targetId, field);
        break;

      case 'CONTRACT':
        if (!isId(targetId, 'con') || !(await tx.em.findOne(Contract, { id: targetId, sellerId: tx.tenantId }))) {
          throw DomainError.notFound('contract', targetId, field);
        }

        break;

      case 'TENANT':
        if (targetId === tx.tenantId) {
          throw DomainError.invalid('an entitlement is for a tenant below the seller', field);
        }

        await this.tenants.get(tx, targetId, field);
        break;

      default:
        targetKind satisfies never;
    }
  }
}

/** The features of the scope's tenant, and its entitlements that are for a contract it sells. */
async function factsFor(
  seller: Scope,
  contract: Pick<Contract, 'id' | 'priceBookId' | 'tenantId'>,
): Promise<{ readonly features: FeatureFacts[]; readonly entitlements: EntitlementFacts[] }> {
  const features = await seller.em.find(Feature, {});
  const rows = await seller.em.find(Entitlement, {
    $or: [
      { targetKind: 'PLAN', targetId: contract.priceBookId },
      { targetKind: 'CONTRACT', targetId: contract.id },
      { targetKind: 'TENANT', targetId: contract.tenantId },
    ],
  });
  const kinds = new Map(features.map(({ id, kind }) => [id, kind]));

  return {
    features: features.map(({ id, key, kind, meterId, failMode, failCap }) => ({
      id,
      key,
      kind,
      meterId: meterId ?? null,
      failMode: failModeOf(failMode, failCap ?? null),
    })),
    // A feature that was made between the two reads is not told yet, and neither is what is set of it.
    entitlements: rows.flatMap(row => {
      const kind = kinds.get(row.featureId);

      return kind ? [{ ...factsOf(row), value: row.value ? entitlementValueOf(kind, row.value) : null }] : [];
    }),
  };
}

function factsOf(entitlement: Entitlement): Omit<EntitlementFacts, 'value'> {
  const { id, featureId, targetKind, targetId, inherits, effectiveAt } = entitlement;

  return { id, featureId, targetKind, targetId, inherits, effectiveAt };
}

/** Refuses a value next to handing back, and handing back by what is the widest. */
function noValue({ targetKind, value }: Pick<EntitlementSet, 'targetKind' | 'value'>): null {
  if (targetKind === 'PLAN') {
    throw DomainError.invalid('nothing is wider than a plan: set a value, or null to take the feature away', [
      'inherits',
    ]);
  }

  if (value !== null && value !== undefined) {
    throw DomainError.invalid('what inherits has no value of its own: leave it out', ['value']);
  }

  return null;
}

/** The value that was given for a feature, or the first refusal of it. */
function valueFor({ kind }: Feature, json: unknown): EntitlementValue | null {
  if (json === null) {
    return null;
  }

  // Not "left out": that would take the feature away by a slip.
  if (json === undefined) {
    throw DomainError.invalid('value says what there is of the feature; null takes it away', ['value']);
  }

  const read = readEntitlementValue(kind, json, ['value']);

  if ('refusals' in read) {
    throw DomainError.invalid(read.refusals[0].message, read.refusals[0].field);
  }

  return read.value;
}

async function featureById(tx: Scope, id: string): Promise<Feature> {
  const feature = isId(id, 'fea') ? await tx.em.findOne(Feature, { id }) : null;

  if (!feature) {
    throw DomainError.notFound('feature', id, ['featureId']);
  }

  return feature;
}

/** Inserts what was made; a unique key that somebody else has taken is a refusal, also when both come at once. */
async function insertOnce(tx: Scope, message: string, field: readonly string[]): Promise<void> {
  await tx.em.flush().catch((error: unknown) => {
    throw error instanceof UniqueConstraintViolationException
      ? new DomainError(ErrorCode.ALREADY_EXISTS, message, field)
      : error;
  });
}

function earlier(a: Date | null, b: Date | null): Date | null {
  return a && b ? (a < b ? a : b) : (a ?? b);
}

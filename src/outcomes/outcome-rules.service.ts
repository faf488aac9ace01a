import { record } from '../audit/index.js';
import type { CatalogService } from '../catalog/index.js';
import {
  announce,
  DomainError,
  ErrorCode,
  findPage,
  inTransaction,
  isId,
  newId,
  once,
  query,
  type PageArguments,
  type Scope,
} from '../platform/index.js';
import { lockBook, refuseWithdrawal } from '../pricing/index.js';
import { isCleanText, type TenantsService } from '../tenants/index.js';
import { compileTerms, type WatchedTypes } from './live-rules.js';
import { OutcomeRule, OutcomeRuleVersion } from './outcome-rule.entity.js';
import { outcomeTermsJson, readOutcomeTerms, refuseRuleKey } from './outcome-terms-reading.rules.js';
import type { ExclusiveTerms, OutcomeTerms, UsageTerms } from './outcome-terms.rules.js';

/** A rule to make. */
export interface OutcomeRuleDraft {
  readonly priceBookId: string;
  readonly key: string;
  readonly name: string;
  readonly idempotencyKey: string;
}

/** A version to write. */
export interface OutcomeRuleVersionDraft {
  readonly outcomeRuleId: string;
  /** JSON form, `OutcomeTermsJson`, in which whatever has a default may be left out; checked here. */
  readonly terms: unknown;
  readonly idempotencyKey: string;
}

/** What an outcome is and costs, rule by rule: draft, publish, withdraw. A rule belongs to a price book of its seller. */
export class OutcomeRulesService {
  constructor(
    private readonly tenants: TenantsService,
    private readonly catalog: CatalogService,
    private readonly watched: WatchedTypes,
  ) {}

  /** Makes a rule without versions, which claims nothing yet. */
  async create(scope: Scope, input: OutcomeRuleDraft): Promise<{ rule: OutcomeRule; replayed: boolean }> {
    const { idempotencyKey, ...draft } = input;
    const refusal = refuseRuleKey(draft.key);

    if (refusal) {
      throw DomainError.invalid(refusal, ['key']);
    }

    if (draft.name.trim().length < 1 || draft.name.length > 200 || !isCleanText(draft.name)) {
      throw DomainError.invalid('name has 1 to 200 characters and no control characters', ['name']);
    }

    return inTransaction(scope, async tx => {
      const book = await lockBook(tx, draft.priceBookId);
      const { id, replayed } = await once(tx, 'outcomeRuleCreate', idempotencyKey, draft, async () => {
        if (await tx.em.findOne(OutcomeRule, { priceBookId: book.id, key: draft.key })) {
          throw new DomainError(ErrorCode.ALREADY_EXISTS, `price book ${book.id} has a rule ${draft.key}`, ['key']);
        }

        const rule = tx.em.create(OutcomeRule, {
          tenantId: tx.tenantId,
          id: newId('orl', tx.now),
          ...draft,
          createdAt: tx.now,
        });
        await record(tx, { action: 'outcome_rule.created', subjectId: rule.id, after: draft });

        return rule.id;
      });

      return { rule: await tx.em.findOneOrFail(OutcomeRule, { id }), replayed };
    });
  }

  /** Writes a draft version. Every member of the terms is checked, every filter compiled; the first wrong one is named. */
  async createVersion(
    scope: Scope,
    input: OutcomeRuleVersionDraft,
  ): Promise<{ version: OutcomeRuleVersion; replayed: boolean }> {
    const own = await this.tenants.own(scope);
    const terms = termsOf(input.terms);
    const draft = { outcomeRuleId: input.outcomeRuleId, terms: outcomeTermsJson(terms) };

    return inTransaction(scope, async tx => {
      const rule = await ruleById(tx, draft.outcomeRuleId, ['outcomeRuleId']);
      await lockBook(tx, rule.priceBookId);
      await this.#refuseMeters(tx, own.ancestors, terms.usage);
      const { id, replayed } = await once(tx, 'outcomeRuleVersionCreate', input.idempotencyKey, draft, async () => {
        const [last] = await tx.em.find(
          OutcomeRuleVersion,
          { ruleId: rule.id },
          { orderBy: { number: 'desc' }, limit: 1 },
        );
        const version = tx.em.create(OutcomeRuleVersion, {
          tenantId: tx.tenantId,
          id: newId('orv', tx.now),
          ruleId: rule.id,
          number: (last?.number ?? 0) + 1,
          status: 'DRAFT',
          effectiveAt: null,
          publishedAt: null,
          withdrawnAt: null,
          terms: draft.terms,
          createdAt: tx.now,
        });
        await record(tx, {
          action: 'outcome_rule_version.created',
          subjectId: version.id,
          after: { outcomeRuleId: rule.id, number: version.number, terms: draft.terms },
        });

        return version.id;
      });

      return { version: await tx.em.findOneOrFail(OutcomeRuleVersion, { id }), replayed };
    });
  }

  /** Makes a draft hold from an instant that is not past; from now unless told otherwise. */
  async publish(
    scope: Scope,
    input: { readonly versionId: string; readonly effectiveAt: Date | null },
  ): Promise<OutcomeRuleVersion> {
    const effectiveAt = input.effectiveAt ?? scope.now;

    if (effectiveAt < scope.now) {
      throw DomainError.invalid(
        'effectiveAt is not past: both sides know a rule before it judges anything; choose now or later',
        ['effectiveAt'],
      );
    }

    const published = await inTransaction(scope, async tx => {
      const { version, rule } = await this.#lockVersion(tx, input.versionId);

      if (version.status !== 'DRAFT') {
        throw new DomainError(
          ErrorCode.INVALID_TRANSITION,
          `version ${version.number} is ${version.status} and only a draft can be published; make a new draft`,
          ['outcomeRuleVersionId'],
        );
      }

      if (await tx.em.findOne(OutcomeRuleVersion, { ruleId: rule.id, status: 'PUBLISHED', effectiveAt })) {
        throw new DomainError(ErrorCode.ALREADY_EXISTS, 'another version of this rule takes effect at that instant', [
          'effectiveAt',
        ]);
      }

      await refuseOtherCustomer(tx, rule, version.terms.customerProperty);
      await refuseOtherChoice(tx, rule, version.terms.exclusive);

      version.status = 'PUBLISHED';
      version.effectiveAt = effectiveAt;
      version.publishedAt = tx.now;
      await record(tx, {
        action: 'outcome_rule_version.published',
        subjectId: version.id,
        before: { status: 'DRAFT' },
        after: { status: 'PUBLISHED', effectiveAt },
      });
      await announce(tx, 'price_book.changed', { priceBookId: rule.priceBookId, from: effectiveAt.toISOString() });

      return version;
    });
    this.watched.forget(scope.tenantId);

    return published;
  }

  /** Takes back a published version that has not taken effect. */
  async withdraw(scope: Scope, versionId: string): Promise<OutcomeRuleVersion> {
    return inTransaction(scope, async tx => {
      const { version, rule } = await this.#lockVersion(tx, versionId);
      const refusal = refuseWithdrawal(version.status, version.effectiveAt ?? null, tx.now);

      if (refusal) {
        throw new DomainError(
          ErrorCode.INVALID_TRANSITION,
          `version ${version.number} cannot be withdrawn: ${refusal}`,
          ['outcomeRuleVersionId'],
        );
      }

      version.status = 'WITHDRAWN';
      version.withdrawnAt = tx.now;
      await record(tx, {
        action: 'outcome_rule_version.withdrawn',
        subjectId: version.id,
        before: { status: 'PUBLISHED' },
        after: { status: 'WITHDRAWN' },
      });
      await announce(tx, 'price_book.changed', {
        priceBookId: rule.priceBookId,
        from: (version.effectiveAt ?? tx.now).toISOString(),
      });

      return version;
    });
  }

  /** The rules of a book, newest first: up to `first` + 1. */
  async rules(scope: Scope, priceBookId: string, args: PageArguments): Promise<OutcomeRule[]> {
    return inTransaction(scope, tx => findPage(tx.em, OutcomeRule, { priceBookId }, args));
  }

  /** The rule with this id of the scope's tenant; NOT_FOUND otherwise. */
  async rule(scope: Scope, id: string, field: readonly string[] = ['outcomeRuleId']): Promise<OutcomeRule> {
    return inTransaction(scope, tx => ruleById(tx, id, field));
  }

  /** The versions of a rule, newest first: up to `first` + 1. */
  async versions(scope: Scope, ruleId: string, args: PageArguments): Promise<OutcomeRuleVersion[]> {
    return inTransaction(scope, tx => findPage(tx.em, OutcomeRuleVersion, { ruleId }, args));
  }

  /** The version with this id of the scope's tenant, whatever its status; NOT_FOUND otherwise. */
  async version(
    scope: Scope,
    id: string,
    field: readonly string[] = ['outcomeRuleVersionId'],
  ): Promise<OutcomeRuleVersion> {
    return inTransaction(scope, tx => versionById(tx, id, field));
  }

  async #lockVersion(tx: Scope, id: string): Promise<{ version: OutcomeRuleVersion; rule: OutcomeRule }> {
    const version = await versionById(tx, id, ['outcomeRuleVersionId']);
    const rule = await ruleById(tx, version.ruleId, ['outcomeRuleVersionId']);
    await lockBook(tx, rule.priceBookId);
    await tx.em.refresh(version);

    return { version, rule };
  }

  /** Refuses meters that the seller does not see, and those from which the usage of one subject cannot be taken off. */
  async #refuseMeters(tx: Scope, ancestors: readonly string[], usage: UsageTerms | null): Promise<void> {
    if (!usage) {
      return;
    }

    const meters = await this.catalog.metersById(tx, ancestors, usage.meterIds);

    for (const [index, id] of usage.meterIds.entries()) {
      const field = ['terms', 'usage', 'meterIds', String(index)];
      const meter = meters.get(id);

      if (!meter) {
        throw DomainError.notFound('meter', id, field);
      }

      if (usage.relation === 'FALLBACK' && !(meter.keepsEvents && ['SUM', 'COUNT'].includes(meter.aggregation))) {
        throw DomainError.invalid(
          `the usage that an outcome stands for is taken off event by event, and meter ${meter.key} does not add up events that it keeps; name one that is a SUM and keepsEvents`,
          field,
        );
      }
    }
  }
}

/** The terms of a draft, or the first refusal of them. */
function termsOf(json: unknown): OutcomeTerms {
  const read = readOutcomeTerms(json);
  const compiled = 'terms' in read ? compileTerms(read.terms) : read;

  if ('refusals' in compiled) {
    const [{ field, message }] = compiled.refusals;
    throw DomainError.invalid(message, ['terms', ...field]);
  }

  if ('refusals' in read) {
    throw new Error('a refusal was not told');
  }

  return read.terms;
}

async function ruleById(tx: Scope, id: string, field: readonly string[]): Promise<OutcomeRule> {
  const rule = isId(id, 'orl') ? await tx.em.findOne(OutcomeRule, { id }) : null;

  if (!rule) {
    throw DomainError.notFound('outcome rule', id, field);
  }

  return rule;
}

async function versionById(tx: Scope, id: string, field: readonly string[]): Promise<OutcomeRuleVersion> {
  const version = isId(id, 'orv') ? await tx.em.findOne(OutcomeRuleVersion, { id }) : null;

  if (!version) {
    throw DomainError.notFound('outcome rule version', id, field);
  }

  return version;
}

/** An event has one customer, whichever rule looks at it: all published versions of a book read it from one property. */
async function refuseOtherCustomer(tx: Scope, rule: OutcomeRule, customerProperty: string | null): Promise<void> {
  if (customerProperty === null) {
    return;
  }

  const [other] = await query<{ key: string; property: string }>(
    tx,
    `select r.key, v.terms ->> 'customerProperty' as property
     from outcome_rule r join outcome_rule_version v on v.tenant_id = r.tenant_id and v.rule_id = r.id
     where r.tenant_id = $1 and r.price_book_id = $2 and v.status = 'PUBLISHED'
       and v.terms ->> 'customerProperty' <> $3
     order by r.key limit 1`,
    [tx.tenantId, rule.priceBookId, customerProperty],
  );

  if (other) {
    throw DomainError.invalid(
      `rule ${other.key} of this book reads customers from ${other.property}, this one from ${customerProperty}; all of a book read them from one property`,
      ['outcomeRuleVersionId'],
    );
  }
}

/** Outcomes of one group are chosen among in one way, or each rule would have another winner. */
async function refuseOtherChoice(tx: Scope, rule: OutcomeRule, exclusive: ExclusiveTerms | null): Promise<void> {
  if (exclusive === null) {
    return;
  }

  const [other] = await query<{ key: string; choice: string }>(
    tx,
    `select r.key, v.terms #>> '{exclusive,choice}' as choice
     from outcome_rule r join outcome_rule_version v on v.tenant_id = r.tenant_id and v.rule_id = r.id
     where r.tenant_id = $1 and r.price_book_id = $2 and r.id <> $3 and v.status = 'PUBLISHED'
       and v.terms #>> '{exclusive,group}' = $4 and v.terms #>> '{exclusive,choice}' <> $5
     order by r.key limit 1`,
    [tx.tenantId, rule.priceBookId, rule.id, exclusive.group, exclusive.choice],
  );

  if (other) {
    throw DomainError.invalid(
      `rule ${other.key} chooses ${other.choice} in the group ${exclusive.group}, this one ${exclusive.choice}; all of a group choose in one way`,
      ['outcomeRuleVersionId'],
    );
  }
}

import { Contract } from '../contracts/index.js';
import { DomainError, ErrorCode, isId, newId, query, type Scope } from '../platform/index.js';
import type { ActBy, ActRefusal } from './act.rules.js';
import { Outcome } from './outcome.entity.js';
import type { LiveRule, LiveRuleVersion, OutcomeAct } from './outcome.rules.js';

/** What acts of one mutation have in common. */
export interface ActsGiven {
  readonly kind: OutcomeAct['kind'];
  readonly disputeId: string | null;
  readonly at: Date;
  /** What the kind says besides, as JSON keeps it. */
  readonly body: Readonly<Record<string, unknown>>;
  readonly reason: string | null;
  readonly by: ActBy;
}

/** Appends the same act to each of these outcomes. */
export async function insertActs(tx: Scope, outcomeIds: readonly string[], given: ActsGiven): Promise<void> {
  const { kind, disputeId, at, body, reason, by } = given;

  await query(
    tx,
    `insert into outcome_act (tenant_id, id, outcome_id, kind, dispute_id, at, body, reason, key_id, party, created_at)
     select $1, a.id, a.outcome_id, $4, $5, $6, $7, $8, $9, $10, $11
     from unnest($2::text[], $3::text[]) as a (id, outcome_id)`,
    [
      tx.tenantId,
      outcomeIds.map(() => newId('oac', tx.now)),
      outcomeIds,
      kind,
      disputeId,
      at,
      JSON.stringify(body),
      reason,
      by.keyId,
      by.party,
      tx.now,
    ],
  );
}

/** Outcomes as they stand now, in the order of their ids as given. Refuses the first that is none of the tenant's. */
export async function outcomesNamed(tx: Scope, ids: readonly string[], field = 'outcomeIds'): Promise<Outcome[]> {
  const asked = ids.filter(id => isId(id, 'out'));
  // Judging writes rows behind the ORM's back.
  const rows = await tx.em.find(Outcome, { id: { $in: asked } }, { disableIdentityMap: true });
  const byId = new Map(rows.map(row => [row.id, row]));

  return ids.map((id, place) => {
    const outcome = byId.get(id);

    if (!outcome) {
      throw DomainError.notFound('outcome', id, [field, String(place)]);
    }

    return outcome;
  });
}

/** The versions that judged these outcomes, by id. One that its contract knows no more refuses what was to be done. */
export async function versionsBehind(
  tx: Scope,
  outcomes: readonly Outcome[],
  rulesOf: (tx: Scope, contract: Contract) => Promise<readonly LiveRule[]>,
): Promise<(outcome: Outcome) => LiveRuleVersion> {
  const contractIds = [...new Set(outcomes.map(({ contractId }) => contractId))];
  const versions = new Map<string, LiveRuleVersion>();

  for (const contract of await tx.em.find(Contract, { id: { $in: contractIds } })) {
    for (const rule of await rulesOf(tx, contract)) {
      rule.versions.forEach(version => versions.set(version.id, version));
    }
  }

  return ({ id, versionId }) => {
    const version = versions.get(versionId);

    if (!version) {
      throw new DomainError(
        ErrorCode.INVALID_TRANSITION,
        `no rule of its contract knows outcome ${id} any more; leave it out`,
        ['outcomeIds', String(outcomes.findIndex(outcome => outcome.id === id))],
      );
    }

    return version;
  };
}

/** The keys that claimed these outcomes, by outcome. */
export async function claimants(tx: Scope, outcomeIds: readonly string[]): Promise<Map<string, string>> {
  const rows = await query<{ id: string; key_id: string }>(
    tx,
    `select o.id, e.key_id from outcome o
       join outcome_event e on e.tenant_id = o.tenant_id and e.id = o.event_id and e.source = o.source
     where o.tenant_id = $1 and o.id = any ($2::text[])`,
    [tx.tenantId, outcomeIds],
  );

  return new Map(rows.map(row => [row.id, row.key_id]));
}

/** Throws the refusal, if there is one. */
export function insist(refusal: ActRefusal | null): void {
  if (refusal) {
    throw new DomainError(ErrorCode[refusal.code], refusal.message, refusal.field);
  }
}

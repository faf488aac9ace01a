import { type GrantLeft, planBurns } from '../credits/burn.rules.js';
import { besideHeld } from '../credits/payment.rules.js';
import type { Use } from './limit.rules.js';
import { type HeldPart, type Standings, windowName } from './reserve.rules.js';

/** What tenants that are prepaid have to pay with, by their ids. */
export type Funds = ReadonlyMap<string, readonly GrantLeft[]>;

/** Where it is counted what open calls have set aside of a grant: in one window for ever. */
export interface PlaceOfGrant extends Omit<HeldPart, 'amount'> {
  /** Of the grant, which is a limit of its own: what is left of it. */
  readonly limitId: string;
}

/** The place of a grant. */
export function placeOfGrant(tenantId: string, grantId: string): PlaceOfGrant {
  return { tenantId, limitId: grantId, windowStart: new Date(0) };
}

/** The places of all grants. */
export function placesOf(funds: Funds): PlaceOfGrant[] {
  return [...funds].flatMap(([tenantId, grants]) => grants.map(({ id }) => placeOfGrant(tenantId, id)));
}

/**
 * What a use takes of the grants of its tenant, as the use would burn them now, beside what is held of them: in their units.
 * Null when they do not reach for all of it.
 */
export function coverOf(funds: Funds, use: Use, at: Date, standings: Standings): readonly HeldPart[] | null {
  const tenantId = use.lineage.at(-1) ?? '';
  const grants = funds.get(tenantId) ?? [];
  const held = new Map(
    grants.map(({ id }) => {
      const { limitId, windowStart } = placeOfGrant(tenantId, id);

      return [id, standings.of(windowName(tenantId, limitId, windowStart)).held];
    }),
  );
  const { parts, left } = planBurns(besideHeld(grants, held), use.parts, { at, currency: use.currency });

  return left.gt(0) ? null : parts.map(({ grantId, amount }) => ({ ...placeOfGrant(tenantId, grantId), amount }));
}

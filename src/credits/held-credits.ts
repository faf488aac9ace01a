import type { Scope } from '../platform/index.js';
import type { HeldOfGrants } from './payment.rules.js';

/** Who knows what open calls have set aside of credits: the room above that holds them (wired in `services.ts`). */
export interface HeldCredits {
  /**
   * What is set aside of these grants of the scope's tenant; nothing of those that the answer does not name. As long as the
   * lock of the tenant's credits is held it only gets less.
   */
  of(tx: Scope, grantIds: readonly string[]): Promise<HeldOfGrants>;
}

/** Where no call sets credits aside. */
export const NOTHING_HELD: HeldCredits = { of: async () => new Map() };

/** What is set aside of some grants. */
export async function heldOf(
  tx: Scope,
  held: HeldCredits,
  grants: readonly { readonly id: string }[],
): Promise<HeldOfGrants> {
  return grants.length === 0
    ? new Map()
    : held.of(
        tx,
        grants.map(({ id }) => id),
      );
}

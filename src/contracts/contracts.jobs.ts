import { z } from 'zod';
import { defineJob, handler, type JobHandler } from '../platform/index.js';
import type { ContractMigrationsService } from './contract-migrations.service.js';

export const contractsJobs = {
  /** Moves one contract of a migration. Runs twice: the second finds the item closed and does nothing. */
  moveContract: defineJob({
    name: 'contracts.move-contract',
    payload: z.object({ v: z.literal(1), tenantId: z.string(), migrationId: z.string(), contractId: z.string() }),
  }),
} as const;

export function contractsHandlers(migrations: ContractMigrationsService): JobHandler[] {
  return [
    handler(contractsJobs.moveContract, (scope, { migrationId, contractId }) =>
      migrations.move(scope, migrationId, contractId),
    ),
  ];
}

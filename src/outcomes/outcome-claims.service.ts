import { DomainError, ErrorCode } from '../platform/index.js';
import type { Scope } from '../platform/index.js';
import type { TenantsService } from '../tenants/index.js';
import type { UsageReceipt, UsageService } from '../usage/index.js';
import type { OutcomeActsService } from './outcome-acts.service.js';
import type { Outcome } from './outcome.entity.js';
import type { OutcomesService } from './outcomes.service.js';

/** Claims outcomes: accepts an event as usage is accepted, and judges it at once. */
export class OutcomeClaimsService {
  constructor(
    private readonly tenants: TenantsService,
    private readonly usage: UsageService,
    private readonly outcomes: OutcomesService,
    private readonly acts: OutcomeActsService,
  ) {}

  /**
   * Accepts one event of the scope's tenant or one below it, and tells what it became. The same event again answers the
   * same; another one under its id is refused.
   */
  async claim(scope: Scope, tenantId: string | null, event: unknown): Promise<Outcome[]> {
    const given = membersOf(event);
    const named = given['tenant'];

    if (tenantId !== null && named !== undefined && named !== tenantId) {
      throw DomainError.invalid('the event names another tenant than tenantId; leave one of the two out', [
        'event',
        'tenant',
      ]);
    }

    const isNamed = tenantId === null && typeof named === 'string';
    const target = isNamed
      ? await this.tenants.within(scope, named, ['event', 'tenant'])
      : await this.tenants.within(scope, tenantId);
    // The caller's own scope: whose key it is decides which side the claim is of.
    const receipt = await this.usage.accept(scope, [{ ...given, tenant: target.tenantId }], {
      keyId: scope.actor.id,
      isDryRun: false,
    });
    refuse(receipt);
    await this.outcomes.settleReceived(target);
    const { id, source = '' } = given;

    return this.acts.ofEvent(target, { id: String(id), source: String(source) });
  }
}

function membersOf(event: unknown): Readonly<Record<string, unknown>> {
  if (typeof event !== 'object' || event === null || Array.isArray(event)) {
    throw DomainError.invalid('event is one JSON object, as usageRecord takes them', ['event']);
  }

  return event as Readonly<Record<string, unknown>>;
}

function refuse({ rejected: [rejection], conflicts: [conflict] }: UsageReceipt): void {
  if (rejection) {
    throw new DomainError(
      rejection.code === 'UNKNOWN_TENANT' ? ErrorCode.NOT_FOUND : ErrorCode.INVALID_INPUT,
      rejection.reason,
      ['event', ...rejection.field.split('.').filter(part => part !== '')],
    );
  }

  if (conflict) {
    throw new DomainError(
      ErrorCode.ALREADY_EXISTS,
      `event ${conflict.id} came before with other content (its SHA-256 is ${conflict.storedHash}); give a new one an id of its own`,
      ['event', 'id'],
    );
  }
}

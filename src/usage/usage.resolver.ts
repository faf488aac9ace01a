import { Arg, Authorized, Ctx, FieldResolver, Int, Mutation, Resolver, Root } from 'type-graphql';
import { AFTER, connection, DomainError, FIRST, payload, scopeFor, type GraphqlContext } from '../platform/index.js';
import { TenantType } from '../tenants/index.js';
import type { UsageService } from './usage.service.js';
import {
  UsageConflictType,
  UsageEventConnection,
  UsageEventType,
  UsageRecordInput,
  UsageRecordPayload,
  UsageRejectionType,
} from './usage.types.js';

const MAX_EVENTS = 1_000;

@Resolver(() => TenantType)
export class UsageResolver {
  constructor(private readonly usage: UsageService) {}

  @Authorized('usage:read')
  @FieldResolver(() => UsageEventConnection, {
    description: 'Its usage events in a window of at most 92 days, latest first.',
  })
  async usageEvents(
    @Root() tenant: TenantType,
    @Arg('from', () => Date, { description: 'The window begins here …' }) from: Date,
    @Arg('until', () => Date, { description: '… and ends before here.' }) until: Date,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const rows = await this.usage.events(scopeFor(scope, tenant.id), { from, until }, { first, after });

    return connection(rows, first, row => `${row.time.toISOString()}\n${row.id}\n${row.source}`, UsageEventType.from);
  }

  @Authorized('usage:write')
  @Mutation(() => UsageRecordPayload, {
    description:
      'Records usage of the own tenant or ones below it. The id of an event is its idempotency key, for ever.',
  })
  usageRecord(
    @Arg('input', () => UsageRecordInput, { description: 'The usage.' }) input: UsageRecordInput,
    @Ctx() { scope, isTest }: GraphqlContext,
  ) {
    return payload(UsageRecordPayload, async () => {
      if (input.events.length > MAX_EVENTS) {
        throw DomainError.invalid(`a batch has at most ${MAX_EVENTS} events; send more to POST /v1/usage`, ['events']);
      }

      const receipt = await this.usage.accept(scope, input.events, { keyId: scope.actor.id, isDryRun: isTest });

      return {
        accepted: receipt.accepted,
        duplicates: receipt.duplicates,
        conflicts: receipt.conflicts.map(({ id, ...rest }) =>
          Object.assign(new UsageConflictType(), { ...rest, eventId: id }),
        ),
        rejected: receipt.rejected.map(({ id, ...rest }) =>
          Object.assign(new UsageRejectionType(), { ...rest, eventId: id }),
        ),
        isDryRun: isTest,
      };
    });
  }
}

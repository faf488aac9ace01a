import { Arg, Authorized, Ctx, FieldResolver, Int, Resolver, Root } from 'type-graphql';
import { AFTER, connection, FIRST, scopeFor, type GraphqlContext } from '../platform/index.js';
import { TenantType } from '../tenants/index.js';
import type { AnomaliesService } from './anomalies.service.js';
import { OutcomeAnomalyConnection, OutcomeAnomalyType } from './outcome-anomaly.types.js';

@Resolver(() => TenantType)
export class OutcomeAnomalyResolver {
  constructor(private readonly anomalies: AnomaliesService) {}

  @Authorized('outcomes:read')
  @FieldResolver(() => OutcomeAnomalyConnection, {
    description: 'Where rules had more claims of its outcomes than usual, newest first.',
  })
  async outcomeAnomalies(
    @Root() tenant: TenantType,
    @Arg('first', () => Int, FIRST) first: number,
    @Arg('after', () => String, AFTER) after: string | null,
    @Ctx() { scope }: GraphqlContext,
  ) {
    const rows = await this.anomalies.list(scopeFor(scope, tenant.id), { first, after });

    return connection(rows, first, row => row.id, OutcomeAnomalyType.from);
  }
}

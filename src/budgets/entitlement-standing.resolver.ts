import { Authorized, Ctx, Field, FieldResolver, ObjectType, Resolver, Root } from 'type-graphql';
import { EffectiveEntitlementType } from '../entitlements/index.js';
import { formatDecimal } from '../money/index.js';
import { DecimalScalar, type GraphqlContext } from '../platform/index.js';
import type { EntitlementStanding, EntitlementStandings } from './entitlement-standings.js';

@ObjectType('EntitlementStanding', {
  description:
    'What an entitlement has come to in the window that runs, at this moment: in units of the meter of a LIMIT, calls of a RATE, open holds of a CONCURRENCY.',
})
class EntitlementStandingType {
  @Field(() => DecimalScalar, { description: 'How much there is, with what was left of the window before.' })
  most!: string;

  @Field(() => DecimalScalar, { description: 'What was used.' })
  used!: string;

  @Field(() => DecimalScalar, { description: 'What open holds have set aside.' })
  held!: string;

  @Field(() => DecimalScalar, { description: 'What is left: below 0 where more was used than there is.' })
  remaining!: string;

  @Field(() => Date, { description: 'When the window began; the beginning of 1970 for what never starts anew.' })
  windowStart!: Date;

  @Field(() => Date, { nullable: true, description: 'When the next one begins; null for never.' })
  resetsAt!: Date | null;

  static from({ most, used, held, remaining, windowStart, resetsAt }: EntitlementStanding): EntitlementStandingType {
    return Object.assign(new EntitlementStandingType(), {
      most: formatDecimal(most),
      used: formatDecimal(used),
      held: formatDecimal(held),
      remaining: formatDecimal(remaining),
      windowStart,
      resetsAt,
    });
  }
}

/** What is counted of what a tenant was given. */
@Resolver(() => EffectiveEntitlementType)
export class EntitlementStandingResolver {
  constructor(private readonly standings: EntitlementStandings) {}

  @Authorized('entitlements:read')
  @FieldResolver(() => EntitlementStandingType, {
    nullable: true,
    description:
      'Where it stands in the window that runs: of a LIMIT, a RATE and a CONCURRENCY; null for every other kind, and for what was taken away.',
  })
  async standing(@Root() { tenantId, effective }: EffectiveEntitlementType, @Ctx() { scope }: GraphqlContext) {
    const standing = await this.standings.of(scope, { tenantId, effective });

    return standing ? EntitlementStandingType.from(standing) : null;
  }
}

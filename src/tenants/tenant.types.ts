import { Field, ID, InputType, ObjectType, registerEnumType } from 'type-graphql';
import { connectionOf, IDEMPOTENCY_KEY, Node, OncePayload } from '../platform/index.js';
import type { Tenant } from './tenant.entity.js';

export enum TenantKindEnum {
  PLATFORM = 'PLATFORM',
  RESELLER = 'RESELLER',
  CUSTOMER = 'CUSTOMER',
}
registerEnumType(TenantKindEnum, {
  name: 'TenantKind',
  description: 'Where a tenant stands in the tree.',
  valuesConfig: {
    PLATFORM: { description: 'The root.' },
    RESELLER: { description: 'Sells on to the tenants below it.' },
    CUSTOMER: { description: 'A leaf: uses and pays.' },
  },
});

@ObjectType('Tenant', { implements: Node, description: 'A node in the tree of platform, resellers and customers.' })
export class TenantType extends Node {
  @Field(() => TenantKindEnum, { description: 'Where it stands in the tree.' })
  kind!: TenantKindEnum;

  @Field(() => String, { description: 'The name people know it by.' })
  name!: string;

  @Field(() => String, { description: 'ISO 4217 code of the currency it is billed in by default.' })
  currency!: string;

  @Field(() => String, { description: 'IANA time zone in which its billing periods begin and end.' })
  timeZone!: string;

  @Field(() => String, { description: 'Where its rows are to live.' })
  region!: string;

  @Field(() => Date, { description: 'When it was made.' })
  createdAt!: Date;

  static from(tenant: Tenant): TenantType {
    return Object.assign(new TenantType(), {
      id: tenant.id,
      kind: TenantKindEnum[tenant.kind],
      name: tenant.name,
      currency: tenant.currency,
      timeZone: tenant.timeZone,
      region: tenant.region,
      createdAt: tenant.createdAt,
    });
  }
}

export const TenantConnection = connectionOf('Tenant', () => TenantType);

@InputType({ description: 'A tenant to make.' })
export class TenantCreateInput {
  @Field(() => String, IDEMPOTENCY_KEY)
  idempotencyKey!: string;

  @Field(() => ID, { nullable: true, description: "The tenant to make it below; the key's own by default." })
  parentId?: string | null;

  @Field(() => TenantKindEnum, { description: 'RESELLER or CUSTOMER.' })
  kind!: TenantKindEnum;

  @Field(() => String, { description: 'The name people know it by: 1 to 200 characters.' })
  name!: string;

  @Field(() => String, { description: 'ISO 4217 code.' })
  currency!: string;

  @Field(() => String, { description: 'IANA time zone, such as Europe/Berlin.' })
  timeZone!: string;

  @Field(() => String, { description: 'Such as eu or us-east-1.' })
  region!: string;
}

@ObjectType({ description: 'The answer of tenantCreate.' })
export class TenantCreatePayload extends OncePayload {
  @Field(() => TenantType, { nullable: true, description: 'The tenant; null when refused.' })
  tenant?: TenantType | null;
}

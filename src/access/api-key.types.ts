import { Field, ID, InputType, ObjectType, registerEnumType } from 'type-graphql';
import { connectionOf, IDEMPOTENCY_KEY, Node, TENANT_ID, MutationPayload, OncePayload } from '../platform/index.js';
import type { ApiKey } from './api-key.entity.js';

export enum ApiKeyModeEnum {
  LIVE = 'LIVE',
  TEST = 'TEST',
}
registerEnumType(ApiKeyModeEnum, {
  name: 'ApiKeyMode',
  description: 'Whether what a key does is real.',
  valuesConfig: {
    LIVE: { description: 'It is.' },
    TEST: { description: 'Everything is checked and answered, and nothing is changed.' },
  },
});

@ObjectType('ApiKey', { implements: Node, description: 'A key that opens the API for one tenant.' })
export class ApiKeyType extends Node {
  @Field(() => String, { description: 'What it is for.' })
  name!: string;

  @Field(() => ApiKeyModeEnum, { description: 'Live or test.' })
  mode!: ApiKeyModeEnum;

  @Field(() => String, { description: 'The first characters of the key, to recognise it by.' })
  start!: string;

  @Field(() => [String], { description: 'What it may do, such as usage:write.' })
  permissions!: string[];

  @Field(() => Date, { description: 'When it was made.' })
  createdAt!: Date;

  @Field(() => Date, { nullable: true, description: 'When it ends by itself; null when it does not.' })
  expiresAt!: Date | null;

  @Field(() => Date, { nullable: true, description: 'When it was revoked; null while it is not.' })
  revokedAt!: Date | null;

  @Field(() => Date, { nullable: true, description: 'When it was last used, to the minute; null before that.' })
  lastUsedAt!: Date | null;

  static from(key: ApiKey): ApiKeyType {
    return Object.assign(new ApiKeyType(), {
      id: key.id,
      name: key.name,
      mode: ApiKeyModeEnum[key.mode],
      start: key.start,
      permissions: key.permissions,
      createdAt: key.createdAt,
      expiresAt: key.expiresAt ?? null,
      revokedAt: key.revokedAt ?? null,
      lastUsedAt: key.lastUsedAt ?? null,
    });
  }
}

export const ApiKeyConnection = connectionOf('ApiKey', () => ApiKeyType);

@InputType({ description: 'An API key to make.' })
export class ApiKeyCreateInput {
  @Field(() => String, IDEMPOTENCY_KEY)
  idempotencyKey!: string;

  @Field(() => ID, TENANT_ID)
  tenantId?: string | null;

  @Field(() => String, { description: 'What it is for: 1 to 200 characters.' })
  name!: string;

  @Field(() => String, {
    defaultValue: 'rb',
    description: 'What the key begins with: a brand of 2 to 16 letters and digits.',
  })
  prefix!: string;

  @Field(() => ApiKeyModeEnum, { defaultValue: ApiKeyModeEnum.LIVE, description: 'Live or test.' })
  mode!: ApiKeyModeEnum;

  @Field(() => [String], { description: 'What it may do; only what the key that asks may do itself.' })
  permissions!: string[];

  @Field(() => Date, { nullable: true, description: 'When it is to end by itself.' })
  expiresAt?: Date | null;
}

@ObjectType({ description: 'The answer of apiKeyCreate.' })
export class ApiKeyCreatePayload extends OncePayload {
  @Field(() => ApiKeyType, { nullable: true, description: 'The key; null when refused.' })
  apiKey?: ApiKeyType | null;

  @Field(() => String, {
    nullable: true,
    description: 'The text of the key, shown this once and stored nowhere; null when refused or replayed.',
  })
  text?: string | null;
}

@InputType({ description: 'An API key to revoke.' })
export class ApiKeyRevokeInput {
  @Field(() => ID, { description: 'The key.' })
  apiKeyId!: string;

  @Field(() => ID, TENANT_ID)
  tenantId?: string | null;
}

@ObjectType({ description: 'The answer of apiKeyRevoke.' })
export class ApiKeyRevokePayload extends MutationPayload {
  @Field(() => ApiKeyType, { nullable: true, description: 'The key; null when refused.' })
  apiKey?: ApiKeyType | null;
}

import { Field, ID, InputType, ObjectType, registerEnumType } from 'type-graphql';
import { formatDecimal } from '../money/index.js';
import {
  connectionOf,
  DecimalScalar,
  IDEMPOTENCY_KEY,
  JsonScalar,
  Node,
  OncePayload,
  TENANT_ID,
} from '../platform/index.js';
import { entitlementValueJson } from './entitlement-value.rules.js';
import type { Entitlement, Feature } from './entitlement.entity.js';
import type { EffectiveEntitlement } from './entitlement.rules.js';

export enum FeatureKindEnum {
  BOOLEAN = 'BOOLEAN',
  CONFIG = 'CONFIG',
  MODELS = 'MODELS',
  LIMIT = 'LIMIT',
  RATE = 'RATE',
  CONCURRENCY = 'CONCURRENCY',
}
registerEnumType(FeatureKindEnum, {
  name: 'FeatureKind',
  description: 'What a feature is, and so what an entitlement says of it.',
  valuesConfig: {
    BOOLEAN: { description: 'On or off: `{"isOn": true}`.' },
    CONFIG: {
      description:
        'A setting, one of `{"text": "priority"}`, `{"number": "12.5"}` and `{"list": ["a", "b"]}`; up to 100 texts of 1 to 1,000 characters.',
    },
    MODELS: {
      description:
        'Which models may be used, and where: `{"allow": ["gpt-6*"], "deny": ["gpt-6-pro"], "regions": ["eu"]}`. A name, or the beginning of one and `*`. Deny wins, also over what another feature allows; nothing is allowed by an empty `allow`, and empty `regions` are anywhere.',
    },
    LIMIT: {
      description:
        'So much of a meter: `{"amount": "1000000", "per": "MONTH", "mode": "HARD", "reset": "CALENDAR", "rollover": {"most": "500000"}}`. `per` is MINUTE, HOUR, DAY, WEEK, MONTH or null (ever); `mode` is HARD (a call beyond it is refused; the default), SOFT or WARN (it goes ahead, and its answer tells; usage that nobody asked about is told to nobody); `reset` is CALENDAR (the default) or, for MONTH, BILLING; `rollover` is null by default.',
    },
    RATE: {
      description: 'So many calls in a stretch of time: `{"calls": 600, "per": "MINUTE"}`; MINUTE, HOUR or DAY.',
    },
    CONCURRENCY: { description: 'So many open holds at a time: `{"most": 20}`.' },
  },
});

export enum FeatureFailModeEnum {
  CLOSED = 'CLOSED',
  OPEN = 'OPEN',
  LAST_KNOWN = 'LAST_KNOWN',
}
registerEnumType(FeatureFailModeEnum, {
  name: 'FeatureFailMode',
  description: 'What happens to calls where nobody can say how much was used.',
  valuesConfig: {
    CLOSED: { description: 'They are refused.' },
    OPEN: { description: 'They go on.' },
    LAST_KNOWN: { description: 'They go by what was known last, and so much more may be used.' },
  },
});

export enum EntitlementTargetEnum {
  PLAN = 'PLAN',
  CONTRACT = 'CONTRACT',
  TENANT = 'TENANT',
}
registerEnumType(EntitlementTargetEnum, {
  name: 'EntitlementTarget',
  description:
    'Whom an entitlement is for. One for a tenant counts before one for its contract, and that before one for its plan.',
  valuesConfig: {
    PLAN: { description: 'Every tenant whose contract is on a price book.' },
    CONTRACT: { description: 'The tenant that buys under a contract, while that runs.' },
    TENANT: { description: 'One tenant, while it buys from the seller.' },
  },
});

@ObjectType('Entitlement', {
  implements: Node,
  description: 'What a price book, a contract or a tenant has of a feature from an instant on. It never changes.',
})
export class EntitlementType extends Node {
  @Field(() => ID, { description: 'The feature.' })
  featureId!: string;

  @Field(() => EntitlementTargetEnum, { description: 'Whom it is for.' })
  targetKind!: EntitlementTargetEnum;

  @Field(() => ID, { description: 'The price book, the contract or the tenant.' })
  targetId!: string;

  @Field(() => JsonScalar, {
    nullable: true,
    description: 'What there is of the feature, as its kind says; null takes it away, unless it inherits.',
  })
  value!: unknown;

  @Field(() => Boolean, {
    description: 'Whether it hands the feature back: the target has again what a wider one is given.',
  })
  inherits!: boolean;

  @Field(() => Date, { description: 'From when, until the next one for the same.' })
  effectiveAt!: Date;

  @Field(() => Date, { description: 'When it was set.' })
  createdAt!: Date;

  static from(entitlement: Entitlement): EntitlementType {
    return Object.assign(new EntitlementType(), {
      id: entitlement.id,
      featureId: entitlement.featureId,
      targetKind: EntitlementTargetEnum[entitlement.targetKind],
      targetId: entitlement.targetId,
      value: entitlement.value ?? null,
      inherits: entitlement.inherits,
      effectiveAt: entitlement.effectiveAt,
      createdAt: entitlement.createdAt,
    });
  }
}

export const EntitlementConnection = connectionOf('Entitlement', () => EntitlementType);

@ObjectType('Feature', {
  implements: Node,
  description: "Something that a seller's customers may use, or not, or so much of. It never changes.",
})
export class FeatureType extends Node {
  @Field(() => String, { description: 'Its key, unique within the seller.' })
  key!: string;

  @Field(() => String, { description: 'Its name.' })
  name!: string;

  @Field(() => FeatureKindEnum, { description: 'What it is.' })
  kind!: FeatureKindEnum;

  @Field(() => ID, { nullable: true, description: 'The meter that a LIMIT counts; null for every other kind.' })
  meterId!: string | null;

  @Field(() => FeatureFailModeEnum, { description: 'What happens where nobody can say how much was used.' })
  failMode!: FeatureFailModeEnum;

  @Field(() => DecimalScalar, {
    nullable: true,
    description: 'How much may be used blindly, in units of the feature; null but for LAST_KNOWN.',
  })
  failCap!: string | null;

  @Field(() => Date, { description: 'When it was made.' })
  createdAt!: Date;

  tenantId!: string;

  static from(feature: Feature): FeatureType {
    return Object.assign(new FeatureType(), {
      id: feature.id,
      tenantId: feature.tenantId,
      key: feature.key,
      name: feature.name,
      kind: FeatureKindEnum[feature.kind],
      meterId: feature.meterId ?? null,
      failMode: FeatureFailModeEnum[feature.failMode],
      failCap: feature.failCap ? formatDecimal(feature.failCap) : null,
      createdAt: feature.createdAt,
    });
  }
}

export const FeatureConnection = connectionOf('Feature', () => FeatureType);

@ObjectType({ description: 'Which entitlement says what a tenant has of a feature.' })
export class EntitlementSource {
  @Field(() => EntitlementTargetEnum, { description: 'Whom the entitlement is for.' })
  kind!: EntitlementTargetEnum;

  @Field(() => ID, { description: 'The price book, the contract or the tenant.' })
  targetId!: string;

  @Field(() => ID, { description: 'The entitlement.' })
  entitlementId!: string;

  @Field(() => Date, {
    description: 'Since when it counts: its own instant, or a later one in which a narrower entitlement handed back.',
  })
  effectiveAt!: Date;
}

@ObjectType('EffectiveEntitlement', { description: 'What a tenant has of a feature now.' })
export class EffectiveEntitlementType {
  @Field(() => String, { description: 'The key of the feature.' })
  featureKey!: string;

  @Field(() => ID, { description: 'The feature.' })
  featureId!: string;

  @Field(() => FeatureKindEnum, { description: 'What the feature is.' })
  kind!: FeatureKindEnum;

  @Field(() => JsonScalar, {
    nullable: true,
    description: 'What there is of it, as its kind says; null when it was taken away.',
  })
  value!: unknown;

  @Field(() => EntitlementSource, { description: 'Which entitlement says so.' })
  source!: EntitlementSource;

  @Field(() => Date, {
    nullable: true,
    description:
      'When that changes, as far as is known: another entitlement takes effect, or the contract ends; null for never.',
  })
  changesAt!: Date | null;

  /** Whose it is, and what it is to those who count by it. */
  tenantId!: string;
  effective!: EffectiveEntitlement;

  static from(tenantId: string, effective: EffectiveEntitlement): EffectiveEntitlementType {
    const { featureKey, featureId, kind, value, source, changesAt } = effective;

    return Object.assign(new EffectiveEntitlementType(), {
      tenantId,
      effective,
      featureKey,
      featureId,
      kind: FeatureKindEnum[kind],
      value: value && entitlementValueJson(value),
      source: source && {
        kind: EntitlementTargetEnum[source.kind],
        targetId: source.id,
        entitlementId: source.entitlementId,
        effectiveAt: source.effectiveAt,
      },
      changesAt,
    });
  }
}

export const EffectiveEntitlementConnection = connectionOf('EffectiveEntitlement', () => EffectiveEntitlementType);

@InputType({ description: 'A feature to make.' })
export class FeatureCreateInput {
  @Field(() => String, IDEMPOTENCY_KEY)
  idempotencyKey!: string;

  @Field(() => ID, TENANT_ID)
  tenantId?: string | null;

  @Field(() => String, {
    description: 'Unique within the seller: up to 63 characters, words of a-z and 0-9 joined by `.`, `_` or `-`.',
  })
  key!: string;

  @Field(() => String, { description: 'The name people know it by: 1 to 200 characters.' })
  name!: string;

  @Field(() => FeatureKindEnum, { description: 'What it is.' })
  kind!: FeatureKindEnum;

  @Field(() => ID, {
    nullable: true,
    description:
      'What a LIMIT counts: a meter of the seller or of a tenant above it, a SUM or a COUNT. No other kind has one.',
  })
  meterId?: string | null;

  @Field(() => FeatureFailModeEnum, {
    defaultValue: FeatureFailModeEnum.CLOSED,
    description: 'What happens where nobody can say how much was used.',
  })
  failMode!: FeatureFailModeEnum;

  @Field(() => DecimalScalar, {
    nullable: true,
    description: 'How much may be used blindly, in units of the feature: from 0. LAST_KNOWN needs it, no other has it.',
  })
  failCap?: string | null;
}

@ObjectType({ description: 'The answer of featureCreate.' })
export class FeatureCreatePayload extends OncePayload {
  @Field(() => FeatureType, { nullable: true, description: 'The feature; null when refused.' })
  feature?: FeatureType | null;
}

@InputType({ description: 'An entitlement to set.' })
export class EntitlementSetInput {
  @Field(() => String, IDEMPOTENCY_KEY)
  idempotencyKey!: string;

  @Field(() => ID, TENANT_ID)
  tenantId?: string | null;

  @Field(() => ID, { description: 'A feature of the tenant.' })
  featureId!: string;

  @Field(() => EntitlementTargetEnum, { description: 'Whom it is for.' })
  targetKind!: EntitlementTargetEnum;

  @Field(() => ID, { description: 'A price book of the tenant, a contract it sells, or a tenant below it.' })
  targetId!: string;

  @Field(() => JsonScalar, {
    nullable: true,
    description:
      'What there is of the feature, as its kind says. Null takes it away, whatever a wider entitlement gives; left out it is refused, unless it inherits.',
  })
  value?: unknown;

  @Field(() => Boolean, {
    defaultValue: false,
    description:
      'Hands the feature back: a contract has again what its plan is given, a tenant what its contract or plan is. Leave the value out then. Not for a plan.',
  })
  inherits!: boolean;

  @Field(() => Date, {
    nullable: true,
    description: 'From when: now (the default) or later. An instant is set once.',
  })
  effectiveAt?: Date | null;
}

@ObjectType({ description: 'The answer of entitlementSet.' })
export class EntitlementSetPayload extends OncePayload {
  @Field(() => EntitlementType, { nullable: true, description: 'The entitlement; null when refused.' })
  entitlement?: EntitlementType | null;
}

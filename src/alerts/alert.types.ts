import { Field, ID, InputType, ObjectType } from 'type-graphql';
import {
  connectionOf,
  DecimalScalar,
  DomainError,
  IDEMPOTENCY_KEY,
  MoneyType,
  Node,
  TENANT_ID,
  OncePayload,
} from '../platform/index.js';
import { formatDecimal } from '../money/index.js';
import type { AlertFiring, SpendAlert } from './alert.entity.js';
import type { Threshold } from './alert.rules.js';

@ObjectType('SpendThreshold', {
  description: 'Where an alert fires: an amount, or a per cent of its budget. One of the two is null.',
})
export class SpendThresholdType {
  @Field(() => DecimalScalar, { nullable: true, description: "In the currency of the tenant's contract." })
  amount!: string | null;

  @Field(() => DecimalScalar, { nullable: true, description: 'Per cent of the budget.' })
  percent!: string | null;
}

@InputType({ description: 'Where an alert fires. Give exactly one of the two.' })
export class SpendThresholdInput {
  @Field(() => DecimalScalar, { nullable: true, description: "In the currency of the tenant's contract." })
  amount?: string | null;

  @Field(() => DecimalScalar, { nullable: true, description: 'Per cent of the budget.' })
  percent?: string | null;
}

/** The thresholds of an input. Throws when one has both values or none. */
export function thresholdsOf(inputs: readonly SpendThresholdInput[]): Threshold[] {
  return inputs.map(({ amount, percent }, index) => {
    if (amount && !percent) {
      return { amount };
    }

    if (percent && !amount) {
      return { percent };
    }

    throw DomainError.invalid('a threshold has an amount or a percent, not both', ['thresholds', String(index)]);
  });
}

@ObjectType('SpendAlert', {
  implements: Node,
  description: "A wish to be told when a tenant's spend of a billing period reaches thresholds.",
})
export class SpendAlertType extends Node {
  @Field(() => String, { description: 'Its name.' })
  name!: string;

  @Field(() => DecimalScalar, { nullable: true, description: 'What thresholds in per cent refer to.' })
  budget!: string | null;

  @Field(() => [SpendThresholdType], { description: 'At most 20. Each fires once a period.' })
  thresholds!: SpendThresholdType[];

  @Field(() => Date, { description: 'When it was made.' })
  createdAt!: Date;

  @Field(() => Date, { nullable: true, description: 'When it was ended; null while it watches.' })
  archivedAt!: Date | null;

  static from(alert: SpendAlert): SpendAlertType {
    return Object.assign(new SpendAlertType(), {
      id: alert.id,
      name: alert.name,
      budget: alert.budget ? formatDecimal(alert.budget) : null,
      thresholds: alert.thresholds.map(threshold =>
        Object.assign(new SpendThresholdType(), { amount: null, percent: null, ...threshold }),
      ),
      createdAt: alert.createdAt,
      archivedAt: alert.archivedAt ?? null,
    });
  }
}

export const SpendAlertConnection = connectionOf('SpendAlert', () => SpendAlertType);

@ObjectType('AlertFiring', {
  implements: Node,
  description: 'A threshold that was reached: told once per alert, period and threshold.',
})
export class AlertFiringType extends Node {
  @Field(() => String, { description: 'Give it as `after` to a subscription to read on from here.' })
  cursor!: string;

  @Field(() => ID, { description: 'The alert.' })
  alertId!: string;

  @Field(() => ID, { description: 'The tenant whose spend it is.' })
  tenantId!: string;

  @Field(() => Date, { description: 'The billing period begins here …' })
  periodStart!: Date;

  @Field(() => Date, { description: '… and ends before here.' })
  periodEnd!: Date;

  @Field(() => String, { description: 'Which threshold, such as amount:100 or percent:80.' })
  threshold!: string;

  @Field(() => MoneyType, { description: 'The threshold as an amount.' })
  thresholdAmount!: MoneyType;

  @Field(() => MoneyType, { description: 'The exact spend of the period when it fired.' })
  spend!: MoneyType;

  @Field(() => Date, { description: 'When it fired.' })
  firedAt!: Date;

  static from(firing: AlertFiring): AlertFiringType {
    return Object.assign(new AlertFiringType(), {
      id: firing.id,
      cursor: String(firing.seq),
      alertId: firing.alertId,
      tenantId: firing.tenantId,
      periodStart: firing.periodStart,
      periodEnd: firing.periodEnd,
      threshold: firing.threshold,
      thresholdAmount: MoneyType.of(firing.thresholdAmount, firing.currency),
      spend: MoneyType.of(firing.spend, firing.currency),
      firedAt: firing.firedAt,
    });
  }
}

export const AlertFiringConnection = connectionOf('AlertFiring', () => AlertFiringType);

@InputType({ description: 'A spend alert to make.' })
export class SpendAlertCreateInput {
  @Field(() => String, IDEMPOTENCY_KEY)
  idempotencyKey!: string;

  @Field(() => ID, TENANT_ID)
  tenantId?: string | null;

  @Field(() => String, { description: 'Its name: 1 to 200 characters.' })
  name!: string;

  @Field(() => DecimalScalar, {
    nullable: true,
    description: 'What thresholds in per cent refer to, for each billing period.',
  })
  budget?: string | null;

  @Field(() => [SpendThresholdInput], { description: '1 to 20. Those already reached fire at once.' })
  thresholds!: SpendThresholdInput[];
}

@ObjectType({ description: 'The answer of spendAlertCreate and spendAlertArchive.' })
export class SpendAlertPayload extends OncePayload {
  @Field(() => SpendAlertType, { nullable: true, description: 'The alert; null when refused.' })
  spendAlert?: SpendAlertType | null;
}

@InputType({ description: 'A spend alert to end.' })
export class SpendAlertArchiveInput {
  @Field(() => ID, { description: 'The alert.' })
  spendAlertId!: string;

  @Field(() => ID, TENANT_ID)
  tenantId?: string | null;
}

import { Field, ID, Int, ObjectType, registerEnumType } from 'type-graphql';
import { formatDecimal } from '../money/index.js';
import { connectionOf, DecimalScalar, Node } from '../platform/index.js';
import { shownFactor } from './anomaly.rules.js';
import type { OutcomeAnomaly } from './outcome-anomaly.entity.js';

export enum OutcomeAnomalyMeasureEnum {
  OCCURRED = 'OCCURRED',
  ARRIVED = 'ARRIVED',
}
registerEnumType(OutcomeAnomalyMeasureEnum, {
  name: 'OutcomeAnomalyMeasure',
  description: 'By what claims are counted, week by week.',
  valuesConfig: {
    OCCURRED: { description: 'When they occurred.' },
    ARRIVED: { description: 'When they came in, whenever they occurred: told where those that occurred are in line.' },
  },
});

@ObjectType('OutcomeAnomaly', {
  implements: Node,
  description:
    'A rule had more claims in seven days than in the weeks before, by when they occurred or by when they came in; told once for a rule in seven days.',
})
export class OutcomeAnomalyType extends Node {
  @Field(() => ID, { description: 'The tenant whose outcomes they are.' })
  tenantId!: string;

  @Field(() => ID, { description: 'The rule.' })
  outcomeRuleId!: string;

  @Field(() => Date, { description: 'The week of the calendar in which it was told: from Monday, in UTC.' })
  weekStart!: Date;

  @Field(() => OutcomeAnomalyMeasureEnum, { description: 'By what the claims are counted, those before included.' })
  measure!: OutcomeAnomalyMeasureEnum;

  @Field(() => Int, {
    description:
      'The claims that occurred, or came in, in the seven days before it was told: in 168 hours, of which the last holds that instant.',
  })
  claimCount!: number;

  @Field(() => DecimalScalar, {
    description: 'The median of the claims of the whole weeks before, of which there are two to eight.',
  })
  baseline!: string;

  @Field(() => DecimalScalar, {
    description: 'How many times the baseline, with one digit after the point; a baseline below 1 counts as 1.',
  })
  factor!: string;

  @Field(() => DecimalScalar, { description: 'The same, not rounded to be read.' })
  exactFactor!: string;

  @Field(() => Date, { description: 'When it was told.' })
  toldAt!: Date;

  static from(anomaly: OutcomeAnomaly): OutcomeAnomalyType {
    return Object.assign(new OutcomeAnomalyType(), {
      id: anomaly.id,
      tenantId: anomaly.tenantId,
      outcomeRuleId: anomaly.ruleId,
      weekStart: anomaly.weekStart,
      measure: anomaly.measure,
      claimCount: anomaly.claims,
      baseline: formatDecimal(anomaly.baseline),
      factor: formatDecimal(shownFactor(anomaly.factor)),
      exactFactor: formatDecimal(anomaly.factor),
      toldAt: anomaly.toldAt,
    });
  }
}

export const OutcomeAnomalyConnection = connectionOf('OutcomeAnomaly', () => OutcomeAnomalyType);

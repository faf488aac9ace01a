import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { ContextBandInput } from '../catalog/index.js';
import { IDEMPOTENCY_KEY, OncePayload, TENANT_ID } from '../platform/index.js';
import { SimulationBaselineEnum, SimulationType } from './simulation.types.js';

@InputType({ description: 'Other context bands of a model than it has.' })
export class SimulationModelContextInput {
  @Field(() => String, { description: 'The model, by the key that usage calls it by.' })
  modelKey!: string;

  @Field(() => [ContextBandInput], { description: 'Ascending; none for a model without bands. At most 16.' })
  bands!: ContextBandInput[];
}

@InputType({ description: 'Contracts that are to be moved: who they are is told by the move that is planned.' })
export class SimulationMoveInput {
  @Field(() => ID, { description: 'The book that the contracts are on.' })
  priceBookId!: string;

  @Field(() => ID, {
    nullable: true,
    description: 'Only contracts that are pinned to this version; all of the book by default.',
  })
  fromVersionId?: string | null;

  @Field(() => Date, { description: 'When they are to move.' })
  effectiveAt!: Date;
}

@InputType({ description: 'A simulation to start.' })
export class SimulationStartInput {
  @Field(() => String, IDEMPOTENCY_KEY)
  idempotencyKey!: string;

  @Field(() => ID, {
    nullable: true,
    description: "The tenant whose book it is: the key's own (the default) or one below it.",
  })
  sellerId?: string | null;

  @Field(() => ID, { description: 'A draft or a published version: it is tried as if it had held all the time.' })
  priceBookVersionId!: string;

  @Field(() => Date, { description: 'Every billing period that touches the time from here …' })
  from!: Date;

  @Field(() => Date, { description: '… until before here is replayed, as a whole. Not after now; at most 1,830 days.' })
  until!: Date;

  @Field(() => [ID], {
    nullable: true,
    description:
      'Who is to try it: the seller or tenants below it, at most 10,000, in the periods of all their contracts. Left out: every tenant with a contract on the book, in the periods of that contract.',
  })
  tenantIds?: string[] | null;

  @Field(() => SimulationMoveInput, {
    nullable: true,
    description:
      'Only the buyers that contractsMigrate would move (of tenantIds, where given), so that it is seen before who pays what.',
  })
  move?: SimulationMoveInput | null;

  @Field(() => SimulationBaselineEnum, {
    defaultValue: SimulationBaselineEnum.CHARGED,
    description: 'What it is compared with.',
  })
  baseline!: SimulationBaselineEnum;

  @Field(() => [SimulationModelContextInput], {
    defaultValue: [],
    description: 'Models that are tried with other context bands, for all the time. At most 100.',
  })
  modelContexts!: SimulationModelContextInput[];
}

@InputType({ description: 'A simulation to stop.' })
export class SimulationCancelInput {
  @Field(() => ID, { description: 'The simulation.' })
  simulationId!: string;

  @Field(() => ID, TENANT_ID)
  tenantId?: string | null;
}

@ObjectType({ description: 'The answer of simulationStart and simulationCancel.' })
export class SimulationPayload extends OncePayload {
  @Field(() => SimulationType, { nullable: true, description: 'The simulation; null when refused.' })
  simulation?: SimulationType | null;
}

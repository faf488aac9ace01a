import { Field, ID, ObjectType } from 'type-graphql';
import { connectionOf, JsonScalar } from '../platform/index.js';
import type { SealedAuditLine } from './audit.rules.js';

@ObjectType('AuditLine', {
  description: 'One change: who did what to what, when; chained by hash to the line before it.',
})
export class AuditLineType {
  @Field(() => String, { description: 'Place in the chain of the tenant, from 1, without gaps.' })
  seq!: string;

  @Field(() => Date, { description: 'When the change was made.' })
  at!: Date;

  @Field(() => String, { description: 'What acted: key, job or cli.' })
  actorKind!: string;

  @Field(() => String, { description: 'The id of the key, or the name of the job or command.' })
  actorId!: string;

  @Field(() => String, { description: 'What was done, such as invoice.issued.' })
  action!: string;

  @Field(() => ID, { description: 'The object it was done to.' })
  subjectId!: string;

  @Field(() => JsonScalar, { nullable: true, description: 'The object before; null for a creation.' })
  before!: unknown;

  @Field(() => JsonScalar, { nullable: true, description: 'The object after.' })
  after!: unknown;

  @Field(() => String, { description: 'The request in which it happened.' })
  requestId!: string;

  @Field(() => String, { description: 'The hash of the line before; 64 zeros for the first.' })
  previousHash!: string;

  @Field(() => String, { description: 'SHA-256, in hex, over the canonical JSON of this line.' })
  hash!: string;

  static from(line: SealedAuditLine): AuditLineType {
    return Object.assign(new AuditLineType(), line, { at: new Date(line.at) });
  }
}

export const AuditLineConnection = connectionOf('AuditLine', () => AuditLineType);

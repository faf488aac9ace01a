import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import { connectionOf, JsonScalar, UserError } from '../platform/index.js';
import type { StoredEvent } from './stored-event.queries.js';

@ObjectType('UsageEvent', { description: 'A fact that was accepted once and is never edited.' })
export class UsageEventType {
  @Field(() => ID, { description: 'Its id, as the sender gave it; unique for the tenant and source.' })
  eventId!: string;

  @Field(() => String, { description: 'Where it came from; empty when the sender did not say.' })
  source!: string;

  @Field(() => String, { description: 'Its type, by which meters find it.' })
  eventType!: string;

  @Field(() => Date, { description: 'When it happened.' })
  time!: Date;

  @Field(() => String, { nullable: true, description: 'What it was about, such as a user or a conversation.' })
  subject!: string | null;

  @Field(() => JsonScalar, { description: 'Its properties, as sent.' })
  properties!: unknown;

  @Field(() => String, { description: 'SHA-256, in hex, of its content.' })
  contentHash!: string;

  @Field(() => Date, { description: 'When it was accepted.' })
  acceptedAt!: Date;

  static from(event: StoredEvent): UsageEventType {
    return Object.assign(new UsageEventType(), {
      eventId: event.id,
      source: event.source,
      eventType: event.type,
      time: event.time,
      subject: event.subject,
      properties: event.properties,
      contentHash: event.content_hash.toString('hex'),
      acceptedAt: event.accepted_at,
    });
  }
}

export const UsageEventConnection = connectionOf('UsageEvent', () => UsageEventType);

@InputType({ description: 'Usage to record.' })
export class UsageRecordInput {
  @Field(() => [JsonScalar], {
    description:
      'Up to 1,000 events {id, type, time, tenant?, source?, subject?, properties?} or CloudEvents. Each is judged by itself. Send them as a variable, not in the document.',
  })
  events!: unknown[];
}

@ObjectType({ description: 'An event whose id came before with other content.' })
export class UsageConflictType {
  @Field(() => Int, { description: 'Its place in the batch, from 0.' })
  index!: number;

  @Field(() => ID, { description: 'Its id.' })
  eventId!: string;

  @Field(() => String, { description: 'SHA-256, in hex, of the content accepted under this id.' })
  storedHash!: string;

  @Field(() => String, { description: 'SHA-256, in hex, of the content sent now.' })
  givenHash!: string;
}

@ObjectType({ description: 'An event that was not accepted.' })
export class UsageRejectionType {
  @Field(() => Int, { description: 'Its place in the batch, from 0.' })
  index!: number;

  @Field(() => ID, { nullable: true, description: 'Its id, when it has a readable one.' })
  eventId!: string | null;

  @Field(() => String, { description: 'Why, for programs, such as INVALID_QUANTITY. Codes are added over time.' })
  code!: string;

  @Field(() => String, { description: 'The field at fault; empty for the event as a whole.' })
  field!: string;

  @Field(() => String, { description: 'Why, for people.' })
  reason!: string;
}

@ObjectType({ description: 'What became of each event: every one is in exactly one of the four.' })
export class UsageRecordPayload {
  @Field(() => Int, { description: 'How many were new.' })
  accepted: number = 0;

  @Field(() => [Int], {
    description: 'Places of events that were accepted before with the same content; at most as many as were sent.',
  })
  duplicates: readonly number[] = [];

  @Field(() => [UsageConflictType], {
    description: 'Events whose id came before with other content; at most as many as were sent.',
  })
  conflicts: readonly UsageConflictType[] = [];

  @Field(() => [UsageRejectionType], { description: 'Events that cannot be accepted; at most as many as were sent.' })
  rejected: readonly UsageRejectionType[] = [];

  @Field(() => Boolean, { description: 'Whether a test key only asked what would be accepted.' })
  isDryRun: boolean = false;

  @Field(() => [UserError], { description: 'Why the whole batch was refused; empty when it was not.' })
  userErrors!: UserError[];
}

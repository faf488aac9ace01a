import type { OutcomeRulesService } from '../outcomes/index.js';
import type { Scope } from '../platform/index.js';

const DAY_HOURS = 24;

/** A ticket counts once, unless it was a greeting, badly rated, or comes back within two weeks. */
const TERMS = {
  claim: {
    eventType: 'ticket.resolved',
    filter: '!(has(properties.escalated) && properties.escalated == true)',
  },
  exclusions: [{ reason: 'GREETING_ONLY', filter: 'has(properties.topic) && properties.topic == "greeting"' }],
  dedupe: { scope: 'SUBJECT' },
  quality: { property: 'csat', minimum: '4', whenMissing: 'ACCEPT' },
  reversal: { clause: { eventType: 'ticket.reopened', filter: '' }, windowHours: 14 * DAY_HOURS },
  dispute: { windowHours: 30 * DAY_HOURS, responseHours: 10 * DAY_HOURS, whenSilent: 'CREDIT' },
  prices: [
    {
      name: 'Ticket resolved by the agent',
      currency: 'USD',
      pattern: {},
      terms: {
        model: 'GRADUATED',
        tiers: [
          { upTo: '50', unitAmount: '0.99' },
          { upTo: null, unitAmount: '0.90' },
        ],
      },
    },
  ],
};

/**
 * Puts the demo's outcome rule on a book and has it hold from the scope's instant on, once. Answers since when it holds:
 * another run finds what the first one published.
 */
export async function publishTicketRule(
  outcomeRules: OutcomeRulesService,
  seller: Scope,
  priceBookId: string,
): Promise<Date> {
  const { rule } = await outcomeRules.create(seller, {
    priceBookId,
    key: 'ticket_resolved',
    name: 'A ticket resolved by the agent',
    idempotencyKey: 'demo-ticket-rule',
  });
  const { version } = await outcomeRules.createVersion(seller, {
    outcomeRuleId: rule.id,
    terms: TERMS,
    idempotencyKey: 'demo-ticket-rule-version',
  });
  const published =
    version.status === 'DRAFT'
      ? await outcomeRules.publish(seller, { versionId: version.id, effectiveAt: null })
      : version;

  return published.effectiveAt ?? seller.now;
}

/** Two in three people rate their ticket. */
const RATINGS = [{}, { csat: 4 }, { csat: 5 }] as const;

interface TicketEvent {
  readonly type: 'ticket.resolved' | 'ticket.reopened';
  readonly subject: string;
  readonly properties: Readonly<Record<string, unknown>>;
}

/**
 * What Brightdesk's help desk tells of its tickets, a millisecond apart: a rule judges nothing that lies before it, so they
 * begin when it does. They are the same whenever they are made, so that a run which was killed sends none under an id that
 * differs.
 */
export function ticketsSince(ruledSince: Date): object[] {
  const events = [
    ...Array.from({ length: 32 }, (_, index) => resolved(1_001 + index, RATINGS[index % 3])),
    // Told again: the help desk closes what the agent had resolved.
    ...[1_003, 1_011, 1_020].map(number => resolved(number)),
    // A person took over: no claim at all.
    resolved(1_033, { escalated: true }),
    resolved(1_034, { topic: 'greeting' }),
    resolved(1_035, { csat: 2 }),
    // Resolved, it seemed.
    ...[1_036, 1_037].flatMap(number => [resolved(number), reopened(number)]),
  ];

  return events.map((event, place) => ({
    id: `demo-ticket-event-${place + 1}`,
    time: new Date(ruledSince.getTime() + place).toISOString(),
    ...event,
  }));
}

function resolved(number: number, properties: TicketEvent['properties'] = {}): TicketEvent {
  return { type: 'ticket.resolved', subject: `ticket-${number}`, properties };
}

function reopened(number: number): TicketEvent {
  return { type: 'ticket.reopened', subject: `ticket-${number}`, properties: {} };
}

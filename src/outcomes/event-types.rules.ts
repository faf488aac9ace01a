import type { OutcomeTerms } from './outcome-terms.rules.js';

/** The types of events that a version looks at: those that claim, exclude, verify, rate, touch and take back. */
export function eventTypesOf(terms: OutcomeTerms): ReadonlySet<string> {
  const { claim, exclusions, verification, quality, attribution, reversal, guarantee } = terms;

  return new Set(
    [
      claim.eventType,
      ...exclusions.map(({ eventType }) => eventType),
      verification?.eventType,
      quality?.eventType,
      attribution?.touch.eventType,
      reversal?.clause?.eventType,
      guarantee?.clause.eventType,
    ].flatMap(eventType => eventType ?? []),
  );
}

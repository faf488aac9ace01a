import { tied } from './outcome-cases.js';
import type { OutcomeEvent } from './outcome.rules.js';

/**
 * Events that are all at hand, case by case, as `casesOf` finds them among those that are kept: those of a subject are one
 * case, and where `linksCustomers` those of a customer; an event that has neither is a case by itself.
 */
export function outcomeCasesAmong(events: readonly OutcomeEvent[], linksCustomers: boolean): OutcomeEvent[][] {
  const customerOf = ({ customer }: OutcomeEvent): string | null => (linksCustomers ? customer : null);
  const isLoose = (event: OutcomeEvent): boolean => event.subject === null && customerOf(event) === null;
  const held = events.filter(event => !isLoose(event));
  const ties = new Map(
    held.map(event => {
      const tie = { subject: event.subject, customer: customerOf(event), events: 1 };

      return [JSON.stringify([tie.subject, tie.customer]), tie] as const;
    }),
  );
  const placeOf = new Map(
    tied([...ties.values()]).flatMap(({ subjects, customers }, place) => [
      ...subjects.map(subject => [`s${subject}`, place] as const),
      ...customers.map(customer => [`c${customer}`, place] as const),
    ]),
  );
  const byPlace = Map.groupBy(held, event =>
    placeOf.get(event.subject === null ? `c${customerOf(event)}` : `s${event.subject}`),
  );

  return [...byPlace.values(), ...events.filter(isLoose).map(event => [event])];
}

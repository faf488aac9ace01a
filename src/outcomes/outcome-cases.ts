import type { Scope } from '../platform/index.js';
import { tiesOf, type CaseMembers, type CaseName, type EventPlace, type Tie } from './settle.queries.js';

/** What hangs together by subject or customer, with the number of its events. */
export interface OutcomeCase extends CaseMembers {
  readonly events: number;
}

/**
 * The whole cases that these names belong to, each once. Everything of a subject is one case; where `linksCustomers`, so is
 * everything of a customer, and of every subject that any of it names, and so on, until nothing new is named. What has
 * neither is a case by itself.
 */
export async function casesOf(tx: Scope, names: readonly CaseName[], linksCustomers: boolean): Promise<OutcomeCase[]> {
  const ties = await closure(tx, names, linksCustomers);
  const loose = new Map<string, EventPlace>();

  for (const { id, source, subject, customer } of names) {
    if (subject === null && (customer === null || !linksCustomers)) {
      loose.set(`${id}\0${source}`, { id, source });
    }
  }

  return [
    ...tied(ties),
    ...[...loose.values()].map(place => ({ subjects: [], customers: [], loose: [place], events: 1 })),
  ];
}

/** Every pair of a subject and a customer that some event names and that can be reached from these names. */
async function closure(tx: Scope, names: readonly CaseName[], linksCustomers: boolean): Promise<Tie[]> {
  const known = { subjects: new Set<string>(), customers: new Set<string>() };
  const ties = new Map<string, Tie>();
  let found: readonly Pick<CaseName, 'subject' | 'customer'>[] = names;

  // Each round names something that no round before has named, so there are at most as many as names.
  for (;;) {
    const subjects = added(
      known.subjects,
      found.map(({ subject }) => subject),
    );
    const customers = linksCustomers
      ? added(
          known.customers,
          found.map(({ customer }) => customer),
        )
      : [];

    if (subjects.length + customers.length === 0) {
      return [...ties.values()];
    }

    const next = await tiesOf(tx, subjects, customers);
    next.forEach(tie => {
      const customer = linksCustomers ? tie.customer : null;
      const key = JSON.stringify([tie.subject, tie.customer]);
      ties.set(key, { ...tie, customer });
    });
    found = next;
  }
}

/** Puts names among those known, and returns those that were not. */
function added(known: Set<string>, names: readonly (string | null)[]): string[] {
  const fresh = [...new Set(names)].filter(name => name !== null).filter(name => !known.has(name));
  fresh.forEach(name => known.add(name));

  return fresh;
}

/** Joins what shares a subject or a customer. */
export function tied(ties: readonly Tie[]): OutcomeCase[] {
  const parents = new Map<string, string>();
  const rootOf = (node: string): string => {
    let root = node;

    for (let up = parents.get(root); up !== undefined && up !== root; up = parents.get(root)) {
      root = up;
    }

    // Shortens the way for who asks next.
    for (let at = node; at !== root;) {
      const up = parents.get(at) ?? root;
      parents.set(at, root);
      at = up;
    }

    return root;
  };
  const nodesOf = ({ subject, customer }: Tie): string[] => [
    ...(subject === null ? [] : [`s${subject}`]),
    ...(customer === null ? [] : [`c${customer}`]),
  ];

  for (const tie of ties) {
    const [first = '', second = first] = nodesOf(tie);
    parents.set(first, rootOf(first));
    parents.set(second, rootOf(second));
    parents.set(rootOf(second), rootOf(first));
  }

  return [...Map.groupBy(ties, tie => rootOf(nodesOf(tie)[0] ?? '')).values()].map(group => ({
    subjects: distinct(group.map(({ subject }) => subject)),
    customers: distinct(group.map(({ customer }) => customer)),
    loose: [],
    events: group.reduce((sum, { events }) => sum + events, 0),
  }));
}

function distinct(names: readonly (string | null)[]): string[] {
  return [...new Set(names)].filter(name => name !== null);
}

/** Puts cases together into groups of up to so many events; a case that has more is a group by itself. */
export function grouped(cases: readonly OutcomeCase[], events: number): OutcomeCase[][] {
  const groups: OutcomeCase[][] = [];
  let room = 0;

  for (const one of cases) {
    const last = groups.at(-1);

    if (last && one.events <= room) {
      last.push(one);
      room -= one.events;
    } else {
      groups.push([one]);
      room = events - one.events;
    }
  }

  return groups;
}

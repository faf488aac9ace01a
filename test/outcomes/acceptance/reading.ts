import { DateTime } from 'luxon';
import type { Answer } from '../../support/product.js';
import type { Sale } from './support.js';

// The answers of GraphQL have the shape of the query; each test asserts what it asks for.
type Data = Answer['data'];

/** The month of an instant where the buyer is. */
export const monthOf = ({ timeZone }: Pick<Sale, 'timeZone'>, time: string): string =>
  DateTime.fromISO(time, { zone: timeZone }).toFormat('yyyy-MM');

/** One member of the buyer, as GraphQL answers it. */
export async function read(
  sale: Sale,
  fields: string,
  variables: Readonly<Record<string, string>> = {},
): Promise<Data> {
  const declared = Object.keys(variables).map(name => `, $${name}: String`);
  const { data, errors } = await sale.product.graphql(
    sale.keys.reads,
    `query ($tenantId: ID!${declared.join('')}) { tenant(id: $tenantId) { ${fields} } }`,
    { tenantId: sale.buyerId, ...variables },
  );

  if (errors) {
    throw new Error(JSON.stringify(errors));
  }

  return data.tenant;
}

/** All pages of a list of the buyer, or as many as hold the first ones. */
export async function readAll(sale: Sale, list: string, fields: string, filter = '', most = Infinity): Promise<Data[]> {
  const nodes: Data[] = [];

  for (let after: string | null = null; ;) {
    const variables: Record<string, string> = after === null ? {} : { after };
    const place = after === null ? '' : ', after: $after';
    const page: Data = await read(
      sale,
      `${list}(first: 100${place}${filter}) { edges { node { ${fields} } } pageInfo { hasNextPage endCursor } }`,
      variables,
    );
    nodes.push(...page[list].edges.map(({ node }: { node: Data }) => node));

    if (!page[list].pageInfo.hasNextPage || nodes.length >= most) {
      return nodes;
    }

    after = page[list].pageInfo.endCursor;
  }
}

/** How an outcome stands, in words: its state, and the reason where there is one. */
const standing = ({ state, reason }: { state: string; reason: string | null }): string =>
  reason === null ? state : `${state} ${reason}`;

/** How many outcomes stand where. */
export async function tally(sale: Sale): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};

  for (const outcome of await readAll(sale, 'outcomes', 'state reason')) {
    counts[standing(outcome)] = (counts[standing(outcome)] ?? 0) + 1;
  }

  return counts;
}

/** Where outcomes stand, by the ids of the events that claim them. */
export async function standings(sale: Sale): Promise<Record<string, string>> {
  const outcomes = await readAll(sale, 'outcomes', 'eventId state reason');

  return Object.fromEntries(outcomes.map(outcome => [outcome.eventId, standing(outcome)]));
}

/** The ids of outcomes in the order in which they occurred; of those that stand in a state, when given. */
export async function idsOf(sale: Sale, state?: string): Promise<string[]> {
  const outcomes = await readAll(sale, 'outcomes', 'id', state ? `, state: ${state}` : '');

  return outcomes.map(({ id }) => id as string).reverse();
}

/** A line as it is read: what for, how many, and the amount. */
type Line = readonly [what: string, quantity: string, amount: string];

/** What invoices say, by the month in which their period begins; drafts too. */
export async function invoices(
  sale: Sale,
): Promise<Record<string, { readonly status: string; readonly total: string; readonly lines: readonly Line[] }>> {
  const { invoices: found } = await read(
    sale,
    `invoices(first: 12) { edges { node { status periodStart total { amount } lines(first: 20) { edges { node {
       description quantity amount { amount } } } } } } }`,
  );
  const month = (time: string) => monthOf(sale, time);

  return Object.fromEntries(
    found.edges.map(({ node }: Data) => [
      month(node.periodStart),
      {
        status: node.status,
        total: node.total.amount,
        lines: node.lines.edges.map(({ node: line }: Data) => [line.description, line.quantity, line.amount.amount]),
      },
    ]),
  );
}

/** What each draft or invoice comes to, by month. */
export async function totals(sale: Sale): Promise<Record<string, string>> {
  return Object.fromEntries(Object.entries(await invoices(sale)).map(([month, { total }]) => [month, total]));
}

/** How many outcomes of a rule stand where, what of the charges is for them, and what they would cost one by one. */
export async function stats(
  sale: Sale,
  ruleId: string,
  month = '2026-11',
): Promise<Record<string, { readonly count: number; readonly amount: string; readonly listAmount: string }>> {
  const { data, errors } = await sale.product.graphql(
    sale.keys.reads,
    `query ($id: ID!, $tenantId: ID!, $from: DateTime!, $until: DateTime!) { node(id: $id) { ... on OutcomeRule {
       stats(tenantId: $tenantId, from: $from, until: $until) {
         state reason count amount { amount } listAmount { amount } held { amount } } } } }`,
    {
      id: ruleId,
      tenantId: sale.buyerId,
      from: `${month}-01T00:00:00Z`,
      until: DateTime.fromISO(`${month}-01T00:00:00Z`, { zone: 'utc' }).plus({ months: 1 }).toISO(),
    },
  );

  if (errors) {
    throw new Error(JSON.stringify(errors));
  }

  return Object.fromEntries(
    data.node.stats.map(({ count, amount, listAmount, held, ...where }: Data) => [
      standing(where),
      {
        count,
        amount: amount.amount,
        listAmount: listAmount.amount,
        ...(held ? { held: held.amount } : {}),
      },
    ]),
  );
}

/** The same, only counted. */
export async function counts(sale: Sale, ruleId: string): Promise<Record<string, number>> {
  return Object.fromEntries(Object.entries(await stats(sale, ruleId)).map(([where, { count }]) => [where, count]));
}

/** A line of the export of an invoice's receipts. */
export interface Receipt {
  readonly position: number;
  readonly hash: string;
  readonly receipt: Data;
}

/** The export of an invoice's receipts, line by line, as it is sent. */
export async function exported(sale: Sale, invoiceId: string): Promise<readonly string[]> {
  const response = await fetch(
    `${sale.product.server.url}/v1/invoices/${invoiceId}/receipts?tenantId=${sale.buyerId}`,
    { headers: { authorization: `Bearer ${sale.keys.reads}` } },
  );
  expect(response.status).toBe(200);
  const text = await response.text();

  return text.split('\n').filter(line => line !== '');
}

/** The receipts of an invoice, read out of its export. */
export async function receipts(sale: Sale, invoiceId: string): Promise<readonly Receipt[]> {
  return (await exported(sale, invoiceId)).map(line => JSON.parse(line) as Receipt);
}

/** The exact shape that GraphQL gives back for one invoice. */
export interface InvoiceSeen {
  readonly id: string;
  readonly tenantId: string;
  readonly status: string;
  readonly number: string | null;
  readonly total: { readonly amount: string; readonly currency: string };
  readonly lines: { readonly edges: readonly { readonly node: { readonly quantity: string } }[] };
}

/** A small client of the public API. Every refusal and failure is an error with its sentence. */
export class Api {
  constructor(
    readonly url: string,
    readonly key: string,
  ) {}

  async query<T>(query: string, variables: object = {}): Promise<T> {
    const response = await fetch(`${this.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${this.key}` },
      body: JSON.stringify({ query, variables }),
    }).catch(() => {
      throw new Error(`nothing answers at ${this.url}; start Ratebook in another terminal: npm start`);
    });
    const answer = (await response.json()) as { data?: T; errors?: { message: string }[] };

    if (answer.errors || !answer.data) {
      throw new Error(answer.errors?.map(error => error.message).join('; ') ?? `status ${response.status}`);
    }

    return answer.data;
  }

  async mutate<T>(name: string, inputType: string, selection: string, input: object): Promise<T> {
    const data = await this.query<Record<string, { userErrors: { message: string }[] } & T>>(
      `mutation ($input: ${inputType}!) { ${name}(input: $input) { ${selection} userErrors { message } } }`,
      { input },
    );
    const answer = data[name];

    if (!answer || answer.userErrors.length > 0) {
      throw new Error(`${name}: ${answer?.userErrors.map(error => error.message).join('; ') ?? 'no answer'}`);
    }

    return answer;
  }

  async invoices(tenantId: string): Promise<InvoiceSeen[]> {
    const { tenant } = await this.query<{ tenant: { invoices: { edges: { node: InvoiceSeen }[] } } }>(
      `query ($id: ID) { tenant(id: $id) { invoices { edges { node {
         id tenantId status number total { amount currency } lines { edges { node { quantity } } } } } } } }`,
      { id: tenantId },
    );

    return tenant.invoices.edges.map(edge => edge.node);
  }
}

/** What became of a batch. */
interface Receipt {
  readonly accepted: number;
  readonly duplicates: readonly number[];
  readonly conflicts: readonly object[];
  readonly rejected: readonly { readonly reason: string }[];
}

/** Posts usage as a gateway does. */
export async function postBatch(api: Api, batch: readonly object[]): Promise<Receipt> {
  const response = await fetch(`${api.url}/v1/usage`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${api.key}` },
    body: JSON.stringify(batch),
  });
  const receipt = (await response.json()) as Receipt & { error?: { message: string } };

  if (receipt.error) {
    throw new Error(receipt.error.message);
  }

  return receipt;
}

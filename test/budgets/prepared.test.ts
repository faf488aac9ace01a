import pg from 'pg';
import { preparedTexts } from '../../src/platform/index.js';
import { aCustomer, asking, type Customer } from './support.js';

const NOW = new Date('2026-11-10T12:00:00Z');

/** A node of a plan, as `explain (format json)` tells it. */
interface Node {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly Plans?: readonly Node[];
}

describe('a statement that is prepared', () => {
  let customer: Customer;
  const { authorize, settle, used, call, post, record } = asking(() => customer);

  beforeAll(async () => {
    customer = await aCustomer(NOW);
    const { product, customerId } = customer;
    await product.app.services.budgets.create(product.scope(customerId), {
      name: 'Month',
      amount: '100',
      currency: 'USD',
      mode: 'HARD',
      per: 'MONTH',
      countedTenantId: null,
      keyId: null,
      meterId: null,
      model: null,
      idempotencyKey: 'budget',
    });
    const asked = { idempotencyKey: 'once' };
    const { hold } = (await authorize(1, asked)).body;
    expect((await authorize(1, asked)).body.hold.id).toBe(hold.id);
    await settle(hold.id, [used(1)]);
    await post('check', call(1));
    await record(used(1));
  });

  afterAll(() => customer.product.close());

  // Its plan may be made when tables are empty and stay for a while: then none may read the whole of one that grows.
  test('finds rows by their keys whatever its parameters are, also when it was planned on empty tables', async () => {
    const texts = preparedTexts();
    expect(texts.length).toBeGreaterThanOrEqual(10);
    const client = new pg.Client({ connectionString: customer.product.database.appUrl });
    await client.connect();

    try {
      await client.query('set plan_cache_mode = force_generic_plan');
      const scanned: string[] = [];

      for (const [place, text] of texts.entries()) {
        await client.query(`prepare p${place} as ${text}`);
        const { rows } = await client.query<{ count: number }>(
          'select cardinality(parameter_types) as count from pg_prepared_statements where name = $1',
          [`p${place}`],
        );
        const nulls = Array.from({ length: rows[0]?.count ?? 0 }, () => 'null').join(', ');
        const explained = await client.query<{ 'QUERY PLAN': readonly { readonly Plan: Node }[] }>(
          `explain (format json) execute p${place}${nulls && `(${nulls})`}`,
        );
        const look = (node: Node): void => {
          if (node['Node Type'] === 'Seq Scan') {
            scanned.push(`${node['Relation Name']}: ${text.slice(0, 60)}`);
          }

          node.Plans?.forEach(look);
        };
        explained.rows[0]?.['QUERY PLAN'].forEach(({ Plan }) => look(Plan));
      }

      expect(scanned).toEqual([]);
    } finally {
      await client.end();
    }
  });
});

import { GraphQLObjectType } from 'graphql';
import { createHash, randomUUID } from 'node:crypto';
import { auditLines, record, verifyChain } from '../../src/audit/index.js';
import { firstBreak, GENESIS, type AuditLine, type SealedAuditLine } from '../../src/audit/audit.rules.js';
import { canonicalJson, inTransaction } from '../../src/platform/index.js';
import { burn } from '../credits/credits.js';
import { aContract, anEvent, aTenant, rate } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aKey, aProduct, type Product } from '../support/product.js';

const OUTCOME_TERMS = {
  claim: { eventType: 'conversation.resolved', filter: '' },
  dedupe: { scope: 'SUBJECT' },
  verification: { verifiers: ['HUMAN'], expiresAfterHours: 720 },
  reversal: { windowHours: 336 },
  dispute: { windowHours: 720, responseHours: 8_760, whenSilent: 'CREDIT' },
  sampleAudit: { tolerance: '5', leastSample: 1 },
  prices: [{ name: 'Each', currency: 'USD', pattern: [], terms: { model: 'UNIT', unitAmount: '0.99' } }],
};

/** The seal of a line as the README says it: SHA-256 over the canonical JSON of all that is in it. */
function auditHash(line: AuditLine | SealedAuditLine): string {
  return createHash('sha256')
    .update(canonicalJson({ ...line, hash: undefined }))
    .digest('hex');
}

describe('firstBreak', () => {
  const chain = (length: number): SealedAuditLine[] => {
    const lines: SealedAuditLine[] = [];

    for (let seq = 1; seq <= length; seq++) {
      const line: AuditLine = {
        tenantId: 'ten',
        seq: String(seq),
        at: '2026-11-20T12:00:00.000Z',
        actorKind: 'cli',
        actorId: 'test',
        action: 'thing.done',
        subjectId: `sub_${seq}`,
        before: null,
        after: { seq },
        requestId: 'req',
        previousHash: lines.at(-1)?.hash ?? GENESIS,
      };
      lines.push({ ...line, hash: auditHash(line) });
    }

    return lines;
  };

  test('finds nothing wrong with a whole chain, in one stretch or in several', () => {
    const lines = chain(5);
    expect(firstBreak(null, lines, auditHash)).toBeNull();
    expect(firstBreak(lines[1] ?? null, lines.slice(2), auditHash)).toBeNull();
    expect(firstBreak(null, [], auditHash)).toBeNull();
  });

  test.each(['tenantId', 'at', 'actorKind', 'actorId', 'action', 'subjectId', 'before', 'after', 'requestId'] as const)(
    'sees that %s of a line was altered',
    field => {
      const lines = chain(5).map((line, index) => (index === 2 ? { ...line, [field]: 'altered' } : line));
      expect(firstBreak(null, lines, auditHash)).toMatchObject({ seq: '3' });
    },
  );

  test('sees a line that was altered and sealed again by the line after it', () => {
    const lines = chain(5).map((line, index) => {
      const altered = { ...line, after: { seq: 99 } };

      return index === 2 ? { ...altered, hash: auditHash(altered) } : line;
    });
    expect(firstBreak(null, lines, auditHash)).toMatchObject({ seq: '4' });
  });
});

describe('the audit chain', () => {
  let product: Product;

  beforeAll(async () => {
    product = await aProduct({ now: new Date('2026-11-20T12:00:00Z') });
  });

  afterAll(() => product.close());

  const verify = (tenantId: string) => inTransaction(product.scope(tenantId), tx => verifyChain(tx));

  async function aChain(length: number): Promise<string> {
    const tenantId = await aTenant(product);
    await inTransaction(product.scope(tenantId), async tx => {
      for (let number = 2; number <= length; number++) {
        await record(tx, {
          action: 'thing.done',
          subjectId: `sub_${number}`,
          before: number % 2 ? null : { amount: '1.10', nested: { b: 1, a: [null, 'ü'] } },
          after: { number, when: new Date('2026-01-01T00:00:00Z') },
        });
      }
    });

    return tenantId;
  }

  /** As somebody who owns the database and has put the guard away. */
  async function tamper(...statements: readonly (readonly [string, readonly unknown[]])[]): Promise<void> {
    await asSuperuser(product.database, 'alter table audit_line disable trigger audit_line_is_final');

    try {
      for (const [sql, parameters] of statements) {
        await asSuperuser(product.database, sql, parameters);
      }
    } finally {
      await asSuperuser(product.database, 'alter table audit_line enable trigger audit_line_is_final');
    }
  }

  test('verifies, from the making of the tenant on', async () => {
    const tenantId = await aChain(20);
    expect(await verify(tenantId)).toEqual({ lines: 20, broken: null });
    expect(await verify(product.platformId)).toMatchObject({ broken: null });
  });

  test('verifies over more lines than are read at a time', async () => {
    const tenantId = await aChain(1_203);
    expect(await verify(tenantId)).toEqual({ lines: 1_203, broken: null });
    await tamper(["update audit_line set subject_id = 'x' where tenant_id = $1 and seq = 1101", [tenantId]]);
    expect(await verify(tenantId)).toMatchObject({ broken: { seq: '1101' } });
  });

  test('is empty and whole for a tenant that is not there', async () => {
    expect(await verify(`ten_${'0'.repeat(26)}`)).toEqual({ lines: 0, broken: null });
  });

  test.each([
    ['at', "at + interval '1 millisecond'"],
    ['actor_kind', "'key'"],
    ['actor_id', "'somebody else'"],
    ['action', "'thing.undone'"],
    ['subject_id', "'sub_other'"],
    ['before', `'{"amount": "1.20"}'`],
    ['after', `after || '{"number": 99}'`],
    ['after', 'null'],
    ['request_id', "'req_other'"],
    ['previous_hash', `repeat('0', 64)`],
    ['hash', `repeat('f', 64)`],
  ])('names the line whose %s was set to %s', async (column, value) => {
    const tenantId = await aChain(7);
    await tamper([`update audit_line set ${column} = ${value} where tenant_id = $1 and seq = 4`, [tenantId]]);
    expect((await verify(tenantId)).broken?.seq).toBe('4');
  });

  test('names the line after one that was deleted', async () => {
    const tenantId = await aChain(7);
    await tamper(['delete from audit_line where tenant_id = $1 and seq = 4', [tenantId]]);
    expect(await verify(tenantId)).toMatchObject({ broken: { seq: '5', reason: 'line 4 is missing before it' } });
  });

  test('names the first of two lines that were swapped', async () => {
    const tenantId = await aChain(7);
    await tamper(
      ['update audit_line set seq = 1000 where tenant_id = $1 and seq = 4', [tenantId]],
      ['update audit_line set seq = 4 where tenant_id = $1 and seq = 5', [tenantId]],
      ['update audit_line set seq = 5 where tenant_id = $1 and seq = 1000', [tenantId]],
    );
    expect((await verify(tenantId)).broken?.seq).toBe('4');
  });

  test('names the first line that was cut off at the end', async () => {
    const tenantId = await aChain(7);
    await tamper(['delete from audit_line where tenant_id = $1 and seq > 5', [tenantId]]);
    expect(await verify(tenantId)).toMatchObject({ lines: 5, broken: { seq: '6' } });
  });

  test('names a cut of the whole chain', async () => {
    const tenantId = await aChain(7);
    await tamper(['delete from audit_line where tenant_id = $1', [tenantId]]);
    expect(await verify(tenantId)).toMatchObject({ lines: 0, broken: { seq: '1' } });
  });

  test('names a line that was put in at the end, however well it follows', async () => {
    const tenantId = await aChain(7);
    const [last] = await inTransaction(product.scope(tenantId), tx => auditLines(tx, { first: 1 }));

    if (!last) {
      throw new Error('the chain has a last line');
    }

    const { hash, ...rest } = last;
    const forged = { ...rest, seq: '8', previousHash: hash };
    await tamper([
      `insert into audit_line select tenant_id, 8, at, actor_kind, actor_id, action, subject_id, before, after, request_id, hash, $2
       from audit_line where tenant_id = $1 and seq = 7`,
      [tenantId, auditHash(forged)],
    ]);
    expect((await verify(tenantId)).broken).not.toBeNull();
  });

  test('names a line that was put in between, and the ones moved up to make room', async () => {
    const tenantId = await aChain(7);
    await tamper(
      ['update audit_line set seq = -seq - 1 where tenant_id = $1 and seq >= 4', [tenantId]],
      ['update audit_line set seq = -seq where tenant_id = $1 and seq < 0', [tenantId]],
      [
        `insert into audit_line select tenant_id, 4, at, actor_kind, actor_id, action, subject_id, before, after, request_id, hash, repeat('a', 64)
         from audit_line where tenant_id = $1 and seq = 3`,
        [tenantId],
      ],
    );
    expect((await verify(tenantId)).broken?.seq).toBe('4');
  });

  test('of another tenant does not notice', async () => {
    const [one, other] = [await aChain(5), await aChain(5)];
    await tamper(['delete from audit_line where tenant_id = $1 and seq = 3', [one]]);
    expect(await verify(other)).toEqual({ lines: 5, broken: null });
  });

  test.each([
    ['changed', "update audit_line set action = 'x' where tenant_id = $1"],
    ['deleted', 'delete from audit_line where tenant_id = $1'],
  ])('cannot be %s while its guard stands, not even by the superuser', async (_what, sql) => {
    const tenantId = await aChain(3);
    await expect(asSuperuser(product.database, sql, [tenantId])).rejects.toThrow('never changed or deleted');
    expect(await verify(tenantId)).toEqual({ lines: 3, broken: null });
  });

  test('has no gap, however many write at once', async () => {
    const tenantId = await aTenant(product);
    await Promise.all(
      Array.from({ length: 24 }, (_, index) =>
        inTransaction(product.scope(tenantId), tx =>
          record(tx, { action: 'thing.done', subjectId: `sub_${index}`, after: { index } }),
        ),
      ),
    );
    expect(await verify(tenantId)).toEqual({ lines: 25, broken: null });
    expect(
      await asSuperuser(
        product.database,
        'select count(distinct subject_id)::int as n from audit_line where tenant_id = $1',
        [tenantId],
      ),
    ).toEqual([{ n: 25 }]);
  });

  test('is whole to whoever verifies it while it grows', async () => {
    const tenantId = await aTenant(product);
    let isGrowing = true;
    const writing = (async () => {
      for (let number = 0; number < 150; number++) {
        await inTransaction(product.scope(tenantId), tx =>
          record(tx, { action: 'thing.done', subjectId: `sub_${number}`, after: { number } }),
        );
      }

      isGrowing = false;
    })();
    const seen: unknown[] = [];

    while (isGrowing) {
      seen.push((await verify(tenantId)).broken);
    }

    await writing;
    expect(seen.length).toBeGreaterThan(5);
    expect(seen.filter(broken => broken !== null)).toEqual([]);
    expect(await verify(tenantId)).toEqual({ lines: 151, broken: null });
  });

  test('keeps nothing of a change that was undone, and goes on without a gap', async () => {
    const tenantId = await aChain(3);
    await expect(
      inTransaction(product.scope(tenantId), async tx => {
        await record(tx, { action: 'thing.done', subjectId: 'undone' });
        throw new Error('no');
      }),
    ).rejects.toThrow('no');
    await inTransaction(product.scope(tenantId), tx => record(tx, { action: 'thing.done', subjectId: 'after' }));
    expect(await verify(tenantId)).toEqual({ lines: 4, broken: null });
  });

  test('is read newest first, page by page, by whoever may', async () => {
    const tenantId = await aChain(5);
    const page = (after: string | null) =>
      product.graphql(
        product.platformKey,
        `query ($id: ID, $after: String) { tenant(id: $id) { auditLines(first: 2, after: $after) {
          edges { node { seq action actorKind actorId hash previousHash } } pageInfo { hasNextPage endCursor } } } }`,
        { id: tenantId, after },
      );
    const first = (await page(null)).data.tenant.auditLines;
    const second = (await page(first.pageInfo.endCursor)).data.tenant.auditLines;
    const third = (await page(second.pageInfo.endCursor)).data.tenant.auditLines;
    const lines = [first, second, third].flatMap(({ edges }) => edges.map(({ node }: { node: object }) => node));
    expect(lines.map(({ seq }) => seq)).toEqual(['5', '4', '3', '2', '1']);
    expect(third.pageInfo.hasNextPage).toBe(false);

    for (const [index, line] of lines.entries()) {
      expect(line.previousHash).toBe(lines[index + 1]?.hash ?? GENESIS);
    }
  });
});

describe('each mutation of the API', () => {
  let product: Product;

  beforeAll(async () => {
    product = await aProduct({ now: new Date('2026-11-20T12:00:00Z') });
  });

  afterAll(() => product.close());

  const lines = () =>
    asSuperuser<{ action: string; xmin: string; actor_kind: string; actor_id: string }>(
      product.database,
      `select l.action, l.xmin::text, l.actor_kind, l.actor_id from audit_line l
       order by l.action, l.tenant_id, l.seq`,
    );

  const post = async (by: string, path: string, body: object): Promise<{ hold: { id: string } }> => {
    const response = await fetch(`${product.server.url}/v1/${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${by}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });

    return (await response.json()) as { hold: { id: string } };
  };
  /** The hold for a call. */
  const heldOf = async (by: string, { type, properties }: { type: string; properties: object }): Promise<string> =>
    (await post(by, 'authorize', { eventType: type, properties, idempotencyKey: randomUUID() })).hold.id;

  test('writes its audit lines, by the key that asked, in the transaction of its change, and none when replayed or refused', async () => {
    const { graphql, platformKey } = product;
    const type = product.app.schema.getMutationType();

    if (!(type instanceof GraphQLObjectType)) {
      throw new Error('there are mutations');
    }

    const fields = type.getFields();
    const open = new Set(Object.keys(fields));
    const [caller] = await asSuperuser<{ id: string }>(product.database, 'select id from api_key');

    /** Calls a mutation and returns its payload, with the actions it has left behind and the table it has written. */
    const call = async (
      name: string,
      input: object,
      expected: readonly string[],
      table: string | null,
      selection = '',
    ) => {
      open.delete(name);
      const field = fields[name];
      const inputType = String(field?.args[0]?.type);
      const document = `mutation ($input: ${inputType}) { ${name}(input: $input) { ${selection} userErrors { code message } } }`;
      const before = await lines();
      const answer = await graphql(platformKey, document, { input });
      expect([name, answer.errors, answer.data?.[name].userErrors]).toEqual([name, undefined, []]);
      const known = new Set(before.map(line => line.xmin));
      const fresh = (await lines()).filter(line => !known.has(line.xmin));
      expect([name, fresh.map(line => line.action)]).toEqual([name, expected.toSorted()]);

      if (expected.length > 0) {
        expect([name, new Set(fresh.map(line => line.xmin)).size]).toEqual([name, 1]);
        expect(fresh.every(line => line.actor_kind === 'key' && line.actor_id === caller?.id)).toBe(true);
      }

      if (table) {
        const written = await asSuperuser<{ xmin: string }>(product.database, `select xmin::text from ${table}`);
        expect([name, table, written.some(row => row.xmin === fresh[0]?.xmin)]).toEqual([name, table, true]);
      }

      // The same again: a replay, a refusal or nothing at all, and in no case another line.
      const after = await lines();
      await graphql(platformKey, document, { input });
      expect([name, (await lines()).length]).toEqual([name, after.length]);

      return answer.data?.[name];
    };

    const key = () => ({ idempotencyKey: randomUUID() });
    const { tenant } = await call(
      'tenantCreate',
      { ...key(), kind: 'CUSTOMER', name: 'Acme', currency: 'USD', timeZone: 'UTC', region: 'eu' },
      ['tenant.created'],
      'tenant',
      'tenant { id }',
    );
    const { apiKey } = await call(
      'apiKeyCreate',
      { ...key(), name: 'k', prefix: 'rb', mode: 'LIVE', permissions: ['usage:write'] },
      ['api_key.created'],
      'api_key',
      'apiKey { id }',
    );
    await call('apiKeyRevoke', { apiKeyId: apiKey.id }, ['api_key.revoked'], 'api_key');
    const { model } = await call(
      'modelCreate',
      { ...key(), key: 'gpt-6', provider: 'openai', family: 'gpt', modality: 'text', contextBands: [] },
      ['model.created'],
      'model',
      'model { id }',
    );
    await call(
      'modelCostSet',
      {
        ...key(),
        modelId: model.id,
        effectiveAt: '2026-01-01T00:00:00Z',
        currency: 'USD',
        rates: [{ kind: 'input_tokens', amount: '2', per: '1000000' }],
        source: 'the price list of 2026-01-01',
      },
      ['model_cost.set'],
      'model_cost',
    );
    await call(
      'modelContextSet',
      {
        ...key(),
        modelId: model.id,
        effectiveAt: '2027-01-01T00:00:00Z',
        bands: [{ above: '272000', name: 'long' }],
      },
      ['model_context.set'],
      'model_context',
    );
    const { meter } = await call(
      'meterCreate',
      {
        ...key(),
        key: 'tokens',
        eventType: 'llm.request',
        aggregation: 'SUM',
        valueProperty: 'tokens',
        dimensions: [],
        unit: 'token',
      },
      ['meter.created'],
      'meter',
      'meter { id }',
    );
    const { priceBook } = await call(
      'priceBookCreate',
      { ...key(), name: 'List', currency: 'USD' },
      ['price_book.created'],
      'price_book',
      'priceBook { id }',
    );
    const version = async () => {
      const { priceBookVersion } = await call(
        'priceBookVersionCreate',
        {
          ...key(),
          priceBookId: priceBook.id,
          prices: [{ meterId: meter.id, name: 'Tokens', model: 'FLAT', flatAmount: '10' }],
        },
        ['price_book_version.created'],
        'price',
        'priceBookVersion { id }',
      );

      return priceBookVersion.id as string;
    };
    const published = ['price_book_version.published'];
    await call(
      'priceBookPublish',
      { versionId: await version(), effectiveAt: '2026-01-01T00:00:00Z' },
      published,
      'price_book_version',
    );
    const later = await version();
    await call(
      'priceBookPublish',
      { versionId: later, effectiveAt: '2026-12-01T00:00:00Z' },
      published,
      'price_book_version',
    );
    await call('priceBookWithdraw', { versionId: later }, ['price_book_version.withdrawn'], 'price_book_version');
    await call(
      'fxSnapshotCreate',
      { ...key(), base: 'USD', quote: 'EUR', rate: '0.92', asOf: '2026-11-01T00:00:00Z', source: 'ECB' },
      ['fx_snapshot.created'],
      'fx_snapshot',
    );
    const { meter: kinds } = await call(
      'meterCreate',
      {
        ...key(),
        key: 'tokens_by_kind',
        eventType: 'llm.response',
        aggregation: 'SUM',
        valueProperty: 'tokens',
        dimensions: [
          { name: 'model', property: 'model' },
          { name: 'token_kind', property: 'kind' },
        ],
        unit: 'token',
      },
      ['meter.created'],
      'meter',
      'meter { id }',
    );
    const list = () => ({
      ...key(),
      format: 'LITELLM',
      content:
        '{"gpt-6": {"litellm_provider": "x", "mode": "chat", "input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06}}',
      source: 'a list',
      sourceDate: '2026-11-01',
    });
    const proposed = async (): Promise<string> => {
      const { priceImport } = await call(
        'priceImportPropose',
        { ...list(), priceBookId: priceBook.id, meterId: kinds.id },
        ['price_import.proposed'],
        'price_import_row',
        'priceImport { id }',
      );

      return priceImport.id as string;
    };
    const importId = await proposed();
    const decided = { allUnflagged: true, decision: 'APPROVED' };
    await call('priceImportDecide', { importId, ...decided }, ['price_import.decided'], 'price_import_row');
    await call(
      'priceImportDraft',
      { importId },
      ['price_book_version.created', 'price_import.drafted'],
      'price_import',
    );
    await call('priceImportDiscard', { importId: await proposed() }, ['price_import.discarded'], 'price_import');
    const proposedCosts = async (): Promise<string> => {
      const { priceImport } = await call(
        'modelCostImportPropose',
        list(),
        ['price_import.proposed'],
        'price_import_row',
        'priceImport { id }',
      );

      return priceImport.id as string;
    };
    const costsId = await proposedCosts();
    await call(
      'modelCostImportDecide',
      { importId: costsId, ...decided },
      ['price_import.decided'],
      'price_import_row',
    );
    await call(
      'modelCostImportApply',
      { importId: costsId, effectiveAt: '2026-12-01T00:00:00Z' },
      ['model_cost.set', 'price_import.applied'],
      'model_cost',
    );
    await call(
      'modelCostImportDiscard',
      { importId: await proposedCosts() },
      ['price_import.discarded'],
      'price_import',
    );
    await call(
      'contractCreate',
      { ...key(), buyerId: tenant.id, priceBookId: priceBook.id, startsAt: '2026-01-01T00:00:00Z' },
      ['contract.created'],
      'contract',
    );
    await call(
      'contractCreate',
      { ...key(), buyerId: tenant.id, priceBookId: priceBook.id, startsAt: '2026-02-01T00:00:00Z' },
      ['contract.created', 'contract.ended'],
      'contract',
    );
    // From a book that nobody is on: the contract of the tenant stays as it is.
    const { priceBook: empty } = await call(
      'priceBookCreate',
      { ...key(), name: 'Empty', currency: 'USD' },
      ['price_book.created'],
      'price_book',
      'priceBook { id }',
    );
    await call(
      'contractsMigrate',
      { ...key(), priceBookId: empty.id, toPriceBookId: priceBook.id, effectiveAt: '2026-03-01T00:00:00Z' },
      ['contract_migration.created'],
      'contract_migration',
    );
    await call(
      'webhookEndpointCreate',
      { ...key(), tenantId: tenant.id, url: 'http://127.0.0.1:9/', eventTypes: ['invoice.issued'] },
      ['webhook_endpoint.created'],
      'webhook_endpoint',
    );
    // Events are facts with a hash of their own and leave no line.
    await call(
      'usageRecord',
      { events: [anEvent({ tenant: tenant.id, time: '2026-10-10T00:00:00Z', properties: { tokens: 1 } })] },
      [],
      null,
      'accepted',
    );
    // Nor do holds: each is a fact with a row of its own, which never changes but to end.
    const holder = await aKey(product.app, product.scope(tenant.id), ['holds:write']);
    const told = await lines();
    const used = { type: 'llm.request', time: '2026-10-10T00:00:00Z', properties: { tokens: 1 } };
    const settled = await heldOf(holder, used);
    await post(holder, 'settle', { holdId: settled, events: [{ ...used, id: 'settled' }] });
    await post(holder, 'void', { holdId: await heldOf(holder, used) });
    expect(await asSuperuser(product.database, 'select state from hold order by id')).toEqual([
      { state: 'SETTLED' },
      { state: 'VOIDED' },
    ]);
    expect(await lines()).toEqual(told);
    await rate(product, tenant.id);
    const credits = { unit: 'USD', amount: '10' };
    const { creditGrant } = await call(
      'creditGrantCreate',
      { ...key(), ...credits, tenantId: tenant.id, kind: 'PAID', costBasis: { amount: '9', currency: 'USD' } },
      ['credit_grant.created'],
      'credit_entry',
      'creditGrant { id }',
    );
    await call(
      'creditGrantRefund',
      { ...key(), tenantId: tenant.id, creditGrantId: creditGrant.id, amount: '4' },
      ['credit_grant.refunded'],
      'credit_entry',
    );
    const { transactionId } = await burn(product, tenant.id, { amount: '2' });
    await call(
      'creditBurnReverse',
      { ...key(), tenantId: tenant.id, creditTransactionId: transactionId, amount: '2' },
      ['credit_burn.reversed'],
      'credit_entry',
    );
    await call(
      'creditTransfer',
      { ...key(), fromTenantId: tenant.id, toTenantId: product.platformId, unit: 'USD', amount: '1' },
      ['credits.transferred', 'credits.transferred'],
      'credit_entry',
    );
    await call(
      'creditPrepaidSet',
      { ...key(), tenantId: tenant.id, isPrepaid: true },
      ['credit_prepaid.set'],
      'credit_prepaid',
    );
    await call(
      'creditRechargeSet',
      { ...key(), tenantId: tenant.id, unit: 'USD', below: '20', amount: '50' },
      ['credit_recharge.set', 'credits.low'],
      'credit_recharge',
    );
    const { spendAlert } = await call(
      'spendAlertCreate',
      { ...key(), tenantId: tenant.id, name: 'a', thresholds: [{ amount: '5' }] },
      ['spend_alert.created', 'spend_alert.fired'],
      'alert_firing',
      'spendAlert { id }',
    );
    await call(
      'spendAlertArchive',
      { tenantId: tenant.id, spendAlertId: spendAlert.id },
      ['spend_alert.archived'],
      'spend_alert',
    );
    const { simulation } = await call(
      'simulationStart',
      {
        ...key(),
        priceBookVersionId: await version(),
        from: '2026-10-01T00:00:00Z',
        until: '2026-11-01T00:00:00Z',
        tenantIds: [tenant.id],
      },
      ['simulation.started'],
      'simulation',
      'simulation { id }',
    );
    await call('simulationCancel', { simulationId: simulation.id }, ['simulation.cancelled'], 'simulation');
    const { feature } = await call(
      'featureCreate',
      { ...key(), key: 'sso', name: 'Single sign-on', kind: 'BOOLEAN' },
      ['feature.created'],
      'feature',
      'feature { id }',
    );
    await call(
      'entitlementSet',
      { ...key(), featureId: feature.id, targetKind: 'PLAN', targetId: priceBook.id, value: { isOn: true } },
      ['entitlement.set'],
      'entitlement',
    );
    const { budget } = await call(
      'budgetCreate',
      { ...key(), tenantId: tenant.id, name: 'Month', amount: '100', currency: 'USD', per: 'MONTH' },
      ['budget.created'],
      'budget',
      'budget { id }',
    );
    const ofBudget = { tenantId: tenant.id, budgetId: budget.id };
    await call('budgetChange', { ...ofBudget, amount: '200', mode: 'SOFT' }, ['budget.changed'], 'budget');
    await call(
      'budgetRaise',
      { ...key(), ...ofBudget, amount: '5', until: '2026-12-01T00:00:00Z', reason: 'a launch' },
      ['budget.raised'],
      'budget_raise',
    );
    await call('budgetEnd', ofBudget, ['budget.ended'], 'budget');
    const [invoice] = await asSuperuser<{ id: string }>(product.database, 'select id from invoice');
    await call(
      'invoiceIssue',
      { ...key(), tenantId: tenant.id, invoiceId: invoice?.id },
      ['invoice.issued', 'webhook_delivery.queued'],
      'invoice',
    );
    const [delivery] = await asSuperuser<{ id: string }>(product.database, 'select id from webhook_delivery');
    open.delete('webhookDeliveryReplay');
    const before = await lines();
    const replayed = await graphql(
      platformKey,
      'mutation ($input: WebhookDeliveryReplayInput!) { webhookDeliveryReplay(input: $input) { userErrors { code } } }',
      { input: { tenantId: tenant.id, webhookDeliveryId: delivery?.id } },
    );
    expect(replayed.data.webhookDeliveryReplay.userErrors).toEqual([]);
    const known = new Set(before.map(line => line.xmin));
    expect((await lines()).filter(line => !known.has(line.xmin)).map(line => line.action)).toEqual([
      'webhook_delivery.replayed',
    ]);

    // Nobody verifies or decides what it claimed or disputed itself, so somebody else does that here.
    const other = await aKey(product.app, product.scope());
    const buyerId = await aTenant(product);
    await aContract(product, { buyerId, bookId: priceBook.id });
    const { outcomeRule } = await call(
      'outcomeRuleCreate',
      { ...key(), priceBookId: priceBook.id, key: 'resolution', name: 'Resolution' },
      ['outcome_rule.created'],
      'outcome_rule',
      'outcomeRule { id }',
    );
    const ruleVersion = async (): Promise<string> => {
      const made = await call(
        'outcomeRuleVersionCreate',
        { ...key(), outcomeRuleId: outcomeRule.id, terms: OUTCOME_TERMS },
        ['outcome_rule_version.created'],
        'outcome_rule_version',
        'outcomeRuleVersion { id }',
      );

      return made.outcomeRuleVersion.id as string;
    };
    await call(
      'outcomeRuleVersionPublish',
      { outcomeRuleVersionId: await ruleVersion() },
      ['outcome_rule_version.published'],
      'outcome_rule_version',
    );
    const withdrawn = await ruleVersion();
    await call(
      'outcomeRuleVersionPublish',
      { outcomeRuleVersionId: withdrawn, effectiveAt: '2027-01-01T00:00:00Z' },
      ['outcome_rule_version.published'],
      'outcome_rule_version',
    );
    await call(
      'outcomeRuleVersionWithdraw',
      { outcomeRuleVersionId: withdrawn },
      ['outcome_rule_version.withdrawn'],
      'outcome_rule_version',
    );
    const claimed = (subject: string) => ({
      tenantId: buyerId,
      event: anEvent({
        type: 'conversation.resolved',
        time: product.app.clock().toISOString(),
        subject,
      }),
    });
    const claim = async (subject: string): Promise<string> => {
      const { data } = await graphql(
        other,
        'mutation ($input: OutcomeClaimInput!) { outcomeClaim(input: $input) { outcomes { id } } }',
        { input: claimed(subject) },
      );

      return data.outcomeClaim.outcomes[0].id as string;
    };
    const verified = async (subject: string): Promise<string> => {
      const id = await claim(subject);
      await call(
        'outcomeVerify',
        { ...key(), tenantId: buyerId, outcomeIds: [id], passes: true, verifier: 'HUMAN' },
        ['outcome.judged', 'outcome.verified'],
        'outcome_act',
      );

      return id;
    };
    await call('outcomeClaim', claimed('own'), ['outcome.judged'], 'outcome');
    await call(
      'outcomeReverse',
      { ...key(), tenantId: buyerId, outcomeIds: [await claim('reversed')] },
      ['outcome.judged', 'outcome.reversed'],
      'outcome_act',
    );
    const [disputed, upheld] = [await verified('disputed'), await verified('upheld')];
    // What was verified has matured.
    product.setClock(new Date('2026-11-21T12:00:00Z'));
    await product.app.services.outcomes.settle(product.scope(buyerId));
    await call(
      'outcomeDisputeOpen',
      { ...key(), tenantId: buyerId, outcomeIds: [disputed], reason: 'not solved' },
      ['outcome.judged', 'outcome_dispute.opened'],
      'outcome_dispute',
    );
    const theirs = await graphql(
      other,
      'mutation ($input: OutcomeDisputeOpenInput!) { outcomeDisputeOpen(input: $input) { outcomeDispute { id } } }',
      { input: { ...key(), tenantId: buyerId, outcomeIds: [upheld], reason: 'not solved' } },
    );
    await call(
      'outcomeDisputeDecide',
      {
        ...key(),
        tenantId: buyerId,
        outcomeDisputeId: theirs.data.outcomeDisputeOpen.outcomeDispute.id,
        rejectedOutcomeIds: [upheld],
      },
      ['outcome.judged', 'outcome_dispute.decided'],
      'outcome_act',
    );
    product.setClock(new Date('2026-12-02T12:00:00Z'));
    await product.app.services.outcomes.settle(product.scope(buyerId));
    const { outcomeSampleAudit } = await call(
      'outcomeSampleAuditStart',
      { ...key(), tenantId: buyerId, outcomeRuleId: outcomeRule.id, at: '2026-11-25T00:00:00Z', sampleSize: 1 },
      ['outcome_sample_audit.started'],
      'outcome_sample_audit',
      'outcomeSampleAudit { id }',
    );
    await call(
      'outcomeSampleAuditFinish',
      { ...key(), tenantId: buyerId, outcomeSampleAuditId: outcomeSampleAudit.id, wrongOutcomeIds: [] },
      ['outcome_sample_audit.finished'],
      'outcome_sample_audit',
    );
    const { outcomeSimulation } = await call(
      'outcomeSimulationStart',
      {
        ...key(),
        outcomeRuleVersionId: await ruleVersion(),
        from: '2026-11-01T00:00:00Z',
        until: '2026-12-01T00:00:00Z',
      },
      ['outcome_simulation.started'],
      'outcome_simulation',
      'outcomeSimulation { id }',
    );
    await call(
      'outcomeSimulationCancel',
      { outcomeSimulationId: outcomeSimulation.id },
      ['outcome_simulation.cancelled'],
      'outcome_simulation',
    );

    // No mutation was forgotten here.
    expect([...open]).toEqual([]);

    for (const tenantId of [product.platformId, tenant.id as string]) {
      expect(await inTransaction(product.scope(tenantId), tx => verifyChain(tx))).toMatchObject({ broken: null });
    }
  });
});

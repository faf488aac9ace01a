import { createHash, randomUUID } from 'node:crypto';
import { stripVTControlCharacters } from 'node:util';
import { verifyTenants } from '../../src/commands/outcome-verify.js';
import { verifyReceipts } from '../../src/invoicing/index.js';
import { decimal, formatDecimal, sum } from '../../src/money/index.js';
import { canonicalJson } from '../../src/platform/index.js';
import { exported, idsOf, invoices, readAll, receipts, standings } from '../outcomes/acceptance/reading.js';
import {
  aMarket,
  arrive,
  charged,
  CLAIM,
  each,
  graduated,
  instant,
  issue,
  later,
  type Market,
  type Sale,
  send,
  type Sent,
  mutate,
  type Terms,
  times,
  verify as verifyClaims,
  work,
} from '../outcomes/acceptance/support.js';
import { everything } from '../outcomes/acts.js';
import { aTenant } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aKey } from '../support/product.js';

const RESOLVED = '2026-11-20T10:00:00Z';
const REOPENED = 'conversation.reopened';
const REVERSAL = { reversal: { clause: { eventType: REOPENED }, windowHours: 14 * 24 } };

let market: Market;

beforeAll(async () => {
  market = await aMarket();
});

afterAll(() => market.product.close());

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

const rows = <Row extends object>(sql: string, parameters: readonly unknown[]): Promise<Row[]> =>
  asSuperuser<Row>(market.product.database, sql, parameters);

/** A claim of a conversation of its own, so many seconds after the first. */
const claim = (place: number, properties: object = {}): Sent => ({
  id: `e${String(place).padStart(4, '0')}`,
  type: CLAIM,
  time: later(RESOLVED, place / 3_600),
  subject: `c${place}`,
  properties: { ...properties },
});

/** A price for claims of one kind. */
const price = (kind: string, unitAmount: string): Terms => ({
  name: kind,
  currency: 'USD',
  pattern: [{ name: 'kind', value: kind }],
  terms: { model: 'UNIT', unitAmount },
});

const reopened = (place: number, time: string): Sent => ({ type: REOPENED, time, subject: `c${place}` });

/** A sale with one rule and these events, whose invoice of November is issued: the sale, and the invoice's id. */
async function invoiced(terms: Terms, events: readonly Sent[]): Promise<{ sale: Sale; invoiceId: string }> {
  const sale = await charged(market, terms, events);
  market.product.setClock(instant('2026-12-01T12:00:00Z'));

  return { sale, invoiceId: await issue(sale, '2026-11') };
}

/** Issues December, on its first day after the month. */
async function december(sale: Sale): Promise<string> {
  market.product.setClock(instant('2027-01-01T12:00:00Z'));

  return issue(sale, '2026-12');
}

const verify = (sale: Sale) => verifyReceipts(sale.product.scope(sale.buyerId));

/** The claim and the amount of each receipt, in order, line by line. */
async function told(sale: Sale, invoiceId: string): Promise<[string | null, string][]> {
  return (await receipts(sale, invoiceId)).map(({ receipt }) => [receipt.eventId ?? null, receipt.amount]);
}

const total = (amounts: readonly string[]): string => formatDecimal(sum(amounts.map(amount => decimal(amount))));

/** As somebody who owns the database and has put the guard of a table away. */
async function tamper(table: string, sql: string, parameters: readonly unknown[]): Promise<void> {
  await rows(`alter table ${table} disable trigger user`, []);

  try {
    await rows(sql, parameters);
  } finally {
    await rows(`alter table ${table} enable trigger user`, []);
  }
}

describe('O18: 1,847 outcomes at $0.50', () => {
  let sale: Sale;
  let invoiceId: string;

  beforeAll(async () => {
    const events = times(1_847, place =>
      claim(place, {
        trace_id: `t${place}`,
        conversation_id: `c${place}`,
        request_id: 'r1',
        request_ids: ['r2', 'r1'],
      }),
    );
    ({ sale, invoiceId } = await invoiced({ prices: each('0.50') }, events));
  });

  test('have receipts that sum to the line of the invoice, to the cent', async () => {
    const found = await receipts(sale, invoiceId);
    expect(found).toHaveLength(1_847);
    expect(total(found.map(({ receipt }) => receipt.amount))).toBe('923.5');
    expect(await invoices(sale)).toEqual({
      '2026-11': { status: 'ISSUED', total: '923.5', lines: [['resolution: Each', '1847', '923.5']] },
    });
  });

  test('have receipts that say what they rest on', async () => {
    const [first = ''] = await exported(sale, invoiceId);
    const { position, hash, receipt } = JSON.parse(first);
    const [outcome] = await rows<{ id: string; content: string }>(
      `select o.id, encode(u.content_hash, 'hex') as content from outcome o join usage_event u on u.tenant_id = o.tenant_id and u.id = o.event_id
       where o.tenant_id = $1 and o.event_id = 'e0000'`,
      [sale.buyerId],
    );
    const [version] = await rows<object>(
      'select v.id as "versionId", v.rule_id as "ruleId" from outcome_rule_version v join outcome o on o.version_id = v.id where o.id = $1',
      [outcome?.id],
    );
    const [charge] = await rows<{ id: string }>('select id from charge where tenant_id = $1', [sale.buyerId]);
    expect([position, hash]).toEqual([1, sha256(canonicalJson(receipt))]);
    // The text is the one that was hashed, so that nobody has to write it again to recompute the hash.
    expect(sha256(first.slice(first.indexOf('"receipt":') + 10, -1))).toBe(hash);
    expect(receipt).toEqual({
      receiptId: expect.stringMatching(/^orc_/),
      invoiceId,
      chargeId: charge?.id,
      ...version,
      ruleKey: 'resolution',
      versionNumber: 1,
      price: 'Each',
      amount: '0.5',
      currency: 'USD',
      waived: null,
      listAmount: null,
      outcomeId: outcome?.id,
      eventId: 'e0000',
      source: '',
      subject: 'c0',
      state: 'MATURED',
      reason: null,
      occurredAt: '2026-11-20T10:00:00.000Z',
      verdict: { verifiedAt: '2026-11-20T10:00:00.000Z', words: [] },
      maturedAt: '2026-11-20T10:00:00.000Z',
      units: '1',
      value: null,
      attributes: {},
      agents: [],
      links: { traceId: 't0', conversationId: 'c0', requestIds: ['r1', 'r2'] },
      facts: ['e0000'],
      inputsHash: sha256(JSON.stringify([outcome?.content])),
      previousHash: null,
    });
  });

  test('are sealed: in the audit log, in the document and so in its hash', async () => {
    const hashes = (await receipts(sale, invoiceId)).map(({ hash }) => hash);
    const [seal] = await rows<{ charge_id: string; hash: string; receipts: number; amount: string }>(
      'select charge_id, hash, receipts, trim_scale(amount)::text as amount from outcome_seal where tenant_id = $1',
      [sale.buyerId],
    );
    expect(seal).toMatchObject({ receipts: 1_847, amount: '923.5', hash: sha256(hashes.join('\n')) });
    const [line] = await rows<{ after: { outcomeSeals: unknown; documentHash: string } }>(
      "select after from audit_line where tenant_id = $1 and action = 'invoice.issued'",
      [sale.buyerId],
    );
    expect(line?.after.outcomeSeals).toEqual([
      { chargeId: seal?.charge_id, receipts: 1_847, amount: '923.5', hash: seal?.hash },
    ]);
    const [invoice] = await rows<{ document: string }>('select document from invoice where id = $1', [invoiceId]);
    expect(JSON.parse(invoice?.document ?? '').lines[0]).toMatchObject({
      exactAmount: '923.5',
      receipts: 1_847,
      receiptsHash: seal?.hash,
    });
    expect(sha256(invoice?.document ?? '')).toBe(line?.after.documentHash);
  });

  test('are billed, each with a transition, in a batch that the audit log names', async () => {
    expect(new Set(Object.values(await standings(sale)))).toEqual(new Set(['BILLED']));
    const steps = await rows<{ batch: string; n: number; count: number }>(
      "select batch, n, count(*)::int from outcome_transition where tenant_id = $1 and from_state = 'MATURED' and to_state = 'BILLED' group by 1, 2",
      [sale.buyerId],
    );
    expect(steps).toMatchObject([{ count: 1_847 }]);
    const [line] = await rows<{ after: object }>(
      "select after from audit_line where tenant_id = $1 and action = 'outcome.judged' and subject_id = $2",
      [sale.buyerId, steps[0]?.batch],
    );
    expect(line?.after).toMatchObject({ transitions: 1_847 });
  });

  test('verify, however often', async () => {
    const whole = { receipts: 1_847, seals: 1, batches: expect.any(Number), fault: null };
    let read = 0;
    expect(await verifyReceipts(sale.product.scope(sale.buyerId), count => (read += count))).toEqual(whole);
    expect([read, await verify(sale)]).toEqual([1_847, whole]);
  });

  test('are read page by page', async () => {
    const page = async (after: string | null) => {
      const { data, errors } = await sale.product.graphql(
        sale.keys.reads,
        `query ($id: ID!, $tenantId: ID!, $after: String) { node(id: $id, tenantId: $tenantId) { ... on Invoice {
           outcomeReceipts(first: 100, after: $after) { edges { node { id position amount { amount currency } hash body } } pageInfo { hasNextPage endCursor } } } } }`,
        { id: invoiceId, tenantId: sale.buyerId, after },
      );
      expect(errors).toBeUndefined();

      return data.node.outcomeReceipts;
    };
    const positions: number[] = [];

    for (let after: string | null = null, more = true; more;) {
      const { edges, pageInfo } = await page(after);
      positions.push(...edges.map(({ node }: { node: { position: number } }) => node.position));
      expect(edges[0].node).toMatchObject({ amount: { amount: '0.5', currency: 'USD' } });
      expect(sha256(edges[0].node.body)).toBe(edges[0].node.hash);
      [after, more] = [pageInfo.endCursor, pageInfo.hasNextPage];
    }

    expect(positions).toEqual(times(1_847, place => place + 1));
    const [last] = (await receipts(sale, invoiceId)).slice(-1);
    const { data } = await sale.product.graphql(
      sale.keys.reads,
      `query ($id: ID!, $tenantId: ID!) { node(id: $id, tenantId: $tenantId) { ... on Outcome {
         receipts(first: 5) { edges { node { id position outcomeId } } } } } }`,
      { id: last?.receipt.outcomeId, tenantId: sale.buyerId },
    );
    expect(data.node.receipts.edges).toEqual([
      { node: { id: last?.receipt.receiptId, position: 1_847, outcomeId: last?.receipt.outcomeId } },
    ]);
  });

  test.each([
    ['changed', 'update outcome_receipt set amount = 0 where tenant_id = $1'],
    ['deleted', 'delete from outcome_receipt where tenant_id = $1'],
    ['unsealed', 'delete from outcome_seal where tenant_id = $1'],
  ])('cannot be %s while their guard stands, not even by the superuser', async (_what, sql) => {
    await expect(rows(sql, [sale.buyerId])).rejects.toThrow('never changed or deleted');
    expect((await verify(sale)).fault).toBeNull();
  });

  const RECEIPT = 'outcome_receipt';
  const SWAP = `update outcome_receipt r set position = -r.position where tenant_id = $1 and position in (17, 18)`;

  const FORGED = `replace(body, '"0.5"', '"0.6"')`;

  test.each([
    ['amount', 'amount = 0.51', 'its body says 0.5'],
    ['body', `body = ${FORGED}`, 'its body is not what was sealed'],
    ['hash', "hash = repeat('f', 64)", 'its body is not what was sealed'],
    ['body and its hash', `body = ${FORGED}, hash = encode(sha256(convert_to(${FORGED}, 'UTF8')), 'hex')`, 'says 0.6'],
    ['outcome', "outcome_id = 'out_x'", 'its body says out_'],
    ['id', "id = 'orc_x'", 'its body is that of another receipt'],
  ])('tell the place of a receipt whose %s was altered', async (_what, set, reason) => {
    const kept = await rows<Record<string, unknown>>(
      'select * from outcome_receipt where tenant_id = $1 and position = 17',
      [sale.buyerId],
    );
    await tamper(RECEIPT, `update outcome_receipt set ${set} where tenant_id = $1 and position = 17`, [sale.buyerId]);
    const { fault } = await verify(sale);
    expect(fault?.place).toMatch(new RegExp(`^invoice ${invoiceId}, charge chg_\\w+, receipt 17 \\(orc_\\w+\\)$`));
    expect(fault?.reason).toContain(reason);
    const { id, outcome_id, amount, body, hash } = kept[0] ?? {};
    await tamper(
      RECEIPT,
      'update outcome_receipt set id = $2, outcome_id = $3, amount = $4, body = $5, hash = $6 where tenant_id = $1 and position = 17',
      [sale.buyerId, id, outcome_id, amount, body, hash],
    );
    expect((await verify(sale)).fault).toBeNull();
  });

  test('tell a receipt that was forged whole, with its hash', async () => {
    const forge = (from: string, to: string) =>
      tamper(
        RECEIPT,
        `update outcome_receipt r set amount = $3, body = f.body, hash = encode(sha256(convert_to(f.body, 'UTF8')), 'hex')
         from (select id, replace(body, $4, $5) as body from outcome_receipt where tenant_id = $1 and position = $2) f
         where r.tenant_id = $1 and r.id = f.id`,
        [sale.buyerId, 17, to, `"amount":"${from}"`, `"amount":"${to}"`],
      );
    await forge('0.5', '0.6');
    expect((await verify(sale)).fault).toMatchObject({
      reason: 'its seal says 923.5 USD, and its receipts come to 923.6',
    });
    await forge('0.6', '0.5');
    expect((await verify(sale)).fault).toBeNull();
  });

  test('tell receipts that were swapped, deleted, or sealed anew', async () => {
    await tamper(RECEIPT, SWAP, [sale.buyerId]);
    await tamper(RECEIPT, 'update outcome_receipt set position = 35 + position where tenant_id = $1 and position < 0', [
      sale.buyerId,
    ]);
    const swapped = (await verify(sale)).fault;
    expect(swapped?.reason).toBe('its receipts are not those that were sealed, or not in their order');
    await tamper('outcome_seal', SEAL_ANEW, [sale.buyerId]);
    expect((await verify(sale)).fault?.reason).toBe('its line in the document is another one');
    await tamper(RECEIPT, SWAP, [sale.buyerId]);
    await tamper(RECEIPT, 'update outcome_receipt set position = 35 + position where tenant_id = $1 and position < 0', [
      sale.buyerId,
    ]);
    await tamper('outcome_seal', SEAL_ANEW, [sale.buyerId]);
    expect((await verify(sale)).fault).toBeNull();
  });

  test('tell a fact that was altered afterwards, a document, and a line', async () => {
    const one = 'tenant_id = $1';
    const pairs = [
      [
        'usage_event',
        `update usage_event set content_hash = '\\x00' where ${one} and id = 'e0004'`,
        'the facts that it rests on are not what they were',
      ],
      [
        'invoice',
        `update invoice set document = replace(document, '923.5', '923.4') where ${one}`,
        'its document is not what was hashed',
      ],
      [
        'invoice_line',
        `update invoice_line set exact_amount = 923.4 where ${one}`,
        'its receipts come to 923.5 USD, and its line to 923.4',
      ],
      [
        'invoice_line',
        `update invoice_line set amount = 923.4 where ${one}`,
        'its line is 923.4 USD, which 923.5 does not round to',
      ],
      [
        'charge',
        `update charge set amount = 923.4 where ${one}`,
        'its receipts come to 923.5 USD, and the charge is 923.4',
      ],
      [
        'outcome_transition',
        `update outcome_transition set reason = 'X' where ${one} and to_state = 'BILLED' and outcome_id = (select min(outcome_id) from outcome_transition where ${one})`,
        'its transitions are not those that the audit log names',
      ],
    ] as const;

    for (const [table, sql, reason] of pairs) {
      const copy = `kept_${randomUUID().replaceAll('-', '')}`;
      await rows(`create table ${copy} as select * from ${table} where tenant_id = '${sale.buyerId}'`, []);
      await tamper(table, sql, [sale.buyerId]);
      expect([table, (await verify(sale)).fault?.reason]).toEqual([table, reason]);
      await tamper(table, restore(table, copy), []);
      await rows(`drop table ${copy}`, []);
      expect([table, (await verify(sale)).fault]).toEqual([table, null]);
    }
  });

  /** Puts the columns that a test has altered back. */
  function restore(table: string, copy: string): string {
    const columns: Readonly<Record<string, readonly [key: string, values: readonly string[]]>> = {
      usage_event: ['t.id = k.id and t.source = k.source', ['content_hash']],
      invoice: ['t.id = k.id', ['document']],
      invoice_line: ['t.id = k.id', ['exact_amount', 'amount']],
      charge: ['t.id = k.id', ['amount']],
      outcome_transition: ['t.outcome_id = k.outcome_id and t.n = k.n', ['reason']],
    };
    const [key, values] = columns[table] ?? ['false', []];

    return `update ${table} t set ${values.map(name => `${name} = k.${name}`).join(', ')} from ${copy} k
      where t.tenant_id = k.tenant_id and ${key}`;
  }

  const SEAL_ANEW = `update outcome_seal s set hash = (select encode(sha256(convert_to(string_agg(hash, E'\\n' order by position), 'UTF8')), 'hex')
    from outcome_receipt r where r.charge_id = s.charge_id) where tenant_id = $1`;
});

describe('a reversal over a closed period', () => {
  test('O13: takes back what the receipt said, with a receipt that follows it', async () => {
    const { sale, invoiceId } = await invoiced(REVERSAL, [claim(0)]);
    await arrive(sale, '2026-12-02T12:00:00Z', [reopened(0, '2026-12-02T10:00:00Z')]);
    const next = await december(sale);
    const [first] = await receipts(sale, invoiceId);
    const back = await receipts(sale, next);
    expect(back).toHaveLength(1);
    expect(back[0]?.receipt).toMatchObject({
      outcomeId: first?.receipt.outcomeId,
      amount: '-0.99',
      state: 'REVERSED',
      reason: 'REVERSED',
      previousHash: first?.hash,
      invoiceId: next,
    });
    expect(await standings(sale)).toEqual({ e0000: 'REVERSED REVERSED' });
    expect(await verify(sale)).toMatchObject({ receipts: 2, seals: 2, fault: null });
    const [outcome] = await readAll(
      sale,
      'outcomes',
      'receipts(first: 5) { edges { node { invoiceId amount { amount } } } }',
    );
    expect(outcome.receipts.edges.map(({ node }: { node: object }) => node)).toEqual([
      { invoiceId, amount: { amount: '0.99' } },
      { invoiceId: next, amount: { amount: '-0.99' } },
    ]);
  });

  test('O15: is tier-safe: of 101 outcomes the 10th is gone, and two others moved over a boundary', async () => {
    const { sale } = await invoiced(
      { ...REVERSAL, prices: graduated() },
      times(101, place => claim(place)),
    );
    await arrive(sale, '2026-12-02T12:00:00Z', [reopened(9, '2026-12-02T10:00:00Z')]);
    const next = await december(sale);
    expect((await invoices(sale))['2026-12']).toMatchObject({ total: '-0.85' });
    expect(await told(sale, next)).toEqual([
      ['e0050', '0.05'],
      ['e0100', '0.05'],
      ['e0009', '-0.95'],
    ]);
    expect(await verify(sale)).toMatchObject({ receipts: 104, fault: null });
  });

  test('of everything gives exactly nothing', async () => {
    const { sale, invoiceId } = await invoiced(
      { ...REVERSAL, prices: graduated() },
      times(60, place => claim(place)),
    );
    await arrive(
      sale,
      '2026-12-02T12:00:00Z',
      times(60, place => reopened(place, '2026-12-02T10:00:00Z')),
    );
    const next = await december(sale);
    const both = [...(await told(sale, invoiceId)), ...(await told(sale, next))];
    expect([both.length, total(both.map(([, amount]) => amount))]).toEqual([120, '0']);
    expect((await verify(sale)).fault).toBeNull();
  });

  test('O20: a late outcome of a closed period has its receipt on the next invoice', async () => {
    const { sale } = await invoiced({}, [claim(0)]);
    await arrive(sale, '2026-12-04T12:00:00Z', [claim(1)]);
    const next = await december(sale);
    expect(await told(sale, next)).toEqual([['e0001', '0.99']]);
    expect(await standings(sale)).toEqual({ e0000: 'BILLED', e0001: 'BILLED' });
    expect(await verify(sale)).toMatchObject({ receipts: 2, seals: 2, fault: null });
  });

  test('O14: a part, and the guarantee with the fee: one receipt in each line, one after the other', async () => {
    const FEE = {
      measure: 'VALUE',
      valueProperty: 'amount',
      prices: [{ name: 'Fee', currency: 'USD', terms: { model: 'PERCENTAGE', rate: '0.5' } }],
      guarantee: { clause: { eventType: 'order.charged_back' }, windowHours: 90 * 24 },
    };
    const { sale, invoiceId } = await invoiced(FEE, [claim(0, { amount: '200' })]);
    expect(await told(sale, invoiceId)).toEqual([['e0000', '1']]);
    const chargedBack = { type: 'order.charged_back', time: '2026-12-10T10:00:00Z', subject: 'c0' };
    await arrive(sale, '2026-12-10T12:00:00Z', [chargedBack]);
    const next = await december(sale);
    const [first] = await receipts(sale, invoiceId);
    const back = await receipts(sale, next);
    const ofPrice = new Map(back.map(one => [one.receipt.price, one]));
    expect(Object.fromEntries([...ofPrice].map(([name, { receipt }]) => [name, receipt.amount]))).toEqual({
      Fee: '-1',
      guarantee: '-200',
    });
    expect(new Set(back.map(({ receipt }) => receipt.previousHash))).toEqual(new Set([first?.hash, back[0]?.hash]));
    expect(await verify(sale)).toMatchObject({ receipts: 3, seals: 3, fault: null });
  });
});

describe('receipts', () => {
  test('O24: of zero-price tiers are there: 300 contained, 80 assisted, 120 resolved at $1.50', async () => {
    const kinds = [...times(300, () => 'contained'), ...times(80, () => 'assisted'), ...times(120, () => 'resolved')];
    const terms = {
      attributes: [{ name: 'kind', property: 'kind' }],
      prices: [price('contained', '0'), price('assisted', '0'), price('resolved', '1.50')],
    };
    const { sale, invoiceId } = await invoiced(
      terms,
      kinds.map((kind, place) => claim(place, { kind })),
    );
    const found = await receipts(sale, invoiceId);
    expect(found).toHaveLength(500);
    expect(total(found.map(({ receipt }) => receipt.amount))).toBe('180');
    expect(
      Object.fromEntries(
        [...Map.groupBy(found, ({ receipt }) => `${receipt.price} ${receipt.amount}`)].map(([key, own]) => [
          key,
          own.length,
        ]),
      ),
    ).toEqual({ 'contained 0': 300, 'assisted 0': 80, 'resolved 1.5': 120 });
    expect(new Set(Object.values(await standings(sale)))).toEqual(new Set(['BILLED']));
    expect(await verify(sale)).toMatchObject({ receipts: 500, seals: 3, fault: null });
  });

  test('O6: tell whose work it was, and what of the amount is theirs', async () => {
    const touch = (agent: string, weight: number, hours: number): Sent => ({
      type: 'lead.touched',
      time: later(RESOLVED, hours),
      subject: 'lead 1',
      properties: { agent, weight },
    });
    const attribution = {
      touch: { eventType: 'lead.touched' },
      windowHours: 168,
      model: 'SPLIT',
      agentProperty: 'agent',
      shareProperty: 'weight',
    };
    const { sale, invoiceId } = await invoiced({ prices: each('50'), attribution }, [
      touch('ada', 60, -48),
      touch('bob', 40, -24),
      { ...claim(0), subject: 'lead 1' },
    ]);
    const [{ receipt } = { receipt: null }] = await receipts(sale, invoiceId);
    expect(receipt.agents).toEqual([
      { agent: 'ada', share: '0.6', amount: '30' },
      { agent: 'bob', share: '0.4', amount: '20' },
    ]);
    expect(receipt.facts).toHaveLength(3);
    expect((await verify(sale)).fault).toBeNull();
  });

  test('of thirds come to the whole: the last agent has what is left over', async () => {
    const attribution = {
      touch: { eventType: 'lead.touched' },
      windowHours: 168,
      model: 'SPLIT',
      agentProperty: 'agent',
    };
    const touches = ['ada', 'bob', 'cy'].map((agent, place) => ({
      type: 'lead.touched',
      time: later(RESOLVED, -place - 1),
      subject: 'lead 1',
      properties: { agent },
    }));
    const { sale, invoiceId } = await invoiced({ prices: each('1'), attribution }, [
      ...touches,
      { ...claim(0), subject: 'lead 1' },
    ]);
    const [{ receipt } = { receipt: null }] = await receipts(sale, invoiceId);
    expect(total(receipt.agents.map(({ amount }: { amount: string }) => amount))).toBe('1');
  });

  test('O12: of those beyond a cap that makes them free say so, with what they would cost', async () => {
    const caps = [{ mode: 'FREE', amount: { amount: '500', currency: 'USD' } }];
    const { sale, invoiceId } = await invoiced(
      { caps },
      times(600, place => claim(place)),
    );
    const found = await receipts(sale, invoiceId);
    expect(total(found.map(({ receipt }) => receipt.amount))).toBe('499.95');
    const waived = found.filter(({ receipt }) => receipt.waived === 'CAP_EXHAUSTED');
    expect(waived).toHaveLength(95);
    expect(
      new Set(waived.map(({ receipt: { amount, listAmount, reason } }) => `${amount} ${listAmount} ${reason}`)),
    ).toEqual(new Set(['0 0.99 CAP_EXHAUSTED']));
    expect(await verify(sale)).toMatchObject({ receipts: 600, seals: 1, fault: null });
  });

  test('of a hard cap are those that are charged', async () => {
    const caps = [{ mode: 'HARD', amount: { amount: '500', currency: 'USD' } }];
    const { sale, invoiceId } = await invoiced(
      { caps },
      times(510, place => claim(place)),
    );
    const found = await receipts(sale, invoiceId);
    expect([found.length, total(found.map(({ receipt }) => receipt.amount))]).toEqual([505, '499.95']);
    const states = Object.values(await standings(sale));
    expect(states.filter(state => state === 'BILLED')).toHaveLength(505);
    expect(states.filter(state => state === 'REJECTED CAP_EXHAUSTED')).toHaveLength(5);
    expect((await verify(sale)).fault).toBeNull();
  });

  test('O26: of a sandbox are there with what they would cost, beside those that are charged', async () => {
    const terms = { environment: { filter: 'properties.env == "test"', policy: 'FREE' } };
    const { sale, invoiceId } = await invoiced(terms, [claim(0, { env: 'live' }), claim(1, { env: 'test' })]);
    const found = await receipts(sale, invoiceId);
    expect(
      found.map(({ receipt: { eventId, amount, waived, listAmount, reason } }) => [
        eventId,
        amount,
        waived,
        listAmount,
        reason,
      ]),
    ).toEqual([
      ['e0000', '0.99', null, null, null],
      ['e0001', '0', 'FREE', '0.99', 'SANDBOX'],
    ]);
    expect((await verify(sale)).fault).toBeNull();
  });

  test('of a sandbox whose price charges nothing stand with another charge of the rule', async () => {
    const terms = {
      attributes: [{ name: 'kind', property: 'kind' }],
      environment: { filter: 'properties.env == "test"', policy: 'FREE' },
      prices: [price('a', '1'), price('b', '2')],
    };
    const { sale, invoiceId } = await invoiced(terms, [
      claim(0, { env: 'live', kind: 'a' }),
      claim(1, { env: 'test', kind: 'b' }),
    ]);
    const found = await receipts(sale, invoiceId);
    expect(found.map(({ receipt: { price: name, amount, listAmount } }) => [name, amount, listAmount])).toEqual([
      ['a', '1', null],
      ['b', '0', '2'],
    ]);
    expect(await verify(sale)).toMatchObject({ receipts: 2, seals: 1, fault: null });
  });

  test('O11: of a true-up to the minimum name no outcome', async () => {
    const minimum = { quantity: '50' };
    const { sale, invoiceId } = await invoiced(
      { minimum },
      times(12, place => claim(place)),
    );
    const found = await receipts(sale, invoiceId);
    const [alone, ...more] = found.filter(({ receipt }) => receipt.outcomeId === null);
    expect([found.length, more]).toEqual([13, []]);
    expect(alone?.receipt).toEqual({
      receiptId: expect.stringMatching(/^orc_/),
      invoiceId,
      chargeId: expect.stringMatching(/^chg_/),
      ruleId: expect.stringMatching(/^orl_/),
      ruleKey: 'resolution',
      versionId: expect.stringMatching(/^orv_/),
      versionNumber: 1,
      price: 'minimum',
      amount: '37.62',
      currency: 'USD',
      waived: null,
      listAmount: null,
      outcomeId: null,
      inputsHash: null,
      previousHash: null,
    });
    expect(total(found.map(({ receipt }) => receipt.amount))).toBe('49.5');
    expect(await verify(sale)).toMatchObject({ receipts: 13, seals: 2, fault: null });
  });

  test('O19: of what a sample audit takes off name no outcome', async () => {
    const terms = { prices: each('1'), sampleAudit: { tolerance: '5', leastSample: 10 } };
    const sale = await charged(
      market,
      terms,
      times(20, place => claim(place)),
    );
    market.product.setClock(instant('2026-12-01T12:00:00Z'));
    const [{ outcomeRuleId } = { outcomeRuleId: '' }] = await readAll(sale, 'outcomes', 'outcomeRuleId');
    const { outcomeSampleAudit } = await mutate(
      sale.product,
      sale.keys.decides,
      'outcomeSampleAuditStart',
      'outcomeSampleAudit { id sampleOutcomeIds }',
      { tenantId: sale.buyerId, outcomeRuleId, at: RESOLVED, sampleSize: 10 },
    );
    await mutate(sale.product, sale.keys.decides, 'outcomeSampleAuditFinish', 'outcomeSampleAudit { id }', {
      tenantId: sale.buyerId,
      outcomeSampleAuditId: outcomeSampleAudit.id,
      wrongOutcomeIds: outcomeSampleAudit.sampleOutcomeIds.slice(0, 1),
    });
    const found = await receipts(sale, await issue(sale, '2026-11'));
    const alone = found.filter(({ receipt }) => receipt.outcomeId === null);
    expect(alone.map(({ receipt }) => [receipt.price, receipt.amount])).toEqual([['audit', '-2']]);
    expect(await verify(sale)).toMatchObject({ receipts: 21, seals: 2, fault: null });
  });

  test('O18: say who verified, by event or by mutation, and what nobody listened to is not in them', async () => {
    const verification = { verifiers: ['SYSTEM', 'HUMAN'], eventType: 'ticket.closed', expiresAfterHours: 100 };
    const sale = await charged(market, { verification }, [claim(0), claim(1)]);
    const closes = (id: string, hours: number, properties: object) =>
      ({
        id,
        type: 'ticket.closed',
        time: later(RESOLVED, hours),
        subject: 'c0',
        source: 'desk @ eu',
        properties: { ...properties },
      }) as Sent;
    market.product.setClock(instant('2026-11-21T00:00:00Z'));
    // The claimant's own word, and one of a kind that the rule does not know, count for nothing.
    await send(sale, [closes('own', 1, { passes: true, verifier: 'SYSTEM' })]);
    await send(
      sale,
      [
        closes('llm', 2, { passes: true, verifier: 'LLM', score: 1 }),
        closes('said', 3, { passes: true, verifier: 'SYSTEM', score: '4.50', reason: 'paid' }),
        closes('late', 4, { passes: false, verifier: 'SYSTEM' }),
      ],
      market.product.platformKey,
    );
    await work(sale);
    await verifyClaims(sale, await idsOf(sale, 'CLAIMED'), { verifier: 'HUMAN', reason: 'read it' });
    await work(sale, '2026-12-01T12:00:00Z');
    const found = await receipts(sale, await issue(sale, '2026-11'));
    expect(found.map(({ receipt: { subject, verdict, facts } }) => ({ subject, verdict, facts }))).toEqual([
      {
        subject: 'c0',
        facts: ['e0000', 'said @ desk @ eu'],
        verdict: {
          verifiedAt: '2026-11-20T13:00:00.000Z',
          words: [
            {
              fact: 'said @ desk @ eu',
              at: '2026-11-20T13:00:00.000Z',
              passes: true,
              verifier: 'SYSTEM',
              party: 'SELLER',
              score: '4.5',
              reason: 'paid',
            },
          ],
        },
      },
      {
        subject: 'c1',
        facts: ['e0001', expect.stringMatching(/^oac_/)],
        verdict: {
          verifiedAt: expect.stringMatching(/^2026-11-21T00:00:0/),
          words: [expect.objectContaining({ verifier: 'HUMAN', passes: true, score: null, reason: 'read it' })],
        },
      },
    ]);
  });

  test('rest on what people said too, and on events with a source', async () => {
    const verification = { verifiers: ['HUMAN'], parties: 'ANY', expiresAfterHours: 100 };
    const sale = await charged(market, { verification }, []);
    await arrive(sale, '2026-11-21T00:00:00Z', [{ ...claim(0), source: 'crm @ eu' } as Sent, claim(1)]);
    await verifyClaims(sale, await idsOf(sale), { verifier: 'HUMAN' });
    await work(sale, '2026-12-01T12:00:00Z');
    const [first, second] = await receipts(sale, await issue(sale, '2026-11'));
    expect([first?.receipt.source, first?.receipt.facts]).toEqual([
      'crm @ eu',
      ['e0000 @ crm @ eu', expect.stringMatching(/^oac_/)],
    ]);
    const hashes = await rows<{ hash: string }>(
      `select encode(content_hash, 'hex') as hash from usage_event where tenant_id = $1 and id = 'e0000'`,
      [sale.buyerId],
    );
    const acts = await rows<object>(
      `select id, outcome_id as "outcomeId", kind, dispute_id as "disputeId", at, body, reason, key_id as "keyId", party,
         created_at as "createdAt" from outcome_act where id = $1`,
      [first?.receipt.facts[1]],
    );
    expect(first?.receipt.inputsHash).toBe(sha256(JSON.stringify([hashes[0]?.hash, sha256(canonicalJson(acts[0]))])));
    expect((await verify(sale)).fault).toBeNull();
    await tamper('outcome_act', `update outcome_act set body = body || '{"passes": false}' where id = $1`, [
      second?.receipt.facts[1],
    ]);
    expect((await verify(sale)).fault).toMatchObject({
      place: expect.stringContaining(`receipt 2 (${second?.receipt.receiptId})`),
      reason: 'the facts that it rests on are not what they were',
    });
    await tamper('outcome_act', `update outcome_act set body = body || '{"passes": true}' where id = $1`, [
      second?.receipt.facts[1],
    ]);
    expect((await verify(sale)).fault).toBeNull();
  });

  test('of a price that asks for less than the minor unit sum to the exact amount, and the line is rounded', async () => {
    const prices = [{ name: 'Each', currency: 'USD', terms: { model: 'UNIT', unitAmount: '1', per: '3' } }];
    const { sale, invoiceId } = await invoiced(
      { prices },
      times(7, place => claim(place)),
    );
    const found = await receipts(sale, invoiceId);
    const [line] = await rows<{ exact: string; amount: string }>(
      'select exact_amount::text as exact, amount::text from invoice_line where tenant_id = $1',
      [sale.buyerId],
    );
    expect(total(found.map(({ receipt }) => receipt.amount))).toBe(line?.exact);
    expect(line?.amount).toBe('2.33');
    expect((await verify(sale)).fault).toBeNull();
  });

  test('that rating does not agree with stop the invoice, and nothing changes', async () => {
    const { sale, invoiceId } = await invoiced(REVERSAL, [claim(0), claim(1)]);
    await arrive(sale, '2026-12-02T12:00:00Z', [reopened(0, '2026-12-02T10:00:00Z')]);
    await tamper('outcome_receipt', 'update outcome_receipt set amount = 0.98 where invoice_id = $1 and position = 1', [
      invoiceId,
    ]);
    market.product.setClock(instant('2027-01-01T12:00:00Z'));
    const [draft] = await rows<{ id: string }>("select id from invoice where tenant_id = $1 and status = 'DRAFT'", [
      sale.buyerId,
    ]);
    const before = await everything(market.product);
    await expect(
      market.product.app.services.invoicing.issue(market.product.scope(sale.buyerId), {
        invoiceId: draft?.id ?? '',
        acceptUnpriced: false,
        idempotencyKey: randomUUID(),
      }),
    ).rejects.toThrow('come to -0.98, and are charged with -0.99');
    expect(await everything(market.product)).toEqual(before);
    expect((await verify(sale)).fault?.place).toContain('receipt 1 ');
  });
});

describe('outcome:verify', () => {
  const FAULT = 'update outcome_receipt set amount = amount + $2 where invoice_id = $1 and position = 2';

  /** Runs it on the database of this file; what it prints, without colours. */
  async function run(): Promise<{ readonly code: number; readonly output: string }> {
    const lines: string[] = [];
    const code = await verifyTenants(market.product.app, line => lines.push(`${stripVTControlCharacters(line)}\n`));

    return { code, output: lines.join('') };
  }

  test('names the place of the first fault of each tenant and exits with 1, and with 0 when all is well', async () => {
    const { sale, invoiceId } = await invoiced(
      {},
      times(3, place => claim(place)),
    );
    const [seal] = await rows<{ charge_id: string }>('select charge_id from outcome_seal where invoice_id = $1', [
      invoiceId,
    ]);
    const [, { receipt } = { receipt: null }] = await receipts(sale, invoiceId);
    await tamper('outcome_receipt', FAULT, [invoiceId, '0.01']);
    const broken = await run();
    expect(broken.code).toBe(1);
    expect(broken.output).toContain(
      `BROKEN  ${sale.buyerId}  invoice ${invoiceId}, charge ${seal?.charge_id}, receipt 2 (${receipt.receiptId}): it is kept with 1, and its body says 0.99\n`,
    );
    await tamper('outcome_receipt', FAULT, [invoiceId, '-0.01']);
    const whole = (await run()).output;
    expect(whole).toMatch(
      new RegExp(`^ok      ${sale.buyerId}  3 receipts, 1 seals, \\d+ batches of transitions$`, 'm'),
    );
  });
});

describe('the export of receipts', () => {
  let sale: Sale;
  let invoiceId: string;

  beforeAll(async () => {
    ({ sale, invoiceId } = await invoiced(
      {},
      times(3, place => claim(place)),
    ));
  });

  const get = async (path: string, key: string | null) => {
    const response = await fetch(`${market.product.server.url}${path}`, {
      headers: key === null ? {} : { authorization: `Bearer ${key}` },
    });
    const text = await response.text();

    return { status: response.status, type: response.headers.get('content-type'), text };
  };

  const codeOf = ({ text }: { readonly text: string }): string =>
    (JSON.parse(text) as { error: { code: string } }).error.code;

  test('is one line for each receipt, to the tenant itself and to those above it', async () => {
    const own = await aKey(market.product.app, market.product.scope(sale.buyerId), ['outcomes:read', 'billing:read']);
    const answer = await get(`/v1/invoices/${invoiceId}/receipts`, own);
    expect([answer.status, answer.type]).toEqual([200, 'application/x-ndjson']);
    expect(answer.text.trimEnd().split('\n')).toHaveLength(3);
    const above = await get(`/v1/invoices/${invoiceId}/receipts?tenantId=${sale.buyerId}`, market.keys.reads);
    expect(above.text).toBe(answer.text);
  });

  test('goes on over more receipts than a page', async () => {
    const long = await invoiced(
      {},
      times(1_001, place => claim(place)),
    );
    const positions = (await receipts(long.sale, long.invoiceId)).map(({ position }) => position);
    expect(positions).toEqual(times(1_001, place => place + 1));
  });

  test('of a draft is empty', async () => {
    const draft = await charged(market, {}, [claim(0)]);
    const [{ id } = { id: '' }] = await readAll(draft, 'invoices', 'id');
    expect(await exported(draft, id)).toEqual([]);
  });

  test('of an invoice of somebody else is not found, like one that is not there', async () => {
    const stranger = await aTenant(market.product);
    const key = await aKey(market.product.app, market.product.scope(stranger));
    const random = `inv_${'0'.repeat(26)}`;

    for (const path of [
      `/v1/invoices/${invoiceId}/receipts`,
      `/v1/invoices/${random}/receipts`,
      `/v1/invoices/${invoiceId}/receipts?tenantId=${sale.buyerId}`,
      `/v1/invoices/${invoiceId}/receipts?tenantId=${stranger}`,
      `/v1/invoices/${invoiceId}/receipts?tenantId=`,
      `/v1/invoices/${invoiceId}/receipts?tenantId=${stranger}&tenantId=${sale.buyerId}`,
      `/v1/invoices/${encodeURIComponent(`${invoiceId}\0'`)}/receipts`,
      `/v1/invoices/..%2f/receipts`,
    ]) {
      const answer = await get(path, key);
      expect([path, answer.status, codeOf(answer)]).toEqual([path, 404, 'NOT_FOUND']);
      expect(answer.text).not.toContain('e0000');
    }

    // The seller names the buyer; without it, the invoice is none of its own.
    const own = await get(`/v1/invoices/${invoiceId}/receipts`, market.product.platformKey);
    expect([own.status, codeOf(own)]).toEqual([404, 'NOT_FOUND']);
    const { data } = await market.product.graphql(
      key,
      'query ($id: ID!) { node(id: $id) { ... on Invoice { outcomeReceipts { edges { node { id } } } } } }',
      { id: invoiceId },
    );
    expect(data).toEqual({ node: null });
  });

  test('wants a key, with both permissions', async () => {
    const path = `/v1/invoices/${invoiceId}/receipts`;
    const keyWith = (...permissions: string[]) =>
      aKey(market.product.app, market.product.scope(sale.buyerId), permissions);
    expect(await get(path, null)).toMatchObject({ status: 401, text: expect.stringContaining('UNAUTHENTICATED') });
    expect(await get(path, 'nobody')).toMatchObject({ status: 401, text: expect.stringContaining('UNAUTHENTICATED') });

    for (const [has, lacks] of [
      ['outcomes:read', 'billing:read'],
      ['billing:read', 'outcomes:read'],
    ] as const) {
      const answer = await get(path, await keyWith(has));
      expect([answer.status, codeOf(answer)]).toEqual([403, 'FORBIDDEN']);
      expect(answer.text).toContain(lacks);
    }
  });

  test('names outcomes in the order in which they occurred', async () => {
    const ids = await idsOf(sale);
    expect((await receipts(sale, invoiceId)).map(({ receipt }) => receipt.outcomeId)).toEqual(ids);
  });
});

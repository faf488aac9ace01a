import { createHash, randomUUID } from 'node:crypto';
import { formatDecimal, type Decimal } from '../../src/money/index.js';
import { canonicalJson } from '../../src/platform/index.js';
import {
  aContract,
  aMeter,
  anEvent,
  aPriceBook,
  aTenant,
  aVersion,
  perUnit,
  rate,
  type PriceGiven,
} from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aKey, aProduct, type Product } from '../support/product.js';

const at = (text: string): Date => new Date(text);

const text = (amount: Decimal | null | undefined): string | null => (amount ? formatDecimal(amount) : null);

interface InvoiceRow {
  readonly id: string;
  readonly contract_id: string;
  readonly issuer_id: string;
  readonly status: string;
  readonly number: string | null;
  readonly total: string | null;
  readonly period_start: Date;
  readonly period_end: Date;
  readonly due_at: Date;
  readonly document: string | null;
  readonly document_hash: string | null;
}

describe('invoicing', () => {
  let product: Product;
  let meterId: string;

  beforeAll(async () => {
    product = await aProduct();
    meterId = await aMeter(product);
  });

  beforeEach(() => product.setClock(at('2026-11-20T12:00:00Z')));

  afterAll(() => product.close());

  async function aBuyer(
    prices: readonly PriceGiven[] = [{ meterId, terms: perUnit('2') }],
    options: { timeZone?: string; sellerId?: string; currency?: string; graceHours?: number; effectiveAt?: Date } = {},
  ) {
    const tenantId = await aTenant(product, {
      timeZone: options.timeZone ?? 'UTC',
      ...(options.sellerId ? { parentId: options.sellerId } : {}),
    });
    const { bookId } = await aPriceBook(product, {
      prices,
      currency: options.currency ?? 'USD',
      ...(options.sellerId ? { ownerId: options.sellerId } : {}),
      ...(options.effectiveAt ? { effectiveAt: options.effectiveAt } : {}),
    });
    const contractId = await aContract(product, {
      buyerId: tenantId,
      bookId,
      graceHours: options.graceHours ?? 24,
      ...(options.sellerId ? { sellerId: options.sellerId } : {}),
    });

    return { tenantId, bookId, contractId };
  }

  async function use(tenantId: string, ...used: readonly (readonly [string, number | string, string?])[]) {
    const receipt = await product.app.services.usage.accept(
      product.scope(tenantId),
      used.map(([time, tokens, model]) => anEvent({ time, properties: { model: model ?? 'm', tokens } })),
      { keyId: 'test', isDryRun: false },
    );
    expect(receipt.accepted).toBe(used.length);
  }

  const invoices = (tenantId: string): Promise<InvoiceRow[]> =>
    asSuperuser(product.database, 'select * from invoice where tenant_id = $1 order by period_start, id', [tenantId]);

  const only = async (tenantId: string): Promise<InvoiceRow> => {
    const [first, ...more] = await invoices(tenantId);
    expect(more).toEqual([]);

    if (!first) {
      throw new Error('there is no invoice');
    }

    return first;
  };

  const drafts = async (tenantId: string): Promise<InvoiceRow[]> =>
    (await invoices(tenantId)).filter(({ status }) => status === 'DRAFT');

  const draft = async (tenantId: string): Promise<InvoiceRow> => {
    const [first, ...more] = await drafts(tenantId);
    expect(more).toEqual([]);

    if (!first) {
      throw new Error('there is no draft');
    }

    return first;
  };

  const issue = (tenantId: string, invoiceId: string, options: { acceptUnpriced?: boolean; key?: string } = {}) =>
    product.app.services.invoicing.issue(product.scope(tenantId), {
      invoiceId,
      acceptUnpriced: options.acceptUnpriced ?? false,
      idempotencyKey: options.key ?? randomUUID(),
    });

  const lines = async (tenantId: string, invoiceId: string) =>
    (await product.app.services.invoicing.lines(product.scope(tenantId), invoiceId)).map(line => ({
      chargeId: line.chargeId,
      description: line.description,
      quantity: formatDecimal(line.quantity),
      exactAmount: formatDecimal(line.exactAmount),
      amount: formatDecimal(line.amount),
      service: { start: line.serviceStart.toISOString(), end: line.serviceEnd.toISOString() },
      isAdjustment: line.isAdjustment,
    }));

  /** [amount, is an adjustment] of each line. */
  const short = async (tenantId: string, invoiceId: string): Promise<[string, boolean][]> =>
    (await lines(tenantId, invoiceId)).map(line => [line.amount, line.isAdjustment]);

  const everything = async (tenantId: string) => ({
    invoices: await invoices(tenantId),
    lines: await asSuperuser(product.database, 'select * from invoice_line where tenant_id = $1 order by id', [
      tenantId,
    ]),
    charges: await asSuperuser(product.database, 'select * from charge where tenant_id = $1 order by id', [tenantId]),
    audit: await asSuperuser(product.database, 'select * from audit_line where tenant_id = $1 order by seq', [
      tenantId,
    ]),
    outbox: await asSuperuser(product.database, 'select * from outbox where tenant_id = $1 order by id', [tenantId]),
    keys: await asSuperuser(product.database, 'select * from idempotency where tenant_id = $1 order by key', [
      tenantId,
    ]),
  });

  describe('a draft', () => {
    test('appears with the first charge of its period and is due a grace after its end', async () => {
      const { tenantId, contractId } = await aBuyer();
      expect(await invoices(tenantId)).toEqual([]);
      await use(tenantId, ['2026-11-02T00:00:00Z', 5]);
      await rate(product, tenantId);
      expect(await only(tenantId)).toMatchObject({
        contract_id: contractId,
        issuer_id: product.platformId,
        status: 'DRAFT',
        number: null,
        total: null,
        period_start: at('2026-11-01T00:00:00Z'),
        period_end: at('2026-12-01T00:00:00Z'),
        due_at: at('2026-12-02T00:00:00Z'),
      });
    });

    test('of a period long past is due a grace after its making', async () => {
      const { tenantId } = await aBuyer(undefined, { graceHours: 2 });
      await use(tenantId, ['2025-02-02T00:00:00Z', 5]);
      await rate(product, tenantId);
      const { due_at } = await only(tenantId);
      expect(Math.abs(due_at.getTime() - at('2026-11-20T14:00:00Z').getTime())).toBeLessThan(60_000);
    });

    test('does not appear for unpriced usage alone', async () => {
      const { tenantId } = await aBuyer([{ meterId, pattern: { model: 'known' }, terms: perUnit('2') }]);
      await use(tenantId, ['2026-11-02T00:00:00Z', 5, 'unknown']);
      await rate(product, tenantId);
      expect(await invoices(tenantId)).toEqual([]);
    });

    test('is readable at any instant and is what is issued then', async () => {
      const { tenantId } = await aBuyer([
        { meterId, name: 'Small', pattern: { model: 's' }, terms: perUnit('0.003') },
        { meterId, name: 'Large', terms: perUnit('0.0151') },
      ]);
      await use(tenantId, ['2026-11-02T00:00:00Z', 5, 's'], ['2026-11-03T00:00:00Z', 3, 'l']);
      await rate(product, tenantId);
      const { id } = await only(tenantId);
      expect(await lines(tenantId, id)).toMatchObject([
        { description: 'Large', quantity: '3', exactAmount: '0.0453', amount: '0.05', isAdjustment: false },
        { description: 'Small', quantity: '5', exactAmount: '0.015', amount: '0.02', isAdjustment: false },
      ]);
      await use(tenantId, ['2026-11-04T00:00:00Z', '0.5', 's']);
      await rate(product, tenantId);
      const before = await lines(tenantId, id);
      expect(before).toMatchObject([{ amount: '0.05' }, { exactAmount: '0.0165', amount: '0.02' }]);
      product.setClock(at('2026-12-01T00:00:01Z'));
      const { invoice } = await issue(tenantId, id);
      expect(text(invoice.total)).toBe('0.07');
      expect(await lines(tenantId, id)).toEqual(before);
    });

    test('ends with its contract', async () => {
      const { tenantId, contractId } = await aBuyer(undefined, { graceHours: 1 });
      await use(tenantId, ['2026-11-02T00:00:00Z', 5]);
      await rate(product, tenantId);
      const { bookId: other } = await aPriceBook(product, { prices: [{ meterId, terms: perUnit('3') }] });
      const startsAt = at('2026-11-10T00:00:00Z');
      await aContract(product, { buyerId: tenantId, bookId: other, startsAt });
      await product.app.services.rating.rerate(product.scope(tenantId), startsAt);
      const found = await only(tenantId);
      expect(found).toMatchObject({ contract_id: contractId, period_end: startsAt });
      expect((await lines(tenantId, found.id))[0]?.service.end).toBe('2026-11-10T00:00:00.000Z');
      // And can be issued as soon as that.
      await issue(tenantId, found.id);
    });
  });

  describe('issuing', () => {
    test('is refused before the period has ended, to the millisecond', async () => {
      const { tenantId } = await aBuyer();
      await use(tenantId, ['2026-11-02T00:00:00Z', 5]);
      await rate(product, tenantId);
      const { id } = await only(tenantId);
      const before = await everything(tenantId);
      const scope = { ...product.scope(tenantId), now: at('2026-11-30T23:59:59.999Z') };
      await expect(
        product.app.services.invoicing.issue(scope, { invoiceId: id, acceptUnpriced: true, idempotencyKey: 'k' }),
      ).rejects.toMatchObject({ code: 'PERIOD_OPEN', field: ['invoiceId'] });
      expect(await everything(tenantId)).toEqual(before);
      await product.app.services.invoicing.issue(
        { ...product.scope(tenantId), now: at('2026-12-01T00:00:00Z') },
        { invoiceId: id, acceptUnpriced: false, idempotencyKey: 'k' },
      );
      expect((await only(tenantId)).status).toBe('ISSUED');
    });

    test.each([
      ['Pacific/Auckland', '2026-11-30T11:00:00.000Z'],
      ['America/New_York', '2026-12-01T05:00:00.000Z'],
      ['Asia/Kolkata', '2026-11-30T18:30:00.000Z'],
    ])('closes November in the time zone of the tenant: %s', async (timeZone, end) => {
      const { tenantId } = await aBuyer(undefined, { timeZone });
      await use(tenantId, ['2026-11-15T00:00:00Z', 5]);
      await rate(product, tenantId);
      const { id, period_end } = await only(tenantId);
      expect(period_end.toISOString()).toBe(end);
      const input = { invoiceId: id, acceptUnpriced: false, idempotencyKey: randomUUID() };
      await expect(
        product.app.services.invoicing.issue(
          { ...product.scope(tenantId), now: new Date(period_end.getTime() - 1) },
          input,
        ),
      ).rejects.toMatchObject({ code: 'PERIOD_OPEN' });
      await product.app.services.invoicing.issue({ ...product.scope(tenantId), now: period_end }, input);
      expect((await only(tenantId)).status).toBe('ISSUED');
    });

    test.each([
      ['America/New_York', '2026-11-01T04:00:00.000Z', '2026-12-01T05:00:00.000Z'],
      ['America/Havana', '2026-11-01T04:00:00.000Z', '2026-12-01T05:00:00.000Z'],
      ['Pacific/Auckland', '2026-10-31T11:00:00.000Z', '2026-11-30T11:00:00.000Z'],
    ])('puts all of a November of %s on one invoice, summer time or not', async (timeZone, start, end) => {
      product.setClock(at('2026-12-05T00:00:00Z'));
      const { tenantId } = await aBuyer(undefined, { timeZone });
      const [from, until] = [at(start).getTime(), at(end).getTime()];
      await use(
        tenantId,
        ...[from, from + 1_800_000, from + 5_400_000, until - 86_400_000, until - 1].map(
          time => [new Date(time).toISOString(), 1] as const,
        ),
      );
      await rate(product, tenantId);
      const found = await only(tenantId);
      expect([found.period_start.toISOString(), found.period_end.toISOString()]).toEqual([start, end]);
      expect(await short(tenantId, found.id)).toEqual([['10', false]]);
    });

    test('is refused over unpriced usage, unless that is accepted', async () => {
      const { tenantId } = await aBuyer([{ meterId, pattern: { model: 'known' }, terms: perUnit('2') }]);
      await use(tenantId, ['2026-11-02T00:00:00Z', 5, 'known'], ['2026-11-02T00:00:00Z', 7, 'unknown']);
      await rate(product, tenantId);
      const { id } = await only(tenantId);
      product.setClock(at('2026-12-01T00:00:01Z'));
      const before = await everything(tenantId);
      await expect(issue(tenantId, id)).rejects.toMatchObject({ code: 'UNPRICED_USAGE', field: ['invoiceId'] });
      expect(await everything(tenantId)).toEqual(before);
      await issue(tenantId, id, { acceptUnpriced: true });
      expect(await short(tenantId, id)).toEqual([['10', false]]);
    });

    test('is refused over unpriced usage that nobody has rated yet', async () => {
      const { tenantId } = await aBuyer([{ meterId, pattern: { model: 'known' }, terms: perUnit('2') }]);
      await use(tenantId, ['2026-11-02T00:00:00Z', 5, 'known']);
      await rate(product, tenantId);
      const { id } = await only(tenantId);
      await use(tenantId, ['2026-11-02T00:00:00Z', 7, 'unknown']);
      product.setClock(at('2026-12-01T00:00:01Z'));
      await expect(issue(tenantId, id)).rejects.toMatchObject({ code: 'UNPRICED_USAGE' });
      expect((await only(tenantId)).status).toBe('DRAFT');
    });

    test('over accepted unpriced usage bills it later, once it has a price', async () => {
      const { tenantId, bookId } = await aBuyer([{ meterId, pattern: { model: 'known' }, terms: perUnit('2') }]);
      await use(tenantId, ['2026-11-02T00:00:00Z', 5, 'known'], ['2026-11-02T00:00:00Z', 7, 'unknown']);
      await rate(product, tenantId);
      product.setClock(at('2026-12-03T00:00:00Z'));
      await issue(tenantId, (await only(tenantId)).id, { acceptUnpriced: true });
      await aVersion(product, {
        bookId,
        prices: [
          { meterId, pattern: { model: 'known' }, terms: perUnit('2') },
          { meterId, name: 'Rest', terms: perUnit('3') },
        ],
        effectiveAt: at('2026-11-15T00:00:00Z'),
      });
      await product.app.services.rating.rerate(product.scope(tenantId), at('2026-11-15T00:00:00Z'));
      // From the 15th on only: the usage of the 2nd is still without a price.
      expect(await drafts(tenantId)).toEqual([]);
      await aVersion(product, {
        bookId,
        prices: [
          { meterId, pattern: { model: 'known' }, terms: perUnit('2') },
          { meterId, name: 'Rest', terms: perUnit('3') },
        ],
        effectiveAt: at('2026-11-01T00:00:00Z'),
      });
      await product.app.services.rating.rerate(product.scope(tenantId), at('2026-11-01T00:00:00Z'));
      const next = await draft(tenantId);
      expect(next.period_start).toEqual(at('2026-12-01T00:00:00Z'));
      const found = await lines(tenantId, next.id);
      expect(found.every(line => line.isAdjustment)).toBe(true);
      expect(found.reduce((total, line) => total + Number(line.amount), 0)).toBe(21);
    });

    test('includes usage that was accepted and not rated yet', async () => {
      const { tenantId } = await aBuyer();
      await use(tenantId, ['2026-11-02T00:00:00Z', 5]);
      await rate(product, tenantId);
      const { id } = await only(tenantId);
      await use(tenantId, ['2026-11-03T00:00:00Z', 1]);
      product.setClock(at('2026-12-01T00:00:01Z'));
      await issue(tenantId, id);
      expect(await short(tenantId, id)).toEqual([['12', false]]);
    });

    test('again with the same key answers the same invoice, and changes nothing', async () => {
      const { tenantId } = await aBuyer();
      await use(tenantId, ['2026-11-02T00:00:00Z', 5]);
      await rate(product, tenantId);
      const { id } = await only(tenantId);
      product.setClock(at('2026-12-01T00:00:01Z'));
      const first = await issue(tenantId, id, { key: 'once' });
      const before = await everything(tenantId);
      const again = await issue(tenantId, id, { key: 'once' });
      expect([first.replayed, again.replayed]).toEqual([false, true]);
      expect(again.invoice.number).toBe(first.invoice.number);
      expect(await everything(tenantId)).toEqual(before);
      await expect(issue(tenantId, id, { key: 'once', acceptUnpriced: true })).rejects.toMatchObject({
        code: 'IDEMPOTENCY_KEY_REUSED',
      });
      await expect(issue(tenantId, id)).rejects.toMatchObject({ code: 'INVALID_TRANSITION' });
      expect(await everything(tenantId)).toEqual(before);
    });

    test('many times at once issues once', async () => {
      const { tenantId } = await aBuyer();
      await use(tenantId, ['2026-11-02T00:00:00Z', 5]);
      await rate(product, tenantId);
      const { id } = await only(tenantId);
      product.setClock(at('2026-12-01T00:00:01Z'));
      const outcomes = await Promise.allSettled(Array.from({ length: 6 }, () => issue(tenantId, id)));
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      expect(
        await asSuperuser(product.database, 'select number from invoice_number where invoice_id = $1', [id]),
      ).toHaveLength(1);
    });

    test('of an invoice of another tenant is answered like one that is not there', async () => {
      const { tenantId } = await aBuyer();
      await use(tenantId, ['2026-11-02T00:00:00Z', 5]);
      await rate(product, tenantId);
      const { id } = await only(tenantId);
      const other = await aTenant(product);
      product.setClock(at('2026-12-01T00:00:01Z'));
      await expect(issue(other, id)).rejects.toMatchObject({
        code: 'NOT_FOUND',
        message: `invoice ${id} does not exist`,
      });
      expect((await only(tenantId)).status).toBe('DRAFT');
    });

    test.each(['\u0000', '', 'nothing'])('of what is no id (%j) is answered like one that is not there', async id => {
      const { tenantId } = await aBuyer();
      await expect(issue(tenantId, id)).rejects.toMatchObject({ code: 'NOT_FOUND', field: ['invoiceId'] });
    });

    test('of a draft that has come to nothing takes a number and has no lines', async () => {
      const { tenantId, bookId } = await aBuyer();
      await use(tenantId, ['2026-11-02T00:00:00Z', 5]);
      await rate(product, tenantId);
      const { id } = await only(tenantId);
      const startsAt = at('2026-10-15T00:00:00Z');
      await aContract(product, { buyerId: tenantId, bookId, startsAt });
      await product.app.services.rating.rerate(product.scope(tenantId), startsAt);
      product.setClock(at('2026-12-01T00:00:01Z'));
      const { invoice } = await issue(tenantId, id);
      expect(text(invoice.total)).toBe('0');
      expect(await lines(tenantId, id)).toEqual([]);
    });

    test('writes its document as canonical JSON, with its hash and the lines that the API shows', async () => {
      const { tenantId } = await aBuyer(
        [
          { meterId, name: 'Small', pattern: { model: 's' }, terms: perUnit('0.0005') },
          { meterId, name: 'Large', terms: perUnit('1.2345') },
        ],
        { currency: 'KWD' },
      );
      await use(tenantId, ['2026-11-02T00:00:00Z', 5, 's'], ['2026-11-03T00:00:00Z', 3, 'l']);
      await rate(product, tenantId);
      const { id } = await only(tenantId);
      product.setClock(at('2026-12-01T00:00:01Z'));
      await issue(tenantId, id);
      const stored = await only(tenantId);
      const document = stored.document ?? '';
      expect(stored.document_hash).toBe(createHash('sha256').update(document).digest('hex'));
      const parsed = JSON.parse(document);
      expect(canonicalJson(parsed)).toBe(document);
      expect(parsed).toMatchObject({ id, number: stored.number, currency: 'KWD', total: '3.706' });
      expect(parsed.lines).toEqual(
        (await lines(tenantId, id)).map((line, index) => ({ position: index + 1, ...line })),
      );
      const shown = await product.graphql(
        product.platformKey,
        `query ($id: ID) { tenant(id: $id) { invoices { edges { node { document documentHash total { amount currency }
          lines { edges { node { position chargeId description quantity exactAmount { amount } amount { amount }
            serviceStart serviceEnd isAdjustment } } } } } } } }`,
        { id: tenantId },
      );
      const { node } = shown.data.tenant.invoices.edges[0];
      expect(node.document).toBe(document);
      expect(node.documentHash).toBe(stored.document_hash);
      expect(node.total).toEqual({ amount: parsed.total, currency: 'KWD' });
      expect(
        node.lines.edges.map((edge: { node: Record<string, unknown> & { amount: object } }) => ({
          ...edge.node,
          exactAmount: (edge.node['exactAmount'] as { amount: string }).amount,
          amount: (edge.node.amount as { amount: string }).amount,
        })),
      ).toEqual(
        parsed.lines.map(({ service, ...line }: { service: { start: string; end: string } }) => ({
          ...line,
          serviceStart: service.start,
          serviceEnd: service.end,
        })),
      );
    });
  });

  describe('numbers', () => {
    test('are counted per issuer, without a gap, whatever is refused and however many are issued at once', async () => {
      const sellers = [await aTenant(product, { kind: 'RESELLER' }), await aTenant(product, { kind: 'RESELLER' })];
      const buyers: { tenantId: string; sellerId: string }[] = [];

      for (const sellerId of sellers) {
        for (let count = 0; count < 4; count++) {
          const { tenantId } = await aBuyer(undefined, { sellerId });
          await use(tenantId, ['2026-11-02T00:00:00Z', 5]);
          await rate(product, tenantId);
          buyers.push({ tenantId, sellerId });
        }
      }

      const ids = await Promise.all(buyers.map(async ({ tenantId }) => (await only(tenantId)).id));
      // Refused ones take no number.
      await Promise.allSettled(buyers.map(({ tenantId }, index) => issue(tenantId, ids[index] ?? '')));
      product.setClock(at('2026-12-01T00:00:01Z'));
      await Promise.all(buyers.map(({ tenantId }, index) => issue(tenantId, ids[index] ?? '')));

      for (const sellerId of sellers) {
        const issued = await asSuperuser<{ number: string }>(
          product.database,
          'select number from invoice where issuer_id = $1 order by number',
          [sellerId],
        );
        expect(issued.map(({ number }) => number)).toEqual(['INV-000001', 'INV-000002', 'INV-000003', 'INV-000004']);
        expect(
          await asSuperuser(
            product.database,
            'select number::text from invoice_number where tenant_id = $1 order by 1',
            [sellerId],
          ),
        ).toEqual([{ number: '1' }, { number: '2' }, { number: '3' }, { number: '4' }]);
      }
    });
  });

  describe('an issued invoice', () => {
    let tenantId: string;
    let invoiceId: string;

    beforeAll(async () => {
      product.setClock(at('2026-11-20T12:00:00Z'));
      ({ tenantId } = await aBuyer());
      await use(tenantId, ['2026-11-02T00:00:00Z', 5]);
      await rate(product, tenantId);
      invoiceId = (await only(tenantId)).id;
      product.setClock(at('2026-12-01T00:00:01Z'));
      await issue(tenantId, invoiceId);
    });

    test.each([
      ['its total', 'update invoice set total = 1 where id = $1'],
      [
        'its status',
        "update invoice set status = 'DRAFT', number = null, issued_at = null, document_hash = null, total = null where id = $1",
      ],
      ['its document', "update invoice set document = '{}' where id = $1"],
      ['its number', "update invoice set number = 'INV-999999' where id = $1"],
      ['itself, by deleting it', 'delete from invoice where id = $1'],
      ['a line', 'update invoice_line set amount = amount + 1 where invoice_id = $1'],
      ['a line, by deleting it', 'delete from invoice_line where invoice_id = $1'],
      [
        'its lines, by adding one',
        `insert into invoice_line select tenant_id, id || 'X', invoice_id, position + 1, charge_id || 'X', description,
           quantity, exact_amount, amount, service_start, service_end, is_adjustment
         from invoice_line where invoice_id = $1`,
      ],
      ['a charge', 'update charge set amount = amount + 1 where invoice_id = $1'],
      ['a charge, by taking it off', 'update charge set invoice_id = null where invoice_id = $1'],
      ['a charge, by deleting it', 'delete from charge where invoice_id = $1'],
      ['the register of numbers', 'update invoice_number set number = number + 1000 where invoice_id = $1'],
      ['the register of numbers, by deleting from it', 'delete from invoice_number where invoice_id = $1'],
    ])('cannot be changed even by the superuser: %s', async (_what, sql) => {
      const before = await everything(tenantId);
      await expect(asSuperuser(product.database, sql, [invoiceId])).rejects.toMatchObject({ code: '23000' });
      expect(await everything(tenantId)).toEqual(before);
    });

    test('cannot have a second one for its contract and period', async () => {
      await expect(
        asSuperuser(
          product.database,
          `insert into invoice (tenant_id, id, contract_id, issuer_id, currency, period_start, period_end, due_at, status, created_at)
           select tenant_id, id || 'X', contract_id, issuer_id, currency, period_start + interval '1 day', period_end, due_at, 'DRAFT', created_at
           from invoice where id = $1`,
          [invoiceId],
        ),
      ).rejects.toThrow('invoice_periods_do_not_overlap');
    });

    test('told the webhooks, the outbox and the audit chain in its own transaction', async () => {
      const [line] = await asSuperuser<{ subject_id: string; after: object }>(
        product.database,
        "select subject_id, after from audit_line where tenant_id = $1 and action = 'invoice.issued'",
        [tenantId],
      );
      const { number, document_hash } = await only(tenantId);
      expect(line).toEqual({
        subject_id: invoiceId,
        after: { status: 'ISSUED', number, total: '10', documentHash: document_hash, acceptUnpriced: false },
      });
      expect(
        await asSuperuser(
          product.database,
          "select payload from outbox where tenant_id = $1 and topic = 'invoice.issued'",
          [tenantId],
        ),
      ).toEqual([{ payload: { invoiceId } }]);
    });
  });

  describe('an adjustment', () => {
    /** A buyer with an issued invoice of October: 5 units at 2. */
    async function issuedOctober(prices?: readonly PriceGiven[]) {
      product.setClock(at('2026-10-20T12:00:00Z'));
      const buyer = await aBuyer(prices);
      await use(buyer.tenantId, ['2026-10-02T00:00:00Z', 5]);
      await rate(product, buyer.tenantId);
      const { id } = await only(buyer.tenantId);
      product.setClock(at('2026-11-02T12:00:00Z'));
      await issue(buyer.tenantId, id);

      return { ...buyer, octoberId: id };
    }

    test('of a late event is a line on the next invoice, in its own service period', async () => {
      const { tenantId, octoberId } = await issuedOctober();
      const before = await lines(tenantId, octoberId);
      await use(tenantId, ['2026-11-02T00:00:00Z', 1]);
      await rate(product, tenantId);
      const next = await draft(tenantId);
      await use(tenantId, ['2026-10-31T23:59:59Z', 3]);
      await rate(product, tenantId);
      expect((await draft(tenantId)).id).toBe(next.id);
      expect(await lines(tenantId, next.id)).toMatchObject([
        {
          amount: '2',
          isAdjustment: false,
          service: { start: '2026-11-01T00:00:00.000Z', end: '2026-12-01T00:00:00.000Z' },
        },
        {
          quantity: '3',
          amount: '6',
          isAdjustment: true,
          service: { start: '2026-10-01T00:00:00.000Z', end: '2026-11-01T00:00:00.000Z' },
        },
      ]);
      expect(await lines(tenantId, octoberId)).toEqual(before);
    });

    test('makes the next draft where there is none', async () => {
      const { tenantId } = await issuedOctober();
      await use(tenantId, ['2026-10-31T23:59:59Z', 3]);
      await rate(product, tenantId);
      const next = await draft(tenantId);
      expect([next.period_start, next.period_end]).toEqual([at('2026-11-01T00:00:00Z'), at('2026-12-01T00:00:00Z')]);
      expect(await short(tenantId, next.id)).toEqual([['6', true]]);
      // The running month's own usage joins it.
      await use(tenantId, ['2026-11-02T00:00:00Z', 1]);
      await rate(product, tenantId);
      expect(await short(tenantId, next.id)).toEqual([
        ['2', false],
        ['6', true],
      ]);
    });

    test('goes to the running month where later months had no usage at all', async () => {
      const { tenantId } = await issuedOctober();
      product.setClock(at('2027-02-10T00:00:00Z'));
      await use(tenantId, ['2026-10-31T23:59:59Z', 3]);
      await rate(product, tenantId);
      expect((await draft(tenantId)).period_start).toEqual(at('2027-02-01T00:00:00Z'));
      // Usage of a month in between gets its own invoice.
      await use(tenantId, ['2026-12-10T00:00:00Z', 1]);
      await rate(product, tenantId);
      expect((await drafts(tenantId)).map(({ period_start }) => period_start)).toEqual([
        at('2026-12-01T00:00:00Z'),
        at('2027-02-01T00:00:00Z'),
      ]);
    });

    test('goes to the following month where the running one is issued already', async () => {
      const { tenantId, bookId } = await issuedOctober();
      await use(tenantId, ['2026-11-01T00:00:00Z', 1]);
      await rate(product, tenantId);
      // The contract ends in the middle of the running month, and that part is issued.
      const { bookId: other } = await aPriceBook(product, { prices: [{ meterId, terms: perUnit('3') }] });
      expect(other).not.toBe(bookId);
      const startsAt = at('2026-11-02T00:00:00Z');
      await aContract(product, { buyerId: tenantId, bookId: other, startsAt });
      await product.app.services.rating.rerate(product.scope(tenantId), startsAt);
      const november = await draft(tenantId);
      await issue(tenantId, november.id);
      await use(tenantId, ['2026-10-31T23:59:59Z', 3]);
      await rate(product, tenantId);
      const next = await draft(tenantId);
      expect([next.contract_id, next.period_start, next.period_end]).toEqual([
        november.contract_id,
        startsAt,
        at('2026-12-01T00:00:00Z'),
      ]);
      expect(await short(tenantId, next.id)).toEqual([['6', true]]);
    });

    test('of a price corrected downwards is negative, carried whole and not clamped', async () => {
      const { tenantId, bookId, octoberId } = await issuedOctober();
      const effectiveAt = at('2026-10-01T00:00:00Z');
      await aVersion(product, { bookId, prices: [{ meterId, name: 'Corrected', terms: perUnit('0.5') }], effectiveAt });
      await product.app.services.rating.rerate(product.scope(tenantId), effectiveAt);
      const next = await draft(tenantId);
      const found = await lines(tenantId, next.id);
      expect(found.map(line => [line.description, line.quantity, line.amount, line.isAdjustment])).toEqual([
        ['Oct 2026 adjustment: Corrected', '5', '2.5', true],
        ['Oct 2026 adjustment: Tokens', '-5', '-10', true],
      ]);
      product.setClock(at('2026-12-01T00:00:00Z'));
      const { invoice } = await issue(tenantId, next.id);
      expect(text(invoice.total)).toBe('-7.5');
      expect(await short(tenantId, octoberId)).toEqual([['10', false]]);
    });

    test('after an adjustment was issued is a further one, and all together come to what is due', async () => {
      const { tenantId } = await issuedOctober([
        {
          meterId,
          terms: {
            model: 'GRADUATED',
            tiers: [
              { upTo: '6', unitAmount: '2' },
              { upTo: null, unitAmount: '1' },
            ],
          },
        },
      ]);
      await use(tenantId, ['2026-10-05T00:00:00Z', 3]);
      await rate(product, tenantId);
      const november = await draft(tenantId);
      expect(await short(tenantId, november.id)).toEqual([['4', true]]);
      product.setClock(at('2026-12-01T12:00:00Z'));
      await issue(tenantId, november.id);
      await use(tenantId, ['2026-10-06T00:00:00Z', 10]);
      await rate(product, tenantId);
      const december = await draft(tenantId);
      expect(await short(tenantId, december.id)).toEqual([['10', true]]);
      expect(
        await asSuperuser(
          product.database,
          `select generation, trim_scale(amount)::text as amount, explanation ->> 'cumulativeAmount' as cumulative,
             explanation ->> 'billedBefore' as billed from charge where tenant_id = $1 order by generation`,
          [tenantId],
        ),
      ).toEqual([
        { generation: 0, amount: '10', cumulative: '10', billed: '0' },
        { generation: 1, amount: '4', cumulative: '14', billed: '10' },
        { generation: 2, amount: '10', cumulative: '24', billed: '14' },
      ]);
    });

    test('that comes to nothing again before it is issued is no line', async () => {
      const { tenantId, bookId } = await issuedOctober();
      const effectiveAt = at('2026-10-01T00:00:00Z');
      await aVersion(product, { bookId, prices: [{ meterId, name: 'Wrong', terms: perUnit('9') }], effectiveAt });
      await product.app.services.rating.rerate(product.scope(tenantId), effectiveAt);
      const next = await draft(tenantId);
      expect(await lines(tenantId, next.id)).toHaveLength(2);
      await aVersion(product, {
        bookId,
        prices: [{ meterId, name: 'Mended', terms: perUnit('2') }],
        effectiveAt: at('2026-10-01T00:15:00Z'),
      });
      await product.app.services.rating.rerate(product.scope(tenantId), effectiveAt);
      const found = await lines(tenantId, next.id);
      expect(found.map(line => [line.description, line.amount])).toEqual([
        ['Oct 2026 adjustment: Mended', '10'],
        ['Oct 2026 adjustment: Tokens', '-10'],
      ]);
    });
  });

  test('usage that arrives while invoices are issued is on one of them or on the next, never twice and never lost', async () => {
    const { tenantId } = await aBuyer();
    await use(tenantId, ['2026-11-02T00:00:00Z', 1]);
    await rate(product, tenantId);
    const { id } = await only(tenantId);
    product.setClock(at('2026-12-01T12:00:00Z'));
    await Promise.all([
      ...Array.from({ length: 12 }, (_, index) => use(tenantId, [`2026-11-03T00:00:${10 + index}Z`, 1])),
      issue(tenantId, id),
      ...Array.from({ length: 3 }, () => rate(product, tenantId)),
    ]);
    await rate(product, tenantId);
    const [november, december] = await invoices(tenantId);
    const of = async (invoice: InvoiceRow | undefined): Promise<number> =>
      invoice ? (await lines(tenantId, invoice.id)).reduce((total, line) => total + Number(line.quantity), 0) : 0;
    expect((await of(november)) + (await of(december))).toBe(13);
    expect(november?.status).toBe('ISSUED');
  });

  describe('closing a period by itself', () => {
    test('issues a draft once its grace is over, and does nothing the second time', async () => {
      const { tenantId } = await aBuyer(undefined, { graceHours: 3 });
      await use(tenantId, ['2026-11-02T00:00:00Z', 5]);
      await rate(product, tenantId);
      const { id } = await only(tenantId);
      const close = (now: string) =>
        product.app.services.invoicing.close({ ...product.scope(tenantId), now: at(now) }, id);
      const before = await everything(tenantId);
      await close('2026-12-01T02:59:59.999Z');
      expect(await everything(tenantId)).toEqual(before);
      await close('2026-12-01T03:00:00Z');
      expect((await only(tenantId)).status).toBe('ISSUED');
      const after = await everything(tenantId);
      await close('2026-12-01T03:00:00Z');
      expect(await everything(tenantId)).toEqual(after);
    });

    test('leaves a draft over unpriced usage a draft, and puts it off by ten minutes', async () => {
      const { tenantId } = await aBuyer([{ meterId, pattern: { model: 'known' }, terms: perUnit('2') }]);
      await use(tenantId, ['2026-11-02T00:00:00Z', 5, 'known'], ['2026-11-02T00:00:00Z', 7, 'unknown']);
      await rate(product, tenantId);
      const { id } = await only(tenantId);
      product.setClock(at('2026-12-05T00:00:00Z'));
      const { charges: charged } = await everything(tenantId);
      const scope = { ...product.scope(tenantId), now: at('2026-12-05T00:00:00Z') };
      await product.app.services.invoicing.close(scope, id);
      expect(await only(tenantId)).toMatchObject({ status: 'DRAFT', number: null, due_at: at('2026-12-05T00:10:00Z') });
      const after = await everything(tenantId);
      expect(after.charges).toEqual(charged);
      await product.app.services.invoicing.close({ ...scope, now: at('2026-12-05T00:09:59Z') }, id);
      expect(await everything(tenantId)).toEqual(after);
    });

    test('takes no number for a draft that came to nothing, and puts it off by a day', async () => {
      const { tenantId, bookId } = await aBuyer([{ meterId, terms: perUnit('2') }]);
      await use(tenantId, ['2026-11-02T00:00:00Z', 5]);
      await rate(product, tenantId);
      const { id } = await only(tenantId);
      product.setClock(at('2026-11-20T00:00:00Z'));
      const startsAt = at('2026-11-01T00:00:00Z');
      await aContract(product, { buyerId: tenantId, bookId, startsAt });
      await product.app.services.rating.rerate(product.scope(tenantId), startsAt);
      const scope = { ...product.scope(tenantId), now: at('2026-12-05T00:00:00Z') };
      await product.app.services.invoicing.close(scope, id);
      const left = await drafts(tenantId);
      expect(left.map(draft => draft.number)).toEqual([null, null]);
      expect(left.find(draft => draft.id === id)?.due_at).toEqual(at('2026-12-06T00:00:00Z'));
    });

    test('does nothing for an id that is not there', async () => {
      const tenantId = await aTenant(product);
      await product.app.services.invoicing.close(product.scope(tenantId), `inv_${'0'.repeat(26)}`);
      expect(await invoices(tenantId)).toEqual([]);
    });
  });

  test('zero-decimal currencies are invoiced in whole units', async () => {
    const { tenantId } = await aBuyer([{ meterId, terms: perUnit('0.5') }], { currency: 'JPY' });
    await use(tenantId, ['2026-11-02T00:00:00Z', 5]);
    await rate(product, tenantId);
    const { id } = await only(tenantId);
    product.setClock(at('2026-12-01T00:00:01Z'));
    const { invoice } = await issue(tenantId, id);
    expect([invoice.currency, text(invoice.total)]).toEqual(['JPY', '2']);
  });

  test('a refusal of the mutation names its field, and a key without billing:write is turned away', async () => {
    const { tenantId } = await aBuyer();
    await use(tenantId, ['2026-11-02T00:00:00Z', 5]);
    await rate(product, tenantId);
    const { id } = await only(tenantId);
    const mutation = `mutation ($input: InvoiceIssueInput!) { invoiceIssue(input: $input) {
      invoice { id } replayed userErrors { code field } } }`;
    const input = { tenantId, invoiceId: id, idempotencyKey: randomUUID() };
    const open = await product.graphql(product.platformKey, mutation, { input });
    expect(open.data.invoiceIssue).toEqual({
      invoice: null,
      replayed: false,
      userErrors: [{ code: 'PERIOD_OPEN', field: ['invoiceId'] }],
    });
    const reader = await aKey(product.app, product.scope(), ['billing:read']);
    const turned = await product.graphql(reader, mutation, { input });
    expect(turned.errors?.[0]?.extensions.code).toBe('FORBIDDEN');
    expect((await only(tenantId)).status).toBe('DRAFT');
  });
});

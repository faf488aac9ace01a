import { randomUUID } from 'node:crypto';
import { decimal } from '../../src/money/index.js';
import { LiveRules, WatchedTypes } from '../../src/outcomes/live-rules.js';
import type { LiveRule } from '../../src/outcomes/outcome.rules.js';
import { inTransaction } from '../../src/platform/index.js';
import { aMeter, anOutcomeRule, anOutcomeVersion, aPriceBook, aTenant, perUnit } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aKey, aProduct, type Product } from '../support/product.js';

const at = (text: string): Date => new Date(text);
const NOW = at('2026-11-20T12:07:00Z');

const PRICE = { name: 'Resolution', currency: 'USD', terms: { model: 'UNIT', unitAmount: '0.99' } };
const LEAST = { claim: { eventType: 'conversation.resolved' }, prices: [PRICE] };

const CREATE = `mutation ($input: OutcomeRuleCreateInput!) { outcomeRuleCreate(input: $input) {
  outcomeRule { id priceBookId key name createdAt } replayed userErrors { code field message } } }`;
const VERSION = 'outcomeRuleVersion { id outcomeRuleId number status effectiveAt publishedAt withdrawnAt }';
const CREATE_VERSION = `mutation ($input: OutcomeRuleVersionCreateInput!) { outcomeRuleVersionCreate(input: $input) {
  ${VERSION} replayed userErrors { code field message } } }`;
const PUBLISH = `mutation ($input: OutcomeRuleVersionPublishInput!) { outcomeRuleVersionPublish(input: $input) {
  ${VERSION} replayed userErrors { code field message } } }`;
const WITHDRAW = `mutation ($input: OutcomeRuleVersionWithdrawInput!) { outcomeRuleVersionWithdraw(input: $input) {
  ${VERSION} replayed userErrors { code field message } } }`;
const TERMS = `terms {
  claim { eventType filter } startedProperty customerProperty versionAnchor periodAnchor maturationHours
  exclusions { reason filter eventType scope withinHours } environment { filter policy } evidence
  verification { verifiers parties eventType sentBy expiresAfterHours }
  quality { property minimum whenMissing eventType }
  attribution { touch { eventType filter } windowHours model agentProperty shareProperty }
  dedupe { scope windowHours } exclusive { group choice priority } measure
  units { property per weights { pattern { name value } units } }
  valueProperty currencyProperty humanShareProperty attributes { name property }
  prices { name currency pattern { name value } terms {
    model unitAmount per packageSize packageAmount freeUnits rate perEventMinimum perEventMaximum discountRate tierBounds
    tiers { upTo unitAmount flatAmount } conversion { divideBy multiplyBy rounding precision } } }
  minimum { quantity amount { amount currency } isProrated }
  caps { mode per count amount { amount currency } }
  reversal { clause { eventType filter } windowHours amountProperty targetProperty sentBy }
  guarantee { clause { eventType filter } windowHours sentBy } usage { relation meterIds }
  dispute { windowHours responseHours whenSilent } sampleAudit { tolerance leastSample } anomaly { factor leastClaims } }`;

describe('outcome rules', () => {
  let product: Product;
  let bookId: string;

  beforeAll(async () => {
    product = await aProduct({ now: NOW });
    const meterId = await aMeter(product);
    bookId = (await aPriceBook(product, { prices: [{ meterId, terms: perUnit('1') }] })).bookId;
  });

  beforeEach(() => product.setClock(NOW));

  afterAll(() => product.close());

  const aBook = async (ownerId?: string): Promise<string> =>
    (
      await product.app.services.pricing.createBook(product.scope(ownerId), {
        name: `Book ${randomUUID()}`,
        currency: 'USD',
        idempotencyKey: randomUUID(),
      })
    ).book.id;

  /** The payload of a mutation. */
  const mutate = async (query: string, input: object, key = product.platformKey) => {
    const { data, errors } = await product.graphql(key, query, { input });
    expect(errors).toBeUndefined();

    return Object.values(data as Record<string, unknown>)[0] as {
      readonly outcomeRule: { readonly id: string } | null;
      readonly outcomeRuleVersion: { readonly id: string; readonly number: number; readonly status: string } | null;
      readonly replayed: boolean;
      readonly userErrors: readonly {
        readonly code: string;
        readonly field: readonly string[];
        readonly message: string;
      }[];
    };
  };

  const aRule = async (more: object = {}): Promise<string> => {
    const { outcomeRule, userErrors } = await mutate(CREATE, {
      idempotencyKey: randomUUID(),
      priceBookId: bookId,
      key: `rule_${randomUUID().replaceAll('-', '')}`,
      name: 'Resolution',
      ...more,
    });
    expect(userErrors).toEqual([]);

    return outcomeRule?.id ?? '';
  };

  const draftOf = (outcomeRuleId: string, terms: object = LEAST, more: object = {}) =>
    mutate(CREATE_VERSION, { idempotencyKey: randomUUID(), outcomeRuleId, terms, ...more });

  const aDraft = async (ruleId: string, terms: object = LEAST): Promise<string> => {
    const { outcomeRuleVersion, userErrors } = await draftOf(ruleId, terms);
    expect(userErrors).toEqual([]);

    return outcomeRuleVersion?.id ?? '';
  };

  const publish = (outcomeRuleVersionId: string, effectiveAt?: string) =>
    mutate(PUBLISH, { outcomeRuleVersionId, ...(effectiveAt ? { effectiveAt } : {}) });

  const withdraw = (outcomeRuleVersionId: string) => mutate(WITHDRAW, { outcomeRuleVersionId });

  const left = async (): Promise<object> => ({
    rules: await asSuperuser(product.database, 'select * from outcome_rule order by id'),
    versions: await asSuperuser(product.database, 'select * from outcome_rule_version order by id'),
    keys: await asSuperuser(product.database, 'select key from idempotency order by key'),
    lines: await asSuperuser(product.database, 'select tenant_id, seq from audit_head order by tenant_id'),
    facts: await asSuperuser(product.database, 'select id from outbox order by id'),
  });

  /** Refused with this code and field, and nothing is there that was not there before. */
  async function refused(
    work: () => Promise<{
      readonly userErrors: readonly { readonly code: string; readonly field: readonly string[] }[];
    }>,
    code: string,
    field: readonly string[],
  ): Promise<void> {
    const before = await left();
    expect((await work()).userErrors).toMatchObject([{ code, field }]);
    expect(await left()).toEqual(before);
  }

  const linesOf = (subjectId: string) =>
    asSuperuser(product.database, 'select action, before, after from audit_line where subject_id = $1 order by seq', [
      subjectId,
    ]);

  describe('a rule', () => {
    test('is made in a book, with a line in the audit log', async () => {
      const input = { priceBookId: bookId, key: 'resolution', name: 'Resolved conversation' };
      const { outcomeRule, replayed } = await mutate(CREATE, { ...input, idempotencyKey: randomUUID() });
      expect(outcomeRule).toEqual({
        ...input,
        id: expect.stringMatching(/^orl_/) as string,
        createdAt: expect.stringMatching(/^2026-11-20T12:07:/) as string,
      });
      expect(replayed).toBe(false);
      expect(await linesOf(outcomeRule?.id ?? '')).toEqual([
        { action: 'outcome_rule.created', before: null, after: input },
      ]);
    });

    test('is replayed by its idempotency key, and refused with other input', async () => {
      const input = { idempotencyKey: randomUUID(), priceBookId: bookId, key: `k_${Date.now()}`, name: 'A' };
      const first = await mutate(CREATE, input);
      expect(await mutate(CREATE, input)).toEqual({ ...first, replayed: true });
      await refused(() => mutate(CREATE, { ...input, name: 'B' }), 'IDEMPOTENCY_KEY_REUSED', ['idempotencyKey']);
    });

    test('has its key alone in its book', async () => {
      await aRule({ key: 'meeting' });
      await refused(
        () => mutate(CREATE, { idempotencyKey: randomUUID(), priceBookId: bookId, key: 'meeting', name: 'A' }),
        'ALREADY_EXISTS',
        ['key'],
      );
      await aRule({ key: 'meeting', priceBookId: await aBook() });
    });

    test('made at once under one key is there once', async () => {
      const made = await Promise.all(
        Array.from({ length: 4 }, () =>
          mutate(CREATE, { idempotencyKey: randomUUID(), priceBookId: bookId, key: 'at_once', name: 'A' }),
        ),
      );
      expect(made.flatMap(({ userErrors }) => userErrors.map(({ code }) => code))).toEqual(
        Array(3).fill('ALREADY_EXISTS'),
      );
    });

    test.each([
      ['a key in capitals', { key: 'Resolution' }, 'INVALID_INPUT', ['key']],
      ['an empty key', { key: '' }, 'INVALID_INPUT', ['key']],
      ['a blank name', { name: ' ' }, 'INVALID_INPUT', ['name']],
      ['a name with NUL', { name: 'a\u0000' }, 'INVALID_INPUT', ['name']],
      ['a name of 201 characters', { name: 'n'.repeat(201) }, 'INVALID_INPUT', ['name']],
      ['a book that is not there', { priceBookId: 'pb_none' }, 'NOT_FOUND', ['priceBookId']],
    ])('with %s is refused', async (_what, more, code, field) => {
      const input = { idempotencyKey: randomUUID(), priceBookId: bookId, key: 'refused', name: 'A', ...more };
      await refused(() => mutate(CREATE, input), code, field);
    });

    test('of a book of another tenant is refused like one that is not there, and made from above', async () => {
      const [reseller, other] = [
        await aTenant(product, { kind: 'RESELLER' }),
        await aTenant(product, { kind: 'RESELLER' }),
      ];
      const book = await aBook(reseller);
      const input = { idempotencyKey: randomUUID(), priceBookId: book, key: 'foreign', name: 'A' };
      const key = await aKey(product.app, product.scope(other));
      await refused(() => mutate(CREATE, input, key), 'NOT_FOUND', ['priceBookId']);
      await refused(() => mutate(CREATE, input), 'NOT_FOUND', ['priceBookId']);
      await aRule({ ...input, tenantId: reseller });
    });
  });

  describe('a version', () => {
    test('shows what it says as it was said', async () => {
      const meterId = await aMeter(product, { keepsEvents: true });
      const rule = await aRule({ priceBookId: await aBook() });
      const terms = {
        claim: { eventType: 'conversation.resolved', filter: 'has(properties.confirmed)' },
        startedProperty: 'started',
        customerProperty: 'customer.id',
        versionAnchor: 'STARTED',
        periodAnchor: 'OCCURRED',
        maturationHours: 72,
        exclusions: [
          { reason: 'GREETING', filter: 'properties.turns < 2', eventType: null, scope: 'SUBJECT', withinHours: 0 },
          { reason: 'CAME_BACK', filter: '', eventType: 'conversation.opened', scope: 'CUSTOMER', withinHours: 24 },
        ],
        environment: { filter: 'properties.sandbox == true', policy: 'FREE' },
        evidence: ['transcript'],
        verification: {
          verifiers: ['LLM', 'HUMAN'],
          parties: 'BOTH',
          eventType: 'v',
          sentBy: 'SELLER',
          expiresAfterHours: 168,
        },
        quality: { property: 'csat', minimum: '4', whenMissing: 'REJECT', eventType: 'rated' },
        attribution: {
          touch: { eventType: 'touch', filter: '' },
          windowHours: 168,
          model: 'SPLIT',
          agentProperty: 'agent',
          shareProperty: 'weight',
        },
        dedupe: { scope: 'CUSTOMER', windowHours: 48 },
        exclusive: { group: 'conversation', choice: 'PRIORITY', priority: 2 },
        measure: 'VALUE',
        units: {
          property: 'tokens',
          per: '10000',
          weights: [{ pattern: [{ name: 'channel', value: 'voice' }], units: '30' }],
        },
        valueProperty: 'amount',
        currencyProperty: 'currency',
        humanShareProperty: 'human',
        attributes: [{ name: 'channel', property: 'channel' }],
        prices: [
          {
            name: 'Recovered',
            currency: 'USD',
            pattern: [],
            terms: { model: 'PERCENTAGE', rate: '0.8', perEventMinimum: '0.3', perEventMaximum: '75' },
          },
          {
            name: 'By voice',
            currency: 'EUR',
            pattern: [{ name: 'channel', value: 'vo*' }],
            terms: {
              model: 'GRADUATED',
              per: '1',
              freeUnits: '3',
              tierBounds: 'INTEGER_STEPS',
              tiers: [
                { upTo: '50', unitAmount: '0.95', flatAmount: '0' },
                { upTo: null, unitAmount: '0.9', flatAmount: '0' },
              ],
              conversion: { divideBy: '5', multiplyBy: '1', rounding: 'CEILING', precision: 0 },
            },
          },
        ],
        minimum: { quantity: null, amount: { amount: '49.5', currency: 'USD' }, isProrated: true },
        caps: [
          { mode: 'HARD', per: 'PERIOD', count: null, amount: { amount: '500', currency: 'USD' } },
          { mode: 'FREE', per: 'DAY', count: '100', amount: null },
        ],
        reversal: {
          clause: { eventType: 'reopened', filter: '' },
          windowHours: 336,
          amountProperty: 'refunded',
          targetProperty: 'claim',
          sentBy: 'SELLER',
        },
        guarantee: { clause: { eventType: 'chargeback', filter: '' }, windowHours: 4320, sentBy: 'ANY' },
        usage: { relation: 'FALLBACK', meterIds: [meterId] },
        dispute: { windowHours: 240, responseHours: 120, whenSilent: 'CREDIT' },
        sampleAudit: { tolerance: '5', leastSample: 20 },
        anomaly: { factor: '3', leastClaims: 50 },
      };
      const draft = await aDraft(rule, terms);
      const { data, errors } = await product.graphql(
        product.platformKey,
        `query ($id: ID!) { node(id: $id) { ... on PriceBook { outcomeRules(first: 2) { edges { node { id versions(first: 2) { edges { node { id number status ${TERMS} } } } } } } } } }`,
        { id: (await ruleRow(rule)).price_book_id },
      );
      expect(errors).toBeUndefined();
      expect(data.node.outcomeRules.edges).toEqual([
        {
          node: {
            id: rule,
            versions: { edges: [{ node: { id: draft, number: 1, status: 'DRAFT', terms: expect.anything() } }] },
          },
        },
      ]);
      // Members of price terms that a model does not use are null there, and were left out here.
      expect(data.node.outcomeRules.edges[0].node.versions.edges[0].node.terms).toEqual({
        ...terms,
        prices: terms.prices.map(price => ({ ...price, terms: { ...NO_PRICE_TERMS, ...price.terms } })),
      });
    });

    test('of which little was said shows the defaults', async () => {
      const rule = await aRule();
      await aDraft(rule);
      const versions = await product.app.services.outcomeRules.versions(product.scope(), rule, { first: 5 });
      expect(versions.map(({ number, terms }) => ({ number, terms }))).toMatchObject([
        {
          number: 1,
          terms: {
            claim: { eventType: 'conversation.resolved', filter: '' },
            versionAnchor: 'OCCURRED',
            periodAnchor: 'MATURED',
            maturationHours: 0,
            dedupe: { scope: 'NONE', windowHours: null },
            measure: 'UNITS',
            units: { property: null, per: '1', weights: [] },
            prices: [{ name: 'Resolution', currency: 'USD', pattern: {}, terms: { ...PRICE.terms, per: '1' } }],
            verification: null,
          },
        },
      ]);
    });

    test('is numbered from 1 in its rule, also where several are written at once', async () => {
      const rule = await aRule();
      const made = await Promise.all(Array.from({ length: 4 }, () => draftOf(rule)));
      expect(made.map(({ outcomeRuleVersion }) => outcomeRuleVersion?.number ?? 0).toSorted((a, b) => a - b)).toEqual([
        1, 2, 3, 4,
      ]);
    });

    test('is replayed by its idempotency key, and refused with other terms', async () => {
      const rule = await aRule();
      const idempotencyKey = randomUUID();
      const first = await draftOf(rule, LEAST, { idempotencyKey });
      expect(await draftOf(rule, { ...LEAST, maturationHours: 0 }, { idempotencyKey })).toEqual({
        ...first,
        replayed: true,
      });
      await refused(
        () => draftOf(rule, { ...LEAST, maturationHours: 1 }, { idempotencyKey }),
        'IDEMPOTENCY_KEY_REUSED',
        ['idempotencyKey'],
      );
    });

    test.each<[string, object, readonly string[]]>([
      ['a filter that is no CEL', { claim: { eventType: 'a', filter: 'properties.' } }, ['claim', 'filter']],
      [
        'a filter that can run long',
        { claim: { eventType: 'a', filter: 'source.matches("(a+)+")' } },
        ['claim', 'filter'],
      ],
      [
        'an exclusion that does not compile',
        {
          exclusions: [
            { reason: 'A', filter: 'true' },
            { reason: 'B', filter: '1 + 1' },
          ],
        },
        ['exclusions', '1', 'filter'],
      ],
      [
        'an environment that does not compile',
        { environment: { filter: '(', policy: 'FREE' } },
        ['environment', 'filter'],
      ],
      [
        'a touch that does not compile',
        { attribution: { touch: { eventType: 't', filter: '(' }, windowHours: 1, model: 'LAST', agentProperty: 'a' } },
        ['attribution', 'touch', 'filter'],
      ],
      [
        'a reversal that does not compile',
        { reversal: { clause: { eventType: 'r', filter: '(' }, windowHours: 1 } },
        ['reversal', 'clause', 'filter'],
      ],
      [
        'a guarantee that does not compile',
        { guarantee: { clause: { eventType: 'g', filter: '(' }, windowHours: 1 }, valueProperty: 'value' },
        ['guarantee', 'clause', 'filter'],
      ],
      ['customers that nobody names', { dedupe: { scope: 'CUSTOMER' } }, ['dedupe', 'scope']],
      [
        'a price per period',
        { prices: [{ ...PRICE, terms: { model: 'FLAT', flatAmount: '1' } }] },
        ['prices', '0', 'terms', 'model'],
      ],
      [
        'two prices for the same outcomes',
        { prices: [PRICE, { ...PRICE, name: 'Again' }] },
        ['prices', '1', 'pattern'],
      ],
    ])('with %s is refused', async (_what, more, field) => {
      const rule = await aRule();
      await refused(() => draftOf(rule, { ...LEAST, ...more }), 'INVALID_INPUT', ['terms', ...field]);
    });

    test('of a rule that is not there, or of another tenant, is refused', async () => {
      await refused(() => draftOf('orl_none'), 'NOT_FOUND', ['outcomeRuleId']);
      const reseller = await aTenant(product, { kind: 'RESELLER' });
      const { ruleId, versionId } = await anOutcomeRule(product, { ownerId: reseller, bookId: await aBook(reseller) });
      await refused(() => draftOf(ruleId), 'NOT_FOUND', ['outcomeRuleId']);
      await refused(() => publish(versionId), 'NOT_FOUND', ['outcomeRuleVersionId']);
      await refused(() => withdraw(versionId), 'NOT_FOUND', ['outcomeRuleVersionId']);
    });

    test('names meters that its seller sees, and to fall back on those alone whose events are kept', async () => {
      const reseller = await aTenant(product, { kind: 'RESELLER' });
      const rule = await aRule();
      const [kept, folded, largest] = [
        await aMeter(product, { keepsEvents: true }),
        await aMeter(product),
        await aMeter(product, { aggregation: 'MAX' }),
      ];
      const beside = await product.app.services.catalog.createMeter(product.scope(reseller), {
        key: 'beside',
        eventType: 'llm.request',
        filter: '',
        aggregation: 'COUNT',
        valueProperty: null,
        dimensions: [],
        unit: 'token',
        idempotencyKey: randomUUID(),
      });
      const using = (relation: string, ...meterIds: string[]) =>
        draftOf(rule, { ...LEAST, usage: { relation, meterIds } });
      const field = (index: number) => ['terms', 'usage', 'meterIds', String(index)];
      await refused(() => using('REPLACE', folded, 'mtr_none'), 'NOT_FOUND', field(1));
      await refused(() => using('REPLACE', beside.meter.id), 'NOT_FOUND', field(0));
      await refused(() => using('FALLBACK', kept, folded), 'INVALID_INPUT', field(1));
      expect((await using('FALLBACK', kept)).userErrors).toEqual([]);
      expect((await using('REPLACE', folded, largest)).userErrors).toEqual([]);
    });
  });

  describe('publishing', () => {
    test('makes a draft hold from now, tells whoever rates, and leaves an audit line', async () => {
      const rule = await aRule();
      const draft = await aDraft(rule);
      const { outcomeRuleVersion, userErrors } = await publish(draft);
      expect(userErrors).toEqual([]);
      const [row] = await asSuperuser<{ status: string; effective_at: Date; published_at: Date }>(
        product.database,
        'select status, effective_at, published_at from outcome_rule_version where id = $1',
        [draft],
      );
      expect(outcomeRuleVersion).toEqual({
        id: draft,
        outcomeRuleId: rule,
        number: 1,
        status: 'PUBLISHED',
        effectiveAt: row?.effective_at.toISOString(),
        publishedAt: row?.published_at.toISOString(),
        withdrawnAt: null,
      });
      expect(row?.effective_at).toEqual(row?.published_at);
      expect((await linesOf(draft)).map(line => line['action'])).toEqual([
        'outcome_rule_version.created',
        'outcome_rule_version.published',
      ]);
      expect(await lastFact()).toEqual({
        topic: 'price_book.changed',
        payload: { priceBookId: bookId, from: row?.effective_at.toISOString() },
      });
    });

    test('may be for any later millisecond, and for none before now', async () => {
      const rule = await aRule();
      const draft = await aDraft(rule);
      await refused(() => publish(draft, '2026-11-20T12:06:59.999Z'), 'INVALID_INPUT', ['effectiveAt']);
      expect((await publish(draft, '2026-12-01T00:00:00.001Z')).outcomeRuleVersion).toMatchObject({
        status: 'PUBLISHED',
        effectiveAt: '2026-12-01T00:00:00.001Z',
      });
    });

    test('happens once for a draft, and once for an instant of a rule', async () => {
      const rule = await aRule();
      const [one, two, elsewhere] = [await aDraft(rule), await aDraft(rule), await aDraft(await aRule())];
      const instant = '2026-12-01T00:00:00.000Z';
      expect((await publish(one, instant)).userErrors).toEqual([]);
      await refused(() => publish(one, instant), 'INVALID_TRANSITION', ['outcomeRuleVersionId']);
      await refused(() => publish(two, instant), 'ALREADY_EXISTS', ['effectiveAt']);
      expect((await publish(elsewhere, instant)).userErrors).toEqual([]);
      await refused(() => publish('orv_none'), 'NOT_FOUND', ['outcomeRuleVersionId']);
    });

    test('of one draft many times at once happens once', async () => {
      const draft = await aDraft(await aRule());
      const answers = await Promise.all(
        Array.from({ length: 5 }, (_, index) => publish(draft, `2026-12-01T00:00:00.00${index}Z`)),
      );
      expect(answers.filter(({ userErrors }) => userErrors.length === 0)).toHaveLength(1);
      expect(answers.flatMap(({ userErrors }) => userErrors.map(({ code }) => code))).toEqual(
        Array(4).fill('INVALID_TRANSITION'),
      );
      expect((await linesOf(draft)).map(line => line['action'])).toEqual([
        'outcome_rule_version.created',
        'outcome_rule_version.published',
      ]);
    });

    test('of several drafts at once for one instant happens for one of them', async () => {
      const rule = await aRule();
      const drafts = await Promise.all(Array.from({ length: 4 }, () => aDraft(rule)));
      const answers = await Promise.all(drafts.map(draft => publish(draft, '2026-12-01T00:00:00Z')));
      expect(answers.flatMap(({ userErrors }) => userErrors.map(({ code }) => code))).toEqual(
        Array(3).fill('ALREADY_EXISTS'),
      );
    });

    test('takes customers of a book from one property alone, also where two are published at once', async () => {
      const book = await aBook();
      const named = async (customerProperty: string | null) =>
        aDraft(await aRule({ priceBookId: book }), { ...LEAST, customerProperty });
      const drafts = [await named('customer'), await named('user')];
      const answers = await Promise.all(drafts.map(draft => publish(draft)));
      expect(answers.flatMap(({ userErrors }) => userErrors)).toMatchObject([
        { code: 'INVALID_INPUT', field: ['outcomeRuleVersionId'] },
      ]);
      expect((await publish(await named(null))).userErrors).toEqual([]);
      const [kept = ''] = ['customer', 'user'].filter((_, index) => answers[index]?.userErrors.length === 0);
      expect((await publish(await named(kept))).userErrors).toEqual([]);
      const third = await named('third');
      await refused(() => publish(third), 'INVALID_INPUT', ['outcomeRuleVersionId']);
    });
  });

  describe('withdrawing', () => {
    test('takes a version back until it takes effect, and tells whoever rates', async () => {
      const draft = await aDraft(await aRule());
      await publish(draft, '2026-12-01T00:00:00Z');
      expect((await withdraw(draft)).outcomeRuleVersion).toMatchObject({
        status: 'WITHDRAWN',
        effectiveAt: '2026-12-01T00:00:00.000Z',
        withdrawnAt: expect.stringMatching(/^2026-11-20T12:07:/) as string,
      });
      expect(await linesOf(draft)).toMatchObject([
        {},
        {},
        {
          action: 'outcome_rule_version.withdrawn',
          before: { status: 'PUBLISHED' },
          after: { status: 'WITHDRAWN' },
        },
      ]);
      expect(await lastFact()).toEqual({
        topic: 'price_book.changed',
        payload: { priceBookId: bookId, from: '2026-12-01T00:00:00.000Z' },
      });
      await refused(() => withdraw(draft), 'INVALID_TRANSITION', ['outcomeRuleVersionId']);
      await refused(() => publish(draft), 'INVALID_TRANSITION', ['outcomeRuleVersionId']);
    });

    test('frees the instant for another version', async () => {
      const rule = await aRule();
      const [one, two] = [await aDraft(rule), await aDraft(rule)];
      await publish(one, '2026-12-01T00:00:00Z');
      await withdraw(one);
      expect((await publish(two, '2026-12-01T00:00:00Z')).userErrors).toEqual([]);
    });

    test('is refused for a draft, and from the instant on at which the version holds', async () => {
      const draft = await aDraft(await aRule());
      await refused(() => withdraw(draft), 'INVALID_TRANSITION', ['outcomeRuleVersionId']);
      await publish(draft, '2026-12-01T00:00:00Z');
      product.setClock(at('2026-12-01T00:00:00Z'));
      await refused(() => withdraw(draft), 'INVALID_TRANSITION', ['outcomeRuleVersionId']);
      await refused(() => withdraw('orv_none'), 'NOT_FOUND', ['outcomeRuleVersionId']);
    });

    test('many times at once happens once', async () => {
      const draft = await aDraft(await aRule());
      await publish(draft, '2026-12-01T00:00:00Z');
      const answers = await Promise.all(Array.from({ length: 5 }, () => withdraw(draft)));
      expect(answers.filter(({ userErrors }) => userErrors.length === 0)).toHaveLength(1);
      expect(await linesOf(draft)).toHaveLength(3);
    });
  });

  test('neither code nor SQL of the product changes what a published version says', async () => {
    const draft = await aDraft(await aRule());
    await publish(draft, '2026-12-01T00:00:00Z');
    const before = await left();

    for (const change of [
      "terms = jsonb_set(terms, '{maturationHours}', '1')",
      "effective_at = effective_at + interval '1 hour'",
      'number = 7',
      "status = 'DRAFT', effective_at = null, published_at = null",
    ]) {
      await expect(
        asSuperuser(product.database, `update outcome_rule_version set ${change} where id = $1`, [draft]),
      ).rejects.toThrow('a published version is never changed');
    }

    expect(await left()).toEqual(before);
  });

  test('a key that may only read prices reads rules, and changes none', async () => {
    const draft = await aDraft(await aRule());
    const key = await aKey(product.app, product.scope(), ['pricing:read']);
    const before = await left();
    const { errors } = await product.graphql(key, PUBLISH, { input: { outcomeRuleVersionId: draft } });
    expect(errors).toMatchObject([{ extensions: { code: 'FORBIDDEN' } }]);
    expect(await left()).toEqual(before);
  });

  describe('live rules', () => {
    const live = new LiveRules();
    const ofBook = (book: string) => inTransaction(product.scope(), tx => live.ofBook(tx, book));
    const ofDraft = (version: string, effectiveAt: Date) =>
      inTransaction(product.scope(), tx => live.ofDraft(tx, version, effectiveAt));
    const shown = (rules: readonly LiveRule[]) =>
      rules.map(({ id, versions }) => [
        id,
        ...versions.map(version => `${version.number} ${version.effectiveAt.toISOString()}`),
      ]);

    test('are those that are published, by effective instant, with what they say compiled', async () => {
      const book = await aBook();
      const { ruleId, versionId } = await anOutcomeRule(product, {
        bookId: book,
        key: 'resolution',
        publishedAt: at('2026-10-01T00:00:00Z'),
        terms: {
          claim: { eventType: 'conversation.resolved', filter: 'properties.confirmed == true' },
          exclusions: [
            { reason: 'GREETING', filter: 'properties.turns < 2', eventType: null, scope: 'SUBJECT', withinHours: 0 },
          ],
        },
      });
      await anOutcomeVersion(product, { ruleId, effectiveAt: at('2026-12-01T00:00:00Z') });
      await anOutcomeVersion(product, { ruleId, publishedAt: at('2026-11-01T00:00:00Z') });
      product.setClock(NOW);
      const taken = await aDraft(ruleId);
      await publish(taken, '2027-01-01T00:00:00Z');
      await withdraw(taken);
      await aDraft(ruleId);
      await aRule({ priceBookId: book });

      const rules = await ofBook(book);
      expect(shown(rules)).toEqual([
        [ruleId, '1 2026-10-01T00:00:00.000Z', '3 2026-11-01T00:00:00.000Z', '2 2026-12-01T00:00:00.000Z'],
      ]);
      const [first] = rules[0]?.versions ?? [];
      const event = { type: 'conversation.resolved', subject: null, source: 's' };
      expect(first?.id).toBe(versionId);
      expect(first?.filters.claim.matches({ ...event, properties: { confirmed: true } })).toBe(true);
      expect(first?.filters.claim.matches({ ...event, properties: {} })).toBe(false);
      expect(first?.filters.exclusions[0]?.matches({ ...event, properties: { turns: 1 } })).toBe(true);
      expect(first?.filters.touch).toBeNull();
      expect(first?.listAmount({ attributes: {}, units: decimal('2'), value: null }, 'USD')?.toString()).toBe('1.98');
      expect(first?.listAmount({ attributes: {}, units: decimal('2'), value: null }, 'EUR')).toBeNull();
    });

    test('are looked up again for what was published and withdrawn since', async () => {
      const book = await aBook();
      const { ruleId, versionId } = await anOutcomeRule(product, {
        bookId: book,
        effectiveAt: at('2026-12-01T00:00:00Z'),
      });
      expect(shown(await ofBook(book))).toEqual([[ruleId, '1 2026-12-01T00:00:00.000Z']]);
      await anOutcomeVersion(product, { ruleId, effectiveAt: at('2026-12-02T00:00:00Z') });
      await withdraw(versionId);
      expect(shown(await ofBook(book))).toEqual([[ruleId, '2 2026-12-02T00:00:00.000Z']]);
    });

    test('with a draft are those of its book as if it were published', async () => {
      const book = await aBook();
      const { ruleId, versionId } = await anOutcomeRule(product, {
        bookId: book,
        effectiveAt: at('2026-12-01T00:00:00Z'),
      });
      const other = await anOutcomeRule(product, { bookId: book, effectiveAt: at('2026-12-03T00:00:00Z') });
      const draft = await aDraft(ruleId);
      const fresh = await aRule({ priceBookId: book });
      const first = await aDraft(fresh);
      const rest = [other.ruleId, '1 2026-12-03T00:00:00.000Z'];

      expect(shown(await ofDraft(draft, at('2026-11-01T00:00:00Z')))).toEqual([
        [ruleId, '2 2026-11-01T00:00:00.000Z', '1 2026-12-01T00:00:00.000Z'],
        rest,
      ]);
      expect(shown(await ofDraft(draft, at('2026-12-01T00:00:00Z')))).toEqual([
        [ruleId, '2 2026-12-01T00:00:00.000Z'],
        rest,
      ]);
      expect(shown(await ofDraft(versionId, at('2026-11-01T00:00:00Z')))).toEqual([
        [ruleId, '1 2026-11-01T00:00:00.000Z'],
        rest,
      ]);
      expect(shown(await ofDraft(first, at('2026-11-01T00:00:00Z')))).toEqual([
        [ruleId, '1 2026-12-01T00:00:00.000Z'],
        rest,
        [fresh, '1 2026-11-01T00:00:00.000Z'],
      ]);
      expect(shown(await ofBook(book))).toEqual([[ruleId, '1 2026-12-01T00:00:00.000Z'], rest]);
    });
  });

  describe('watched types', () => {
    test('are those that published versions name, of the tenant and of everyone above it', async () => {
      const [reseller, beside] = [
        await aTenant(product, { kind: 'RESELLER' }),
        await aTenant(product, { kind: 'RESELLER' }),
      ];
      const customer = await aTenant(product, { parentId: reseller });
      const type = () => `type.${randomUUID()}`;
      const [claim, opened, reopened, drafted] = [type(), type(), type(), type()];
      const { ruleId } = await anOutcomeRule(product, {
        ownerId: reseller,
        bookId: await aBook(reseller),
        effectiveAt: at('2026-12-01T00:00:00Z'),
        terms: {
          claim: { eventType: claim, filter: '' },
          maturationHours: 1,
          exclusions: [{ reason: 'OPEN', filter: '', eventType: opened, scope: 'SUBJECT', withinHours: 1 }],
          reversal: {
            clause: { eventType: reopened, filter: '' },
            windowHours: 1,
            amountProperty: null,
            targetProperty: null,
            sentBy: 'ANY',
          },
        },
      });
      await product.app.services.outcomeRules.createVersion(product.scope(reseller), {
        outcomeRuleId: ruleId,
        terms: { ...LEAST, claim: { eventType: drafted } },
        idempotencyKey: randomUUID(),
      });
      const watched = new WatchedTypes();
      const knows = (tenantId: string, ancestors: readonly string[], eventType: string) =>
        watched.knows(product.scope(tenantId), ancestors, eventType);
      const below = [product.platformId, reseller, customer];

      for (const known of [claim, opened, reopened]) {
        expect(await knows(customer, below, known)).toBe(true);
      }

      expect(await knows(customer, below, drafted)).toBe(false);
      expect(await knows(beside, [product.platformId, beside], claim)).toBe(false);
    });

    test('are remembered for two seconds, and one that is unknown is looked up again after 50 ms', async () => {
      const book = await aBook();
      const [first, second] = [`type.${randomUUID()}`, `type.${randomUUID()}`];
      const claiming = (eventType: string) => ({ terms: { claim: { eventType, filter: '' } } });
      const later = at('2026-12-01T00:00:00Z');
      const { versionId } = await anOutcomeRule(product, { bookId: book, effectiveAt: later, ...claiming(first) });
      const watched = new WatchedTypes();
      const knows = (ms: number, eventType: string) =>
        watched.knows({ ...product.scope(), now: new Date(NOW.getTime() + ms) }, [product.platformId], eventType);

      expect(await knows(0, first)).toBe(true);
      await withdraw(versionId);
      await anOutcomeRule(product, { bookId: book, effectiveAt: later, ...claiming(second) });
      expect(await knows(49, second)).toBe(false);
      expect(await knows(49, first)).toBe(true);
      expect(await knows(50, second)).toBe(true);
      expect(await knows(51, first)).toBe(false);
    });

    test('are asked for within a transaction of the tenant as well', async () => {
      const customer = await aTenant(product);
      const eventType = `type.${randomUUID()}`;
      await anOutcomeRule(product, { bookId, terms: { claim: { eventType, filter: '' } } });
      const watched = new WatchedTypes();
      expect(
        await inTransaction(product.scope(customer), tx =>
          watched.knows(tx, [product.platformId, customer], eventType),
        ),
      ).toBe(true);
    });
  });

  const ruleRow = async (id: string) => {
    const [row] = await asSuperuser<{ price_book_id: string }>(
      product.database,
      'select price_book_id from outcome_rule where id = $1',
      [id],
    );

    return row ?? { price_book_id: '' };
  };

  const lastFact = async () =>
    (await asSuperuser(product.database, 'select topic, payload from outbox order by id desc limit 1'))[0];
});

const NO_PRICE_TERMS = {
  unitAmount: null,
  per: null,
  packageSize: null,
  packageAmount: null,
  freeUnits: null,
  rate: null,
  perEventMinimum: null,
  perEventMaximum: null,
  discountRate: null,
  tierBounds: null,
  tiers: null,
  conversion: null,
};

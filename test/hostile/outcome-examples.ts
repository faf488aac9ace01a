import { randomUUID } from 'node:crypto';
import { aContract, anEvent, anOutcomeRule, aTenant } from '../support/builders.js';
import { idempotencyKey, nextQuarter, OTHER_TERMS, word, type Examples, type Ground } from './ground.js';
import { NOW } from './stage.js';

/** Terms of an outcome rule that use everything there is. */
const allTerms = (usedMeterId: string): object => {
  const clause = (eventType: string): object => ({ eventType, filter: 'type != "x"' });
  const pattern = [{ name: 'channel', value: 'chat' }];

  return {
    claim: clause('fuzz.event'),
    startedProperty: 'startedAt',
    customerProperty: 'customer',
    versionAnchor: 'STARTED',
    periodAnchor: 'OCCURRED',
    maturationHours: 48,
    exclusions: [
      { reason: 'GREETING', filter: 'properties.x == 1', eventType: 'fuzz.other', scope: 'CUSTOMER', withinHours: 24 },
    ],
    environment: { filter: 'properties.test == true', policy: 'FREE' },
    evidence: ['proof'],
    verification: {
      verifiers: ['HUMAN'],
      parties: 'BOTH',
      eventType: 'fuzz.verified',
      sentBy: 'SELLER',
      expiresAfterHours: 1,
    },
    quality: { property: 'score', minimum: '4', whenMissing: 'REJECT', eventType: 'fuzz.rated' },
    attribution: {
      touch: clause('fuzz.touched'),
      windowHours: 1,
      model: 'SPLIT',
      agentProperty: 'agent',
      shareProperty: 'share',
    },
    dedupe: { scope: 'CUSTOMER', windowHours: 48 },
    exclusive: { group: 'x', choice: 'PRIORITY', priority: 1 },
    measure: 'VALUE',
    units: { property: 'tokens', per: '10000', weights: [{ pattern, units: '2' }] },
    valueProperty: 'value',
    currencyProperty: 'currency',
    humanShareProperty: 'human',
    attributes: [{ name: 'channel', property: 'channel' }],
    prices: [
      {
        name: 'x',
        currency: 'USD',
        pattern,
        terms: {
          model: 'GRADUATED',
          ...OTHER_TERMS,
          per: '1',
          freeUnits: '0',
          tiers: [
            { upTo: '1', unitAmount: '1', per: '1', flatAmount: '0', rate: null },
            { upTo: null, unitAmount: '1', per: '1', flatAmount: '0', rate: null },
          ],
          tierBounds: 'INCLUSIVE',
          discountRate: '0',
          minimum: null,
          maximum: null,
          prorated: false,
          conversion: { divideBy: '3', multiplyBy: '1', rounding: 'HALF_UP', precision: 0 },
        },
      },
    ],
    minimum: { quantity: null, amount: { amount: '1', currency: 'USD' }, isProrated: true },
    caps: [{ mode: 'HARD', per: 'DAY', count: '5', amount: null }],
    reversal: {
      clause: clause('fuzz.reopened'),
      windowHours: 48,
      amountProperty: 'amount',
      targetProperty: 'claim',
      sentBy: 'ANY',
    },
    guarantee: { clause: clause('fuzz.charged_back'), windowHours: 48, sentBy: 'SELLER' },
    usage: { relation: 'REPLACE', meterIds: [usedMeterId] },
    dispute: { windowHours: 48, responseHours: 48, whenSilent: 'CREDIT' },
    sampleAudit: { tolerance: '5', leastSample: 1 },
    anomaly: { factor: '3', leastClaims: 10 },
  };
};

/** Outcomes, their rules, disputes, audits and simulations. */
export async function outcomeExamples({ stage, bookId }: Ground): Promise<Examples> {
  const { product, meterId } = stage;
  const { services } = product.app;
  const sold = await anOutcomeRule(product, {
    bookId,
    terms: {
      verification: null,
      valueProperty: 'value',
      maturationHours: 0,
      evidence: [],
      reversal: { clause: null, windowHours: 8_760, amountProperty: null, targetProperty: null, sentBy: 'ANY' },
      dispute: { windowHours: 8_760, responseHours: 1, whenSilent: 'UPHOLD' },
      sampleAudit: { tolerance: '5', leastSample: 1 },
    },
    publishedAt: new Date('2026-10-01T00:00:00Z'),
  });
  await anOutcomeRule(product, {
    bookId,
    terms: {
      claim: { eventType: 'fuzz.checked', filter: '' },
      verification: {
        verifiers: ['HUMAN'],
        parties: 'ANY',
        eventType: null,
        sentBy: 'ANY',
        expiresAfterHours: 8_760,
      },
      evidence: ['proof'],
    },
    publishedAt: new Date('2026-10-01T00:00:00Z'),
  });
  product.setClock(NOW);
  const buyerId = await aTenant(product);
  await aContract(product, { buyerId, bookId });
  const aClaim = (type = 'conversation.resolved') =>
    anEvent({ type, time: '2026-11-20T11:00:00Z', subject: randomUUID(), properties: { value: 10 } });
  const anOutcome = async ({ isChecked = false } = {}): Promise<string> => {
    const event = aClaim(isChecked ? 'fuzz.checked' : 'conversation.resolved');
    const [outcome] = await services.outcomeClaims.claim(product.scope(), buyerId, event);

    return outcome?.id ?? '';
  };
  const october = { outcomeRuleId: sold.ruleId, at: '2026-10-15T00:00:00Z', sampleSize: 1 };
  // A period is audited once.
  const forgetAudits = () => stage.changes.query('delete from outcome_sample_audit');
  // Something to audit in October, which is over.
  await services.outcomeClaims.claim(product.scope(), buyerId, { ...aClaim(), time: '2026-10-20T00:00:00Z' });
  const aRuleDraft = async (): Promise<string> => {
    const { version } = await services.outcomeRules.createVersion(product.scope(), {
      outcomeRuleId: sold.ruleId,
      terms: {
        claim: { eventType: 'fuzz.event' },
        prices: [{ name: 'x', currency: 'USD', terms: { model: 'UNIT', unitAmount: '1' } }],
      },
      idempotencyKey: randomUUID(),
    });

    return version.id;
  };

  return {
    outcomeRuleCreate: () => ({
      idempotencyKey: idempotencyKey(),
      tenantId: product.platformId,
      priceBookId: bookId,
      key: word(),
      name: 'x',
    }),
    outcomeRuleVersionCreate: () => ({
      idempotencyKey: idempotencyKey(),
      tenantId: product.platformId,
      outcomeRuleId: sold.ruleId,
      terms: allTerms(meterId),
    }),
    outcomeRuleVersionPublish: async () => ({
      tenantId: product.platformId,
      outcomeRuleVersionId: await aRuleDraft(),
      effectiveAt: nextQuarter(),
    }),
    outcomeRuleVersionWithdraw: async () => ({
      tenantId: product.platformId,
      outcomeRuleVersionId: await aRuleDraft(),
    }),
    outcomeClaim: () => ({ tenantId: buyerId, event: aClaim() }),
    outcomeVerify: async () => ({
      idempotencyKey: idempotencyKey(),
      tenantId: buyerId,
      outcomeIds: [await anOutcome({ isChecked: true })],
      passes: true,
      verifier: 'HUMAN',
      score: '5',
      evidence: { proof: 'x' },
      reason: 'x',
    }),
    outcomeReverse: async () => ({
      idempotencyKey: idempotencyKey(),
      tenantId: buyerId,
      outcomeIds: [await anOutcome()],
      amount: '1',
      isGuarantee: false,
      at: NOW.toISOString(),
      reason: 'x',
    }),
    outcomeDisputeOpen: async () => ({
      idempotencyKey: idempotencyKey(),
      tenantId: buyerId,
      outcomeIds: [await anOutcome()],
      reason: 'x',
      evidence: { proof: 'x' },
    }),
    outcomeDisputeDecide: async () => {
      const [accepted, rejected] = [await anOutcome(), await anOutcome()];
      const { dispute } = await services.outcomeDisputes.open(
        product.scope(buyerId),
        { outcomeIds: [accepted, rejected], reason: 'x', evidence: {}, idempotencyKey: randomUUID() },
        { keyId: 'key_of_the_buyer', party: 'BUYER' },
      );

      return {
        idempotencyKey: idempotencyKey(),
        tenantId: buyerId,
        outcomeDisputeId: dispute.id,
        acceptedOutcomeIds: [accepted],
        rejectedOutcomeIds: [rejected],
        reason: 'x',
      };
    },
    outcomeSimulationStart: async () => {
      // Only a few may be open at a time.
      await stage.changes.query(
        `update outcome_simulation set status = 'CANCELLED', finished_at = $1 where finished_at is null`,
        [NOW],
      );

      return {
        idempotencyKey: idempotencyKey(),
        tenantId: product.platformId,
        outcomeRuleVersionId: sold.versionId,
        tenantIds: [buyerId],
        from: '2026-10-01T00:00:00Z',
        until: '2026-11-01T00:00:00Z',
      };
    },
    outcomeSimulationCancel: () => ({
      tenantId: product.platformId,
      outcomeSimulationId: 'osm_0123456789ABCDEFGHJKMNPQRS',
    }),
    outcomeSampleAuditStart: async () => {
      await forgetAudits();

      return { idempotencyKey: idempotencyKey(), tenantId: buyerId, ...october };
    },
    outcomeSampleAuditFinish: async () => {
      await forgetAudits();
      const { audit } = await services.sampleAudits.start(
        product.scope(buyerId),
        { ...october, at: new Date(october.at), idempotencyKey: randomUUID() },
        { keyId: 'key_of_the_seller', party: 'SELLER' },
      );

      return {
        idempotencyKey: idempotencyKey(),
        tenantId: buyerId,
        outcomeSampleAuditId: audit.id,
        wrongOutcomeIds: audit.sampleIds,
      };
    },
  };
}

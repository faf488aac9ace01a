import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { verifyTenantCredits } from '../../src/commands/credits-verify.js';
import { decimal, formatDecimal } from '../../src/money/index.js';
import { DomainError } from '../../src/platform/index.js';
import { aTenant } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aProduct, type Product } from '../support/product.js';
import { aGrant, burn, leftOf, reverse } from './credits.js';

const NOW = new Date('2026-11-20T12:00:00Z');
const at = (hours: number): Date => new Date(NOW.getTime() + hours * 3_600_000);

let product: Product;

beforeAll(async () => {
  product = await aProduct({ now: NOW });
});

afterAll(() => product.close());

const WORTHS = { USD: null, credit: '0.03', token: '0.5' } as const;
type Unit = keyof typeof WORTHS;

const amount = fc
  .tuple(fc.integer({ min: 1, max: 99_999 }), fc.integer({ min: 0, max: 4 }))
  .map(([digits, shift]) => formatDecimal(decimal(digits).shiftedBy(-shift)));
const unit = fc.constantFrom<Unit>('USD', 'credit', 'token');
const step = fc.oneof(
  fc.record({
    kind: fc.constant('grant' as const),
    who: fc.nat(1),
    unit,
    amount,
    hours: fc.option(fc.integer({ min: 1, max: 6 })),
  }),
  fc.record({ kind: fc.constant('burn' as const), who: fc.nat(1), amount, unit: fc.constantFrom('USD', 'credit') }),
  fc.record({ kind: fc.constant('reverse' as const), who: fc.nat(1), which: fc.nat(20), part: fc.option(amount) }),
  fc.record({ kind: fc.constant('transfer' as const), who: fc.nat(1), unit, amount }),
  fc.record({ kind: fc.constant('refund' as const), who: fc.nat(1), which: fc.nat(20), part: fc.option(amount) }),
  fc.record({ kind: fc.constant('expire' as const), who: fc.nat(1), hours: fc.integer({ min: 0, max: 2 }) }),
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

/** What a refused step leaves alone; anything else that is thrown is a bug. */
const orRefused = async (work: Promise<unknown>): Promise<boolean> =>
  work.then(
    () => true,
    (error: unknown) => {
      if (error instanceof DomainError) {
        return false;
      }

      throw error;
    },
  );

async function take(step: Step, tenants: readonly string[], burns: [who: string, reference: string][]): Promise<void> {
  const who = tenants[step.who] ?? '';
  const { credits, creditTransfers } = product.app.services;

  switch (step.kind) {
    case 'grant': {
      const worth = WORTHS[step.unit];
      await aGrant(product, who, {
        unit: step.unit,
        unitWorth: worth ? { amount: worth, currency: 'USD' } : null,
        amount: step.amount,
        expiresAt: step.hours === null ? null : new Date(product.app.clock().getTime() + step.hours * 3_600_000),
      });
      break;
    }

    case 'burn': {
      const reference = randomUUID();
      const { covered, uncovered } = await burn(product, who, { reference, amount: step.amount, currency: step.unit });
      expect(covered.plus(uncovered).eq(decimal(step.amount))).toBe(true);
      burns.push([who, reference]);
      break;
    }

    case 'reverse': {
      const [holder, burnReference] = burns[step.which % burns.length] ?? [who, 'none'];
      await orRefused(
        reverse(product, holder, { burnReference, ...(step.part === null ? {} : { amount: step.part }) }),
      );
      break;
    }

    case 'transfer':
      await orRefused(
        creditTransfers.transfer(product.scope(), {
          fromTenantId: who,
          toTenantId: tenants[1 - step.who] ?? '',
          unit: step.unit,
          amount: step.amount,
          reason: null,
          idempotencyKey: randomUUID(),
        }),
      );
      break;

    case 'refund': {
      const ids = Object.keys(await leftOf(product, who));
      await orRefused(
        credits.refund(product.scope(who), {
          creditGrantId: ids[step.which % ids.length] ?? '',
          amount: step.part,
          reason: null,
          idempotencyKey: randomUUID(),
        }),
      );
      break;
    }

    case 'expire':
      product.setClock(new Date(product.app.clock().getTime() + step.hours * 3_600_000));
      await credits.expire(product.scope(who));
      break;

    default:
      step satisfies never;
  }
}

const aFamily = async (): Promise<string[]> => {
  const parentId = await aTenant(product, { kind: 'RESELLER' });

  return [parentId, await aTenant(product, { parentId })];
};

test('whatever happens to credits, all accounts sum to zero, no grant is below 0, and every balance is what its entries say', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async steps => {
      product.setClock(NOW);
      const tenants = await aFamily();
      const burns: [string, string][] = [];

      for (const each of steps) {
        await take(each, tenants, burns);
      }

      const [row] = await asSuperuser<{ wrong: number; below: number }>(
        product.database,
        `select (select count(*)::int from (select from credit_entry where tenant_id = any ($1)
             group by tenant_id, unit having sum(amount) <> 0) sums) as wrong,
           (select count(*)::int from credit_balance where balance < 0) as below`,
        [tenants],
      );
      expect(row).toEqual({ wrong: 0, below: 0 });
      expect(await verifyTenantCredits(product.app, () => undefined)).toBe(0);
    }),
    { numRuns: 12 },
  );
}, 120_000);

test('whatever is burned and reversed, all of it given back brings every grant to its start', async () => {
  const grant = fc.record({ unit, amount, hours: fc.option(fc.integer({ min: 1, max: 6 })) });
  const use = fc.record({ amount, unit: fc.constantFrom('USD', 'credit', 'token'), part: fc.option(amount) });
  await fc.assert(
    fc.asyncProperty(
      fc.array(grant, { minLength: 1, maxLength: 5 }),
      fc.array(use, { minLength: 1, maxLength: 5 }),
      async (grants, uses) => {
        product.setClock(NOW);
        const tenantId = await aTenant(product);

        for (const { unit: name, hours, ...given } of grants) {
          const worth = WORTHS[name];
          await aGrant(product, tenantId, {
            ...given,
            unit: name,
            unitWorth: worth ? { amount: worth, currency: 'USD' } : null,
            expiresAt: hours === null ? null : at(hours),
          });
        }

        const start = await leftOf(product, tenantId);
        const references: string[] = [];

        for (const { amount: asked, unit: currency, part } of uses) {
          const burnReference = randomUUID();
          await burn(product, tenantId, { reference: burnReference, amount: asked, currency });
          references.push(burnReference);
          await orRefused(reverse(product, tenantId, { burnReference, ...(part ? { amount: part } : {}) }));
        }

        for (const burnReference of references) {
          await reverse(product, tenantId, { burnReference });
        }

        expect(await leftOf(product, tenantId)).toEqual(start);
      },
    ),
    { numRuns: 12 },
  );
}, 120_000);

import { record } from '../audit/index.js';
import { bandsAt, Model, type CatalogService, type CostInForce } from '../catalog/index.js';
import {
  DomainError,
  ErrorCode,
  inTransaction,
  findPage,
  once,
  type PageArguments,
  type Scope,
} from '../platform/index.js';
import type { TenantsService } from '../tenants/index.js';
import { rateInForce, TOKEN_COSTS, withRates, type CostMeters } from './cost-import.rules.js';
import { LIST_CURRENCY, MOST_KEY } from './import-changes.js';
import { planImport, type InForce, type PlanMeter, type PlanMeters } from './import-plan.rules.js';
import { lockedImport, planMeter, refuseClosed, writeImport, type UnitMeter } from './import-store.js';
import { PriceImport } from './price-import.entity.js';
import { approvedRows, modelsOf, type ImportRow } from './price-import.queries.js';
import { readPriceList, type PriceListInput } from './price-list.js';
import type { PriceUnit, ProposedModel, SkippedItem } from './proposal.rules.js';

/** A list to lay beside what models cost us. */
export interface CostImportProposal extends PriceListInput {
  /** Meters whose keys are the kinds of costs that are not counted in tokens. */
  readonly meters: readonly UnitMeter[];
  readonly idempotencyKey: string;
}

/** From when the approved costs hold, and whether models that nobody has entered are entered. */
export interface CostImportApplication {
  readonly importId: string;
  readonly effectiveAt: Date;
  readonly enterModels: boolean;
}

const MOST_MODELS = 500;

/** Price lists as what models cost us: proposed, decided about line by line, and written into the catalog. */
export class CostImportService {
  constructor(
    private readonly tenants: TenantsService,
    private readonly catalog: CatalogService,
  ) {}

  /** Reads a list and lays it beside the costs of the tenant's own models that are in force. Changes no cost. */
  async propose(scope: Scope, input: CostImportProposal): Promise<{ priceImport: PriceImport; replayed: boolean }> {
    const own = await this.tenants.own(scope);
    const list = readPriceList(input);

    return inTransaction(scope, async tx => {
      const meters = await this.#meters(tx, own.ancestors, input.meters);
      const { idempotencyKey, content: _, ...asked } = input;
      const draft = { ...asked, contentHash: list.contentHash };
      const { id, replayed } = await once(tx, 'modelCostImportPropose', idempotencyKey, draft, async () => {
        const keys = list.models.map(({ key }) => key);
        const costs = await this.#costsAt(tx, keys, tx.now);
        const foreign = [...costs].filter(([, { currency }]) => currency !== LIST_CURRENCY).map(([key]) => key);
        const known = new Set(foreign);
        const asDollars = {
          ...list,
          rows: list.rows.filter(({ model }) => !known.has(model)),
          models: list.models.filter(({ key }) => !known.has(key)),
          skipped: [...list.skipped, ...foreign.map(foreignCost)],
        };
        const modelOf = await this.catalog.modelsFor(tx, [tx.tenantId]);
        const bands = new Map(list.models.map(({ key, contextBands }) => [key, contextBands] as const));
        const plan = planImport(asDollars, meters, ratesInForce(costs, meterKeys(meters)), key => {
          const model = modelOf(key);

          // A model that nobody has entered is entered with the bands of the list, or not at all.
          return model ? bandsAt(model, tx.now) : (bands.get(key) ?? null);
        });

        return writeImport(tx, { target: 'COSTS', priceBookId: null, baseVersionId: null }, input, list, plan, meters);
      });

      return { priceImport: await tx.em.findOneOrFail(PriceImport, { id }), replayed };
    });
  }

  /**
   * Sets the approved costs from an instant on: for each model what it costs at that instant, with the changes. Once; asked
   * again for the same instant, it answers the same.
   */
  async apply(
    scope: Scope,
    { importId, effectiveAt, enterModels }: CostImportApplication,
  ): Promise<{ priceImport: PriceImport; replayed: boolean }> {
    return inTransaction(scope, async tx => {
      const priceImport = await lockedImport(tx, 'COSTS', importId);

      if (priceImport.effectiveAt?.getTime() === effectiveAt.getTime()) {
        return { priceImport, replayed: true };
      }

      refuseClosed(priceImport);
      const byModel = Map.groupBy(await approvedRows(tx, importId), ({ model }) => model);

      if (byModel.size < 1 || byModel.size > MOST_MODELS) {
        throw DomainError.invalid(
          byModel.size < 1
            ? 'nothing of the import is approved: approve changes first'
            : `changes of ${byModel.size} models are approved; at most ${MOST_MODELS} are set at once`,
          ['importId'],
        );
      }

      const keys = [...byModel.keys()];
      const ids = await this.#modelIds(tx, importId, keys, enterModels);
      const costs = await this.#costsAt(tx, keys, effectiveAt);

      for (const [key, rows] of byModel) {
        await this.#setCost(tx, priceImport, { key, id: ids.get(key) ?? '', rows, cost: costs.get(key), effectiveAt });
      }

      priceImport.status = 'APPLIED';
      priceImport.effectiveAt = effectiveAt;
      await record(tx, {
        action: 'price_import.applied',
        subjectId: importId,
        before: { status: 'PROPOSED' },
        after: { status: 'APPLIED', effectiveAt, models: keys },
      });

      return { priceImport, replayed: false };
    });
  }

  /** Imports of what models cost, newest first: up to `first` + 1. */
  async imports(scope: Scope, args: PageArguments): Promise<PriceImport[]> {
    return inTransaction(scope, tx => findPage(tx.em, PriceImport, { target: 'COSTS' }, args));
  }

  async #setCost(
    tx: Scope,
    { id: importId, source, sourceDate, meters }: PriceImport,
    {
      key,
      id,
      rows,
      cost,
      effectiveAt,
    }: {
      readonly key: string;
      readonly id: string;
      readonly rows: readonly ImportRow[];
      readonly cost: CostInForce | undefined;
      readonly effectiveAt: Date;
    },
  ): Promise<void> {
    const rates = withRates(key, cost?.rates ?? [], rows, meters);

    if (!rates || (cost && cost.currency !== LIST_CURRENCY)) {
      throw new DomainError(
        ErrorCode.INVALID_TRANSITION,
        `what model ${key} costs at that instant is not what the list was laid beside; propose the list again`,
        ['importId'],
      );
    }

    if (rates.length === 0) {
      throw DomainError.invalid(`nothing would be left of what model ${key} costs; reject some removals`, ['importId']);
    }

    const draft = { modelId: id, effectiveAt, currency: LIST_CURRENCY, rates, source: `${source}, ${sourceDate}` };

    try {
      await this.catalog.setCost(tx, { ...draft, idempotencyKey: `${importId} ${key}` });
    } catch (error) {
      throw error instanceof DomainError && error.field[0] !== 'effectiveAt'
        ? new DomainError(error.code, `model ${key}: ${error.message}`, ['importId'])
        : error;
    }
  }

  /** The ids of the tenant's own models by their keys; enters those that are not there when asked to. */
  async #modelIds(
    tx: Scope,
    importId: string,
    keys: readonly string[],
    enterModels: boolean,
  ): Promise<ReadonlyMap<string, string>> {
    const ids = new Map((await tx.em.find(Model, { key: { $in: [...keys] } })).map(({ key, id }) => [key, id]));
    const missing = keys.filter(key => !ids.has(key));
    const [first] = missing;

    if (first !== undefined && !enterModels) {
      throw DomainError.invalid(
        `${missing.length} of the models are not in the catalog, such as ${first}: enter them, or have them entered`,
        ['enterModels'],
      );
    }

    const proposed = new Map(
      first === undefined ? [] : (await modelsOf(tx, importId)).map(model => [model.key, model]),
    );

    for (const key of missing) {
      const { model } = await this.catalog.createModel(tx, {
        ...modelDraft(key, proposed.get(key)),
        idempotencyKey: `${importId} ${key}`,
      });
      ids.set(key, model.id);
    }

    return ids;
  }

  async #costsAt(tx: Scope, keys: readonly string[], at: Date): Promise<ReadonlyMap<string, CostInForce>> {
    const costs = await this.catalog.costsFor(tx, [tx.tenantId], keys);

    return new Map(
      [...costs].flatMap(([key, all]) => {
        const cost = all.findLast(({ effectiveAt }) => effectiveAt <= at);

        return cost ? [[key, cost] as const] : [];
      }),
    );
  }

  async #meters(tx: Scope, ancestors: readonly string[], asked: readonly UnitMeter[]): Promise<PlanMeters> {
    const found = await this.catalog.metersById(
      tx,
      ancestors,
      asked.map(({ meterId }) => meterId),
    );
    const meters = new Map<PriceUnit, PlanMeter>([
      ['token', TOKEN_COSTS],
      ['query', TOKEN_COSTS],
    ]);

    for (const [index, { unit, meterId }] of asked.entries()) {
      const field = ['meters', String(index)];

      if (meters.has(unit)) {
        throw DomainError.invalid(`what costs of the ${unit} are called is known by now`, [...field, 'unit']);
      }

      meters.set(unit, planMeter(found.get(meterId), meterId, [...field, 'meterId'], unit));
    }

    return meters;
  }
}

function foreignCost(name: string): SkippedItem {
  return { name, field: null, reason: `what it costs is set in another currency than ${LIST_CURRENCY}` };
}

function meterKeys(meters: PlanMeters): CostMeters {
  return Object.fromEntries([...meters].map(([unit, { key }]) => [unit, key]));
}

function ratesInForce(costs: ReadonlyMap<string, CostInForce>, meters: CostMeters): readonly InForce[] {
  return [...costs].flatMap(([model, { currency, rates }]) =>
    currency === LIST_CURRENCY
      ? rates.flatMap(rate => {
          const now = rateInForce(model, rate, meters, null);

          return now && now.key.length <= MOST_KEY ? [now] : [];
        })
      : [],
  );
}

/** No list says the family of a model: until somebody does, it is its own. */
function modelDraft(key: string, proposed: ProposedModel | undefined) {
  const { provider = 'unknown', family = null, modality = 'text', contextBands = [] } = proposed ?? {};

  return { key, provider, family: family ?? key, modality, contextBands };
}

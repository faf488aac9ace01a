import { inTransaction, Watches, type PubSub, type Scope } from '../platform/index.js';

/** What of a simulation of any kind says how far it is. */
export interface Followed {
  readonly status: string;
  readonly tenantsDone: number;
  readonly eventsDone: string;
  readonly eventsTotal?: string | null;
  readonly finishedAt?: Date | null;
}

/** Follows simulations of every kind: rows say how far they are, hints wake whoever looks. */
export class SimulationProgress {
  readonly #watches: Watches;

  constructor(pubSub: PubSub) {
    this.#watches = new Watches(pubSub, 'simulations');
  }

  /** Tells whoever follows this tenant's simulations, in every process, to look again. */
  async hint(tenantId: string): Promise<void> {
    await this.#watches.tell(tenantId);
  }

  /**
   * A simulation of the scope's tenant whenever it has come further, until it has ended or `mayGoOn` says no. `read` reads its
   * row; hints only wake whoever looks, so a lost one delays and loses nothing.
   */
  async *follow<S extends Followed>(
    scope: Scope,
    read: (tx: Scope) => Promise<S>,
    mayGoOn: () => Promise<boolean>,
  ): AsyncGenerator<S, void> {
    const watch = this.#watches.open(scope.tenantId);

    try {
      let seen = '';

      while (!this.#watches.isClosed && (await mayGoOn())) {
        watch.look();
        const simulation = await inTransaction(scope, read);
        const { status, tenantsDone, eventsDone, eventsTotal, finishedAt } = simulation;
        const state = JSON.stringify([status, tenantsDone, eventsDone, eventsTotal]);

        if (state !== seen) {
          seen = state;
          yield simulation;
        }

        if (finishedAt) {
          return;
        }

        await watch.rest();
      }
    } finally {
      watch.close();
    }
  }

  /** Ends every stream; part of shutting down. */
  close(): void {
    this.#watches.close();
  }
}

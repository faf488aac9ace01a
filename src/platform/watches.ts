import type { PubSub } from './pubsub.js';

/** How long a watch rests when nobody tells it anything: a lost hint costs so much. */
const LOOK_AGAIN_MS = 2_000;

/** One stream that looks at rows again whenever it is told. */
export interface Watch {
  /** Call before looking: what is told from here on ends the next rest at once. */
  look(): void;
  /** Waits until it is told, or for two seconds. */
  rest(): Promise<void>;
  close(): void;
}

/** The streams of one process over the hints of one kind: `tell` wakes those of a tenant, in every process. */
export class Watches {
  readonly #wakes = new Set<() => void>();
  #isClosed = false;

  /** `topic` tells the hints of one kind from those of another. */
  constructor(
    private readonly pubSub: PubSub,
    private readonly topic: string,
  ) {}

  /** Whether the process shuts down: then streams end. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Has everyone who watches this tenant look again. */
  async tell(tenantId: string): Promise<void> {
    await this.pubSub.publish(this.#channelOf(tenantId));
  }

  /** Opens a stream; whoever opens it closes it. */
  open(tenantId: string): Watch {
    let isTold = false;
    let wake: () => void = () => undefined;
    const rouse = (): void => {
      isTold = true;
      wake();
    };
    this.#wakes.add(rouse);
    const stop = this.pubSub.subscribe(this.#channelOf(tenantId), rouse);

    return {
      look: () => {
        isTold = false;
      },
      rest: async () => {
        if (isTold || this.#isClosed) {
          return;
        }

        await new Promise<void>(resolve => {
          const timer = setTimeout(resolve, LOOK_AGAIN_MS);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      },
      close: () => {
        stop();
        this.#wakes.delete(rouse);
      },
    };
  }

  /** Ends every stream; part of shutting down. */
  close(): void {
    this.#isClosed = true;

    for (const rouse of this.#wakes) {
      rouse();
    }
  }

  #channelOf(tenantId: string): string {
    return `${this.topic}:${tenantId}`;
  }
}

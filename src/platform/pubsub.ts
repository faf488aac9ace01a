import { EventEmitter } from 'node:events';
import { Redis } from 'ioredis';
import pg from 'pg';
import type { Logger } from './log.js';

/**
 * Hints between processes: "something happened on this channel, look at the rows". May lose or reorder messages;
 * whoever listens reads from a cursor and looks again now and then, so nothing depends on a message arriving.
 */
export interface PubSub {
  publish(channel: string): Promise<void>;
  /** Calls `listener` on each hint. Returns the function that stops it. */
  subscribe(channel: string, listener: () => void): () => void;
  close(): Promise<void>;
}

/** Over one Redis channel a server, through ioredis. */
export function redisPubSub(url: string, prefix: string, log: Logger): PubSub {
  const local = new EventEmitter().setMaxListeners(0);
  const publisher = new Redis(url, { maxRetriesPerRequest: 1 });
  const subscriber = new Redis(url, { maxRetriesPerRequest: null });
  const topic = `${prefix}:hints`;

  for (const redis of [publisher, subscriber]) {
    redis.on('error', (error: Error) => log.warn({ err: error }, 'pub/sub connection error'));
  }

  subscriber.subscribe(topic).catch((error: unknown) => log.warn({ err: error }, 'pub/sub subscribe failed'));
  subscriber.on('message', (_topic: string, channel: string) => local.emit(channel));

  return {
    publish: async channel => {
      await publisher.publish(topic, channel);
    },
    subscribe: (channel, listener) => listen(local, channel, listener),
    close: async () => {
      publisher.disconnect();
      subscriber.disconnect();
    },
  };
}

/** Over LISTEN/NOTIFY. NOTIFY runs by itself after the commit it tells of: inside it, it would serialise all commits. */
export function postgresPubSub(url: string, log: Logger): PubSub {
  const local = new EventEmitter().setMaxListeners(0);
  const pool = new pg.Pool({ connectionString: url, max: 2 });
  pool.on('error', error => log.warn({ err: error }, 'pub/sub connection error'));
  let closed = false;
  let listening: pg.Client | null = null;

  const connect = async (): Promise<void> => {
    while (!closed) {
      const client = new pg.Client({ connectionString: url });

      try {
        client.on('notification', message => local.emit(message.payload ?? ''));
        client.on('error', error => {
          log.warn({ err: error }, 'pub/sub listener lost; reconnecting');
          void reconnect(client);
        });
        await client.connect();
        await client.query('listen ratebook_hints');
        listening = client;

        return;
      } catch (error) {
        log.warn({ err: error }, 'pub/sub listener could not connect; trying again');
        await client.end().catch(() => undefined);
        await new Promise(resolve => setTimeout(resolve, 1_000));
      }
    }
  };
  const reconnect = async (lost: pg.Client): Promise<void> => {
    await lost.end().catch(() => undefined);
    await connect();
  };
  const ready = connect();

  return {
    publish: async channel => {
      await pool.query("select pg_notify('ratebook_hints', $1)", [channel]);
    },
    subscribe: (channel, listener) => listen(local, channel, listener),
    close: async () => {
      closed = true;
      await ready;
      await listening?.end().catch(() => undefined);
      await pool.end();
    },
  };
}

function listen(local: EventEmitter, channel: string, listener: () => void): () => void {
  local.on(channel, listener);

  return () => local.off(channel, listener);
}

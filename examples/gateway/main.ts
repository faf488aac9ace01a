import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { RatebookClient } from '../../client/src/index.js';
import { createGateway } from './gateway.js';

const HELP = `A gateway in front of a model, which asks Ratebook before every call and records what it has used.

  RATEBOOK_KEY=rb_live_… npm run -s example:gateway

  RATEBOOK_KEY   a key with holds:write and usage:write
  RATEBOOK_URL   http://127.0.0.1:4000 when absent
  UPSTREAM_URL   a provider with OpenAI's chat completions; when absent, a model of its own that answers "yes"
  UPSTREAM_KEY   the key of that provider
  PORT           4100 when absent`;

const { RATEBOOK_KEY, RATEBOOK_URL = 'http://127.0.0.1:4000', UPSTREAM_URL, UPSTREAM_KEY, PORT = '4100' } = process.env;

if (!RATEBOOK_KEY || process.argv.includes('--help')) {
  process.stdout.write(`${HELP}\n`);
  process.exit(RATEBOOK_KEY || process.argv.includes('--help') ? 0 : 2);
}

/** A model that answers "yes" in one token. */
async function modelOfOurOwn(): Promise<string> {
  const server = createServer((request, response) => {
    let bytes = 0;
    request.on('data', (part: Buffer) => (bytes += part.length));
    request.on('end', () => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(
        JSON.stringify({
          id: `chat-${crypto.randomUUID()}`,
          choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'yes' } }],
          usage: { prompt_tokens: Math.ceil(bytes / 4), completion_tokens: 1 },
        }),
      );
    });
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));

  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const ratebook = new RatebookClient({ url: RATEBOOK_URL, key: RATEBOOK_KEY, source: 'example-gateway' });
const gateway = createGateway(ratebook, { url: UPSTREAM_URL ?? (await modelOfOurOwn()), key: UPSTREAM_KEY ?? '' });
gateway.listen(Number(PORT), '127.0.0.1', () => process.stdout.write(`gateway on http://127.0.0.1:${PORT}\n`));

process.once('SIGINT', () => {
  gateway.close();
  gateway.closeAllConnections();
  void ratebook.close().finally(() => process.exit(0));
});

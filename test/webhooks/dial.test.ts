import { createHmac, createSign, generateKeyPairSync } from 'node:crypto';
import http, { createServer } from 'node:http';
import type { IncomingMessage, RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { postWebhook, refuseUrl } from '../../src/webhooks/dial.js';
import type { ResolveHost, WebhookPost } from '../../src/webhooks/dial.js';

const closing: (() => void)[] = [];

afterEach(() => {
  closing.splice(0).forEach(close => close());
});

async function listen(server: Server, host = '127.0.0.1'): Promise<number> {
  const sockets = new Set<Socket>();

  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
  });
  closing.push(() => {
    server.close();
    sockets.forEach(socket => socket.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, host, resolve);
  });

  return (server.address() as AddressInfo).port;
}

/** A receiver that speaks HTTP. */
const receiver = (answer: RequestListener) => listen(createServer(answer));

/** A receiver that sends what it likes as soon as it has seen a request. */
const rawReceiver = (answer: (socket: Socket) => void) =>
  listen(createTcpServer(socket => socket.once('data', () => answer(socket))));

const post = (port: number, over: Partial<WebhookPost> = {}) =>
  postWebhook({
    url: `http://127.0.0.1:${port}/hook?x=1`,
    headers: { 'content-type': 'application/json', 'webhook-id': 'msg_1' },
    body: '{"type":"a"}',
    allowPrivate: true,
    timeoutMs: 5_000,
    ...over,
  });

const answering =
  (...addresses: string[]): ResolveHost =>
  async () =>
    addresses.map(address => ({ address, family: address.includes(':') ? 6 : 4 }));

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];

  for await (const chunk of request) {
    chunks.push(chunk as Buffer);
  }

  return Buffer.concat(chunks).toString();
}

describe('posting a webhook', () => {
  test('the receiver gets the body byte for byte and the headers, and nobody else’s', async () => {
    const seen: unknown[] = [];
    const port = await receiver(async (request, response) => {
      const { headers, method, url } = request;
      const digest = createHmac('sha256', 'k')
        .update(await textOf(request))
        .digest('hex');

      seen.push({
        method,
        url,
        id: headers['webhook-id'],
        length: headers['content-length'],
        host: headers.host,
        digest,
      });
      expect([headers['transfer-encoding'], headers.connection, headers['accept-encoding']]).toEqual([
        undefined,
        'close',
        'identity',
      ]);
      response.writeHead(202).end('thanks');
    });
    const body = '{"name":"Zoë 🧾",\n "b" : 1}';
    const headers = { 'webhook-id': 'msg_1', Host: 'evil', 'Transfer-Encoding': 'chunked', 'Content-Length': '1' };

    expect(await post(port, { body, headers })).toEqual({
      status: 202,
      error: null,
      latencyMs: expect.any(Number),
      responseSnippet: 'thanks',
      retryAfter: null,
    });
    expect(seen).toEqual([
      {
        method: 'POST',
        url: '/hook?x=1',
        id: 'msg_1',
        length: String(Buffer.byteLength(body)),
        host: `127.0.0.1:${port}`,
        digest: createHmac('sha256', 'k').update(body).digest('hex'),
      },
    ]);
  });

  test.each([200, 204, 404, 410, 500])('status %i comes back as it is', async status => {
    const port = await receiver((_, response) => response.writeHead(status).end());

    expect(await post(port)).toMatchObject({ status, error: null, responseSnippet: '' });
  });

  test.each([301, 302, 303, 307, 308])('a %i is not followed', async status => {
    let followed = 0;
    const target = await receiver((_, response) => {
      followed += 1;
      response.end();
    });
    const port = await receiver((_, response) =>
      response.writeHead(status, { location: `http://127.0.0.1:${target}/` }).end('moved'),
    );

    expect(await post(port)).toMatchObject({ status, error: null, responseSnippet: 'moved' });
    expect(followed).toBe(0);
  });

  test('Retry-After comes back as it came', async () => {
    const port = await receiver((_, response) => response.writeHead(429, { 'retry-after': '120' }).end());

    expect(await post(port)).toMatchObject({ status: 429, error: null, retryAfter: '120' });
  });

  test('a receiver that never answers is given up at the deadline', async () => {
    const port = await rawReceiver(() => undefined);
    const answer = await post(port, { timeoutMs: 200 });

    expect(answer).toMatchObject({ status: null, error: 'TIMEOUT' });
    expect(answer.latencyMs).toBeGreaterThanOrEqual(190);
    expect(answer.latencyMs).toBeLessThan(1_000);
  });

  test.each([
    ['head', 'HTTP/1.1 200 OK\r\nX-A: ', null],
    ['body', 'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n', 200],
  ])('a %s that drips byte by byte does not outlast the deadline', async (_, start, status) => {
    const port = await rawReceiver(socket => {
      socket.write(start);
      const drip = setInterval(() => socket.write('a'), 20);
      socket.on('close', () => clearInterval(drip));
    });
    const answer = await post(port, { timeoutMs: 300 });

    expect(answer).toMatchObject({ status, error: 'TIMEOUT' });
    expect(answer.latencyMs).toBeLessThan(1_000);
  });

  test('a resolver that hangs counts towards the deadline, and its late answer dials nobody', async () => {
    let connections = 0;
    const port = await listen(createTcpServer(() => (connections += 1)));
    let answerLate = () => undefined as void;
    const lookup: ResolveHost = () =>
      new Promise(resolve => {
        answerLate = () => resolve([{ address: '127.0.0.1', family: 4 }]);
      });

    expect(await post(port, { url: `http://late.example:${port}/`, lookup, timeoutMs: 100 })).toMatchObject({
      status: null,
      error: 'TIMEOUT',
    });
    answerLate();
    await new Promise(resolve => setTimeout(resolve, 100));
    expect(connections).toBe(0);
  });

  test('of an endless body little more than 64 KiB is read, and the status stands', async () => {
    let written = 0;
    const port = await receiver((_, response) => {
      const chunk = Buffer.alloc(16 * 1024, 'a');
      const pump = () => {
        while (!response.destroyed && response.write(chunk)) {
          written += chunk.length;
        }
      };

      response.on('drain', pump);
      pump();
    });
    const answer = await post(port);

    expect(answer).toMatchObject({ status: 200, error: null, responseSnippet: 'a'.repeat(1024) });
    // What the kernel's buffers took counts as written too.
    expect(written).toBeLessThan(16 * 1024 * 1024);
  });

  test('a compressed body is neither inflated nor kept', async () => {
    const port = await receiver((_, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(Buffer.alloc(10_000_000))),
    );

    expect(await post(port)).toMatchObject({ status: 200, error: null, responseSnippet: '' });
  });

  test('the snippet has no control characters, whole characters only, and at most 1,024 bytes', async () => {
    const port = await receiver((_, response) => response.end(`a\0\u001b[31mb\r\nc\u202ed ${'é'.repeat(2_000)}`));
    const { responseSnippet } = await post(port);

    expect(responseSnippet).toMatch(/^a \[31mb c d é+$/);
    expect(Buffer.byteLength(responseSnippet)).toBeGreaterThan(1_010);
    expect(Buffer.byteLength(responseSnippet)).toBeLessThanOrEqual(1_024);

    const broken = await receiver((_, response) => response.end(Buffer.alloc(1_024, 0xff)));

    expect(Buffer.byteLength((await post(broken)).responseSnippet)).toBe(1_023);
  });

  test('a reset before and in the middle of the answer is a connection error', async () => {
    const before = await rawReceiver(socket => socket.resetAndDestroy());
    const middle = await rawReceiver(socket => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc');
      setTimeout(() => socket.resetAndDestroy(), 50);
    });
    const short = await rawReceiver(socket => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc'));

    expect(await post(before)).toMatchObject({ status: null, error: 'CONNECTION' });
    expect(await post(middle)).toMatchObject({ status: 200, error: 'CONNECTION', responseSnippet: 'abc' });
    expect(await post(short)).toMatchObject({ status: 200, error: 'CONNECTION', responseSnippet: 'abc' });
  });

  test.each([
    ['no HTTP at all', 'SSH-2.0-OpenSSH_9.9\r\n'],
    ['endless headers', `HTTP/1.1 200 OK\r\n${`X-A: ${'a'.repeat(1_000)}\r\n`.repeat(40)}`],
    ['a flood of interim answers', 'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(1_000)],
    ['another protocol', 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'],
    [
      'two ways to tell the length',
      'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
  ])('%s is a protocol error', async (_, bytes) => {
    const port = await rawReceiver(socket => socket.write(bytes));

    expect(await post(port, { timeoutMs: 2_000 })).toMatchObject({ status: null, error: 'PROTOCOL' });
  });

  test('a header that would split the request is not sent', async () => {
    let connections = 0;
    const port = await listen(createTcpServer(() => (connections += 1)));

    expect(await post(port, { headers: { 'x-a': 'b\r\nx-c: d' } })).toMatchObject({ status: null, error: 'PROTOCOL' });
    expect(connections).toBe(0);
  });

  test('a closed port and an unknown name have their codes', async () => {
    const server = createTcpServer();
    const port = await listen(server);
    await new Promise(resolve => server.close(resolve));

    expect(await post(port)).toMatchObject({ status: null, error: 'CONNECTION' });

    const unknown: ResolveHost = async () => Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' }));
    const url = `http://nowhere.example:${port}/`;

    expect(await post(port, { url, lookup: unknown })).toMatchObject({
      status: null,
      error: 'DNS',
      responseSnippet: '',
    });
    expect(await post(port, { url, lookup: answering() })).toMatchObject({ status: null, error: 'DNS' });
  });

  test('a receiver without TLS, and one with a certificate of its own making, are TLS errors', async () => {
    let requests = 0;
    const plain = await receiver((_, response) => response.end());
    const selfSigned = await listen(
      createTlsServer(selfSignedCertificate(), (_, response) => {
        requests += 1;
        response.end();
      }),
    );
    const url = (port: number) => `https://hooks.example:${port}/`;
    const lookup = answering('127.0.0.1');

    expect(await post(plain, { url: url(plain), lookup })).toMatchObject({ status: null, error: 'TLS' });
    expect(await post(selfSigned, { url: url(selfSigned), lookup })).toMatchObject({ status: null, error: 'TLS' });
    expect(requests).toBe(0);
  });

  test('the proxies of the environment are not used', async () => {
    let proxied = 0;
    const proxy = await listen(createTcpServer(() => (proxied += 1)));
    const port = await receiver((_, response) => response.end('direct'));
    const restore = http.setGlobalProxyFromEnv({ http_proxy: `http://127.0.0.1:${proxy}`, no_proxy: '' });
    closing.push(restore);

    expect(await post(port)).toMatchObject({ status: 200, responseSnippet: 'direct' });
    expect(proxied).toBe(0);
  });

  test('the name is resolved once for each attempt, and that answer is what is dialled', async () => {
    const port = await receiver((_, response) => response.end());
    const asked: string[] = [];
    const lookup: ResolveHost = async name => {
      asked.push(name);
      return [{ address: asked.length === 1 ? '127.0.0.1' : '169.254.169.254', family: 4 }];
    };
    const url = `http://rebind.example:${port}/`;

    expect(await post(port, { url, lookup })).toMatchObject({ status: 200, error: null });
    expect(await post(port, { url, lookup })).toMatchObject({ status: null, error: 'BLOCKED_ADDRESS' });
    expect(asked).toEqual(['rebind.example', 'rebind.example']);
  });
});

/** Hosts that a URL may not name and addresses that no name may lead to; all in the form a URL takes. */
const HOSTS = [
  // This machine and its aliases, in every spelling that URL parsers read as IPv4.
  '127.0.0.1 127.1 127.0.1 127.127.127.127 127.255.255.255 2130706433 0x7f000001 0x7f.1',
  '0x7f.0x0.0x0.0x1 017700000001 0177.0.0.1 0177.1 0177.0x0.0.1 127.0.0.1. 127.000.000.001',
  '0 0.0.0.0 0x0 00 0.0.0.1 0.1.2.3 0.255.255.255 １２７.０.０.１ 127。0。0。1 ①②⑦.0.0.1',
  '%31%32%37.0.0.1 127.0.0.1%2e [::1] [::] [0:0:0:0:0:0:0:1] [::0001] [0::0] [::127.0.0.1]',
  // Private and shared networks.
  '10.0.0.1 10.255.255.255 012.0.0.1 0xa000001 167772161 172.16.0.1 172.31.255.255 172.20.10.5',
  '192.168.0.1 192.168.255.255 0xc0a80001 3232235521 100.64.0.1 100.127.255.255 100.100.100.200',
  '[fc00::1] [fd00::1] [fdff:ffff::1] [fd12:3456:789a:1::1] [fec0::1] [feff::1]',
  // Link-local and the metadata services of clouds.
  '169.254.169.254 169.254.0.1 169.254.170.2 0xa9fea9fe 2852039166 0251.0376.0251.0376',
  '169.254.43518 168.63.129.16 192.0.0.192 [fe80::1] [febf::1] [fe80::a9fe:a9fe]',
  '[fd00:ec2::254] [fd20:ce::254]',
  // Reserved, documentation, benchmarking, multicast, broadcast, anycast relays.
  '192.0.0.1 192.0.2.1 198.51.100.1 203.0.113.1 198.18.0.1 198.19.255.255 192.88.99.1',
  '192.31.196.1 192.52.193.1 192.175.48.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.254',
  '255.255.255.255 4294967295 [ff02::1] [ff0e::1] [2001:db8::1] [3fff::1] [100::1] [5f00::1]',
  '[2001:2::1] [2001:10::1] [2001:20::1] [2001:30::1] [2001:1::1] [2620:4f:8000::1]',
  '[4000::1] [::2] [1::1] [200::1] [8000::1] [f000::1]',
  // IPv4 inside IPv6: mapped, compatible, translated, NAT64, 6to4, Teredo, ISATAP.
  '[::ffff:127.0.0.1] [::ffff:7f00:1] [::FFFF:10.0.0.1] [::ffff:169.254.169.254] [::ffff:0.0.0.0]',
  '[0:0:0:0:0:ffff:c0a8:1] [::ffff:168.63.129.16] [::10.0.0.1] [::a9fe:a9fe] [::8.8.8.8]',
  '[::ffff:0:127.0.0.1] [::ffff:0:a00:1] [64:ff9b::127.0.0.1] [64:ff9b::7f00:1] [64:ff9b::10.0.0.1]',
  '[64:ff9b::a9fe:a9fe] [64:ff9b:0:0:0:0:c0a8:1] [64:ff9b:1::8.8.8.8] [64:ff9b:1::7f00:1]',
  '[2002:7f00:1::] [2002:a9fe:a9fe::1] [2002:c0a8:1::1] [2002:808:808::1] [2001::1]',
  '[2001:0:7f00:1::] [2001:0:53aa:64c:0:0:5601:fefe] [2a00:1450::5efe:10.0.0.1] [2a00:1450::200:5efe:7f00:1]',
].flatMap(line => line.split(' '));

/** Names of local networks, and what is not an https URL of a host at all. `PORT` is the canary's. */
const URLS = [
  'localhost',
  'LOCALHOST',
  'localhost.',
  'a.localhost',
  'localhost.localdomain',
  'ｌocalhost',
  'intranet',
  'redis',
  'metadata.google.internal',
  'vault.service.internal',
  'printer.local',
  'router.lan',
  'nas.home.arpa',
  'kubernetes',
].map(name => `https://${name}:PORT/`);

const MALFORMED = [
  'http://hooks.example.com/',
  'ftp://hooks.example.com/',
  'file:///etc/passwd',
  'gopher://127.0.0.1:6379/_INFO',
  'dict://127.0.0.1:11211/',
  'ws://127.0.0.1/',
  'data:text/plain,x',
  'javascript:alert(1)',
  'blob:https://a.com/1',
  'https:hooks.example.com',
  'https:/hooks.example.com',
  'https:///127.0.0.1/',
  'https://',
  '//hooks.example.com/',
  'hooks.example.com',
  '',
  ' https://hooks.example.com/',
  'https://hooks.example.com/ ',
  'https://hooks.example.com/\n',
  'https://user:pw@hooks.example.com/',
  'https://user@hooks.example.com/',
  'https://@hooks.example.com/',
  'https://hooks.example.com@127.0.0.1/',
  'https://:@hooks.example.com/',
  'https://a.com\\@127.0.0.1/',
  'https:\\\\127.0.0.1/',
  'https://hooks.exa\tmple.com/',
  'https://hooks.exam\u200bple.com/',
  'https://hooks.example.com/#x',
  'https://hooks.example.com/#',
  'https://hooks.example.com:22/',
  'https://hooks.example.com:6379/',
  'https://a.com:0/',
  'https://a.com:65536/',
  'https://a.com:x/',
  'https://[fe80::1%25eth0]/',
  'https://[fe80::1%eth0]/',
  'https://[::1/',
  'https://1.2.3.4.5/',
  'https://256.1.1.1/',
  'https://0x100000000/',
  'https://a..b:99999/',
  'https://a b.com/',
  `https://hooks.example.com/${'a'.repeat(2_050)}`,
];

describe('what may not be dialled', () => {
  test('URLs with such hosts are refused when saved and when dialled, and so are names that lead there; the canary hears nothing', async () => {
    let connections = 0;
    const canary = () => createTcpServer(() => (connections += 1));
    const port = await listen(canary(), '0.0.0.0');
    const canaries = [port];

    try {
      canaries.push(await listen(canary(), '::1'));
    } catch {
      // This machine has no IPv6.
    }

    const letThrough: string[] = [];
    let judged = 0;

    for (const ports of canaries.map(open => [open])) {
      const policy = { allowPrivate: false, ports };
      const dial = (url: string, lookup?: ResolveHost) =>
        postWebhook({ url, headers: {}, body: '{}', timeoutMs: 2_000, ...policy, ...(lookup && { lookup }) });

      for (const url of [...HOSTS.map(host => `https://${host}:PORT/`), ...URLS, ...MALFORMED]) {
        const target = url.replace('PORT', String(ports[0]));
        const refusal = refuseUrl(target, policy);
        const answer = await dial(target, answering('127.0.0.1'));

        judged += 1;

        if (refusal === null || answer.error !== 'BLOCKED_ADDRESS' || answer.status !== null) {
          letThrough.push(target);
        }
      }

      for (const host of HOSTS) {
        if (!URL.canParse(`https://${host}/`)) {
          continue;
        }

        const address = new URL(`https://${host}/`).hostname.replace(/^\[|\]$/g, '');
        const target = `https://hooks.example.com:${ports[0]}/`;

        for (const lookup of [
          answering(address),
          answering('93.184.216.34', address),
          answering(address, '2606:4700::1'),
        ]) {
          const answer = await dial(target, lookup);

          judged += 1;

          if (answer.error !== 'BLOCKED_ADDRESS') {
            letThrough.push(`${target} by ${address}`);
          }
        }
      }
    }

    expect(letThrough).toEqual([]);
    expect(new Set([...HOSTS, ...URLS, ...MALFORMED]).size).toBeGreaterThanOrEqual(180);
    expect(judged).toBeGreaterThanOrEqual(500);
    expect(connections).toBe(0);
  });

  test.each(['127.0.0.1%lo', 'fe80::1%eth0', 'localhost', '', '127.1', '0x7f000001', '10.0.0.1/8', '::ffff:1.2.3.4%1'])(
    'a resolver that answers %p is not believed',
    async address => {
      expect(
        await postWebhook({
          url: 'https://hooks.example.com/',
          headers: {},
          body: '',
          allowPrivate: false,
          lookup: answering(address),
        }),
      ).toMatchObject({ status: null, error: 'BLOCKED_ADDRESS' });
    },
  );

  test('an answer tells no address, whatever went wrong', async () => {
    const answer = await postWebhook({
      url: 'https://hooks.example.com/',
      headers: {},
      body: '',
      allowPrivate: false,
      lookup: answering('10.11.12.13'),
    });

    expect(JSON.stringify(answer)).not.toMatch(/10\.11\.12\.13/);
    expect(refuseUrl('https://10.11.12.13/', { allowPrivate: false })).toBe(
      'The URL names an address in a private or special range.',
    );
  });

  test.each([
    'https://hooks.example.com/',
    'https://hooks.example.com',
    'https://hooks.example.com:443/a/b?c=d&e=%20',
    'https://hooks.example.com:80/',
    'HTTPS://Hooks.Example.Com/',
    'https://bücher.example/',
    'https://8.8.8.8/',
    'https://172.32.0.1/',
    'https://[2606:4700:4700::1111]/',
    'https://[64:ff9b::8.8.8.8]/',
    'https://[::ffff:8.8.8.8]/',
    'https://local.example.com/',
    'https://localhost.example.com/',
    `https://hooks.example.com/${'a'.repeat(2_000)}`,
  ])('%s may be saved', url => {
    expect(refuseUrl(url, { allowPrivate: false })).toBeNull();
  });

  test('where private addresses are allowed, metadata, link-local and multicast are still refused', async () => {
    const policy = { allowPrivate: true };
    const allowed = [
      'http://localhost:8080/',
      'http://10.0.0.1/',
      'https://[fd00::1]/',
      'http://[::1]:9/',
      'http://redis/',
    ];
    const refused = [
      'http://169.254.169.254/',
      'http://[fe80::1]/',
      'http://[fd00:ec2::254]/',
      'http://100.100.100.200/',
      'http://[::ffff:a9fe:a9fe]/',
      'http://0.0.0.0/',
      'http://224.0.0.1/',
      'http://a:b@10.0.0.1/',
    ];

    expect(allowed.filter(url => refuseUrl(url, policy) !== null)).toEqual([]);
    expect(refused.filter(url => refuseUrl(url, policy) === null)).toEqual([]);
    expect(
      await post(80, { url: 'http://meta.example/', lookup: answering('169.254.169.254'), timeoutMs: 500 }),
    ).toMatchObject({ status: null, error: 'BLOCKED_ADDRESS' });
  });
});

/** A key and an X.509 certificate that nobody vouches for, made of DER by hand because Node makes none. */
function selfSignedCertificate(): { key: string; cert: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const der = (tag: number, ...parts: Buffer[]): Buffer => {
    const body = Buffer.concat(parts);
    const length = body.length < 128 ? [body.length] : [0x82, body.length >> 8, body.length & 255];

    return Buffer.concat([Buffer.from([tag, ...length]), body]);
  };
  const ecdsaSha256 = der(0x30, Buffer.from('06082a8648ce3d040302', 'hex'));
  const commonName = der(0x30, Buffer.from('0603550403', 'hex'), der(0x0c, Buffer.from('hooks.example')));
  const name = der(0x30, der(0x31, commonName));
  const validity = der(0x30, der(0x17, Buffer.from('250101000000Z')), der(0x17, Buffer.from('450101000000Z')));
  const tbs = der(
    0x30,
    der(0xa0, Buffer.from('020102', 'hex')),
    Buffer.from('020101', 'hex'),
    ecdsaSha256,
    name,
    validity,
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
  );
  const signature = createSign('sha256').update(tbs).sign(privateKey);
  const certificate = der(0x30, tbs, ecdsaSha256, der(0x03, Buffer.from([0]), signature));

  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${certificate.toString('base64')}\n-----END CERTIFICATE-----`,
  };
}

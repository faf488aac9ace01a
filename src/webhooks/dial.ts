import { lookup as systemLookup } from 'node:dns/promises';
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import type { LookupFunction } from 'node:net';
import { performance } from 'node:perf_hooks';
import ipaddr from 'ipaddr.js';

const MAX_URL_LENGTH = 2048;
const MAX_BODY_BYTES = 64 * 1024;
const MAX_SNIPPET_BYTES = 1024;
const MAX_HEADER_BYTES = 16 * 1024;
const MAX_INTERIM_RESPONSES = 8;
const DEFAULT_TIMEOUT_MS = 15_000;
const PUBLIC_PORTS: readonly number[] = [443, 80];

/** Names that mean this machine or its network, whatever a resolver says (RFC 6761, 6762, 8375; ICANN for .internal). */
const LOCAL_NAMES = /(^|\.)(localhost|local|localdomain|internal|intranet|lan|home\.arpa)$/;

/** Headers that this module sets or that steer the connection; a caller's are left out. */
const OWN_HEADERS = new Set(
  'host content-length transfer-encoding connection keep-alive upgrade te trailer expect proxy-authorization proxy-connection accept-encoding'.split(
    ' ',
  ),
);

/** Where clouds answer with credentials outside the special ranges; refused even where private addresses are allowed. */
const METADATA_ADDRESSES = new Set(['100.100.100.200', '168.63.129.16', 'fd00:ec2::254', 'fd20:ce::254']);

const PRIVATE_RANGES = new Set(['private', 'loopback', 'carrierGradeNat', 'uniqueLocal']);

/** Why an attempt got no whole answer. The codes name no address, so they tell a tenant nothing about our network. */
type DialError = 'BLOCKED_ADDRESS' | 'TIMEOUT' | 'TLS' | 'CONNECTION' | 'DNS' | 'PROTOCOL';

/** Finds all addresses of a name; rejects when there is none. */
export type ResolveHost = (
  hostname: string,
) => Promise<readonly { readonly address: string; readonly family: number }[]>;

/** Which URLs and addresses may be dialled. */
export interface DialPolicy {
  /** True lets http, any port and private or loopback addresses through: for development and closed networks only. */
  readonly allowPrivate: boolean;
  /** The ports a URL may name, 443 and 80 unless told otherwise; not looked at when `allowPrivate`. */
  readonly ports?: readonly number[];
}

/** One attempt to deliver a webhook message. */
export interface WebhookPost extends DialPolicy {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** For all of it: names, connection, TLS, answer. 15 s unless told otherwise. */
  readonly timeoutMs?: number;
  /** Resolves names; the system's resolver unless told otherwise. */
  readonly lookup?: ResolveHost;
}

/** What came back. */
export interface WebhookAnswer {
  /** The HTTP status; there may also be an `error` when the answer broke off after its head. */
  readonly status: number | null;
  readonly error: DialError | null;
  readonly latencyMs: number;
  /** At most 1,024 bytes of the body in UTF-8, without control characters; empty when the body is compressed. */
  readonly responseSnippet: string;
  /** The Retry-After header as it came. */
  readonly retryAfter: string | null;
}

class BlockedAddress extends Error {}
class DnsFailure extends Error {}

/**
 * Why a URL may not be saved as an endpoint, as a sentence, or null when it may. No name is resolved here: `postWebhook`
 * checks the addresses each time it connects.
 */
export function refuseUrl(url: string, policy: DialPolicy): string | null {
  if (url.length > MAX_URL_LENGTH) {
    return `The URL has ${url.length} characters; at most ${MAX_URL_LENGTH} are allowed.`;
  }

  // The WHATWG parser repairs all of these; a person would read another host than the one that is dialled.
  if (/[\s\\\p{Cc}\p{Cf}]/u.test(url) || !/^https?:\/\/[^/]/i.test(url) || !URL.canParse(url)) {
    return 'The URL is not an absolute http or https URL without spaces and backslashes.';
  }

  const parsed = new URL(url);

  if (/^[a-z]+:\/\/[^/?#]*@/i.test(url)) {
    return 'The URL holds credentials; send them in a header instead.';
  }

  if (url.includes('#')) {
    return 'The URL has a fragment, which is never sent.';
  }

  if (parsed.protocol !== 'https:' && !policy.allowPrivate) {
    return 'The URL must use https.';
  }

  const ports = policy.ports ?? PUBLIC_PORTS;

  if (parsed.port !== '' && !ports.includes(Number(parsed.port)) && !policy.allowPrivate) {
    return `Port ${parsed.port} is not allowed; use ${ports.join(' or ')}.`;
  }

  return refuseHost(hostOf(parsed), policy.allowPrivate);
}

/**
 * Posts one message and reads at most 64 KiB of the answer. Redirects and proxies are not followed, nothing is decompressed,
 * every connection is new. The addresses that are checked are those that are dialled, so a name that changes its mind gains
 * nothing; a name with one refused address among good ones is refused. Never rejects: what went wrong is in `error`.
 */
export function postWebhook(post: WebhookPost): Promise<WebhookAnswer> {
  const startedAt = performance.now();

  return new Promise(resolve => {
    const chunks: Buffer[] = [];
    let received = 0;
    let request: ClientRequest | null = null;
    let response: IncomingMessage | null = null;
    let isSettled = false;
    const connection = { isHandshaking: false };

    const settle = (error: DialError | null) => {
      if (isSettled) {
        return;
      }

      isSettled = true;
      clearTimeout(deadline);
      resolve({
        status: response?.statusCode ?? null,
        error,
        latencyMs: Math.round(performance.now() - startedAt),
        responseSnippet: snippetOf(response, chunks),
        retryAfter: response?.headers['retry-after'] ?? null,
      });
      request?.destroy();
    };
    const fail = (error: unknown) => settle(codeOf(error, connection.isHandshaking));
    const deadline = setTimeout(() => settle('TIMEOUT'), post.timeoutMs ?? DEFAULT_TIMEOUT_MS);

    if (refuseUrl(post.url, post) !== null) {
      settle('BLOCKED_ADDRESS');
      return;
    }

    try {
      request = openRequest(post);
    } catch (error) {
      fail(error);
      return;
    }

    let interim = 0;

    request.on('socket', socket => {
      // Between these two an error is about certificates and ciphers, not about the network.
      socket.once('connect', () => (connection.isHandshaking = post.url.toLowerCase().startsWith('https')));
      socket.once('secureConnect', () => (connection.isHandshaking = false));
    });
    request.on('error', fail);
    request.on('upgrade', () => settle('PROTOCOL'));
    request.on('information', () => {
      interim += 1;

      if (interim > MAX_INTERIM_RESPONSES) {
        settle('PROTOCOL');
      }
    });
    request.on('response', incoming => {
      response = incoming;
      incoming.on('data', (chunk: Buffer) => {
        if (received < MAX_SNIPPET_BYTES) {
          chunks.push(chunk.subarray(0, MAX_SNIPPET_BYTES - received));
        }

        received += chunk.length;

        if (received >= MAX_BODY_BYTES) {
          settle(null);
        }
      });
      incoming.on('end', () => settle(null));
      incoming.on('error', fail);
      incoming.on('close', () => settle('CONNECTION'));
    });
    request.end(post.body);
  });
}

function openRequest(post: WebhookPost): ClientRequest {
  const url = new URL(post.url);
  const headers: Record<string, string> = {};

  for (const [name, value] of Object.entries(post.headers)) {
    if (!OWN_HEADERS.has(name.toLowerCase())) {
      headers[name] = value;
    }
  }

  const options: RequestOptions = {
    method: 'POST',
    host: hostOf(url),
    port: url.port === '' ? undefined : Number(url.port),
    path: url.pathname + url.search,
    headers: {
      ...headers,
      'content-length': String(Buffer.byteLength(post.body)),
      'accept-encoding': 'identity',
      connection: 'close',
    },
    lookup: checkedLookup(post),
    maxHeaderSize: MAX_HEADER_BYTES,
    insecureHTTPParser: false,
  };

  // An agent of its own: Node gives the global ones the proxies of the environment.
  if (url.protocol === 'http:') {
    return httpRequest({ ...options, agent: new HttpAgent({ keepAlive: false }) });
  }

  return httpsRequest({ ...options, agent: new HttpsAgent({ keepAlive: false }), rejectUnauthorized: true });
}

/** The resolver that the socket itself asks, once per connection, so that nothing can change between check and dial. */
function checkedLookup(post: WebhookPost): LookupFunction {
  const resolveHost = post.lookup ?? (hostname => systemLookup(hostname, { all: true, order: 'verbatim' }));

  return (hostname, options, callback) => {
    const find = async () => {
      const found = await resolveHost(hostname);
      const first = found[0];

      if (first === undefined) {
        throw new DnsFailure();
      }

      if (found.some(({ address }) => !isAddressAllowed(address, post.allowPrivate))) {
        throw new BlockedAddress();
      }

      return { first, all: found.map(({ address }) => ({ address, family: isIP(address) })) };
    };

    find().then(
      ({ first, all }) => (options.all ? callback(null, all) : callback(null, first.address, isIP(first.address))),
      (error: unknown) => callback(error instanceof BlockedAddress ? error : new DnsFailure(), ''),
    );
  };
}

function refuseHost(host: string, allowPrivate: boolean): string | null {
  if (isIP(host) !== 0) {
    return isAddressAllowed(host, allowPrivate) ? null : 'The URL names an address in a private or special range.';
  }

  const name = host.replace(/\.$/, '').toLowerCase();

  if (!allowPrivate && (!name.includes('.') || LOCAL_NAMES.test(name))) {
    return 'The URL names a host of a local network.';
  }

  return null;
}

/** Only global unicast addresses, and private ones where the policy has them. What hides another address is unwrapped or refused. */
function isAddressAllowed(text: string, allowPrivate: boolean): boolean {
  // ipaddr.js also reads "0177.1"; a resolver answers in the four-part form or in IPv6, and a zone id never leaves the link.
  if (isIP(text) === 0 || text.includes('%')) {
    return false;
  }

  const address = ipaddr.parse(text);

  if (METADATA_ADDRESSES.has(address.toString())) {
    return false;
  }

  const range: string = address.range();

  if (allowPrivate && PRIVATE_RANGES.has(range)) {
    return true;
  }

  if (address.kind() === 'ipv4') {
    return range === 'unicast';
  }

  const bytes = address.toByteArray();
  // 64:ff9b::/96 is the world's; 64:ff9b:1::/48 (RFC 8215) is a network's own and may lead anywhere.
  const isNat64 = range === 'rfc6052' && bytes[5] === 0;

  if (range === 'ipv4Mapped' || isNat64) {
    return isAddressAllowed(bytes.slice(12).join('.'), allowPrivate);
  }

  // Global unicast is 2000::/3. ISATAP (RFC 5214) carries an IPv4 address behind 0:5efe or 200:5efe.
  const isGlobal = ((bytes[0] ?? 0) & 0xe0) === 0x20;
  const isIsatap = bytes[10] === 0x5e && bytes[11] === 0xfe;

  return range === 'unicast' && isGlobal && !isIsatap;
}

function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '');
}

function codeOf(error: unknown, isHandshaking: boolean): DialError {
  if (error instanceof BlockedAddress) {
    return 'BLOCKED_ADDRESS';
  }

  if (error instanceof DnsFailure) {
    return 'DNS';
  }

  if (isHandshaking) {
    return 'TLS';
  }

  const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';

  // HPE_: Node's HTTP parser gave up on the answer. ERR_: a header or path that cannot be sent.
  return /^(HPE_|ERR_(INVALID|HTTP|UNESCAPED))/.test(code) ? 'PROTOCOL' : 'CONNECTION';
}

function snippetOf(response: IncomingMessage | null, chunks: readonly Buffer[]): string {
  const encoding = response?.headers['content-encoding'] ?? 'identity';

  if (encoding !== 'identity') {
    return '';
  }

  // `stream` leaves out a character cut in half at the end, here and after replacement characters made the text longer.
  const text = new TextDecoder().decode(Buffer.concat(chunks), { stream: true });
  const clean = text.replace(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]+/gu, ' ').trim();

  return new TextDecoder().decode(Buffer.from(clean).subarray(0, MAX_SNIPPET_BYTES), { stream: true });
}

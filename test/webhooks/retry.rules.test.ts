import {
  judgeResponse,
  nextAttemptAfter,
  RETRY_SCHEDULE_SECONDS,
  retryAfterSeconds,
} from '../../src/webhooks/retry.rules.js';

const failed = (attempt: number, jitter = 0.5, asked: number | null = null) =>
  nextAttemptAfter({ attempt, jitter, retryAfterSeconds: asked });

describe('webhook retries', () => {
  test('ten attempts follow the schedule of the standard over at least 72 hours', () => {
    const delays = RETRY_SCHEDULE_SECONDS.map((_, index) => failed(index + 1));

    expect(delays).toEqual([5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400, null]);
    expect(RETRY_SCHEDULE_SECONDS.reduce((total, delay) => total + delay, 0)).toBeGreaterThanOrEqual(72 * 3_600);
    expect(failed(11)).toBeNull();
  });

  test('jitter moves each delay by at most 20 % either way', () => {
    expect([failed(2, 0), failed(2, 0.25), failed(2, 1)]).toEqual([240, 270, 360]);
    expect([failed(1, 0), failed(1, 1)]).toEqual([4, 6]);
  });

  test('a longer Retry-After wins, up to 24 hours, and does not add attempts', () => {
    expect(failed(1, 0.5, 60)).toBe(60);
    expect(failed(2, 0.5, 60)).toBe(300);
    expect(failed(1, 0.5, 999_999)).toBe(86_400);
    expect(failed(9, 1, 999_999)).toBe(103_680);
    expect(failed(10, 0.5, 60)).toBeNull();
  });

  test('attempts below 1 and jitter outside 0 to 1 are refused', () => {
    expect(() => failed(0)).toThrow('Attempt 0');
    expect(() => failed(1, 1.1)).toThrow('Jitter 1.1');
    expect(() => failed(1, Number.NaN)).toThrow('Jitter NaN');
  });

  test.each([200, 201, 202, 204, 226, 299])('%i delivers', status => {
    expect(judgeResponse({ status, error: null })).toBe('DELIVERED');
  });

  test.each([100, 101, 199, 300, 301, 302, 307, 308, 400, 401, 404, 409, 429, 500, 503])(
    '%i is tried again',
    status => {
      expect(judgeResponse({ status, error: null })).toBe('RETRY');
    },
  );

  test('410 means the endpoint is gone, and an answer that broke off is no answer', () => {
    expect(judgeResponse({ status: 410, error: null })).toBe('ENDPOINT_GONE');
    expect(judgeResponse({ status: null, error: 'TIMEOUT' })).toBe('RETRY');
    expect(judgeResponse({ status: 200, error: 'CONNECTION' })).toBe('RETRY');
    expect(judgeResponse({ status: null, error: null })).toBe('RETRY');
  });

  test('Retry-After is read as seconds and as an HTTP date', () => {
    const now = new Date('2026-11-23T12:00:00Z');
    const read = (header: string | null) => retryAfterSeconds(header, now);

    expect(read('120')).toBe(120);
    expect(read(' 0 ')).toBe(0);
    expect(read('Mon, 23 Nov 2026 12:02:00 GMT')).toBe(120);
    expect(read('Mon, 23 Nov 2026 11:00:00 GMT')).toBe(0);
    expect([null, '', '-1', '1.5', '5 apples', '2026-11-24', 'Mon, nonsense', '1e9', '9'.repeat(40)].map(read)).toEqual(
      Array(9).fill(null),
    );
  });
});

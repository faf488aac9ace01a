import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The command as the package's script runs it, after its build. */
function rate(argument: string, input?: string) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['dist/src/cli.js', 'price', 'rate', argument], {
    encoding: 'utf8',
    ...(input === undefined ? {} : { input }),
  });

  return { status, stdout, stderr };
}

describe('price rate', () => {
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'ratebook-price-'));
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  const file = (text: string): string => {
    const path = join(folder, 'cases.json');
    writeFileSync(path, text);

    return path;
  };

  test('rates the cases of a file; one that cannot be priced has an error and the others stand', () => {
    const cases = [
      {
        id: 'graduated',
        currency: 'USD',
        price: {
          model: 'GRADUATED',
          tiers: [
            { upTo: '10', unitAmount: '10', flatAmount: '2' },
            { upTo: null, unitAmount: '5', flatAmount: '3' },
          ],
          tierBounds: 'INTEGER_STEPS',
        },
        usage: { quantity: '11' },
        alreadyBilled: { quantity: '10', amount: '102' },
      },
      { id: 'wrong', currency: 'USD', price: { model: 'UNIT', unitAmount: '1e3' }, usage: { quantity: '1' } },
      {
        id: 'events',
        currency: 'EUR',
        price: { model: 'PERCENTAGE', rate: '2.99', fixedAmount: '2', perEventMaximum: '12' },
        usage: { events: [{ amount: '10' }, { amount: '10000', time: '2026-11-01T00:00:00Z' }] },
      },
    ];
    const { status, stdout, stderr } = rate(file(JSON.stringify(cases)));
    expect([status, stderr]).toEqual([0, '']);
    expect(JSON.parse(stdout)).toEqual([
      {
        id: 'graduated',
        amount: '8',
        rounded: '8.00',
        explanation:
          'Tier 1 (0 to 10): 10 × 10 + 2 once = 102; tier 2 (10 to any quantity): 1 × 5 + 3 once = 8; in total 110 USD. ' +
          '102 USD are billed already, so 8 USD are to be charged.',
        steps: [expect.objectContaining({ tier: 1, amount: '102' }), expect.objectContaining({ tier: 2, amount: '8' })],
      },
      {
        id: 'wrong',
        error: {
          code: 'INVALID_INPUT',
          path: 'price.unitAmount',
          message: expect.stringContaining('unitAmount must be a decimal string'),
        },
      },
      {
        id: 'events',
        amount: '14.299',
        rounded: '14.30',
        explanation:
          '2.99 % of 10010 = 299.299; 2 events × 2 = 4; 1 event cut to the maximum of 12: -289; in total 14.299 EUR.',
        steps: [expect.anything(), expect.anything(), expect.anything()],
      },
    ]);
  });

  test('reads standard input, and answers no cases with none', () => {
    expect(rate('-', '[]')).toEqual({ status: 0, stdout: '[]\n', stderr: '' });
  });

  test('reads a file that begins with a byte order mark', () => {
    expect(rate(file('\uFEFF[]'))).toEqual({ status: 0, stdout: '[]\n', stderr: '' });
  });

  test('says in its help what a case may have and how it ends', () => {
    const { status, stdout } = rate('--help');
    const help = stdout.replaceAll(/\s+/g, ' ');
    expect(status).toBe(0);
    expect(help).toContain('alreadyBilled?, period?}');
    expect(help).toContain('{id, error}');
    expect(help).toContain('the exit code is 0 when the file could be read');
  });

  test.each([
    ['a file that is not there', () => '/nowhere/cases.json', 'no such file'],
    ['a file that is no JSON', () => file('[{'), 'is not JSON'],
    ['a file that is no list', () => file('{}'), 'must hold a list of cases'],
  ])('ends with 1 and says why for %s', (_, path, message) => {
    const { status, stdout, stderr } = rate(path());
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toContain(message);
  });
});

import { windowAt } from '../../src/budgets/window.rules.js';

const QUARTER_HOUR_MS = 900_000;

/** Zones and days in which a clock moves, a day is left out, or midnight comes twice or never. */
const TURNS: readonly (readonly [zone: string, from: string])[] = [
  ['America/New_York', '2026-03-07'],
  ['America/New_York', '2026-10-31'],
  ['America/Sao_Paulo', '2018-02-16'],
  ['America/Sao_Paulo', '2018-11-03'],
  ['Africa/Cairo', '2025-04-23'],
  ['Africa/Cairo', '2025-10-29'],
  ['America/Havana', '2025-11-01'],
  ['Asia/Beirut', '2025-03-28'],
  ['Asia/Kathmandu', '2026-11-10'],
  ['Pacific/Apia', '2011-12-28'],
  ['Australia/Lord_Howe', '2026-04-03'],
  ['Australia/Lord_Howe', '2026-10-02'],
];

describe('the windows of a limit', () => {
  test.each([
    ['MINUTE', '2026-11-10T12:34:00.000Z', '2026-11-10T12:35:00.000Z'],
    ['HOUR', '2026-11-10T12:15:00.000Z', '2026-11-10T13:15:00.000Z'],
    ['DAY', '2026-11-09T18:15:00.000Z', '2026-11-10T18:15:00.000Z'],
    ['WEEK', '2026-11-08T18:15:00.000Z', '2026-11-15T18:15:00.000Z'],
    ['MONTH', '2026-10-31T18:15:00.000Z', '2026-11-30T18:15:00.000Z'],
  ] as const)('of a %s are those of the calendar of its zone', (per, start, end) => {
    const window = windowAt(per, new Date('2026-11-10T12:34:56Z'), 'Asia/Kathmandu');
    expect([window.start.toISOString(), window.end?.toISOString()]).toEqual([start, end]);
  });

  test('begin at the earlier midnight where the clock goes back over it, and at the first hour where there is none', () => {
    const day = (at: string, zone: string): (string | undefined)[] => {
      const { start, end } = windowAt('DAY', new Date(at), zone);

      return [start.toISOString(), end?.toISOString()];
    };
    const twice = ['2025-11-02T04:00:00.000Z', '2025-11-03T05:00:00.000Z'];
    expect(day('2025-11-02T04:30:00Z', 'America/Havana')).toEqual(twice);
    expect(day('2025-11-02T05:30:00Z', 'America/Havana')).toEqual(twice);
    expect(day('2018-11-04T03:00:00Z', 'America/Sao_Paulo')).toEqual([
      '2018-11-04T03:00:00.000Z',
      '2018-11-05T02:00:00.000Z',
    ]);
  });

  test('for ever begin with time and never end', () => {
    expect(windowAt(null, new Date('2026-11-10T12:34:56Z'), 'Asia/Kathmandu')).toEqual({
      start: new Date(0),
      end: null,
    });
  });

  test.each(TURNS.flatMap(([zone, from]) => (['HOUR', 'DAY', 'WEEK', 'MONTH'] as const).map(per => [per, zone, from])))(
    'of a %s in %s hold every instant of the days from %s once: each begins where the one before ends',
    (per, zone, from) => {
      const faults: string[] = [];
      const first = Date.parse(`${from}T00:00:00Z`);
      let last = windowAt(per as 'DAY', new Date(first), zone);

      for (let time = first; time < first + 4 * 86_400_000; time += QUARTER_HOUR_MS) {
        const at = new Date(time);
        const { start, end } = windowAt(per as 'DAY', at, zone);
        const isSame = start.getTime() === last.start.getTime() && end?.getTime() === last.end?.getTime();

        if (!(start <= at && end && at < end) || !(isSame || start.getTime() === last.end?.getTime())) {
          faults.push(`${at.toISOString()}: ${start.toISOString()} to ${end?.toISOString()}`);
        }

        last = { start, end };
      }

      expect(faults).toEqual([]);
    },
  );
});

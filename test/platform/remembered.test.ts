import { Remembered } from '../../src/platform/index.js';

describe('what is remembered for a second', () => {
  const at = (ms: number): Date => new Date(1_700_000_000_000 + ms);
  /** Answers 1, 2, 3 …, each when it is let go. */
  const aSource = () => {
    const waiting: { go: () => void; fail: () => void }[] = [];
    let count = 0;

    return {
      waiting,
      read: () =>
        new Promise<number>((resolve, reject) => {
          const value = ++count;
          waiting.push({ go: () => resolve(value), fail: () => reject(new Error(`no ${value}`)) });
        }),
      reads: () => count,
    };
  };
  const settled = () => new Promise(resolve => setImmediate(resolve));

  test('is read by one for all who ask at the same time, and by a transaction for itself', async () => {
    const remembered = new Remembered<number>(1_000);
    const { read, waiting, reads } = aSource();
    const both = [remembered.of('a', at(0), false, read), remembered.of('a', at(1), false, read)];
    const own = remembered.of('a', at(2), true, read);
    expect(reads()).toBe(2);
    waiting.forEach(({ go }) => go());
    expect(await Promise.all(both)).toEqual([1, 1]);
    expect(await own).toBe(2);
  });

  test('is read anew while it is still used, and nobody waits for that', async () => {
    const remembered = new Remembered<number>(1_000);
    const { read, waiting, reads } = aSource();
    const first = remembered.of('a', at(0), false, read);
    waiting[0]?.go();
    expect(await first).toBe(1);
    expect(await remembered.of('a', at(699), false, read)).toBe(1);
    expect(reads()).toBe(1);
    expect(await remembered.of('a', at(951), true, read)).toBe(1);
    expect(reads()).toBe(1);
    expect(await remembered.of('a', at(951), false, read)).toBe(1);
    expect(await remembered.of('a', at(952), false, read)).toBe(1);
    expect(reads()).toBe(2);
    waiting[1]?.go();
    await settled();
    expect(await remembered.of('a', at(1_900), true, read)).toBe(2);
    expect(reads()).toBe(2);
  });

  test('is never older than a second, also when reading it anew takes long or fails', async () => {
    const remembered = new Remembered<number>(1_000);
    const { read, waiting, reads } = aSource();
    const first = remembered.of('a', at(0), false, read);
    waiting[0]?.go();
    await first;
    expect(await remembered.of('a', at(950), false, read)).toBe(1);
    const late = remembered.of('a', at(1_000), false, read);
    expect(reads()).toBe(3);
    waiting[2]?.go();
    expect(await late).toBe(3);
    // What was begun before comes to nothing: something newer is known.
    waiting[1]?.go();
    await settled();
    expect(await remembered.of('a', at(1_100), false, read)).toBe(3);

    expect(await remembered.of('a', at(1_950), false, read)).toBe(3);
    waiting[3]?.fail();
    await settled();
    expect(await remembered.of('a', at(1_999), false, read)).toBe(3);
    const anew = remembered.of('a', at(2_000), false, read);
    waiting[4]?.fail();
    await expect(anew).rejects.toThrow('no 5');
    const again = remembered.of('a', at(2_001), false, read);
    waiting[5]?.go();
    expect(await again).toBe(6);
  });
});

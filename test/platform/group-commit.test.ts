import { GroupCommit, inTurn } from '../../src/platform/index.js';

describe('a group commit', () => {
  /** Goes that wait to be let go. */
  const goes: { readonly asks: readonly string[]; readonly go: () => void }[] = [];
  const work = (asks: readonly string[]) =>
    new Promise<readonly string[]>((resolve, reject) => {
      const go = () => (asks.includes('bad') ? reject(new Error('bad')) : resolve(asks.map(ask => ask.toUpperCase())));
      goes.push({ asks, go });
    });
  const settled = () => new Promise(resolve => setImmediate(resolve));
  const asked = () => goes.map(({ asks }) => asks.join(' '));

  beforeEach(() => {
    goes.length = 0;
  });

  test('does together what is asked while it is busy, so many at most', async () => {
    const group = new GroupCommit(work, () => '', 2);
    const answers = ['a', 'b', 'c', 'd'].map(ask => group.do(ask));
    expect(asked()).toEqual(['a']);
    goes[0]?.go();
    await settled();
    expect(asked()).toEqual(['a', 'b c']);
    goes[1]?.go();
    await settled();
    expect(asked()).toEqual(['a', 'b c', 'd']);
    goes[2]?.go();
    expect(await Promise.all(answers)).toEqual(['A', 'B', 'C', 'D']);
  });

  test('tries each by itself when they fail together, and goes on', async () => {
    const group = new GroupCommit(work);
    const first = group.do('a');
    const [b, bad] = [group.do('b'), group.do('bad')];
    const refused = expect(bad).rejects.toThrow('bad');

    for (let place = 0; place < 4; place++) {
      goes[place]?.go();
      await settled();
    }

    expect(asked()).toEqual(['a', 'b bad', 'b', 'bad']);
    expect(await Promise.all([first, b])).toEqual(['A', 'B']);
    await refused;
    const next = group.do('c');
    goes[4]?.go();
    expect(await next).toBe('C');
  });

  test('lets lanes go at the same time, each one go after the other', async () => {
    const group = new GroupCommit(work, ask => ask.slice(0, 1));
    const answers = ['a1', 'b1', 'a2', 'b2', 'a3'].map(ask => group.do(ask));
    expect(asked()).toEqual(['a1', 'b1']);
    goes[1]?.go();
    await settled();
    expect(asked()).toEqual(['a1', 'b1', 'b2']);
    goes[0]?.go();
    await settled();
    expect(asked()).toEqual(['a1', 'b1', 'b2', 'a2 a3']);
    goes.slice(2).forEach(({ go }) => go());
    expect(await Promise.all(answers)).toEqual(['A1', 'B1', 'A2', 'B2', 'A3']);
    const lane = inTurn(2);
    expect([lane(), lane(), lane()]).toEqual(['0', '1', '0']);
  });
});

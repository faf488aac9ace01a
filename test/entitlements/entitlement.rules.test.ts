import fc from 'fast-check';
import {
  type EntitlementValue,
  entitlementValueJson,
  entitlementValueOf,
  FEATURE_KINDS,
  type FeatureKind,
  mayUse,
  readEntitlementValue,
} from '../../src/entitlements/entitlement-value.rules.js';
import {
  type EffectiveEntitlement,
  effectiveOf,
  type EntitlementFacts,
  type FeatureFacts,
  refuseFeature,
  TARGET_KINDS,
} from '../../src/entitlements/entitlement.rules.js';
import { decimal } from '../../src/money/index.js';

/** What was read, as JSON; or the refusals, as sentences with their paths. */
function read(kind: FeatureKind, json: unknown): unknown {
  const reading = readEntitlementValue(kind, json, ['value']);

  return 'refusals' in reading
    ? reading.refusals.map(({ field, message }) => `${field.join('.')}: ${message}`)
    : entitlementValueJson(reading.value);
}

describe('a value', () => {
  test.each<readonly [FeatureKind, unknown, unknown]>([
    ['BOOLEAN', { isOn: false }, { isOn: false }],
    ['CONFIG', { text: 'priority' }, { text: 'priority' }],
    ['CONFIG', { number: '12.50' }, { number: '12.5' }],
    ['CONFIG', { list: ['b', 'a'], text: null }, { list: ['b', 'a'] }],
    ['CONFIG', { list: [] }, { list: [] }],
    ['MODELS', {}, { allow: [], deny: [], regions: [] }],
    ['MODELS', { allow: ['*'], deny: ['gpt-6*', 'o9'] }, { allow: ['*'], deny: ['gpt-6*', 'o9'], regions: [] }],
    ['LIMIT', { amount: '0', per: null }, { amount: '0', per: null, mode: 'HARD', reset: 'CALENDAR', rollover: null }],
    [
      'LIMIT',
      { amount: '1000000.50', per: 'MONTH', mode: 'WARN', reset: 'BILLING', rollover: { most: '10.0' } },
      { amount: '1000000.5', per: 'MONTH', mode: 'WARN', reset: 'BILLING', rollover: { most: '10' } },
    ],
    ['RATE', { calls: 600, per: 'MINUTE' }, { calls: 600, per: 'MINUTE' }],
    ['CONCURRENCY', { most: 0 }, { most: 0 }],
  ])('of %s %j is read and written the same', (kind, json, written) => {
    expect(read(kind, json)).toEqual(written);
    expect(read(kind, written)).toEqual(written);
    expect(entitlementValueJson(entitlementValueOf(kind, written as object as Record<string, unknown>))).toEqual(
      written,
    );
  });

  test.each<readonly [FeatureKind, unknown, readonly string[]]>([
    ['BOOLEAN', {}, ['value.isOn: value.isOn must be true or false, not nothing']],
    ['BOOLEAN', { isOn: 'true' }, ['value.isOn: value.isOn must be true or false, not "true"']],
    [
      'BOOLEAN',
      true,
      [
        'value: value must be an object with isOn, not a boolean',
        'value.isOn: value.isOn must be true or false, not nothing',
      ],
    ],
    ['BOOLEAN', { isOn: true, ison: true }, ['value.ison: value.ison is not a member here: isOn are']],
    ['CONFIG', {}, ['value: value has exactly one of text, number and list']],
    ['CONFIG', { text: 'a', number: '1' }, ['value: value has exactly one of text, number and list']],
    ['CONFIG', { number: 1 }, ['value.number: value.number must be a decimal string, not a number']],
    ['CONFIG', { text: ' ' }, ['value.text: value.text has 1 to 1000 characters and no control characters']],
    ['CONFIG', { list: ['a\0'] }, ['value.list.0: value.list.0 has 1 to 1000 characters and no control characters']],
    [
      'MODELS',
      { allow: ['gpt-*-mini'], deny: [''], regions: 'eu' },
      [
        'value.allow.0: value.allow.0 has 1 to 128 characters, and a * only at its end, not "gpt-*-mini"',
        'value.deny.0: value.deny.0 has 1 to 128 characters, and a * only at its end, not ""',
        'value.regions: value.regions must be a list of up to 100',
      ],
    ],
    [
      'LIMIT',
      { amount: '-1' },
      [
        'value.per: value.per must be one of MINUTE, HOUR, DAY, WEEK, MONTH, or null for a limit that never starts anew',
        'value.amount: value.amount must be a decimal string from 0, not "-1"',
      ],
    ],
    [
      'LIMIT',
      { amount: '1', per: 'DAY', reset: 'BILLING' },
      ['value.reset: value.reset is BILLING only where per is MONTH'],
    ],
    [
      'LIMIT',
      { amount: '1', per: null, rollover: { most: '1' } },
      ['value.rollover: value.rollover must be left out where per is null: nothing follows'],
    ],
    [
      'LIMIT',
      { amount: '1', per: 'YEAR', mode: 'hard', rollover: {} },
      [
        'value.per: value.per must be one of MINUTE, HOUR, DAY, WEEK, MONTH, not "YEAR"',
        'value.mode: value.mode must be one of HARD, SOFT, WARN, not "hard"',
        'value.rollover.most: value.rollover.most must be a decimal string from 0, not nothing',
      ],
    ],
    [
      'RATE',
      { calls: 0, per: 'WEEK' },
      [
        'value.calls: value.calls must be a whole number from 1 to 1000000000',
        'value.per: value.per must be one of MINUTE, HOUR, DAY, not "WEEK"',
      ],
    ],
    ['RATE', { calls: 1.5, per: 'DAY' }, ['value.calls: value.calls must be a whole number from 1 to 1000000000']],
    ['CONCURRENCY', { most: -1 }, ['value.most: value.most must be a whole number from 0 to 1000000']],
    [
      'CONCURRENCY',
      [],
      [
        'value: value must be an object with most, not a list',
        'value.most: value.most must be a whole number from 0 to 1000000',
      ],
    ],
  ])('of %s %j is refused with its path', (kind, json, sentences) => {
    expect(read(kind, json)).toEqual(sentences);
  });

  test('of any kind is refused or read whatever it is, and never throws', () => {
    fc.assert(
      fc.property(fc.constantFrom(...FEATURE_KINDS), fc.jsonValue(), (kind, json) => {
        const reading = readEntitlementValue(kind, json, ['value']);

        return 'refusals' in reading
          ? reading.refusals.every(({ field }) => field[0] === 'value')
          : reading.value.kind === kind;
      }),
    );
  });
});

describe('a feature', () => {
  const draft = { key: 'sso', name: 'Single sign-on', kind: 'BOOLEAN' } as const;

  test.each(['a', 'tokens.per-day_2', 'a9', `a${'b'.repeat(62)}`])('may have the key %s', key => {
    expect(refuseFeature({ ...draft, key })).toEqual([]);
  });

  test.each([
    [{ key: '' }, 'key'],
    [{ key: 'Sso' }, 'key'],
    [{ key: '9a' }, 'key'],
    [{ key: 'a..b' }, 'key'],
    [{ key: 'a-' }, 'key'],
    [{ key: 'a\n' }, 'key'],
    [{ key: 'a'.repeat(64) }, 'key'],
    [{ name: ' ' }, 'name'],
    [{ name: 'a\0' }, 'name'],
    [{ meterId: 'mtr_x' }, 'meterId'],
    [{ meterId: '' }, 'meterId'],
    [{ kind: 'LIMIT' as const }, 'meterId'],
    [{ failMode: 'LAST_KNOWN' as const }, 'failCap'],
    [{ failMode: 'LAST_KNOWN' as const, failCap: '-1' }, 'failCap'],
    [{ failMode: 'OPEN' as const, failCap: '1' }, 'failCap'],
    [{ failCap: '1' }, 'failCap'],
  ])('is refused with %j', (over, field) => {
    expect(refuseFeature({ ...draft, ...over }).map(refusal => refusal.field)).toEqual([[field]]);
  });
});

describe('access to models', () => {
  const models = { allow: ['gpt-6*', 'claude-9'], deny: ['gpt-6-pro*'], regions: [] as string[] };

  test.each([
    ['gpt-6', true],
    ['gpt-6-mini', true],
    ['gpt-6-pro', false],
    ['gpt-6-pro-2026', false],
    ['claude-9', true],
    ['claude-9-1', false],
    ['gpt-5', false],
    [null, false],
  ])('to %s is %j: deny wins, and what is not allowed is not', (model, may) => {
    expect(mayUse(models, model, null)).toBe(may);
  });

  test('is none where nothing is allowed, and a star allows all but an unknown model', () => {
    expect(mayUse({ allow: [], deny: [], regions: [] }, 'gpt-6', 'eu')).toBe(false);
    expect(mayUse({ allow: ['*'], deny: [], regions: [] }, 'gpt-6', null)).toBe(true);
    expect(mayUse({ allow: ['*'], deny: [], regions: [] }, null, null)).toBe(false);
    expect(mayUse({ allow: ['*'], deny: ['*'], regions: [] }, 'gpt-6', null)).toBe(false);
  });

  test('is for the regions that are named, and not for one that is unknown', () => {
    const value = { ...models, regions: ['eu', 'us'] };
    expect(['eu', 'us', 'EU', 'apac', '', null].map(region => mayUse(value, 'gpt-6', region))).toEqual([
      true,
      true,
      false,
      false,
      false,
      false,
    ]);
  });

  const NAMES = ['a', 'ab', 'abc', 'b', 'ba'];
  const patterns = fc.array(fc.constantFrom(...NAMES, ...NAMES.map(name => `${name}*`), '*'), { maxLength: 4 });

  test('is what lists of all names say: a denied pattern only takes away, an allowed one only adds', () => {
    const fits = (pattern: string, model: string): boolean =>
      pattern.endsWith('*') ? model.startsWith(pattern.slice(0, -1)) : model === pattern;

    fc.assert(
      fc.property(patterns, patterns, fc.constantFrom(...NAMES, 'c'), (allow, deny, model) => {
        const may = mayUse({ allow, deny, regions: [] }, model, null);
        expect(may).toBe(allow.some(p => fits(p, model)) && deny.every(p => !fits(p, model)));
      }),
    );
  });
});

const DAY = 86_400_000;
const day = (number: number): Date => new Date(Date.UTC(2026, 10, 1) + number * DAY);
const on = (isOn: boolean): EntitlementValue => ({ kind: 'BOOLEAN', isOn });

const feature = (id: string): FeatureFacts => ({
  id,
  key: id.replace('fea_', ''),
  kind: 'BOOLEAN',
  meterId: null,
  failMode: { mode: 'LAST_KNOWN', cap: decimal('5') },
});

const entitlement = (
  targetKind: EntitlementFacts['targetKind'],
  from: number,
  value: EntitlementValue | null | 'INHERITS' = on(true),
  featureId = 'fea_a',
): EntitlementFacts => ({
  id: `ent_${featureId}_${targetKind}_${from}`,
  featureId,
  targetKind,
  targetId: `of_${targetKind}`,
  value: value === 'INHERITS' ? null : value,
  inherits: value === 'INHERITS',
  effectiveAt: day(from),
});

describe('what somebody has', () => {
  test('is nothing of a feature that nobody gave, and says when that changes', () => {
    const none = { featureId: 'fea_a', featureKey: 'a', kind: 'BOOLEAN', meterId: null, value: null, source: null };
    const { failMode } = feature('fea_a');
    expect(effectiveOf([feature('fea_a')], [], day(5))).toEqual([{ ...none, failMode, changesAt: null }]);
    expect(effectiveOf([feature('fea_a')], [entitlement('PLAN', 6), entitlement('TENANT', 7)], day(5))).toEqual([
      { ...none, failMode, changesAt: day(6) },
    ]);
    expect(effectiveOf([], [entitlement('PLAN', 1)], day(5))).toEqual([]);
  });

  test('begins in the very instant, and not a millisecond before', () => {
    const given = [entitlement('PLAN', 5)];
    expect(effectiveOf([feature('fea_a')], given, new Date(day(5).getTime() - 1))[0]).toMatchObject({
      value: null,
      changesAt: day(5),
    });
    expect(effectiveOf([feature('fea_a')], given, day(5))).toEqual([
      {
        featureId: 'fea_a',
        featureKey: 'a',
        kind: 'BOOLEAN',
        meterId: null,
        failMode: { mode: 'LAST_KNOWN', cap: decimal('5') },
        value: on(true),
        source: { kind: 'PLAN', id: 'of_PLAN', entitlementId: 'ent_fea_a_PLAN_5', effectiveAt: day(5) },
        changesAt: null,
      },
    ]);
  });

  test('is taken away by a narrower entitlement without a value, whatever the plan says later', () => {
    const given = [entitlement('PLAN', 1), entitlement('CONTRACT', 2, null), entitlement('PLAN', 9)];
    expect(effectiveOf([feature('fea_a')], given, day(5))[0]).toMatchObject({
      value: null,
      source: { kind: 'CONTRACT' },
      changesAt: null,
    });
  });

  test('is what the wider is given again from the instant on in which it is handed back', () => {
    const all = [
      entitlement('PLAN', 1, on(false)),
      entitlement('CONTRACT', 2),
      entitlement('TENANT', 3, null),
      entitlement('TENANT', 5, 'INHERITS'),
      entitlement('CONTRACT', 6, 'INHERITS'),
      // Handing back what is not one's own changes nothing, and is not told as a change.
      entitlement('TENANT', 7, 'INHERITS'),
      entitlement('TENANT', 8),
    ];
    const told = [2, 3, 4, 5, 6, 7, 8].map(at => {
      const [one] = effectiveOf([feature('fea_a')], all, day(at));

      return [one?.source?.kind, one?.value, one?.source?.effectiveAt, one?.changesAt];
    });
    expect(told).toEqual([
      ['CONTRACT', on(true), day(2), day(3)],
      ['TENANT', null, day(3), day(5)],
      ['TENANT', null, day(3), day(5)],
      // Since it counts again, and not since it was given.
      ['CONTRACT', on(true), day(5), day(6)],
      ['PLAN', on(false), day(6), day(8)],
      ['PLAN', on(false), day(6), day(8)],
      ['TENANT', on(true), day(8), null],
    ]);
    // Where nothing wider is given, there is nothing.
    expect(effectiveOf([feature('fea_a')], all.slice(2, 4), day(5))[0]).toMatchObject({ value: null, source: null });
  });

  const given = fc.uniqueArray(
    fc.record({
      targetKind: fc.constantFrom(...TARGET_KINDS),
      from: fc.integer({ min: 0, max: 9 }),
      featureId: fc.constantFrom('fea_a', 'fea_b', 'fea_c'),
      isOn: fc.oneof(fc.option(fc.boolean()), fc.constant('INHERITS' as const)),
    }),
    { selector: ({ targetKind, from, featureId }) => `${targetKind} ${from} ${featureId}`, maxLength: 20 },
  );
  const rows = given.map(all =>
    all.map(({ targetKind, from, featureId, isOn }) =>
      entitlement(targetKind, from, typeof isOn === 'boolean' ? on(isOn) : isOn, featureId),
    ),
  );
  const instants = fc.integer({ min: -1, max: 10 }).map(day);
  const FEATURES = ['fea_b', 'fea_c', 'fea_a'].map(feature);

  test('is the same in whatever order rows come', () => {
    const shuffled = rows.chain(all =>
      fc.tuple(
        fc.constant(all),
        fc.shuffledSubarray(all, { minLength: all.length }),
        fc.shuffledSubarray(FEATURES, { minLength: 3 }),
      ),
    );

    fc.assert(
      fc.property(shuffled, instants, ([all, other, features], at) => {
        expect(effectiveOf(features, other, at)).toEqual(effectiveOf(FEATURES, all, at));
      }),
    );
  });

  test('is for the tenant before the contract before the plan, and of each the latest', () => {
    fc.assert(
      fc.property(rows, instants, (all, at) => {
        const found = effectiveOf(FEATURES, all, at);
        expect(found.map(({ featureKey }) => featureKey)).toEqual(['a', 'b', 'c']);

        for (const { featureId, source, value } of found) {
          // Ten times as slow and plain: walk the kinds from the narrowest, and the days back from the instant.
          const expected = [...TARGET_KINDS]
            .reverse()
            .flatMap(kind =>
              Array.from({ length: 11 }, (_, n) => day(10 - n))
                .filter(from => from <= at)
                .flatMap(from =>
                  all.filter(
                    row =>
                      row.featureId === featureId &&
                      row.targetKind === kind &&
                      row.effectiveAt.getTime() === from.getTime(),
                  ),
                )
                .slice(0, 1),
            )
            .filter(({ inherits }) => !inherits)[0];
          expect([source?.entitlementId, value]).toEqual([expected?.id, expected?.value ?? null]);
        }
      }),
    );
  });

  test('stays as it is until it changes, and has another source from then on', () => {
    const sourceAt = (all: readonly EntitlementFacts[], one: EffectiveEntitlement, at: Date): string | undefined =>
      effectiveOf(FEATURES, all, at).find(({ featureId }) => featureId === one.featureId)?.source?.entitlementId;

    fc.assert(
      fc.property(rows, instants, (all, at) => {
        for (const one of effectiveOf(FEATURES, all, at)) {
          for (const later of Array.from({ length: 12 }, (_, n) => day(n)).filter(other => other > at)) {
            if (!one.changesAt || later < one.changesAt) {
              expect(sourceAt(all, one, later)).toBe(one.source?.entitlementId);
            }
          }

          if (one.changesAt) {
            expect(sourceAt(all, one, one.changesAt)).not.toBe(one.source?.entitlementId);
          }
        }
      }),
    );
  });
});

import { NAME } from '../catalog/meter.rules.js';
import { isAbsent } from '../pricing/fields.rules.js';
import {
  ATTRIBUTION_MODELS,
  type AttributionTerms,
  DEDUPE_SCOPES,
  type DedupeTerms,
  ENVIRONMENT_POLICIES,
  type EnvironmentTerms,
  EXCLUSIVE_CHOICES,
  type ExclusiveTerms,
  type Exclusion,
  type OutcomeTerms,
  PARTIES_NEEDED,
  type QualityTerms,
  SENDERS,
  type VerificationTerms,
  VERIFIERS,
} from './outcome-terms.rules.js';
import { BUILT_IN_REASONS } from './reason.rules.js';
import { NAME_RULE, type TermsReader } from './terms-reader.rules.js';

type Path = readonly string[];

const REASON = /^[A-Z][A-Z0-9_]{0,62}$/;
const MOST_ATTRIBUTES = 8;
const MOST_GROUP = 64;
const MOST_PRIORITY = 1_000_000;

/** Reads what a claim is not billed for. */
export function readExclusion(reader: TermsReader, json: unknown, field: Path): Exclusion {
  const given = reader.members(json, ['reason', 'filter', 'eventType', 'scope', 'withinHours'], field);
  const reason = reader.named(
    given['reason'],
    REASON,
    'begins with A-Z and has up to 63 characters out of A-Z, 0-9 and _',
    [...field, 'reason'],
  );
  const exclusion: Exclusion = {
    reason,
    filter: reader.filter(given['filter'], [...field, 'filter']),
    eventType: reader.eventTypeOrNull(given['eventType'], [...field, 'eventType']),
    scope: reader.oneOf(['SUBJECT', 'CUSTOMER'], given['scope'], [...field, 'scope'], 'SUBJECT'),
    withinHours: reader.hours(given['withinHours'], [...field, 'withinHours'], 0, 0),
  };

  if (!reader.isStored && BUILT_IN_REASONS.has(reason)) {
    reader.refuse([...field, 'reason'], `must not be ${reason}, which says something else already; choose another`);
  }

  if (exclusion.eventType === null && typeof (given['filter'] ?? '') === 'string' && exclusion.filter.trim() === '') {
    reader.refuse([...field, 'filter'], 'is missing: without one, and without eventType, every claim is excluded');
  }

  if (exclusion.eventType === null && exclusion.withinHours > 0) {
    reader.refuse([...field, 'withinHours'], 'is for another event: say of which eventType, or leave it out');
  }

  return exclusion;
}

/** Reads which claims are those of a test environment, and what becomes of them. */
export function readEnvironment(reader: TermsReader, json: unknown): EnvironmentTerms | null {
  const field = ['environment'];

  return reader.optional(json, ['filter', 'policy'], field, ({ filter, policy }) => ({
    filter: reader.filter(filter, [...field, 'filter']),
    policy: reader.oneOf(ENVIRONMENT_POLICIES, policy, [...field, 'policy']),
  }));
}

/** Reads who has to say that a claim is true. */
export function readVerification(reader: TermsReader, json: unknown): VerificationTerms | null {
  const field = ['verification'];
  const known = ['verifiers', 'parties', 'eventType', 'sentBy', 'expiresAfterHours'];

  return reader.optional(json, known, field, given => {
    const verifiers = reader.list(given['verifiers'], VERIFIERS.length, [...field, 'verifiers'], (item, path) =>
      reader.oneOf(VERIFIERS, item, path),
    );
    reader.refuseTwice(verifiers, [...field, 'verifiers']);

    if (verifiers.length === 0) {
      reader.refuse([...field, 'verifiers'], `must be a list of one or more of ${VERIFIERS.join(', ')}`);
    }

    return {
      verifiers,
      parties: reader.oneOf(PARTIES_NEEDED, given['parties'], [...field, 'parties'], 'ANY'),
      eventType: reader.eventTypeOrNull(given['eventType'], [...field, 'eventType']),
      sentBy: reader.oneOf(SENDERS, given['sentBy'], [...field, 'sentBy'], 'ANY'),
      expiresAfterHours: reader.hours(given['expiresAfterHours'], [...field, 'expiresAfterHours'], 1),
    };
  });
}

/** Reads how good an outcome has to be. */
export function readQuality(reader: TermsReader, json: unknown): QualityTerms | null {
  const field = ['quality'];

  return reader.optional(json, ['property', 'minimum', 'whenMissing', 'eventType'], field, given => ({
    property: reader.path(given['property'], [...field, 'property']),
    minimum: reader.decimal(given['minimum'], [...field, 'minimum']),
    whenMissing: reader.oneOf(['ACCEPT', 'REJECT'], given['whenMissing'], [...field, 'whenMissing']),
    eventType: reader.eventTypeOrNull(given['eventType'], [...field, 'eventType']),
  }));
}

/** Reads whose work an outcome was. */
export function readAttribution(reader: TermsReader, json: unknown): AttributionTerms | null {
  const field = ['attribution'];
  const known = ['touch', 'windowHours', 'model', 'agentProperty', 'shareProperty'];

  return reader.optional(json, known, field, given => {
    const model = reader.oneOf(ATTRIBUTION_MODELS, given['model'], [...field, 'model']);
    const shareProperty = reader.pathOrNull(given['shareProperty'], [...field, 'shareProperty']);

    if (shareProperty !== null && model !== 'SPLIT') {
      reader.refuse([...field, 'shareProperty'], `must be left out: ${model} gives all to one agent`);
    }

    return {
      touch: reader.clause(given['touch'], [...field, 'touch']),
      windowHours: reader.hours(given['windowHours'], [...field, 'windowHours']),
      model,
      agentProperty: reader.path(given['agentProperty'], [...field, 'agentProperty']),
      shareProperty,
    };
  });
}

/** Reads what counts once: nothing, where it was left out. */
export function readDedupe(reader: TermsReader, json: unknown): DedupeTerms {
  const { scope, windowHours } = isAbsent(json) ? {} : reader.members(json, ['scope', 'windowHours'], ['dedupe']);

  return {
    scope: reader.oneOf(DEDUPE_SCOPES, scope, ['dedupe', 'scope'], 'NONE'),
    windowHours: isAbsent(windowHours) ? null : reader.hours(windowHours, ['dedupe', 'windowHours'], 1),
  };
}

/** Reads which other outcomes of a subject an outcome excludes. */
export function readExclusive(reader: TermsReader, json: unknown): ExclusiveTerms | null {
  const field = ['exclusive'];

  return reader.optional(json, ['group', 'choice', 'priority'], field, given => ({
    group: reader.text(given['group'], MOST_GROUP, [...field, 'group']),
    choice: reader.oneOf(EXCLUSIVE_CHOICES, given['choice'], [...field, 'choice']),
    priority: reader.whole(given['priority'], [0, MOST_PRIORITY], [...field, 'priority'], 0),
  }));
}

/** Reads the properties that prices may depend on. */
export function readAttributes(reader: TermsReader, json: unknown): OutcomeTerms['attributes'] {
  return reader.list(json, MOST_ATTRIBUTES, ['attributes'], (item, field) => {
    const { name, property } = reader.members(item, ['name', 'property'], field);

    return {
      name: reader.named(name, NAME, NAME_RULE, [...field, 'name']),
      property: reader.path(property, [...field, 'property']),
    };
  });
}

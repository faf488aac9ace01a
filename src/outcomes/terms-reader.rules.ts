import { EVENT_TYPE, isCleanText, pathFault } from '../catalog/meter.rules.js';
import { type Decimal, type FieldRefusal, isCurrency, ONE, parseDecimal, ZERO } from '../money/index.js';
import { type Fields, isAbsent, isRecord, shown } from '../pricing/fields.rules.js';
import type { EventClause } from './outcome-terms.rules.js';

/** The path of a member, outermost first. */
type Path = readonly string[];

/** What rules and attributes are called, to be said of one. */
export const NAME_RULE = 'begins with a-z and has up to 63 characters out of a-z, 0-9 and _';

const MOST_HOURS = 8_760;
const MOST_ATTRIBUTE_VALUE = 128;

/**
 * Reads the members of JSON one by one and collects a refusal for each that cannot be. In place of one that is refused
 * it gives something harmless, so that reading goes on and finds the others. `null` counts as left out.
 */
export class TermsReader {
  readonly refusals: FieldRefusal[] = [];

  /** `isStored`: the terms were accepted before, maybe when less was refused. */
  constructor(readonly isStored = false) {}

  /** Refuses a member: `fault` continues the sentence that its path begins. */
  refuse(field: Path, fault: string): void {
    this.refusals.push({ field, message: field.length > 0 ? `${field.join('.')} ${fault}` : `terms ${fault}` });
  }

  /** The members of an object; none of them when it is none. One that is not known is refused, for it may be misspelled. */
  members(json: unknown, known: readonly string[], field: Path): Fields {
    if (!isRecord(json)) {
      this.refuse(field, `must be an object with ${known.join(', ')}, not ${shown(json)}`);

      return {};
    }

    for (const name of Object.keys(json)) {
      if (!known.includes(name) && !isAbsent(json[name])) {
        this.refuse([...field, name.slice(0, 60)], `is not a member here: ${known.join(', ')} are`);
      }
    }

    return json;
  }

  /** What `read` makes of an object; null when it was left out, or is none. */
  optional<T>(json: unknown, known: readonly string[], field: Path, read: (fields: Fields) => T): T | null {
    if (isAbsent(json)) {
      return null;
    }

    const fields = this.members(json, known, field);

    return isRecord(json) ? read(fields) : null;
  }

  /** The items of a list; none when it was left out. */
  list<T>(json: unknown, most: number, field: Path, read: (item: unknown, field: Path) => T): readonly T[] {
    if (isAbsent(json)) {
      return [];
    }

    if (!Array.isArray(json) || json.length > most) {
      this.refuse(field, `must be a list of up to ${most}`);

      return [];
    }

    return (json as readonly unknown[]).map((item, index) => read(item, [...field, String(index)]));
  }

  /** Refuses an item that is there twice. */
  refuseTwice(texts: readonly string[], field: Path, ...member: string[]): void {
    for (const [index, text] of texts.entries()) {
      if (texts.indexOf(text) < index) {
        this.refuse([...field, String(index), ...member], `is there twice: ${shown(text)}`);
      }
    }
  }

  /** One of some names; `otherwise` when it was left out, where there is such. */
  oneOf<T extends string>(names: readonly [T, ...T[]], json: unknown, field: Path, otherwise?: T): T {
    const found = names.find(name => name === (json ?? otherwise));

    if (!found) {
      this.refuse(field, `must be one of ${names.join(', ')}, not ${shown(json)}`);
    }

    return found ?? names[0];
  }

  flag(json: unknown, field: Path): boolean {
    if (!isAbsent(json) && typeof json !== 'boolean') {
      this.refuse(field, `must be true or false, not ${shown(json)}`);
    }

    return json === true;
  }

  /** A whole number; `otherwise` when it was left out, where there is such. */
  whole(json: unknown, [least, most]: readonly [number, number], field: Path, otherwise?: number): number {
    const given = json ?? otherwise;

    if (typeof given === 'number' && Number.isInteger(given) && given >= least && given <= most) {
      return given;
    }

    this.refuse(field, `must be a whole number from ${least} to ${most}`);

    return least;
  }

  /** Hours, up to those of a year. */
  hours(json: unknown, field: Path, least = 0, otherwise?: number): number {
    return this.whole(json, [least, MOST_HOURS], field, otherwise);
  }

  /** A decimal string above zero. */
  positive(json: unknown, field: Path): Decimal {
    const value = parseDecimal(json);

    if (value?.gt(ZERO)) {
      return value;
    }

    this.refuse(field, `must be a decimal string above 0, not ${shown(json)}`);

    return ONE;
  }

  /** A decimal string within bounds, where there are such. */
  decimal(json: unknown, field: Path, least: Decimal | null = null, most: Decimal | null = null): Decimal {
    const value = parseDecimal(json);

    if (value && !(least && value.lt(least)) && !(most && value.gt(most))) {
      return value;
    }

    const range = `${least ? ` from ${least.toString()}` : ''}${most ? ` to ${most.toString()}` : ''}`;
    this.refuse(field, `must be a decimal string${range}, not ${shown(json)}`);

    return least ?? ZERO;
  }

  /** An amount above zero in some currency. */
  amount(json: unknown, field: Path): { readonly amount: Decimal; readonly currency: string } {
    const fields = this.members(json, ['amount', 'currency'], field);

    return {
      amount: this.positive(fields['amount'], [...field, 'amount']),
      currency: this.currency(fields['currency'], [...field, 'currency']),
    };
  }

  currency(json: unknown, field: Path): string {
    if (typeof json === 'string' && isCurrency(json)) {
      return json;
    }

    this.refuse(field, `must be an ISO 4217 currency in use, not ${shown(json)}`);

    return '';
  }

  /** A name for people: not blank, no control characters. */
  text(json: unknown, most: number, field: Path): string {
    if (typeof json === 'string' && json.trim().length > 0 && json.length <= most && isCleanText(json)) {
      return json;
    }

    this.refuse(field, `has 1 to ${most} characters and no control characters`);

    return '';
  }

  /** A text of a fixed form. */
  named(json: unknown, form: RegExp, rule: string, field: Path): string {
    if (typeof json === 'string' && form.test(json)) {
      return json;
    }

    this.refuse(field, `${rule}, not ${shown(json)}`);

    return '';
  }

  /** The path of a property of events. */
  path(json: unknown, field: Path): string {
    const fault = typeof json === 'string' ? pathFault(json) : 'the path of a property is a text';

    if (fault !== null) {
      this.refuse(field, `is ${shown(json)}: ${fault}`);
    }

    return typeof json === 'string' ? json : '';
  }

  pathOrNull(json: unknown, field: Path): string | null {
    return isAbsent(json) ? null : this.path(json, field);
  }

  eventType(json: unknown, field: Path): string {
    return this.named(json, EVENT_TYPE, 'has 1 to 128 characters out of A-Z a-z 0-9 . _ : / -', field);
  }

  eventTypeOrNull(json: unknown, field: Path): string | null {
    return isAbsent(json) ? null : this.eventType(json, field);
  }

  /** The text of a filter; empty when it was left out. Whether it compiles is not looked at here. */
  filter(json: unknown, field: Path): string {
    if (!isAbsent(json) && typeof json !== 'string') {
      this.refuse(field, `must be a CEL expression, not ${shown(json)}`);
    }

    return typeof json === 'string' ? json : '';
  }

  clause(json: unknown, field: Path): EventClause {
    const fields = this.members(json, ['eventType', 'filter'], field);

    return {
      eventType: this.eventType(fields['eventType'], [...field, 'eventType']),
      filter: this.filter(fields['filter'], [...field, 'filter']),
    };
  }

  clauseOrNull(json: unknown, field: Path): EventClause | null {
    return isAbsent(json) ? null : this.clause(json, field);
  }

  /** Which outcomes something is for: attribute → value, or the beginning of one followed by a star. */
  pattern(json: unknown, attributes: readonly string[], field: Path): Readonly<Record<string, string>> {
    if (!isAbsent(json) && !isRecord(json)) {
      this.refuse(field, `must be an object of attributes and their values, not ${shown(json)}`);
    }

    const entries = isRecord(json) ? Object.entries(json) : [];

    return Object.fromEntries(
      entries.map(([name, value]) => {
        if (!attributes.includes(name)) {
          this.refuse(field, `names ${shown(name)}, which is none of the attributes of these terms`);
        }

        if (!isPatternValue(value)) {
          const form = `has 1 to ${MOST_ATTRIBUTE_VALUE} characters, and a * only at its end`;
          this.refuse(field, `has for ${shown(name)} ${shown(value)}; a value ${form}`);
        }

        return [name, typeof value === 'string' ? value : ''];
      }),
    );
  }
}

function isPatternValue(value: unknown): boolean {
  return (
    typeof value === 'string' &&
    value.length >= 1 &&
    value.length <= MOST_ATTRIBUTE_VALUE &&
    isCleanText(value) &&
    !value.slice(0, -1).includes('*')
  );
}

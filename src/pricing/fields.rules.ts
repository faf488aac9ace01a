/** The members of a JSON object, none of them read yet. */
export type Fields = Readonly<Record<string, unknown>>;

/** True for an object with members, as JSON has them: no list and no null. */
export function isRecord(json: unknown): json is Fields {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}

/** Whether a field was left out; null counts as left out. */
export function isAbsent(json: unknown): boolean {
  return json === undefined || json === null;
}

/** What was given, short enough for a sentence. */
export function shown(json: unknown): string {
  if (typeof json === 'string') {
    return JSON.stringify(json.slice(0, 40));
  }

  return isAbsent(json) ? 'nothing' : `a ${Array.isArray(json) ? 'list' : typeof json}`;
}

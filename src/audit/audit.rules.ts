/** One line of a tenant's audit chain, before it is sealed. Times are ISO 8601 in UTC with milliseconds. */
export interface AuditLine {
  readonly tenantId: string;
  readonly seq: string;
  readonly at: string;
  readonly actorKind: string;
  readonly actorId: string;
  readonly action: string;
  readonly subjectId: string;
  readonly before: unknown;
  readonly after: unknown;
  readonly requestId: string;
  readonly previousHash: string;
}

export interface SealedAuditLine extends AuditLine {
  readonly hash: string;
}

/** The hash before the first line. */
export const GENESIS = '0'.repeat(64);

export interface Break {
  readonly seq: string;
  readonly reason: string;
}

/**
 * The first place where a stretch of a chain is broken, or null. `previous` is the last good line before the stretch
 * (null at the start); `hashOf` seals a line (SHA-256 over its canonical JSON).
 */
export function firstBreak(
  previous: { readonly seq: string; readonly hash: string } | null,
  lines: readonly SealedAuditLine[],
  hashOf: (line: AuditLine) => string,
): Break | null {
  let seq = previous ? BigInt(previous.seq) : 0n;
  let hash = previous?.hash ?? GENESIS;

  for (const line of lines) {
    if (BigInt(line.seq) !== seq + 1n) {
      return { seq: line.seq, reason: `line ${(seq + 1n).toString()} is missing before it` };
    }

    if (line.previousHash !== hash) {
      return { seq: line.seq, reason: 'it does not follow from the line before it' };
    }

    if (hashOf(line) !== line.hash) {
      return { seq: line.seq, reason: 'its content is not what was sealed' };
    }

    seq += 1n;
    hash = line.hash;
  }

  return null;
}

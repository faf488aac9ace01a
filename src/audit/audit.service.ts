import { createHash } from 'node:crypto';
import { canonicalJson, page, query, type PageArguments, type Scope } from '../platform/index.js';
import { firstBreak, GENESIS, type AuditLine, type Break, type SealedAuditLine } from './audit.rules.js';

/** What a change did, as the caller of {@link record} tells it. Secrets are never given. */
export interface Change {
  /** `noun.verb_past`, such as `invoice.issued`. */
  readonly action: string;
  readonly subjectId: string;
  readonly before?: unknown;
  readonly after?: unknown;
}

/** Seals a line: SHA-256, in hex, over the canonical JSON of everything in it. */
function auditHash(line: AuditLine): string {
  const { tenantId, seq, at, actorKind, actorId, action, subjectId, before, after, requestId, previousHash } = line;

  return createHash('sha256')
    .update(
      canonicalJson({
        tenantId,
        seq,
        at,
        actorKind,
        actorId,
        action,
        subjectId,
        before,
        after,
        requestId,
        previousHash,
      }),
    )
    .digest('hex');
}

/**
 * Appends one line to the tenant's chain in the caller's transaction. Locks the tenant's chain head until the commit,
 * and so comes last in the order of locks.
 */
export async function record(tx: Scope, change: Change): Promise<void> {
  await tx.em.flush();
  await query(tx, `insert into audit_head (tenant_id, seq, hash) values ($1, 0, $2) on conflict do nothing`, [
    tx.tenantId,
    GENESIS,
  ]);
  const [head] = await query<{ seq: string; hash: string }>(
    tx,
    'select seq::text, hash from audit_head where tenant_id = $1 for update',
    [tx.tenantId],
  );

  if (!head) {
    throw new Error(`audit chain of ${tx.tenantId} has no head`);
  }

  const line: AuditLine = {
    tenantId: tx.tenantId,
    seq: (BigInt(head.seq) + 1n).toString(),
    at: tx.now.toISOString(),
    actorKind: tx.actor.kind,
    actorId: tx.actor.id,
    action: change.action,
    subjectId: change.subjectId,
    before: plain(change.before),
    after: plain(change.after),
    requestId: tx.requestId,
    previousHash: head.hash,
  };
  const hash = auditHash(line);
  await query(
    tx,
    `insert into audit_line (tenant_id, seq, at, actor_kind, actor_id, action, subject_id, before, after, request_id, previous_hash, hash)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
    [
      line.tenantId,
      line.seq,
      line.at,
      line.actorKind,
      line.actorId,
      line.action,
      line.subjectId,
      line.before === null ? null : JSON.stringify(line.before),
      line.after === null ? null : JSON.stringify(line.after),
      line.requestId,
      line.previousHash,
      hash,
    ],
  );
  await query(tx, 'update audit_head set seq = $2, hash = $3 where tenant_id = $1', [tx.tenantId, line.seq, hash]);
}

interface AuditRow {
  readonly tenant_id: string;
  readonly seq: string;
  readonly at: Date;
  readonly actor_kind: string;
  readonly actor_id: string;
  readonly action: string;
  readonly subject_id: string;
  readonly before: unknown;
  readonly after: unknown;
  readonly request_id: string;
  readonly previous_hash: string;
  readonly hash: string;
}

/** Lines of the tenant, newest first: up to `first` + 1 of them. */
export async function auditLines(tx: Scope, args: PageArguments): Promise<SealedAuditLine[]> {
  const { limit, after } = page(args);
  const before = after !== null && /^\d{1,18}$/.test(after) ? after : null;
  const rows = await query<AuditRow>(
    tx,
    `select * from audit_line where tenant_id = $1 and ($2::bigint is null or seq < $2) order by seq desc limit $3`,
    [tx.tenantId, before, limit],
  );

  return rows.map(lineOf);
}

const STRETCH = 1_000;

/**
 * Recomputes the tenant's whole chain and compares it with its head. Returns how many lines were read and the first
 * broken one, if any: altered, missing, reordered, or cut off at the end.
 */
export async function verifyChain(tx: Scope): Promise<{ lines: number; broken: Break | null }> {
  // The head first: what is appended from now on is beyond it and left for the next time.
  const [head = { seq: '0', hash: GENESIS }] = await query<{ seq: string; hash: string }>(
    tx,
    'select seq::text, hash from audit_head where tenant_id = $1',
    [tx.tenantId],
  );
  let previous: SealedAuditLine | null = null;
  let lines = 0;

  for (;;) {
    const rows: AuditRow[] = await query<AuditRow>(
      tx,
      'select * from audit_line where tenant_id = $1 and seq > $2 and seq <= $3 order by seq limit $4',
      [tx.tenantId, previous?.seq ?? '0', head.seq, STRETCH],
    );
    const stretch: SealedAuditLine[] = rows.map(lineOf);
    const broken = firstBreak(previous, stretch, auditHash);

    if (broken) {
      return { lines, broken };
    }

    lines += stretch.length;
    previous = stretch.at(-1) ?? previous;

    if (stretch.length < STRETCH) {
      break;
    }
  }

  const end = { seq: previous?.seq ?? '0', hash: previous?.hash ?? GENESIS };
  const beyond = await linesBeyond(tx, head.seq);

  if (head.seq !== end.seq || head.hash !== end.hash || beyond) {
    const missing = (BigInt(end.seq) + 1n).toString();
    const last = beyond ?? end.seq;

    return {
      lines,
      broken: { seq: missing, reason: `the chain's head is at line ${head.seq} and the last line is ${last}` },
    };
  }

  return { lines, broken: null };
}

/** The last line beyond a head that has not moved since: one that was planted. Null when there is none. */
async function linesBeyond(tx: Scope, seq: string): Promise<string | null> {
  const [row] = await query<{ seq: string | null }>(
    tx,
    `select max(l.seq)::text as seq from audit_line l left join audit_head h on h.tenant_id = l.tenant_id
     where l.tenant_id = $1 and l.seq > coalesce(h.seq, 0) and l.seq > $2`,
    [tx.tenantId, seq],
  );

  return row?.seq ?? null;
}

function lineOf(row: AuditRow): SealedAuditLine {
  return {
    tenantId: row.tenant_id,
    seq: String(row.seq),
    at: row.at.toISOString(),
    actorKind: row.actor_kind,
    actorId: row.actor_id,
    action: row.action,
    subjectId: row.subject_id,
    before: row.before,
    after: row.after,
    requestId: row.request_id,
    previousHash: row.previous_hash,
    hash: row.hash,
  };
}

/** What JSON keeps of a value, so that what is hashed is what is read back. */
function plain(value: unknown): unknown {
  return value === undefined || value === null ? null : (JSON.parse(JSON.stringify(value)) as unknown);
}

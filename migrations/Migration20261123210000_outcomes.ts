import { Migration } from '@mikro-orm/migrations';
import { relayMay, tenantTable } from './tenant-table.js';

/** Outcome rules; the facts, verdicts, transitions and receipts of outcomes; disputes, sample audits, anomalies. */
export class Migration20261123210000_outcomes extends Migration {
  override up(): void {
    // An outcome may stand for usage that is counted: the events of such a meter are kept one by one too.
    this.addSql(`alter table meter
      drop constraint meter_kept_events_are_added,
      add constraint meter_kept_events_are_added
        check (not keeps_events or aggregation in ('SUM', 'COUNT', 'TIME_WEIGHTED'))`);
    this.#rules();
    this.#facts();
    this.#outcomes();
    this.#receipts();
    this.#reviews();
  }

  /** Of the seller. */
  #rules(): void {
    this.addSql(`create table outcome_rule (
      tenant_id text not null,
      id text not null,
      price_book_id text not null,
      key text not null,
      name text not null,
      created_at timestamptz not null,
      primary key (tenant_id, id),
      constraint outcome_rule_key_is_unique unique (tenant_id, price_book_id, key),
      foreign key (tenant_id, price_book_id) references price_book (tenant_id, id)
    )`);
    this.addSql(`create table outcome_rule_version (
      tenant_id text not null,
      id text not null,
      rule_id text not null,
      number integer not null,
      status text not null check (status in ('DRAFT', 'PUBLISHED', 'WITHDRAWN')),
      effective_at timestamptz,
      published_at timestamptz,
      withdrawn_at timestamptz,
      terms jsonb not null,
      created_at timestamptz not null,
      primary key (tenant_id, id),
      constraint outcome_rule_version_number_is_unique unique (tenant_id, rule_id, number),
      constraint outcome_rule_version_published_has_instant check (
        (status = 'DRAFT') = (effective_at is null) and (status = 'DRAFT') = (published_at is null)
        and (status = 'WITHDRAWN') = (withdrawn_at is not null)),
      foreign key (tenant_id, rule_id) references outcome_rule (tenant_id, id)
    )`);
    this.addSql(
      "create unique index outcome_rule_version_one_at_an_instant on outcome_rule_version (tenant_id, rule_id, effective_at) where status = 'PUBLISHED'",
    );
    this.addSql(`create function outcome_rule_version_moves_forward() returns trigger language plpgsql as $$
      begin
        if old.status = 'WITHDRAWN' or (old.status = 'PUBLISHED' and new.status = 'DRAFT')
           or (new.tenant_id, new.id, new.rule_id, new.number, new.terms, new.created_at)
              is distinct from (old.tenant_id, old.id, old.rule_id, old.number, old.terms, old.created_at)
           or (old.status <> 'DRAFT' and (new.effective_at, new.published_at)
               is distinct from (old.effective_at, old.published_at)) then
          raise exception 'a published version is never changed' using errcode = 'integrity_constraint_violation';
        end if;
        return new;
      end $$`);
    this.addSql(
      'create trigger outcome_rule_version_moves_forward before update on outcome_rule_version for each row execute function outcome_rule_version_moves_forward()',
    );

    this.#guard([
      ...tenantTable('outcome_rule', 'select, insert'),
      ...tenantTable(
        'outcome_rule_version',
        'select, insert, update (status, effective_at, published_at, withdrawn_at)',
      ),
    ]);
  }

  /** Of the tenant whose outcomes they are, like everything below. */
  #facts(): void {
    // What was accepted and not judged yet: one row for each batch, so that accepting costs next to nothing.
    this.addSql(`create table outcome_intake (
      tenant_id text not null,
      seq bigint generated always as identity,
      ids text[] not null,
      sources text[] not null,
      key_id text not null,
      party text not null check (party in ('BUYER', 'SELLER')),
      accepted_at timestamptz not null,
      primary key (tenant_id, seq)
    )`);
    this.addSql(`create table outcome_event (
      tenant_id text not null,
      id text not null,
      source text not null,
      type text not null,
      time timestamptz not null,
      subject text,
      customer text,
      key_id text not null,
      party text not null check (party in ('BUYER', 'SELLER')),
      primary key (tenant_id, id, source)
    )`);
    this.addSql(
      'create index outcome_event_by_subject on outcome_event (tenant_id, subject) where subject is not null',
    );
    this.addSql(
      'create index outcome_event_by_customer on outcome_event (tenant_id, customer) where customer is not null',
    );
    this.addSql('create index outcome_event_by_time on outcome_event using brin (time) with (pages_per_range = 32)');
    // A customer may be named later than the event came in: by the first rule that says where events name theirs.
    this.addSql(`create function outcome_event_is_final() returns trigger language plpgsql as $$
      begin
        if tg_op = 'DELETE' or old.customer is not null or new.customer is null
           or (new.tenant_id, new.id, new.source, new.type, new.time, new.subject, new.key_id, new.party)
              is distinct from (old.tenant_id, old.id, old.source, old.type, old.time, old.subject, old.key_id, old.party) then
          raise exception 'outcome_event rows are never changed or deleted' using errcode = 'integrity_constraint_violation';
        end if;
        return new;
      end $$`);
    this.addSql(
      'create trigger outcome_event_is_final before update or delete on outcome_event for each row execute function outcome_event_is_final()',
    );
    this.addSql(`create table outcome_act (
      tenant_id text not null,
      id text not null,
      outcome_id text not null,
      kind text not null check (kind in ('VERIFICATION', 'REVERSAL', 'DISPUTE', 'DECISION')),
      dispute_id text check ((dispute_id is not null) = (kind in ('DISPUTE', 'DECISION'))),
      at timestamptz not null,
      body jsonb not null,
      reason text,
      key_id text not null,
      party text not null check (party in ('BUYER', 'SELLER')),
      created_at timestamptz not null,
      primary key (tenant_id, id)
    )`);
    this.addSql('create index outcome_act_by_outcome on outcome_act (tenant_id, outcome_id)');
    this.addSql(
      'create unique index outcome_act_once_in_a_dispute on outcome_act (tenant_id, dispute_id, outcome_id, kind) where dispute_id is not null',
    );
    this.addSql(
      'create trigger outcome_act_is_final before update or delete on outcome_act for each row execute function refuse_change()',
    );

    this.#guard([
      ...tenantTable('outcome_intake', 'select, insert, delete'),
      ...relayMay('outcome_intake', ['select (tenant_id, seq, accepted_at)']),
      ...tenantTable('outcome_event', 'select, insert, update (customer)'),
      ...tenantTable('outcome_act', 'select, insert'),
    ]);
  }

  #outcomes(): void {
    this.addSql(`create table outcome (
      tenant_id text not null,
      id text not null,
      rule_id text not null,
      version_id text not null,
      version_number integer not null,
      contract_id text not null,
      currency text not null,
      event_id text not null,
      source text not null,
      subject text,
      customer text,
      started_at timestamptz not null,
      occurred_at timestamptz not null,
      verified_at timestamptz,
      matures_at timestamptz not null,
      period_at timestamptz not null,
      due_at timestamptz,
      judged_state text not null check (judged_state in
        ('CLAIMED', 'VERIFIED', 'MATURED', 'REJECTED', 'EXPIRED', 'REVERSED', 'DISPUTED')),
      judged_reason text,
      instead text,
      -- Set by rating: what a cap made of it.
      cap text check (cap in ('HARD', 'FREE')),
      -- Set when it is on an issued invoice.
      billed_at timestamptz,
      state text not null generated always as (case
        when judged_state <> 'MATURED' then judged_state
        when cap = 'HARD' then 'REJECTED'
        when billed_at is not null then 'BILLED'
        else judged_state end) stored,
      reason text generated always as (case
        when judged_state = 'MATURED' and cap is not null then 'CAP_EXHAUSTED' else judged_reason end) stored,
      is_live boolean not null,
      dedupe_key text,
      dedupe_until timestamptz,
      is_free boolean not null,
      units numeric not null,
      value numeric,
      reimbursement numeric not null check (reimbursement >= 0),
      attributes text not null,
      agents jsonb not null,
      fact_ids text[] not null,
      n integer not null,
      created_at timestamptz not null,
      changed_at timestamptz not null,
      primary key (tenant_id, id),
      constraint outcome_once_per_claim unique (tenant_id, rule_id, event_id, source),
      constraint outcome_waits_for_an_instant check (judged_state not in ('VERIFIED', 'DISPUTED') or due_at is not null)
    ) with (fillfactor = 70)`);
    // At most one live outcome for what counts once, at every instant.
    this.addSql(
      'create unique index outcome_one_live on outcome (tenant_id, rule_id, dedupe_key) where is_live and dedupe_until is null and dedupe_key is not null',
    );
    this.addSql(`alter table outcome add constraint outcome_one_live_in_a_window exclude using gist
      (tenant_id with =, rule_id with =, dedupe_key with =, tstzrange(occurred_at, dedupe_until) with &&)
      where (is_live and dedupe_until is not null and dedupe_key is not null)`);
    this.addSql('create index outcome_by_subject on outcome (tenant_id, subject) where subject is not null');
    this.addSql('create index outcome_by_customer on outcome (tenant_id, customer) where customer is not null');
    this.addSql('create index outcome_by_state on outcome (tenant_id, state, id)');
    this.addSql('create index outcome_due on outcome (tenant_id, due_at) where due_at is not null');
    this.addSql(
      "create index outcome_to_charge on outcome (tenant_id, contract_id, period_at) where judged_state = 'MATURED' or reimbursement > 0",
    );
    this.addSql(`create table outcome_transition (
      tenant_id text not null,
      outcome_id text not null,
      n integer not null,
      from_state text,
      to_state text not null,
      reason text,
      -- The audit line of the batch that it belongs to names this.
      batch text not null,
      at timestamptz not null,
      primary key (tenant_id, outcome_id, n)
    )`);
    this.addSql(
      'create trigger outcome_transition_is_final before update or delete on outcome_transition for each row execute function refuse_change()',
    );

    this.#guard([
      ...tenantTable('outcome', 'select, insert, update'),
      ...relayMay('outcome', ['select (tenant_id, id, due_at)']),
      ...tenantTable('outcome_transition', 'select, insert'),
    ]);
  }

  #receipts(): void {
    this.addSql(`create table outcome_receipt (
      tenant_id text not null,
      id text not null,
      charge_id text not null,
      position integer not null,
      -- Null for what a line holds beside outcomes: a true-up, what a sample audit takes off.
      outcome_id text,
      invoice_id text not null,
      amount numeric not null,
      -- Canonical JSON of everything the receipt says; \`hash\` is its SHA-256.
      body text not null,
      hash text not null,
      sealed_at timestamptz not null,
      primary key (tenant_id, id),
      constraint outcome_receipt_place_is_unique unique (tenant_id, charge_id, position)
    )`);
    this.addSql(
      'create index outcome_receipt_by_outcome on outcome_receipt (tenant_id, outcome_id) where outcome_id is not null',
    );
    this.addSql(
      'create index outcome_receipt_by_invoice on outcome_receipt (tenant_id, invoice_id, charge_id, position)',
    );
    this.addSql(
      'create trigger outcome_receipt_is_final before update or delete on outcome_receipt for each row execute function refuse_change()',
    );
    this.addSql(`create table outcome_seal (
      tenant_id text not null,
      charge_id text not null,
      invoice_id text not null,
      receipts integer not null,
      amount numeric not null,
      -- SHA-256 over the hashes of the receipts in their order.
      hash text not null,
      sealed_at timestamptz not null,
      primary key (tenant_id, charge_id)
    )`);
    this.addSql(
      'create trigger outcome_seal_is_final before update or delete on outcome_seal for each row execute function refuse_change()',
    );

    this.#guard([
      ...tenantTable('outcome_receipt', 'select, insert'),
      ...tenantTable('outcome_seal', 'select, insert'),
    ]);
  }

  #reviews(): void {
    this.addSql(`create table outcome_dispute (
      tenant_id text not null,
      id text not null,
      reason text not null,
      evidence jsonb not null,
      key_id text not null,
      party text not null check (party in ('BUYER', 'SELLER')),
      opened_at timestamptz not null,
      primary key (tenant_id, id)
    )`);
    this.addSql(
      'create trigger outcome_dispute_is_final before update or delete on outcome_dispute for each row execute function refuse_change()',
    );
    this.addSql(`create table outcome_sample_audit (
      tenant_id text not null,
      id text not null,
      rule_id text not null,
      contract_id text not null,
      period_start timestamptz not null,
      period_end timestamptz not null,
      population integer not null check (population > 0),
      sample_ids text[] not null check (cardinality(sample_ids) between 1 and population),
      tolerance numeric not null,
      wrong_ids text[],
      finished_at timestamptz,
      created_at timestamptz not null,
      primary key (tenant_id, id),
      constraint outcome_sample_audit_once_per_period unique (tenant_id, contract_id, rule_id, period_start),
      constraint outcome_sample_audit_is_whole check (
        (wrong_ids is null) = (finished_at is null) and (wrong_ids is null or wrong_ids <@ sample_ids))
    )`);
    this.addSql(`create function outcome_sample_audit_finishes_once() returns trigger language plpgsql as $$
      begin
        if old.finished_at is not null
           or (new.tenant_id, new.id, new.rule_id, new.contract_id, new.period_start, new.sample_ids, new.tolerance)
              is distinct from (old.tenant_id, old.id, old.rule_id, old.contract_id, old.period_start, old.sample_ids, old.tolerance) then
          raise exception 'a finished sample audit is never changed' using errcode = 'integrity_constraint_violation';
        end if;
        return new;
      end $$`);
    this.addSql(
      'create trigger outcome_sample_audit_finishes_once before update on outcome_sample_audit for each row execute function outcome_sample_audit_finishes_once()',
    );
    // How many claims of a rule occurred, and how many came in, hour by hour: a week is told from those before by some
    // hundred rows, however many outcomes there are.
    this.addSql(`create table outcome_count (
      tenant_id text not null,
      rule_id text not null,
      measure text not null check (measure in ('OCCURRED', 'ARRIVED')),
      hour timestamptz not null,
      claims integer not null check (claims > 0),
      primary key (tenant_id, rule_id, measure, hour),
      constraint outcome_count_by_the_hour check (extract(epoch from hour)::bigint % 3600 = 0)
    )`);
    this.addSql(`create table outcome_anomaly (
      tenant_id text not null,
      id text not null,
      rule_id text not null,
      week_start timestamptz not null,
      -- By which of the two counts the claims are out of line.
      measure text not null check (measure in ('OCCURRED', 'ARRIVED')),
      claims integer not null,
      baseline numeric not null,
      factor numeric not null,
      told_at timestamptz not null,
      primary key (tenant_id, id),
      constraint outcome_anomaly_once_a_week unique (tenant_id, rule_id, week_start)
    )`);
    this.addSql(
      'create trigger outcome_anomaly_is_final before update or delete on outcome_anomaly for each row execute function refuse_change()',
    );

    this.#guard([
      ...tenantTable('outcome_dispute', 'select, insert'),
      ...tenantTable('outcome_sample_audit', 'select, insert, update (wrong_ids, finished_at)'),
      ...tenantTable('outcome_count', 'select, insert, update (claims)'),
      ...tenantTable('outcome_anomaly', 'select, insert'),
    ]);
  }

  #guard(statements: readonly string[]): void {
    for (const sql of statements) {
      this.addSql(sql);
    }
  }
}

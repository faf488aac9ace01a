import { Migration } from '@mikro-orm/migrations';

/** What long backlogs and large cases of outcomes need: verdicts that do not name all facts, and ways to find rows. */
export class Migration20261124110000_outcome_backlogs extends Migration {
  override up(): void {
    this.#facts();
    this.#customers();
    // In the order in which those that are due are gone through, place by place.
    this.addSql('drop index outcome_due');
    this.addSql('create index outcome_due on outcome (tenant_id, due_at, id) where due_at is not null');
    this.#subjects();
  }

  /** A verdict names the first and last of very many facts, and has one hash for the others. */
  #facts(): void {
    this.addSql(`alter table outcome
      add column other_facts integer not null default 0 check (other_facts >= 0),
      add column other_facts_hash text,
      add constraint outcome_other_facts_are_hashed check ((other_facts > 0) = (other_facts_hash is not null))`);
    // An outcome rests on it and none names it. Set by judging, from the verdicts on its case.
    this.addSql('alter table outcome_event add column is_unnamed boolean not null default false');
    this.addSql('grant update (is_unnamed) on outcome_event to ratebook_app');
    this.addSql(`create or replace function outcome_event_is_final() returns trigger language plpgsql as $$
      begin
        if tg_op = 'DELETE' or (new.customer is distinct from old.customer and old.customer is not null)
           or (new.tenant_id, new.id, new.source, new.type, new.time, new.subject, new.key_id, new.party)
              is distinct from (old.tenant_id, old.id, old.source, old.type, old.time, old.subject, old.key_id, old.party) then
          raise exception 'outcome_event rows are never changed or deleted' using errcode = 'integrity_constraint_violation';
        end if;
        return new;
      end $$`);
  }

  /** Events that name nobody are looked at again when a rule first says where events name their customer. */
  #customers(): void {
    this.addSql('create index outcome_event_nameless on outcome_event (tenant_id, id, source) where customer is null');
    // The row of the lock that judging holds: as what paths it last looked at them, so that it does so once.
    this.addSql('alter table rating_lock add column customer_paths text');
  }

  /**
   * What outcomes stand for is found by subject. Nothing indexes the subjects of events, for accepting every event would pay
   * for it; the values of meters that keep theirs are few, so each has the subject of its event. Whoever keeps a value says
   * it from now on; those that are kept already take it over here.
   */
  #subjects(): void {
    this.addSql('alter table usage_value add column subject text');
    this.addSql('alter table usage_value disable trigger usage_value_is_final');
    this.addSql(`update usage_value v set subject = u.subject from usage_event u
      where u.tenant_id = v.tenant_id and u.id = v.id and u.source = v.source and u.subject is not null`);
    this.addSql('alter table usage_value enable trigger usage_value_is_final');
    this.addSql(
      'create index usage_value_by_subject on usage_value (tenant_id, subject, meter_id, time) where subject is not null',
    );
  }
}

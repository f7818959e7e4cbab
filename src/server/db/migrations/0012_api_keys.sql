-- What a key is bound to besides its scopes, and what becomes of it.
alter table api_keys
  -- the agent that it acts as; user_id is then who made it
  add column agent_id uuid,
  -- networks in CIDR notation, as cidr.ts writes them; null: from everywhere
  add column allowed_ips text[],
  add column rate_limit_per_minute integer,
  -- organizations that shut it out, though its scopes name them
  add column shut_out_of uuid[] not null default '{}',
  -- the key that took its place; one alone can
  add column replaced_by uuid,
  -- when its owner was warned that it ends soon
  add column expiry_warned_at timestamptz(3),
  add constraint api_keys_agent_scope check (agent_id is null or org_id is not null),
  add constraint api_keys_agent_fkey
    foreign key (org_id, agent_id) references agents (org_id, id) on delete cascade;
create index api_keys_org on api_keys (org_id) where revoked_at is null;
create index api_keys_expiry on api_keys (expires_at)
  where revoked_at is null and expiry_warned_at is null;

create index memberships_agent on memberships (agent_id);

-- The caches hold all that a request needs to know of a key.
drop trigger tell_change on api_keys;
create trigger tell_change after update on api_keys for each row
  when ((old.revoked_at, old.expires_at, old.scopes, old.name, old.description, old.allowed_ips,
      old.rate_limit_per_minute, old.shut_out_of) is distinct from
    (new.revoked_at, new.expires_at, new.scopes, new.name, new.description, new.allowed_ips,
      new.rate_limit_per_minute, new.shut_out_of))
  execute function tell_change('org_id', 'key_hash');

-- What keys were used for, gathered in memory and added now and then.
create table api_key_requests (
  key_id uuid not null references api_keys on delete cascade,
  day date not null,
  endpoint text not null,
  status smallint not null,
  requests bigint not null,
  primary key (key_id, day, endpoint, status)
);
-- Which permissions were really used, and where; without an organization: wherever the key acts.
create table api_key_permission_uses (
  key_id uuid not null references api_keys on delete cascade,
  organization_id uuid references organizations on delete cascade,
  permission text not null,
  day date not null,
  uses bigint not null,
  constraint api_key_permission_uses_key
    unique nulls not distinct (key_id, day, organization_id, permission)
);

alter table api_key_requests enable row level security;
alter table api_key_requests force row level security;
create policy system_only on api_key_requests using (app_is_system());
alter table api_key_permission_uses enable row level security;
alter table api_key_permission_uses force row level security;
create policy system_only on api_key_permission_uses using (app_is_system());

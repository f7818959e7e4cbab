-- Moves of projects between nodes. While its last changes are copied, a project has no home: no node serves it, and
-- no node's periodic work, jobs or runs reach it.
alter table projects alter column home_node drop not null;

-- The latest move of each project. The transactions of its two nodes change the state and the home together.
create table project_moves (
  project_id uuid primary key references projects on delete cascade,
  -- tells this move from an earlier one of the project
  id uuid not null unique,
  from_node uuid not null references nodes,
  to_node uuid not null references nodes,
  -- copying: the project is in use, its home is from_node; freezing, switching: it has no home;
  -- cleaning: its home is to_node, and from_node deletes its copy
  state text not null check (state in
    ('copying', 'freezing', 'switching', 'cleaning', 'done', 'failed', 'canceled')),
  -- the epoch of from_node in which it ended its work on the project
  from_epoch bigint,
  -- the attempt of a process of to_node, which loses its effect when another one begins
  attempt uuid,
  started_at timestamptz(3) not null default now(),
  frozen_at timestamptz(3),
  switched_at timestamptz(3),
  finished_at timestamptz(3),
  error text,
  -- sizes of files: of the project, and of those that were copied, some of them twice
  bytes_total bigint not null default 0,
  bytes_copied bigint not null default 0
);
create index project_moves_unfinished on project_moves (state)
  where state in ('copying', 'freezing', 'switching', 'cleaning');
create index project_moves_from on project_moves (from_node);
create index project_moves_to on project_moves (to_node);
alter table project_moves enable row level security;
alter table project_moves force row level security;
create policy system_only on project_moves using (app_is_system());

-- The name of the server that has taken over the projects of a node that is gone, which may not start again.
alter table nodes add column adopted_by text;

-- As before, and the transaction is known as that of the node, if there may be other nodes.
create or replace function require_node_epoch(node uuid, expected bigint) returns void language plpgsql as $$
declare
  address text;
begin
  perform pg_advisory_xact_lock_shared(hashtextextended('node ' || node, 0));
  select url into address from nodes where id = node and epoch = expected;
  if not found then
    raise exception 'the node % is no longer in epoch %', node, expected using errcode = 'OM001';
  end if;
  if address is not null then
    perform set_config('app.node', node::text, true);
  end if;
end $$;

-- Fails unless the transaction's node is the home of the row's project. What a node began before it lost a project is
-- neither reserved nor recorded, and so not acknowledged.
create function require_home() returns trigger language plpgsql as $$
declare
  home uuid;
begin
  if tg_argv[0] = 'agent' then
    select p.home_node into home from agents a join projects p on p.id = a.project_id
      where a.id = new.agent_id;
  else
    select p.home_node into home from projects p where p.id = new.project_id;
  end if;
  if found and home is distinct from current_setting('app.node')::uuid then
    raise exception 'the node is not the home of the project' using errcode = 'OM001';
  end if;
  return new;
end $$;
create trigger require_home before insert or update on workspace_commits for each row
  when (coalesce(current_setting('app.node', true), '') <> '') execute function require_home('agent');
create trigger require_home before insert or update on merges for each row
  when (coalesce(current_setting('app.node', true), '') <> '') execute function require_home('project');
create trigger require_home before insert or update on pending_pushes for each row
  when (coalesce(current_setting('app.node', true), '') <> '') execute function require_home('project');
create trigger require_home before insert or update on workspaces for each row
  when (coalesce(current_setting('app.node', true), '') <> '') execute function require_home('project');
create trigger require_home before insert or update on archives for each row
  when (coalesce(current_setting('app.node', true), '') <> '') execute function require_home('project');
create trigger require_home before insert on runs for each row
  when (coalesce(current_setting('app.node', true), '') <> '' and new.agent_id is not null)
  execute function require_home('agent');
-- A queued run begins by a change of its state.
create trigger require_home_at_start before update of status on runs for each row
  when (coalesce(current_setting('app.node', true), '') <> '' and new.agent_id is not null
    and new.status = 'running' and old.status is distinct from new.status)
  execute function require_home('agent');

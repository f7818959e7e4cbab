-- Servers with data folders of their own on one database. A node is a data folder: the processes that serve it
-- share its name and its lease.
create table nodes (
  -- as in the file node.json of the data folder
  id uuid primary key,
  name text not null constraint nodes_name_key unique,
  -- the address for other nodes; null: no other node may join
  url text,
  -- Grows whenever the folder moves to another machine, or another node takes over its projects. Transactions
  -- of an earlier epoch fail.
  epoch bigint not null default 1,
  -- Null before the first start.
  lease_until timestamptz(3),
  -- the kernel's boot and namespaces of the processes that hold the lease, and their host name
  place text,
  host text,
  -- device and inode of node.json, which a copy of the folder does not share
  folder text,
  version text,
  started_at timestamptz(3),
  draining boolean not null default false,
  disk_total_bytes bigint,
  disk_free_bytes bigint,
  -- load average of the last minute, and the number of processors
  load double precision,
  processors integer,
  -- whether it has a sandbox for runs
  runs_commands boolean not null default true,
  created_at timestamptz(3) not null default now()
);
alter table nodes enable row level security;
alter table nodes force row level security;
-- Transactions of one organization check the lease of their node.
create policy readable on nodes for select using (true);
create policy system_only on nodes using (app_is_system());

-- The home of a project: the node whose disk has its repository, its workspaces and its logs.
alter table projects add column home_node uuid references nodes;
-- The folder of an installation without a node registers at its next start.
insert into nodes (id, name)
  select gen_random_uuid(), 'default' where exists (select from projects);
update projects set home_node = (select id from nodes);
alter table projects alter column home_node set not null;
create index projects_home on projects (home_node);

-- Fails unless a node is in this epoch. Until the transaction ends, the epoch does not change.
create function require_node_epoch(node uuid, expected bigint) returns void language plpgsql as $$
begin
  perform pg_advisory_xact_lock_shared(hashtextextended('node ' || node, 0));
  if not exists (select from nodes where id = node and epoch = expected) then
    raise exception 'the node % is no longer in epoch %', node, expected using errcode = 'OM001';
  end if;
end $$;

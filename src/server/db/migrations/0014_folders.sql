-- How an agent's folder was made: a configuration that changes changes no folder that is there.
alter table workspaces add column folder_driver text not null default 'checkout'
  check (folder_driver in ('overlay', 'fuse-overlayfs', 'checkout'));

-- What takes up the disk, as it was when it was measured: apart from the rows it is about, since nobody
-- is told of it.
create table workspace_disk_usage (
  agent_id uuid primary key,
  org_id uuid not null,
  bytes bigint not null,
  measured_at timestamptz(3) not null default now(),
  foreign key (org_id, agent_id) references workspaces (org_id, agent_id) on delete cascade
);
create table repository_disk_usage (
  project_id uuid primary key,
  org_id uuid not null,
  bytes bigint not null,
  -- of the files that its overlays share
  layers_bytes bigint not null,
  measured_at timestamptz(3) not null default now(),
  foreign key (org_id, project_id) references projects (org_id, id) on delete cascade
);
create index workspace_disk_usage_org on workspace_disk_usage (org_id);
create index repository_disk_usage_org on repository_disk_usage (org_id);

alter table workspace_disk_usage enable row level security;
alter table workspace_disk_usage force row level security;
create policy tenant on workspace_disk_usage
  using (org_id between app_org_from() and app_org_to());
alter table repository_disk_usage enable row level security;
alter table repository_disk_usage force row level security;
create policy tenant on repository_disk_usage
  using (org_id between app_org_from() and app_org_to());

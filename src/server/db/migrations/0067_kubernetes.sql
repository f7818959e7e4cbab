-- Workspaces whose runs are Jobs in a Kubernetes cluster.
alter table workspaces drop constraint workspaces_workspace_type_check;
alter table workspaces add constraint workspaces_workspace_type_check
  check (workspace_type in ('local', 'docker', 'remote', 'kubernetes'));

-- The cluster is a runner without a token of its own: each of its Jobs has one, for one run.
alter table runners add column kind text not null default 'machine' check (kind in ('machine', 'cluster'));
alter table runners alter column token_hash drop not null;
alter table runners add constraint runners_token check ((kind = 'machine') = (token_hash is not null));
create unique index runners_one_cluster on runners (kind) where kind = 'cluster';
-- Whether a run of a workspace without a folder is a Job of the cluster.
alter table runs add column in_cluster boolean not null default false;
-- The hash of the token of its Job, until the run has ended and its Job is removed.
alter table runs add column job_token_hash bytea;
create unique index runs_job_token on runs (job_token_hash) where job_token_hash is not null;
create index runs_of_jobs on runs (id) where job_token_hash is not null;

-- The project's containers: image, processors and memory; null for the defaults of the installation.
alter table projects add column kubernetes jsonb;

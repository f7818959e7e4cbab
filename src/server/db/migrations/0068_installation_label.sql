-- Names the installation on its objects in a Kubernetes cluster, where others may have some in the same namespace.
alter table installation add column label uuid not null default gen_random_uuid();

create index runs_in_cluster on runs (id) where in_cluster and status in ('queued', 'running');

-- Reviews of the changes of tasks: threads at lines of the change, drafts, and what people have seen.

create table reviews (
  id uuid primary key,
  org_id uuid not null references organizations on delete cascade,
  task_id uuid not null references tasks on delete cascade,
  attempt_id uuid not null references task_attempts on delete cascade,
  -- {type, id, name} at that time
  author jsonb not null,
  verdict text not null check (verdict in ('approve', 'request_changes', 'comment')),
  body text not null,
  -- the reviewed commit, and the merge base with the target branch then
  commit_sha text not null,
  base_sha text not null,
  -- the same for the same change on another base; null without changes
  patch_id text,
  -- null if the agent gets no prompt; a prompt that is pending is sent after a restart
  prompt_state text check (prompt_state in ('pending', 'sent', 'failed')),
  interrupts boolean not null default false,
  -- the input of the session that is the prompt
  input_number bigint,
  -- the request on whose behalf the prompt is sent
  origin jsonb not null,
  created_at timestamptz(3) not null default clock_timestamp()
);
create index reviews_of_task on reviews (task_id, id);
create index reviews_org on reviews (org_id);
create index reviews_of_attempt on reviews (attempt_id);
create index reviews_to_send on reviews (id) where prompt_state = 'pending';

create table review_drafts (
  task_id uuid not null references tasks on delete cascade,
  -- the agent, or else the user
  reviewer_id uuid not null,
  org_id uuid not null references organizations on delete cascade,
  attempt_id uuid not null references task_attempts on delete cascade,
  verdict text not null check (verdict in ('approve', 'request_changes', 'comment')),
  body text not null,
  comments jsonb not null,
  commit_sha text not null,
  base_sha text not null,
  updated_at timestamptz(3) not null default clock_timestamp(),
  primary key (task_id, reviewer_id)
);
create index review_drafts_org on review_drafts (org_id);
create index review_drafts_of_attempt on review_drafts (attempt_id);

create table review_threads (
  id uuid primary key,
  org_id uuid not null references organizations on delete cascade,
  task_id uuid not null references tasks on delete cascade,
  attempt_id uuid not null references task_attempts on delete cascade,
  review_id uuid not null references reviews on delete cascade,
  path text not null,
  side text not null check (side in ('old', 'new')),
  -- both null for a comment on the whole file
  start_line integer,
  line integer,
  -- the commit that has these lines: for the old side, the merge base then
  commit_sha text not null,
  -- the lines then
  text text,
  resolved_at timestamptz(3),
  resolved_by jsonb,
  created_at timestamptz(3) not null default clock_timestamp(),
  updated_at timestamptz(3) not null default clock_timestamp(),
  constraint review_threads_lines check ((line is null) = (start_line is null) and start_line <= line),
  constraint review_threads_resolved check ((resolved_at is null) = (resolved_by is null))
);
create index review_threads_of_task on review_threads (task_id, id);
create index review_threads_org on review_threads (org_id);
create index review_threads_of_attempt on review_threads (attempt_id);
create index review_threads_of_review on review_threads (review_id);

create table review_comments (
  id uuid primary key,
  org_id uuid not null references organizations on delete cascade,
  thread_id uuid not null references review_threads on delete cascade,
  -- null for a reply outside of a review
  review_id uuid references reviews on delete cascade,
  author jsonb not null,
  body text not null,
  suggestion text,
  -- the commit that applied the suggestion
  applied_sha text,
  created_at timestamptz(3) not null default clock_timestamp()
);
create index review_comments_of_thread on review_comments (thread_id, id);
create index review_comments_of_review on review_comments (review_id) where review_id is not null;
create index review_comments_org on review_comments (org_id);

create table viewed_files (
  -- the agent, or else the user
  reviewer_id uuid not null,
  task_id uuid not null references tasks on delete cascade,
  org_id uuid not null references organizations on delete cascade,
  path text not null,
  -- the content that was seen; the null id for a deleted file
  blob_id text not null,
  viewed_at timestamptz(3) not null default clock_timestamp(),
  primary key (reviewer_id, task_id, path)
);
create index viewed_files_of_task on viewed_files (task_id);
create index viewed_files_org on viewed_files (org_id);

do $$
declare
  tenant_table text;
begin
  foreach tenant_table in array array['reviews', 'review_drafts', 'review_threads', 'review_comments', 'viewed_files']
  loop
    execute format('alter table %I enable row level security', tenant_table);
    execute format('alter table %I force row level security', tenant_table);
    execute format(
      'create policy tenant on %I using (org_id between app_org_from() and app_org_to())',
      tenant_table);
  end loop;
end $$;

-- Events name the task.
create trigger tell_change after insert or update or delete on reviews for each row
  execute function tell_change('org_id', 'task_id');
create trigger tell_change after insert or update or delete on review_threads for each row
  execute function tell_change('org_id', 'task_id');

-- Rules of before have the defaults of the new fields.
update projects set protected_branches = (
  select coalesce(jsonb_agg(
      '{"dismiss_stale_approvals": true, "resolve_threads": false}'::jsonb || entry order by place), '[]')
  from jsonb_array_elements(protected_branches) with ordinality as entries (entry, place))
where protected_branches is not null;
update protection_changes set protected_branches = (
  select coalesce(jsonb_agg(
      '{"dismiss_stale_approvals": true, "resolve_threads": false}'::jsonb || entry order by place), '[]')
  from jsonb_array_elements(protected_branches) with ordinality as entries (entry, place))
where protected_branches is not null;

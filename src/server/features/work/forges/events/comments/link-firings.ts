import { sql } from "drizzle-orm";
import type { WorkDeps } from "../work-deps.js";

/**
 * Links tasks to the issues that started them, where a firing waited, or the server was killed before it could. The id of
 * an event names the issue, as `eventId` makes it.
 */
export async function linkFirings({ db }: Pick<WorkDeps, "db">, orgId: string): Promise<void> {
  await db.tenant(orgId, (tx) =>
    tx.execute(sql`
      with started as (
        select f.task_id, f.project_id, split_part(f.event_id, ' ', 4)::int as number
        from automation_firings f
        where f.decision = 'fired' and f.task_id is not null and f.event_task_id is null
          and f.event_id like 'forge % issue %' and f.created_at > now() - interval '7 days'
          and not exists (select from task_issues i where i.task_id = f.task_id)
      ), linked as (
        insert into task_issues (task_id, org_id, project_id, forge_id, repository, number, url)
        select s.task_id, r.org_id, s.project_id, r.forge_id, r.name, s.number,
          r.web_url || case f.kind when 'gitlab' then '/-/issues/' else '/issues/' end || s.number
        from started s
        join project_repositories r on r.project_id = s.project_id
        join forges f on f.id = r.forge_id
        on conflict do nothing returning task_id, url
      )
      update tasks set source = jsonb_build_object('kind', 'forge_issue', 'url', linked.url, 'id', source ->> 'id')
      from linked where tasks.id = linked.task_id`),
  );
}

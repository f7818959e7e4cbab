/** The predicted conflicts of all projects of an organization, as of the last scans. */
import { sql } from "drizzle-orm";
import type { Queryable } from "../../../db/connection/connect.js";
import { pairsIn } from "./radar.queries.js";

/** A file in which branches would conflict. Its pair is the first one, the agent with the first name before the other. */
interface ConflictingFile extends Record<string, unknown> {
  /** Changes once a newer agent or the base branch joins, not with each commit. */
  key: string;
  at: Date;
  project_id: string;
  project_name: string;
  path: string;
  /** All agents that change it, by name. */
  agents: { agent_id: string; agent_name: string }[];
  /** Null unless the base branch changes it, too. */
  base_branch: string | null;
  agent_id: string;
  agent_name: string;
  branch_name: string;
  other_agent_id: string | null;
  other_agent_name: string | null;
  other_branch_name: string;
  total_conflicts: number;
  paths: string[];
}

interface Which {
  /** Only files of this agent's conflicts. */
  agentId: string | null;
  /** Keys of the files to list, or to leave out. */
  only: readonly string[] | null;
  except: readonly string[];
}

/** Pairs that are considered, the newest ones: a project can have a pair for any two of its workspaces. */
const MAX_PAIRS = 1000;

/** Lists the files with predicted conflicts, the newest ones first. */
export async function listConflictingFiles(
  tx: Queryable,
  orgId: string,
  { agentId, only, except }: Which,
  limit: number,
): Promise<ConflictingFile[]> {
  const projects = sql`select id from projects where org_id = ${orgId} and deleted_at is null`;
  const { rows } = await tx.execute<ConflictingFile>(sql`
    with pair as (
      select p.computed_at as at, p.project_id, pr.name as project_name, p.total_conflicts, p.conflicts,
        array(select jsonb_array_elements_text(jsonb_path_query_array(p.conflicts, '$[*].paths[*]'))
          order by 1) as all_paths,
        one.agent_id, one.agent_name, one.branch_name, one.created_at, other.agent_id as other_agent_id,
        other.agent_name as other_agent_name, other.created_at as other_created_at,
        coalesce(other.branch_name, p.target_branch) as other_branch_name
      from (${pairsIn(projects)}) p
      join projects pr on pr.id = p.project_id
      join workspaces sw on sw.agent_id = p.source_agent and sw.status = 'active'
      join agents sa on sa.id = p.source_agent
      left join workspaces tw on tw.agent_id = p.target_agent
      left join agents ta on ta.id = p.target_agent
      cross join lateral (select * from (values (sa.id, sa.name, sw.branch_name, sa.created_at),
          (ta.id, ta.name, tw.branch_name, ta.created_at)) as side (agent_id, agent_name, branch_name, created_at)
        where side.agent_id is not null order by agent_name limit 1) one
      left join lateral (select * from (values (sa.id, sa.name, sw.branch_name, sa.created_at),
          (ta.id, ta.name, tw.branch_name, ta.created_at)) as side (agent_id, agent_name, branch_name, created_at)
        where side.agent_id <> one.agent_id) other on true
      where (p.target_agent is null or tw.status = 'active')
        and (${agentId}::uuid is null or ${agentId}::uuid in (p.source_agent, p.target_agent))
      order by p.computed_at desc limit ${MAX_PAIRS}
    ), pair_of_file as (
      -- The first path of a conflict is that of the file; further ones are its new names.
      select pair.*, file.path, row_number() over (partition by pair.project_id, file.path
          order by agent_name, agent_id, other_agent_name nulls first, other_agent_id) as place
      from pair cross join lateral (
        select distinct c -> 'paths' ->> 0 as path from jsonb_array_elements(pair.conflicts) c) file
    ), side as (
      select project_id, path, agent_id, agent_name, created_at from pair_of_file
      union
      select project_id, path, other_agent_id, other_agent_name, other_created_at from pair_of_file
      where other_agent_id is not null
    ), file as (
      select project_id, path,
        jsonb_agg(jsonb_build_object('agent_id', agent_id, 'agent_name', agent_name)
          order by agent_name, agent_id) as agents,
        (array_agg(agent_id order by created_at desc, agent_id))[1] as newest_agent
      from side group by project_id, path
    ), whole as (
      select project_id, path, min(at) as at,
        min(other_branch_name) filter (where other_agent_id is null) as base_branch
      from pair_of_file group by project_id, path
    ), keyed as (
      select concat_ws(':', 'conflict', project_id, md5(path), file.newest_agent,
          case when whole.base_branch is not null then 'base' end) as key,
        whole.at, project_id, first.project_name, path, file.agents, whole.base_branch, first.agent_id,
        first.agent_name, first.branch_name, first.other_agent_id, first.other_agent_name,
        first.other_branch_name, first.total_conflicts, first.all_paths[1:3] as paths
      from pair_of_file first join file using (project_id, path) join whole using (project_id, path)
      where first.place = 1
    )
    select * from keyed
    where (${only === null} or key = any(${sql.param(only ?? [])}::text[]))
      and key <> all(${sql.param(except)}::text[])
    order by at desc, key limit ${limit}`);
  return rows;
}

/** Counts the branches that each agent's branch would conflict with; agents without a conflict are left out. */
export async function countPredictedConflicts(
  tx: Queryable,
  agentIds: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const ids = sql`${sql.param(agentIds)}::uuid[]`;
  const projects = sql`select distinct project_id from workspaces where agent_id = any(${ids})`;
  const { rows } = await tx.execute<{ agent_id: string; count: number }>(sql`
    select side.agent_id, count(*)::int as count
    from (${pairsIn(projects)}) p
    join workspaces sw on sw.agent_id = p.source_agent and sw.status = 'active'
    left join workspaces tw on tw.agent_id = p.target_agent
    cross join lateral (values (p.source_agent), (p.target_agent)) as side (agent_id)
    where (p.target_agent is null or tw.status = 'active') and side.agent_id = any(${ids})
    group by side.agent_id`);
  return new Map(rows.map(({ agent_id, count }) => [agent_id, count]));
}

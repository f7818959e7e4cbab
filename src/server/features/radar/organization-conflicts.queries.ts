/** The predicted conflicts of all projects of an organization, as of the last scans. */
import { sql } from "drizzle-orm";
import type { Queryable } from "../../db/connection/connect.js";
import { pairsIn } from "./radar.queries.js";

/** A pair of branches that would conflict, the agent with the first name before the other one. */
interface PredictedConflict extends Record<string, unknown> {
  /** Changes with the paths in conflict, not with each commit. */
  key: string;
  at: Date;
  project_id: string;
  project_name: string;
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
  /** Only pairs of this agent. */
  agentId: string | null;
  /** Keys of the pairs to list, or to leave out. */
  only: readonly string[] | null;
  except: readonly string[];
}

/** Pairs that are considered, the newest ones: a project can have a pair for any two of its workspaces. */
const MAX_PAIRS = 1000;

/** Lists the newest predicted conflicts. */
export async function listPredictedConflicts(
  tx: Queryable,
  orgId: string,
  { agentId, only, except }: Which,
  limit: number,
): Promise<PredictedConflict[]> {
  const projects = sql`select id from projects where org_id = ${orgId} and deleted_at is null`;
  const { rows } = await tx.execute<PredictedConflict>(sql`
    select * from (
      select concat_ws(':', 'conflict', c.agent_id, coalesce(c.other_agent_id::text, 'base'),
          md5(array_to_string(c.all_paths, ' '))) as key,
        c.at, c.project_id, c.project_name, c.agent_id, c.agent_name, c.branch_name, c.other_agent_id,
        c.other_agent_name, c.other_branch_name, c.total_conflicts, c.all_paths[1:3] as paths
      from (
        select p.computed_at as at, p.project_id, pr.name as project_name, p.total_conflicts,
          array(select jsonb_array_elements_text(jsonb_path_query_array(p.conflicts, '$[*].paths[*]'))
            order by 1) as all_paths,
          one.agent_id, one.agent_name, one.branch_name, other.agent_id as other_agent_id,
          other.agent_name as other_agent_name,
          coalesce(other.branch_name, p.target_branch) as other_branch_name
        from (${pairsIn(projects)}) p
        join projects pr on pr.id = p.project_id
        join workspaces sw on sw.agent_id = p.source_agent and sw.status = 'active'
        join agents sa on sa.id = p.source_agent
        left join workspaces tw on tw.agent_id = p.target_agent
        left join agents ta on ta.id = p.target_agent
        cross join lateral (select * from (values (sa.id, sa.name, sw.branch_name),
            (ta.id, ta.name, tw.branch_name)) as side (agent_id, agent_name, branch_name)
          where side.agent_id is not null order by agent_name limit 1) one
        left join lateral (select * from (values (sa.id, sa.name, sw.branch_name),
            (ta.id, ta.name, tw.branch_name)) as side (agent_id, agent_name, branch_name)
          where side.agent_id <> one.agent_id) other on true
        where (p.target_agent is null or tw.status = 'active')
          and (${agentId}::uuid is null or ${agentId}::uuid in (p.source_agent, p.target_agent))
        order by p.computed_at desc limit ${MAX_PAIRS}
      ) c
    ) keyed
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

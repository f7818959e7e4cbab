import { runs } from "#shared/api/execution/runs.js";
import { api } from "#shared/api/index.js";
import { agents } from "#shared/api/work/agents.js";
import { agentSessions } from "#shared/api/work/sessions.js";
import type { Endpoint, TenantSource } from "#shared/contract/endpoint.js";
import { isUuid } from "#shared/uuid.js";
import { cached } from "../db/cache/cache.js";
import { prepared, type Database } from "../db/connection/connect.js";
import { IN_TRANSIT } from "./home-of.js";

type ParameterOf<Source> = Source extends `params.${infer Name}` ? Name : never;
/** A path parameter that belongs to one project. */
export type HomeParameter = Exclude<ParameterOf<TenantSource>, "org_id">;

/** How each kind of id (`$1`), or an address of git, leads to its project. */
const PROJECTS: Record<HomeParameter, string> = {
  project_id: "$1::uuid",
  agent_id: "(select project_id from agents where id = $1::uuid)",
  run_id: `(select coalesce(r.project_id, a.project_id) from runs r
    left join agents a on a.id = r.agent_id where r.id = $1::uuid)`,
  session_id: `(select a.project_id from agent_sessions s join agents a on a.id = s.agent_id
    where s.id = $1::uuid)`,
  merge_request_id: "(select project_id from merge_requests where id = $1::uuid)",
  task_id: "(select project_id from tasks where id = $1::uuid)",
  thread_id: `(select t.project_id from review_threads h join tasks t on t.id = h.task_id
    where h.id = $1::uuid)`,
  opinion_id: "(select project_id from opinions where id = $1::uuid)",
  pull_request_id: "(select project_id from pull_requests where id = $1::uuid)",
  protection_change_id: "(select project_id from protection_changes where id = $1::uuid)",
};
const BY_ADDRESS = `(select id from projects where slug = split_part($1, '/', 2) and deleted_at is null
  and org_id = (select s.org_id from organization_slugs s where s.slug = split_part($1, '/', 1)))`;

/**
 * Returns the parameter whose project's home handles a call; null if any node does. It is the source of the
 * call's organization, so that a new call of a project needs no entry here.
 */
export function homeParameterOf({ tenant }: Pick<Endpoint, "tenant">): HomeParameter | null {
  const [place, name] = (tenant ?? "").split(".");
  return place === "params" && name !== undefined && name in PROJECTS
    ? (name as HomeParameter)
    : null;
}

/**
 * Calls that read rows of the database alone: any node answers them, also while the home is away. Its runs are `lost`
 * once their lease has ended.
 */
const readAnywhere = new Set<Pick<Endpoint, "path">>([
  runs.get,
  runs.list,
  runs.egress,
  agents.get,
  agentSessions.get,
  agentSessions.list,
]);

/** A route whose requests belong to the home of a project. */
export interface HomeRoute {
  parameter: HomeParameter;
  /** Whether its requests change nothing. */
  isSafe: boolean;
}

/** Returns the calls that belong to homes by method and path, as in `GET /api/v1/runs/{run_id}`. */
export function homeRoutes(): ReadonlyMap<string, HomeRoute> {
  const all = Object.values(api).flatMap((resource): Endpoint[] => Object.values(resource));
  return new Map(
    all.flatMap((endpoint) => {
      const { method, path, safe: isSafe } = endpoint;
      const parameter = homeParameterOf(endpoint);
      return parameter === null || readAnywhere.has(endpoint)
        ? []
        : [[`${method} ${path}`, { parameter, isSafe }] as const];
    }),
  );
}

/** Finds the homes of projects; undefined for an id without a project. */
export interface Homes {
  of(parameter: HomeParameter, id: string): Found | Promise<Found>;
  /** @param address `<slug of the organization>/<slug of the project>` */
  ofAddress(address: string): Found | Promise<Found>;
}

/** A project with its home. */
export interface ProjectHome {
  readonly projectId: string;
  /** The id of a node, or `IN_TRANSIT`. */
  readonly home: string;
}
type Found = ProjectHome | undefined;

/** Creates a cache of homes; a change of a project in its organization makes it forget them. */
export function findHomes(db: Database): Homes {
  const homes = cached<ProjectHome>({
    changes: db.changes,
    load: async (key) => {
      const [kind, value] = key.split(" ", 2) as [HomeParameter | "address", string];
      const project = kind === "address" ? BY_ADDRESS : PROJECTS[kind];
      const [row] = await db.withSystem("find the home of a request", (tx) =>
        prepared<{ id: string; org_id: string; home_node: string | null }>(
          tx,
          `home by ${kind}`,
          `select id, org_id, home_node from projects where id = ${project} and deleted_at is null`,
          [value],
        ),
      );
      return (
        row && {
          value: { projectId: row.id, home: row.home_node ?? IN_TRANSIT },
          sources: [`organization ${row.org_id}`],
        }
      );
    },
  });
  return {
    of: (parameter, id) => {
      const plain = id.toLowerCase();
      return isUuid(plain) ? homes(`${parameter} ${plain}`) : undefined;
    },
    ofAddress: (address) =>
      /^[\w.-]{1,100}\/[\w.-]{1,100}$/.test(address) ? homes(`address ${address}`) : undefined,
  };
}

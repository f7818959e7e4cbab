/** Dependencies of the project verbs, and the API's representation of a project. */
import type { Logger } from "pino";
import type { Project } from "#shared/api/code/projects.js";
import type { Database, Queryable } from "../../../db/connection/connect.js";
import { AppError, notFound } from "../../../errors.js";
import { countApart } from "#git/store/branches.js";
import { fingerprintOf } from "#git/upstream/ssh-key.js";
import type { OrgContext } from "../../../http/requests/request-context.js";
import type { Jobs } from "../../../jobs/queue.js";
import type { Storage } from "../../../data-folder/storage.js";
import type { WorkspaceDeps } from "../workspaces/index.js";
import type { ImportRules } from "./import-url.js";
import type { ForgeAccess } from "./upstreams/forge-access.js";
import * as queries from "./projects.queries.js";

export interface ProjectDeps {
  db: Database;
  jobs: Jobs;
  storage: Storage;
  rules: ImportRules;
  /** The installation's secret, which encrypts upstream credentials. */
  secret: string;
  workspaces: WorkspaceDeps;
  forges: ForgeAccess;
  publicUrl: () => string;
  log: Logger;
}

/** The lock of all writers to a project's object store from upstream, and of its removal. */
export const storeLock = (projectId: string): string => `import ${projectId}`;

const noneProtected = { protected: [] };

/**
 * Returns a project in its API form.
 * @param apart commits between the default branch and the upstream's, if counted
 */
export function projectOf(
  row: queries.ProjectRow,
  publicUrl: string,
  apart: { ahead: number; behind: number } | null = null,
): Project {
  const { org_slug, agents, workspaces, merges, upstream, credential, ...project } = row;
  const { import_url: url } = project;
  const ahead = apart?.ahead ?? null;
  const behind = apart?.behind ?? null;
  return {
    ...project,
    clone_url: `${publicUrl}/git/${org_slug}/${project.slug}.git`,
    upstream:
      upstream === null || url === null
        ? null
        : {
            ...upstream,
            // Version 0.2 wrote reports without protected branches.
            last_fetch: upstream.last_fetch && { ...noneProtected, ...upstream.last_fetch },
            url,
            ahead,
            behind,
            host_key: upstream.host_key === null ? null : fingerprintOf(upstream.host_key),
            credential,
          },
    counts: { agents, workspaces, merges },
  };
}

export async function readProject(
  deps: ProjectDeps,
  context: OrgContext,
  id: string,
): Promise<Project> {
  const row = await context.tx((tx) => queries.findProject(tx, id));
  if (!row) throw notFound();
  const { status, default_branch: name } = row;
  const repoPath = deps.storage.repository(context.orgId, id);
  const apart =
    row.upstream !== null && status === "ready"
      ? await countApart(repoPath, `refs/heads/${name}`, `refs/upstream/heads/${name}`)
      : null;
  return projectOf(row, deps.publicUrl(), apart);
}

/** @throws AppError 404; 409 `no_upstream` */
export async function requireUpstream(
  tx: Queryable,
  id: string,
): Promise<queries.ProjectRow & { import_url: string }> {
  const project = await queries.findProject(tx, id);
  if (!project) throw notFound();
  const { import_url } = project;
  if (import_url !== null) return { ...project, import_url };
  throw new AppError(
    "no_upstream",
    "The project was created empty and has no upstream; import a repository instead.",
  );
}

import { projects } from "#shared/api/code/projects.js";
import type { upstreams } from "#shared/api/code/upstreams.js";
import { organizationsWith } from "../../../access/authorize.js";
import type { Handlers } from "../../../http/register-routes.js";
import { Answer } from "../../../http/answers/answer.js";
import { byId, byName, byNumber, fromMemory, pagesOf } from "../../../http/requests/pagination.js";
import { deleteProject } from "./delete-project.js";
import { findFiles, type FoundFile } from "./find-files.js";
import { listVisibleBranches } from "./list-branches.js";
import * as queries from "./projects.queries.js";
import { projectOf, readProject, type ProjectDeps } from "./project.js";
import { createProject, updateProject } from "./projects.js";
import { linkRepository } from "./upstreams/linked-repository.js";
import { removeCredential, setCredential, trustHostKey } from "./upstreams/upstream-credential.js";
import { cancelFetch, startFetch, startPush } from "./upstreams/use-upstream.js";

export function upstreamHandlers(deps: ProjectDeps): Handlers<typeof upstreams> {
  return {
    fetch: (context, { params }) => startFetch(deps, context, params.project_id),
    cancelFetch: (context, { params }) => cancelFetch(deps, context, params.project_id),
    push: (context, { params, body }) => startPush(deps, context, params.project_id, body?.branch),
    setCredential: (context, { params, body }) =>
      setCredential(deps, context, params.project_id, body),
    linkRepository: (context, { params, body }) =>
      linkRepository(deps, context, params.project_id, body),
    removeCredential: async (context, { params }) => {
      await removeCredential(context, params.project_id);
      return undefined;
    },
    trustHostKey: (context, { params, body }) =>
      trustHostKey(deps, context, params.project_id, body.host_key),
  };
}

export function projectHandlers(deps: ProjectDeps): Handlers<typeof projects> {
  const pages = pagesOf(projects.list, byId);
  const branchPages = pagesOf(projects.branches, byName);
  const filePages = pagesOf(projects.files, byNumber);
  return {
    list: async (context, { query }) => {
      const { actor } = context;
      const orgIds = await organizationsWith(deps.db, actor, "project:read", query.organization_id);
      return pages(context, query, {
        read: async (after, limit) => {
          const rows = await deps.db.withSystem("list projects", (db) =>
            queries.listProjects(db, orgIds, after?.[0] ?? null, limit),
          );
          return rows.map((row) => projectOf(row, deps.publicUrl()));
        },
        keyOf: ({ id }) => [id],
      });
    },
    create: (context, { body }) => createProject(deps, context, body),
    get: (context, { params }) => readProject(deps, context, params.project_id),
    update: (context, { params, body }) => updateProject(deps, context, params.project_id, body),
    branches: (context, { params, query }) =>
      branchPages(context, query, {
        read: (after, limit) =>
          listVisibleBranches(deps, context, params.project_id, after?.[0] ?? "", limit),
        keyOf: ({ name }) => [name],
      }),
    files: async (context, { params, query }) => {
      const found = await findFiles(deps, context, params.project_id, query.q);
      const { body, head } = await filePages(context, query, {
        read: fromMemory(found, ({ place }: FoundFile, [last]: [number]) => place > last),
        keyOf: ({ place }: FoundFile): [number] => [place],
      });
      return new Answer(
        body.map(({ path }) => ({ path })),
        head,
      );
    },
    delete: async (context, { params }) => {
      await deleteProject(deps, context, params.project_id);
      return undefined;
    },
  };
}

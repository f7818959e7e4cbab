import type { projects } from "#shared/api/projects.js";
import { organizationsWith } from "../../http/authorize.js";
import type { Handlers } from "../../http/mount.js";
import { decodeCursor, decodeNameCursor, pageOf } from "../../http/pagination.js";
import { deleteProject } from "./delete-project.js";
import { readBranches } from "./list-branches.js";
import * as repository from "./repository.js";
import {
  createProject,
  projectOf,
  readProject,
  updateProject,
  type ProjectDeps,
} from "./service.js";

export function projectHandlers(deps: ProjectDeps): Handlers<typeof projects> {
  return {
    list: async ({ actor, request, reply }, { query }) => {
      const orgIds = await organizationsWith(deps.db, actor, "project:read", query.organization_id);
      const after = query.cursor === undefined ? "" : (decodeCursor(query.cursor, 1)[0] as string);
      const rows = await deps.db.withSystem("list projects", (db) =>
        repository.listProjects(db, orgIds, after, query.limit + 1),
      );
      const page = pageOf(rows, query.limit, (last) => [last.id], request, reply);
      return page.map((row) => projectOf(row, deps.publicUrl()));
    },
    create: (context, { body }) => createProject(deps, context, body),
    get: (context, { params }) => readProject(deps, context, params.project_id),
    update: (context, { params, body }) =>
      updateProject(deps, context, params.project_id, {
        ...(body.name === undefined ? {} : { name: body.name }),
        ...(body.description === undefined ? {} : { description: body.description }),
      }),
    branches: async (context, { params, query }) => {
      const after = query.cursor === undefined ? "" : decodeNameCursor(query.cursor);
      const { project_id } = params;
      const rows = await readBranches(deps, context, project_id, after, query.limit + 1);
      const { request, reply } = context;
      return pageOf(rows, query.limit, (last) => [last.name], request, reply);
    },
    delete: async (context, { params }) => {
      await deleteProject(deps, context, params.project_id);
      return undefined;
    },
  };
}

/** A project whose upstream is a repository of a connected forge. */
import type { Project } from "#shared/api/code/projects.js";
import type { upstreams as declared } from "#shared/api/code/upstreams.js";
import type { ParsedRequestOf } from "#shared/contract/endpoint.js";
import { diffFields, originOf, systemOrigin } from "../../../../db/audit/audit.js";
import { newId } from "../../../../db/tables/columns.js";
import type { Database } from "../../../../db/connection/connect.js";
import { AppError, invalidField, notFound } from "../../../../errors.js";
import type { OrgContext } from "../../../../http/requests/request-context.js";
import type { Jobs } from "../../../../jobs/queue.js";
import * as queries from "../projects.queries.js";
import { readProject, type ProjectDeps } from "../project.js";
import { checkRepositoryUrl } from "../import-url.js";
import type { FoundRepository } from "./forge-access.js";
import * as upstreams from "./upstreams.queries.js";

/** Finds a repository whose address is allowed. @throws AppError 403; 422 */
export async function findRepository(
  { forges, rules }: Pick<ProjectDeps, "forges" | "rules">,
  context: OrgContext,
  { forge_id, repository }: { forge_id: string; repository: string },
): Promise<FoundRepository> {
  const found = await forges.findRepository(context, forge_id, repository);
  if (!found)
    throw invalidField("forge_id", "is not a connection of the organization", "unknown_id");
  await checkRepositoryUrl(found.clone_url, rules);
  return found;
}

/**
 * Makes a repository of a forge the upstream of a project, and fetches from it.
 * @throws AppError 403; 404; 409 `upstream_busy`, `project_not_ready`; 422
 */
export async function linkRepository(
  deps: ProjectDeps,
  context: OrgContext,
  id: string,
  input: ParsedRequestOf<typeof declared.linkRepository>["body"],
): Promise<Project> {
  const known = await context.tx((tx) => queries.findProject(tx, id));
  if (!known) throw notFound();
  const { branch_template, body_template } = input;
  const templates = {
    ...(branch_template !== undefined && { branch_template }),
    ...(body_template !== undefined && { body_template }),
  };
  const linked = known.upstream?.repository;
  const isSame = linked?.forge_id === input.forge_id && linked.name === input.repository;
  if (isSame && Object.keys(templates).length > 0) {
    await changeTemplates(context, id, templates);
    return readProject(deps, context, id);
  }
  const found = await findRepository(deps, context, input);
  await context.change(async (tx, audit) => {
    const project = await queries.findProject(tx, id);
    if (!project) throw notFound();
    if (project.status !== "ready") {
      throw new AppError("project_not_ready", "The project is not imported yet; wait until it is.");
    }
    const ids = { project_id: id, org_id: context.orgId };
    if (project.upstream === null) await upstreams.insertUpstream(tx, { ...ids, host_key: null });
    const operation = { id: newId(), origin: originOf(context), push: null };
    if (!(await upstreams.beginOperation(tx, id, operation))) {
      throw new AppError(
        "upstream_busy",
        "The project is being fetched or pushed; wait until that has ended.",
      );
    }
    await upstreams.deleteCredential(tx, id);
    await upstreams.updateUpstream(tx, id, { host_key: null, last_fetch: null });
    await queries.updateProject(tx, id, { import_url: found.clone_url });
    await upstreams.putRepository(tx, {
      ...ids,
      forge_id: input.forge_id,
      name: found.name,
      web_url: found.web_url,
      ...templates,
    });
    await deps.forges.linked(tx, audit, context, { id, forge_id: input.forge_id });
    audit({
      action: "project.repository_linked",
      target: { type: "project", id, name: project.name },
      changes: {
        repository: { from: project.upstream?.repository?.name ?? null, to: found.name },
        import_url: { from: project.import_url, to: found.clone_url },
      },
    });
  });
  await deps.jobs.send("use-upstream", { org_id: context.orgId, project_id: id });
  return readProject(deps, context, id);
}

/** Changes how pull requests of a linked project are named and described. @throws AppError 404 */
async function changeTemplates(
  context: OrgContext,
  id: string,
  templates: upstreams.Templates,
): Promise<void> {
  await context.change(async (tx, audit) => {
    const before = (await queries.findProject(tx, id))?.upstream?.repository;
    await upstreams.updateTemplates(tx, id, templates);
    const project = await queries.findProject(tx, id);
    const after = project?.upstream?.repository;
    if (!project || !before || !after) throw notFound();
    const changes = diffFields(before, after, ["branch_template", "body_template"]);
    if (Object.keys(changes).length === 0) return;
    audit({
      action: "project.updated",
      target: { type: "project", id, name: project.name },
      changes,
    });
  });
}

/** Starts a fetch that no caller asked for. Returns false if the upstream is in use. */
export async function fetchInBackground(
  { db, jobs }: { db: Database; jobs: Jobs },
  ids: { org_id: string; project_id: string },
): Promise<boolean> {
  const operation = { id: newId(), origin: systemOrigin, push: null };
  const hasBegun = await db.tenant(ids.org_id, (tx) =>
    upstreams.beginOperation(tx, ids.project_id, operation),
  );
  if (hasBegun) await jobs.send("use-upstream", ids);
  return hasBegun;
}

import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import type { Logger } from "pino";
import { slugFrom } from "#shared/api/fields.js";
import type { Project } from "#shared/api/projects.js";
import { differences, serverItself } from "../../db/audit.js";
import { newId } from "../../db/columns.js";
import { brokenConstraint, type Database, type Queryable } from "../../db/connect.js";
import { lockOrganization } from "../../db/tenant.js";
import { AppError, invalidField, notFound } from "../../errors.js";
import { importRepository } from "../../git/import-repository.js";
import { createRepository, ImportError } from "../../git/repository.js";
import { removeQuarantines } from "../../git/quarantine.js";
import { removeStaleLocks } from "../../git/stale-locks.js";
import type { OrgContext } from "../../http/mount.js";
import type { Jobs } from "../../jobs/queue.js";
import type { Storage } from "../../storage.js";
import type { WorkspaceDeps } from "../workspaces/service.js";
import { checkImportUrl, type ImportRules } from "./import-url.js";
import * as repository from "./repository.js";

export interface ProjectDeps {
  db: Database;
  jobs: Jobs;
  storage: Storage;
  rules: ImportRules;
  workspaces: WorkspaceDeps;
  publicUrl: () => string;
  log: Logger;
}

export interface NewProject {
  name: string;
  slug?: string | undefined;
  description?: string | null | undefined;
  default_branch?: string | undefined;
  import_url?: string | null | undefined;
}

/** A project as the API shows it. */
export function projectOf(row: repository.ProjectRow, publicUrl: string): Project {
  const { org_slug, agents, workspaces, merges, ...project } = row;
  return {
    ...project,
    clone_url: `${publicUrl}/git/${org_slug}/${project.slug}.git`,
    counts: { agents, workspaces, merges },
  };
}

/**
 * Creates a project: with one empty commit at once, or imported in the background.
 * @throws AppError 409 `slug_taken` with a `suggestion`; 422
 */
export async function createProject(
  deps: ProjectDeps,
  context: OrgContext,
  input: NewProject,
): Promise<Project> {
  const importUrl = input.import_url ?? null;
  if (importUrl !== null) await checkImportUrl(importUrl, deps.rules);
  if (input.default_branch?.startsWith("workspace-")) {
    throw invalidField(
      "default_branch",
      'must not begin with "workspace-": those are the agents\' branches',
    );
  }
  const id = newId();
  const base = slugBase(input.name);
  for (let attempt = 0; ; attempt += 1) {
    try {
      await context.change(async (tx, tell) => {
        // One after another, so that each sees the slugs derived before it.
        if (input.slug === undefined) await lockOrganization(tx, context.orgId);
        const slug = input.slug ?? (await freeSlug(tx, base));
        await repository.insertProject(tx, {
          id,
          org_id: context.orgId,
          name: input.name,
          slug,
          description: input.description ?? null,
          default_branch: input.default_branch ?? "main",
          import_url: importUrl,
        });
        tell({
          action: "project.created",
          target: { type: "project", id, name: input.name },
          changes: differences(null, { slug, import_url: importUrl }, ["slug", "import_url"]),
        });
      });
      break;
    } catch (error) {
      if (brokenConstraint(error) !== "projects_org_slug_key") throw error;
      if (input.slug === undefined && attempt < 4) continue;
      const suggestion = await context.tx((tx) => freeSlug(tx, input.slug ?? base));
      const msg = `is taken; "${suggestion}" is free`;
      throw new AppError("slug_taken", `The slug ${msg}.`, {
        suggestion,
        errors: [{ loc: ["body", "slug"], msg, type: "slug_taken" }],
      });
    }
  }
  if (importUrl === null)
    await finishEmpty(deps, context.orgId, id, input.default_branch ?? "main");
  else await deps.jobs.send("import-project", { org_id: context.orgId, project_id: id });
  return readProject(deps, context, id);
}

export async function readProject(
  deps: ProjectDeps,
  context: OrgContext,
  id: string,
): Promise<Project> {
  const row = await context.tx((tx) => repository.findProject(tx, id));
  if (!row) throw notFound();
  return projectOf(row, deps.publicUrl());
}

/** Renames a project or changes its description. @throws AppError 404 */
export async function updateProject(
  deps: ProjectDeps,
  context: OrgContext,
  id: string,
  changes: { name?: string; description?: string | null },
): Promise<Project> {
  await context.change(async (tx, tell) => {
    const before = await repository.findProject(tx, id);
    await repository.updateProject(tx, id, changes);
    const after = await repository.findProject(tx, id);
    if (!before || !after) throw notFound();
    const changed = differences(before, after, ["name", "description"]);
    if (Object.keys(changed).length === 0) return;
    const target = { type: "project", id, name: after.name } as const;
    tell({ action: "project.updated", target, changes: changed });
  });
  return readProject(deps, context, id);
}

async function finishEmpty(
  deps: ProjectDeps,
  orgId: string,
  id: string,
  branch: string,
): Promise<void> {
  await createRepository(deps.storage.repository(orgId, id), branch);
  await deps.db.tenant(orgId, (tx) =>
    repository.updateProject(tx, id, {
      status: "ready",
      progress: 100,
      imported_at: sql`clock_timestamp()`,
    }),
  );
}

/** Brings one import in; run by the job queue, in any process, any number of times. */
export async function runImport(
  deps: ProjectDeps,
  data: { org_id: string; project_id: string },
  signal: AbortSignal,
): Promise<void> {
  const { org_id: orgId, project_id: id } = data;
  const change = (changes: Parameters<typeof repository.updateProject>[2]): Promise<void> =>
    deps.db.tenant(orgId, (tx) => repository.updateProject(tx, id, changes));

  await deps.db.locks([`import ${id}`], async () => {
    const project = await deps.db.tenant(orgId, (tx) => repository.findProject(tx, id));
    if (project?.status !== "importing" || project.import_url === null) return;
    const end = (
      action: "project.imported" | "project.import_failed",
      changes: Parameters<typeof change>[0],
    ): Promise<void> =>
      deps.db.change(orgId, serverItself, async (tx, tell) => {
        await repository.updateProject(tx, id, changes);
        // It may have been deleted meanwhile.
        if (!(await repository.findProject(tx, id))) return;
        tell({ action, target: { type: "project", id, name: project.name } });
      });
    try {
      const source = await checkImportUrl(project.import_url, deps.rules);
      // One write at a time, and only when the percentage moves: it is for people to watch.
      let writing: Promise<void> = Promise.resolve();
      const { defaultBranch } = await importRepository(
        deps.storage.repository(orgId, id),
        project.import_url,
        {
          ...source,
          signal,
          onProgress: (percent) => {
            writing = writing
              .then(() => change({ progress: Math.min(percent, 99) }))
              .catch(() => {});
          },
        },
      );
      await writing;
      await end("project.imported", {
        status: "ready",
        progress: 100,
        error: null,
        default_branch: defaultBranch,
        imported_at: sql`clock_timestamp()`,
      });
    } catch (error) {
      // Stopping: the next start takes it up again.
      if (signal.aborted) throw error;
      const known = error instanceof ImportError || error instanceof AppError;
      if (!known) deps.log.error({ err: error, project: id }, "an import failed");
      await end("project.import_failed", {
        status: "failed",
        error: known
          ? error.message
          : "The import failed here; whoever runs the server finds why in its log.",
      });
    }
  });
}

/** Longer than any push takes. */
const quarantineMs = 24 * 60 * 60_000;

/**
 * Removes what a git that was killed locked, and what pushes that were cut off brought. No other
 * process works on the repositories where `alone`; else only what no living one can hold that long.
 */
export async function unlockRepositories(storage: Storage, alone: boolean): Promise<void> {
  const below = async (folder: string): Promise<string[]> => {
    const names = await readdir(folder).catch(() => []);
    return names.map((name) => join(folder, name));
  };
  for (const organization of await below(storage.repositories)) {
    for (const store of await below(organization)) {
      await removeStaleLocks(store, alone ? 0 : undefined);
      await removeQuarantines(store, alone ? 0 : quarantineMs);
    }
  }
}

/** Takes up what an earlier process left unfinished. */
export async function resumeProjects(deps: ProjectDeps): Promise<void> {
  const unfinished = await deps.db.withSystem("resume unfinished projects", (db) =>
    repository.listUnfinishedProjects(db),
  );
  for (const { id, org_id, import_url, default_branch } of unfinished) {
    if (import_url === null) await finishEmpty(deps, org_id, id, default_branch);
    else await deps.jobs.send("import-project", { org_id, project_id: id });
  }
  const deleted = await deps.db.withSystem("resume the removal of projects", (db) =>
    repository.listProjectsToRemove(db),
  );
  for (const { id, org_id } of deleted) {
    await deps.jobs.send("remove-project", { org_id, project_id: id });
  }
}

function slugBase(name: string): string {
  const base = slugFrom(name);
  return base.length >= 2 ? base : `project-${base || "1"}`;
}

async function freeSlug(tx: Queryable, base: string): Promise<string> {
  const short = base.slice(0, 59).replace(/-+$/, "");
  const taken = await repository.takenProjectSlugs(tx, short);
  let slug = short;
  for (let number = 2; taken.has(slug); number += 1) slug = `${short}-${number}`;
  return slug;
}

/** The project that a git address names, of any organization; undefined where there is none. */
export function findProjectByAddress(db: Database, orgSlug: string, slug: string) {
  return db.withSystem("find the project of a git address", (tx) =>
    repository.findProjectBySlugs(tx, orgSlug, slug),
  );
}

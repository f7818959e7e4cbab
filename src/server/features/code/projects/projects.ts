import { requirePermission, changedBudgets } from "../../../access/access.js";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import type { MergeDriver } from "#shared/code/merge-drivers.js";
import { slugFrom } from "#shared/organization/slug-from.js";
import { projects, type CredentialInput, type Project } from "#shared/api/code/projects.js";
import { needsQueue } from "#shared/code/protection.js";
import type { ParsedRequestOf } from "#shared/contract/endpoint.js";
import { diffFields } from "../../../db/audit/audit.js";
import { newId } from "../../../db/tables/columns.js";
import {
  violatedConstraint,
  type Database,
  type Queryable,
} from "../../../db/connection/connect.js";
import { AppError, invalidField, notFound } from "../../../errors.js";
import { removeQuarantines } from "#git/smart-http/quarantine.js";
import { removePackingLeftovers } from "#git/store/pack-repository.js";
import { advanceQueuesOf, changeProtection } from "../workspaces/index.js";
import { createRepository } from "#git/store/repository.js";
import { removeStaleLocks } from "#git/store/stale-locks.js";
import type { OrgContext } from "../../../http/requests/request-context.js";
import type { Storage } from "../../../data-folder/storage.js";
import { checkImportUrl, importUrlOf } from "./import-url.js";
import { readProject, type ProjectDeps } from "./project.js";
import * as queries from "./projects.queries.js";
import { findRepository } from "./upstreams/linked-repository.js";
import {
  credentialChanges,
  parseHostKey,
  encryptCredential,
} from "./upstreams/upstream-credential.js";
import * as upstreams from "./upstreams/upstreams.queries.js";

export interface NewProject {
  name: string;
  slug?: string | undefined;
  description?: string | null | undefined;
  default_branch?: string | undefined;
  import_url?: string | null | undefined;
  credential?: CredentialInput | undefined;
  host_key?: string | undefined;
  forge_id?: string | undefined;
  repository?: string | undefined;
}

/**
 * Creates a project, either empty with an initial commit or imported in the background.
 * @throws AppError 409 `slug_taken` with a `suggestion`; 422
 */
export async function createProject(
  deps: ProjectDeps,
  context: OrgContext,
  wanted: NewProject,
): Promise<Project> {
  const link = await linkOf(deps, context, wanted);
  const givenUrl = wanted.import_url == null ? null : importUrlOf(wanted.import_url);
  const importUrl = link?.clone_url ?? givenUrl;
  const input = { ...wanted, import_url: importUrl };
  if (givenUrl !== null) await checkImportUrl(givenUrl, deps.rules);
  if (input.default_branch?.startsWith("workspace-")) {
    throw invalidField(
      "default_branch",
      'must not start with "workspace-", the prefix of agents\' branches',
    );
  }
  const id = newId();
  const access = initialAccess(deps, context, id, input);
  const base = slugBase(input.name);
  for (let attempt = 0; ; attempt += 1) {
    try {
      await context.change(async (tx, audit) => {
        const slug = input.slug ?? (await freeSlug(tx, base));
        await queries.insertProject(tx, {
          id,
          org_id: context.orgId,
          name: input.name,
          slug,
          description: input.description ?? null,
          default_branch: input.default_branch ?? "main",
          import_url: importUrl,
          home_node: deps.db.node.id,
        });
        const target = { type: "project", id, name: input.name } as const;
        const changes = diffFields(null, { slug, import_url: importUrl }, ["slug", "import_url"]);
        audit({ action: "project.created", target, changes });
        if (importUrl === null) return;
        const ids = { project_id: id, org_id: context.orgId };
        await upstreams.insertUpstream(tx, { ...ids, host_key: access.hostKey });
        if (link !== null) {
          const { forge_id, name, web_url } = link;
          await upstreams.putRepository(tx, { ...ids, forge_id, name, web_url });
          await deps.forges.linked(tx, audit, context, { id, forge_id });
        }
        if (access.waits) {
          await queries.updateProject(tx, id, { status: "failed", error: keyIsNew });
        }
        if (access.credential === null) return;
        await upstreams.putCredential(tx, ids, access.credential);
        const seen = credentialChanges(access.credential);
        audit({ action: "project.credential_set", target, changes: seen });
      });
      break;
    } catch (error) {
      if (violatedConstraint(error) !== "projects_org_slug_key") throw error;
      if (input.slug === undefined && attempt < 4) continue;
      const suggestion = await context.tx((tx) => freeSlug(tx, input.slug ?? base));
      const msg = `is taken; try "${suggestion}"`;
      throw new AppError("slug_taken", `The slug ${msg}.`, {
        suggestion,
        errors: [{ loc: ["body", "slug"], msg, type: "slug_taken" }],
      });
    }
  }
  if (importUrl === null)
    await finishEmpty(deps, context.orgId, id, input.default_branch ?? "main");
  else if (!access.waits) {
    await deps.jobs.send("import-project", { org_id: context.orgId, project_id: id });
  }
  return readProject(deps, context, id);
}

/**
 * Finds the repository of a forge that a new project is to be linked to; null if none is named.
 * @throws AppError 403; 422
 */
async function linkOf(
  deps: ProjectDeps,
  context: OrgContext,
  { forge_id, repository, import_url, credential, host_key }: NewProject,
) {
  if (forge_id === undefined && repository === undefined) return null;
  if (forge_id === undefined) throw invalidField("forge_id", "is needed with a repository");
  if (repository === undefined) throw invalidField("repository", "is needed with forge_id");
  if (import_url != null || credential !== undefined || host_key !== undefined) {
    throw invalidField("forge_id", "has an address and a credential of its own; leave out others");
  }
  return { forge_id, ...(await findRepository(deps, context, { forge_id, repository })) };
}

const keyIsNew =
  "The import is waiting for its key: add the public key to the repository as a deploy key, then import again.";

/**
 * Returns the upstream credential of a new project. An SSH upstream without one gets a generated key,
 * and the import waits until the key was added there.
 * @throws AppError 422
 */
function initialAccess(
  deps: ProjectDeps,
  context: OrgContext,
  id: string,
  { name, import_url, credential: given, host_key }: NewProject,
) {
  const importUrl = import_url ?? null;
  const input = given ?? (importUrl?.startsWith("ssh:") ? { kind: "ssh_key" as const } : null);
  return {
    waits: input?.kind === "ssh_key" && input.private_key === undefined,
    hostKey: host_key === undefined ? null : parseHostKey(host_key, importUrl),
    credential:
      input === null
        ? null
        : encryptCredential(deps.secret, { id, name, importUrl }, input, context.actor.userId),
  };
}

/** The changeable fields of a project. */
type ProjectChanges = ParsedRequestOf<typeof projects.update>["body"];

/**
 * Changes a project. Open merge requests follow the new rules of their branches. Budgets need
 * `org:limits:write`, protected branches `project:protection:write`.
 * @throws AppError 403; 404; 409 `protection_change_needs_approval`; 422 for a check that does not exist
 */
export async function updateProject(
  deps: ProjectDeps,
  context: OrgContext,
  id: string,
  changes: ProjectChanges,
): Promise<Project> {
  await context.change(async (tx, audit, access) => {
    const budgets = changedBudgets(access, changes);
    const before = await queries.findProject(tx, id);
    if (!before) throw notFound();
    const { protected_branches, ...fields } = changes;
    if (fields.merge_drivers !== undefined && before.protected_branches.some(needsQueue)) {
      // They decide about the files that land.
      requirePermission(access, "project:protection:write");
    }
    if (protected_branches !== undefined) {
      await changeProtection(tx, audit, context, access, id, { protected_branches });
    }
    await queries.updateProject(tx, id, { ...fields, ...budgets });
    const after = await queries.findProject(tx, id);
    if (!after) throw notFound();
    const known = new Set(before.merge_drivers.map((driver) => JSON.stringify(driver)));
    const isFull = (driver: MergeDriver): boolean =>
      driver.driver === "regenerate" && driver.network === "full";
    if (
      after.merge_drivers.some((driver) => isFull(driver) && !known.has(JSON.stringify(driver)))
    ) {
      requirePermission(access, "agent:network:full");
    }
    const changed = {
      ...diffFields(before, after, auditedFields),
      ...diffFields(auditedDrivers(before), auditedDrivers(after), ["merge_drivers"]),
    };
    if (Object.keys(changed).length === 0) return;
    const target = { type: "project", id, name: after.name } as const;
    audit({ action: "project.updated", target, changes: changed });
  });
  if (changes.protected_branches !== undefined) await advanceQueuesOf(deps, context, id);
  return readProject(deps, context, id);
}

/** Every changeable field but the drivers, which are recorded as texts. */
export const auditedFields = projects.update.body.keyof().exclude(["merge_drivers"]).options;

/** The drivers as recorded in the audit log: one text each. */
function auditedDrivers({ merge_drivers }: Pick<Project, "merge_drivers">) {
  return {
    merge_drivers: merge_drivers.map((driver) => {
      const text = `${driver.pattern}: ${driver.driver}`;
      if (driver.driver !== "regenerate") return text;
      const { command, network, timeout_seconds } = driver;
      return `${text} by ${JSON.stringify(command)}, network ${network}, ${timeout_seconds} s`;
    }),
  };
}

async function finishEmpty(
  deps: ProjectDeps,
  orgId: string,
  id: string,
  branch: string,
): Promise<void> {
  await createRepository(deps.storage.repository(orgId, id), branch);
  await deps.db.tenant(orgId, (tx) =>
    queries.updateProject(tx, id, {
      status: "ready",
      progress: 100,
      imported_at: sql`clock_timestamp()`,
    }),
  );
}

/** Longer than any push may take, in milliseconds. */
const quarantineMs = 24 * 60 * 60_000;

/**
 * Removes stale locks of killed git processes and quarantines of interrupted pushes: those from before `aloneAt`. If
 * other processes use the repositories, only entries older than any live process are removed.
 */
export async function unlockRepositories(
  storage: Storage,
  { aloneAt, isAlone }: { aloneAt: number | null; isAlone: boolean },
): Promise<void> {
  const below = async (folder: string): Promise<string[]> => {
    const names = await readdir(folder).catch(() => []);
    return names.map((name) => join(folder, name));
  };
  for (const organization of await below(storage.repositories)) {
    for (const repoPath of await below(organization)) {
      await removeStaleLocks(repoPath, aloneAt ?? undefined);
      await removeQuarantines(repoPath, aloneAt ?? Date.now() - quarantineMs);
      if (isAlone) await removePackingLeftovers(repoPath);
    }
  }
}

/** Resumes unfinished work of an earlier process of this node. */
export async function resumeProjects(deps: ProjectDeps): Promise<void> {
  const nodeId = deps.db.node.id;
  const unfinished = await deps.db.withSystem("resume unfinished projects", (db) =>
    queries.listUnfinishedProjects(db, nodeId),
  );
  for (const { id, org_id, import_url, default_branch } of unfinished) {
    if (import_url === null) await finishEmpty(deps, org_id, id, default_branch);
    else await deps.jobs.send("import-project", { org_id, project_id: id });
  }
  const underWay = await deps.db.withSystem("resume upstream operations", (db) =>
    upstreams.listActiveOperations(db, nodeId),
  );
  for (const { id, org_id } of underWay) {
    await deps.jobs.send("use-upstream", { org_id, project_id: id });
  }
  const deleted = await deps.db.withSystem("resume the removal of projects", (db) =>
    queries.listProjectsToRemove(db, nodeId),
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
  const taken = await queries.takenProjectSlugs(tx, short);
  let slug = short;
  for (let number = 2; taken.has(slug); number += 1) slug = `${short}-${number}`;
  return slug;
}

/** Finds the project of a git URL in any organization. */
export function findProjectByAddress(db: Database, orgSlug: string, slug: string) {
  return db.withSystem("find the project of a git URL", (tx) =>
    queries.findProjectBySlugs(tx, orgSlug, slug),
  );
}

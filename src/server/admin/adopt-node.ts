import { mkdir } from "node:fs/promises";
import { sql } from "drizzle-orm";
import { flushToDisk, removeTree } from "#git/files/atomic-directory.js";
import { ConfigError } from "#shared/node/config-error.js";
import { identifyDataFolder, readNodeId } from "../cluster/data-folder-identity.js";
import { listNodes, lockEpoch, lockNodes, type RegisteredNode } from "../cluster/nodes.queries.js";
import { recordInstallationEvent } from "../db/audit/installation-audit.js";
import type { Queryable } from "../db/connection/connect.js";
import { lockOrganizations } from "../db/connection/tenant.js";
import type { AuditWriterOf } from "../db/connection/system-change.js";
import type { TryLock } from "../db/locks/locks.js";
import {
  adoptedFolder,
  adoptionLock,
  copyParts,
  endMovesOf,
  filesOf,
  moveParts,
  presentParts,
  readList,
  requireRoom,
  sizeOf,
  streamList,
  type ProjectFiles,
} from "../features/operation/project-moves/index.js";
import type { AdminContext } from "../features/identity/people/index.js";
import type { SetBackReport } from "./set-back/set-back-project.js";

/** The projects that this node has taken over. */
export interface AdoptionReport {
  node: string;
  /** The time of the backup; null for a data folder. */
  backup_created_at: string | null;
  projects: AdoptedProject[];
  /** Projects that the folder or the backup does not have. */
  missing: { id: string; address: string }[];
  /** Projects that could not be taken over, which the next call tries again. */
  failed: { id: string; address: string; reason: string }[];
}

export interface AdoptedProject {
  id: string;
  address: string;
  /** The work that the backup does not contain; null for a data folder. */
  set_back: SetBackReport | null;
}

interface Adoption {
  db: Queryable;
  tryLock: TryLock;
  context: Pick<AdminContext, "origin" | "change">;
  /** The data folder of this node. */
  dataDir: string;
  log: (line: string) => void;
}

/** A project of the node that is gone. */
export interface OwnedProject extends Record<string, unknown> {
  id: string;
  org_id: string;
  address: string;
  /** Whether it has to have a repository: it was neither deleted nor is its import unfinished. */
  is_ready: boolean;
}

/** The files of a node that is gone. */
export interface AdoptionSource {
  nodeId: string;
  /** The time of the backup; null for a data folder. */
  createdAt: string | null;
  /** Called when nothing refuses the work and before anything changes; an error of it ends the work. */
  agree(): Promise<void>;
  /** Called once before the first project, and after the last one. */
  begin(): Promise<void>;
  end(): Promise<void>;
  hasRepository(project: OwnedProject, files: ProjectFiles): Promise<boolean>;
  /** Puts the files of a project into an empty folder laid out as a data folder. */
  fill(staging: string, project: OwnedProject, files: ProjectFiles): Promise<void>;
  /**
   * Reads what is in the folder, and returns the work that makes the database agree with it, which is part of the
   * transaction that changes the home.
   */
  reconcile(
    staging: string,
    project: OwnedProject,
    files: ProjectFiles,
    node: string,
  ): Promise<(tx: Queryable, audit: AuditWriterOf) => Promise<SetBackReport | null>>;
}

/**
 * Gives the projects of a node that is gone to the node of this data folder. Their files are copied from that node's
 * data folder, which is mounted here; each project changes its home when its files are in place. Called again, it
 * continues.
 * @throws ConfigError while the other node has its lease, or when the folder is of another node
 */
export async function adoptFolder(
  adoption: Adoption,
  name: string,
  folder: string,
): Promise<AdoptionReport> {
  const partsOf = (files: ProjectFiles): Promise<string[]> => presentParts(folder, files);
  return adoptProjects(adoption, name, {
    nodeId: readNodeId(folder),
    createdAt: null,
    agree: async () => {},
    begin: async () => {},
    end: async () => {},
    hasRepository: async (_project, files) => (await partsOf(files)).includes(files.repository),
    fill: async (staging, _project, files) => {
      const parts = await partsOf(files);
      await requireRoom(staging, sizeOf(await readList(streamList(folder, parts))));
      await copyParts(folder, staging, parts);
    },
    reconcile: async () => async () => null,
  });
}

/**
 * As `adoptFolder`, from any copy of the files.
 * @throws ConfigError while the other node has its lease, or when the files are of another node
 */
export async function adoptProjects(
  adoption: Adoption,
  name: string,
  source: AdoptionSource,
): Promise<AdoptionReport> {
  const own = identifyDataFolder(adoption.dataDir).id;
  let report: AdoptionReport | undefined;
  // Two at a time would both put the same projects in place, one of them over what is in use by then.
  await adoption.tryLock(adoptionLock(own), async () => {
    report = await adoptAlone(adoption, own, name, source);
  });
  if (report) return report;
  throw new ConfigError(
    "This server takes over projects already; wait for the end of that command",
  );
}

async function adoptAlone(
  adoption: Adoption,
  own: string,
  name: string,
  source: AdoptionSource,
): Promise<AdoptionReport> {
  const { db, context, log } = adoption;
  await findBoth(db, own, name, source);
  await source.agree();
  const gone = await endNode(context, own, name, source);
  const report: AdoptionReport = {
    node: gone.name,
    backup_created_at: source.createdAt,
    projects: [],
    missing: [],
    failed: [],
  };
  const { rows } = await db.execute<OwnedProject>(sql`
    select p.id, p.org_id, o.slug || '/' || p.slug as address,
      p.status = 'ready' and p.deleted_at is null as is_ready
    from projects p join organizations o on o.id = p.org_id
    where p.home_node = ${gone.id} and p.removed_at is null order by p.id`);
  if (rows.length === 0) return report;
  await source.begin();
  try {
    for (const project of rows) {
      const { id, address, is_ready } = project;
      log(`project ${address}`);
      try {
        const adopted = await adoptProject(adoption, own, gone, project, source);
        if (adopted === "missing") report.missing.push({ id, address });
        if (typeof adopted === "object" && is_ready) report.projects.push(adopted);
      } catch (error) {
        // The others are not held up. A repetition tries it again.
        // A failed statement says more by its cause.
        const { cause, message } = error as Error;
        const reason = cause instanceof Error ? cause.message : message;
        report.failed.push({ id, address, reason });
      }
    }
  } finally {
    await source.end();
  }
  return report;
}

/** Takes over one project, unless its files are missing, or it got another home meanwhile. */
async function adoptProject(
  { db, context, dataDir }: Adoption,
  own: string,
  gone: RegisteredNode,
  project: OwnedProject,
  source: AdoptionSource,
): Promise<AdoptedProject | "missing" | "elsewhere"> {
  const { id, org_id, address } = project;
  const files = await filesOf(
    { db: { withSystem: (_reason, work) => work(db) }, dataDir },
    { org_id, project_id: id },
  );
  if (project.is_ready && !(await source.hasRepository(project, files))) return "missing";
  const staging = adoptedFolder(dataDir, id);
  await removeTree(staging);
  await mkdir(staging, { recursive: true, mode: 0o700 });
  await source.fill(staging, project, files);
  const reconcile = await source.reconcile(staging, project, files, gone.name);
  const parts = await presentParts(staging, files);
  // Before the lock, under which the second call has little left to do.
  await flushToDisk(dataDir);
  const adopted = await context.change(async (tx, audit) => {
    await lockOrganizations(tx, [org_id]);
    const { rows: ofGone } = await tx.execute(sql`
      select from projects where id = ${id} and home_node = ${gone.id} and removed_at is null
      for update`);
    if (ofGone.length === 0) return "elsewhere" as const;
    const set_back = await reconcile(tx, audit);
    await moveParts(staging, dataDir, parts);
    await flushToDisk(dataDir);
    await tx.execute(sql`update projects set home_node = ${own} where id = ${id}`);
    return { id, address, set_back };
  });
  await removeTree(staging);
  return adopted;
}

/** Ends a node for good: its epoch grows, so that it writes nothing, and its start is refused. */
function endNode(
  { origin, change }: Adoption["context"],
  ownId: string,
  name: string,
  source: AdoptionSource,
): Promise<RegisteredNode> {
  return change(async (tx) => {
    await lockNodes(tx);
    const { own, gone } = await findBoth(tx, ownId, name, source);
    if (gone.adopted_by === own.name) return gone;
    await lockEpoch(tx, gone.id);
    await tx.execute(sql`
      update nodes set epoch = epoch + 1, adopted_by = ${own.name}, lease_until = clock_timestamp()
      where id = ${gone.id}`);
    await endMovesOf(tx, gone.id);
    await recordInstallationEvent(tx, origin, {
      action: "node.adopted",
      target: { type: "node", id: gone.id, name },
      changes: { adopted_by: { from: null, to: own.name } },
    });
    return gone;
  });
}

/**
 * Finds this node, and the one that is gone.
 * @throws ConfigError for an unknown node, this one, one with a lease, one that another takes over, or for files of
 * another
 */
async function findBoth(
  tx: Queryable,
  ownId: string,
  name: string,
  { nodeId, createdAt }: AdoptionSource,
): Promise<{ own: RegisteredNode; gone: RegisteredNode }> {
  const all = await listNodes(tx);
  const own = all.find(({ id }) => id === ownId);
  const gone = all.find((node) => node.name === name);
  if (!own || own.url === null) {
    throw new ConfigError(
      "Start this server as a node with an address first, then run the command",
    );
  }
  if (!gone) throw new ConfigError(`There is no server ${name}; see omoi admin nodes`);
  if (gone.id === own.id) throw new ConfigError(`${name} is this server`);
  if (gone.is_leased) {
    throw new ConfigError(
      `The server ${name} holds its lease; stop it, and wait 15 s. Projects of a running server move by omoi admin project move`,
    );
  }
  if (gone.id !== nodeId) {
    throw new ConfigError(
      createdAt === null
        ? `The folder is of another server than ${name}; mount that of ${name}`
        : `The backup is of another server than ${name}; use one of ${name}`,
    );
  }
  if (gone.adopted_by !== null && gone.adopted_by !== own.name) {
    throw new ConfigError(
      `The server ${gone.adopted_by} takes over the projects of ${name}; run the command there`,
    );
  }
  return { own, gone };
}

/**
 * Removes a node without projects from the list.
 * @throws ConfigError while it has projects or its lease
 */
export function removeNode(
  { origin, change }: Adoption["context"],
  name: string,
): Promise<{ id: string; name: string }> {
  return change(async (tx) => {
    await lockNodes(tx);
    const gone = (await listNodes(tx)).find((node) => node.name === name);
    if (!gone) throw new ConfigError(`There is no server ${name}; see omoi admin nodes`);
    if (gone.is_leased) {
      throw new ConfigError(`The server ${name} holds its lease; stop it, and wait 15 s`);
    }
    const { rows } = await tx.execute<{ projects: number; moves: number }>(sql`
      select (select count(*)::int from projects
          where home_node = ${gone.id} and removed_at is null
            and deleted_at is null and status = 'ready') as projects,
        (select count(*)::int from project_moves where ${gone.id} in (from_node, to_node)
          and state in ('copying', 'freezing', 'switching', 'cleaning')) as moves`);
    const [kept] = rows;
    if (kept && (kept.projects > 0 || kept.moves > 0)) {
      throw new ConfigError(
        `The server ${name} has ${kept.projects} projects and ${kept.moves} unfinished moves; move them, or adopt them with omoi admin node adopt`,
      );
    }
    await lockEpoch(tx, gone.id);
    await tx.execute(sql`delete from project_moves where ${gone.id} in (from_node, to_node)`);
    // Imports that have failed and deleted projects end at another node: they have no files to keep.
    await tx.execute(sql`
      update projects set home_node = (
        select id from nodes where id <> ${gone.id} and url is not null
        order by lease_until desc nulls last limit 1)
      where home_node = ${gone.id} and removed_at is null`);
    // Projects whose files are gone keep their row, without a home.
    await tx.execute(sql`update projects set home_node = null where home_node = ${gone.id}`);
    await tx.execute(sql`delete from pgboss.job where name like '%.' || ${gone.id}`);
    await tx.execute(sql`delete from pgboss.queue where name like '%.' || ${gone.id}`);
    await tx.execute(sql`delete from nodes where id = ${gone.id}`);
    await recordInstallationEvent(tx, origin, {
      action: "node.removed",
      target: { type: "node", id: gone.id, name },
      changes: {},
    });
    return { id: gone.id, name };
  });
}

/**
 * An online backup of one node: the whole database, and the files of the projects whose home the node is. It
 * equals the state after a crash at one moment, from which a start recovers. At
 * that moment all organizations' locks are held, so no branch update can be reserved. The database
 * snapshot is taken first and the branches after it: an update reserved earlier is pending in the
 * snapshot, wherever its branch points. Objects are only ever added, and are archived later.
 */
import { createReadStream, createWriteStream } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { pipeline } from "node:stream/promises";
import { drizzle } from "drizzle-orm/node-postgres";
import type pg from "pg";
import { ConfigError } from "#shared/node/config-error.js";
import type { Config } from "../config/config.js";
import type { Queryable } from "../db/connection/connect.js";
import { identifyDataFolder } from "../cluster/data-folder-identity.js";
import { createLocks, LockBusyError } from "../db/locks/locks.js";
import { migrationNames } from "../db/migrate.js";
import { lockOrganizations } from "../db/connection/tenant.js";
import { layerOf } from "#git/worktree/overlay-driver.js";
import { workspaceLock } from "../features/code/workspaces/index.js";
import { storageIn, type Storage } from "../data-folder/storage.js";
import { archive, requireTar } from "./archives.js";
import type { BackupPlace, BackupTarget } from "./backup-place.js";
import { BackupWriter, isComplete, refsName, secretName, type Manifest } from "./format.js";
import { archiveStoredLogs } from "./stored-logs.js";
import { dumpTables } from "./tables.js";

/** Counts of archived items. */
export interface BackupReport {
  folder: string;
  /** The time of the snapshot, by the clock of the database. */
  created_at: string;
  node_id: string;
  organizations: number;
  repositories: number;
  workspaces: number;
  rows: number;
  folders_gone: string[];
  /** Runs whose log was missing in the object storage. */
  logs_missing: string[];
}

interface Project {
  id: string;
  org_id: string;
}

interface PlacedWorkspace {
  agent_id: string;
  org_id: string;
  project_id: string;
  agent_name: string;
}

/**
 * Attempts to archive packs that are replaced meanwhile, and to take a snapshot while organizations are
 * created.
 */
const ATTEMPTS = 5;

/**
 * Writes a backup into an empty place.
 * @param pool connections as the owner of the database; three are used
 * @throws ConfigError
 */
export async function takeBackup(
  config: Config,
  pool: pg.Pool,
  place: BackupTarget,
  log: (line: string) => void,
): Promise<BackupReport> {
  await requireTar();
  await place.requireEmpty();
  const { dataDir } = config;
  const storage = storageIn(dataDir);
  const backup = new BackupWriter(place);
  const nodeId = identifyDataFolder(dataDir).id;
  const reader = await pool.connect();
  try {
    // By the clock of the rows, with which an adoption compares it.
    const clock = await reader.query<{ now: string }>(
      `select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as now`,
    );
    const createdAt = clock.rows[0]?.now ?? "";
    const projects = await takeSnapshot(pool, reader, nodeId, storage, dataDir, backup);
    log("database");
    const tables = await dumpTables(reader, backup);
    const workspaces = await listWorkspaces(reader, nodeId);
    const { rows: organizations } = await reader.query("select from organizations");
    await reader.query("commit");
    for (const project of projects) {
      log(`repository ${project.id}`);
      await archiveObjects(backup, storage, dataDir, project);
    }
    const gone = await archiveFolders(pool, backup, storage, dataDir, workspaces, log);
    const missing: string[] = [];
    for (const { org_id, id } of projects) {
      const logs = relative(dataDir, storage.runLogs(org_id, id));
      await archive(backup, `logs/${org_id}/${id}.tar`, dataDir, [logs]);
      missing.push(...(await archiveStoredLogs(pool, backup, config, { org_id, id })));
    }
    await backup.write(secretName, `${config.secret}\n`);
    const manifest: Manifest = {
      format: 1,
      created_at: createdAt,
      node_id: nodeId,
      migrations: await migrationNames(),
      tables,
      needs_root: process.getuid?.() === 0 && workspaces.length > 0,
      folders_gone: gone,
    };
    await backup.finish(manifest);
    return {
      folder: place.name,
      created_at: createdAt,
      node_id: nodeId,
      organizations: organizations.length,
      repositories: projects.length,
      workspaces: workspaces.length,
      rows: Object.values(tables).reduce((sum, count) => sum + count, 0),
      folders_gone: gone,
      logs_missing: missing,
    };
  } finally {
    // Also ends a transaction that is still open.
    reader.release(true);
  }
}

/**
 * Deletes what an interrupted backup left.
 * @throws ConfigError if the backup is complete
 */
export async function removeIncomplete(place: BackupPlace): Promise<void> {
  if (await isComplete(place)) {
    throw new ConfigError(`${place.name} is a complete backup; use another place, or remove it`);
  }
  await place.clear();
}

/**
 * Begins the reader's transaction and archives the branches at the same moment.
 * @returns the projects of the node that have a repository at that moment
 */
async function takeSnapshot(
  pool: pg.Pool,
  reader: pg.PoolClient,
  nodeId: string,
  storage: Storage,
  dataDir: string,
  backup: BackupWriter,
): Promise<Project[]> {
  const barrier = await pool.connect();
  // The place may be slow, and the locks are held: the archive first goes to a local file.
  const spool = await mkdtemp(join(tmpdir(), "omoi-backup-"));
  const file = join(spool, refsName);
  const local: Pick<BackupWriter, "write"> = {
    write: (_name, content) => pipeline(content, createWriteStream(file, { mode: 0o600 })),
  };
  try {
    for (let attempt = 1; ; attempt += 1) {
      await barrier.query("begin");
      const locked = await idsOf(barrier);
      await lockOrganizations(drizzle(barrier) as Queryable, locked);
      await reader.query("begin isolation level repeatable read read only");
      const there = await idsOf(reader);
      // An organization created between the two queries is not locked.
      if (there.every((id) => locked.includes(id))) {
        const projects = await listProjects(reader, nodeId);
        const stores = projects.map(({ org_id, id }) =>
          relative(dataDir, storage.repository(org_id, id)),
        );
        // packed-refs last: git packs a branch before it deletes the loose file.
        const parts = ["HEAD", "config", "refs", "packed-refs"];
        const paths = stores.flatMap((repoPath) => parts.map((part) => join(repoPath, part)));
        await archive(local, refsName, dataDir, paths);
        await barrier.query("commit");
        await backup.write(refsName, createReadStream(file));
        return projects;
      }
      await reader.query("rollback");
      await barrier.query("rollback");
      if (attempt === ATTEMPTS) {
        throw new ConfigError("Organizations kept being created during the backup; try again");
      }
    }
  } finally {
    barrier.release(true);
    await rm(spool, { recursive: true, force: true });
  }
}

async function idsOf(client: pg.ClientBase): Promise<string[]> {
  const { rows } = await client.query<{ id: string }>("select id from organizations order by id");
  return rows.map(({ id }) => id);
}

async function listProjects(client: pg.ClientBase, nodeId: string): Promise<Project[]> {
  const { rows } = await client.query<Project>(
    "select id, org_id from projects where removed_at is null and home_node = $1 order by id",
    [nodeId],
  );
  return rows;
}

async function listWorkspaces(client: pg.ClientBase, nodeId: string): Promise<PlacedWorkspace[]> {
  const { rows } = await client.query<PlacedWorkspace>(
    `select w.agent_id, w.org_id, w.project_id, a.name as agent_name
     from workspaces w join agents a on a.id = w.agent_id join projects p on p.id = w.project_id
     where w.status = 'active' and w.workspace_type in ('local', 'docker') and p.home_node = $1
     order by w.agent_id`,
    [nodeId],
  );
  return rows;
}

/**
 * Archives the objects of a repository, loose ones first: git writes a pack before it deletes the
 * packed loose objects.
 */
async function archiveObjects(
  backup: BackupWriter,
  storage: Storage,
  dataDir: string,
  { org_id, id }: Project,
): Promise<void> {
  const objects = join(storage.repository(org_id, id), "objects");
  const parts: string[] = await readdir(objects).catch(() => []);
  const loose = parts.filter((part) => /^[0-9a-f]{2}$/.test(part)).toSorted();
  const at = (part: string): string => relative(dataDir, join(objects, part));
  const name = `objects/${org_id}/${id}`;
  await archive(backup, `${name}.loose.tar`, dataDir, loose.map(at));
  const packed = ["pack", "info"].map(at);
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const before: string[] = await readdir(join(objects, "pack")).catch(() => []);
    const isWhole = await archive(backup, `${name}.packs.tar`, dataDir, packed);
    const after: string[] = await readdir(join(objects, "pack")).catch(() => []);
    if (isWhole && before.every((file) => after.includes(file))) return;
  }
  throw new ConfigError(
    `The packs of the repository ${id} kept being replaced during the backup; try again`,
  );
}

/** Archives the folders of workspaces and returns the missing ones. */
async function archiveFolders(
  pool: pg.Pool,
  backup: BackupWriter,
  storage: Storage,
  dataDir: string,
  workspaces: readonly PlacedWorkspace[],
  log: (line: string) => void,
): Promise<string[]> {
  const locks = createLocks(pool);
  const layers = new Set<string>();
  const gone: string[] = [];
  for (const workspace of workspaces) {
    const { org_id: orgId, agent_id: agentId } = workspace;
    log(`workspace ${agentId}`);
    const work = (): Promise<boolean> => archiveFolder(backup, storage, dataDir, workspace, layers);
    // A folder that the server uses for longer than a minute is archived as a crash would leave it.
    const isThere = await locks(orgId, [workspaceLock(agentId)], work).catch((error: unknown) => {
      if (error instanceof LockBusyError) return work();
      throw error;
    });
    if (!isThere) gone.push(agentId);
  }
  return gone;
}

/**
 * Archives a workspace's folder and index, and its base layer once. Returns false when the folder is
 * missing.
 */
async function archiveFolder(
  backup: BackupWriter,
  storage: Storage,
  dataDir: string,
  { org_id, project_id, agent_id, agent_name }: PlacedWorkspace,
  layers: Set<string>,
): Promise<boolean> {
  const overlay = storage.overlay(org_id, agent_id);
  const lowers = storage.projectLayers(org_id, project_id);
  const index = relative(dataDir, storage.workspaceIndex(org_id, agent_id));
  const layer = await layerOf(overlay);
  const isOverlay = layer !== null;
  const folder = isOverlay ? overlay : storage.workspace(org_id, agent_name);
  if (!(await readdir(folder).catch(() => null))) return false;
  const name = `folders/${org_id}/${agent_id}.tar`;
  await archive(backup, name, dataDir, [relative(dataDir, folder), index]);
  if (layer !== null && !layers.has(layer)) {
    layers.add(layer);
    const path = relative(dataDir, join(lowers, layer));
    await archive(backup, `layers/${org_id}/${project_id}/${layer}.tar`, dataDir, [path]);
  }
  return true;
}

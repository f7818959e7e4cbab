import type pg from "pg";
import type { ClusterNode } from "#shared/api/operation/nodes.js";
import { ConfigError } from "#shared/node/config-error.js";
import type { Installation } from "../../admin/installation.js";
import type { Config } from "../../config/config.js";
import { recordInstallationEvent } from "../../db/audit/installation-audit.js";
import { findClusterNode } from "../../features/operation/nodes/index.js";
import type { BackupPlace } from "../backup-place.js";
import { takeBackup, type BackupReport } from "../take-backup.js";
import { beginBackup } from "./backup-files.js";
import { lockRepository } from "./repository-lock.js";
import { openOwnRepository } from "./repository.js";
import { prune } from "./retention.js";

export interface CreatedBackup extends BackupReport {
  name: string;
  /** The size of all files. */
  bytes: number;
  /** Bytes that no earlier backup had. */
  new_bytes: number;
}

export interface BackupWork {
  installation: Pick<Installation, "config" | "pool" | "db" | "origin">;
  /** The place of the backup repository. */
  place: BackupPlace;
  settings: NonNullable<Config["backups"]>;
  /** Whether the backup repository of another installation is used from now on. */
  takeOver: boolean;
  signal: AbortSignal;
  onProgress: (line: string) => void;
}

/**
 * Makes a backup in the backup repository, and records it in the installation's log.
 * @throws ConfigError
 */
export async function createBackup(work: BackupWork): Promise<CreatedBackup> {
  const { installation, place, settings, signal, onProgress } = work;
  const { config, pool, db } = installation;
  const owner = await ownerOf(pool);
  const lock = await lockRepository(pool, "write");
  if (lock === null) throw new ConfigError("The backup repository is locked; try again");
  try {
    const repository = await openOwnRepository(place, settings.key, owner, work.takeOver);
    const target = await beginBackup(repository, signal);
    const report = await takeBackup(config, pool, target, onProgress);
    const { created_at, node_id: id } = report;
    const node = await db.transaction((tx) => findClusterNode(tx, { id }));
    const of = { created_at, node: { id, name: node?.name ?? id } };
    const committed = await target.commit(of, () => lock.require());
    await recordBackup(installation, node);
    return { ...report, ...committed };
  } finally {
    await lock.release();
  }
}

/**
 * Applies the retention, unless another server makes its backup: that one does it then.
 * @returns the names of the deleted backups
 * @throws ConfigError
 */
export async function pruneBackups({
  installation: { pool },
  place,
  settings: { key, keep },
}: Pick<BackupWork, "installation" | "place" | "settings">): Promise<string[]> {
  const lock = await lockRepository(pool, "prune");
  if (lock === null) return [];
  try {
    const repository = await openOwnRepository(place, key, await ownerOf(pool), false);
    return await prune(repository, keep, () => lock.require());
  } finally {
    await lock.release();
  }
}

/**
 * Records in the installation's log that a node was backed up, from which the age of its last backup follows.
 * @param node undefined for a data folder that no server has used yet
 */
export function recordBackup(
  { db, origin }: Pick<Installation, "db" | "origin">,
  node: Pick<ClusterNode, "id" | "name"> | undefined,
): Promise<void> {
  const target = node ? { type: "node" as const, id: node.id, name: node.name } : null;
  return db.transaction((tx) =>
    recordInstallationEvent(tx, origin, { action: "backup.created", target, changes: {} }),
  );
}

/** Returns the id of the installation as the owner of a backup repository. */
export async function ownerOf(pool: pg.Pool): Promise<string> {
  const { rows } = await pool.query<{ id: string }>(
    "select log_storage_id as id from installation",
  );
  return rows[0]?.id ?? "";
}

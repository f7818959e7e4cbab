import { mkdir, rename } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { exists, removeTree } from "#git/files/atomic-directory.js";
import { ConfigError } from "#shared/node/config-error.js";
import { extract, requireTar } from "./archives.js";
import type { BackupSource } from "./backup-place.js";
import { readBackupFiles, refsName } from "./format.js";
import { storageIn } from "../data-folder/storage.js";
import type { Queryable } from "../db/connection/connect.js";
import { migrationNames } from "../db/migrate.js";
import { adoptedFolder, requireRoom } from "../features/operation/project-moves/index.js";
import {
  adoptProjects,
  type AdoptionReport,
  type AdoptionSource,
  type OwnedProject,
} from "../admin/adopt-node.js";
import { listCommitsBefore, listWorkspaces } from "../admin/set-back/set-back.queries.js";
import { setBackProject } from "../admin/set-back/set-back-project.js";
import { readStoredCommits } from "../admin/set-back/stored-commits.js";

/**
 * Gives the projects of a node that is gone to the node of this data folder, as they are in a backup of that node. Each
 * project's rows are set back to the backup in the transaction that changes its home. Called again, it continues.
 * @param agree called when nothing refuses the work and before anything changes, with the time of the backup in ISO
 * 8601; an error of it ends the work
 * @throws ConfigError when the backup is damaged or of another node, or while that has its lease
 */
export async function adoptBackup(
  adoption: Parameters<typeof adoptProjects>[0],
  name: string,
  place: BackupSource,
  agree: (createdAt: string) => Promise<void>,
): Promise<AdoptionReport> {
  const source = await openBackup(adoption, place);
  return adoptProjects(adoption, name, { ...source, agree: () => agree(source.createdAt) });
}

async function openBackup(
  { db, dataDir }: { db: Queryable; dataDir: string },
  place: BackupSource,
): Promise<Omit<AdoptionSource, "agree"> & { createdAt: string }> {
  await requireTar();
  const { manifest, sizes } = await readBackupFiles(place);
  const own = await migrationNames();
  if (manifest.migrations.some((migration) => !own.includes(migration))) {
    throw new ConfigError("The backup was made by a newer Omoi; upgrade this server first");
  }
  if (manifest.needs_root && process.getuid?.() !== 0) {
    throw new ConfigError("The backup contains files of several users; run the command as root");
  }
  const createdAt = manifest.created_at;
  // The branches of all projects are in one archive, whose folders move from here to the others.
  const refs = adoptedFolder(dataDir, "branches");
  const below = join(refs, "extracted");
  const repositoryOf = ({ org_id, id }: OwnedProject): string =>
    relative(dataDir, storageIn(dataDir).repository(org_id, id));

  /** Lists the archives of a project, in the order in which a restore extracts them. */
  const archivesOf = async ({ org_id, id }: OwnedProject): Promise<string[]> => {
    const agents = (await listWorkspaces(db, id)).map(({ agent_id }) => agent_id);
    const objects = `objects/${org_id}/${id}`;
    const layers = `layers/${org_id}/${id}/`;
    return [
      ...[`${objects}.loose.tar`, `${objects}.packs.tar`].filter((name) => sizes.has(name)),
      ...[...sizes.keys()].filter((name) => name.startsWith(layers)),
      ...agents.map((agent) => `folders/${org_id}/${agent}.tar`).filter((name) => sizes.has(name)),
      ...[`logs/${org_id}/${id}.tar`].filter((name) => sizes.has(name)),
    ];
  };
  return {
    nodeId: manifest.node_id,
    createdAt,
    begin: async () => {
      await removeTree(refs);
      await mkdir(below, { recursive: true, mode: 0o700 });
      await requireRoom(below, sizes.get(refsName) ?? 0);
      await extract(place, refsName, below);
    },
    end: () => removeTree(refs),
    hasRepository: (project) => exists(join(below, repositoryOf(project), "HEAD")),
    fill: async (staging, project) => {
      const names = await archivesOf(project);
      await requireRoom(
        staging,
        names.reduce((sum, name) => sum + (sizes.get(name) ?? 0), 0),
      );
      const repository = repositoryOf(project);
      if (await exists(join(below, repository))) {
        await mkdir(dirname(join(staging, repository)), { recursive: true });
        await rename(join(below, repository), join(staging, repository));
      }
      for (const name of names) await extract(place, name, staging);
    },
    reconcile: async (staging, project, files, node) => {
      if (!project.is_ready) return async () => null;
      const { id, org_id, address } = project;
      const stored = await readStoredCommits(
        join(staging, files.repository),
        await listCommitsBefore(db, id, createdAt),
      );
      const work = { id, org_id, address, node, backupAt: createdAt, folder: staging, stored };
      return (tx, audit) => setBackProject(tx, audit, work);
    },
  };
}

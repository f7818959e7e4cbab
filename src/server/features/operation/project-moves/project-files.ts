import { mkdir, rename } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { removeRepository } from "#git/store/bare-repository.js";
import { exists, removeTree } from "#git/files/atomic-directory.js";
import { unmount } from "#git/worktree/mounts.js";
import { layerOf } from "#git/worktree/overlay-driver.js";
import { ConfigError } from "#shared/node/config-error.js";
import { streamSystem } from "#git/process/system-command.js";
import { tarFlags } from "../../../data-folder/tar-flags.js";
import type { Database } from "../../../db/connection/connect.js";
import { storageIn } from "../../../data-folder/storage.js";
import * as queries from "./moves.queries.js";

/** The folders and files of a project in a data folder. */
export interface ProjectFiles {
  /** The parts that move, below the data folder. */
  readonly parts: readonly string[];
  /** The folders of workspaces with their overlays, of which one or the other is a part. */
  readonly workspaces: readonly { folder: string; overlay: string }[];
  readonly repository: string;
  /** Made anew where they are needed. */
  readonly exports: string;
}

type FilesDeps = { db: Pick<Database, "withSystem">; dataDir: string };

export async function filesOf(
  { db, dataDir }: FilesDeps,
  { org_id: org, project_id: id }: { org_id: string; project_id: string },
): Promise<ProjectFiles> {
  const agents = await db.withSystem("list the agents of a moving project", (tx) =>
    queries.listAgents(tx, id),
  );
  const storage = storageIn(dataDir);
  const below = (path: string): string => relative(dataDir, path);
  const workspaces = agents.flatMap(({ id: agent, name }) =>
    name === null
      ? []
      : [
          {
            folder: below(storage.workspace(org, name)),
            overlay: below(storage.overlay(org, agent)),
          },
        ],
  );
  const repository = below(storage.repository(org, id));
  return {
    repository,
    workspaces,
    exports: below(storage.exports(org, id)),
    parts: [
      repository,
      below(storage.projectLayers(org, id)),
      below(storage.projectEnvironments(org, id)),
      below(storage.runLogs(org, id)),
      ...agents.flatMap(({ id: agent }) => [
        below(storage.overlay(org, agent)),
        below(storage.home(org, agent)),
        below(storage.workspaceIndex(org, agent)),
      ]),
      ...workspaces.map(({ folder }) => folder),
    ],
  };
}

/** Returns the parts that exist and move. An overlay moves as its layers, without the folder where it is mounted. */
export async function presentParts(dataDir: string, files: ProjectFiles): Promise<string[]> {
  const mounted = new Set<string>();
  for (const { folder, overlay } of files.workspaces) {
    if ((await layerOf(join(dataDir, overlay))) !== null) mounted.add(folder);
  }
  const present: string[] = [];
  for (const part of files.parts) {
    if (!mounted.has(part) && (await exists(join(dataDir, part)))) present.push(part);
  }
  return present;
}

/**
 * Moves parts from one folder to another of the same file system, in place of what is there.
 * @throws if one is missing, before it changes anything
 */
export async function moveParts(from: string, to: string, parts: readonly string[]): Promise<void> {
  for (const part of parts) {
    if (!(await exists(join(from, part)))) throw new Error(`${part} is missing in ${from}`);
  }
  for (const part of parts) {
    await removeTree(join(to, part));
    await mkdir(dirname(join(to, part)), { recursive: true });
    await rename(join(from, part), join(to, part));
  }
}

/** Undoes a call of `moveParts` that may have failed in between. */
export async function moveBack(from: string, to: string, parts: readonly string[]): Promise<void> {
  for (const part of parts) {
    if (await exists(join(to, part))) await rename(join(to, part), join(from, part));
  }
}

/**
 * Copies parts from one folder to another, which may be on another file system.
 * @param parts as latin1 text
 * @param flags of the tar that reads
 * @throws ConfigError with tar's message
 */
export async function copyParts(
  from: string,
  to: string,
  parts: readonly string[],
  flags: readonly string[] = [],
): Promise<void> {
  const input = Buffer.from(parts.map((part) => `${part}\0`).join(""), "latin1");
  const names = [...flags, "--null", "--verbatim-files-from", "-T", "-"];
  const reading = streamSystem("tar", ["--create", "--file=-", ...tarFlags, ...names], {
    cwd: from,
    input,
  });
  const writing = streamSystem(
    "tar",
    ["--extract", "--file=-", ...tarFlags, "--same-permissions"],
    {
      cwd: to,
      input: reading.output,
    },
  );
  writing.output.resume();
  for (const { exitCode, stderr } of await Promise.all([reading.done, writing.done])) {
    if (exitCode !== 0) throw new ConfigError(`${from} cannot be copied: ${stderr.trim()}`);
  }
}

/** Removes all files of a project from a data folder. */
export async function removeFiles(dataDir: string, files: ProjectFiles): Promise<void> {
  for (const { folder } of files.workspaces) await unmount(join(dataDir, folder));
  await removeRepository(join(dataDir, files.repository));
  for (const part of [...files.parts, files.exports]) await removeTree(join(dataDir, part));
}

/** The lock of a node that takes over the projects of another one. */
export const adoptionLock = (nodeId: string): string => `adoption by ${nodeId}`;
/** The folder below `arrivals` for a project that is taken over. */
export const adoptedFolder = (dataDir: string, projectId: string): string =>
  join(arrivals(dataDir), `${ADOPTED}${projectId}`);
export const isAdoptedFolder = (name: string): boolean => name.startsWith(ADOPTED);
const ADOPTED = "adopted-";

/** The folder in which the files of a move arrive. */
export const arrivals = (dataDir: string): string => join(dataDir, "moving");

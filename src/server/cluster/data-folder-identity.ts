import { randomUUID } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { ConfigError } from "#shared/node/config-error.js";
import { isNoSpace } from "#shared/node/no-space.js";
import { currentBoot, currentNamespaces } from "../data-folder/data-folder-lock.js";
import { storageIn } from "../data-folder/storage.js";

/** The file of a data folder with the id of its node. */
export const nodeFile = "node.json";

/** The file with the epoch in which the folder was last served. Apart, so that the inode of the first one stays. */
export const epochFile = "node-epoch.json";

const content = z.object({ id: z.uuid() });
const epochContent = z.object({ id: z.uuid(), epoch: z.int() });

/** A data folder and the machine from which it is used. */
export interface DataFolderIdentity {
  /** The id of the node. */
  readonly id: string;
  /** The last epoch of the node in which this folder was served; null if it is not known. */
  readonly epoch: number | null;
  /** Device and inode of the file with the id: a copy of the folder has others. */
  readonly folder: string;
  /** The kernel's boot: the same for all containers of a machine. */
  readonly boot: string;
  /** The boot with the namespaces of this process. */
  readonly place: string;
  readonly host: string;
  /** Whether the folder has repositories. */
  readonly isUsed: boolean;
}

/**
 * Reads the identity of a data folder, and gives it an id on the first start.
 * @throws ConfigError when the file is damaged
 */
export function identifyDataFolder(dataDir: string): DataFolderIdentity {
  const file = join(dataDir, nodeFile);
  if (!existsSync(file)) {
    try {
      // "wx": when two first starts run concurrently, one writes the file and both read it.
      writeFileSync(file, text(randomUUID()), { mode: 0o600, flag: "wx" });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
  const { dev, ino } = statSync(file);
  const { repositories } = storageIn(dataDir);
  const id = readId(file);
  return {
    id,
    epoch: readEpoch(dataDir, id),
    folder: `${dev}:${ino}`,
    boot: currentBoot(),
    place: currentNamespaces(),
    host: hostname(),
    isUsed: existsSync(repositories) && readdirSync(repositories).length > 0,
  };
}

/** Gives a data folder the id of a node. */
export function writeNodeId(dataDir: string, id: string): void {
  const file = join(dataDir, nodeFile);
  writeFileSync(`${file}.new`, text(id), { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

/** Notes the epoch in which a data folder is served. */
export function writeEpoch(dataDir: string, id: string, epoch: number): void {
  const file = join(dataDir, epochFile);
  try {
    writeFileSync(`${file}.new`, `${JSON.stringify({ id, epoch })}\n`, {
      mode: 0o600,
      flush: true,
    });
    renameSync(`${file}.new`, file);
    // A power failure after the commit of the registration must not bring the earlier file back.
    const folder = openSync(dataDir, "r");
    fsyncSync(folder);
    closeSync(folder);
  } catch (error) {
    if (!isNoSpace(error)) throw error;
    // A full disk does not keep a server from starting. Without the file, the epoch is unknown.
    rmSync(file, { force: true });
  }
}

function readEpoch(dataDir: string, id: string): number | null {
  try {
    const noted = epochContent.parse(JSON.parse(readFileSync(join(dataDir, epochFile), "utf8")));
    return noted.id === id ? noted.epoch : null;
  } catch {
    // A folder of an earlier version, or from a backup.
    return null;
  }
}

/**
 * Returns the id of a data folder's node.
 * @throws ConfigError when it has none
 */
export const readNodeId = (dataDir: string): string => readId(join(dataDir, nodeFile));

function readId(file: string): string {
  try {
    return content.parse(JSON.parse(readFileSync(file, "utf8"))).id;
  } catch {
    throw new ConfigError(
      `${file} is damaged; restore it from a backup, or write {"id": "…"} with the id that omoi admin nodes shows`,
    );
  }
}

const text = (id: string): string => `${JSON.stringify({ id })}\n`;

import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { randomBytes } from "node:crypto";
import { dirname, join } from "node:path";
import { ConfigError } from "#shared/node/config-error.js";

/**
 * Makes the data folder unless it exists.
 * @throws ConfigError when it is not writable
 */
export function makeDataDir(dataDir: string): void {
  try {
    // Traversable, not readable: an embedded PostgreSQL under another uid stores its data below it.
    makeFolder(dataDir, 0o711);
    accessSync(dataDir, constants.W_OK | constants.X_OK);
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new ConfigError(
      `The data folder ${dataDir} is not writable (${why}); make it writable, or set OMOI_DATA_DIR to another folder`,
    );
  }
}

/** A marker file of a restore that is in progress or was interrupted. */
export const restoringName = "restore-under-way";

/** @throws ConfigError when a restore into the data folder was not completed */
export function rejectPartialRestore(dataDir: string): void {
  if (!existsSync(join(dataDir, restoringName))) return;
  throw new ConfigError(
    `A restore into ${dataDir} was not completed; run the same omoi admin restore again`,
  );
}

/** The server's umask: other users cannot access its files. */
const PRIVATE = 0o077;
/** The same umask with the right to traverse folders. */
const TRAVERSABLE = 0o066;

/**
 * Denies other users of the machine access to the data folder: to existing entries, and through this
 * process's umask to new ones. An earlier version made world-readable folders. Entries below an
 * inaccessible folder need no change.
 * @param hasForeignCommands whether commands of other users reach their workspaces by path
 */
export function restrictDataDir(dataDir: string, hasForeignCommands: boolean): void {
  process.umask(hasForeignCommands ? TRAVERSABLE : PRIVATE);
  // An embedded PostgreSQL under another uid stores its data below it.
  restrict(dataDir, process.getuid?.() === 0 ? TRAVERSABLE : PRIVATE);
  for (const name of readdirSync(dataDir)) restrict(join(dataDir, name), PRIVATE);
  if (!hasForeignCommands) return;
  const workspaces = join(dataDir, "workspaces");
  if (!existsSync(workspaces)) return;
  for (const folder of [workspaces, ...readdirSync(workspaces).map((id) => join(workspaces, id))]) {
    chmodSync(folder, 0o711);
  }
}

function restrict(path: string, forbidden: number): void {
  try {
    const stats = lstatSync(path);
    const isOpen = !stats.isSymbolicLink() && (stats.mode & forbidden) !== 0;
    if (isOpen) chmodSync(path, stats.mode & 0o7777 & ~forbidden);
  } catch {
    // Missing, or not owned by the server, such as the file system's own folders.
  }
}

/** Like mkdir -p. Node's `recursive` option never returns on file systems such as /proc that refuse. */
function makeFolder(path: string, mode: number): void {
  if (existsSync(path)) return;
  if (dirname(path) !== path) makeFolder(dirname(path), 0o755);
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}

/** File names in the data folder: the secret, and its replacement during a rotation. */
export const secretFile = "secret";
export const nextSecretFile = "secret.next";
/** File in the data folder that keeps the newest primary of the database. */
export const timelineFile = "database-timeline.json";

/** Reads the secret file of the data folder, and creates it on the first start. @throws ConfigError */
export function readSecret(dataDir: string): string {
  const file = join(dataDir, secretFile);
  try {
    if (!existsSync(file)) {
      if (existsSync(join(dataDir, "postgres/PG_VERSION"))) {
        throw new ConfigError(
          `The secret file ${file} is missing, but the database was encrypted with it; restore the file from a backup, or set OMOI_SECRET`,
        );
      }
      // "wx": when two first starts run concurrently, one writes it and both read it.
      writeFileSync(file, `${randomBytes(32).toString("hex")}\n`, { mode: 0o600, flag: "wx" });
    }
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") {
      throw new ConfigError(
        `The secret file ${file} cannot be written; set OMOI_SECRET, or OMOI_DATA_DIR to another folder`,
      );
    }
  }
  const secret = readFileSync(file, "utf8").trim();
  if (secret.length < 32) {
    throw new ConfigError(
      `The secret file ${file} is damaged; restore it from a backup, or set OMOI_SECRET`,
    );
  }
  return secret;
}

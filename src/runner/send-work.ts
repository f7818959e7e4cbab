import { createReadStream } from "node:fs";
import { open, rm } from "node:fs/promises";
import { safeMessage, type RunScript } from "#execution/scripts/run-script.js";
import { TAKE_ALL } from "#execution/scripts/repository-scripts.js";
import type { Masker } from "#execution/logs/mask-secrets.js";
import type { ReadOnlyFolder } from "#sandbox/sandbox.js";
import type { RunnerJob, WorkReceipt } from "#shared/execution/runner/protocol.js";

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
  /** Where the work is kept while it is sent. */
  path: string;
}

/** The commits of a run could not be read; a sentence. */
export class UnreadableWorkError extends Error {
  override readonly name = "UnreadableWorkError";
}

/** The commits and files of a run that were read. */
export interface ReadWork {
  /** The commit of the uncommitted files, which no branch has; null without any. */
  files: string | null;
  /** Sends them; may be repeated. */
  send(upload: (body: NodeJS.ReadableStream) => Promise<WorkReceipt>): Promise<WorkReceipt>;
  remove(): Promise<void>;
}

/**
 * Reads the commits and the uncommitted files of a run into a file: the upload takes as long as the network needs. git
 * runs in the sandbox, since everything in the repository is written by the agent.
 * @param hasEnded whether nothing runs in the folder any longer, so that all is taken
 * @throws UnreadableWorkError
 */
export async function readWork(
  { job, folder, uid, runScript, readOnly, known, path }: WorkSource,
  masker: Pick<Masker, "mask">,
  hasEnded: boolean,
  signal: AbortSignal,
): Promise<ReadWork> {
  const remove = (): Promise<void> => rm(path, { force: true });
  const file = await open(path, "w+", 0o600);
  let bytes = 0;
  try {
    const failure = await runScript({
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
      signal,
      onOutput: async (chunk) => {
        bytes += chunk.length;
        // The first line has less than 200 bytes.
        if (bytes > job.max_push_bytes + 200) throw tooLarge(job.max_push_bytes);
        await file.appendFile(chunk);
      },
    });
    signal.throwIfAborted();
    if (failure !== null) throw new UnreadableWorkError(safeMessage(failure, masker));
    const { buffer } = await file.read({ buffer: Buffer.alloc(200), position: 0 });
    const [, , , files = "-"] = (buffer.toString("latin1").split("\n")[0] ?? "").split(" ");
    return {
      files: /^[0-9a-f]{40}$/.test(files) ? files : null,
      send: (upload) => upload(createReadStream(path)),
      remove,
    };
  } catch (error) {
    await remove();
    throw error;
  } finally {
    await file.close();
  }
}

const tooLarge = (maxBytes: number): UnreadableWorkError =>
  new UnreadableWorkError(
    `they are larger than ${Math.floor(maxBytes / 1024 / 1024)} MiB; make fewer in a run, or raise OMOI_MAX_PUSH_MIB on the server`,
  );

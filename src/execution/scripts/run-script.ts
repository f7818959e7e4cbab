/** Short scripts in a workspace's folder, before and after a run. */
import type { RunLimits } from "#shared/api/execution/runs.js";
import { newId } from "#shared/node/new-id.js";
import type { ReadOnlyFolder, Sandbox } from "#sandbox/sandbox.js";
import type { Masker } from "../logs/mask-secrets.js";

/** A script in a workspace's folder, run before or after its command. */
export interface FolderScript {
  folder: string;
  uid: number | null;
  script: string;
  args: readonly string[];
  readOnly: readonly ReadOnlyFolder[];
  /** Called with each chunk of standard output. If it rejects, the script is killed. */
  onOutput: (chunk: Buffer) => void | Promise<void>;
  /** Ends the script. */
  signal?: AbortSignal;
}

/**
 * Runs a shell script in a sandbox without network, within a time limit. Returns why it failed, as a
 * sentence; null if it succeeded.
 * @throws the error of `onOutput`
 */
export type RunScript = (script: FolderScript) => Promise<string | null>;

/** Enough for the first index of a large folder. */
const SCRIPT_MS = 120_000;
/** git needs little memory; a run may have more. */
const MAX_MEMORY_BYTES = 1024 ** 3;

/** Returns a function that runs scripts in the sandbox of a run, within its limits. */
export function scriptRunner(
  sandbox: Pick<Sandbox, "start">,
  limits: RunLimits,
  maxFiles: number | null,
): RunScript {
  return async ({ folder, uid, script, args, readOnly, onOutput, signal }) => {
    let lastError = "";
    const process = await sandbox.start({
      id: newId(),
      folder,
      home: null,
      uid,
      command: ["/bin/sh", "-c", script, "sh", ...args],
      env: {},
      readOnly,
      network: "none",
      limits: {
        memoryBytes: Math.min(limits.memory_bytes, MAX_MEMORY_BYTES),
        processes: limits.processes,
        cpus: limits.cpus,
        diskBytes: limits.disk_bytes,
        diskFiles: maxFiles,
      },
      onOutput: (stream, chunk) => {
        if (stream === "stdout") return onOutput(chunk);
        lastError = (lastError + chunk.toString("utf8")).slice(-500);
        return undefined;
      },
    });
    const stop = (): void => process.stop(0);
    const timer = setTimeout(stop, SCRIPT_MS);
    if (signal?.aborted) stop();
    signal?.addEventListener("abort", stop, { once: true });
    try {
      const { exitCode, reason, detail } = await process.done;
      if (exitCode === 0 && reason === "exited") return null;
      if (reason === "stopped") return `git took longer than ${SCRIPT_MS / 1000} seconds.`;
      const line = lastError.trim().split("\n").at(-1) ?? "";
      return detail ?? `git failed${line === "" ? "" : ` (${line})`}.`;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", stop);
    }
  };
}

/** Maximum length of a message, in UTF-16 code units. */
const MAX_MESSAGE = 200;

/** Returns a message that an agent may have influenced in one line, without secrets. */
export function safeMessage(message: string, masker: Pick<Masker, "mask">): string {
  const line = masker
    .mask(message)
    .replaceAll(/[\p{Cc}\p{Cf}\p{Z}]+/gu, " ")
    .trim();
  if (line.length <= MAX_MESSAGE) return line;
  return `${line.slice(0, MAX_MESSAGE - 1).replace(/[\uD800-\uDBFF]$/, "")}…`;
}

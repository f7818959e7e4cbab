/** Short scripts of the server in a workspace's folder, before and after a run. */
import type { Database } from "../../../db/connection/connect.js";
import { newId } from "../../../db/tables/columns.js";
import type { Sandbox } from "#sandbox/sandbox.js";
import type { RunCommits, RunScript } from "../../workspaces/index.js";
import type { Masker } from "../logs/mask-secrets.js";
import * as managed from "../managed-runs.queries.js";
import type { ManagedRun } from "../managed-runs.queries.js";
import type { RunSettings } from "../run-settings.js";

/** Enough for the first index of a large folder. */
const SCRIPT_MS = 120_000;
/** git needs little memory; a run may have more. */
const MAX_MEMORY_BYTES = 1024 ** 3;

/** Returns a function that runs scripts in the sandbox of a run, within its limits. */
export function scriptRunner(
  sandbox: Pick<Sandbox, "start">,
  limits: ManagedRun["limits"],
  settings: Pick<RunSettings, "runFiles">,
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
        diskFiles: settings.runFiles,
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
  return line.length > MAX_MESSAGE ? `${line.slice(0, MAX_MESSAGE - 1)}…` : line;
}

/** Returns the repository of a run, from which commits are taken until the signal aborts. */
export function commitsOf(
  db: Database,
  { id, org_id }: Pick<ManagedRun, "id" | "org_id">,
  sharedUid: number | null,
  runScript: RunScript,
  { maxPushMib }: Pick<RunSettings, "maxPushMib">,
  masker: Pick<Masker, "mask">,
  signal: AbortSignal,
): RunCommits {
  return {
    sharedUid,
    findTip: () => db.tenant(org_id, (tx) => managed.findRepository(tx, id)),
    runScript,
    maxBytes: maxPushMib * 1024 * 1024,
    signal,
    begin: (tx, taking) => managed.recordTaking(tx, id, taking),
    record: (tx, taken) => {
      const error = taken.error === null ? null : safeMessage(taken.error, masker);
      return managed.recordTakenCommits(tx, id, { ...taken, error });
    },
  };
}

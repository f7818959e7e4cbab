/** Executes one command in a sandbox, with its log, its proxy and its time limit. It knows no database and no server. */
import type { Logger } from "pino";
import {
  reachesPorts,
  SandboxRefusal,
  type ReadOnlyFolder,
  type Sandbox,
  type SandboxExit,
  type SandboxInput,
  type SandboxedProcess,
} from "#sandbox/sandbox.js";
import type { NewEgress } from "./proxy/egress-recorder.js";
import { openEgress, proxyVariables, type RunEgressProxy } from "./proxy/open-egress.js";
import { openLog, type LogWriter } from "./logs/log-writer.js";
import type { Masker } from "./logs/mask-secrets.js";
import { outcomeOf, type Ending, type Exit, type ExecutedRun } from "./outcome.js";
import { collectResult, type ResultCollector } from "./presets/collect-result.js";
import { tellerOf } from "./presets/presets.js";

/** A local port through which a run with an isolated network reaches the server. */
export interface Callback {
  /** On the machine's 127.0.0.1. */
  port: number;
  close(): void;
}

/** Reads and writes the standard streams of a run in place of its log. */
export interface StandardStreams {
  /** Takes the program's standard output; resolves once there is room for more. */
  receive(chunk: Buffer): Promise<void> | void;
  /** Speaks with the started program until it ends. */
  start(process: SandboxedProcess): void;
  /** Ends after the program's end. */
  close(): Promise<void>;
}

export interface ExecutionInput {
  run: ExecutedRun;
  sandbox: Pick<Sandbox, "start"> & { readonly report: { mode: string } };
  folder: string;
  /** Null for an empty one in memory. */
  home: string | null;
  /** Maximum number of files in folder and home; null for no limit. */
  maxFiles: number | null;
  /** The path of the log. */
  logPath: string;
  /** Masks secrets in the output. */
  masker: Masker;
  /**
   * Returns the variables of the command.
   * @param url of the server, as the command reaches it
   * @param proxy variables of the proxy
   */
  variables(url: string, proxy: Readonly<Record<string, string>>): Record<string, string>;
  /** Opens the callback; null for a run that does not call the server. */
  openCallback: (() => Promise<Callback>) | null;
  /** The server's address for a run without a callback. */
  publicUrl: string;
  /** Hosts whose addresses may be private. */
  privateHosts: readonly string[];
  /** The address of a proxy for a restricted network; null opens one on this machine. */
  proxyUrl?: string | null;
  /** Opens the conversation of a session, which may end the run; null without one. */
  openStreams: ((end: Execution["end"]) => StandardStreams) | null;
  /**
   * Prepares the folder and the home.
   * @param ended aborted when the run is to end; its command then does not start
   * @throws SandboxRefusal with a sentence for users
   */
  prepare(log: LogWriter, ended: AbortSignal): Promise<Prepared>;
  /** Called before the command starts. @throws if it must not */
  requireStart?: () => void;
  /** Called when the sandbox is about to start the command, and when it has. */
  entered?: (phase: "start" | "command") => void;
  /** Writes connections and counts. */
  storeEgress(egress: NewEgress): Promise<void>;
  /** Repeats a write that must not fail; resolves also if it fails in the end, unless the server closes. */
  attempt(subject: string, work: () => Promise<void>): Promise<void>;
  /** Called when the log has grown. */
  written(): void;
  logger: Logger;
}

/** A folder in which a command can start. */
export interface Prepared {
  /** The uid it runs as, to which folder and home belong; null lets the sandbox decide. */
  uid: number | null;
  /** Folders that the command may read. */
  readOnly: readonly ReadOnlyFolder[];
}

/** A run in progress. */
export interface Execution {
  /** Bytes of output so far, and whether some was dropped. */
  readonly output: { bytes: number; truncated: boolean };
  /** Resolves when the command runs or could not be started. */
  readonly started: Promise<void>;
  /** Resolves once no process is left and the log is complete. */
  readonly done: Promise<Exit>;
  /** Requests its end; the first reason wins. */
  end(ending: Ending, graceMs: number): void;
  /** Ends it without a grace period, also if its end was requested before. */
  endAtOnce(ending: Ending): void;
}

/** Grace period of a run that exceeded its time or hours. */
export const shortGraceMs = 2000;

const outputLost =
  "Its output could not be stored; the operator can find the cause in the server's log.";

/** Starts a run. Its failures are outcomes: `done` rejects only with an error of `attempt`. */
export function executeRun(input: ExecutionInput): Execution {
  const { run, sandbox, masker, logger } = input;
  const result = collectResult(run.preset, masker);
  let log: LogWriter | null = null;
  let process: SandboxedProcess | null = null;
  let ending: Ending | null = null;
  let endGraceMs = 0;
  let timer: NodeJS.Timeout | null = null;
  let callback: Callback | null = null;
  let egress: RunEgressProxy | null = null;

  /** Aborted when the end of the run is requested. */
  const ended = new AbortController();

  /** Timers and the change feed call this, so an error must not propagate. */
  const stopProcess = (): void => {
    try {
      process?.stop(endGraceMs);
    } catch (error) {
      logger.error({ err: error, run: run.id }, "cannot stop a run");
    }
  };
  const end = (reason: Ending, graceMs: number): void => {
    if (ending) return;
    ending = reason;
    endGraceMs = graceMs;
    ended.abort();
    stopProcess();
  };
  const streams = input.openStreams?.(end) ?? null;

  const start = async (): Promise<SandboxedProcess> => {
    const hasPorts = reachesPorts(sandbox.report.mode, run.network);
    callback = hasPorts && input.openCallback ? await input.openCallback() : null;
    const written = await openLog({
      path: input.logPath,
      masker,
      teller: input.openStreams === null ? tellerOf(run.preset) : null,
      maxBytes: run.limits.output_bytes,
      written: () => input.written(),
      failed: (error) => {
        logger.error({ err: error, run: run.id }, "cannot store a run's output");
        end({ status: "failed", detail: outputLost }, 0);
      },
    });
    log = written;
    const { uid, readOnly } = await input.prepare(written, ended.signal);
    const isRestricted = run.network === "restricted";
    const proxyUrl = (isRestricted && input.proxyUrl) || null;
    if (isRestricted && proxyUrl === null) egress = await openProxy(input, written);
    const url = callback ? `http://127.0.0.1:${callback.port}` : input.publicUrl;
    input.requireStart?.();
    if (ending) throw new SandboxRefusal("It was ended before its command started.");
    input.entered?.("start");
    return sandbox.start({
      id: run.id,
      folder: input.folder,
      // A command without a sandbox could not reach it in the data folder.
      home: sandbox.report.mode === "off" ? null : input.home,
      uid,
      command: run.command,
      env: input.variables(url, proxyUrl === null ? (egress?.env ?? {}) : proxyVariables(proxyUrl)),
      readOnly,
      network: run.network,
      ports: [callback, egress].flatMap((listener) => listener?.port ?? []),
      limits: limitsOf(input),
      hasInput: streams !== null,
      onOutput: (stream, chunk) => {
        if (streams !== null && stream === "stdout") return streams.receive(chunk);
        if (stream === "stdout") result?.add(chunk);
        return written.write(stream, chunk);
      },
    });
  };

  const finish = async (exit: SandboxExit): Promise<Exit> => {
    callback?.close();
    await input.attempt("the connections of a run", async () => egress?.close());
    if (timer) clearTimeout(timer);
    await streams?.close();
    await log?.close().catch((error: unknown) => {
      logger.error({ err: error, run: run.id }, "cannot close a run's log");
    });
    // It may quote the command's output.
    const masked = { ...exit, detail: exit.detail === null ? null : masker.mask(exit.detail) };
    return {
      ...outcomeOf(run, masked, ending, input.maxFiles),
      result: result === null ? null : readResult(result, input),
      output_bytes: log?.bytes ?? 0,
      output_truncated: log?.truncated ?? false,
    };
  };

  const begin = async (): Promise<{ exit: Promise<SandboxExit> }> => {
    try {
      const running = await start();
      process = running;
      input.entered?.("command");
      streams?.start(running);
      const seconds = run.timeout_seconds;
      timer = setTimeout(() => {
        const detail = `It exceeded its timeout of ${seconds} seconds.`;
        end({ status: "timed_out", detail }, shortGraceMs);
      }, seconds * 1000).unref();
      // A request to end it during its start has not reached the process.
      if (ending) stopProcess();
      return { exit: running.done };
    } catch (error) {
      const isRefused = error instanceof SandboxRefusal;
      if (!isRefused) logger.error({ err: error, run: run.id }, "cannot start a run");
      return { exit: Promise.resolve(notStarted(isRefused ? error.message : null)) };
    }
  };
  const starting = begin();
  const done = starting
    .then(({ exit }) => exit)
    .catch((error: unknown) => {
      logger.error({ err: error, run: run.id }, "cannot store a run's output");
      return notStarted(outputLost);
    })
    .then(finish);
  done.catch(() => undefined);

  return {
    get output() {
      return { bytes: log?.bytes ?? 0, truncated: log?.truncated ?? false };
    },
    started: starting.then(() => undefined),
    done,
    end,
    endAtOnce: (reason) => {
      ending ??= reason;
      endGraceMs = 0;
      ended.abort();
      stopProcess();
    },
  };
}

/** Opens the proxy of a run with a restricted network. */
function openProxy(input: ExecutionInput, log: LogWriter): Promise<RunEgressProxy> {
  return openEgress({
    allowedHosts: input.run.allowed_hosts ?? [],
    privateHosts: input.privateHosts,
    store: (connections) => input.storeEgress(connections),
    log: (text) => void log.say(text),
    mask: (text) => input.masker.mask(text),
  });
}

function limitsOf({ run: { limits }, maxFiles }: ExecutionInput): SandboxInput["limits"] {
  return {
    memoryBytes: limits.memory_bytes,
    processes: limits.processes,
    cpus: limits.cpus,
    diskBytes: limits.disk_bytes,
    diskFiles: maxFiles,
  };
}

/** Returns the result that the run's preset reads; null without one. */
function readResult(result: ResultCollector, { run, logger }: ExecutionInput): string | null {
  try {
    return result.read();
  } catch (error) {
    logger.error({ err: error, run: run.id }, "cannot read the result of a run");
    return null;
  }
}

/** The exit of a command that was never started. */
function notStarted(detail: string | null): SandboxExit {
  return {
    exitCode: null,
    signal: null,
    reason: "start_failed",
    detail,
    cpuSeconds: null,
    peakMemoryBytes: null,
    throttled: null,
  };
}

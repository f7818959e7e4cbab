/** A runner in a pod: executes one run, whose command runs in the pod's other container. */
import { mkdir } from "node:fs/promises";
import type { Logger } from "pino";
import { connectToAgent, type AgentConnection } from "#sandbox/pod/agent-connection.js";
import { openPodSandbox } from "#sandbox/pod/pod-sandbox.js";
import { sendHeartbeats } from "../heartbeats.js";
import { openProjectCache } from "../project-cache.js";
import { startRemoteRun, type RemoteRun } from "../remote-run.js";
import type { RemoteRunDeps } from "../run-upload.js";
import { podStorage } from "../runner-storage.js";
import { connectToServer, RefusedError, repeated, UnreachableError } from "../server-connection.js";
import { mountedWorktreeDriver } from "./mounted-worktree.js";

export interface PodRunOptions {
  /** The address of the server, without a slash at its end. */
  url: string;
  /** The token of the Job. */
  token: string;
  runId: string;
  /** The data folder, which only this container has; absolute. */
  dataDir: string;
  /** The socket of the agent in the other container. */
  commandSocket: string;
  /** The address of the server's proxy for restricted networks; null if it has none. */
  egressUrl: string | null;
  log: Logger;
  /** Aborted when the cluster ends the pod. */
  ending: AbortSignal;
}

/** `over`: the run has ended; `queued`: it was not started, and waits again. */
export type PodRunOutcome = "over" | "queued";

/** The run could not be started; the message is a sentence for users. */
export class PodStartError extends Error {
  override readonly name = "PodStartError";
}

/** The image of the command may take as long to be pulled as the server allows, which ends the pod then. */
const AGENT_MS = 24 * 60 * 60_000;
/** Milliseconds for which a server that cannot be reached is asked for the run. */
const START_MS = 10 * 60_000;
/** Refusals after which the run is in the queue. */
const WAITS_AGAIN = new Set(["quota_exceeded", "run_in_progress", "run_not_offered"]);

/**
 * Executes one run until the server has acknowledged its end.
 * @throws PodStartError
 */
export async function runInPod(options: PodRunOptions): Promise<PodRunOutcome> {
  const { url, token, runId, dataDir, egressUrl, log, ending } = options;
  const storage = podStorage(dataDir);
  await mkdir(storage.runs, { recursive: true, mode: 0o700 });
  // Before its command can start, the run stays in the queue.
  const agent = await connectOrExplain(options);
  const server = connectToServer(url, token);
  const sandbox = openPodSandbox(agent, egressUrl !== null);
  const driver = mountedWorktreeDriver;
  const closing = new AbortController();
  const deps: RemoteRunDeps = {
    server,
    storage,
    sandbox,
    pod: { egressUrl },
    driver,
    cache: openProjectCache(storage, server, driver),
    log,
    // Another pod cannot go on with it, so it is never left.
    closing: new AbortController().signal,
  };
  try {
    const run = await startOrExplain(deps, runId, ending);
    if (typeof run === "string") return run;
    log.info({ run: runId, project: run.projectId }, "started the run");
    const live = new Map([[runId, run]]);
    const beats = sendHeartbeats(server, live, {
      log,
      closing: closing.signal,
      unknown: () => undefined,
    });
    const end = (): void =>
      run.end({ status: "lost", detail: "The cluster ended the pod of the run." }, run.stopGraceMs);
    ending.addEventListener("abort", end, { once: true });
    if (ending.aborted) end();
    await run.done;
    closing.abort();
    await beats.done;
    return "over";
  } finally {
    await agent.close();
  }
}

/** @throws PodStartError */
async function connectOrExplain({
  commandSocket,
  ending,
}: PodRunOptions): Promise<AgentConnection> {
  try {
    return await connectToAgent(commandSocket, AGENT_MS, ending);
  } catch (error) {
    if (ending.aborted) throw endedEarly(error);
    throw new PodStartError(`The run could not start: ${(error as Error).message}.`, {
      cause: error,
    });
  }
}

/** @throws PodStartError */
async function startOrExplain(
  deps: RemoteRunDeps,
  runId: string,
  ending: AbortSignal,
): Promise<RemoteRun | PodRunOutcome> {
  const deadline = performance.now() + START_MS;
  try {
    const job = await repeated(
      () => deps.server.start(runId),
      () => performance.now() > deadline,
      ending,
    );
    return startRemoteRun(deps, job, null);
  } catch (error) {
    if (ending.aborted) throw endedEarly(error);
    if (error instanceof UnreachableError) {
      throw new PodStartError(`The run could not start: ${error.message}.`, { cause: error });
    }
    if (!(error instanceof RefusedError)) throw error;
    if (error.status === 404 || error.code === "run_ended") return "over";
    if (WAITS_AGAIN.has(error.code)) return "queued";
    throw new PodStartError(`The server refused the start of the run: ${error.message}`, {
      cause: error,
    });
  }
}

const endedEarly = (cause: unknown): PodStartError =>
  new PodStartError("The cluster ended the pod before its run started.", { cause });

/** A run reserved for this process, and what its execution needs. */
import type { Logger } from "pino";
import type { Masker } from "#execution/logs/mask-secrets.js";
import type { DockerSandbox } from "#sandbox/docker/docker.js";
import type { Sandbox } from "#sandbox/sandbox.js";
import { modelVariables } from "#shared/execution/models/providers.js";
import type { NodeLease } from "../../../../cluster/node-lease.js";
import type { Storage } from "../../../../data-folder/storage.js";
import type { Database } from "../../../../db/connection/connect.js";
import type { CallbackListener } from "../../../../http/server/callback-listener.js";
import type { RunSecrets } from "../../secrets/index.js";
import type { RunPlace, WorkspaceDeps } from "../../../code/workspaces/index.js";
import type { ManagedRun } from "../managed-runs.queries.js";
import type { RunSettings } from "../run-settings.js";
import type { Conversation } from "../sessions/conversation/conversation.js";
import type { ConversationInput } from "../sessions/conversation/session-record.js";
import type { RunRecords } from "./run-records.js";

/** Ends a run. */
type EndRun = ConversationInput["end"];

/** A run reserved for this process, with everything needed to start it. */
export interface Launch {
  run: ManagedRun;
  /** Seconds in the queue; null if it started at once. */
  waitedSeconds: number | null;
  projectId: string;
  folder: string;
  /** Null for a check: its home is in memory. */
  home: string | null;
  /** The uid it runs as; null lets the sandbox decide. */
  uid: number | null;
  /** Variables given for the run, which win over its secrets. */
  env: Record<string, string>;
  /** Null for a check, which gets none. */
  secrets: RunSecrets | null;
  /** Null for checks and builds, which do not call the API. */
  token: string | null;
  /** Masks the values of `env`, the secrets and the token in the output. */
  masker: Masker;
  /** Its repository in the workspace; null for checks and builds. */
  repository: Pick<RunPlace, "head" | "prepareRepository" | "environmentProblem"> | null;
  /** Opens the conversation of a session; null without one. */
  conversation: ((end: EndRun) => Conversation) | null;
  /** The sandbox that runs it. */
  sandbox: Pick<Sandbox | DockerSandbox, "start" | "report">;
}

export interface SupervisorDeps {
  db: Database;
  /** Commands end before another server can take over the data of the node. */
  lease: Pick<NodeLease, "require" | "untilHeld" | "onLapse">;
  storage: Storage;
  workspaces: WorkspaceDeps;
  settings: RunSettings;
  publicUrl: () => string;
  /** Opens the listener through which a run with an isolated network reaches this server. */
  openCallback(runId: string): Promise<CallbackListener>;
  /** Called when a log has grown. */
  written: (runId: string) => void;
  /**
   * Called when the command of a check or a build has succeeded, before its run ends; may be repeated.
   */
  succeeded: (run: ManagedRun, masker: Pick<Masker, "mask">) => Promise<void>;
  /** Called when a run has ended, which may free a slot. */
  ended: (run: ManagedRun) => Promise<void>;
  serverId: string;
  log: Logger;
}

/** The dependencies of steps of a run in progress. */
export interface ExecutionDeps extends SupervisorDeps {
  records: RunRecords;
  /** Ends what runs still do on the server after its shutdown time. */
  closing: AbortSignal;
}

/**
 * Returns the variables of a command.
 * @param url of the server, as the command reaches it
 * @param proxy variables of the proxy
 */
export function variablesOf(
  { run, env, secrets, token }: Launch,
  url: string,
  proxy: Readonly<Record<string, string>>,
): Record<string, string> {
  return {
    ...secrets?.variables,
    // Without a network, a run does not reach the gateway.
    ...(token !== null &&
      run.network !== "none" &&
      modelVariables(secrets?.providers ?? [], url, token)),
    ...env,
    ...proxy,
    ...(token !== null && { OMOI_URL: url, OMOI_TOKEN: token }),
    ...(run.kind === "managed" && token !== null && { OMOI_AGENT_ID: run.agent_id }),
    OMOI_RUN_ID: run.id,
  };
}

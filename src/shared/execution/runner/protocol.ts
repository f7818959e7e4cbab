/**
 * What runners and servers say to each other, below `/runner/v1`. A runner sends its token as
 * `Authorization: Bearer omoi_runner_…`, which opens the runs that it has taken, and nothing else. Errors are
 * problem documents, as in the API. Calls with a run in their path are handled by the home of its project.
 *
 * 1. `POST /runner/v1/offers` (`offerRequest` → `offers`) takes queued runs, and waits for some.
 * 2. `POST /runner/v1/runs/{run_id}/start` (→ `runnerJob`) starts one. Repeatable until the first heartbeat: each
 *    answer has another token.
 * 3. `GET|POST /runner/v1/runs/{run_id}/git/…` is git's smart HTTP protocol, for fetching what the run may read; after
 *    its end, for the time of a lease, what the next run of the agent will need.
 * 4. `POST /runner/v1/heartbeats` (`heartbeats` → `heartbeatReplies`) extends leases.
 * 5. `POST /runner/v1/runs/{run_id}/log?offset=N` appends whole lines to the log (→ `logReceipt`).
 * 6. `POST /runner/v1/runs/{run_id}/egress` (`egressReport` → 204) lists connections; a batch counts once.
 * 7. `POST /runner/v1/runs/{run_id}/work?ended=false` brings commits and uncommitted files (→ `workReceipt`).
 * 8. `POST /runner/v1/runs/{run_id}/end` (`runEnd` → 204) ends the run. Repeatable until it is acknowledged.
 */
import { z } from "zod";
import { presetNames, runStatuses } from "../run-choices.js";
import { MAX_LABELS, runnerLabel } from "./labels.js";

export { MAX_LABELS, runnerLabel } from "./labels.js";

/** Prefix of a runner's token. */
export const runnerTokenPrefix = "omoi_runner_";

/** Prefix of all paths. */
export const RUNNER_PATH = "/runner/v1";

/** A runner without a heartbeat of a run for this long has lost it. Longer than a restart of the server. */
export const RUNNER_LEASE_SECONDS = 60;

/** Seconds between heartbeats. */
export const RUNNER_HEARTBEAT_SECONDS = 3;

/** Seconds that a request for runs waits at most. */
export const MAX_OFFER_WAIT_SECONDS = 25;

/** Maximum length of one upload of the log in bytes. */
export const MAX_LOG_UPLOAD_BYTES = 1024 * 1024;

/** Media type of uploads of the log: one JSON document per line. */
export const LOG_TYPE = "application/x-ndjson";

/** Media type of uploads of commits. */
export const WORK_TYPE = "application/x-omoi-work";

/** Maximum length of a report of connections in bytes. */
export const MAX_EGRESS_BYTES = 4 * 1024 * 1024;

const uuid = z.uuid();
const network = z.enum(["none", "restricted", "full"]);
const count = z.int().min(0);

/**
 * The version of the protocol. Answers may get further fields; a runner must ignore those that it does not know. It
 * grows when a runner of an earlier version could not execute a run any longer.
 */
export const RUNNER_PROTOCOL = 1;

/** A runner describes itself, and says how many more runs it can start now. */
export const offerRequest = z.strictObject({
  protocol: z.literal(
    RUNNER_PROTOCOL,
    `must be ${RUNNER_PROTOCOL}: install the runner in the version of the server`,
  ),
  labels: z.array(runnerLabel).max(MAX_LABELS),
  /** The networks that its sandbox isolates. */
  networks: z.array(network).max(3),
  /** Runs that it takes at once, and those that it can start now. */
  slots: z.int().min(1).max(1000),
  free: z.int().min(0).max(1000),
  version: z.string().max(100),
  host: z.string().max(255),
  wait_seconds: z.int().min(0).max(MAX_OFFER_WAIT_SECONDS),
});
export type OfferRequest = z.output<typeof offerRequest>;

/** Runs reserved for the runner for 30 s, in the order in which they should start. */
export const offers = z.object({ runs: z.array(uuid) });
export type Offers = z.output<typeof offers>;

/** Everything that a runner needs to execute a run. */
export const runnerJob = z.object({
  run_id: uuid,
  org_id: uuid,
  project_id: uuid,
  agent: z.strictObject({ id: uuid, name: z.string() }),
  /** For calls of the API and of models; ends with the run. */
  token: z.string(),
  /** The workspace's branch, and the commit from which it starts. */
  branch: z.string(),
  head_commit: z.string(),
  base_branch: z.string(),
  base_commit: z.string().nullable(),
  /** What every agent of the project may read, beside the two. */
  default_branch: z.string(),
  /** Its commit; null if it is missing, and from servers that do not send it. */
  default_commit: z.string().nullable().default(null),
  command: z.array(z.string()),
  preset: z.enum(presetNames).nullable(),
  /** Variables, but for those of models and of the proxy. */
  env: z.record(z.string(), z.string()),
  /** The project's environment (docs/how-to/environments.md); null without a setup script. */
  environment: z
    .strictObject({
      setup_script: z.string(),
      cache_key_files: z.array(z.string()),
      network: z.enum(["none", "restricted"]),
      allowed_hosts: z.array(z.string()).nullable(),
      /** Variables of the script. */
      env: z.record(z.string(), z.string()),
    })
    .nullable(),
  /** Values that are masked in the log. */
  secrets: z.array(z.string()),
  /** Names of providers whose models the run may call. */
  model_providers: z.array(z.string()),
  key_prefix: z.string(),
  network,
  allowed_hosts: z.array(z.string()).nullable(),
  /** Hosts that may have private addresses; none from servers that do not send them. */
  private_hosts: z.array(z.string()).default([]),
  timeout_seconds: count,
  limits: z.strictObject({
    memory_bytes: count,
    processes: count,
    cpus: z.number().nullable(),
    disk_bytes: count.nullable(),
    output_bytes: count,
  }),
  /** Whether the number of processors is a default, which a machine that cannot limit them leaves out. */
  has_default_cpus: z.boolean().default(false),
  /** Files in the workspace and the home; null for no limit. */
  max_files: count.nullable(),
  /** Bytes of new commits at once. */
  max_push_bytes: count,
  stop_grace_seconds: count,
  /** Seconds between checkpoints while it runs; null for none. */
  checkpoint_seconds: count.nullable(),
  /** Whether uncommitted files are committed at the end. */
  commits_at_end: z.boolean(),
});
export type RunnerJob = z.output<typeof runnerJob>;

export const heartbeats = z.strictObject({
  runs: z
    .array(
      z.strictObject({
        run_id: uuid,
        output_bytes: count,
        output_truncated: z.boolean(),
      }),
    )
    .max(1000),
});
export type Heartbeats = z.output<typeof heartbeats>;

/** For each run of the request: `run` goes on, `stop` with the reason, or `gone`: another state, nothing is to be sent. */
export const heartbeatReplies = z.object({
  runs: z.array(
    z.discriminatedUnion("state", [
      z.object({ run_id: uuid, state: z.literal("run") }),
      z.strictObject({
        run_id: uuid,
        state: z.literal("stop"),
        status: z.enum(runStatuses),
        detail: z.string(),
      }),
      z.object({ run_id: uuid, state: z.literal("gone") }),
    ]),
  ),
});
export type HeartbeatReplies = z.output<typeof heartbeatReplies>;

/**
 * The bytes of the log that the home has. A request with a smaller offset is accepted, and what is known is skipped;
 * one with a larger offset is answered with 409 `log_gap`, after which `offset` of the receipt is the next.
 */
export const logReceipt = z.object({ offset: count });

export const egressReport = z.strictObject({
  /** Counts from 1 for each run. */
  batch: z.int().min(1),
  allowed: count,
  denied: count,
  connections: z
    .array(
      z.strictObject({
        id: uuid,
        host: z.string().max(1000),
        port: z.int().min(0).max(65_535),
        decision: z.enum(["allowed", "denied", "failed"]),
        reason: z.string().max(1000).nullable(),
        at: z.iso.datetime(),
        bytes_sent: count,
        bytes_received: count,
      }),
    )
    .max(1000),
});
export type EgressReport = z.output<typeof egressReport>;

/**
 * The answer to the commits of a run. The body of the request (`application/x-omoi-work`) is a line `omoi BRANCH HEAD FILES\n`, each the id of
 * a commit or `-`, and a pack of what is new in them: the tip of the workspace's branch, HEAD, and a commit of the
 * uncommitted files that no branch has. `known` are commits that the next pack may leave out.
 */
export const workReceipt = z.object({
  /** The newest commit of the run's repository that the workspace's branch has. */
  tip: z.string(),
  known: z.array(z.string()),
  /** Why commits were not taken, as a sentence; null if they were. */
  error: z.string().nullable(),
});
export type WorkReceipt = z.output<typeof workReceipt>;

/** How the command of a run ended. */
export const runEnd = z.strictObject({
  outcome: z.enum(runStatuses),
  exit_code: z.int().min(0).max(255).nullable(),
  detail: z.string().max(500),
  result: z
    .string()
    .max(16 * 1024)
    .nullable(),
  peak_memory_bytes: count.nullable(),
  cpu_seconds: z.number().min(0).nullable(),
  output_bytes: count,
  output_truncated: z.boolean(),
  /** Why the run had no repository; null if it had one. */
  repository_error: z.string().max(500).nullable(),
});
export type RunEnd = z.output<typeof runEnd>;

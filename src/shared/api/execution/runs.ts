import { z } from "zod";
import { presetNames, runStatuses } from "../../execution/run-choices.js";
import { MAX_ALLOWED_HOSTS, parseAllowedHost } from "../../execution/egress.js";
import { variableNameRules } from "../../execution/names.js";
import { endpoint } from "../../contract/endpoint.js";
import {
  agentParams,
  boolean,
  id,
  instant,
  nullable,
  orgParams,
  page,
  timestamp,
} from "../../contract/fields.js";
import { MAX_LABELS, runnerLabel } from "../../execution/runner/labels.js";
import { modelUsage } from "../organization/budgets.js";
import { activeErrors } from "../workspace-errors.js";

const runStatus = z.enum(runStatuses);

/**
 * The network of a run: `none`, only the hosts of its allow-list (`restricted`), or the outside
 * (`full`).
 */
const networkAccess = z.enum(["none", "restricted", "full"]);

/** Limits of a managed run; null for no limit. */
export const runLimits = z.strictObject({
  memory_bytes: z.int().describe("Maximum memory in bytes"),
  processes: z.int().describe("Maximum number of processes and threads"),
  cpus: nullable.number.describe("Maximum number of processors, such as 1.5; null for no limit"),
  disk_bytes: nullable.integer.describe(
    "Maximum size of the workspace in bytes; null for no limit",
  ),
  output_bytes: z
    .int()
    .describe(
      "Maximum size of the stored output in bytes; the rest is discarded while the run continues",
    ),
});
export type RunLimits = z.output<typeof runLimits>;

/**
 * A run of an agent: `managed` in its workspace, in a sandbox; `leased`, run elsewhere and kept alive
 * by heartbeats; `check`, a command in a sandbox on a commit of the merge queue, a review or an automation; `review`, a second opinion on
 * its work; or `build`, the setup script of a project's environment. Fields of managed runs are null for leased ones.
 */
export const run = z.strictObject({
  id: id.describe("Id of the run"),
  agent_id: nullable.id.describe(
    "Id of the agent; null for a build, and for a check of a branch, which belong to their project",
  ),
  kind: z
    .enum(["managed", "leased", "check", "build", "review"])
    .describe(
      "`managed` runs in the agent's workspace, in a sandbox; `leased` runs elsewhere and is kept alive by heartbeats; `check` runs on a commit of the merge queue, a review or an automation; `review` gives a second opinion on the agent's work; `build` is the setup script of a project's environment",
    ),
  status: runStatus.describe(
    "The state. `queued` and `running` runs go on; all others have ended. `lost`: the lease expired; `quota_exceeded`: the organization's hours were used up.",
  ),
  exit_code: nullable.integer.describe(
    "Exit code of the command; 128 and the number of the signal if a signal ended it; null before the end and for leased runs",
  ),
  started_at: nullable.timestamp.describe(
    "Time at which the run started; null while it is queued, and if it ended in the queue",
  ),
  ended_at: nullable.timestamp.describe("Time at which the run ended; null before"),
  runtime_seconds: z
    .number()
    .describe("Seconds between start and end, or until the response for a run in progress"),
  lease_expires_at: nullable.timestamp.describe(
    "Time at which the run is lost unless it is extended before; null for a run without a lease",
  ),
  created_at: timestamp.describe("Time at which the run was requested"),
  runner_labels: z
    .array(z.string())
    .nullable()
    .describe(
      "The labels of the runner that it needs; null for a run on the server, and for checks, builds and leased runs",
    ),
  runner: z
    .strictObject({
      id: id.describe("Id of the runner"),
      name: z.string().describe("Name of the runner"),
    })
    .nullable()
    .describe(
      "The runner on which it runs or ran; null before, for a run on the server, and after the runner was removed",
    ),
  started_by: z
    .strictObject({
      type: z
        .enum(["user", "agent", "service_account"])
        .describe("Whether a user, an agent or a service account started it"),
      id: id.describe("Id of the user, agent or service account"),
      name: z.string().describe("Name of the user, agent or service account at that time"),
    })
    .nullable()
    .describe(
      "The user, agent or service account that started the run; null for runs of version 0.1",
    ),
  stop_requested: z.boolean().describe("Whether it was asked to stop and has not ended yet"),
  detail: nullable.string.describe(
    "Why it ended or what it is waiting for, as a sentence; null if there is nothing to say",
  ),
  command: z
    .array(z.string())
    .nullable()
    .describe("The program and its arguments; null for a leased run"),
  preset: z
    .enum(presetNames)
    .nullable()
    .describe("The preset that made the command; null for a given command"),
  session_id: nullable.id.describe("The session whose program it is; null for other runs"),
  prompt: nullable.string.describe("The prompt of a run with a preset; null for others"),
  model: nullable.string.describe(
    "The model of a run with a preset; null for the program's default",
  ),
  result: nullable.string.describe(
    "The program's final message, as read by the preset from the end of the output: plain text, of at most 16 KiB. Null before the end, without a preset, and if there is none.",
  ),
  network: networkAccess
    .nullable()
    .describe(
      "`none`, only the hosts of `allowed_hosts` (`restricted`), or everything outside of the server (`full`); null for a leased run",
    ),
  allowed_hosts: z
    .array(z.string())
    .nullable()
    .describe("The hosts that a run with the network `restricted` may reach; null for other runs"),
  egress: z
    .strictObject({
      allowed: z.int().describe("Connections that were let through"),
      denied: z
        .int()
        .describe("Connections that were refused because of `allowed_hosts` or their address"),
    })
    .describe("Numbers of connections of a run with the network `restricted`"),
  model_usage: modelUsage
    .nullable()
    .describe("What its calls to models have used; null without any"),
  timeout_seconds: nullable.integer.describe(
    "Seconds after which the run is ended as `timed_out`; null for a leased run",
  ),
  env_names: z
    .array(z.string())
    .describe("Names of the given variables; their values are never shown"),
  limits: runLimits
    .nullable()
    .describe(
      "The limits that the run was started with; null for a leased run and before the start",
    ),
  peak_memory_bytes: nullable.integer.describe(
    "Largest memory in use, in bytes; null where it is not measured",
  ),
  cpu_seconds: nullable.number.describe("Processor time in seconds; null where it is not measured"),
  queue_position: nullable.integer.describe(
    "Position in the organization's queue, starting at 1; null if not queued",
  ),
  output: z
    .strictObject({
      bytes: z.int().describe("Bytes written to standard output and standard error, stored or not"),
      truncated: z.boolean().describe("Whether output was discarded because of the limit"),
    })
    .describe("The log"),
  repository: z
    .strictObject({
      commits: z.int().describe("Commits that became the newest ones of the workspace's branch"),
      diverged_branches: z
        .array(z.string())
        .describe("Branches that keep commits which do not follow the workspace's branch"),
      error: nullable.string.describe(
        "Why there is no repository, or why commits were not taken, as a sentence; null if all went well",
      ),
    })
    .nullable()
    .describe("The repository of a managed run and what was taken from it; null if it has none"),
  checkpoint: z
    .strictObject({
      commit_sha: nullable.string.describe(
        "Id of the commit; null if there was nothing to commit or it failed",
      ),
      error: nullable.string.describe(
        "Why the checkpoint failed, as a sentence; null if it did not",
      ),
    })
    .nullable()
    .describe("The outcome of the final checkpoint; null before, and if none was requested"),
});
export type Run = z.output<typeof run>;

/**
 * The `data` of a `log` event: output as it arrived, usually whole lines; `system` marks messages
 * by Omoi.
 */
export const logEntry = z.strictObject({
  stream: z
    .enum(["stdout", "stderr", "system"])
    .describe("The stream it was written to; `system` marks messages of the server"),
  at: timestamp.describe("Time at which the output arrived"),
  text: z.string().describe("Output as it arrived, usually whole lines"),
});
export type LogEntry = z.output<typeof logEntry>;

const argument = z
  .string()
  .max(128 * 1024, "must be at most 128 KiB")
  .refine((text) => !text.includes("\u0000"), "must not contain NUL");

/** The name of an environment variable of a run. */
const variableName = z
  .string()
  .max(...variableNameRules.length)
  .regex(...variableNameRules.letters)
  .regex(...variableNameRules.prefix);

/** Environment variables of a run by name. */
export const variables = z
  .record(
    variableName,
    z
      .string()
      .max(32 * 1024, "must be at most 32 KiB")
      .refine((text) => !text.includes("\u0000"), "must not contain NUL"),
    "must be an object of strings",
  )
  .refine((value) => Object.keys(value).length <= 200, "must be at most 200 variables")
  .refine(
    (value) => JSON.stringify(value).length <= 256 * 1024,
    "must be at most 256 KiB altogether",
  );

/** A program and its arguments, not a shell command line. */
export const command = z
  .array(argument, "must be a list of strings")
  .min(1, "must name a program")
  .max(1000, "must be at most 1 000 strings")
  .refine((words) => words[0] !== "", "must name a program");

/** Maximum length of a prompt in bytes of UTF-8. */
export const MAX_PROMPT_BYTES = 16 * 1024;

/** The text that an agent works on. */
export const prompt = z
  .string()
  .refine((text) => text.trim() !== "", "must not be empty")
  .refine((text) => !text.includes("\u0000"), "must not contain NUL")
  .refine(
    (text) => new TextEncoder().encode(text).length <= MAX_PROMPT_BYTES,
    "must be at most 16 KiB",
  );

/** The name of a model, which is passed to the program as it is. */
export const model = z
  .string()
  .min(1)
  .max(128)
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._:/@[\]-]*$/,
    "use letters, digits and . _ : / @ [ ] -, with a letter or digit first",
  );

/** A connection of a run with the network `restricted`. */
const runEgress = z.strictObject({
  id: id.describe("Id of the connection"),
  host: z.string().describe("The requested host; empty if the request named none"),
  port: z.int().describe("The requested port; 0 if the request named none"),
  decision: z
    .enum(["allowed", "denied", "failed"])
    .describe("`allowed` and connected, `denied` by the rules, or `failed` to connect"),
  reason: nullable.string.describe("Why it was denied or failed; null for an allowed connection"),
  at: timestamp.describe("Time at which the connection ended"),
  bytes_sent: z.int().describe("Bytes from the run to the host"),
  bytes_received: z.int().describe("Bytes from the host to the run"),
});
export type RunEgress = z.output<typeof runEgress>;

/** An allow-list of hosts; see `parseAllowedHost`. */
export const allowedHosts = z
  .array(
    z.string().check(({ value, issues }) => {
      const parsed = parseAllowedHost(value);
      if (typeof parsed === "string") {
        issues.push({ code: "custom", message: parsed, input: value });
      }
    }),
    "must be a list of hosts",
  )
  .max(MAX_ALLOWED_HOSTS, `must be at most ${MAX_ALLOWED_HOSTS} hosts`);

/** A new run: `external: true` for a leased one, otherwise the input of a managed one. */
export const newRun = z
  .strictObject({
    external: z
      .literal(true, "must be true")
      .optional()
      .describe(
        "`true` for a leased run: it runs elsewhere and sends heartbeats, at least one every 60 s. Excludes all other fields.",
      ),
    command: command
      .optional()
      .describe(
        "The program and its arguments, not a shell command line: 1 to 1 000 strings of at most 128 KiB",
      ),
    preset: z
      .enum(presetNames)
      .optional()
      .describe(
        "Makes the command from `prompt` and `model`. The network is then `restricted` to the hosts of the preset by default.",
      ),
    prompt: prompt
      .optional()
      .describe(
        "The prompt, at most 16 KiB of UTF-8, for a preset other than `custom`; by default the text of the agent's task",
      ),
    model: model
      .optional()
      .describe(
        "The model, passed to the program as it is, for a preset other than `custom`; by default the program's own default",
      ),
    env: variables
      .optional()
      .describe("Environment variables by name: at most 200, 32 KiB each and 256 KiB altogether"),
    timeout_seconds: z
      .int()
      .min(1)
      .max(14 * 86_400, "must be at most 14 days")
      .optional()
      .describe(
        "Seconds after which the run is ended as `timed_out`, at most 14 days; by default that of the installation, see `GET /api/v1/sandbox`",
      ),
    network: networkAccess
      .optional()
      .describe(
        "`none`, only the hosts of `allowed_hosts` (`restricted`), or everything outside of the server (`full`), which needs `agent:network:full`; by default that of the preset, or `none`",
      ),
    allowed_hosts: allowedHosts
      .optional()
      .describe(
        "Hosts for the network `restricted`: `api.example.com`, `*.example.com` or `git.example.com:8443`. By default those of the project's environment; if it has some, none beyond them. Without any, only this server.",
      ),
    queue: z
      .boolean()
      .optional()
      .describe(
        "Whether to wait for a free slot in the organization's queue instead of failing with `quota_exceeded`",
      ),
    runner_labels: z
      .array(runnerLabel)
      .max(MAX_LABELS, `must be at most ${MAX_LABELS} labels`)
      .optional()
      .describe(
        "Labels that the runner must have, for a remote workspace; by default any runner takes the run",
      ),
  })
  .check(({ value, issues }) => {
    const refuse = (field: string, message: string): void => {
      issues.push({ code: "custom", path: [field], message, input: value });
    };
    if (value.external !== true) {
      const takesPrompt = value.preset !== undefined && value.preset !== "custom";
      if (takesPrompt && value.command !== undefined) {
        refuse("command", "is made by the preset; remove it, or use the preset custom");
      }
      if (!takesPrompt && value.command === undefined) {
        refuse(
          "command",
          value.preset === "custom"
            ? "is required with the preset custom"
            : "is required, or a preset, or external: true for an agent that runs elsewhere",
        );
      }
      for (const field of ["prompt", "model"] as const) {
        if (takesPrompt || value[field] === undefined) continue;
        refuse(
          field,
          value.preset === "custom"
            ? "does not apply to the preset custom; put it into the command"
            : "applies only with a preset",
        );
      }
      const network = value.network ?? (value.preset === undefined ? "none" : "restricted");
      const isRestricted = network === "restricted";
      if (!isRestricted && value.allowed_hosts !== undefined) {
        refuse("allowed_hosts", "applies only to the network restricted");
      }
      return;
    }
    const ofManaged = [
      "command",
      "preset",
      "prompt",
      "model",
      "env",
      "timeout_seconds",
      "network",
      "allowed_hosts",
      "queue",
      "runner_labels",
    ] as const;
    for (const field of ofManaged) {
      if (value[field] !== undefined) refuse(field, "does not apply to a run elsewhere; remove it");
    }
  });
export type NewRun = z.output<typeof newRun>;

/** The times of a run, for a timeline. */
export const timedRun = run.pick({ id: true, kind: true, status: true, ended_at: true }).extend({
  agent_id: id.describe("Id of the agent"),
  agent_name: z.string().describe("Name of the agent"),
  started_at: timestamp.describe("Time at which the run started"),
});
export type TimedRun = z.output<typeof timedRun>;

/** A run in a list of several agents. */
const listedRun = run.extend({ agent_name: z.string().describe("Name of the agent") });
export type ListedRun = z.output<typeof listedRun>;

const runParams = z.strictObject({ run_id: id.describe("Id of the run") });

export const runs = {
  create: endpoint({
    method: "POST",
    path: "/api/v1/agents/{agent_id}/runs",
    access: "agent:run",
    summary:
      "Start a run: a command in the agent's workspace, or (external) one elsewhere that sends heartbeats",
    status: 201,
    location: "/api/v1/runs/{id}",
    params: agentParams,
    body: newRun,
    response: run,
    errors: [
      "run_token_starts_no_runs",
      "quota_exceeded",
      "queue_full",
      "run_in_progress",
      "sandbox_unavailable",
      "program_missing",
      "missing_model_key",
      "docker_unavailable",
      "network_not_isolated",
      "task_untrusted",
      "workspace_remote",
      "kubernetes_unavailable",
      "workspace_busy",
      "folder_unavailable",
      ...activeErrors,
    ],
  }),
  list: endpoint({
    method: "GET",
    path: "/api/v1/agents/{agent_id}/runs",
    access: "agent:read",
    summary: "List the agent's runs, newest first by default",
    params: agentParams,
    query: page.extend({
      status: runStatus.optional().describe("Only runs in this state"),
      order: z
        .enum(["newest", "oldest"])
        .optional()
        .describe("By the time of the request; `newest` first by default"),
    }),
    response: z.array(run),
  }),
  listAll: endpoint({
    method: "GET",
    path: "/api/v1/runs",
    access: "signed-in",
    summary: "List the runs of all agents visible to the caller, queued ones too, newest first",
    query: page.extend({
      organization_id: id.optional().describe("Only runs of this organization"),
      status: runStatus.optional().describe("Only runs in this state"),
    }),
    response: z.array(listedRun),
    errors: ["insufficient_permission"],
  }),
  timeline: endpoint({
    method: "GET",
    path: "/api/v1/organizations/{org_id}/runs",
    access: "agent:read",
    summary: "List the organization's runs that were active between two times, newest first",
    params: orgParams,
    query: page.extend({
      agent_id: id.optional().describe("Only runs of this agent"),
      since: instant
        .optional()
        .describe("Only runs that are in progress or ended at this time or later"),
      until: instant.optional().describe("Only runs that started at this time or before"),
    }),
    response: z.array(timedRun),
  }),
  get: endpoint({
    method: "GET",
    path: "/api/v1/runs/{run_id}",
    access: "agent:read",
    summary: "Get a run",
    params: runParams,
    response: run,
  }),
  logs: endpoint({
    method: "GET",
    path: "/api/v1/runs/{run_id}/logs",
    access: "agent:read",
    summary:
      "Get the output of a managed run as text; live with `Accept: text/event-stream`: `log` events {stream, at, text}, finally `end` with the run",
    status: 200,
    media: ["text/plain", "text/event-stream"],
    params: runParams,
    query: z.strictObject({
      stream: z.enum(["stdout", "stderr"]).optional().describe("Only the output of this stream"),
      times: boolean.default(false).describe("Whether to prefix each line with its time"),
      tail: z.coerce
        .number()
        .int()
        .min(1)
        .max(100_000)
        .optional()
        .describe(
          "Only this many of the last lines, 1 to 100 000. A line longer than 1 048 576 characters is cut to its end, and no line before it is sent.",
        ),
      raw: boolean
        .default(false)
        .describe(
          "Whether to return the lines of JSON of a preset's program as it printed them, instead of the text that tells them; also for the events",
        ),
      download: boolean.default(false).describe("Whether to send the log as a file to download"),
    }),
    errors: ["log_expired", "log_unavailable"],
  }),
  egress: endpoint({
    method: "GET",
    path: "/api/v1/runs/{run_id}/egress",
    access: "agent:read",
    summary:
      "List the connections of a run with the network `restricted`, in the order in which they ended (at most 1 000)",
    params: runParams,
    query: page,
    response: z.array(runEgress),
  }),
  heartbeat: endpoint({
    method: "POST",
    path: "/api/v1/runs/{run_id}/heartbeat",
    access: "agent:run",
    inMaintenance: true,
    summary: "Extend the lease of a run by 60 s",
    params: runParams,
    response: run,
    errors: ["run_managed", "run_ended"],
  }),
  stop: endpoint({
    method: "POST",
    path: "/api/v1/runs/{run_id}/stop",
    access: "agent:run",
    inMaintenance: true,
    summary:
      "Stop a run; for a managed one, responds once it has ended, at the latest after its grace period",
    status: 200,
    params: runParams,
    body: z
      .strictObject({
        status: z
          .enum(["succeeded", "failed", "stopped"])
          .optional()
          .describe("How the run has ended, for a leased run; `stopped` by default"),
      })
      .optional(),
    response: run,
    errors: ["run_managed"],
  }),
};

import { z } from "zod";
import { runStatuses } from "../../run-statuses.js";
import { presetNames } from "../../preset-names.js";
import { MAX_ALLOWED_HOSTS, parseAllowedHost } from "../../egress.js";
import { variableNameRules } from "../../variable-name.js";
import { endpoint } from "../../contract/endpoint.js";
import { boolean, id, instant, page, timestamp } from "../../contract/fields.js";
import { modelUsage } from "../organizations/budgets.js";
import { activeErrors } from "../projects/workspace-errors.js";

const runStatus = z.enum(runStatuses);

/**
 * The network of a run: `none`, only the hosts of its allow-list (`restricted`), or the outside
 * (`full`).
 */
const networkAccess = z.enum(["none", "restricted", "full"]);

/** Limits of a managed run; null for no limit. */
export const runLimits = z.strictObject({
  memory_bytes: z.number().int(),
  processes: z.number().int(),
  cpus: z.number().nullable(),
  disk_bytes: z.number().int().nullable(),
  /** Stored output; the rest is discarded while the run continues. */
  output_bytes: z.number().int(),
});
export type RunLimits = z.output<typeof runLimits>;

/**
 * A run of an agent: `managed` in its workspace, in a sandbox; `leased`, run elsewhere and kept alive
 * by heartbeats; `check`, a command in a sandbox on a commit of the merge queue; or `build`, the setup
 * script of a project's environment. Fields of managed runs are null for leased ones.
 */
export const run = z.strictObject({
  id,
  /** Null for a build, which belongs to its project. */
  agent_id: id.nullable(),
  kind: z.enum(["managed", "leased", "check", "build"]),
  status: runStatus,
  exit_code: z.number().int().nullable(),
  /** Null while queued, and if it ended in the queue. */
  started_at: timestamp.nullable(),
  ended_at: timestamp.nullable(),
  runtime_seconds: z.number(),
  lease_expires_at: timestamp.nullable(),
  created_at: timestamp,
  /** The user or agent that started the run; null for runs of version 0.1. */
  started_by: z.strictObject({ type: z.enum(["user", "agent"]), id, name: z.string() }).nullable(),
  /** Whether it was asked to stop and has not ended yet. */
  stop_requested: z.boolean(),
  /** Why it ended or what it is waiting for, as a sentence. */
  detail: z.string().nullable(),
  command: z.array(z.string()).nullable(),
  /** The preset that made the command. */
  preset: z.enum(presetNames).nullable(),
  /** The session whose program it is. */
  session_id: id.nullable(),
  prompt: z.string().nullable(),
  model: z.string().nullable(),
  /**
   * The program's final message, as read by the preset from the end of the output: plain text, of at
   * most 16 KiB. Null before the end, without a preset, and if there is none.
   */
  result: z.string().nullable(),
  network: networkAccess.nullable(),
  /** The hosts that a run with the network `restricted` may reach; null for other runs. */
  allowed_hosts: z.array(z.string()).nullable(),
  /** Connections of a run with the network `restricted`. */
  egress: z.strictObject({ allowed: z.number().int(), denied: z.number().int() }),
  /** What its calls to models have used; null without any. */
  model_usage: modelUsage.nullable(),
  timeout_seconds: z.number().int().nullable(),
  /** Names of the given variables; their values are never shown. */
  env_names: z.array(z.string()),
  limits: runLimits.nullable(),
  peak_memory_bytes: z.number().int().nullable(),
  cpu_seconds: z.number().nullable(),
  /** Position in the organization's queue, starting at 1; null if not queued. */
  queue_position: z.number().int().nullable(),
  output: z.strictObject({
    /** Bytes written to standard output and standard error, stored or not. */
    bytes: z.number().int(),
    truncated: z.boolean(),
  }),
  /** The repository of a managed run and what was taken from it; null if it has none. */
  repository: z
    .strictObject({
      /** Commits that became the newest ones of the workspace's branch. */
      commits: z.number().int(),
      /** Branches that keep commits which do not follow the workspace's branch. */
      diverged_branches: z.array(z.string()),
      /** Why there is no repository, or why commits were not taken; a sentence. */
      error: z.string().nullable(),
    })
    .nullable(),
  /** The outcome of the final checkpoint; null before, and if none was requested. */
  checkpoint: z
    .strictObject({ commit_sha: z.string().nullable(), error: z.string().nullable() })
    .nullable(),
});
export type Run = z.output<typeof run>;

/**
 * The `data` of a `log` event: output as it arrived, usually whole lines; `system` marks messages
 * by Omoi.
 */
export const logEntry = z.strictObject({
  stream: z.enum(["stdout", "stderr", "system"]),
  at: timestamp,
  text: z.string(),
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
  id,
  /** Empty if the request named none. */
  host: z.string(),
  /** 0 if the request named none. */
  port: z.number().int(),
  decision: z.enum(["allowed", "denied", "failed"]),
  /** Why it was denied or failed; null for an allowed connection. */
  reason: z.string().nullable(),
  at: timestamp,
  bytes_sent: z.number().int(),
  bytes_received: z.number().int(),
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
    external: z.literal(true, "must be true").optional(),
    command: command.optional(),
    /** Makes the command from `prompt` and `model`, and the network `restricted` to its hosts. */
    preset: z.enum(presetNames).optional(),
    /** For a preset other than `custom`; the agent's task by default. */
    prompt: prompt.optional(),
    /** For a preset other than `custom`. */
    model: model.optional(),
    env: variables.optional(),
    timeout_seconds: z
      .number()
      .int()
      .min(1)
      .max(14 * 86_400, "must be at most 14 days")
      .optional(),
    network: networkAccess.optional(),
    /**
     * For `restricted`: `api.example.com`, `*.example.com` or `git.example.com:8443`. Those of the
     * project's environment by default; if it has one, none beyond them.
     */
    allowed_hosts: allowedHosts.optional(),
    /** Waits for a free slot instead of failing. */
    queue: z.boolean().optional(),
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
    ] as const;
    for (const field of ofManaged) {
      if (value[field] !== undefined) refuse(field, "does not apply to a run elsewhere; remove it");
    }
  });
export type NewRun = z.output<typeof newRun>;

/** The times of a run, for a timeline. */
export const timedRun = run
  .pick({ id: true, kind: true, status: true, ended_at: true })
  .extend({ agent_id: id, agent_name: z.string(), started_at: timestamp });
export type TimedRun = z.output<typeof timedRun>;

const agentParams = z.strictObject({ agent_id: id });
const runParams = z.strictObject({ run_id: id });

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
      "docker_unavailable",
      "network_not_isolated",
      "workspace_remote",
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
      status: runStatus.optional(),
      order: z.enum(["newest", "oldest"]).optional(),
    }),
    response: z.array(run),
  }),
  timeline: endpoint({
    method: "GET",
    path: "/api/v1/organizations/{org_id}/runs",
    access: "agent:read",
    summary: "List the organization's runs that were active between two times, newest first",
    params: z.strictObject({ org_id: z.string().min(1).max(63) }),
    query: page.extend({
      agent_id: id.optional(),
      since: instant.optional(),
      until: instant.optional(),
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
      /** Only one of the streams. */
      stream: z.enum(["stdout", "stderr"]).optional(),
      /** Prefixes each line with its time. */
      times: boolean.default(false),
      /** Only the last lines. */
      tail: z.coerce.number().int().min(1).max(100_000).optional(),
      /** As a file download. */
      download: boolean.default(false),
    }),
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
    summary: "Extend the lease of a run by 60 s",
    params: runParams,
    response: run,
    errors: ["run_managed", "run_ended"],
  }),
  stop: endpoint({
    method: "POST",
    path: "/api/v1/runs/{run_id}/stop",
    access: "agent:run",
    summary:
      "Stop a run; for a managed one, responds once it has ended, at the latest after its grace period",
    status: 200,
    params: runParams,
    body: z
      .strictObject({ status: z.enum(["succeeded", "failed", "stopped"]).optional() })
      .optional(),
    response: run,
    errors: ["run_managed"],
  }),
};

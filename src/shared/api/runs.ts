import { z } from "zod";
import { runStatuses } from "../run-statuses.js";
import { variableNameRules } from "../variable-name.js";
import { endpoint } from "../contract/endpoint.js";
import { boolean, id, instant, page, timestamp } from "../contract/fields.js";

const runStatus = z.enum(runStatuses);

/** What a managed run may use at most; null: no limit of its own. */
export const runLimits = z.strictObject({
  memory_bytes: z.number().int(),
  processes: z.number().int(),
  cpus: z.number().nullable(),
  disk_bytes: z.number().int().nullable(),
  /** What of its output is kept; the rest is thrown away and the run goes on. */
  output_bytes: z.number().int(),
});
export type RunLimits = z.output<typeof runLimits>;

/**
 * A run of an agent: `managed` in its workspace, in a sandbox; or `leased`, elsewhere, kept alive by
 * heartbeats. What only a managed one has is null for a leased one.
 */
export const run = z.strictObject({
  id,
  agent_id: id,
  kind: z.enum(["managed", "leased"]),
  status: runStatus,
  exit_code: z.number().int().nullable(),
  /** Null while it is queued, and where it ended in the queue. */
  started_at: timestamp.nullable(),
  ended_at: timestamp.nullable(),
  runtime_seconds: z.number(),
  lease_expires_at: timestamp.nullable(),
  created_at: timestamp,
  /** Who started it; null for runs of earlier versions. */
  started_by: z.strictObject({ type: z.enum(["user", "agent"]), id, name: z.string() }).nullable(),
  /** Whether it was told to end and has not yet. */
  stop_requested: z.boolean(),
  /** Why it ended, or what it waits for, as a sentence. */
  detail: z.string().nullable(),
  command: z.array(z.string()).nullable(),
  network: z.enum(["none", "full"]).nullable(),
  timeout_seconds: z.number().int().nullable(),
  /** The names of the variables that were given; their values are never shown. */
  env_names: z.array(z.string()),
  limits: runLimits.nullable(),
  peak_memory_bytes: z.number().int().nullable(),
  cpu_seconds: z.number().nullable(),
  /** Its place in the organization's queue, from 1 on; null where it does not wait. */
  queue_position: z.number().int().nullable(),
  output: z.strictObject({
    /** What was written to standard output and standard error, kept or not. */
    bytes: z.number().int(),
    truncated: z.boolean(),
  }),
  /** What became of the checkpoint at its end; null before, and where none was to be made. */
  checkpoint: z
    .strictObject({ commit_sha: z.string().nullable(), error: z.string().nullable() })
    .nullable(),
});
export type Run = z.output<typeof run>;

/** The `data` of a `log` event: output as it came, mostly whole lines; `system` is what Omoi adds. */
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

/** The name of a variable of a run's environment. */
const variableName = z
  .string()
  .max(...variableNameRules.length)
  .regex(...variableNameRules.letters)
  .regex(...variableNameRules.prefix);

const env = z
  .record(
    variableName,
    z
      .string()
      .max(32 * 1024, "must be at most 32 KiB")
      .refine((text) => !text.includes("\u0000"), "must not contain NUL"),
    "must be an object of texts",
  )
  .refine((value) => Object.keys(value).length <= 200, "must be at most 200 variables")
  .refine(
    (value) => JSON.stringify(value).length <= 256 * 1024,
    "must be at most 256 KiB altogether",
  );

/** A run to start: `external: true` for a leased one, else what a managed one needs. */
export const newRun = z
  .strictObject({
    external: z.literal(true, "must be true").optional(),
    command: z
      .array(argument, "must be a list of texts")
      .min(1, "must name a program")
      .max(1000, "must be at most 1 000 texts")
      .refine((words) => words[0] !== "", "must name a program")
      .optional(),
    env: env.optional(),
    timeout_seconds: z
      .number()
      .int()
      .min(1)
      .max(14 * 86_400, "must be at most 14 days")
      .optional(),
    network: z.enum(["none", "full"]).optional(),
    /** Waits for a free place instead of being refused. */
    queue: z.boolean().optional(),
  })
  .check(({ value, issues }) => {
    const refuse = (field: string, message: string): void => {
      issues.push({ code: "custom", path: [field], message, input: value });
    };
    if (value.external !== true) {
      if (value.command === undefined) {
        refuse("command", "must be given, or external: true for an agent that runs elsewhere");
      }
      return;
    }
    for (const field of ["command", "env", "timeout_seconds", "network", "queue"] as const) {
      if (value[field] !== undefined)
        refuse(field, "is of no use to a run elsewhere; leave it out");
    }
  });
export type NewRun = z.output<typeof newRun>;

/** A run as it stands in time, for a picture of many. */
export const timedRun = run
  .pick({ id: true, agent_id: true, kind: true, status: true, ended_at: true })
  .extend({ agent_name: z.string(), started_at: timestamp });
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
    params: agentParams,
    body: newRun,
    response: run,
  }),
  list: endpoint({
    method: "GET",
    path: "/api/v1/agents/{agent_id}/runs",
    access: "agent:read",
    summary: "The agent's runs, newest first unless asked for the oldest",
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
    summary: "The runs of an organization that went on at some time between two, newest first",
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
      "What a managed run wrote, as text; with `Accept: text/event-stream` live: `log` {stream, at, text}, last `end` with the run",
    status: 200,
    params: runParams,
    query: z.strictObject({
      /** Of one of the two alone. */
      stream: z.enum(["stdout", "stderr"]).optional(),
      /** Each line with its time. */
      times: boolean.default(false),
      /** The last so many lines alone. */
      tail: z.coerce.number().int().min(1).max(100_000).optional(),
      /** As a file to save. */
      download: boolean.default(false),
    }),
  }),
  heartbeat: endpoint({
    method: "POST",
    path: "/api/v1/runs/{run_id}/heartbeat",
    access: "agent:run",
    summary: "Say that the leased run goes on; its lease is good for 60 s more",
    params: runParams,
    response: run,
  }),
  stop: endpoint({
    method: "POST",
    path: "/api/v1/runs/{run_id}/stop",
    access: "agent:run",
    summary: "Stop a run; answered when a managed one has ended, or after its grace",
    status: 200,
    params: runParams,
    body: z
      .strictObject({ status: z.enum(["succeeded", "failed", "stopped"]).optional() })
      .optional(),
    response: run,
  }),
};

import { z } from "zod";
import { endpoint } from "./endpoint.js";
import { id, page, timestamp } from "./fields.js";

export const run = z.strictObject({
  id,
  agent_id: id,
  kind: z.enum(["managed", "leased"]),
  status: z.enum([
    "running",
    "succeeded",
    "failed",
    "stopped",
    "timed_out",
    "lost",
    "quota_exceeded",
  ]),
  exit_code: z.number().int().nullable(),
  started_at: timestamp,
  ended_at: timestamp.nullable(),
  runtime_seconds: z.number(),
  lease_expires_at: timestamp.nullable(),
});
export type Run = z.output<typeof run>;

const agentParams = z.strictObject({ agent_id: id });
const runParams = z.strictObject({ run_id: id });

export const runs = {
  create: endpoint({
    method: "POST",
    path: "/api/v1/agents/{agent_id}/runs",
    access: "agent:run",
    summary: "Start a leased run: the agent runs elsewhere and sends heartbeats",
    status: 201,
    params: agentParams,
    body: z.strictObject({ external: z.literal(true, "must be true") }),
    response: run,
  }),
  list: endpoint({
    method: "GET",
    path: "/api/v1/agents/{agent_id}/runs",
    access: "agent:read",
    summary: "The agent's runs, newest first",
    params: agentParams,
    query: page,
    response: z.array(run),
  }),
  get: endpoint({
    method: "GET",
    path: "/api/v1/runs/{run_id}",
    access: "agent:read",
    summary: "Get a run",
    params: runParams,
    response: run,
  }),
  heartbeat: endpoint({
    method: "POST",
    path: "/api/v1/runs/{run_id}/heartbeat",
    access: "agent:run",
    summary: "Say that the run goes on; its lease is good for 60 s more",
    params: runParams,
    response: run,
  }),
  stop: endpoint({
    method: "POST",
    path: "/api/v1/runs/{run_id}/stop",
    access: "agent:run",
    summary: "End a run",
    status: 200,
    params: runParams,
    body: z
      .strictObject({ status: z.enum(["succeeded", "failed", "stopped"]).optional() })
      .optional(),
    response: run,
  }),
};

import { z } from "zod";
import { presetNames } from "../../preset-names.js";
import { endpoint } from "../../contract/endpoint.js";
import { id, page, timestamp } from "../../contract/fields.js";
import { modelUsage } from "../organizations/budgets.js";
import { activeErrors } from "../projects/workspace-errors.js";
import { allowedHosts, command, model, prompt, run } from "./runs.js";

export const sessionStatuses = [
  "starting",
  "idle",
  "working",
  "waiting_for_permission",
  "closed",
  "failed",
] as const;

const sender = z.strictObject({ type: z.enum(["user", "agent"]), id, name: z.string() });

/** An answer that an agent offers to its request for a permission. */
const permissionOption = z.strictObject({
  option_id: z.string(),
  name: z.string(),
  kind: z.enum(["allow_once", "allow_always", "reject_once", "reject_always"]),
});

/** A request of an agent that waits for an answer. */
export const permissionRequest = z.strictObject({
  request_id: id,
  /** The tool call that it asks for. */
  tool_call_id: z.string(),
  title: z.string(),
  options: z.array(permissionOption),
});
export type PermissionRequest = z.output<typeof permissionRequest>;

/** A choice that a program offers for its session, such as its model. */
const sessionOption = z.strictObject({
  id: z.string(),
  name: z.string(),
  description: z.string().nullable(),
  /** What it is about, as the program says: `model`, `thought_level`, `mode` or another word. */
  category: z.string().nullable(),
  /** A switch has the values `true` and `false`. */
  type: z.enum(["select", "boolean"]),
  current: z.string(),
  values: z.array(
    z.strictObject({ value: z.string(), name: z.string(), description: z.string().nullable() }),
  ),
});

/** A conversation with an agent in its workspace, over the Agent Client Protocol. */
export const session = z.strictObject({
  id,
  agent_id: id,
  preset: z.enum(presetNames),
  status: z.enum(sessionStatuses),
  title: z.string(),
  /** Why it failed, or what happened to its program; a sentence. */
  detail: z.string().nullable(),
  /** The last run of its program; null before the first one. */
  run_id: id.nullable(),
  /** Whether the next prompt can start the program again and go on, after it has ended. */
  can_resume: z.boolean(),
  /** The modes that the program offers; null for none. */
  modes: z
    .strictObject({
      current: z.string(),
      available: z.array(
        z.strictObject({ id: z.string(), name: z.string(), description: z.string().nullable() }),
      ),
    })
    .nullable(),
  /** Further choices that the program offers. */
  options: z.array(sessionOption),
  /** What the program asks for and has no answer to yet. */
  permissions: z.array(permissionRequest),
  /** What the calls to models of its runs have used; null without any. */
  model_usage: modelUsage.nullable(),
  created_by: sender,
  created_at: timestamp,
  updated_at: timestamp,
  closed_at: timestamp.nullable(),
});
export type Session = z.output<typeof session>;

const toolContent = z.union([
  z.strictObject({ type: z.literal("text"), text: z.string() }),
  z.strictObject({
    type: z.literal("diff"),
    path: z.string(),
    /** Null for a new file. */
    old_text: z.string().nullable(),
    new_text: z.string(),
  }),
]);

/**
 * An event of a session. Texts are plain, written by the agent, and not to be trusted; `message` and
 * `thought` come in pieces, and pieces without another event between them belong together.
 */
export const sessionEvent = z.union([
  z.strictObject({ type: z.literal("prompt"), at: timestamp, text: z.string(), by: sender }),
  z.strictObject({ type: z.enum(["message", "thought"]), at: timestamp, text: z.string() }),
  z.strictObject({
    type: z.literal("plan"),
    at: timestamp,
    entries: z.array(z.strictObject({ content: z.string(), status: z.string() })),
  }),
  /** A tool call, or what has changed in one of the same id. */
  z.strictObject({
    type: z.literal("tool_call"),
    at: timestamp,
    tool_call_id: z.string(),
    title: z.string().optional(),
    kind: z.string().optional(),
    status: z.string().optional(),
    content: z.array(toolContent).optional(),
    paths: z.array(z.string()).optional(),
  }),
  permissionRequest.extend({ type: z.literal("permission_request"), at: timestamp }),
  z.strictObject({
    type: z.literal("permission_answer"),
    at: timestamp,
    request_id: id,
    /** Null if the turn was canceled. */
    option_id: z.string().nullable(),
    by: sender.nullable(),
  }),
  z.strictObject({ type: z.literal("mode"), at: timestamp, mode_id: z.string() }),
  z.strictObject({
    type: z.literal("option"),
    at: timestamp,
    option_id: z.string(),
    value: z.string(),
  }),
  z.strictObject({ type: z.literal("turn_end"), at: timestamp, stop_reason: z.string() }),
  z.strictObject({
    type: z.literal("status"),
    at: timestamp,
    status: z.enum(sessionStatuses),
    detail: z.string().nullable(),
  }),
]);
export type SessionEvent = z.output<typeof sessionEvent>;

/** A new session. */
export const newSession = z
  .strictObject({
    preset: z.enum(presetNames),
    /** For the preset `custom`: a program that speaks the Agent Client Protocol on its standard streams. */
    command: command.optional(),
    /** The first prompt. Without one, the session waits for it. */
    prompt: prompt.optional(),
    /** For a preset other than `custom`; the program's default otherwise. */
    model: model.optional(),
    network: run.shape.network.unwrap().optional(),
    /** As for a run. */
    allowed_hosts: allowedHosts.optional(),
  })
  .check(({ value, issues }) => {
    const refuse = (field: string, message: string): void => {
      issues.push({ code: "custom", path: [field], message, input: value });
    };
    const isCustom = value.preset === "custom";
    if (isCustom && value.command === undefined) {
      refuse("command", "is required with the preset custom");
    }
    if (!isCustom && value.command !== undefined) {
      refuse("command", "is made by the preset; remove it, or use the preset custom");
    }
    if (isCustom && value.model !== undefined) {
      refuse("model", "does not apply to the preset custom; put it into the command");
    }
    if ((value.network ?? "restricted") !== "restricted" && value.allowed_hosts !== undefined) {
      refuse("allowed_hosts", "applies only to the network restricted");
    }
  });
export type NewSession = z.output<typeof newSession>;

const sessionSearch = z.strictObject({
  /** At most 50, and at most 5 of one session. */
  matches: z.array(
    z.strictObject({
      session_id: id,
      title: z.string(),
      /** The kind of event; `title` for the title of the session. */
      type: z.enum(["title", "prompt", "message", "thought", "tool_call"]),
      at: timestamp,
      /** The text around the match, in one line. */
      excerpt: z.string(),
    }),
  ),
  /** False if older sessions were not searched: there is a limit to the time and the matches. */
  is_complete: z.boolean(),
});
export type SessionSearch = z.output<typeof sessionSearch>;

const agentParams = z.strictObject({ agent_id: id });
const sessionParams = z.strictObject({ session_id: id });

const startErrors = [
  "run_token_starts_no_runs",
  "quota_exceeded",
  "run_in_progress",
  "sandbox_unavailable",
  "docker_unavailable",
  "network_not_isolated",
  "workspace_remote",
  "workspace_busy",
  "folder_unavailable",
  ...activeErrors,
] as const;

export const agentSessions = {
  create: endpoint({
    method: "POST",
    path: "/api/v1/agents/{agent_id}/sessions",
    access: "agent:run",
    summary: "Start a session: a conversation with a program in the agent's workspace",
    status: 201,
    location: "/api/v1/sessions/{id}",
    params: agentParams,
    body: newSession,
    response: session,
    errors: startErrors,
  }),
  list: endpoint({
    method: "GET",
    path: "/api/v1/agents/{agent_id}/sessions",
    access: "agent:read",
    summary: "List the agent's sessions, newest first",
    params: agentParams,
    query: page,
    response: z.array(session),
  }),
  search: endpoint({
    method: "GET",
    path: "/api/v1/agents/{agent_id}/sessions/search",
    access: "agent:read",
    summary: "Search the titles and transcripts of the agent's sessions for a text, newest first",
    params: agentParams,
    query: z.strictObject({
      q: z.string().trim().min(2).max(200).describe("The text; upper and lower case are the same"),
    }),
    response: sessionSearch,
  }),
  get: endpoint({
    method: "GET",
    path: "/api/v1/sessions/{session_id}",
    access: "agent:read",
    tenant: "params.session_id",
    summary: "Get a session",
    params: sessionParams,
    response: session,
  }),
  events: endpoint({
    method: "GET",
    path: "/api/v1/sessions/{session_id}/events",
    access: "agent:read",
    tenant: "params.session_id",
    summary:
      "Stream the events of a session from its beginning, then live, as Server-Sent Events: `update` with a session event, `end` with the session when it is closed",
    status: 200,
    media: ["text/event-stream"],
    params: sessionParams,
    query: z.strictObject({
      last_event_id: z
        .string()
        .max(100)
        .optional()
        .describe(
          "Same as the header Last-Event-ID, which web pages cannot set: resumes after this event",
        ),
    }),
  }),
  prompt: endpoint({
    method: "POST",
    path: "/api/v1/sessions/{session_id}/prompts",
    access: "agent:run",
    tenant: "params.session_id",
    summary: "Send a prompt, which waits for the end of the current turn",
    status: 202,
    params: sessionParams,
    body: z.strictObject({ text: prompt }),
    response: session,
    errors: ["session_closed", "too_many_prompts", ...startErrors],
  }),
  cancel: endpoint({
    method: "POST",
    path: "/api/v1/sessions/{session_id}/cancel",
    access: "agent:run",
    tenant: "params.session_id",
    summary: "Cancel the current turn and the prompts that wait; no effect without one",
    status: 202,
    params: sessionParams,
    response: session,
  }),
  answer: endpoint({
    method: "POST",
    path: "/api/v1/sessions/{session_id}/permissions/{request_id}",
    access: "agent:run",
    tenant: "params.session_id",
    summary: "Answer a program's request for a permission; the first answer counts",
    status: 202,
    params: sessionParams.extend({ request_id: id }),
    body: z.strictObject({ option_id: z.string().min(1).max(200) }),
    response: session,
    errors: ["permission_answered", "session_closed"],
  }),
  update: endpoint({
    method: "PATCH",
    path: "/api/v1/sessions/{session_id}",
    access: "agent:run",
    tenant: "params.session_id",
    summary: "Change the title, the mode or an option of a session",
    params: sessionParams,
    body: z.strictObject({
      title: z.string().trim().min(1).max(200).optional(),
      /** One of `modes.available`. */
      mode_id: z.string().min(1).max(200).optional(),
      /** One of `options`, and one of its values. */
      option: z
        .strictObject({ id: z.string().min(1).max(200), value: z.string().min(1).max(200) })
        .optional(),
    }),
    response: session,
    errors: ["session_closed"],
  }),
  close: endpoint({
    method: "POST",
    path: "/api/v1/sessions/{session_id}/close",
    access: "agent:run",
    tenant: "params.session_id",
    summary: "Close a session and end its program; no effect if it is closed",
    params: sessionParams,
    response: session,
  }),
};

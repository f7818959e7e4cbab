import { z } from "zod";
import { presetNames } from "../../execution/run-choices.js";
import { endpoint } from "../../contract/endpoint.js";
import {
  agentParams,
  eventStreamQuery,
  id,
  nullable,
  page,
  timestamp,
} from "../../contract/fields.js";
import { modelUsage } from "../organization/budgets.js";
import { activeErrors } from "../workspace-errors.js";
import { allowedHosts, command, model, prompt, run } from "../execution/runs.js";

export const sessionStatuses = [
  "starting",
  "idle",
  "working",
  "waiting_for_permission",
  "closed",
  "failed",
] as const;

const sender = z.strictObject({
  type: z
    .enum(["user", "agent", "service_account"])
    .describe("Whether a user, an agent or a service account"),
  id: id.describe("Id of the user, agent or service account"),
  name: z.string().describe("Name of the user, agent or service account at that time"),
});

/** An answer that an agent offers to its request for a permission. */
const permissionOption = z.strictObject({
  option_id: z.string().describe("The value to answer with"),
  name: z.string().describe("Text of the button, as the program gives it"),
  kind: z
    .enum(["allow_once", "allow_always", "reject_once", "reject_always"])
    .describe("Whether it allows or rejects, and for how long"),
});

/** A request of an agent that waits for an answer. */
export const permissionRequest = z.strictObject({
  request_id: id.describe("Id of the request, to answer it"),
  tool_call_id: z.string().describe("The tool call that it asks for, see the event `tool_call`"),
  title: z.string().describe("What the program asks to do, in one line"),
  options: z.array(permissionOption).describe("The possible answers"),
});
export type PermissionRequest = z.output<typeof permissionRequest>;

/** A choice that a program offers for its session, such as its model. */
const sessionOption = z.strictObject({
  id: z.string().describe("Id of the option, to change it"),
  name: z.string().describe("Name of the option, as the program gives it"),
  description: nullable.string.describe("Explanation of the option; null without one"),
  category: nullable.string.describe(
    "What it is about, as the program says: `model`, `thought_level`, `mode` or another word; null if it does not say",
  ),
  type: z
    .enum(["select", "boolean"])
    .describe(
      "`select` has the listed values; `boolean` is a switch with the values `true` and `false`",
    ),
  current: z.string().describe("The current value"),
  values: z
    .array(
      z.strictObject({
        value: z.string().describe("The value to set"),
        name: z.string().describe("Name of the value, as the program gives it"),
        description: nullable.string.describe("Explanation of the value; null without one"),
      }),
    )
    .describe("The possible values"),
});

/** A conversation with an agent in its workspace, over the Agent Client Protocol. */
export const session = z.strictObject({
  id: id.describe("Id of the session"),
  agent_id: id.describe("Id of the agent"),
  preset: z.enum(presetNames).describe("The program that the session talks to"),
  status: z
    .enum(sessionStatuses)
    .describe(
      "`waiting_for_permission`: the program waits for an answer to one of `permissions`. `closed` and `failed` sessions have ended.",
    ),
  title: z.string().describe("Title of the session: its first prompt, or one that was set"),
  detail: nullable.string.describe(
    "Why it failed, or what happened to its program, as a sentence; null if there is nothing to say",
  ),
  run_id: nullable.id.describe("The last run of its program; null before the first one"),
  can_resume: z
    .boolean()
    .describe("Whether the next prompt can start the program again and go on, after it has ended"),
  modes: z
    .strictObject({
      current: z.string().describe("Id of the current mode"),
      available: z
        .array(
          z.strictObject({
            id: z.string().describe("Id of the mode, to set it"),
            name: z.string().describe("Name of the mode, as the program gives it"),
            description: nullable.string.describe("Explanation of the mode; null without one"),
          }),
        )
        .describe("The modes to choose from"),
    })
    .nullable()
    .describe("The modes that the program offers; null for none"),
  options: z.array(sessionOption).describe("Further choices that the program offers"),
  permissions: z
    .array(permissionRequest)
    .describe("Requests of the program that wait for an answer"),
  model_usage: modelUsage
    .nullable()
    .describe("What the calls to models of its runs have used; null without any"),
  created_by: sender.describe("Who started the session"),
  created_at: timestamp.describe("Time of creation"),
  updated_at: timestamp.describe("A tool call, or what has changed in one of the same id"),
  closed_at: nullable.timestamp.describe("Time at which it was closed or failed; null before"),
});
export type Session = z.output<typeof session>;

/** A session in a list of several agents. */
const listedSession = session.extend({ agent_name: z.string().describe("Name of the agent") });
export type ListedSession = z.output<typeof listedSession>;

const toolContent = z.union([
  z.strictObject({
    type: z.literal("text").describe("Always `text`"),
    text: z.string().describe("The text"),
  }),
  z.strictObject({
    type: z.literal("diff").describe("Always `diff`"),
    path: z.string().describe("Path of the file"),
    old_text: nullable.string.describe("The file's text before; null for a new file"),
    new_text: z.string().describe("The file's text after"),
  }),
]);

/**
 * An event of a session. Texts are plain, written by the agent, and not to be trusted; `message` and
 * `thought` come in pieces, and pieces without another event between them belong together.
 */
export const sessionEvent = z.union([
  z.strictObject({
    type: z.literal("prompt").describe("A prompt that was sent"),
    at: timestamp.describe("Time of the event"),
    text: z.string().describe("The prompt"),
    by: sender.describe("Who sent it"),
  }),
  z.strictObject({
    type: z
      .enum(["message", "thought"])
      .describe("`message` is addressed to the user; `thought` is reasoning"),
    at: timestamp.describe("Time of the event"),
    text: z
      .string()
      .describe("A piece of the text. Pieces without another event between them belong together."),
  }),
  z.strictObject({
    type: z.literal("plan").describe("The program's plan, which replaces an earlier one"),
    at: timestamp.describe("Time of the event"),
    entries: z
      .array(
        z.strictObject({
          content: z.string().describe("What the step does"),
          status: z
            .string()
            .describe(
              "State of the step, as the program says: `pending`, `in_progress`, `completed` or another word",
            ),
        }),
      )
      .describe("The steps of the plan"),
  }),
  /** A tool call, or what has changed in one of the same id. */
  z.strictObject({
    type: z.literal("tool_call").describe("A tool call, or what has changed in one of the same id"),
    at: timestamp.describe("Time of the event"),
    tool_call_id: z.string().describe("Id of the tool call"),
    title: z.string().optional().describe("What it does, in one line"),
    kind: z
      .string()
      .optional()
      .describe("Kind of tool, as the program says: `read`, `edit`, `execute` or another word"),
    status: z
      .string()
      .optional()
      .describe(
        "State of the call, as the program says: `pending`, `in_progress`, `completed`, `failed` or another word",
      ),
    content: z.array(toolContent).optional().describe("What the tool has produced so far"),
    paths: z.array(z.string()).optional().describe("Files that it reads or changes"),
  }),
  permissionRequest.extend({
    type: z.literal("permission_request").describe("The program waits for an answer"),
    at: timestamp.describe("Time of the event"),
  }),
  z.strictObject({
    type: z
      .literal("permission_answer")
      .describe("An answer was given, or the request was canceled"),
    at: timestamp.describe("Time of the event"),
    request_id: id.describe("Id of the answered request"),
    option_id: nullable.string.describe("The chosen option; null if the turn was canceled"),
    by: sender.nullable().describe("Who answered; null if the turn was canceled"),
  }),
  z.strictObject({
    type: z.literal("mode").describe("The mode has changed"),
    at: timestamp.describe("Time of the event"),
    mode_id: z.string().describe("Id of the new mode"),
  }),
  z.strictObject({
    type: z.literal("option").describe("An option has changed"),
    at: timestamp.describe("Time of the event"),
    option_id: z.string().describe("Id of the option"),
    value: z.string().describe("The new value"),
  }),
  z.strictObject({
    type: z.literal("turn_end").describe("The program has finished its turn"),
    at: timestamp.describe("Time of the event"),
    stop_reason: z
      .string()
      .describe(
        "Why it stopped, as the program says: `end_turn`, `cancelled`, `max_tokens` or another word",
      ),
  }),
  z.strictObject({
    type: z.literal("status").describe("The state of the session has changed"),
    at: timestamp.describe("Time of the event"),
    status: z.enum(sessionStatuses).describe("The new state"),
    detail: nullable.string.describe("Why, as a sentence; null if there is nothing to say"),
  }),
]);
export type SessionEvent = z.output<typeof sessionEvent>;

/** A new session. */
export const newSession = z
  .strictObject({
    preset: z.enum(presetNames).describe("The program to talk to"),
    command: command
      .optional()
      .describe(
        "For the preset `custom`: a program that speaks the Agent Client Protocol on its standard streams",
      ),
    prompt: prompt.optional().describe("The first prompt. Without one, the session waits for it."),
    model: model
      .optional()
      .describe("For a preset other than `custom`; the program's default otherwise"),
    network: run.shape.network
      .unwrap()
      .optional()
      .describe(
        "The network of its program: `none`, only the hosts of `allowed_hosts` (`restricted`, the default), or everything outside of the server (`full`), which needs `agent:network:full`",
      ),
    allowed_hosts: allowedHosts
      .optional()
      .describe(
        "Hosts for the network `restricted`, in place of those of the preset, as for a run",
      ),
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
  matches: z
    .array(
      z.strictObject({
        session_id: id.describe("Id of the session"),
        title: z.string().describe("Title of the session"),
        type: z
          .enum(["title", "prompt", "message", "thought", "tool_call"])
          .describe("The kind of event; `title` for the title of the session."),
        at: timestamp.describe("Time of the event"),
        excerpt: z.string().describe("The text around the match, in one line"),
      }),
    )
    .describe("The matches, newest first: at most 50, and at most 5 of one session"),
  is_complete: z
    .boolean()
    .describe(
      "False if older sessions were not searched: there is a limit to the time and the matches",
    ),
});
export type SessionSearch = z.output<typeof sessionSearch>;

const sessionParams = z.strictObject({ session_id: id.describe("Id of the session") });

const startErrors = [
  "run_token_starts_no_runs",
  "quota_exceeded",
  "run_in_progress",
  "sandbox_unavailable",
  "program_missing",
  "missing_model_key",
  "docker_unavailable",
  "network_not_isolated",
  "task_untrusted",
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
  listAll: endpoint({
    method: "GET",
    path: "/api/v1/sessions",
    access: "signed-in",
    summary: "List the sessions of all agents visible to the caller, newest first",
    query: page.extend({
      organization_id: id.optional().describe("Only sessions of this organization"),
      status: z.enum(sessionStatuses).optional().describe("Only sessions in this state"),
    }),
    response: z.array(listedSession),
    errors: ["insufficient_permission"],
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
    query: eventStreamQuery,
    errors: ["log_expired"],
  }),
  prompt: endpoint({
    method: "POST",
    path: "/api/v1/sessions/{session_id}/prompts",
    access: "agent:run",
    tenant: "params.session_id",
    summary: "Send a prompt, which waits for the end of the current turn",
    status: 202,
    params: sessionParams,
    body: z.strictObject({ text: prompt.describe("The prompt, at most 16 KiB of UTF-8") }),
    response: session,
    errors: ["session_closed", "too_many_prompts", ...startErrors],
  }),
  cancel: endpoint({
    method: "POST",
    path: "/api/v1/sessions/{session_id}/cancel",
    access: "agent:run",
    inMaintenance: true,
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
    inMaintenance: true,
    tenant: "params.session_id",
    summary: "Answer a program's request for a permission; the first answer counts",
    status: 202,
    params: sessionParams.extend({
      request_id: id.describe("Id of the request, from `permissions` of the session"),
    }),
    body: z.strictObject({
      option_id: z.string().min(1).max(200).describe("One of the request's `options`"),
    }),
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
      title: z
        .string()
        .trim()
        .min(1)
        .max(200)
        .optional()
        .describe("The title, 1 to 200 characters"),
      mode_id: z
        .string()
        .min(1)
        .max(200)
        .optional()
        .describe("Id of the mode, one of `modes.available`"),
      option: z
        .strictObject({
          id: z.string().min(1).max(200).describe("Id of the option"),
          value: z.string().min(1).max(200).describe("One of the option's `values`"),
        })
        .optional()
        .describe("A new value of one of the session's `options`"),
    }),
    response: session,
    errors: ["session_closed"],
  }),
  close: endpoint({
    method: "POST",
    path: "/api/v1/sessions/{session_id}/close",
    access: "agent:run",
    inMaintenance: true,
    tenant: "params.session_id",
    summary: "Close a session and end its program; no effect if it is closed",
    params: sessionParams,
    response: session,
  }),
};

import { Readable } from "node:stream";
import { isSegment, urlOf } from "#shared/contract/call.js";
import { isUuid } from "#shared/uuid.js";
import type { Actor } from "../../../access/authenticate.js";
import type { InternalCall } from "../../../http/requests/internal-call.js";
import type { DescribedTool } from "./describe-tools.js";

/** The caller of a tool. */
export interface Caller {
  actor: Actor;
  /** The header of its credential, which each call presents again. */
  authorization: string;
  ip: string;
  userAgent: string | undefined;
  /** The project of the acting agent, whose tools then need not name it. */
  projectId: string | null;
}

export interface ToolResult {
  content: { type: "text"; text: string }[];
  structuredContent?: Record<string, unknown>;
  isError?: boolean;
}

/** Maximum length of a result or a resource as text, in UTF-16 code units; other structured content is whole. */
const MAX_TEXT = 100_000;
const PAGE = 50;

/**
 * Makes the call of a tool through the API itself, with the credential of its caller: its permissions, limits and
 * audit are those of the call. An error of the call is a result that the model reads.
 */
export async function callTool(
  send: InternalCall,
  { call, tool, isList, isText }: DescribedTool,
  caller: Caller,
  given: Readonly<Record<string, unknown>>,
): Promise<ToolResult> {
  const input = { ...tool.defaults, ...ownIds(caller), ...given };
  const params: Record<string, string> = {};
  const query: Record<string, string | number | boolean> = {};
  const body: Record<string, unknown> = {};
  const isField = (schema: typeof call.params, field: string): boolean =>
    schema !== null && Object.hasOwn(schema.shape, field);
  const inBody = new Set(Object.keys(shapeOf(call.body)));
  for (const [field, value] of Object.entries(input)) {
    const isGiven = field in given || field in (tool.defaults ?? {});
    if (value === undefined) continue;
    if (tool.without?.includes(field)) return refusal(`${tool.name} has no input ${field}.`);
    if (isField(call.params, field)) {
      if (typeof value !== "string") return refusal(`The input ${field} has to be a text.`);
      params[field] = value;
    } else if (isField(call.query, field)) {
      // An agent's own project is no filter unless it is asked for.
      if (isGiven) query[field] = value as string | number | boolean;
    } else if (inBody.has(field)) {
      if (isGiven || isRequired(call.body, field)) body[field] = value;
    } else if (isGiven) return refusal(`${tool.name} has no input ${field}.`);
  }
  if (isList) query["limit"] ??= PAGE;
  const missing = Object.keys(call.params?.shape ?? {}).find((field) => !isSegment(params[field]));
  if (missing !== undefined) return refusal(`The input ${missing} is missing.`);
  const response = await send({
    method: call.method,
    url: urlOf(call, { params, query }),
    remoteAddress: caller.ip,
    headers: {
      authorization: caller.authorization,
      accept: isText ? "text/plain" : "application/json",
      "user-agent": caller.userAgent ?? "mcp",
    },
    ...(call.body !== null && { payload: body }),
  });
  if (response.statusCode >= 400) return refusal(problemText(response.body));
  if (isText) return result({ text: endOf(response.body) });
  const data: unknown = response.body === "" ? {} : JSON.parse(response.body);
  if (!isList) return result(data as Record<string, unknown>);
  const { link } = response.headers;
  const next = /[?&]cursor=([^&>]+)[^>]*>;\s*rel="?next"?/.exec(
    typeof link === "string" ? link : "",
  );
  return result({
    items: data,
    ...(next?.[1] !== undefined && { next_cursor: decodeURIComponent(next[1]) }),
  });
}

/** The ids that an agent's own tools may leave out. */
export function ownIds({ actor, projectId }: Caller): Record<string, string | undefined> {
  const { opinion } = actor;
  if (opinion) return { opinion_id: opinion.id, task_id: opinion.taskId };
  return actor.agent === null
    ? {}
    : { agent_id: actor.agent.id, ...(projectId !== null && { project_id: projectId }) };
}

/** The fields of a body that may be absent as a whole. */
function shapeOf(body: DescribedTool["call"]["body"]): Record<string, unknown> {
  const inner = body as { shape?: Record<string, unknown>; unwrap?: () => unknown } | null;
  if (inner === null) return {};
  return inner.shape ?? (inner.unwrap ? shapeOf(inner.unwrap() as never) : {});
}

function isRequired(body: DescribedTool["call"]["body"], field: string): boolean {
  const schema = shapeOf(body)[field] as { safeParse?: (value: unknown) => { success: boolean } };
  return schema?.safeParse?.(undefined).success === false;
}

function result(structuredContent: Record<string, unknown>): ToolResult {
  const text =
    typeof structuredContent["text"] === "string" && Object.keys(structuredContent).length === 1
      ? structuredContent["text"]
      : JSON.stringify(structuredContent);
  const shown = startOf(text);
  return { content: [{ type: "text", text: shown }], structuredContent };
}

const startOf = (text: string): string =>
  text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT)}… (cut)`;

/** Keeps the end of a log, which says why it failed. */
const endOf = (text: string): string =>
  text.length <= MAX_TEXT ? text : `${cutMark}${text.slice(cutMark.length - MAX_TEXT)}`;
const cutMark = "(cut) …";

function refusal(text: string): ToolResult {
  return { content: [{ type: "text", text }], isError: true };
}

/** The sentence of a problem, with its code and the invalid fields. */
function problemText(body: string): string {
  const { detail, code, errors } = JSON.parse(body) as {
    detail: string;
    code: string;
    errors?: { loc: unknown[]; msg: string }[];
  };
  const fields = (errors ?? []).map(({ loc, msg }) => `${loc.slice(1).join(".")} ${msg}`);
  return [`${detail} (${code})`, ...fields].join("\n");
}

/** The beginning of a resource as text. */
export async function readResource(
  send: InternalCall,
  caller: Caller,
  uri: string,
): Promise<{ uri: string; mimeType: string; text: string } | null> {
  const found = /^omoi:\/\/(runs|workspaces)\/([^/]+)\/(log|diff)$/.exec(uri);
  const [, kind, id = "", part] = found ?? [];
  if (!isUuid(id)) return null;
  const isLog = kind === "runs" && part === "log";
  if (!isLog && !(kind === "workspaces" && part === "diff")) return null;
  const response = await send({
    method: "GET",
    url: isLog ? `/api/v1/runs/${id}/logs?tail=5000` : `/api/v1/agents/${id}/workspace/changes`,
    remoteAddress: caller.ip,
    headers: {
      authorization: caller.authorization,
      accept: isLog ? "text/plain" : "application/json",
    },
  });
  if (response.statusCode === 404) return null;
  if (response.statusCode >= 400) throw new Error(problemText(response.body));
  if (isLog) return { uri, mimeType: "text/plain", text: endOf(response.body) };
  const { files } = JSON.parse(response.body) as { files: { patch: string | null }[] };
  const text = files.map(({ patch }) => patch ?? "").join("\n");
  return { uri, mimeType: "text/x-diff", text: startOf(text) };
}

/** A response of the web's Fetch API as a body for Fastify. */
export function bodyOf(response: Response): Readable | null {
  return response.body === null ? null : Readable.fromWeb(response.body as never);
}

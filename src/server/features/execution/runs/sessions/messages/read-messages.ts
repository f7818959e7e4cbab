/** Reads the messages of a program: parses them, leaves out what is malformed or answers nothing, and cuts lists. */
import { failure, notification, result, type ReceivedUpdate } from "./message-schemas.js";

/** Maximum length of an id of a message. */
const MAX_ID = 200;
/** Maximum options of a request for a permission. */
const MAX_OPTIONS = 20;
/** Consecutive pieces of text are joined up to this length in UTF-16 code units. */
const MAX_JOINED = 64 * 1024;
const NEWLINE = 10;

/** Methods of the Agent Client Protocol. Its library takes longer to load than everything else here. */
const UPDATE = "session/update";
const REQUEST_PERMISSION = "session/request_permission";

/** Complete lines of a program, and what has to be known to read them. */
export interface MessagesToRead {
  lines: Uint8Array;
  /** The methods of requests to the program that it has not answered, by id. */
  asked: ReadonlyMap<unknown, string>;
  /** The program's id of the session; empty if it has none yet. */
  session: string;
  /** Requests for permissions that may follow now; more are canceled. */
  permissions: number;
}

/** An update of the session, or an answer or a request for a permission as a message. */
export type ReceivedItem = { update: ReceivedUpdate } | { message: ReceivedMessage };

export type ReceivedMessage = { jsonrpc: "2.0"; id: string | number } & (
  | { method: string; params: unknown }
  | { result: unknown }
  | { error: { code: number; message: string; data?: unknown } }
);

export interface ReceivedMessages {
  items: ReceivedItem[];
  /** Lines for the program. */
  replies: string;
  /** How many texts the items have. */
  texts: number;
}

export function readMessages({
  lines,
  asked,
  session,
  permissions,
}: MessagesToRead): ReceivedMessages {
  const bytes = Buffer.from(lines.buffer, lines.byteOffset, lines.byteLength);
  const open = new Map(asked);
  const items: ReceivedItem[] = [];
  let sessionId = session;
  let left = permissions;
  let replies = "";
  const reply = (id: string | number | null, answer: Readonly<Record<string, unknown>>): void => {
    replies += `${JSON.stringify({ jsonrpc: "2.0", id, ...answer })}\n`;
  };

  const readOne = (message: Fields): void => {
    const { id, method, params } = message;
    const answered = isAnswer(message) ? open.get(id) : undefined;
    if (method === UPDATE && id === undefined) {
      const update = updateOf(params, sessionId);
      if (update !== null) addUpdate(items, update);
    } else if (isPermissionRequest(message)) {
      left -= 1;
      if (left < 0) reply(message.id, { result: { outcome: { outcome: "cancelled" } } });
      else items.push({ message: withFewItems(message) });
    } else if (answered !== undefined) {
      open.delete(id);
      const answer = answerOf(message);
      // Updates of a new session may follow at once.
      if (answered === "session/new") sessionId = answer.sessionId ?? "";
      items.push({ message: answer.message });
    } else if (typeof method === "string" && isId(id)) {
      reply(id, { error: { code: -32601, message: '"Method not found": ' } });
    }
  };

  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf(NEWLINE, at);
    const line = bytes.toString("utf8", at, end).trim();
    at = end + 1;
    if (line === "") continue;
    let message: unknown;
    try {
      message = JSON.parse(line);
    } catch {
      reply(null, { error: { code: -32700, message: "Parse error" } });
      continue;
    }
    if (isObject(message) && !Array.isArray(message)) readOne(message);
    else reply(null, { error: { code: -32600, message: "Invalid request" } });
  }
  const kept = lastStates(items);
  return { items: kept, replies, texts: countTexts(kept) };
}

type Fields = Readonly<Record<string, unknown>>;

const isId = (id: unknown): id is string | number =>
  typeof id === "number" || (typeof id === "string" && id.length <= MAX_ID);

const isObject = (value: unknown): value is Fields => typeof value === "object" && value !== null;

/** Returns an update; null for another session, and for what is malformed or not known here. */
function updateOf(params: unknown, sessionId: string): ReceivedUpdate | null {
  const read = notification.safeParse(params);
  return read.success && read.data.sessionId === sessionId ? read.data.update : null;
}

/** Adds an update, and joins streamed text. */
function addUpdate(items: ReceivedItem[], update: ReceivedUpdate): void {
  const last = items.at(-1);
  const before = last && "update" in last ? last.update : null;
  if (
    before !== null &&
    "text" in before &&
    "text" in update &&
    before.sessionUpdate === update.sessionUpdate &&
    before.text.length + update.text.length <= MAX_JOINED
  ) {
    before.text += update.text;
  } else items.push({ update });
}

/** Leaves out modes and options that others follow: they are states, and each costs a row. */
function lastStates(items: readonly ReceivedItem[]): ReceivedItem[] {
  const last = new Map<string, ReceivedItem>();
  for (const item of items) if ("update" in item) last.set(item.update.sessionUpdate, item);
  return items.filter((item) => {
    const kind = "update" in item ? item.update.sessionUpdate : "";
    const isState = kind === "current_mode_update" || kind === "config_option_update";
    return !isState || last.get(kind) === item;
  });
}

function isPermissionRequest(message: Fields): message is Fields & { id: string | number } {
  const { jsonrpc, method, id, params } = message;
  return jsonrpc === "2.0" && method === REQUEST_PERMISSION && isId(id) && isObject(params);
}

/** Checking long lists of anything takes time and memory before it fails. */
function withFewItems(message: Fields & { id: string | number }): ReceivedMessage {
  const { sessionId, options, toolCall } = message["params"] as Fields;
  return {
    jsonrpc: "2.0",
    id: message.id,
    method: REQUEST_PERMISSION,
    params: {
      sessionId: text(sessionId),
      options: Array.isArray(options)
        ? options.slice(0, MAX_OPTIONS).map((option: unknown) => {
            const { optionId, name, kind } = isObject(option) ? option : {};
            return { optionId: text(optionId), name: text(name), kind: text(kind) };
          })
        : null,
      toolCall: isObject(toolCall)
        ? { toolCallId: text(toolCall["toolCallId"]), title: text(toolCall["title"]) }
        : null,
    },
  };
}

const text = (value: unknown): string | null => (typeof value === "string" ? value : null);

function isAnswer(message: Fields): boolean {
  const { jsonrpc, id, error } = message;
  return jsonrpc === "2.0" && id != null && "result" in message !== isObject(error);
}

function answerOf(message: Fields): { message: ReceivedMessage; sessionId?: string | undefined } {
  const { id, error } = message as { id: string | number; error: unknown };
  if (isObject(error)) {
    const read = failure.safeParse(error).data ?? { code: -32603, message: "Internal error" };
    return { message: { jsonrpc: "2.0", id, error: read } };
  }
  const read = result.safeParse(message["result"]).data ?? {};
  return { message: { jsonrpc: "2.0", id, result: read }, sessionId: read.sessionId };
}

/** Counts the texts in a value without functions and cycles. */
function countTexts(value: unknown): number {
  if (typeof value === "string") return 1;
  if (!isObject(value)) return 0;
  return Object.values(value).reduce<number>((sum, part) => sum + countTexts(part), 0);
}

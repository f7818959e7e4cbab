import type { SessionEvent, SessionSearch } from "#shared/api/work/sessions.js";
import { notFound } from "../../../../errors.js";
import type { OrgContext } from "../../../../http/requests/request-context.js";
import { openLogReader } from "../logs/log-reader.js";
import type { RunDeps } from "../run-deps.js";
import { projectOfAgent } from "../runs.queries.js";
import * as queries from "./sessions.queries.js";

/** Sessions whose transcripts are searched, newest first. */
const MAX_SESSIONS = 200;
/** Bytes of transcripts that one search reads; about half a second of work, in turns of a millisecond. */
const MAX_BYTES = 32 * 1024 * 1024;
const MAX_MATCHES = 50;
/** Matches of one session, so that a long one does not hide the others. */
const MAX_OF_SESSION = 5;
/** Characters before and after a match. */
const AROUND = 80;

type Match = SessionSearch["matches"][number];

/**
 * Searches the titles and transcripts of an agent's sessions, newest first.
 * @throws AppError 404; 429, 503 when too many logs are open
 */
export async function searchSessions(
  { storage, logAccess }: RunDeps,
  { orgId, actor, tx }: OrgContext,
  agentId: string,
  sought: string,
): Promise<SessionSearch> {
  const leave = logAccess.enter({ orgId, caller: actor.agent?.id ?? actor.userId });
  try {
    const { sessions, projectId } = await tx(async (transaction) => ({
      sessions: await queries.listTitles(transaction, agentId, MAX_SESSIONS),
      projectId: await projectOfAgent(transaction, agentId),
    }));
    if (projectId === undefined) throw notFound();
    const matches: Match[] = [];
    let left = MAX_BYTES;
    let searched = 0;
    for (const { id, title, created_at } of sessions) {
      if (matches.length >= MAX_MATCHES || left <= 0) break;
      searched += 1;
      let found = 0;
      const add = (type: Match["type"], at: string, text: string): boolean => {
        const excerpt = excerptOf(text, sought);
        if (excerpt !== null) {
          matches.push({ session_id: id, title, type, at, excerpt });
          found += 1;
        }
        return found < MAX_OF_SESSION;
      };
      add("title", created_at, title);
      const path = storage.transcript(orgId, projectId, id);
      const reader = await openLogReader(path, logAccess.inTurn(orgId));
      if (!reader) continue;
      try {
        left = await searchTranscript(reader, left, add);
      } finally {
        await reader.close();
      }
    }
    const isComplete =
      searched === sessions.length &&
      sessions.length < MAX_SESSIONS &&
      left > 0 &&
      matches.length <= MAX_MATCHES;
    return { matches: matches.slice(0, MAX_MATCHES), is_complete: isComplete };
  } finally {
    leave();
  }
}

/**
 * Reads a transcript until `add` returns false, or as many bytes as are left.
 * @returns how many bytes are left
 */
async function searchTranscript(
  { read }: Pick<NonNullable<Awaited<ReturnType<typeof openLogReader>>>, "read">,
  bytes: number,
  add: (type: Match["type"], at: string, text: string) => boolean,
): Promise<number> {
  let left = bytes;
  /** Streamed text comes in pieces; the end of one may begin what is sought. */
  let streamed = null as { type: "message" | "thought"; at: string; text: string } | null;
  for (let offset = 0; left > 0;) {
    const { lines, end } = await read(offset);
    if (end === offset) break;
    left -= end - offset;
    offset = end;
    for (const { text: line } of lines) {
      const event = JSON.parse(line) as SessionEvent;
      const isPiece = event.type === "message" || event.type === "thought";
      if (isPiece && streamed?.type === event.type && streamed.text.length < MAX_PIECE) {
        streamed.text += event.text;
        continue;
      }
      if (streamed && !add(streamed.type, streamed.at, streamed.text)) return left;
      streamed = isPiece ? { type: event.type, at: event.at, text: event.text } : null;
      if (event.type === "prompt" && !add("prompt", event.at, event.text)) return left;
      if (event.type === "tool_call" && !add("tool_call", event.at, textOfTool(event))) return left;
    }
  }
  if (streamed) add(streamed.type, streamed.at, streamed.text);
  return left;
}

/** Streamed text that is searched as one, in UTF-16 code units. */
const MAX_PIECE = 64 * 1024;

function textOfTool({
  title,
  content,
  paths,
}: Extract<SessionEvent, { type: "tool_call" }>): string {
  const contents = content?.map((item) =>
    item.type === "text" ? item.text : `${item.path}\n${item.new_text}`,
  );
  return [title, ...(paths ?? []), ...(contents ?? [])].join("\n");
}

/** Returns the text around the first match, in one line; null without a match. */
function excerptOf(text: string, sought: string): string | null {
  const at = text.toLowerCase().indexOf(sought.toLowerCase());
  if (at === -1) return null;
  const [from, to] = [Math.max(0, at - AROUND), at + sought.length + AROUND];
  // Halves of characters at the ends are replaced.
  const part = Buffer.from(text.slice(from, to)).toString().replaceAll(/\s+/g, " ").trim();
  return `${from > 0 ? "…" : ""}${part}${to < text.length ? "…" : ""}`;
}

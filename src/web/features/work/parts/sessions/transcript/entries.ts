import type { PermissionRequest, Session, SessionEvent } from "#shared/api/work/sessions.js";

type EventOf<Type extends SessionEvent["type"]> = Extract<SessionEvent, { type: Type }>;

type Shown =
  | { type: "prompt"; text: string; by: Session["created_by"] }
  | { type: "message" | "thought"; text: string }
  | {
      type: "tool";
      id: string;
      title: string;
      kind: string;
      status: string;
      content: NonNullable<EventOf<"tool_call">["content"]>;
      paths: readonly string[];
    }
  | {
      type: "permission";
      request: PermissionRequest;
      /** Undefined while it waits. */
      answer: { option: string | null; by: string | null } | undefined;
    }
  | { type: "note"; text: string; isBad: boolean };
/** What a page shows of a session, in order. An entry that changes is replaced. */
export type Entry = { key: number; at: string } & Shown;

export interface Transcript {
  entries: Entry[];
  /** Number of the oldest entries that are no longer kept. */
  dropped: number;
  /** The last plan of the agent; null before one. */
  plan: EventOf<"plan">["entries"] | null;
  /** How many prompts the agent has taken, by their text. */
  prompts: Map<string, number>;
  /** How many turns were canceled, and with them the prompts that waited. */
  cancellations: number;
  append(event: SessionEvent): void;
}

/** Entries that a page keeps; the API has all. */
export const keptEntries = 4000;
const droppedAtOnce = 500;
/** A longer text continues in another entry; UTF-16 code units. */
export const longestText = 100_000;

/** Builds the entries of a session from its events. */
export function createTranscript(): Transcript {
  const entries: Entry[] = [];
  const tools = new Map<string, number>();
  const requests = new Map<string, number>();
  let made = 0;
  const transcript: Transcript = {
    entries,
    dropped: 0,
    plan: null,
    prompts: new Map(),
    cancellations: 0,
    append: (event) => {
      change(event);
      if (entries.length > keptEntries) {
        entries.splice(0, droppedAtOnce);
        transcript.dropped += droppedAtOnce;
      }
    },
  };
  const add = (entry: { at: string } & Shown): number => {
    const key = made;
    made += 1;
    entries.push({ key, ...entry });
    return key;
  };
  const at = (key: number | undefined): Entry | undefined =>
    key === undefined ? undefined : entries[key - transcript.dropped];
  const replace = (entry: Entry): void => {
    entries[entry.key - transcript.dropped] = entry;
  };
  const note = (event: SessionEvent, text: string, isBad = false): void =>
    void add({ type: "note", at: event.at, text, isBad });

  const change = (event: SessionEvent): void => {
    switch (event.type) {
      case "prompt":
        transcript.prompts.set(event.text, (transcript.prompts.get(event.text) ?? 0) + 1);
        add({ type: "prompt", at: event.at, text: event.text, by: event.by });
        return;
      case "message":
      case "thought": {
        const last = entries.at(-1);
        const isSame = last?.type === event.type && last.text.length < longestText;
        if (isSame) replace({ ...last, text: last.text + event.text });
        else add({ type: event.type, at: event.at, text: event.text });
        return;
      }
      case "plan":
        transcript.plan = event.entries;
        return;
      case "tool_call":
        changeTool(event);
        return;
      case "permission_request": {
        const { type: _type, at: time, ...request } = event;
        const key = add({ type: "permission", at: time, request, answer: undefined });
        requests.set(request.request_id, key);
        return;
      }
      case "permission_answer": {
        const asked = at(requests.get(event.request_id));
        if (asked?.type !== "permission") return;
        const option = asked.request.options.find((choice) => choice.option_id === event.option_id);
        replace({
          ...asked,
          answer: { option: option?.kind ?? null, by: event.by?.name ?? null },
        });
        return;
      }
      case "turn_end": {
        if (event.stop_reason === "cancelled") transcript.cancellations += 1;
        const text = endings[event.stop_reason] ?? otherEnding(event.stop_reason);
        if (text !== "") note(event, text, event.stop_reason.startsWith("error"));
        return;
      }
      case "status":
        if (event.detail !== null) note(event, event.detail, event.status === "failed");
        else if (event.status === "closed") note(event, "The session was closed.");
        return;
      default:
        // A mode is shown by the session itself.
        return;
    }
  };
  const changeTool = (event: EventOf<"tool_call">): void => {
    const { tool_call_id: id, title, kind, status, content, paths } = event;
    const before = at(tools.get(id));
    const changes = {
      ...(title !== undefined && { title }),
      ...(kind !== undefined && { kind }),
      ...(status !== undefined && { status }),
      ...(content !== undefined && { content }),
      ...(paths !== undefined && { paths }),
    };
    if (before?.type === "tool") {
      replace({ ...before, ...changes });
      return;
    }
    const blank = { title: "Tool", kind: "other", status: "pending", content: [], paths: [] };
    tools.set(id, add({ type: "tool", at: event.at, id, ...blank, ...changes }));
  };
  return transcript;
}

/** Why a turn ended, unless it ended as usual. The stop reasons of the Agent Client Protocol. */
const endings: Record<string, string> = {
  end_turn: "",
  cancelled: "The turn was canceled.",
  refusal: "The agent refused to go on.",
  max_tokens: "The turn reached the model's limit of tokens.",
  max_turn_requests: "The turn reached its limit of calls to the model.",
};

/** Programs put their errors behind words that say nothing. */
function otherEnding(reason: string): string {
  const error = /^error: (?:internal error: )?(.*?)\.*$/is.exec(reason)?.[1];
  return error === undefined ? `The turn ended: ${reason}.` : `The turn failed: ${error}.`;
}

/** The text in which a transcript is searched. */
export function textOf(entry: Entry): string {
  switch (entry.type) {
    case "tool":
      return [
        entry.title,
        ...entry.paths,
        ...entry.content.map((item) =>
          item.type === "text" ? item.text : `${item.path}\n${item.new_text}`,
        ),
      ].join("\n");
    case "permission":
      return entry.request.title;
    default:
      return entry.text;
  }
}

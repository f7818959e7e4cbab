/** What a program reports of its session, as events. Everything in it is written by an agent. */
import type { Session, SessionEvent } from "#shared/api/work/sessions.js";
import type { Masker } from "#execution/logs/mask-secrets.js";
import type {
  OfferedModels,
  OfferedModes,
  OfferedOptions,
  ReceivedUpdate,
} from "./messages/message-schemas.js";

/** Maximum length of a title or another short text, in UTF-16 code units. */
const MAX_SHORT = 500;
/** Maximum length of the id of a mode, in UTF-16 code units. */
const MAX_ID = 200;
/**
 * Maximum length of the texts of a tool call together: six bytes for each unit in JSON stay below the 1 MiB
 * of a line.
 */
const MAX_TEXTS = 128 * 1024;
/** The length of the texts of all values together, in UTF-16 code units: lists of sessions have them. */
const MAX_VALUE_TEXTS = 32 * 1024;

/** Masks secrets in a text and cuts it. */
export type Mask = (text: string, length: number) => string;

export const maskAndCut =
  (masker: Masker): Mask =>
  (text, length) =>
    cut(masker.mask(text, length + 1), length);

/** A change of a session: streamed text, an event, or a mode. */
export type Update =
  | { kind: "text"; type: "message" | "thought"; text: string }
  | { kind: "event"; event: EventOf<"plan"> | EventOf<"tool_call"> }
  | { kind: "mode"; modeId: string }
  | { kind: "options"; options: Session["options"] };

type EventOf<Type extends SessionEvent["type"]> = Omit<Extract<SessionEvent, { type: Type }>, "at">;
type ReceivedToolCall = Extract<ReceivedUpdate, { toolCallId: string }>;

export function readUpdate(update: ReceivedUpdate, mask: Mask): Update {
  const short = (text: string): string => mask(text, MAX_SHORT);
  switch (update.sessionUpdate) {
    case "agent_message_chunk":
    case "agent_thought_chunk": {
      const type = update.sessionUpdate === "agent_message_chunk" ? "message" : "thought";
      // Streamed text is masked as a whole.
      return { kind: "text", type, text: update.text };
    }
    case "plan": {
      const entries = (update.entries ?? []).map((entry) => ({
        content: short(entry.content),
        status: short(entry.status),
      }));
      return { kind: "event", event: { type: "plan", entries } };
    }
    case "tool_call":
    case "tool_call_update": {
      const { toolCallId, title, kind, status, content: shown, locations } = update;
      const event: EventOf<"tool_call"> = {
        type: "tool_call",
        tool_call_id: short(toolCallId),
        ...(title != null && { title: short(title) }),
        ...(kind != null && { kind: short(kind) }),
        ...(status != null && { status: short(status) }),
        ...(shown != null && { content: contentsOf(shown, mask) }),
        ...(locations != null && { paths: locations.map(({ path }) => short(path)) }),
      };
      return { kind: "event", event };
    }
    case "config_option_update":
      return { kind: "options", options: optionsOf(update.configOptions, mask) };
    default:
      return { kind: "mode", modeId: mask(update.currentModeId, MAX_ID) };
  }
}

type Content = NonNullable<EventOf<"tool_call">["content"]>;

function contentsOf(items: NonNullable<ReceivedToolCall["content"]>, mask: Mask): Content {
  let left = MAX_TEXTS;
  const text = (value: string): string => {
    const made = left === 0 ? "" : mask(value, left);
    left -= made.length;
    return made;
  };
  return items.flatMap((item): Content => {
    if (item.type === "terminal") return [];
    if (item.type === "content") return [{ type: "text", text: text(item.content) }];
    const { path, oldText, newText } = item;
    return [
      {
        type: "diff",
        path: mask(path, MAX_SHORT),
        new_text: text(newText),
        old_text: oldText == null ? null : text(oldText),
      },
    ];
  });
}

/** Returns the modes that a program offers; null for none. */
export function modesOf(modes: OfferedModes | null | undefined, mask: Mask): Session["modes"] {
  if (modes == null) return null;
  return {
    current: mask(modes.currentModeId, MAX_ID),
    available: modes.availableModes.map(({ id, name, description }) => ({
      id: mask(id, MAX_ID),
      name: mask(name, 200),
      description: description == null ? null : mask(description, MAX_SHORT),
    })),
  };
}

/** Returns the choices that a program offers for its session. */
export function optionsOf(offered: OfferedOptions | undefined, mask: Mask): Session["options"] {
  let leftTexts = MAX_VALUE_TEXTS;
  return (offered ?? []).map((option) => {
    const common = {
      id: mask(option.id, 200),
      name: mask(option.name, 200),
      description: option.description == null ? null : mask(option.description, MAX_SHORT),
      category: option.category == null ? null : mask(option.category, 200),
      type: option.type,
      current: mask(String(option.currentValue), 200),
    };
    if (option.type === "boolean") return { ...common, values: switchValues };
    const values: Session["options"][number]["values"] = [];
    for (const { value, name, description } of option.options) {
      const choice = {
        value: mask(value, 200),
        name: mask(name, 200),
        description: description == null ? null : mask(description, 200),
      };
      leftTexts -= choice.value.length + choice.name.length + (choice.description?.length ?? 0);
      if (leftTexts < 0) break;
      values.push(choice);
    }
    return { ...common, values };
  });
}

/** Returns a program's list of models as an option; null for none. */
export function modelsOf(
  models: OfferedModels | null | undefined,
  mask: Mask,
): Omit<Session["options"][number], "id"> | null {
  if (models == null) return null;
  const [option] = optionsOf(
    [
      {
        id: "model",
        name: "Model",
        category: "model",
        type: "select",
        currentValue: models.currentModelId,
        options: (models.availableModels ?? []).map(({ modelId, name, description }) => ({
          value: modelId,
          name,
          description,
        })),
      },
    ],
    mask,
  );
  if (!option) return null;
  const { id: _id, ...rest } = option;
  return rest;
}

const switchValues = [
  { value: "true", name: "On", description: null },
  { value: "false", name: "Off", description: null },
];

/** Cuts a text, which the database can then store: without NUL and halves of characters. */
export function cut(text: string, length: number): string {
  const stored = text.replaceAll("\0", "").slice(0, length + 1);
  const kept = stored.length <= length ? stored : `${stored.slice(0, length - 1)}…`;
  return Buffer.from(kept).toString();
}

/** What a program reports of its session, as events. Everything in it is written by an agent. */
import { z } from "zod";
import type { Session, SessionEvent } from "#shared/api/agents/sessions.js";

/** Maximum length of a title or another short text, in UTF-16 code units. */
const MAX_SHORT = 500;
/**
 * Maximum length of the texts of a tool call together: six bytes for each unit in JSON stay below the 1 MiB
 * of a line.
 */
const MAX_TEXTS = 128 * 1024;
const MAX_ITEMS = 20;
const MAX_ENTRIES = 100;

/** A change of a session: streamed text, an event, or a mode. */
export type Update =
  | { kind: "text"; type: "message" | "thought"; text: string }
  | { kind: "event"; event: EventOf<"plan"> | EventOf<"tool_call"> }
  | { kind: "mode"; modeId: string }
  | { kind: "options"; options: Session["options"] };

type EventOf<Type extends SessionEvent["type"]> = Omit<Extract<SessionEvent, { type: Type }>, "at">;

/** The parts of a notification `session/update` that are shown; others are left out. */
const content = z.object({ type: z.string(), text: z.string().optional() });
const toolContent = z.union([
  z.object({ type: z.literal("content"), content }),
  z.object({
    type: z.literal("diff"),
    path: z.string(),
    oldText: z.string().nullish(),
    newText: z.string(),
  }),
  z.object({ type: z.literal("terminal") }),
]);
/** A list whose further items are not even checked, which would take time and memory. */
const few = <Item extends z.ZodType>(item: Item, most: number) =>
  z.preprocess(
    (value) => (Array.isArray(value) ? value.slice(0, most) : value),
    z.array(item).nullish(),
  );

const notification = z.object({
  sessionId: z.string(),
  update: z.discriminatedUnion("sessionUpdate", [
    z.object({
      sessionUpdate: z.enum(["agent_message_chunk", "agent_thought_chunk"]),
      content,
    }),
    z.object({
      sessionUpdate: z.literal("plan"),
      entries: few(z.object({ content: z.string(), status: z.string() }), MAX_ENTRIES),
    }),
    z.object({
      sessionUpdate: z.enum(["tool_call", "tool_call_update"]),
      toolCallId: z.string(),
      title: z.string().nullish(),
      kind: z.string().nullish(),
      status: z.string().nullish(),
      content: few(toolContent, MAX_ITEMS),
      locations: few(z.object({ path: z.string() }), MAX_ITEMS),
    }),
    z.object({ sessionUpdate: z.literal("current_mode_update"), currentModeId: z.string() }),
    z.object({ sessionUpdate: z.literal("config_option_update"), configOptions: z.unknown() }),
  ]),
});

/**
 * Reads the parameters of a notification `session/update`. Returns null for another session, and for
 * what is malformed or not known here.
 * @param mask removes secrets from a text
 */
export function readUpdate(
  params: unknown,
  sessionId: string,
  mask: (text: string) => string,
): Update | null {
  const read = notification.safeParse(params);
  if (!read.success || read.data.sessionId !== sessionId) return null;
  const { update } = read.data;
  const short = (text: string): string => cut(mask(text), MAX_SHORT);
  switch (update.sessionUpdate) {
    case "agent_message_chunk":
    case "agent_thought_chunk": {
      const type = update.sessionUpdate === "agent_message_chunk" ? "message" : "thought";
      // Streamed text is masked as a whole.
      return { kind: "text", type, text: textOf(update.content) };
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
      return { kind: "mode", modeId: update.currentModeId };
  }
}

const textOf = ({ type, text }: z.output<typeof content>): string => text ?? `[${type}]`;

type Content = NonNullable<EventOf<"tool_call">["content"]>;

function contentsOf(
  items: readonly z.output<typeof toolContent>[],
  mask: (text: string) => string,
): Content {
  let left = MAX_TEXTS;
  const text = (value: string): string => {
    const made = left === 0 ? "" : cut(mask(value), left);
    left -= made.length;
    return made;
  };
  return items.flatMap((item): Content => {
    if (item.type === "terminal") return [];
    if (item.type === "content") return [{ type: "text", text: text(textOf(item.content)) }];
    const { path, oldText, newText } = item;
    return [
      {
        type: "diff",
        path: cut(mask(path), MAX_SHORT),
        new_text: text(newText),
        old_text: oldText == null ? null : text(oldText),
      },
    ];
  });
}

/** Returns the modes that a program offers; null for none. */
export function modesOf(
  modes:
    | {
        currentModeId: string;
        availableModes: { id: string; name: string; description?: string | null }[];
      }
    | null
    | undefined,
  mask: (text: string) => string,
): Session["modes"] {
  if (modes == null) return null;
  return {
    current: cut(modes.currentModeId, 200),
    available: modes.availableModes.slice(0, MAX_ITEMS).map(({ id, name, description }) => ({
      id: cut(id, 200),
      name: cut(mask(name), 200),
      description: description == null ? null : cut(mask(description), MAX_SHORT),
    })),
  };
}

/** Values of all options together: a program may offer hundreds of models. */
const MAX_VALUES = 500;
/** The length of their texts together, in UTF-16 code units: lists of sessions have them. */
const MAX_VALUE_TEXTS = 32 * 1024;

const offeredValue = z.object({
  value: z.string(),
  name: z.string(),
  description: z.string().nullish(),
});
const offeredValues = few(
  z.union([offeredValue, z.object({ options: few(offeredValue, MAX_VALUES) })]),
  MAX_VALUES,
);
const named = {
  id: z.string(),
  name: z.string(),
  description: z.string().nullish(),
  category: z.string().nullish(),
};
const offered = few(
  z.union([
    z.object({
      ...named,
      type: z.literal("select"),
      currentValue: z.string(),
      options: offeredValues,
    }),
    z.object({ ...named, type: z.literal("boolean"), currentValue: z.boolean() }),
    // Newer kinds are left out.
    z.object({ type: z.string() }),
  ]),
  MAX_ITEMS,
);

/** Returns the choices that a program offers for its session; none for what is malformed. */
export function optionsOf(
  configOptions: unknown,
  mask: (text: string) => string,
): Session["options"] {
  const short = (text: string, length = 200): string => cut(mask(text), length);
  let left = MAX_VALUES;
  let leftTexts = MAX_VALUE_TEXTS;
  return (offered.safeParse(configOptions).data ?? []).flatMap((option) => {
    if (!("name" in option)) return [];
    const common = {
      id: short(option.id),
      name: short(option.name),
      description: option.description == null ? null : short(option.description, MAX_SHORT),
      category: option.category == null ? null : short(option.category),
      type: option.type,
      current: short(String(option.currentValue)),
    };
    if (option.type === "boolean") return [{ ...common, values: switchValues }];
    const all = (option.options ?? []).flatMap((one) =>
      "options" in one ? (one.options ?? []) : [one as z.output<typeof offeredValue>],
    );
    const values: Session["options"][number]["values"] = [];
    for (const { value, name, description } of all.slice(0, left)) {
      const one = {
        value: short(value),
        name: short(name),
        description: description == null ? null : short(description),
      };
      leftTexts -= one.value.length + one.name.length + (one.description?.length ?? 0);
      if (leftTexts < 0) break;
      values.push(one);
    }
    left -= values.length;
    return [{ ...common, values }];
  });
}

const offeredModels = z.object({
  currentModelId: z.string(),
  availableModels: few(
    z.object({ modelId: z.string(), name: z.string(), description: z.string().nullish() }),
    MAX_VALUES,
  ),
});

/** Returns a program's list of models as an option; null for none and for what is malformed. */
export function modelsOf(
  models: unknown,
  mask: (text: string) => string,
): Omit<Session["options"][number], "id"> | null {
  const read = offeredModels.safeParse(models).data;
  if (!read) return null;
  const [option] = optionsOf(
    [
      {
        id: "model",
        name: "Model",
        category: "model",
        type: "select",
        currentValue: read.currentModelId,
        options: (read.availableModels ?? []).map(({ modelId, name, description }) => ({
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

/**
 * The parts of a program's messages that the server reads. They are parsed in the process of messages, where what
 * else programs send stays.
 */
import { z } from "zod";

export const MAX_ITEMS = 20;
const MAX_ENTRIES = 100;
/** Values of all options together: a program may offer hundreds of models. */
export const MAX_VALUES = 500;

/** A list whose further items are not even checked, which would take time and memory. */
const few = <Item extends z.ZodType>(item: Item, most: number) =>
  z.preprocess(
    (value) => (Array.isArray(value) ? value.slice(0, most) : value),
    z.array(item).nullish(),
  );

/** Content without text is named by its type. */
const content = z
  .object({ type: z.string(), text: z.string().optional() })
  .transform(({ type, text }) => text ?? `[${type}]`);
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

const offeredValue = z.object({
  value: z.string(),
  name: z.string(),
  description: z.string().nullish(),
});
const offeredValues = few(
  z.union([offeredValue, z.object({ options: few(offeredValue, MAX_VALUES) })]),
  MAX_VALUES,
).transform((all) =>
  (all ?? [])
    .flatMap((offered) =>
      "options" in offered ? (offered.options ?? []) : [offered as OfferedValue],
    )
    .slice(0, MAX_VALUES),
);
type OfferedValue = z.output<typeof offeredValue>;

const named = {
  id: z.string(),
  name: z.string(),
  description: z.string().nullish(),
  category: z.string().nullish(),
};
const select = z.object({
  ...named,
  type: z.literal("select"),
  currentValue: z.string(),
  options: offeredValues,
});
const toggle = z.object({ ...named, type: z.literal("boolean"), currentValue: z.boolean() });
/** Options of a session, with at most `MAX_VALUES` values together. Newer kinds are left out. */
export type OfferedOptions = (z.output<typeof select> | z.output<typeof toggle>)[];
const offeredOptions = few(z.union([select, toggle, z.object({ type: z.string() })]), MAX_ITEMS)
  .transform((all): OfferedOptions => {
    let left = MAX_VALUES;
    return (all ?? []).flatMap((option): OfferedOptions => {
      if (!("name" in option)) return [];
      if (option.type === "boolean") return [option];
      const options = option.options.slice(0, left);
      left -= options.length;
      return [{ ...option, options }];
    });
  })
  .catch([]);

const offeredModes = z.object({
  currentModeId: z.string(),
  availableModes: z.preprocess(
    (value) => (Array.isArray(value) ? value.slice(0, MAX_ITEMS) : value),
    z.array(z.object({ id: z.string(), name: z.string(), description: z.string().nullish() })),
  ),
});
export type OfferedModes = z.output<typeof offeredModes>;

/** A list of models, as by programs without options. */
const offeredModels = z.object({
  currentModelId: z.string(),
  availableModels: few(
    z.object({ modelId: z.string(), name: z.string(), description: z.string().nullish() }),
    MAX_VALUES,
  ),
});
export type OfferedModels = z.output<typeof offeredModels>;

/** The parameters of a notification `session/update`. */
export const notification = z.object({
  sessionId: z.string(),
  update: z.discriminatedUnion("sessionUpdate", [
    z
      .object({
        sessionUpdate: z.enum(["agent_message_chunk", "agent_thought_chunk"]),
        content,
      })
      .transform(({ sessionUpdate, content: text }) => ({ sessionUpdate, text })),
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
    z.object({
      sessionUpdate: z.literal("config_option_update"),
      configOptions: offeredOptions,
    }),
  ]),
});
/** An update that a program sent. */
export type ReceivedUpdate = z.output<typeof notification>["update"];

/** The parts of all results that are read; malformed ones are missing. */
export const result = z.object({
  protocolVersion: z.number().optional().catch(undefined),
  agentCapabilities: z
    .object({
      loadSession: z.boolean().optional().catch(undefined),
      sessionCapabilities: z
        .object({ resume: z.unknown().transform((value) => (value == null ? null : {})) })
        .nullish()
        .catch(undefined),
    })
    .optional()
    .catch(undefined),
  sessionId: z.string().optional().catch(undefined),
  stopReason: z.string().optional().catch(undefined),
  modes: offeredModes.nullish().catch(undefined),
  configOptions: offeredOptions.optional(),
  models: offeredModels.nullish().catch(undefined),
});
/** The message and the details of an error. */
export const failure = z.object({
  code: z.number(),
  message: z.string(),
  data: z.object({ details: z.string() }).optional().catch(undefined),
});

/** The mode and the options of a session: its program offers them, and people choose. */
import { setTimeout as pause } from "node:timers/promises";
import { methods, type ClientContext } from "@agentclientprotocol/sdk";
import type { Session } from "#shared/api/work/sessions.js";
import { definitionOf } from "#execution/presets/presets.js";
import type { OfferedModels, OfferedModes, OfferedOptions } from "./messages/message-schemas.js";
import { modelsOf, modesOf, optionsOf, type Mask } from "./session-updates.js";
import type { SessionRow } from "./sessions.queries.js";
import type { Transcript } from "./transcript.js";

type Chosen = Pick<Session, "modes" | "options">;

export interface SessionChoices {
  /**
   * Takes what the program offers as its session opens, and chooses again: for a new session the mode of its
   * preset, for one that was taken up what it had, since programs do not keep all of it.
   * @throws RequestError if the program refuses
   */
  open(
    agent: ClientContext,
    programSession: string,
    offered: Offered,
    isNew: boolean,
  ): Promise<void>;
  current(): Chosen;
  /** Asks the program for a mode. @throws RequestError */
  setMode(agent: ClientContext, modeId: string): Promise<void>;
  /** Asks the program for an option. Returns all options as they are then. @throws RequestError */
  setOption(agent: ClientContext, id: string, value: string): Promise<Session["options"]>;
  /** Records the mode, if it has changed. */
  takeMode(modeId: string): Promise<void>;
  /** Records the options, and which of them have another value. */
  takeOptions(options: Session["options"]): Promise<void>;
}

/** Parts of an answer, as `readMessages` returns them. */
export interface Offered {
  modes?: OfferedModes | null;
  configOptions?: OfferedOptions;
  /** As by programs that have no options. */
  models?: OfferedModels | null;
}

interface ChoicesInput {
  session: Pick<SessionRow, "preset" | "modes" | "options">;
  mask: Mask;
  save: (changes: Partial<Chosen>) => Promise<void>;
  record: (event: Parameters<Transcript["add"]>[0]) => Promise<void>;
}

/** The rate of changes by a program, and how many may come at once. */
const CHANGE_MS = 1000;
const MAX_BURST = 10;

/** The id of the option that stands for a program's list of models. */
const MODEL_OPTION = "omoi:model";

const withModel = (options: Session["options"], model: string): Session["options"] =>
  options.map((option) => (option.id === MODEL_OPTION ? { ...option, current: model } : option));

export function createChoices({ session, mask, save, record }: ChoicesInput): SessionChoices {
  let sessionId = "";
  let modes: Session["modes"] = null;
  let options: Session["options"] = [];
  /** Whether the model is chosen by a request of its own: the option of its list is made here. */
  let hasModels = false;
  /** Until then the caller saves both, and nothing is recorded. */
  let isOpen = false;
  /** When the next change may be recorded at the lowest rate, in milliseconds since 1970. */
  let freeAt = 0;

  /** Each change is a row that everybody who looks at the session reads: a program that floods waits. */
  const slowDown = async (): Promise<void> => {
    const now = Date.now();
    freeAt = Math.max(freeAt, now - MAX_BURST * CHANGE_MS) + CHANGE_MS;
    if (freeAt > now) await pause(freeAt - now);
  };

  const setMode = async (agent: ClientContext, modeId: string): Promise<void> => {
    await agent.request(methods.agent.session.setMode, { sessionId, modeId });
  };

  const setOption = async (
    agent: ClientContext,
    configId: string,
    value: string,
  ): Promise<Session["options"]> => {
    if (hasModels && configId === MODEL_OPTION) {
      await agent.request("session/set_model", { sessionId, modelId: value });
      return withModel(options, value);
    }
    const isSwitch = options.some(({ id, type }) => id === configId && type === "boolean");
    const chosen: { value: string } | { type: "boolean"; value: boolean } = isSwitch
      ? { type: "boolean", value: value === "true" }
      : { value };
    const changed: unknown = await agent.request(methods.agent.session.setConfigOption, {
      sessionId,
      configId,
      ...chosen,
    });
    return withModels(optionsOf((changed as Offered).configOptions, mask));
  };

  /** Adds the list of models to options that a program has reported, which are its own alone. */
  const withModels = (next: Session["options"]): Session["options"] =>
    !hasModels || next.some(({ id }) => id === MODEL_OPTION)
      ? next
      : [...next, ...options.filter(({ id }) => id === MODEL_OPTION)];

  const chooseMode = async (agent: ClientContext, wanted: string | undefined): Promise<void> => {
    if (wanted === undefined) return;
    if (modes === null) {
      // Then an option may stand for the modes.
      const option = options.find(({ category }) => category === "mode");
      const isOffered = option?.values.some(({ value }) => value === wanted) === true;
      if (isOffered && option.current !== wanted) {
        options = await setOption(agent, option.id, wanted);
      }
      return;
    }
    if (modes.current === wanted) return;
    if (!modes.available.some(({ id }) => id === wanted)) return;
    await setMode(agent, wanted);
    modes = { ...modes, current: wanted };
    // An option may stand for the modes.
    options = options.map((option) =>
      option.category === "mode" ? { ...option, current: wanted } : option,
    );
  };

  const chooseOptions = async (agent: ClientContext, wanted: Session["options"]): Promise<void> => {
    for (const { id, category, current } of wanted) {
      const now = options.find((option) => option.id === id);
      const isMode = category === "mode" && modes !== null;
      const isOffered = now?.values.some(({ value }) => value === current) === true;
      if (isMode || !isOffered || now.current === current) continue;
      options = await setOption(agent, id, current);
    }
  };

  const takeMode = async (modeId: string): Promise<void> => {
    if (modes === null || modes.current === modeId) return;
    if (!modes.available.some(({ id }) => id === modeId)) return;
    await slowDown();
    modes = { ...modes, current: modeId };
    if (!isOpen) return;
    await save({ modes });
    await record({ type: "mode", mode_id: modeId });
  };

  return {
    open: async (agent, programSession, offered, isNew) => {
      sessionId = programSession;
      modes = modesOf(offered.modes, mask);
      options = optionsOf(offered.configOptions, mask);
      const models = modelsOf(offered.models, mask);
      hasModels = models !== null && options.every(({ category }) => category !== "model");
      if (models !== null && hasModels) {
        options = [
          ...options.filter(({ id }) => id !== MODEL_OPTION),
          { id: MODEL_OPTION, ...models },
        ];
      }
      try {
        await chooseMode(
          agent,
          isNew ? definitionOf(session.preset)?.sessionMode : session.modes?.current,
        );
        await chooseOptions(agent, isNew ? [] : session.options);
      } finally {
        isOpen = true;
      }
    },
    current: () => ({ modes, options }),
    setMode,
    setOption,
    takeMode,
    takeOptions: async (reported) => {
      const next = withModels(reported);
      if (JSON.stringify(next) === JSON.stringify(options)) return;
      await slowDown();
      const before = new Map(options.map(({ id, current }) => [id, current]));
      options = next;
      if (!isOpen) return;
      await save({ options });
      for (const { id, category, current } of next) {
        if ((before.get(id) ?? current) === current) continue;
        // One change is recorded once.
        if (category === "mode" && modes !== null) await takeMode(current);
        else await record({ type: "option", option_id: id, value: current });
      }
    },
  };
}

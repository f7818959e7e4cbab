import type { PresetName } from "#shared/execution/run-choices.js";
import { claudeCode } from "./claude-code.js";
import { codex } from "./codex.js";
import { gemini } from "./gemini.js";
import { opencode } from "./opencode.js";
import type { PresetDefinition } from "./preset.js";
import { createTeller, type Teller } from "../logs/teller.js";

/** The presets with a program; `custom` takes a command instead. */
export const definitions: readonly PresetDefinition[] = [claudeCode, codex, gemini, opencode];

/** All programs of presets and of their sessions. */
export const programs: readonly string[] = [
  ...new Set(
    definitions.flatMap(({ program, session }) => [program, ...(session ? [session.program] : [])]),
  ),
];

/** Returns the definition of a preset; undefined without one, and for `custom`. */
export function definitionOf(preset: PresetName | null): PresetDefinition | undefined {
  return definitions.find(({ name }) => name === preset);
}

/** Returns the teller of a run's output; null without a preset. */
export function tellerOf(preset: PresetName | null): Teller | null {
  const definition = definitionOf(preset);
  return definition === undefined ? null : createTeller((entry) => definition.tell(entry));
}

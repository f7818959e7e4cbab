import type { PresetName } from "#shared/preset-names.js";
import { claudeCode } from "./claude-code.js";
import { codex } from "./codex.js";
import { gemini } from "./gemini.js";
import { opencode } from "./opencode.js";
import type { PresetDefinition } from "./preset.js";

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

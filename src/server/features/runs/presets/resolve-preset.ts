import type { NewRun } from "#shared/api/agents/runs.js";
import type { PresetName } from "#shared/preset-names.js";
import { invalidField } from "../../../errors.js";
import { definitionOf } from "./presets.js";

/** A run's command and network, whether given or made by a preset. */
export interface ResolvedRun {
  command: string[];
  preset: PresetName | null;
  prompt: string | null;
  model: string | null;
  network: "none" | "restricted" | "full";
  allowed_hosts: string[] | null;
}

/**
 * Completes a request by its preset.
 * @param task the prompt of a request without one
 * @throws AppError 422 without a prompt and a task
 */
export function resolvePreset(wanted: NewRun, task: string | null): ResolvedRun {
  const preset = wanted.preset ?? null;
  const network = wanted.network ?? (preset === null ? "none" : "restricted");
  const definition = definitionOf(preset);
  const hosts = wanted.allowed_hosts ?? definition?.hosts ?? [];
  const allowed_hosts = network === "restricted" ? [...hosts] : null;
  if (definition === undefined) {
    const { command = [] } = wanted;
    return { command, preset, prompt: null, model: null, network, allowed_hosts };
  }
  const prompt = wanted.prompt ?? task;
  if (prompt === null) {
    throw invalidField("prompt", "is required, because the agent has no task", "missing");
  }
  const model = wanted.model ?? null;
  const command = definition.commandOf({ prompt, model });
  return { command, preset, prompt, model, network, allowed_hosts };
}

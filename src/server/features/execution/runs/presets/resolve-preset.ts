import type { NewRun } from "#shared/api/execution/runs.js";
import { notCovered } from "#shared/execution/egress.js";
import { isAllowedModel } from "#shared/execution/models/allowed-models.js";
import type { PresetName } from "#shared/execution/run-choices.js";
import { invalidField } from "../../../../errors.js";
import { definitionOf } from "#execution/presets/presets.js";

/** A run's command and network, whether given or made by a preset. */
export interface ResolvedRun {
  command: string[];
  preset: PresetName | null;
  prompt: string | null;
  model: string | null;
  network: "none" | "restricted" | "full";
  allowed_hosts: string[] | null;
}

/** The defaults of a request. */
export interface Defaults {
  /** The prompt. */
  task: string | null;
  /** The hosts that the project allows; null for any. */
  allowed_hosts: readonly string[] | null;
  /** Patterns of the models that the organization allows; null for all. */
  allowed_models: readonly string[] | null;
}

/**
 * Completes a request by its preset and its project.
 * @param sessionCommand the program of a session, which gets its prompts later
 * @throws AppError 422 without a prompt or hosts, for hosts that the project does not allow, and for a model that
 * the organization does not allow
 */
export function resolvePreset(
  wanted: NewRun,
  { task, allowed_models, ...project }: Defaults,
  sessionCommand: readonly string[] | null = null,
): ResolvedRun {
  requireAllowedModel(wanted.model, allowed_models);
  const preset = wanted.preset ?? null;
  const network = wanted.network ?? (preset === null ? "none" : "restricted");
  const definition = definitionOf(preset);
  const allowed_hosts =
    network === "restricted" ? hostsOf(wanted, project.allowed_hosts, definition?.hosts) : null;
  if (sessionCommand !== null) {
    const command = [...sessionCommand];
    return { command, preset, prompt: null, model: null, network, allowed_hosts };
  }
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

/**
 * Refuses a model early that the gateway would refuse. Some programs name the provider before a slash.
 * @throws AppError 422
 */
export function requireAllowedModel(
  model: string | undefined,
  allowed: Defaults["allowed_models"],
): void {
  if (model === undefined) return;
  const names = [model, model.replace(/^[^/]*\//, "")];
  if (names.some((name) => isAllowedModel(allowed, name))) return;
  throw invalidField(
    "model",
    `must be a model that the organization allows: ${allowed?.join(", ")}`,
  );
}

/** @throws AppError 422 */
function hostsOf(
  { allowed_hosts: given }: NewRun,
  ofProject: readonly string[] | null,
  ofPreset: readonly string[] | undefined,
): string[] {
  // Without hosts it reaches the server alone.
  const hosts = given ?? ofProject ?? ofPreset ?? [];
  requireHosts(hosts, ofProject);
  return [...hosts];
}

/**
 * @param ofProject the hosts that the project allows; null for any
 * @throws AppError 422 when it does not allow all of them
 */
export function requireHosts(hosts: readonly string[], ofProject: readonly string[] | null): void {
  const excess = ofProject === null ? null : notCovered(hosts, ofProject);
  if (excess === null) return;
  throw invalidField(
    "allowed_hosts",
    `has ${excess}, which the project's environment does not allow`,
  );
}

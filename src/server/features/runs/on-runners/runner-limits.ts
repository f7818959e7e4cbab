import type { RunLimits } from "#shared/api/agents/runs.js";
import type { RunSettings } from "../run-settings.js";

const DEFAULT_CPUS = 2;

/** Returns the limits of runs on runners, whose machines are not known. */
export function runnerLimits({ runLimits }: Pick<RunSettings, "runLimits">): RunLimits {
  const { cpus } = runLimits;
  return { ...runLimits, cpus: cpus === "auto" ? DEFAULT_CPUS : cpus };
}

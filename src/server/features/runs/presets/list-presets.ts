import { presetTitles } from "#shared/preset-names.js";
import type { Preset } from "#shared/api/agents/presets.js";
import { AppError } from "../../../errors.js";
import { SandboxRefusal } from "#sandbox/sandbox.js";
import type { RunDeps } from "../run-deps.js";
import { sandboxFor } from "../start-run.js";
import type { FoundProgram, ProgramFinder } from "./find-programs.js";
import { definitions } from "./presets.js";

/** Lists the presets, in a fixed order, with their state on this machine. */
export async function listPresets(deps: RunDeps, findPrograms: ProgramFinder): Promise<Preset[]> {
  const isRefused = (error: unknown): error is Error => error instanceof SandboxRefusal;
  const found =
    deps.sandbox.report.mode === "unavailable"
      ? null
      : await findPrograms(deps).catch((error: unknown) => {
          if (isRefused(error)) return null;
          throw error;
        });
  const problem = networkProblem(deps);
  const presets = definitions.map((definition): Preset => {
    const { name, program, install, provider, hosts, models } = definition;
    const state: FoundProgram = found?.get(program) ?? { version: null, reason: problem };
    const reason = [state.reason, found && problem].filter((one) => one !== null).join(" ");
    return {
      name,
      title: presetTitles[name],
      program,
      install,
      available: state.version !== null && problem === null,
      reason: reason === "" ? null : reason,
      version: state.version,
      provider,
      hosts,
      models,
    };
  });
  const custom: Preset = {
    name: "custom",
    title: presetTitles.custom,
    program: null,
    install: null,
    available: found !== null,
    reason: problem,
    version: null,
    provider: null,
    hosts: [],
    models: [],
  };
  return [...presets, custom];
}

/** Returns why runs here cannot have the default network of presets, or null. */
function networkProblem(deps: RunDeps): string | null {
  try {
    sandboxFor(deps, { isDocker: false }, "restricted");
    return null;
  } catch (error) {
    if (error instanceof AppError) return error.message;
    throw error;
  }
}

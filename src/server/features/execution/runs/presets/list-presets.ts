import { presetTitles } from "#shared/execution/run-choices.js";
import type { Preset } from "#shared/api/execution/presets.js";
import { AppError } from "../../../../errors.js";
import { SandboxRefusal } from "#sandbox/sandbox.js";
import type { RunDeps } from "../run-deps.js";
import { sandboxFor } from "../start-run.js";
import { ProgramLookupError } from "./find-programs.js";
import type { FoundProgram } from "./found-program.js";
import { definitions } from "#execution/presets/presets.js";

/** Lists the presets, in a fixed order, with their state on this machine. */
export async function listPresets(deps: RunDeps): Promise<Preset[]> {
  const { found, failure, isRefused } = await find(deps);
  const problem = networkProblem(deps);
  const presets = definitions.map((definition): Preset => {
    const { name, program, install, provider, hosts, models, session, key } = definition;
    const stateOf = (program: string): FoundProgram =>
      found?.get(program) ?? { version: null, reason: failure, isMissing: false };
    const state = stateOf(program);
    const isAvailable = ({ version }: FoundProgram): boolean =>
      version !== null && problem === null;
    const ofSession = { program, install, ...session };
    const sessionState = stateOf(ofSession.program);
    return {
      name,
      title: presetTitles[name],
      program,
      install,
      available: isAvailable(state),
      reason: joined([state.reason, problem]),
      version: state.version,
      provider,
      secret: key.secret,
      hosts,
      models,
      session: {
        ...ofSession,
        available: isAvailable(sessionState),
        reason: joined([sessionState.reason, problem]),
      },
    };
  });
  const custom: Preset = {
    name: "custom",
    title: presetTitles.custom,
    program: null,
    install: null,
    available: !isRefused,
    reason: isRefused ? (failure ?? problem) : problem,
    version: null,
    provider: null,
    secret: null,
    hosts: [],
    models: [],
    session: null,
  };
  return [...presets, custom];
}

/** Joins different reasons; null without any. */
function joined(reasons: readonly (string | null)[]): string | null {
  const all = new Set(reasons.filter((reason) => reason !== null));
  return all.size === 0 ? null : [...all].join(" ");
}

interface Finding {
  found: ReadonlyMap<string, FoundProgram> | null;
  /** Why the programs could not be looked up; null if the network's problem says it. */
  failure: string | null;
  /** Whether the sandbox refuses every command. */
  isRefused: boolean;
}

/** Finds the programs; never fails. */
async function find(deps: RunDeps): Promise<Finding> {
  if (deps.sandbox.report.mode === "unavailable") {
    return { found: null, failure: null, isRefused: true };
  }
  try {
    return { found: await deps.findPrograms(), failure: null, isRefused: false };
  } catch (error) {
    const isRefused = error instanceof SandboxRefusal;
    if (isRefused || error instanceof ProgramLookupError) {
      return { found: null, failure: error.message, isRefused };
    }
    deps.log.error({ err: error }, "cannot look up the programs of presets");
    const failure =
      "The programs could not be looked up; the operator can find the cause in the server's log.";
    return { found: null, failure, isRefused };
  }
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

/** Refuses the start of a preset that is certain to fail. */
import { lstat } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { modelVariables } from "#shared/execution/models/providers.js";
import { type PresetName, presetTitles } from "#shared/execution/run-choices.js";
import { definitionOf } from "#execution/presets/presets.js";
import { AppError } from "../../../../errors.js";
import type { RunPlace } from "../../../code/workspaces/index.js";
import type { RunDeps } from "../run-deps.js";
import type { RunVariables } from "../run-variables.js";

/** A run in a workspace with a folder on this server. */
interface PresetStart {
  preset: PresetName | null;
  isSession: boolean;
  /** The hosts that it may reach; null unless its network is restricted. */
  allowed_hosts: readonly string[] | null;
  network: "none" | "restricted" | "full";
  /** The variables of the run itself. */
  given: Readonly<Record<string, string>>;
}

/**
 * Refuses a preset without its program or without a key of its models. An image may have both, and a PATH of the
 * run's own may have the program.
 * @throws AppError 409 `program_missing`, `missing_model_key`
 */
export async function requirePreset(
  deps: RunDeps,
  start: PresetStart,
  { secrets }: Pick<RunVariables, "secrets">,
  place: Pick<RunPlace, "folder" | "home" | "isDocker" | "isWaiting">,
): Promise<void> {
  if (definitionOf(start.preset) === undefined || place.isDocker) return;
  const variables = {
    ...secrets.variables,
    ...modelVariables(secrets.providers, "", "token"),
    ...start.given,
  };
  await requireProgram(deps, start, variables);
  await requireKey(start, variables, place);
}

type Variables = Readonly<Record<string, string>>;

/** @throws AppError 409 `program_missing` */
async function requireProgram(
  deps: RunDeps,
  { preset, isSession }: PresetStart,
  variables: Variables,
): Promise<void> {
  const definition = definitionOf(preset);
  if (definition === undefined || "PATH" in variables) return;
  const { program, install } = (isSession ? definition.session : undefined) ?? definition;
  // Without an answer, the run itself tells why it fails.
  const found = await deps.findPrograms().catch(() => null);
  const state = found?.get(program);
  if (state?.isMissing !== true) return;
  throw new AppError(
    "program_missing",
    `${state.reason} Install it on the server's machine: ${install}`,
    { install },
  );
}

/** @throws AppError 409 `missing_model_key` */
async function requireKey(
  { preset, network, allowed_hosts, isSession }: PresetStart,
  variables: Variables,
  place: Pick<RunPlace, "folder" | "home" | "isWaiting">,
): Promise<void> {
  const definition = definitionOf(preset);
  // A setup script may still write a file with a key.
  if (definition === undefined || preset === null || place.isWaiting) return;
  const { secret, variables: accepted, files, isForAnyHost } = definition.key;
  const hosts = network === "none" ? [] : allowed_hosts;
  const isOwnHost = (host: string): boolean => definition.hosts.includes(host);
  if (!isForAnyHost && hosts?.every(isOwnHost) !== true) return;
  const named = Object.entries(variables).filter(([, value]) => value !== "");
  if (named.some(([name]) => accepted.test(name) || MOVES_FILES.test(name))) return;
  const paths = files.flatMap((file) =>
    isAbsolute(file)
      ? [["/", file] as const]
      : ([
          [place.folder, file],
          [place.home, file],
        ] as const),
  );
  for (const [root, path] of paths) if (await mayExist(root, path)) return;
  throw new AppError(
    "missing_model_key",
    `${presetTitles[preset]} needs a key of its model provider: set the secret ${secret} of the project or the organization${isSession ? "" : `, or give the run the variable ${secret}`}.`,
    { secret },
  );
}

/** Variables by which programs look for their files elsewhere. */
const MOVES_FILES = /^(?:HOME|XDG_\w+)$/;

/** Whether a file may exist below a folder that an agent wrote. Links are not followed, and may lead to it. */
async function mayExist(root: string, path: string): Promise<boolean> {
  let place = root;
  for (const part of path.split("/")) {
    place = join(place, part);
    try {
      if ((await lstat(place)).isSymbolicLink()) return true;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      return code !== "ENOENT" && code !== "ENOTDIR";
    }
  }
  return true;
}

/** Which programs of presets work in the sandbox. */
import { randomUUID } from "node:crypto";
import { chown, mkdtemp, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { removeTree } from "#git/worktree/atomic-directory.js";
import type { RunDeps } from "../run-deps.js";
import { uidOf } from "../start-run.js";

/** A program as commands see it; `version` is null if it does not work. */
export interface FoundProgram {
  version: string | null;
  /** Why it does not work; a sentence. */
  reason: string | null;
}

type Found = ReadonlyMap<string, FoundProgram>;

/** Returns the programs as they are now. */
export type ProgramFinder = (deps: RunDeps) => Promise<Found>;

/** The time that a program gets to report its version. */
const TIMEOUT_SECONDS = 30;
const MAX_OUTPUT = 4096;

/** Prints the PATH, and where it has each program. */
const LOOK = `printf '%s\\n' "$PATH"
for program in "$@"; do command -v -- "$program" || echo; done`;

/**
 * Finds programs by commands in the sandbox: only there is it sure that they are visible and start.
 * Results are kept while their sources are the same: the files of the programs, and of Node, which
 * interprets some of them, in all folders of the PATH.
 */
export function createProgramFinder(names: readonly string[]): ProgramFinder {
  let kept: { key: string; found: Found } | null = null;
  let path: string | null = null;
  let looking: Promise<Found> | null = null;
  const look = async (deps: RunDeps): Promise<Found> => {
    path ??= (await lookUp(deps, names)).path;
    const key = await sourcesOf(path, [...names, "node"]);
    if (kept?.key === key) return kept.found;
    const { places } = await lookUp(deps, names);
    const tried = await Promise.all(
      names.map(
        async (name, index) => [name, await tryProgram(deps, name, places[index])] as const,
      ),
    );
    const found = new Map(tried.map(([name, program]) => [name, program] as const));
    // A slow machine says nothing about the program.
    const isSure = tried.every(([, { isSure }]) => isSure);
    kept = isSure ? { key, found } : null;
    return found;
  };
  return (deps) => {
    looking ??= look(deps).finally(() => {
      looking = null;
    });
    return looking;
  };
}

async function lookUp(
  deps: RunDeps,
  names: readonly string[],
): Promise<{ path: string; places: string[] }> {
  const { output } = await runInSandbox(deps, ["sh", "-c", LOOK, "sh", ...names]);
  const [path = "", ...places] = output.split("\n");
  return { path, places };
}

async function tryProgram(
  deps: RunDeps,
  name: string,
  place: string | undefined,
): Promise<FoundProgram & { isSure: boolean }> {
  if (place === undefined || place === "") {
    const reason = `The program ${name} is not on the PATH of runs.`;
    return { version: null, reason, isSure: true };
  }
  const { exitCode, output, timedOut } = await runInSandbox(deps, [name, "--version"]);
  const version = output.split("\n").find((line) => line.trim() !== "") ?? "";
  if (timedOut) {
    const reason = `${place} did not report its version within ${TIMEOUT_SECONDS} seconds.`;
    return { version: null, reason, isSure: false };
  }
  if (exitCode === 0) return { version: version.trim().slice(0, 100), reason: null, isSure: true };
  const said = output.trim().split("\n").at(-1)?.slice(0, 200) ?? "";
  const reason = `${place} does not start: "${name} --version" exited with code ${exitCode}${said === "" ? "." : ` (${said}).`}`;
  return { version: null, reason, isSure: true };
}

/** Runs a command in an empty folder, without network. @throws SandboxRefusal */
async function runInSandbox(
  deps: RunDeps,
  command: readonly string[],
): Promise<{ exitCode: number | null; output: string; timedOut: boolean }> {
  const folder = await mkdtemp(join(tmpdir(), "omoi-preset-"));
  const uid = uidOf(deps);
  let output = "";
  let timedOut = false;
  try {
    if (uid !== null && uid !== process.getuid?.()) await chown(folder, uid, uid);
    const { memory_bytes, processes, cpus, disk_bytes } = deps.limits;
    const started = await deps.sandbox.start({
      id: randomUUID(),
      folder,
      home: null,
      uid,
      command,
      env: {},
      network: "none",
      limits: {
        memoryBytes: memory_bytes,
        processes,
        cpus,
        diskBytes: disk_bytes,
        diskFiles: deps.settings.runFiles,
      },
      onOutput: (_stream, chunk) => {
        if (output.length < MAX_OUTPUT) output += chunk.toString("utf8").slice(0, MAX_OUTPUT);
      },
    });
    const timer = setTimeout(() => {
      timedOut = true;
      started.stop(0);
    }, TIMEOUT_SECONDS * 1000);
    const { exitCode } = await started.done.finally(() => clearTimeout(timer));
    return { exitCode, output, timedOut };
  } finally {
    await removeTree(folder);
  }
}

/** Describes the files that decide about the programs, in all folders of the PATH. */
async function sourcesOf(path: string, names: readonly string[]): Promise<string> {
  const files = path.split(":").flatMap((folder) => names.map((name) => join(folder, name)));
  const described = files.map(async (file) => {
    const found = await stat(file).catch(() => null);
    return found && [file, found.dev, found.ino, found.mode, found.size, found.ctimeMs].join(" ");
  });
  return (await Promise.all(described)).join("\n");
}

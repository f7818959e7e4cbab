/** Which programs of presets work in the sandbox. */
import { randomUUID } from "node:crypto";
import { chown, mkdtemp, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { removeTree } from "#git/files/atomic-directory.js";
import { SandboxRefusal } from "#sandbox/sandbox.js";
import type { RunDeps } from "../run-deps.js";
import { uidOf } from "../start-run.js";
import type { FoundProgram } from "./found-program.js";

type Found = ReadonlyMap<string, FoundProgram>;

/** Returns the programs as they are now. @throws SandboxRefusal, ProgramLookupError */
type ProgramFinder = (deps: RunDeps) => Promise<Found>;

/** The programs could not be looked up; the message is a sentence for users. */
export class ProgramLookupError extends Error {
  override readonly name = "ProgramLookupError";
}

/** The time that a program gets to report its version, and a lookup for its answer. */
const TIMEOUT_SECONDS = 30;
const MAX_OUTPUT = 16 * 1024;
/** The time after which a program that did not work is tried again. */
const FAILURE_MS = 60_000;

/** Prints the PATH, and where it has each program. */
const LOOK = `printf '%s\\n' "$PATH"
for program in "$@"; do command -v -- "$program" || echo; done`;

/**
 * Finds programs by commands in the sandbox: only there is it sure that they are visible and start.
 * Working programs are kept while their sources are the same: the files of the programs, and of Node,
 * which interprets some of them, in all folders of the PATH. The others are tried again after a minute.
 */
export function createProgramFinder(names: readonly string[]): ProgramFinder {
  let kept: { key: string; found: Found; foundAt: number } | null = null;
  let path: string | null = null;
  let looking: Promise<Found> | null = null;
  const look = async (deps: RunDeps): Promise<Found> => {
    path ??= (await lookUp(deps, names)).path;
    const key = await sourcesOf(path, [...names, "node"]);
    const known = kept?.key === key ? kept : null;
    const areKnown = [...(known?.found.values() ?? [])].every(({ version }) => version !== null);
    if (known && (areKnown || Date.now() - known.foundAt < FAILURE_MS)) return known.found;
    const { places } = await lookUp(deps, names);
    const tried = await Promise.all(
      names.map(async (name, index) => {
        const before = known?.found.get(name);
        if (before && before.version !== null) return [name, before] as const;
        return [name, await tryProgram(deps, name, places[index])] as const;
      }),
    );
    const found = new Map(tried);
    kept = { key, found, foundAt: Date.now() };
    return found;
  };
  return (deps) => {
    looking ??= look(deps).finally(() => {
      looking = null;
    });
    return looking;
  };
}

/** @throws SandboxRefusal, ProgramLookupError */
async function lookUp(
  deps: RunDeps,
  names: readonly string[],
): Promise<{ path: string; places: string[] }> {
  const looked = await runInSandbox(deps, ["sh", "-c", LOOK, "sh", ...names]);
  if (looked.timedOut) {
    throw new ProgramLookupError(
      `The programs could not be looked up within ${TIMEOUT_SECONDS} seconds.`,
    );
  }
  const [path = "", ...places] = looked.stdout.split("\n");
  // Each line is terminated.
  const isWhole = places.length === names.length + 1 && places.pop() === "";
  if (looked.exitCode !== 0 || !isWhole) {
    throw new ProgramLookupError(
      `The programs could not be looked up in the sandbox (exit code ${looked.exitCode}${saidBy(looked)}).`,
    );
  }
  return { path, places };
}

async function tryProgram(
  deps: RunDeps,
  name: string,
  place: string | undefined,
): Promise<FoundProgram> {
  const failed = (reason: string, isMissing = false): FoundProgram => ({
    version: null,
    reason,
    isMissing,
  });
  if (place === undefined || place === "") {
    return failed(`The program ${name} is not on the PATH of runs.`, true);
  }
  try {
    const tried = await runInSandbox(deps, [name, "--version"]);
    if (tried.timedOut) {
      return failed(`${place} did not report its version within ${TIMEOUT_SECONDS} seconds.`);
    }
    if (tried.exitCode !== 0) {
      return failed(
        `${place} does not start: "${name} --version" exited with code ${tried.exitCode}${saidBy(tried, " (", ")")}.`,
        tried.exitCode !== null,
      );
    }
    const lines = `${tried.stdout}\n${tried.stderr}`.split("\n").map((line) => line.trim());
    const version = lines.find((line) => line !== "") ?? "";
    return { version: version.slice(0, 100), reason: null, isMissing: false };
  } catch (error) {
    if (error instanceof SandboxRefusal) return failed(error.message);
    deps.log.error({ err: error }, `cannot try the program ${name}`);
    return failed(`${place} could not be tried; the operator can find the cause in the log.`);
  }
}

interface Tried {
  exitCode: number | null;
  stdout: string;
  stderr: string;
  timedOut: boolean;
}

/** Returns the line of a command's output that names an error, or its last, between texts; or nothing. */
function saidBy({ stdout, stderr }: Tried, before = ": ", after = ""): string {
  const lines = (stderr.trim() || stdout.trim()).split("\n");
  // Node prints the stack and its version below.
  const error = lines.find((line) => /^\w*Error\b/.test(line));
  const said = (error ?? lines.at(-1) ?? "").slice(0, 200);
  return said === "" ? "" : before + said + after;
}

/** Runs a command in an empty folder, without network. @throws SandboxRefusal */
async function runInSandbox(deps: RunDeps, command: readonly string[]): Promise<Tried> {
  const folder = await mkdtemp(join(tmpdir(), "omoi-preset-"));
  const uid = uidOf(deps);
  const output = { stdout: "", stderr: "" };
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
      onOutput: (stream, chunk) => {
        output[stream] = (output[stream] + chunk.toString("utf8")).slice(0, MAX_OUTPUT);
      },
    });
    const timer = setTimeout(() => {
      timedOut = true;
      started.stop(0);
    }, TIMEOUT_SECONDS * 1000);
    const { exitCode } = await started.done.finally(() => clearTimeout(timer));
    return { exitCode, ...output, timedOut };
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

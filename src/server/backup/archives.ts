/** Archives of parts of the data folder, made by GNU tar. */
import { access } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError } from "#shared/node/config-error.js";
import { streamSystem } from "#git/process/system-command.js";
import { tarFlags } from "../data-folder/tar-flags.js";
import type { BackupSource } from "./backup-place.js";
import type { BackupWriter } from "./format.js";

/** tar's exit code when files changed or disappeared while it read them. */
const CHANGED = 1;

/**
 * tar's messages about files that change or disappear while it reads, and the summary line after them.
 */
const HARMLESS =
  /Cannot (?:stat|open|savedir): No such file|file changed as we read it|File removed before we read it|Exiting with failure status/;

/** Flags with which an archive of unchanged files is the same again, which a backup repository then shares. */
const sameFlags = [
  "--sort=name",
  "--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime",
];

/**
 * Archives paths of the data folder recursively, in the given order, skipping missing ones. Files may
 * change meanwhile, as in a crash.
 * @returns false when files disappeared while being read
 */
export async function archive(
  backup: Pick<BackupWriter, "write">,
  name: string,
  dataDir: string,
  paths: readonly string[],
): Promise<boolean> {
  const there = await existing(dataDir, paths);
  const args = [
    "--create",
    "--file=-",
    ...tarFlags,
    ...sameFlags,
    "--null",
    "--verbatim-files-from",
    "-T",
    "-",
  ];
  const input = there.map((path) => `${path}\0`).join("");
  const { output, done } = streamSystem("tar", args, { cwd: dataDir, input });
  await backup.write(name, output);
  const { exitCode, stderr } = await done;
  if (exitCode === 0 || exitCode === CHANGED) return exitCode === 0;
  // A path that disappears before tar reaches it is an error for tar, but not here.
  const problem = stderr.split("\n").find((line) => line !== "" && !HARMLESS.test(line));
  if (exitCode === 2 && problem === undefined) return false;
  throw new ConfigError(`tar could not write ${name}: ${problem ?? `exit code ${exitCode}`}`);
}

/**
 * Extracts an archive of a backup into the data folder.
 * @throws ConfigError with tar's message
 */
export async function extract(place: BackupSource, name: string, dataDir: string): Promise<void> {
  const args = ["--extract", "--file=-", ...tarFlags, "--same-permissions"];
  const input = place.read(name);
  let failure: Error | null = null;
  input.once("error", (error) => (failure = error));
  const { output, done } = streamSystem("tar", args, { cwd: dataDir, input });
  output.resume();
  const { exitCode, stderr } = await done;
  if (exitCode === 0 && failure === null) return;
  const [first = `exit code ${exitCode}`] = stderr.trim().split("\n");
  const reason = (failure as Error | null)?.message ?? first;
  throw new ConfigError(`${name} cannot be extracted (${reason}); fix that and restore again`);
}

/** @throws ConfigError when GNU tar is not installed */
export async function requireTar(): Promise<void> {
  const { output, done } = streamSystem("tar", ["--version"], { cwd: "/", input: "" });
  let text = "";
  try {
    for await (const piece of output.setEncoding("utf8")) text += piece;
    await done;
  } catch {
    text = "";
  }
  if (!text.includes("GNU tar")) {
    throw new ConfigError("GNU tar is not on the PATH; install it (apt-get install tar)");
  }
}

async function existing(dataDir: string, paths: readonly string[]): Promise<string[]> {
  const found = await Promise.all(
    paths.map((path) =>
      access(join(dataDir, path)).then(
        () => true,
        () => false,
      ),
    ),
  );
  return paths.filter((_path, index) => found[index]);
}

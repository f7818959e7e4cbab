import { lstat } from "node:fs/promises";
import { Readable } from "node:stream";
import { streamSystem } from "#git/process/system-command.js";
import { tarFlags } from "../../../../data-folder/tar-flags.js";
import { parentOf, placeOf, realFolders } from "./real-folders.js";

/** Messages of tar about files that changed while it read them. The next list has them. */
const CHANGED =
  /: (?:Cannot .*: No such file or directory|File removed before we read it|file changed as we read it|File shrank by .*)$|: Exiting with failure status due to previous errors$|^$/i;
/** The end of tar's messages that is kept. */
const KEPT = 4000;

/**
 * Archives entries of a folder without what is below folders. Left out are names behind a symbolic link, which an
 * agent may have put in place of a folder; if it does so while tar reads, the archive breaks off.
 * @param names as latin1 text
 * @param mayChange whether files may change and vanish; other files that cannot be read break the archive off
 */
export function archiveFiles(
  folder: string,
  names: readonly string[],
  mayChange: boolean,
): Readable {
  return Readable.from(archive(folder, names, mayChange), { objectMode: false });
}

async function* archive(
  folder: string,
  names: readonly string[],
  mayChange: boolean,
): AsyncGenerator<Buffer> {
  const folders = realFolders(folder);
  const reachable: string[] = [];
  for (const name of names) if (await folders.has(parentOf(name))) reachable.push(name);
  const ways = new Set(reachable.flatMap(foldersAbove));
  const before = await identitiesOf(folder, ways);
  const args = ["--create", "--file=-", ...tarFlags, "--no-recursion", "--null"];
  args.push("--verbatim-files-from", "-T", "-");
  const input = Buffer.from(reachable.map((name) => `${name}\0`).join(""), "latin1");
  const { output, done } = streamSystem("tar", args, { cwd: folder, input });
  for await (const piece of output) yield piece as Buffer;
  // In place of bytes that it cannot read, tar writes zeros.
  const { exitCode, stderr } = await done;
  const isChange =
    mayChange && stderr.length < KEPT && stderr.split("\n").every((line) => CHANGED.test(line));
  if (exitCode !== 0 && !isChange) throw new Error(`tar cannot read files: ${stderr.trim()}`);
  for (const [path, identity] of await identitiesOf(folder, ways)) {
    if (identity !== before.get(path)) throw new Error("a folder was replaced while it was read");
  }
}

function foldersAbove(path: string): string[] {
  const above: string[] = [];
  for (let folder = parentOf(path); folder !== ""; folder = parentOf(folder)) above.push(folder);
  return above;
}

/** What a link in place of a folder changes. A folder that is gone has none: nothing is below it in the next list. */
async function identitiesOf(folder: string, paths: Iterable<string>): Promise<Map<string, string>> {
  const identities = new Map<string, string>();
  for (const path of paths) {
    const stats = await lstat(placeOf(folder, path)).catch(() => null);
    if (stats !== null) identities.set(path, `${stats.dev} ${stats.ino} ${stats.isDirectory()}`);
  }
  return identities;
}

/** What every store has in common: how an empty one is made, and names that may reach git. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { git } from "../process/run.js";

/** Old, harmless faults of real histories (git-fsck(1)), which are let through. */
export const HARMLESS_FAULTS = ["missingSpaceBeforeDate", "badTimezone", "zeroPaddedFilemode"];
const IGNORED = HARMLESS_FAULTS.map((fault) => `\t${fault} = ignore\n`).join("");

/**
 * The whole config of a store. Written by us, read by every git that runs on it; nothing an agent
 * or an upstream sends ends up in it.
 */
const CONFIG = `[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = true
\tlogAllRefUpdates = false
[gc]
\tauto = 0
[maintenance]
\tauto = false
[transfer]
\tfsckObjects = true
[receive]
\tfsckObjects = true
\tdenyNonFastForwards = true
\tdenyDeletes = true
\tautogc = false
[fetch]
\tfsckObjects = true
\tunpackLimit = 1
[receive "fsck"]
${IGNORED}[fetch "fsck"]
${IGNORED}`;

/** Makes an empty bare repository in the folder `path` (absolute, missing or empty). */
export async function initBare(path: string, branch: string): Promise<void> {
  await git(["init", "--quiet", "--bare", "--template=", `--initial-branch=${branch}`, path]);
  await writeFile(join(path, "config"), CONFIG);
}

/** Whether `ref` is a full reference name (`refs/…`) that git accepts. */
export function isRefName(ref: string): boolean {
  return (
    /^refs\/[^\u0000-\u0020~^:?*[\\\u007f]+$/.test(ref) &&
    !/\.\.|@\{|\/\/|\/\.|\.lock(?:\/|$)|[./]$/.test(ref)
  );
}

/** Whether `text` is a full SHA-1 object id in lower case. */
export function isOid(text: string): boolean {
  return /^[0-9a-f]{40}$/.test(text);
}

/** Throws a TypeError unless `text` is a full object id: nothing else may reach an argument. */
export function assertOid(text: string): void {
  if (!isOid(text))
    throw new TypeError(`not a git object id: ${JSON.stringify(text.slice(0, 80))}`);
}

/** Throws a TypeError unless `ref` is a full reference name. */
export function assertRefName(ref: string): void {
  if (!isRefName(ref))
    throw new TypeError(`not a git ref name: ${JSON.stringify(ref.slice(0, 80))}`);
}

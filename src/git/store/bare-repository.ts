/** Creates empty repositories, and validates names before they reach git. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { git } from "../process/run.js";

/** Old, harmless faults in existing histories (git-fsck(1)), which are accepted. */
export const HARMLESS_FAULTS = ["missingSpaceBeforeDate", "badTimezone", "zeroPaddedFilemode"];
const IGNORED = HARMLESS_FAULTS.map((fault) => `\t${fault} = ignore\n`).join("");

/**
 * The complete config of a repository. Written only by the server; no data of an agent or upstream
 * ends up in it.
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

/** Creates an empty bare repository at `path` (absolute, missing or empty). */
export async function initBare(path: string, branch: string): Promise<void> {
  await git(["init", "--quiet", "--bare", "--template=", `--initial-branch=${branch}`, path]);
  await writeFile(join(path, "config"), CONFIG);
}

/** Tells whether `ref` is a valid full reference name (`refs/…`). */
export function isRefName(ref: string): boolean {
  return (
    /^refs\/[^\u0000-\u0020~^:?*[\\\u007f]+$/.test(ref) &&
    !/\.\.|@\{|\/\/|\/\.|\.lock(?:\/|$)|[./]$/.test(ref)
  );
}

/** Tells whether `text` is a full SHA-1 object id in lower case. */
export function isOid(text: string): boolean {
  return /^[0-9a-f]{40}$/.test(text);
}

/**
 * Checks that `text` is a full object id; nothing else may reach an argument.
 * @throws TypeError
 */
export function assertOid(text: string): void {
  if (!isOid(text))
    throw new TypeError(`not a git object id: ${JSON.stringify(text.slice(0, 80))}`);
}

/**
 * Checks that `ref` is a full reference name.
 * @throws TypeError
 */
export function assertRefName(ref: string): void {
  if (!isRefName(ref))
    throw new TypeError(`not a git ref name: ${JSON.stringify(ref.slice(0, 80))}`);
}

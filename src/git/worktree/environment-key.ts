/** The key of an environment layer: what the result of a setup script depends on. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { canonicalJson } from "#shared/organization/audit.js";
import { matchesPattern } from "#shared/code/merge-drivers.js";
import type { NewEnvironment } from "#shared/api/execution/environments.js";
import { git } from "../process/run.js";

/**
 * Returns the key of a setup script on a branch: the SHA-256 of the branch's name, of the script, of this
 * machine, and of the names, modes and objects of the key files, in hex. A symbolic link counts as its
 * target's name. Branches share no layer: an unprotected one could otherwise prepare that of a protected
 * one.
 * @throws GitError
 */
export async function environmentKeyOf(
  repoPath: string,
  { branch, commit }: { branch: string; commit: string },
  { setup_script, cache_key_files }: Pick<NewEnvironment, "setup_script" | "cache_key_files">,
): Promise<string> {
  const files = await listKeyFiles(repoPath, commit, cache_key_files);
  const input = canonicalJson({ branch, setup_script, files, machine: await machine() });
  return createHash("sha256").update(input).digest("hex");
}

/** Lists the files that match a pattern, as `mode type object\tpath`. */
async function listKeyFiles(
  repoPath: string,
  commit: string,
  patterns: readonly string[],
): Promise<string[]> {
  if (patterns.length === 0) return [];
  // Without wildcards, git reads only the folders of the files.
  const isLiteral = patterns.every((pattern) => !pattern.includes("*"));
  const args = ["ls-tree", "-z", "--full-tree", ...(isLiteral ? [] : ["-r"]), commit];
  const { stdout } = await git([...args, "--", ...(isLiteral ? patterns : [])], {
    gitDir: repoPath,
  });
  return stdout
    .toString("utf8")
    .split("\0")
    .filter((line) => {
      const path = line.slice(line.indexOf("\t") + 1);
      return line !== "" && patterns.some((pattern) => matchesPattern(pattern, path));
    });
}

let known: Promise<string> | undefined;

/** Names what installed programs depend on: the processor, the distribution and Node. */
function machine(): Promise<string> {
  known ??= readFile("/etc/os-release", "utf8").then(
    (text) => {
      const fields = text.split("\n").filter((line) => /^(?:ID|VERSION_ID)=/.test(line));
      return [process.arch, ...fields.toSorted(), process.version].join(" ");
    },
    () => `${process.arch} ${process.platform} ${process.version}`,
  );
  return known;
}

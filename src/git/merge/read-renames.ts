/** Renames on the two sides of a merge. */
import { git } from "../process/run.js";
import type { Renames } from "./merge-conflicts.js";

/** Returns the renames of each side since the bases, new name → old name. One process. */
export async function readRenames(
  repoPath: string,
  target: string,
  source: string,
  bases: readonly string[],
): Promise<{ target: Renames; source: Renames }> {
  const pairs = bases.flatMap((base) => [`${target} ${base}`, `${source} ${base}`]);
  const args = ["diff-tree", "--stdin", "-r", "-z", "-M", "--diff-filter=R", "--name-status"];
  const { stdout } = await git(args, { gitDir: repoPath, input: `${pairs.join("\n")}\n` });
  const renames = { target: new Map<string, string>(), source: new Map<string, string>() };
  const fields = stdout.toString("latin1").split("\0");
  let side = renames.target;
  for (let at = 0; at < fields.length; at += 1) {
    const field = fields[at] ?? "";
    const [oldPath, newPath] = [fields[at + 1], fields[at + 2]];
    if (field === target) side = renames.target;
    else if (field === source) side = renames.source;
    else if (/^R\d+$/.test(field) && oldPath !== undefined && newPath !== undefined) {
      side.set(newPath, oldPath);
      at += 2;
    }
  }
  return renames;
}

import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ObjectExport } from "#git/export/export-objects.js";
import { git } from "./git.js";

/** Commits in a bare repository, which `contains` looks for in exports of it. */
export function exportCommits(root: string, repoPath: string) {
  const run = (...args: string[]) => git(["-C", repoPath, ...args]);

  /** Creates a commit with one file. */
  async function commit(text: string, parent: string | null | undefined): Promise<string> {
    const file = join(root, "content");
    await writeFile(file, text);
    const blob = (await run("hash-object", "-w", file)).trim();
    const index = join(repoPath, "scratch-index");
    await rm(index, { force: true });
    const entry = `100644,${blob},file.txt`;
    const environment = ["-c", "user.name=A", "-c", "user.email=a@example.com"];
    await git(["-C", repoPath, "update-index", "--add", "--cacheinfo", entry], {
      env: { GIT_INDEX_FILE: index },
    });
    const tree = (
      await git(["-C", repoPath, "write-tree"], { env: { GIT_INDEX_FILE: index } })
    ).trim();
    const parents = parent ? ["-p", parent] : [];
    return (await run(...environment, "commit-tree", tree, ...parents, "-m", text)).trim();
  }

  /** Whether an object is in one of the exports. */
  async function contains(oid: string, ...exports: ObjectExport[]): Promise<boolean> {
    const empty = join(root, "empty");
    await git(["init", "--quiet", "--bare", empty]);
    const alternates = exports.map(({ objects }) => `${objects}\n`).join("");
    await writeFile(join(empty, "objects/info/alternates"), alternates);
    return git(["-C", empty, "rev-list", "--objects", oid]).then(
      () => true,
      () => false,
    );
  }

  return { commit, contains };
}

/** Moves commits onto another parent with the same files, without a merge. */
import { assertOid } from "#git/objects/oid.js";
import { readCommit } from "#git/objects/commit-reader.js";
import { looseObject, writeObject } from "#git/objects/loose-object.js";
import { readObjects } from "#git/objects/object-reader.js";
import { commitsBetween, commitTree, isAncestor, type Person } from "#git/store/repository.js";

export interface Reparenting {
  from: string;
  to: string;
  onto: string;
  /** Commits of other branches, which stay as they are with everything they reach. */
  shared: readonly string[];
  /** Author of a merge commit. */
  author: Person;
}

/**
 * Writes the commits of `from..to` again with `onto` in place of `from`, and returns the last one. A
 * commit holds whole files, so nothing conflicts: the files of `onto` that differ are simply replaced.
 * Signatures, which no longer match, are left out. If `to` reaches `from` only through shared commits,
 * a merge commit of `onto` and `to` with the files of `to` joins them.
 */
export async function reparentCommits(
  repository: string,
  { from, to, onto, shared, author }: Reparenting,
): Promise<string> {
  [from, to, onto].forEach(assertOid);
  if (await isAncestor(repository, onto, to)) return to;
  const renamed = new Map([[from, onto]]);
  const own = await commitsBetween(repository, to, [from, onto, ...shared]);
  const parentsFirst = own.toReversed();
  for (const oid of parentsFirst) {
    const [found] = await readObjects(repository, [oid], "contents");
    if (found?.type !== "commit" || found.content === null) {
      throw new Error(`the commit ${oid} is missing`);
    }
    const text = found.content.toString("latin1");
    const end = text.indexOf("\n\n");
    const [header, message] = end < 0 ? [text, ""] : [text.slice(0, end), text.slice(end)];
    const moved = header.replaceAll(/^parent ([0-9a-f]{40})$/gm, (line, parent: string) => {
      const other = renamed.get(parent);
      return other === undefined ? line : `parent ${other}`;
    });
    if (moved === header) continue;
    const unsigned = moved.replaceAll(/^gpgsig(?:-sha256)? .*(?:\n .*)*\n?/gm, "").trimEnd();
    const content = Buffer.from(unsigned + message, "latin1");
    renamed.set(oid, await writeObject(repository, looseObject("commit", content)));
  }
  return renamed.get(to) ?? mergeOf(repository, onto, to, author);
}

async function mergeOf(
  repository: string,
  onto: string,
  to: string,
  author: Person,
): Promise<string> {
  const commit = await readCommit(repository, to);
  if (commit === null) throw new Error(`the commit ${to} is missing`);
  const { tree } = commit;
  const message = `Merge commit '${to}'`;
  const parents = [onto, to];
  return commitTree(repository, { tree, parents, message, author, date: new Date() });
}

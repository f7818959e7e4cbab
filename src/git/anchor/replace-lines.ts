import { groupBy } from "#shared/node/group-by.js";
import { looseObject, writeObject } from "../objects/loose-object.js";
import { readObjects } from "../objects/object-reader.js";
import { patchTree } from "../objects/patch-tree.js";
import { TreeReader, type TreeEntry } from "../objects/tree-reader.js";

/** A text in place of lines of a file; an empty text removes them. Paths are display text. */
export interface Replacement {
  path: string;
  startLine: number;
  line: number;
  text: string;
}

/**
 * Writes the tree of a commit or tree with replaced lines, which do not overlap, and returns its id. A file keeps its
 * line ends, and whether its last line has one.
 * @returns null if a file or line does not exist
 * @throws GitError
 */
export async function replaceLines(
  repoPath: string,
  tree: string,
  replacements: readonly Replacement[],
): Promise<string | null> {
  const trees = new TreeReader(repoPath);
  const byPath = groupBy(replacements, ({ path }) => Buffer.from(path, "utf8").toString("latin1"));
  await trees.load([{ tree, paths: byPath.keys() }]);
  const edits = new Map<string, TreeEntry>();
  for (const [path, own] of byPath) {
    const entry = trees.findFile(tree, path);
    const [object] = entry ? await readObjects(repoPath, [entry.oid], "contents") : [];
    const content = object?.content && replaceIn(object.content.toString("latin1"), own);
    if (!entry || content == null) return null;
    const oid = await writeObject(repoPath, looseObject("blob", Buffer.from(content, "latin1")));
    edits.set(path, { mode: entry.mode, oid });
  }
  return patchTree(repoPath, tree, edits, trees);
}

/** Replaces lines of a text of bytes; null if one of them does not exist. */
function replaceIn(content: string, replacements: readonly Replacement[]): string | null {
  const lines = content.split(/(?<=\n)/);
  const end = /\r\n/.test(lines[0] ?? "") ? "\r\n" : "\n";
  const hasLastEnd = content.endsWith("\n");
  for (const { startLine, line, text } of replacements.toSorted(
    (left, right) => right.startLine - left.startLine,
  )) {
    if (line > lines.length) return null;
    lines.splice(startLine - 1, line - startLine + 1, ...linesOfText(text, end));
  }
  const last = lines.at(-1);
  if (!hasLastEnd && last !== undefined) lines[lines.length - 1] = last.replace(/\r?\n$/, "");
  // A former last line without an end is now followed by others.
  return lines
    .map((one, index) => (index < lines.length - 1 && !one.endsWith("\n") ? one + end : one))
    .join("");
}

function linesOfText(text: string, end: string): string[] {
  if (text === "") return [];
  const bytes = Buffer.from(text.replaceAll("\r\n", "\n").replace(/\n$/, ""), "utf8");
  return bytes
    .toString("latin1")
    .split("\n")
    .map((line) => line + end);
}

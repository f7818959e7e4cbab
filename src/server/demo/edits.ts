import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/**
 * An agent's changes by path: the new content, a function of the old content, `null` to delete the
 * file, or `{ from }` to move another file there.
 */
export type Edits = Record<string, string | ((text: string) => string) | { from: string } | null>;

/** Edits the files of a folder directly, as an agent does. */
export async function editFolder(folder: string, edits: Edits): Promise<void> {
  for (const [path, edit] of Object.entries(edits)) {
    const file = join(folder, path);
    if (edit === null) {
      await rm(file);
      continue;
    }
    await mkdir(dirname(file), { recursive: true });
    if (typeof edit === "string") await writeFile(file, edit);
    else if (typeof edit === "function") await writeFile(file, edit(await readFile(file, "utf8")));
    else await rename(join(folder, edit.from), file);
  }
}

/** Replaces a piece of text that must exist, so that no edit is silently skipped. */
export function replaceText(piece: string, replacement: string): (text: string) => string {
  return (text) => {
    if (!text.includes(piece)) throw new Error(`the demo file does not contain: ${piece}`);
    return text.replace(piece, () => replacement);
  };
}

/** Appends to a text. */
export function append(more: string): (text: string) => string {
  return (text) => text + more;
}

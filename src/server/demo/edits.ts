import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/**
 * What an agent does in its folder: a file's new text, what becomes of its text, `null` to delete it,
 * or `{ from }` to move another file there.
 */
export type Edits = Record<string, string | ((text: string) => string) | { from: string } | null>;

/** Edits the files of a folder as an agent would: directly, without the server. */
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

/** Replaces a piece of a text that must be there: an edit that misses would go unseen. */
export function swap(piece: string, replacement: string): (text: string) => string {
  return (text) => {
    if (!text.includes(piece)) throw new Error(`the demo's file does not hold: ${piece}`);
    return text.replace(piece, () => replacement);
  };
}

/** Appends to a text. */
export function append(more: string): (text: string) => string {
  return (text) => text + more;
}

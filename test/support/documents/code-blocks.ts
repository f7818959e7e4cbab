import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { root } from "../server/built-files.js";

/** Returns the code blocks of a document of docs/ in a language, in order. */
export async function codeBlocks(name: string, language: string): Promise<string[]> {
  const source = await readFile(join(root, "docs", name), "utf8");
  const blocks = source.matchAll(/^```(\w+)\n(.*?)^```$/gms);
  return [...blocks].flatMap(([, its, text = ""]) => (its === language ? text : []));
}

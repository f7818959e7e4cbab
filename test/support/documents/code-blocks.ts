import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { root } from "../server/built-files.js";

export interface CodeBlock {
  /** The word after the fence; empty without one. */
  language: string;
  text: string;
}

/** Returns all code blocks of a file of the repository, in order. */
export async function allCodeBlocks(path: string): Promise<CodeBlock[]> {
  const source = await readFile(join(root, path), "utf8");
  // A block of a list item is indented.
  const blocks = source.matchAll(/^( *)```(\S*)\n(.*?)^\1```$/gms);
  return Array.from(blocks, ([, indent = "", language = "", text = ""]) => ({
    language,
    text: text.replaceAll(new RegExp(`^${indent}`, "gm"), ""),
  }));
}

/** Returns the code blocks of a document of docs/ in a language, in order. */
export async function codeBlocks(name: string, language: string): Promise<string[]> {
  const blocks = await allCodeBlocks(join("docs", name));
  return blocks.flatMap((block) => (block.language === language ? block.text : []));
}

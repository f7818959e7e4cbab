import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/** Lines of each file that the change replaces. */
export const replacedLines = 50;

export const pathOf = (number: number): string =>
  `src/module-${String(number).padStart(3, "0")}.ts`;
export const lineOf = (file: number, line: number, version: string): string =>
  `export const value${line} = compute(${file}, ${line}, "${version}");\n`;

/** The text of a file; every third line is replaced until enough are. */
function sourceOf(file: number, version: string): string {
  const lines = Array.from({ length: replacedLines * 3 }, (_, line) =>
    lineOf(file, line, line % 3 === 0 ? version : "first"),
  );
  return lines.join("");
}

/** Writes so many files of a version. */
export async function writeSources(folder: string, count: number, version: string): Promise<void> {
  await mkdir(dirname(join(folder, pathOf(0))), { recursive: true });
  for (let file = 0; file < count; file += 1) {
    await writeFile(join(folder, pathOf(file)), sourceOf(file, version));
  }
}

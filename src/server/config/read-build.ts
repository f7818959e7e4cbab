import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** What this server was built from. */
export interface Build {
  version: string;
  /** The commit, 40 hexadecimal digits; null where the build did not know it. */
  commit: string | null;
}

/** Reads what scripts/prepare.mjs wrote beside the build; from the sources only the version is known. */
export async function readBuild(): Promise<Build> {
  const above = join(import.meta.dirname, "../..");
  try {
    return JSON.parse(await readFile(join(above, "build.json"), "utf8")) as Build;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  const text = await readFile(join(above, "../package.json"), "utf8");
  return { version: (JSON.parse(text) as Build).version, commit: null };
}

import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** Version and source of this build. */
export interface Build {
  version: string;
  /** Commit, 40 hexadecimal digits; null if the build could not determine it. */
  commit: string | null;
}

/**
 * Reads the file that scripts/prepare.mjs wrote beside the build. A server run from source knows only
 * its version.
 */
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

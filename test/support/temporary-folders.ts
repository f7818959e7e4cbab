import { tmpdir } from "node:os";

/** The folder of what is kept between runs, such as downloads. */
export const cacheFolder = process.env["SUITE_CACHE"] ?? tmpdir();

/**
 * Runs a step that makes temporary files for several test files: those of one file are removed at its end, these at the
 * end of the run.
 */
export async function withSharedFolder<T>(step: () => Promise<T>): Promise<T> {
  const { TMPDIR, SUITE_SHARED } = process.env;
  if (TMPDIR === undefined || SUITE_SHARED === undefined) return step();
  process.env["TMPDIR"] = SUITE_SHARED;
  try {
    return await step();
  } finally {
    process.env["TMPDIR"] = TMPDIR;
  }
}

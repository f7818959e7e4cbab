/** Merge drivers: which files of a project are merged by something else than git's lines. */

/** Drivers that merge one file: the lines of both sides, or the data of JSON, YAML and TOML files. */
export const fileDriverNames = ["union", "json"] as const;
/** `regenerate` runs a command of the project on the merged files. */
export const mergeDriverNames = [...fileDriverNames, "regenerate"] as const;
export type MergeDriverName = (typeof mergeDriverNames)[number];

/** A driver whose command writes the files again, in the sandbox on the merged tree. */
export interface RegenerateDriver {
  pattern: string;
  driver: "regenerate";
  /** A program and its arguments. */
  command: string[];
  network: "none" | "full";
  timeout_seconds: number;
}

/** A driver for the files whose paths match the pattern. */
export type MergeDriver =
  | { pattern: string; driver: (typeof fileDriverNames)[number] }
  | RegenerateDriver;

/** Maximum and default time of a command that regenerates files, in seconds. */
export const MAX_REGENERATE_SECONDS = 300;
export const REGENERATE_SECONDS = 120;
/** Maximum number of drivers of a project. */
export const MAX_MERGE_DRIVERS = 50;
/** Maximum characters of a pattern. */
export const MAX_PATTERN_LENGTH = 200;

/** Returns what a pattern must be, or null if it is valid. */
export function patternError(pattern: string): string | null {
  if (/[\u0000-\u001f\u007f\\]/.test(pattern)) {
    return "must not contain backslashes or control characters";
  }
  const segments = pattern.split("/");
  if (segments.some((segment) => segment === "" || segment === "." || segment === "..")) {
    return "must be a path without empty parts, such as **/package-lock.json";
  }
  if (segments.some((segment) => segment.includes("**") && segment !== "**")) {
    return "must have ** alone between slashes, such as docs/**/*.yaml";
  }
  return null;
}

/** Returns the driver of the first pattern that matches the path; null for git's line merge. */
export function driverOf(drivers: readonly MergeDriver[], path: string): MergeDriver | null {
  return drivers.find(({ pattern }) => matchesPattern(pattern, path)) ?? null;
}

/**
 * Whether a pattern matches a path. `*` stands for any characters of one path part, `**` for any number
 * of parts. The time is at most the product of the two lengths.
 */
export function matchesPattern(pattern: string, path: string): boolean {
  return matchesWild(pattern.split("/"), path.split("/"), "**", (part, name) =>
    matchesWild(Array.from(part), Array.from(name), "*", (a, b) => a === b),
  );
}

/** Matches a list with wildcards for any number of items: only the last wildcard is ever widened. */
function matchesWild(
  pattern: readonly string[],
  items: readonly string[],
  wildcard: string,
  matches: (pattern: string, item: string) => boolean,
): boolean {
  let at = 0;
  let wild = -1;
  let resumeAt = 0;
  for (let item = 0; item < items.length;) {
    if (pattern[at] === wildcard) {
      wild = at;
      resumeAt = item;
      at += 1;
    } else if (at < pattern.length && matches(pattern[at] as string, items[item] as string)) {
      at += 1;
      item += 1;
    } else if (wild !== -1) {
      at = wild + 1;
      resumeAt += 1;
      item = resumeAt;
    } else {
      return false;
    }
  }
  while (pattern[at] === wildcard) at += 1;
  return at === pattern.length;
}

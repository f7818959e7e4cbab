import { createHash } from "node:crypto";
import { RE2JS } from "re2js";
import type { Check } from "#shared/api/code/merge-requests.js";
import { canonicalJson } from "#shared/organization/audit.js";
import type { CheckDefinition } from "../../../db/tables/workspace-tables.js";
import { invalidField } from "../../../errors.js";

/** Returns the parts of a check that decide its result. */
export function definitionOf(check: Omit<Check, "updated_at">): CheckDefinition {
  const { command, timeout_seconds, network, log_pattern } = check;
  return { command, timeout_seconds, network, log_pattern };
}

/** Identifies a definition: the SHA-256 of its canonical JSON, in hex. */
export function hashOf(name: string, definition: CheckDefinition): string {
  return createHash("sha256")
    .update(canonicalJson({ name, ...definition }))
    .digest("hex");
}

/** Maximum size of a compiled pattern, in instructions: it bounds the time per character. */
const MAX_PATTERN_SIZE = 500;

/** @throws AppError 422 if RE2 does not accept the pattern, or if it is too large */
export function requirePattern(pattern: string | null): void {
  if (pattern === null) return;
  try {
    if (RE2JS.compile(pattern).programSize() > MAX_PATTERN_SIZE) {
      throw new Error("it repeats too much");
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw invalidField("log_pattern", `is no regular expression of RE2: ${reason}`);
  }
}

import { z } from "zod";
import { mergeStrategy } from "../../contract/fields.js";
import type { ProtectedBranch } from "../../protection.js";
import { MAX_PATTERN_LENGTH, patternError } from "../../merge-drivers.js";

/** The name of a check, unique in its project. */
export const checkName = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/,
    "must be 1–63 letters, digits, dots, underscores and hyphens, beginning with a letter or digit",
  );

const pattern = z
  .string()
  .min(1)
  .max(MAX_PATTERN_LENGTH)
  .regex(
    /^[A-Za-z0-9._*/-]+$/,
    "must be a branch name, in which * stands for any characters of one part, and ** for any parts",
  )
  .refine((text) => patternError(text) === null, {
    error: ({ input }) => patternError(String(input)) ?? "",
  });

/**
 * The rules of the branches whose names match a pattern. With checks or approvals, these branches
 * change only through the merge queue. Branches of workspaces are never protected.
 */
export const protectedBranch: z.ZodType<ProtectedBranch> = z.strictObject({
  pattern: pattern.describe("Name of a branch, or a pattern with `*`"),
  checks: z
    .array(z.string())
    .describe("Names of the checks that each commit must pass before it lands"),
  approvals: z.number().int().describe("Number of people who must approve, 0 to 5"),
  strategy: mergeStrategy
    .nullable()
    .describe(
      "The only strategy of merges into the branch; null for that of the request or the workspace",
    ),
});
export const protectedBranchInput = z.strictObject({
  pattern: pattern.describe("Name of a branch, or a pattern with `*`"),
  checks: z
    .array(checkName, "must be a list of names of checks")
    .max(10, "must be at most 10 checks")
    .refine((names) => new Set(names).size === names.length, "must not name a check twice")
    .default([])
    .describe(
      "Names of at most 10 checks of the project that each commit must pass before it lands",
    ),
  approvals: z
    .number("must be a number of people")
    .int("must be a whole number")
    .min(0, "must be at least 0")
    .max(5, "must be at most 5")
    .default(0)
    .describe("Number of people who must approve, 0 to 5"),
  strategy: mergeStrategy
    .nullable()
    .default(null)
    .describe(
      "The only strategy of merges into the branch; null for that of the request or the workspace",
    ),
});

export const protectedBranchesInput = z
  .array(protectedBranchInput, "must be a list of protected branches")
  .max(50, "must be at most 50 entries")
  .refine(
    (entries) => new Set(entries.map((entry) => entry.pattern)).size === entries.length,
    "must not name a pattern twice",
  );

import { z } from "zod";
import { mergeStrategy } from "../../contract/fields.js";
import { branchNameProblem, isSameReview, type ProtectedBranch } from "../../code/protection.js";
import { reviewerNames } from "../../execution/run-choices.js";
import { MAX_PATTERN_LENGTH, patternError } from "../../code/merge-drivers.js";

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

/** Maximum length of what a second opinion is asked for, in bytes. */
const MAX_OPINION_PROMPT_BYTES = 4096;

/** The request of a second opinion. */
export const opinionPrompt = z
  .string()
  .refine(
    (text) => new TextEncoder().encode(text).length <= MAX_OPINION_PROMPT_BYTES,
    "must be at most 4096 bytes",
  )
  .refine(
    // oxlint-disable-next-line no-control-regex
    (text) => !/[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F]/.test(text),
    "must not contain control characters",
  );

const requiredReview = z.strictObject({
  preset: z.enum(reviewerNames).describe("The program that reviews"),
  prompt: opinionPrompt
    .default("")
    .describe("What it should look at, beside the change as a whole; at most 4096 bytes"),
});

/**
 * The rules of the branches whose names match a pattern. With checks, approvals or reviews, these branches
 * change only through the merge queue. Branches of workspaces are never protected.
 */
export const protectedBranch: z.ZodType<ProtectedBranch> = z.strictObject({
  pattern: pattern.describe("Name of a branch, or a pattern with `*`"),
  checks: z
    .array(z.string())
    .describe("Names of the checks that each commit must pass before it lands"),
  approvals: z.int().describe("Number of people who must approve, 0 to 5"),
  strategy: mergeStrategy
    .nullable()
    .describe(
      "The only strategy of merges into the branch; null for that of the request or the workspace",
    ),
  dismiss_stale_approvals: z
    .boolean()
    .describe("Whether an approval ends when the change differs from the reviewed one"),
  resolve_threads: z.boolean().describe("Whether a merge waits until all threads are resolved"),
  reviews: z
    .array(
      z.strictObject({
        preset: z.enum(reviewerNames).describe("The program that reviews"),
        prompt: z.string().describe("What it should look at, beside the change; may be empty"),
      }),
    )
    .describe("Second opinions of agents that a merge of a task needs"),
});
export const protectedBranchInput = z.strictObject({
  pattern: pattern
    .refine((text) => branchNameProblem(text) === null, {
      error: ({ input }) => branchNameProblem(String(input)) ?? "",
    })
    .describe("Name of a branch, or a pattern with `*`"),
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
  dismiss_stale_approvals: z
    .boolean()
    .default(true)
    .describe(
      "Whether an approval ends when the change differs from the reviewed one; a move of the target alone ends none",
    ),
  resolve_threads: z
    .boolean()
    .default(false)
    .describe("Whether a merge waits until all threads of its task are resolved"),
  reviews: z
    .array(requiredReview, "must be a list of reviews")
    .max(5, "must be at most 5 reviews")
    .refine(
      (reviews) =>
        reviews.every((review, at) => reviews.findIndex((one) => isSameReview(one, review)) === at),
      "must not name a review twice",
    )
    .default([])
    .describe(
      "Second opinions: an agent of each program reviews the change before a merge of a task, and approves nothing",
    ),
});

export const protectedBranchesInput = z
  .array(protectedBranchInput, "must be a list of protected branches")
  .max(50, "must be at most 50 entries")
  .refine(
    (entries) => new Set(entries.map((entry) => entry.pattern)).size === entries.length,
    "must not name a pattern twice",
  );

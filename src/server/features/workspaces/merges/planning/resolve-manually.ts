import type { Choice } from "#shared/api/projects/merges.js";
import { AppError } from "../../../../errors.js";
import {
  conflictFiles,
  type ComputedMerge,
  type ConflictFile,
  type Decision,
} from "#git/merge/merge.js";
import { writeBlob } from "#git/store/repository.js";

/** Unresolved conflicts of a merge, at least one. */
export interface OpenConflicts {
  open: readonly Pick<ComputedMerge["conflicts"][number], "paths" | "kind">[];
}

/**
 * Returns one decision per conflict, in their order, or the conflicts without a choice. Given content
 * is stored as an unreferenced blob.
 * @throws AppError 422 naming a choice
 */
export async function resolveManually(
  repoPath: string,
  merge: ComputedMerge,
  choices: readonly Choice[],
): Promise<Decision[] | OpenConflicts> {
  const chosen = new Map<number, Choice>();
  for (const [at, choice] of choices.entries()) {
    const index = merge.conflicts.findIndex(({ paths }) => paths.includes(choice.path));
    if (index === -1) throw invalidChoice(at, "is not a conflicting path", "unknown_path");
    if (chosen.has(index))
      throw invalidChoice(at, "belongs to a conflict that is already resolved");
    chosen.set(index, choice);
  }
  const open = merge.conflicts.filter((_conflict, index) => !chosen.has(index));
  if (open.length > 0) return { open: open.map(({ paths, kind }) => ({ paths, kind })) };
  const files = choices.some(({ content }) => content !== undefined)
    ? await conflictFiles(repoPath, merge)
    : [];
  return Promise.all(
    merge.conflicts.map(async (_conflict, index): Promise<Decision> => {
      const { path, take, content } = chosen.get(index) as Choice;
      if (take !== undefined) return { take };
      const { target = [], source = [] } = files[index] ?? {};
      const oid = await writeBlob(repoPath, content ?? "");
      return { take: "content", path, oid, mode: modeFor(path, [...target, ...source]) };
    }),
  );
}

/**
 * Returns the mode of the file at the path, or of any file in the conflict, so that scripts stay
 * executable.
 */
function modeFor(path: string, files: readonly ConflictFile[]): string {
  const regular = files.filter(({ mode }) => mode.startsWith("100"));
  return (regular.find((file) => file.path === path) ?? regular[0])?.mode ?? "100644";
}

/**
 * The error for an invalid choice.
 * @param at its index in the request's list
 */
export function invalidChoice(at: number, msg: string, type = "invalid"): AppError {
  return new AppError("validation_failed", `resolutions.${at}.path: ${msg}.`, {
    errors: [{ loc: ["body", "resolutions", at, "path"], msg, type }],
  });
}

import type { Choice } from "#shared/api/code/merges.js";
import { AppError } from "../../../../../errors.js";
import {
  conflictFiles,
  type ComputedMerge,
  type ConflictFile,
  type Decision,
} from "#git/merge/merge.js";
import { mergedTexts, takeHunks } from "#git/merge/merged-text.js";
import { writeBlob } from "#git/store/repository.js";

/** Unresolved conflicts of a merge, at least one. */
export interface OpenConflicts {
  open: readonly Pick<ComputedMerge["conflicts"][number], "paths" | "kind" | "reason">[];
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
  if (open.length > 0) return { open };
  const files = choices.some(({ take }) => take === undefined)
    ? await conflictFiles(repoPath, merge)
    : [];
  const texts = await textsForHunks(repoPath, merge, choices, chosen);
  return Promise.all(
    merge.conflicts.map(async (_conflict, index): Promise<Decision> => {
      const choice = chosen.get(index) as Choice;
      if (choice.take !== undefined) return { take: choice.take };
      const { target = [], source = [] } = files[index] ?? {};
      const text = texts.get(index);
      const path = text?.path ?? choice.path;
      const oid = await writeBlob(repoPath, text?.content ?? choice.content ?? "");
      return { take: "content", path, oid, mode: modeFor(path, [...target, ...source]) };
    }),
  );
}

/**
 * Assembles the texts of the conflicts that are resolved by hunks.
 * @throws AppError 422
 */
async function textsForHunks(
  repoPath: string,
  merge: ComputedMerge,
  choices: readonly Choice[],
  chosen: ReadonlyMap<number, Choice>,
): Promise<Map<number, { path: string; content: string }>> {
  const wanted = [...chosen].flatMap(([index, { hunks }]) => (hunks ? [{ index, hunks }] : []));
  const conflicts = wanted.map(
    ({ index }) => merge.conflicts[index] as ComputedMerge["conflicts"][number],
  );
  const merged = await mergedTexts(repoPath, { tree: merge.tree, conflicts });
  const texts = new Map<number, { path: string; content: string }>();
  for (const [at, { index, hunks }] of wanted.entries()) {
    const text = merged[at];
    const place = choices.indexOf(chosen.get(index) as Choice);
    if (!text) {
      throw invalidChoice(
        place,
        "has no hunks; take one side or give the content",
        "no_hunks",
        "hunks",
      );
    }
    const count = text.segments.filter((segment) => "target" in segment).length;
    if (hunks.length !== count) {
      const msg = `must have one entry for each of the ${count} conflict hunks, not ${hunks.length}`;
      throw invalidChoice(place, msg, "wrong_count", "hunks");
    }
    const takes = hunks.map(({ take }) => take);
    texts.set(index, { path: text.path, content: takeHunks(text, takes) });
  }
  return texts;
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
export function invalidChoice(
  at: number,
  msg: string,
  type = "invalid",
  field: keyof Choice = "path",
): AppError {
  return new AppError("validation_failed", `resolutions.${at}.${field}: ${msg}.`, {
    errors: [{ loc: ["body", "resolutions", at, field], msg, type }],
  });
}

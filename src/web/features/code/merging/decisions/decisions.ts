import type { Preview } from "#shared/api/code/previews.js";
import type { Choice, FileVersion, HunkTake, MergedText } from "#shared/api/code/merges.js";

export type Conflict = Preview["conflicts"][number];

/** A choice for each hunk of the merged text; null while it is missing. */
export type HunkTakes = readonly (HunkTake | null)[];

/** A choice that may lack hunks. */
export type DraftChoice = Pick<Choice, "path" | "take" | "content"> & { hunks?: HunkTakes };

/** A decision and its paths, which are named if it becomes outdated. */
export interface Decision {
  choice: DraftChoice;
  paths: readonly string[];
}

/** Decisions by conflict signature: if the content of a side changes, it counts as another conflict. */
export type Decisions = Readonly<Record<string, Decision>>;

/** Returns a key that is equal for equal versions of the same files only. */
export function signatureOf({ kind, paths, source, target }: Conflict): string {
  const of = (versions: readonly FileVersion[]) =>
    versions.map(({ path, mode, oid }) => [path, mode, oid]);
  return JSON.stringify([kind, paths, of(source), of(target)]);
}

/** Returns the complete form of a choice; null while hunks are open or conflict markers are left. */
export function completeChoice({ hunks, ...choice }: DraftChoice): Choice | null {
  if (hunks === undefined) return hasMarkers(choice.content ?? "") ? null : choice;
  const takes = hunks.flatMap((take) => (take === null ? [] : [{ take }]));
  return takes.length < hunks.length ? null : { ...choice, hunks: takes };
}

/** Returns the complete decisions that apply to the current conflicts, in the conflicts' order. */
export function choicesFor(conflicts: readonly Conflict[], decisions: Decisions): Choice[] {
  return conflicts.flatMap((conflict) => {
    const draft = decisions[signatureOf(conflict)]?.choice;
    return (draft && completeChoice(draft)) ?? [];
  });
}

const markers = { begin: "<<<<<<< target", middle: "=======", end: ">>>>>>> source" };

/** Returns the merged text with git's conflict markers around the hunks without a choice. */
export function textWithMarkers({ segments }: MergedText, takes: HunkTakes = []): string {
  const isCrlf = segments.some((segment) =>
    Object.values(segment).some((text) => /\r\n/.test(text)),
  );
  const end = isCrlf ? "\r\n" : "\n";
  const asLines = (text: string): string =>
    text === "" || text.endsWith("\n") ? text : text + end;
  let at = -1;
  return segments
    .map((segment) => {
      if ("text" in segment) return segment.text;
      at += 1;
      const take = takes[at] ?? null;
      const { target, source } = segment;
      if (take === "both") return asLines(target) + source;
      if (take !== null) return segment[take];
      return [
        `${markers.begin}${end}${asLines(target)}`,
        `${markers.middle}${end}${asLines(source)}`,
        `${markers.end}${end}`,
      ].join("");
    })
    .join("");
}

/** Whether a text still has markers of `textWithMarkers`. */
export function hasMarkers(text: string): boolean {
  return /^(?:<{7} target|>{7} source)\r?$/m.test(text);
}

/** Returns the number of conflict hunks of a merged text. */
export function countHunks({ segments }: MergedText): number {
  return segments.filter((segment) => "target" in segment).length;
}

/**
 * Returns the conflicts that still need a decision. A file that a command regenerates needs none, unless
 * one was begun.
 */
export function openConflicts(
  conflicts: readonly Conflict[],
  decisions: Decisions,
): readonly Conflict[] {
  return conflicts.filter((conflict) => {
    const draft = decisions[signatureOf(conflict)]?.choice;
    return draft ? completeChoice(draft) === null : conflict.regenerated_by === null;
  });
}

/** Returns the decisions without that of one conflict. */
export function withoutDecision(conflict: Conflict, decisions: Decisions): Decisions {
  const signature = signatureOf(conflict);
  return Object.fromEntries(Object.entries(decisions).filter(([key]) => key !== signature));
}

/** Returns the decisions whose versions no longer exist. */
export function outdated(conflicts: readonly Conflict[], decisions: Decisions): Decision[] {
  const known = new Set(conflicts.map(signatureOf));
  return Object.entries(decisions).flatMap(([signature, decision]) =>
    known.has(signature) ? [] : decision,
  );
}

/** Returns the decisions without those that `outdated` returns. */
export function withoutOutdated(conflicts: readonly Conflict[], decisions: Decisions): Decisions {
  const known = new Set(conflicts.map(signatureOf));
  return Object.fromEntries(Object.entries(decisions).filter(([key]) => known.has(key)));
}

/**
 * Returns the index of the first unresolved conflict after `after`, else of the first one; -1 if none
 * is left.
 */
export function nextOpen(
  conflicts: readonly Conflict[],
  decisions: Decisions,
  after: number,
): number {
  const isOpen = (conflict: Conflict): boolean => openConflicts([conflict], decisions).length > 0;
  const next = conflicts.findIndex((conflict, at) => at > after && isOpen(conflict));
  return next === -1 ? conflicts.findIndex(isOpen) : next;
}

/** Returns the element id of a conflict. */
export function conflictId(at: number): string {
  return `conflict-${at}`;
}

/** Returns the element id of a hunk of a conflict. */
export function hunkId(conflict: string, at: number): string {
  return `hunk-${at}-of-${conflict}`;
}

/** Whether a stored value has the shape of decisions. */
export function isDecisions(stored: unknown): stored is Decisions {
  return (
    typeof stored === "object" &&
    stored !== null &&
    Object.values(stored).every(
      (decision: unknown) =>
        typeof decision === "object" &&
        decision !== null &&
        "choice" in decision &&
        typeof decision.choice === "object" &&
        "paths" in decision &&
        Array.isArray(decision.paths),
    )
  );
}

import type { Preview } from "#shared/api/projects/previews.js";
import type { Choice, FileVersion } from "#shared/api/projects/merges.js";

export type Conflict = Preview["conflicts"][number];

/** A decision and its paths, which are named if it becomes outdated. */
export interface Decision {
  choice: Choice;
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

/** Returns the decisions that apply to the current conflicts, in the conflicts' order. */
export function choicesFor(conflicts: readonly Conflict[], decisions: Decisions): Choice[] {
  return conflicts.flatMap((conflict) => decisions[signatureOf(conflict)]?.choice ?? []);
}

/** Returns the decisions whose versions no longer exist. */
export function outdated(conflicts: readonly Conflict[], decisions: Decisions): Decision[] {
  const known = new Set(conflicts.map(signatureOf));
  return Object.entries(decisions).flatMap(([signature, one]) => (known.has(signature) ? [] : one));
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
  const isOpen = (conflict: Conflict): boolean => decisions[signatureOf(conflict)] === undefined;
  const next = conflicts.findIndex((conflict, at) => at > after && isOpen(conflict));
  return next === -1 ? conflicts.findIndex(isOpen) : next;
}

/** Returns the element id of a conflict. */
export function conflictId(at: number): string {
  return `conflict-${at}`;
}

/** Whether a stored value has the shape of decisions. */
export function isDecisions(stored: unknown): stored is Decisions {
  return (
    typeof stored === "object" &&
    stored !== null &&
    Object.values(stored).every(
      (one: unknown) =>
        typeof one === "object" &&
        one !== null &&
        "choice" in one &&
        typeof one.choice === "object" &&
        "paths" in one &&
        Array.isArray(one.paths),
    )
  );
}

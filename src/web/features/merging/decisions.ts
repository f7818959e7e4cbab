import type { Preview } from "#shared/api/previews.js";
import type { Choice, FileVersion } from "#shared/api/merges.js";

export type Conflict = Preview["conflicts"][number];

/** What was decided for a conflict, and for which paths, to be told where it no longer applies. */
export interface Decision {
  choice: Choice;
  paths: readonly string[];
}

/** Decisions by what they were made on: where either side has another content by now, it is another conflict. */
export type Decisions = Readonly<Record<string, Decision>>;

/** The same for the same versions of the same files, and for no others. */
export function signatureOf({ kind, paths, source, target }: Conflict): string {
  const of = (versions: readonly FileVersion[]) =>
    versions.map(({ path, mode, oid }) => [path, mode, oid]);
  return JSON.stringify([kind, paths, of(source), of(target)]);
}

/** Those that apply to a conflict that is there, in the conflicts' order. */
export function choicesFor(conflicts: readonly Conflict[], decisions: Decisions): Choice[] {
  return conflicts.flatMap((conflict) => decisions[signatureOf(conflict)]?.choice ?? []);
}

/** Those that were made on versions that are not there any more. */
export function outdated(conflicts: readonly Conflict[], decisions: Decisions): Decision[] {
  const known = new Set(conflicts.map(signatureOf));
  return Object.entries(decisions).flatMap(([signature, one]) => (known.has(signature) ? [] : one));
}

/** Without those that `outdated` names. */
export function withoutOutdated(conflicts: readonly Conflict[], decisions: Decisions): Decisions {
  const known = new Set(conflicts.map(signatureOf));
  return Object.fromEntries(Object.entries(decisions).filter(([key]) => known.has(key)));
}

/** The place of the first that is not decided beyond `after`, else of the first of all; -1 where all are. */
export function nextOpen(
  conflicts: readonly Conflict[],
  decisions: Decisions,
  after: number,
): number {
  const isOpen = (conflict: Conflict): boolean => decisions[signatureOf(conflict)] === undefined;
  const next = conflicts.findIndex((conflict, at) => at > after && isOpen(conflict));
  return next === -1 ? conflicts.findIndex(isOpen) : next;
}

/** The element of the conflict at a place. */
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

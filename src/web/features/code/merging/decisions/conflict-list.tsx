import { memo, type ReactElement, useMemo } from "react";
import type { Preview } from "#shared/api/code/previews.js";
import type { HunkTake } from "#shared/api/code/merges.js";
import { useEventCallback } from "../../../../hooks/use-event-callback.js";
import { countOf } from "../../../../ui/text/number.js";
import { PlainText, visible } from "../../../../ui/text/plain-text.js";
import { Segments } from "../../../../ui/fields/radio.js";
import { useShortcuts } from "../../../../ui/overlays/shortcuts.js";
import { type DiffMode, diffModes, useDiffMode } from "../../parts/diffs/diff-mode.js";
import { adjacentSection, goToSection } from "../../parts/diffs/sections.js";
import { sidesOf } from "../../parts/merges/resolution-labels.js";
import { ConflictCard, type Outcome, outcomeOf } from "../../parts/merges/conflict-card.js";
import { contentToEdit } from "./content-editor.js";
import { DecideConflict, focusEditor, MAX_HUNKS, openHunks, takeHunk } from "./decide-conflict.js";
import {
  completeChoice,
  type Conflict,
  conflictId,
  countHunks,
  type Decisions,
  type DraftChoice,
  hunkId,
  nextOpen,
  signatureOf,
} from "./decisions.js";

interface ConflictListProps {
  preview: Preview;
  decisions: Decisions;
  onDecide: (conflict: Conflict, choice: DraftChoice | null) => void;
  reason: string | undefined;
}

/** All conflicts with both versions, and the controls of those to be resolved manually. */
export function ConflictList({
  preview,
  decisions,
  onDecide,
  reason,
}: ConflictListProps): ReactElement {
  const [mode, setMode] = useDiffMode();
  const { conflicts } = preview;
  const isManual = preview.strategy === "manual";
  const ids = conflicts.map((_conflict, index) => conflictId(index));
  const choiceOf = (conflict: Conflict): DraftChoice | undefined =>
    decisions[signatureOf(conflict)]?.choice;
  const place = (): number =>
    ids.indexOf(document.activeElement?.closest("section[id^=conflict-]")?.id ?? "");
  const current = (): Conflict | undefined => conflicts[place()];
  /** Decides the focused hunk, or the whole conflict. */
  const take = (side: HunkTake): void => {
    const conflict = current();
    if (!conflict || reason !== undefined) return;
    const choice = choiceOf(conflict);
    const hunk = document.activeElement?.closest<HTMLElement>("[data-hunk]")?.dataset["hunk"];
    if (hunk !== undefined && choice?.hunks) {
      onDecide(conflict, takeHunk(choice, Number(hunk), side));
      const next = choice.hunks.findIndex((take, at) => at > Number(hunk) && take === null);
      if (next !== -1) goToSection(hunkId(ids[place()] as string, next));
    } else if (side !== "both") {
      onDecide(conflict, { path: conflict.paths[0] as string, take: side });
    }
  };
  /** Decides a conflict by hunks, and goes to the first open one, or to the adjacent one. */
  const goToHunk = (by: 1 | -1): void => {
    const conflict = current();
    if (!conflict?.merged || reason !== undefined) return;
    if (countHunks(conflict.merged) > MAX_HUNKS) return;
    const hunkTakes = choiceOf(conflict)?.hunks;
    const id = ids[place()] as string;
    if (hunkTakes === undefined) {
      onDecide(conflict, openHunks(conflict.merged));
      requestAnimationFrame(() => goToSection(hunkId(id, 0)));
      return;
    }
    const hunks = hunkTakes.map((_take, at) => hunkId(id, at));
    const at = hunks.findIndex((hunk) =>
      document.getElementById(hunk)?.contains(document.activeElement),
    );
    goToSection(hunks[at === -1 ? (by === 1 ? 0 : hunks.length - 1) : at + by]);
  };
  const edit = (): void => {
    const conflict = current();
    const content = conflict && contentToEdit(conflict, choiceOf(conflict));
    if (content && reason === undefined && choiceOf(conflict)?.content === undefined) {
      onDecide(conflict, content);
    }
    focusEditor(document.activeElement?.closest("section[id^=conflict-]") ?? null);
  };
  useShortcuts("Conflicts", [
    { key: "j", what: "Next conflict", run: () => goToSection(ids[adjacentSection(ids, 1) ?? -1]) },
    {
      key: "k",
      what: "Previous conflict",
      run: () => goToSection(ids[adjacentSection(ids, -1) ?? -1]),
    },
    ...(isManual
      ? [
          {
            key: "u",
            what: "Next conflict that is not decided",
            run: () => goToSection(ids[nextOpen(conflicts, decisions, place())]),
          },
          { key: "t", what: "Take the target's version or lines", run: () => take("target") },
          { key: "s", what: "Take the source's version or lines", run: () => take("source") },
          { key: "b", what: "Take the lines of both sides in a hunk", run: () => take("both") },
          { key: "h", what: "Decide by hunk; next hunk", run: () => goToHunk(1) },
          { key: "H", what: "Previous hunk", run: () => goToHunk(-1) },
          { key: "e", what: "Edit the content", run: edit },
        ]
      : []),
  ]);
  const sides = useMemo(() => sidesOf(preview), [preview]);
  const decide = useEventCallback(onDecide);
  return (
    <section data-long="" aria-labelledby="conflicts" className="flex flex-col gap-3">
      <div className="flex flex-wrap items-center justify-between gap-3">
        <h2 id="conflicts" className="text-base font-semibold">
          {countOf(conflicts.length, "conflict")}
        </h2>
        <Segments
          legend="View of versions"
          hideLegend
          value={mode}
          onChange={setMode}
          options={diffModes}
        />
      </div>
      {conflicts.map((conflict, index) => (
        <OneConflict
          key={signatureOf(conflict)}
          id={ids[index] as string}
          conflict={conflict}
          sides={sides}
          isManual={isManual}
          choice={choiceOf(conflict)}
          onDecide={decide}
          reason={reason}
          mode={mode}
        />
      ))}
    </section>
  );
}

interface OneConflictProps {
  id: string;
  conflict: Conflict;
  sides: ReturnType<typeof sidesOf>;
  isManual: boolean;
  choice: DraftChoice | undefined;
  onDecide: (conflict: Conflict, choice: DraftChoice | null) => void;
  reason: string | undefined;
  mode: DiffMode;
}

/** Memoized: of hundreds of conflicts only the edited one re-renders on input. */
const OneConflict = memo(function OneConflict(props: OneConflictProps): ReactElement {
  const { conflict, sides, isManual, choice, reason } = props;
  return (
    <ConflictCard
      id={props.id}
      paths={conflict.paths}
      kind={conflict.kind}
      outcome={isManual ? manualOutcomeOf(conflict, choice) : (conflict.decision?.winner ?? null)}
      sides={{
        source: { ...sides.source, time: conflict.source_time },
        target: { ...sides.target, time: conflict.target_time },
      }}
      versions={conflict}
      mode={props.mode}
    >
      {isManual ? (
        <DecideConflict
          id={props.id}
          conflict={conflict}
          choice={choice}
          onDecide={(next) => props.onDecide(conflict, next)}
          names={{ source: nameOf(sides.source), target: nameOf(sides.target) }}
          reason={reason}
        />
      ) : (
        conflict.decision && (
          <p>
            <PlainText value={conflict.decision.rule} />
          </p>
        )
      )}
    </ConflictCard>
  );
});

function manualOutcomeOf(conflict: Conflict, choice: DraftChoice | undefined): Outcome {
  if (choice === undefined && conflict.regenerated_by !== null) return "regenerated";
  return outcomeOf(choice && completeChoice(choice));
}

/** Returns a side's name for buttons. */
function nameOf({ role, branch }: { role: string; branch: string }): string {
  return branch === "" ? role.toLowerCase() : visible(branch);
}

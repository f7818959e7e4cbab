import { memo, type ReactElement, useMemo } from "react";
import type { Preview } from "#shared/api/projects/previews.js";
import type { Choice } from "#shared/api/projects/merges.js";
import { useEventCallback } from "../../../hooks/use-event-callback.js";
import { countOf } from "../../../ui/text/number.js";
import { PlainText, visible } from "../../../ui/text/plain-text.js";
import { Segments } from "../../../ui/fields/radio.js";
import { useShortcuts } from "../../../ui/actions/shortcuts.js";
import { type DiffMode, diffModes, useDiffMode } from "../../../components/diffs/diff-mode.js";
import { adjacentSection, goToSection } from "../../../components/diffs/sections.js";
import { sidesOf } from "../../../components/merges/resolution-labels.js";
import { ConflictCard, outcomeOf, type Side } from "../../../components/merges/conflict-card.js";
import { contentToEdit } from "./content-editor.js";
import { DecideConflict, focusEditor } from "./decide-conflict.js";
import { type Conflict, conflictId, type Decisions, nextOpen, signatureOf } from "./decisions.js";

interface ConflictListProps {
  preview: Preview;
  decisions: Decisions;
  onDecide: (conflict: Conflict, choice: Choice) => void;
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
  const choiceOf = (conflict: Conflict): Choice | undefined =>
    decisions[signatureOf(conflict)]?.choice;
  const place = (): number =>
    ids.indexOf(document.activeElement?.closest("section[id^=conflict-]")?.id ?? "");
  const current = (): Conflict | undefined => conflicts[place()];
  const take = (side: Side): void => {
    const conflict = current();
    if (conflict && reason === undefined) {
      onDecide(conflict, { path: conflict.paths[0] as string, take: side });
    }
  };
  const edit = (): void => {
    const conflict = current();
    const content = conflict && contentToEdit(conflict);
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
          { key: "t", what: "Take the target's version (left)", run: () => take("target") },
          { key: "s", what: "Take the source's version (right)", run: () => take("source") },
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
  choice: Choice | undefined;
  onDecide: (conflict: Conflict, choice: Choice) => void;
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
      outcome={isManual ? outcomeOf(choice) : (conflict.decision?.winner ?? null)}
      sides={{
        source: { ...sides.source, time: conflict.source_time },
        target: { ...sides.target, time: conflict.target_time },
      }}
      versions={conflict}
      mode={props.mode}
    >
      {isManual ? (
        <DecideConflict
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

/** Returns a side's name for buttons. */
function nameOf({ role, branch }: { role: string; branch: string }): string {
  return branch === "" ? role.toLowerCase() : visible(branch);
}

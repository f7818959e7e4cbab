import type { ReactElement } from "react";
import type { HunkTake, MergedText } from "#shared/api/code/merges.js";
import { Button } from "../../../../ui/actions/button.js";
import { countOf } from "../../../../ui/text/number.js";
import { visible } from "../../../../ui/text/plain-text.js";
import { Command } from "../../../../components/command/command.js";
import { ContentEditor, contentToEdit } from "./content-editor.js";
import { type Conflict, countHunks, type DraftChoice } from "./decisions.js";
import { HunkEditor } from "./hunk-editor.js";
import type { Side } from "../../parts/merges/conflict-card.js";

/** More hunks would take the browser too long to render. */
export const MAX_HUNKS = 300;

interface DecideConflictProps {
  /** The element id of the conflict. */
  id: string;
  conflict: Conflict;
  choice: DraftChoice | undefined;
  /** Null withdraws the choice. */
  onDecide: (choice: DraftChoice | null) => void;
  names: Record<Side, string>;
  /** Why the viewer may not decide. */
  reason: string | undefined;
}

/** The options for a conflict: a side's version, the lines of each hunk, or custom content. */
export function DecideConflict(props: DecideConflictProps): ReactElement {
  const { conflict, choice, onDecide, names, reason } = props;
  const path = conflict.paths[0] as string;
  const { merged } = conflict;
  const content = contentToEdit(conflict, choice);
  const of = conflict.paths.map(visible).join(", ");
  return (
    <div className="flex flex-col gap-3">
      {conflict.regenerated_by !== null && (
        <p>
          Without a decision, the merge regenerates the file by{" "}
          <Command command={conflict.regenerated_by} />.
        </p>
      )}
      <fieldset aria-label={`Decide ${of}`} className="flex min-w-0 flex-wrap gap-2">
        {conflict.regenerated_by !== null && (
          <Button
            size="sm"
            variant={choice === undefined ? "primary" : "secondary"}
            {...(choice === undefined ? { icon: "check" as const } : {})}
            aria-pressed={choice === undefined}
            disabledReason={reason}
            onClick={() => onDecide(null)}
          >
            Regenerate
          </Button>
        )}
        {(["target", "source"] as const).map((side) => (
          <Button
            key={side}
            size="sm"
            variant={choice?.take === side ? "primary" : "secondary"}
            {...(choice?.take === side ? { icon: "check" as const } : {})}
            aria-pressed={choice?.take === side}
            disabledReason={reason}
            className="max-w-full"
            onClick={() => onDecide({ path, take: side })}
          >
            <span className="truncate">
              {conflict[side].length === 0 ? "Delete, as" : "Take"} {side} ({names[side]})
            </span>
          </Button>
        ))}
        {merged && (
          <Button
            size="sm"
            variant={choice?.hunks === undefined ? "secondary" : "primary"}
            icon="merge"
            aria-pressed={choice?.hunks !== undefined}
            disabledReason={
              reason ??
              (countHunks(merged) > MAX_HUNKS
                ? `More than ${MAX_HUNKS} hunks cannot be shown; take one side, or edit the content.`
                : undefined)
            }
            onClick={() => {
              if (choice?.hunks === undefined) onDecide(openHunks(merged));
            }}
          >
            Decide {countOf(countHunks(merged), "hunk")}
          </Button>
        )}
        <Button
          size="sm"
          variant={choice?.content === undefined ? "secondary" : "primary"}
          icon="edit"
          aria-pressed={choice?.content !== undefined}
          disabledReason={
            reason ??
            (content === undefined
              ? "Neither version is a text that can be edited here."
              : undefined)
          }
          onClick={({ currentTarget }) => {
            if (content && choice?.content === undefined) onDecide(content);
            focusEditor(currentTarget.closest("section"));
          }}
        >
          Edit the content
        </Button>
      </fieldset>
      {merged && choice?.hunks !== undefined && (
        <HunkEditor
          id={props.id}
          merged={merged}
          takes={choice.hunks}
          names={names}
          reason={reason}
          onTake={(hunk, take) => onDecide(takeHunk(choice, hunk, take))}
        />
      )}
      {choice?.content !== undefined && (
        <ContentEditor conflict={conflict} choice={choice} onChange={onDecide} />
      )}
    </div>
  );
}

/** Returns the choice by hunks, none of them decided. */
export function openHunks(merged: MergedText): DraftChoice {
  return { path: merged.path, hunks: Array<null>(countHunks(merged)).fill(null) };
}

/** Returns the choice with another decision of a hunk. */
export function takeHunk(choice: DraftChoice, hunk: number, take: HunkTake): DraftChoice {
  return { ...choice, hunks: (choice.hunks ?? []).with(hunk, take) };
}

/** Focuses the editor of a conflict once it is rendered. */
export function focusEditor(conflict: Element | null): void {
  requestAnimationFrame(() => conflict?.querySelector("textarea")?.focus());
}

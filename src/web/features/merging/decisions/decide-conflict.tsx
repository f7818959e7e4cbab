import type { ReactElement } from "react";
import type { Choice } from "#shared/api/projects/merges.js";
import { Button } from "../../../ui/actions/button.js";
import { visible } from "../../../ui/text/plain-text.js";
import { ContentEditor, contentToEdit } from "./content-editor.js";
import type { Conflict } from "./decisions.js";
import type { Side } from "../../../components/merges/conflict-card.js";

interface DecideConflictProps {
  conflict: Conflict;
  choice: Choice | undefined;
  onDecide: (choice: Choice) => void;
  names: Record<Side, string>;
  /** Why the viewer may not decide. */
  reason: string | undefined;
}

/** The options for a conflict: a side's version, or custom content. */
export function DecideConflict(props: DecideConflictProps): ReactElement {
  const { conflict, choice, onDecide, names, reason } = props;
  const path = conflict.paths[0] as string;
  const content = contentToEdit(conflict);
  const of = conflict.paths.map(visible).join(", ");
  return (
    <div className="flex flex-col gap-3">
      <fieldset aria-label={`Decide ${of}`} className="flex min-w-0 flex-wrap gap-2">
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
      {choice?.content !== undefined && (
        <ContentEditor conflict={conflict} choice={choice} onChange={onDecide} />
      )}
    </div>
  );
}

/** Focuses the editor of a conflict once it is rendered. */
export function focusEditor(conflict: Element | null): void {
  requestAnimationFrame(() => conflict?.querySelector("textarea")?.focus());
}

import type { ReactElement } from "react";
import type { Preview } from "#shared/api/code/previews.js";
import { Alert } from "../../../ui/feedback/alert.js";
import { countOf } from "../../../ui/text/number.js";
import { PlainText } from "../../../ui/text/plain-text.js";

/** Summarizes the preview in a sentence or two. */
export function PreviewSummary({ preview }: { preview: Preview }): ReactElement {
  const { kind, conflicts, strategy, unsaved, up_to_date, target_branch, source_branch } = preview;
  // The others are regenerated unless they are decided.
  const open = conflicts.filter(({ regenerated_by }) => regenerated_by === null).length;
  const files = preview.diff.stats.files_changed;
  const saved =
    unsaved && (kind === "merge" || kind === "sync") ? " Uncommitted changes are included." : "";
  if (up_to_date) {
    return (
      <Alert tone="info">
        {kind === "merge" || kind === "sync" ? (
          <>
            Nothing of <PlainText value={source_branch} /> is missing in{" "}
            <PlainText value={target_branch} />.
          </>
        ) : (
          <>
            Nothing to merge: <PlainText value={target_branch} /> already contains these changes.
          </>
        )}
      </Alert>
    );
  }
  if (open === 0) {
    return (
      <Alert tone="good">
        No conflicts: {countOf(files, "file")} would change on <PlainText value={target_branch} />.
        {saved}
      </Alert>
    );
  }
  return (
    <Alert tone="warn">
      {strategy === "manual"
        ? `${countOf(open, "conflict")} to decide. Until then, the target's version is shown below.`
        : `${countOf(conflicts.length, "conflict")} would be resolved as shown below. The losing version is kept and can be restored.`}
      {saved}
    </Alert>
  );
}

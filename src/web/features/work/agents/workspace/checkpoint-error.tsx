import type { ReactElement } from "react";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { Alert } from "../../../../ui/feedback/alert.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { Time } from "../../../../ui/text/time.js";

/** Why automatic commits of unsaved work fail; shown until they succeed. */
export function CheckpointError({
  error,
}: {
  error: Workspace["checkpoint_error"];
}): ReactElement | null {
  if (error === null) return null;
  return (
    <Alert tone="warn">
      <strong className="font-semibold">Auto checkpoint failed</strong>, <Time value={error.at} />:{" "}
      <PlainText value={error.detail} /> Uncommitted changes are still in the folder.
    </Alert>
  );
}

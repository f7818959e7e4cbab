import type { ReactElement } from "react";
import type { Workspace } from "#shared/api/workspaces.js";
import { Alert } from "../../ui/alert.js";
import { PlainText } from "../../ui/plain-text.js";
import { Time } from "../../ui/time.js";

/** Why unsaved work could not be committed by itself, until it can be again. */
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

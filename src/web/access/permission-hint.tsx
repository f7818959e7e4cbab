import type { ReactElement } from "react";
import { Alert } from "../ui/feedback/alert.js";
import { archivedReason, checkingReason } from "./permissions.js";

/** States above a form or list why its controls are disabled. */
export function PermissionHint({ reason }: { reason: string | undefined }): ReactElement | null {
  return reason === undefined || reason === checkingReason ? null : (
    <Alert tone="info">{reason}</Alert>
  );
}

/** The same hint for settings pages; omits the archived state, which their banner shows. */
export function SettingsHint({ reason }: { reason: string | undefined }): ReactElement | null {
  return <PermissionHint reason={reason === archivedReason ? undefined : reason} />;
}

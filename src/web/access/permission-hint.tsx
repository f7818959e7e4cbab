import type { ReactElement } from "react";
import { Alert } from "../ui/feedback/alert.js";
import { checkingReason } from "./deny-reason.js";
import { archivedReason } from "./permissions.js";

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

/** The same reason in a row, below its disabled button. */
export function ButtonReason({ reason }: { reason: string | undefined }): ReactElement | null {
  return reason === undefined || reason === checkingReason ? null : (
    <span className="mt-1 block text-[13px] text-muted">{reason}</span>
  );
}

import type { ReactElement } from "react";
import { Alert } from "../ui/alert.js";
import { archivedReason, checking } from "./permissions.js";

/** Says above a form or a list why its controls are off. */
export function PermissionHint({ reason }: { reason: string | undefined }): ReactElement | null {
  return reason === undefined || reason === checking ? null : <Alert tone="info">{reason}</Alert>;
}

/** The same on the organization's own pages, where the banner says already that it is archived. */
export function SettingsHint({ reason }: { reason: string | undefined }): ReactElement | null {
  return <PermissionHint reason={reason === archivedReason ? undefined : reason} />;
}

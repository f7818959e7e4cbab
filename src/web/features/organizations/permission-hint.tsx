import type { ReactElement } from "react";
import { Alert } from "../../ui/alert.js";

/** Says above a form why its controls are off. */
export function PermissionHint({ reason }: { reason: string | undefined }): ReactElement | null {
  return reason === undefined ? null : <Alert tone="info">{reason}</Alert>;
}

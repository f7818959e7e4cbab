import type { ReactElement } from "react";
import { Alert } from "../../ui/alert.js";
import { checking } from "./permissions.js";

/** Says above a form or a list why its controls are off. */
export function PermissionHint({ reason }: { reason: string | undefined }): ReactElement | null {
  return reason === undefined || reason === checking ? null : <Alert tone="info">{reason}</Alert>;
}

import type { ReactElement } from "react";
import type { StatementItem } from "#shared/api/organization/usage.js";
import { StatusDot } from "../../../../ui/feedback/badge.js";

/** Whether the month is in progress or final. */
export function StatementStatus({ status }: Pick<StatementItem, "status">): ReactElement {
  return status === "open" ? (
    <StatusDot tone="accent">Open, month to date</StatusDot>
  ) : (
    <StatusDot tone="neutral">Closed</StatusDot>
  );
}

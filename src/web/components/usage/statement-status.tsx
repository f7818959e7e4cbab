import type { ReactElement } from "react";
import type { StatementItem } from "#shared/api/usage.js";
import { StatusDot } from "../../ui/badge.js";

/** The month goes on and its figures grow, or it is over. */
export function StatementStatus({ status }: Pick<StatementItem, "status">): ReactElement {
  return status === "open" ? (
    <StatusDot tone="accent">Open, so far</StatusDot>
  ) : (
    <StatusDot tone="neutral">Closed</StatusDot>
  );
}

import type { ReactNode } from "react";
import { Button } from "../../../ui/actions/button.js";

/** A link, or a disabled button that says why the viewer cannot use what it leads to. */
export function LinkOr({
  reason,
  label,
  children,
}: {
  reason: string | undefined;
  label: string;
  children: ReactNode;
}): ReactNode {
  if (reason === undefined) return children;
  return (
    <Button size="sm" disabledReason={reason}>
      {label}
    </Button>
  );
}

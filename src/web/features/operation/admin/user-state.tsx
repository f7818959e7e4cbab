import type { ReactElement } from "react";
import type { AdminUser } from "#shared/api/operation/admin.js";
import { Badge } from "../../../ui/feedback/badge.js";

/** Whether a user may sign in, and whether they are a super admin. */
export function UserState({
  user: { is_active, is_super_admin },
}: {
  user: Pick<AdminUser, "is_active" | "is_super_admin">;
}): ReactElement {
  return (
    <span className="inline-flex flex-wrap gap-1">
      <Badge tone={is_active ? "good" : "bad"}>{is_active ? "Active" : "Disabled"}</Badge>
      {is_super_admin && <Badge tone="accent">Super admin</Badge>}
    </span>
  );
}

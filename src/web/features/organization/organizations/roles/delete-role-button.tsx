import type { ReactElement } from "react";
import type { Role } from "#shared/api/organization/roles.js";
import { client } from "../../../../api/client.js";
import { countOf } from "../../../../ui/text/number.js";
import { PlainText, visible } from "../../../../ui/text/plain-text.js";
import { organizationsKey } from "../../../../api/queries/organization/organizations.js";
import { ConfirmButton } from "../../../../components/confirmations.js";

interface DeleteRoleProps {
  orgId: string;
  role: Role;
  reason: string | undefined;
}

/** Deletes an unused role; otherwise the server's error names its holders. */
export function DeleteRoleButton({ orgId, role, reason }: DeleteRoleProps): ReactElement {
  const name = visible(role.name);
  return (
    <ConfirmButton
      size="sm"
      label="Delete"
      aria-label={`Delete ${name}`}
      disabledReason={reason}
      title={`Delete the role ${name}?`}
      mutation={{
        run: (_input, headers) =>
          client.roles.remove({ params: { org_id: orgId, role_id: role.id } }, { headers }),
        refresh: [organizationsKey],
        successMessage: () => `Role ${name} deleted`,
      }}
    >
      {role.member_count === 0 ? (
        <>
          No member holds <PlainText value={role.name} />. This cannot be undone.
        </>
      ) : (
        <>
          {countOf(role.member_count, "member")} {role.member_count === 1 ? "holds" : "hold"}{" "}
          <PlainText value={role.name} />; it can be deleted when no member does.
        </>
      )}
    </ConfirmButton>
  );
}

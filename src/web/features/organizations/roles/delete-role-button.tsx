import { type ReactElement, useState } from "react";
import type { Role } from "#shared/api/organizations/roles.js";
import { useApiMutation } from "../../../api/use-mutation.js";
import { client } from "../../../api/client.js";
import { Button } from "../../../ui/button.js";
import { ConfirmDialog } from "../../../ui/dialog.js";
import { countOf } from "../../../ui/number.js";
import { PlainText, visible } from "../../../ui/plain-text.js";
import { organizationsKey } from "../../../api/queries/organizations.js";

interface DeleteRoleProps {
  orgId: string;
  role: Role;
  reason: string | undefined;
}

/** Deletes an unused role; otherwise the server's error names its holders. */
export function DeleteRoleButton({ orgId, role, reason }: DeleteRoleProps): ReactElement {
  const [isAsking, setAsking] = useState(false);
  const name = visible(role.name);
  const remove = useApiMutation({
    run: (_input: undefined, headers) =>
      client.roles.remove({ params: { org_id: orgId, role_id: role.id } }, { headers }),
    refresh: [organizationsKey],
    successMessage: () => `Role ${name} deleted`,
    onDone: () => setAsking(false),
  });
  const close = (): void => {
    setAsking(false);
    remove.reset();
  };
  return (
    <>
      <Button
        size="sm"
        aria-label={`Delete ${name}`}
        disabledReason={reason}
        onClick={() => setAsking(true)}
      >
        Delete
      </Button>
      <ConfirmDialog
        isOpen={isAsking}
        onClose={close}
        title={`Delete the role ${name}?`}
        action="Delete"
        pending={remove.pending}
        error={remove.error}
        onConfirm={() => remove.submit(undefined)}
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
      </ConfirmDialog>
    </>
  );
}

import type { ReactElement } from "react";
import type { ServiceAccount } from "#shared/api/identity/service-accounts.js";
import { client } from "../../../../api/client.js";
import { organizationsKey } from "../../../../api/queries/organization/organizations.js";
import { useApiMutation } from "../../../../api/use-mutation.js";
import { ConfirmButton } from "../../../../components/confirmations.js";
import { Button } from "../../../../ui/actions/button.js";
import { visible } from "../../../../ui/text/plain-text.js";

interface AccountActionsProps {
  orgId: string;
  account: ServiceAccount;
  /** Why the viewer may not change service accounts. */
  reason: string | undefined;
  onEdit: () => void;
  onKeys: () => void;
}

export function AccountActions({
  orgId,
  account,
  reason,
  onEdit,
  onKeys,
}: AccountActionsProps): ReactElement {
  const name = visible(account.name);
  const params = { org_id: orgId, service_account_id: account.id };
  // The members of the organization include its service accounts.
  const refresh = [organizationsKey];
  const reactivate = useApiMutation({
    run: (_input: undefined, headers) =>
      client.serviceAccounts.update({ params, body: { is_active: true } }, { headers }),
    refresh,
    successMessage: () => `${name} is active`,
    toastErrors: true,
  });
  return (
    <div className="flex flex-wrap gap-2">
      <Button size="sm" aria-label={`Keys of ${name}`} onClick={onKeys}>
        Keys
      </Button>
      <Button size="sm" aria-label={`Edit ${name}`} disabledReason={reason} onClick={onEdit}>
        Edit
      </Button>
      {account.is_active ? (
        <ConfirmButton
          size="sm"
          label="Deactivate"
          aria-label={`Deactivate ${name}`}
          disabledReason={reason}
          title={`Deactivate ${name}?`}
          mutation={{
            run: (_input, headers) =>
              client.serviceAccounts.update({ params, body: { is_active: false } }, { headers }),
            refresh,
            successMessage: () => `${name} is deactivated`,
          }}
        >
          Requests with its keys are rejected at once, until it is reactivated.
        </ConfirmButton>
      ) : (
        <Button
          size="sm"
          aria-label={`Reactivate ${name}`}
          disabledReason={reason}
          pending={reactivate.pending}
          onClick={() => reactivate.submit(undefined)}
        >
          Reactivate
        </Button>
      )}
      <ConfirmButton
        size="sm"
        label="Delete"
        aria-label={`Delete ${name}`}
        disabledReason={reason}
        title={`Delete ${name}?`}
        mutation={{
          run: (_input, headers) => client.serviceAccounts.delete({ params }, { headers }),
          refresh,
          successMessage: () => `${name} is deleted`,
        }}
      >
        Its keys are revoked at once. The audit log, runs and merges keep its name. This cannot be
        undone.
      </ConfirmButton>
    </div>
  );
}

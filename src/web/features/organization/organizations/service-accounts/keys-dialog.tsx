import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import type { ServiceAccount, ServiceAccountKey } from "#shared/api/identity/service-accounts.js";
import { client } from "../../../../api/client.js";
import {
  serviceAccountKeysQuery,
  serviceAccountsKey,
} from "../../../../api/queries/identity/service-accounts.js";
import { KeyStatus, Scopes } from "../../../identity/parts/api-keys/key-status.js";
import { Await } from "../../../../components/await.js";
import { ConfirmButton } from "../../../../components/confirmations.js";
import { Button } from "../../../../ui/actions/button.js";
import { Dialog, DialogActions } from "../../../../ui/overlays/dialog.js";
import { PlainText, visible } from "../../../../ui/text/plain-text.js";
import { RelativeTime, Time } from "../../../../ui/text/time.js";

interface KeysDialogProps {
  orgId: string;
  account: ServiceAccount;
  /** Why the viewer may not change keys. */
  reason: string | undefined;
  onNew: () => void;
  onRotated: (secret: string) => void;
  onClose: () => void;
}

/** The keys of a service account, newest first. */
export function KeysDialog(props: KeysDialogProps): ReactElement {
  const { orgId, account, onNew, onClose } = props;
  const keys = useQuery(serviceAccountKeysQuery(orgId, account.id));
  const reason =
    props.reason ?? (account.is_active ? undefined : "Reactivate the service account first.");
  return (
    <Dialog
      isOpen
      onClose={onClose}
      width="wide"
      title={`Keys of ${visible(account.name)}`}
      description="They keep working when the members who made them leave."
    >
      <div className="flex flex-col gap-4">
        <Await query={keys} rows={2} what="The keys">
          {(list) =>
            list.length === 0 ? (
              <p className="text-muted">No keys yet.</p>
            ) : (
              <ul className="-mx-5 divide-y divide-line border-y border-line">
                {list.map((key) => (
                  <li key={key.id} className="flex flex-col gap-2 px-5 py-3">
                    <KeySummary apiKey={key} />
                    {key.status === "active" && (
                      <KeyActions {...props} apiKey={key} reason={props.reason} rotation={reason} />
                    )}
                  </li>
                ))}
              </ul>
            )
          }
        </Await>
        <DialogActions>
          <Button icon="plus" disabledReason={reason} onClick={onNew}>
            New key
          </Button>
          <Button variant="primary" onClick={onClose}>
            Done
          </Button>
        </DialogActions>
      </div>
    </Dialog>
  );
}

function KeySummary({ apiKey }: { apiKey: ServiceAccountKey }): ReactElement {
  const { name, key_hint, scopes, last_used_at, expires_at, created_by } = apiKey;
  return (
    <div className="flex min-w-0 flex-col gap-1">
      <div className="flex flex-wrap items-baseline justify-between gap-x-4 gap-y-1">
        <PlainText value={name} className="min-w-0 font-medium [overflow-wrap:anywhere]" />
        <KeyStatus apiKey={apiKey} />
      </div>
      <code className="font-mono text-[13px] break-all text-muted">{key_hint}</code>
      <Scopes scopes={scopes} />
      <p className="text-[13px] text-muted">
        {last_used_at === null ? (
          "Never used"
        ) : (
          <>
            Last used <RelativeTime value={last_used_at} />
          </>
        )}
        {expires_at !== null && (
          <>
            {" · ends on "}
            <Time value={expires_at} dateOnly />
          </>
        )}
        {" · by "}
        <PlainText value={created_by.name} />
      </p>
    </div>
  );
}

interface KeyActionsProps extends KeysDialogProps {
  apiKey: ServiceAccountKey;
  /** Why the key cannot be rotated. */
  rotation: string | undefined;
}

function KeyActions({
  orgId,
  account,
  apiKey,
  reason,
  rotation,
  onRotated,
}: KeyActionsProps): ReactElement {
  const name = visible(apiKey.name);
  const params = { org_id: orgId, service_account_id: account.id, key_id: apiKey.id };
  const refresh = [serviceAccountsKey(orgId)];
  const rotated = apiKey.replaced_by === null ? undefined : "The key has been rotated already.";
  return (
    <div className="flex flex-wrap gap-2">
      <ConfirmButton
        size="sm"
        label="Rotate"
        aria-label={`Rotate ${name}`}
        disabledReason={rotation ?? rotated}
        title={`Rotate ${name}?`}
        action="Rotate key"
        mutation={{
          run: (_input, headers) =>
            client.serviceAccounts.rotateKey(
              { params, body: { grace_period_seconds: 3600 } },
              { headers },
            ),
          refresh,
          onDone: ({ key }) => {
            if (key !== null) onRotated(key);
          },
        }}
      >
        The new key has the same rights and is shown once. The old one works for one more hour.
      </ConfirmButton>
      <ConfirmButton
        size="sm"
        label="Revoke"
        aria-label={`Revoke ${name}`}
        disabledReason={reason}
        title={`Revoke ${name}?`}
        mutation={{
          run: (_input, headers) => client.serviceAccounts.revokeKey({ params }, { headers }),
          refresh,
          successMessage: () => "Key revoked",
        }}
      >
        Requests with it are rejected at once. This cannot be undone.
      </ConfirmButton>
    </div>
  );
}

import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { ServiceAccount } from "#shared/api/identity/service-accounts.js";
import { checkingReason, type DenyReason } from "../../../../access/deny-reason.js";
import { rolesQuery } from "../../../../api/queries/organization/organizations.js";
import { serviceAccountsQuery } from "../../../../api/queries/identity/service-accounts.js";
import { Await } from "../../../../components/await.js";
import { Button } from "../../../../ui/actions/button.js";
import { Alert } from "../../../../ui/feedback/alert.js";
import { StatusDot } from "../../../../ui/feedback/badge.js";
import { Skeleton } from "../../../../ui/feedback/states.js";
import { Card } from "../../../../ui/layout/card.js";
import { countOf } from "../../../../ui/text/number.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { RelativeTime } from "../../../../ui/text/time.js";
import { AccountActions } from "./account-actions.js";
import { EditAccountDialog, NewAccountDialog } from "./account-dialog.js";
import { KeysDialog } from "./keys-dialog.js";
import { NewKeyDialog } from "./new-key-dialog.js";
import { ShownKeyDialog } from "./shown-key-dialog.js";

interface ServiceAccountsTabProps {
  organization: Organization;
  refusal: DenyReason;
}

/** The organization's service accounts, with their keys. */
export function ServiceAccountsTab(props: ServiceAccountsTabProps): ReactElement {
  const reason = props.refusal("org:service-accounts:read");
  if (reason === checkingReason) return <Skeleton />;
  if (reason !== undefined) {
    return <Alert tone="info">{reason} Ask an owner or an admin for it.</Alert>;
  }
  return <ServiceAccounts {...props} />;
}

type Shown =
  | { dialog: "new" }
  | { dialog: "edit" | "keys" | "new key"; id: string }
  | { dialog: "key"; id: string; title: string; secret: string };

function ServiceAccounts({ organization, refusal }: ServiceAccountsTabProps): ReactElement {
  const orgId = organization.id;
  const accounts = useQuery(serviceAccountsQuery(orgId));
  const roles = useQuery(rolesQuery(orgId));
  const reason = refusal("org:service-accounts:write");
  const [shown, setShown] = useState<Shown | null>(null);
  const close = (): void => setShown(null);
  const id = shown !== null && "id" in shown ? shown.id : null;
  const account = accounts.data?.find((candidate) => candidate.id === id);
  const assignable = (roles.data ?? []).filter(
    ({ name, is_system }) => !(is_system && name === "owner"),
  );
  return (
    <Card
      title="Service accounts"
      actions={
        <Button
          icon="plus"
          disabledReason={reason ?? (roles.data ? undefined : "The roles are loading.")}
          onClick={() => setShown({ dialog: "new" })}
        >
          New service account
        </Button>
      }
    >
      <div className="flex flex-col gap-4">
        <p className="text-muted">
          For programs, such as a build or a deployment. A service account acts by API keys that
          keep working when the people who made them leave.
        </p>
        <Await query={accounts} rows={2} what="The service accounts">
          {(list) =>
            list.length === 0 ? (
              <p className="text-muted">No service accounts yet.</p>
            ) : (
              <ul className="-mx-4 -mb-4 divide-y divide-line border-t border-line">
                {list.map((item) => (
                  <li key={item.id} className="flex flex-col gap-2 px-4 py-3">
                    <AccountSummary account={item} />
                    <AccountActions
                      orgId={orgId}
                      account={item}
                      reason={reason}
                      onEdit={() => setShown({ dialog: "edit", id: item.id })}
                      onKeys={() => setShown({ dialog: "keys", id: item.id })}
                    />
                  </li>
                ))}
              </ul>
            )
          }
        </Await>
      </div>
      {shown?.dialog === "new" && (
        <NewAccountDialog
          orgId={orgId}
          roles={assignable}
          refusal={refusal}
          onClose={close}
          onCreated={(made) => setShown({ dialog: "keys", id: made.id })}
        />
      )}
      {shown?.dialog === "edit" && account && (
        <EditAccountDialog
          orgId={orgId}
          account={account}
          roles={assignable}
          refusal={refusal}
          onClose={close}
        />
      )}
      {shown?.dialog === "keys" && account && (
        <KeysDialog
          orgId={orgId}
          account={account}
          reason={reason}
          onNew={() => setShown({ dialog: "new key", id: account.id })}
          onRotated={(secret) =>
            setShown({ dialog: "key", id: account.id, title: "Key rotated", secret })
          }
          onClose={close}
        />
      )}
      {shown?.dialog === "new key" && account && (
        <NewKeyDialog
          organization={organization}
          account={account}
          refusal={refusal}
          onClose={() => setShown({ dialog: "keys", id: account.id })}
          onCreated={(secret) =>
            setShown({ dialog: "key", id: account.id, title: "Key created", secret })
          }
        />
      )}
      {shown?.dialog === "key" && (
        <ShownKeyDialog
          title={shown.title}
          secret={shown.secret}
          onClose={() => setShown({ dialog: "keys", id: shown.id })}
        />
      )}
    </Card>
  );
}

function AccountSummary({ account }: { account: ServiceAccount }): ReactElement {
  const { name, description, role_name, is_active, active_keys, last_used_at } = account;
  return (
    <div className="flex min-w-0 flex-col gap-1">
      <div className="flex flex-wrap items-baseline justify-between gap-x-4 gap-y-1">
        <PlainText value={name} className="min-w-0 font-medium [overflow-wrap:anywhere]" />
        {is_active ? (
          <StatusDot tone="good">Active</StatusDot>
        ) : (
          <StatusDot tone="neutral">Deactivated</StatusDot>
        )}
      </div>
      {description !== null && <PlainText value={description} />}
      <p className="text-[13px] text-muted">
        <PlainText value={role_name} />
        {" · "}
        {countOf(active_keys, "active key")}
        {" · "}
        {last_used_at === null ? (
          "never used"
        ) : (
          <>
            last used <RelativeTime value={last_used_at} />
          </>
        )}
        {" · by "}
        <PlainText value={account.created_by.name} />
      </p>
    </div>
  );
}

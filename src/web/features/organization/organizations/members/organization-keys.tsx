import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import type { OrganizationKey } from "#shared/api/identity/api-keys.js";
import { client } from "../../../../api/client.js";
import { useListView } from "../../../../lists/list-search.js";
import { Card } from "../../../../ui/layout/card.js";
import { ListTable } from "../../../../ui/tables/list-table.js";
import type { Sorting } from "../../../../ui/tables/list-view.js";
import { PlainText, visible } from "../../../../ui/text/plain-text.js";
import { RelativeTime } from "../../../../ui/text/time.js";
import type { DenyReason } from "../../../../access/deny-reason.js";
import { Waiting } from "../../../../components/await.js";
import { KeyStatus, Scopes } from "../../../identity/parts/api-keys/key-status.js";
import { apiKeysKey, organizationKeysQuery } from "../../../../api/queries/identity/api-keys.js";
import { ConfirmButton } from "../../../../components/confirmations.js";

const sortings: readonly Sorting<OrganizationKey>[] = [
  { key: "name", label: "Key", by: ({ name }) => name },
  { key: "used", label: "Last Used", by: ({ last_used_at }) => last_used_at },
  { key: "status", label: "Status", by: ({ status }) => status },
];
const textOf = ({ name, key_hint, scopes, owner, agent_name }: OrganizationKey): string =>
  [name, key_hint, ...scopes, owner.full_name, owner.email, agent_name].join(" ");

interface OrganizationKeysProps {
  orgId: string;
  refusal: DenyReason;
}

/** The keys with access to the organization, of all owners. */
export function OrganizationKeys({ orgId, refusal }: OrganizationKeysProps): ReactElement {
  const readReason = refusal("org:apikeys:read");
  const keys = useQuery({ ...organizationKeysQuery(orgId), enabled: readReason === undefined });
  const view = useListView(keys.data ?? [], { sortings, textOf, prefix: "keys_" });
  return (
    <Card title="API keys of this organization">
      {readReason !== undefined ? (
        <p className="text-muted">{readReason}</p>
      ) : keys.data === undefined ? (
        <Waiting query={keys} rows={1} what="The list of API keys" />
      ) : keys.data.length === 0 ? (
        <p className="text-muted">No API key is scoped to this organization.</p>
      ) : (
        <div className="-m-4">
          <ListTable
            label="API keys of this organization"
            noun="API key"
            placeholder="Name, owner or scope"
            view={view}
            rowKey={({ id }) => id}
            columns={[
              { name: "Key", sortKey: "name", renderCell: (key) => <KeyName apiKey={key} /> },
              { name: "Scope", renderCell: ({ scopes }) => <Scopes scopes={scopes} /> },
              {
                name: "Last Used",
                sortKey: "used",
                renderCell: ({ last_used_at }) =>
                  last_used_at === null ? "Never" : <RelativeTime value={last_used_at} />,
              },
              {
                name: "Status",
                sortKey: "status",
                renderCell: (key) => <KeyStatus apiKey={key} />,
              },
              {
                name: "Actions",
                hideName: true,
                renderCell: (key) => (
                  <RemoveKeyAccess
                    orgId={orgId}
                    apiKey={key}
                    reason={refusal("org:apikeys:revoke")}
                  />
                ),
              },
            ]}
          />
        </div>
      )}
    </Card>
  );
}

function KeyName({ apiKey }: { apiKey: OrganizationKey }): ReactElement {
  return (
    <div className="min-w-0">
      <PlainText value={apiKey.name} className="font-medium" />
      <div className="text-[13px] text-muted">
        {apiKey.agent_name === null ? "" : `Agent ${apiKey.agent_name}, made by `}
        {apiKey.owner.kind === "service_account" && "Service account "}
        <PlainText value={apiKey.owner.full_name ?? apiKey.owner.email ?? ""} />
      </div>
      <code className="font-mono text-[13px] text-muted">{apiKey.key_hint}</code>
    </div>
  );
}

interface RemoveKeyAccessProps {
  orgId: string;
  apiKey: OrganizationKey;
  reason: string | undefined;
}

/** Revokes a key of this organization alone; blocks any other key from the organization. */
function RemoveKeyAccess({ orgId, apiKey, reason }: RemoveKeyAccessProps): ReactElement {
  const label = apiKey.is_only_here ? "Revoke" : "Block";
  return (
    <ConfirmButton
      size="sm"
      label={label}
      aria-label={`${label} ${visible(apiKey.name)}`}
      disabledReason={reason}
      title={`${label} this key?`}
      mutation={{
        run: () => client.apiKeys.shutOut({ params: { org_id: orgId, key_id: apiKey.id } }),
        refresh: [apiKeysKey],
        successMessage: () => (apiKey.is_only_here ? "Key revoked" : "Key blocked"),
      }}
    >
      {apiKey.is_only_here
        ? "Requests with it are rejected at once. This cannot be undone."
        : "The key stops working in this organization and keeps working elsewhere. This cannot be undone."}
    </ConfirmButton>
  );
}

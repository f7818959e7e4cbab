import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { invitationSearchOf } from "../../../../paths/address-search.js";
import type { Invitation } from "#shared/api/organization/invitations.js";
import type { Role } from "#shared/api/organization/roles.js";
import { useFilters, useListView } from "../../../../lists/list-search.js";
import { StatusDot, type Tone } from "../../../../ui/feedback/badge.js";
import { Card } from "../../../../ui/layout/card.js";
import { Checkbox } from "../../../../ui/fields/field.js";
import { ListTable } from "../../../../ui/tables/list-table.js";
import type { Sorting } from "../../../../ui/tables/list-view.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { Time } from "../../../../ui/text/time.js";
import { Waiting } from "../../../../components/await.js";
import { InvitationActions } from "./invitation-actions.js";
import { escalationReason } from "./invite-dialog.js";
import type { DenyReason } from "../../../../access/deny-reason.js";
import { invitationsQuery } from "../../../../api/queries/organization/organizations.js";

const statuses: Record<Invitation["status"], readonly [Tone, string]> = {
  pending: ["accent", "Pending"],
  accepted: ["good", "Accepted"],
  expired: ["warn", "Expired"],
  revoked: ["neutral", "Revoked"],
};

const isOpen = ({ status }: Invitation): boolean => status === "pending" || status === "expired";

const sortings: readonly Sorting<Invitation>[] = [
  { key: "address", label: "Address", by: ({ email }) => email },
  { key: "role", label: "Role", by: ({ role_name }) => role_name },
  { key: "status", label: "Status", by: ({ status }) => status },
  { key: "expires", label: "Expires", by: ({ expires_at }) => expires_at },
];
const textOf = ({ email, role_name, invited_by }: Invitation): string =>
  `${email} ${role_name} ${invited_by?.name ?? ""}`;

interface InvitationsSectionProps {
  orgId: string;
  roles: readonly Role[];
  refusal: DenyReason;
}

/** Pending invitations; expired and finished ones on demand. */
export function InvitationsSection({
  orgId,
  roles,
  refusal,
}: InvitationsSectionProps): ReactElement {
  const invitations = useQuery(invitationsQuery(orgId));
  const [{ invitations_all: showsAll = false }, change] = useFilters(
    invitationSearchOf,
    "invitations_",
  );
  const writeReason = refusal("org:members:write");
  const all = invitations.data ?? [];
  const displayed = showsAll ? all : all.filter(isOpen);
  const view = useListView(displayed, { sortings, textOf, prefix: "invitations_" });
  return (
    <Card title="Invitations" isFlush>
      {invitations.data === undefined ? (
        <div className="p-4">
          <Waiting query={invitations} rows={1} what="The list of invitations" />
        </div>
      ) : displayed.length === 0 ? (
        <p className="px-4 py-3 text-muted">
          No open invitations. Invite Member creates a link to join by.
        </p>
      ) : (
        <ListTable
          label="Invitations"
          noun="invitation"
          placeholder="Address or role"
          view={view}
          rowKey={({ id }) => id}
          columns={[
            {
              name: "Address",
              sortKey: "address",
              renderCell: (invitation) => <Address invitation={invitation} />,
            },
            {
              name: "Role",
              sortKey: "role",
              renderCell: ({ role_name }) => <PlainText value={role_name} />,
            },
            {
              name: "Status",
              sortKey: "status",
              renderCell: ({ status }) => (
                <StatusDot tone={statuses[status][0]}>{statuses[status][1]}</StatusDot>
              ),
            },
            {
              name: "Expires",
              sortKey: "expires",
              renderCell: ({ expires_at }) => <Time value={expires_at} dateOnly />,
            },
            {
              name: "Actions",
              hideName: true,
              renderCell: (invitation) =>
                isOpen(invitation) && (
                  <InvitationActions
                    orgId={orgId}
                    invitation={invitation}
                    reason={
                      writeReason ??
                      escalationReason(
                        roles.find(({ id }) => id === invitation.role_id),
                        refusal,
                      )
                    }
                  />
                ),
            },
          ]}
        />
      )}
      {!all.every(isOpen) && (
        <div className="border-t border-line px-4 py-3">
          <Checkbox
            label="Show accepted and revoked"
            checked={showsAll}
            onChange={(isOn) => change({ invitations_all: isOn || undefined })}
          />
        </div>
      )}
    </Card>
  );
}

function Address({ invitation: { email, invited_by } }: { invitation: Invitation }): ReactElement {
  return (
    <div className="min-w-0">
      <PlainText value={email} className="font-medium" />
      {invited_by !== null && (
        <div className="text-[13px] text-muted">
          Invited by <PlainText value={invited_by.name} />
        </div>
      )}
    </div>
  );
}

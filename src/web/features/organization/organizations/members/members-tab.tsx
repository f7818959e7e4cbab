import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type ReactElement, useState } from "react";
import type { Member } from "#shared/api/organization/members.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Role } from "#shared/api/organization/roles.js";
import { useApiMutation } from "../../../../api/use-mutation.js";
import { client } from "../../../../api/client.js";
import { useListView } from "../../../../lists/list-search.js";
import { paths } from "../../../../paths/paths.js";
import { Button } from "../../../../ui/actions/button.js";
import { Card } from "../../../../ui/layout/card.js";
import { ListTable } from "../../../../ui/tables/list-table.js";
import type { Sorting } from "../../../../ui/tables/list-view.js";
import { PlainText, visible } from "../../../../ui/text/plain-text.js";
import { Select } from "../../../../ui/fields/select.js";
import { Time } from "../../../../ui/text/time.js";
import { OrganizationKeys } from "./organization-keys.js";
import { meQuery } from "../../../../api/queries/identity/auth.js";
import { Waiting } from "../../../../components/await.js";
import { InviteDialog } from "./invite-dialog.js";
import { InvitationsSection } from "./invitations-section.js";
import { MemberName } from "./member-name.js";
import { MyPermissions } from "../roles/my-permissions.js";
import { SettingsHint } from "../../../../access/permission-hint.js";
import { archivedReason } from "../../../../access/permissions.js";
import type { DenyReason } from "../../../../access/deny-reason.js";
import {
  membersQuery,
  organizationsKey,
  organizationsQuery,
  rolesQuery,
} from "../../../../api/queries/organization/organizations.js";
import { RolesSection } from "../roles/roles-section.js";
import { ConfirmButton } from "../../../../components/confirmations.js";

const sortings: readonly Sorting<Member>[] = [
  { key: "name", label: "Member", by: ({ display_name }) => display_name },
  { key: "role", label: "Role", by: ({ role_name }) => role_name },
  { key: "joined", label: "Joined", by: ({ joined_at }) => joined_at },
];
const textOf = ({ display_name, email, role_name }: Member): string =>
  `${display_name} ${email ?? ""} ${role_name}`;

interface MembersTabProps {
  organization: Organization;
  refusal: DenyReason;
}

export function MembersTab({ organization, refusal }: MembersTabProps): ReactElement {
  const orgId = organization.id;
  const members = useQuery(membersQuery(orgId));
  const roles = useQuery(rolesQuery(orgId));
  const { data: me } = useQuery(meQuery);
  const [isInviting, setInviting] = useState(false);
  const writeReason = refusal("org:members:write");
  const view = useListView(members.data ?? [], { sortings, textOf });

  if (members.data === undefined) return <Waiting query={members} />;
  if (roles.data === undefined) return <Waiting query={roles} />;
  const isMe = (member: Member): boolean => member.user_id !== null && member.user_id === me?.id;
  return (
    <div className="flex flex-col gap-4">
      <SettingsHint reason={writeReason} />
      <Card
        title="Members"
        actions={
          <Button icon="plus" disabledReason={writeReason} onClick={() => setInviting(true)}>
            Invite Member
          </Button>
        }
        isFlush
      >
        <ListTable
          label="Members"
          noun="member"
          placeholder="Name, email or role"
          view={view}
          rowKey={(member) => member.id}
          columns={[
            {
              name: "Member",
              sortKey: "name",
              renderCell: (member) => <MemberName member={member} isMe={isMe(member)} />,
            },
            {
              name: "Role",
              sortKey: "role",
              renderCell: (member) => (
                <RoleSelect member={member} roles={roles.data} reason={writeReason} />
              ),
            },
            {
              name: "Joined",
              sortKey: "joined",
              renderCell: (member) => <Time value={member.joined_at} dateOnly />,
            },
            {
              name: "Actions",
              hideName: true,
              renderCell: (member) => (
                <RemoveButton
                  member={member}
                  isMe={isMe(member)}
                  reason={
                    member.kind === "service_account"
                      ? "Delete the account in the tab Service accounts."
                      : isMe(member)
                        ? organization.is_active
                          ? undefined
                          : archivedReason
                        : refusal("org:members:delete")
                  }
                />
              ),
            },
          ]}
        />
      </Card>
      <InviteDialog
        orgId={orgId}
        roles={roles.data}
        refusal={refusal}
        isOpen={isInviting}
        onClose={() => setInviting(false)}
      />
      <InvitationsSection orgId={orgId} roles={roles.data} refusal={refusal} />
      <OrganizationKeys orgId={orgId} refusal={refusal} />
      <RolesSection orgId={orgId} roles={roles.data} refusal={refusal} />
      <MyPermissions orgId={orgId} roles={roles.data} />
    </div>
  );
}

const isOwnerRole = ({ is_system, name }: Role): boolean => is_system && name === "owner";

interface RoleSelectProps {
  member: Member;
  roles: readonly Role[];
  reason: string | undefined;
}

function RoleSelect({ member, roles, reason }: RoleSelectProps): ReactElement {
  const change = useApiMutation({
    run: (roleId: string) =>
      client.members.update({
        params: { org_id: member.organization_id, member_id: member.id },
        body: { role_id: roleId },
      }),
    refresh: [organizationsKey],
    successMessage: ({ role_name }) =>
      `${visible(member.display_name)} is now ${visible(role_name)}`,
    undo: () => {
      // The previous role; by the time of the undo, the list has been refetched.
      const { organization_id: org_id, id: member_id, role_id } = member;
      return () => client.members.update({ params: { org_id, member_id }, body: { role_id } });
    },
    toastErrors: true,
  });
  return (
    <div className="max-w-52">
      <Select
        aria-label={`Role of ${visible(member.display_name)}`}
        value={member.role_id}
        options={roles
          .filter((role) => member.kind !== "service_account" || !isOwnerRole(role))
          .map((role) => ({ value: role.id, label: visible(role.name) }))}
        onChange={change.submit}
        disabledReason={change.pending ? "Saving…" : reason}
      />
    </div>
  );
}

interface RemoveButtonProps {
  member: Member;
  isMe: boolean;
  reason: string | undefined;
}

/** Removes a member; leaving needs no permission. */
function RemoveButton({ member, isMe, reason }: RemoveButtonProps): ReactElement {
  const navigate = useNavigate();
  const { organization_id: org_id, role_id, user_id, agent_id } = member;
  const name = visible(member.display_name);
  const label = isMe ? "Leave" : "Remove";
  const add = () =>
    client.members.add({
      params: { org_id },
      body: {
        role_id,
        ...(user_id === null ? {} : { user_id }),
        ...(agent_id === null ? {} : { agent_id }),
      },
    });
  return (
    <div className="md:text-right">
      <ConfirmButton
        size="sm"
        label={label}
        aria-label={isMe ? "Leave the organization" : `Remove ${name}`}
        disabledReason={reason}
        title={isMe ? "Leave the organization?" : `Remove ${name}?`}
        mutation={{
          run: () => client.members.remove({ params: { org_id, member_id: member.id } }),
          refresh: [isMe ? organizationsQuery.queryKey : organizationsKey],
          successMessage: () => (isMe ? "You left the organization" : `${name} was removed`),
          // Former members cannot add themselves again.
          undo: () => (isMe ? undefined : add),
          onDone: () => {
            if (isMe) void navigate(paths.organizations());
          },
        }}
      >
        {isMe ? (
          "You lose access to its projects and agents at once. To return, you need a new invitation."
        ) : (
          <>
            <PlainText value={member.display_name} /> loses access to this organization at once,
            through any credential.
          </>
        )}
      </ConfirmButton>
    </div>
  );
}

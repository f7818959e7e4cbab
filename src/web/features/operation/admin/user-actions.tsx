import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { AdminUserDetail } from "#shared/api/operation/admin.js";
import { useApiMutation } from "../../../api/use-mutation.js";
import { client } from "../../../api/client.js";
import { paths } from "../../../paths/paths.js";
import { Button } from "../../../ui/actions/button.js";
import { Card } from "../../../ui/layout/card.js";
import { ActionRow, ActionRows } from "../../../ui/layout/danger-zone.js";
import { visible } from "../../../ui/text/plain-text.js";
import { meQuery } from "../../../api/queries/identity/auth.js";
import { PasswordLinkButton } from "./password-link-button.js";
import { adminKey } from "../../../api/queries/operation/admin.js";
import { TypedConfirmButton, ConfirmButton } from "../../../components/confirmations.js";

type Operation = "disable" | "removeSecondFactor" | "signOut" | "promote" | "demote";

interface UserProps {
  user: AdminUserDetail;
}

/** Actions that restore a user's access, and actions that revoke it. */
export function UserActions({ user }: UserProps): ReactElement {
  return (
    <>
      <Card title="Help">
        <ActionRows>
          <ActionRow
            title="Reset password"
            description="A link to choose a new password. It works once, for an hour."
          >
            <PasswordLinkButton user={user} />
          </ActionRow>
          <ActionRow
            title="Second factor"
            description="Removes the authenticator app, its recovery codes and all passkeys."
          >
            <UserActionButton
              user={user}
              operation="removeSecondFactor"
              label="Remove second factor"
              successMessage="Second factor removed"
              question="The password alone signs in afterwards. Make sure that it is the user who asked."
              disabledReason={user.has_second_factor ? undefined : "The user has no second factor."}
            />
          </ActionRow>
          <ActionRow title="Sessions" description="Ends every session. API keys keep working.">
            <UserActionButton
              user={user}
              operation="signOut"
              label="Sign out everywhere"
              successMessage="Signed out everywhere"
              question="The user has to sign in again on every device."
              disabledReason={user.sessions > 0 ? undefined : "The user is signed in nowhere."}
            />
          </ActionRow>
          <ActionRow title="Export" description="All stored data of the user, as JSON.">
            <ExportButton user={user} />
          </ActionRow>
        </ActionRows>
      </Card>
      <Card title="Access" tone="bad">
        <ActionRows>
          <ActionRow
            title="Super admin"
            description="Super admins see all users and the usage of all organizations."
          >
            {user.is_super_admin ? (
              <UserActionButton
                user={user}
                operation="demote"
                label="Remove super admin"
                successMessage="Super admin removed"
                question="The user keeps the roles in organizations."
              />
            ) : (
              <UserActionButton
                user={user}
                operation="promote"
                label="Make super admin"
                successMessage="Made a super admin"
                question="Super admins can do all of this to every user, you included."
                disabledReason={user.is_active ? undefined : "Enable the user first."}
              />
            )}
          </ActionRow>
          <ActionRow
            title="Sign-in"
            description="A disabled user cannot sign in, and the user's API keys do not work."
          >
            {user.is_active ? (
              <UserActionButton
                user={user}
                operation="disable"
                label="Disable user"
                successMessage="User disabled"
                question="Sessions end at once and API keys stop working, until you enable the user again."
              />
            ) : (
              <EnableButton user={user} />
            )}
          </ActionRow>
          <ActionRow title="Delete" description="Deletes the account for good.">
            <DeleteUser user={user} />
          </ActionRow>
        </ActionRows>
      </Card>
    </>
  );
}

interface UserActionProps extends UserProps {
  operation: Operation;
  label: string;
  successMessage: string;
  /** The consequences. */
  question: string;
  disabledReason?: string | undefined;
}

function UserActionButton({
  user,
  operation,
  successMessage,
  question,
  ...button
}: UserActionProps): ReactElement {
  return (
    <ConfirmButton
      {...button}
      title={`${button.label}?`}
      mutation={{
        run: () => client.admin[operation]({ params: { user_id: user.id } }),
        refresh: [adminKey, meQuery.queryKey],
        successMessage: () => successMessage,
      }}
    >
      {question}
    </ConfirmButton>
  );
}

function EnableButton({ user }: UserProps): ReactElement {
  const enable = useApiMutation({
    run: () => client.admin.enable({ params: { user_id: user.id } }),
    refresh: [adminKey],
    successMessage: () => "User enabled",
    toastErrors: true,
  });
  return (
    <Button pending={enable.pending} onClick={() => enable.submit(undefined)}>
      Enable user
    </Button>
  );
}

function ExportButton({ user }: UserProps): ReactElement {
  const action = useApiMutation({
    run: () => client.admin.export({ params: { user_id: user.id } }),
    refresh: [adminKey],
    onDone: (data) => {
      const text = JSON.stringify(data, null, 2);
      const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
      const link = document.createElement("a");
      link.href = url;
      link.download = `user-${user.id}.json`;
      link.click();
      URL.revokeObjectURL(url);
    },
    toastErrors: true,
  });
  return (
    <Button icon="download" pending={action.pending} onClick={() => action.submit(undefined)}>
      Export data
    </Button>
  );
}

function DeleteUser({ user }: UserProps): ReactElement {
  const navigate = useNavigate();
  const { data: me } = useQuery(meQuery);
  const owned = user.memberships.filter(({ is_last_owner }) => is_last_owner);
  const reason =
    owned.length > 0
      ? `The user is the last owner of ${owned.map(({ organization_name }) => visible(organization_name)).join(", ")}. Make another member an owner first.`
      : me?.id === user.id
        ? "You cannot delete yourself here; ask another super admin."
        : undefined;
  return (
    <TypedConfirmButton
      label="Delete user"
      mutation={{
        run: () => client.admin.delete({ params: { user_id: user.id } }),
        successMessage: () => "User deleted",
        onDone: () => void navigate(paths.admin()),
      }}
      reason={reason}
      title={`Delete ${visible(user.email)}?`}
      consequences={[
        "The user leaves every organization; sessions end and API keys stop working.",
        "Audit logs and statements show “Deleted user”.",
        "Commits keep their authors.",
        "This cannot be undone.",
      ]}
      word={user.email}
      wordName="email address"
      verb="Delete"
    />
  );
}

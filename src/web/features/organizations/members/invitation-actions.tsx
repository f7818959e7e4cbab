import { type ReactElement, useState } from "react";
import type { Invitation, SentInvitation } from "#shared/api/organizations/invitations.js";
import { useApiMutation } from "../../../api/use-mutation.js";
import { client } from "../../../api/client.js";
import { Button } from "../../../ui/button.js";
import { ConfirmDialog, Dialog } from "../../../ui/dialog.js";
import { PlainText, visible } from "../../../ui/plain-text.js";
import { InvitationLink } from "./invitation-link.js";
import { organizationsKey } from "../../../api/queries/organizations.js";

interface ActionsProps {
  orgId: string;
  invitation: Invitation;
  reason: string | undefined;
}

/** Resends or revokes an invitation. */
export function InvitationActions({ orgId, invitation, reason }: ActionsProps): ReactElement {
  const [isAsking, setAsking] = useState(false);
  const [sent, setSent] = useState<SentInvitation | null>(null);
  const params = { org_id: orgId, invitation_id: invitation.id };
  const email = visible(invitation.email);
  const resend = useApiMutation({
    run: (_input: undefined, headers) => client.invitations.resend({ params }, { headers }),
    refresh: [organizationsKey],
    onDone: setSent,
    toastErrors: true,
  });
  const revoke = useApiMutation({
    run: () => client.invitations.revoke({ params }),
    refresh: [organizationsKey],
    successMessage: () => `The invitation of ${email} is revoked`,
    onDone: () => setAsking(false),
  });
  const closeAsking = (): void => {
    setAsking(false);
    revoke.reset();
  };
  return (
    <div className="flex gap-2 md:justify-end">
      <Button
        size="sm"
        aria-label={`Resend to ${email}`}
        pending={resend.pending}
        disabledReason={
          reason ??
          (invitation.role_id === null ? "Its role was deleted; invite with another." : undefined)
        }
        onClick={() => resend.submit(undefined)}
      >
        Resend
      </Button>
      <Button
        size="sm"
        aria-label={`Revoke the invitation of ${email}`}
        disabledReason={reason}
        onClick={() => setAsking(true)}
      >
        Revoke
      </Button>
      <Dialog isOpen={sent !== null} onClose={() => setSent(null)} title="New invitation link">
        {sent && <InvitationLink invitation={sent} onClose={() => setSent(null)} />}
      </Dialog>
      <ConfirmDialog
        isOpen={isAsking}
        onClose={closeAsking}
        title="Revoke this invitation?"
        action="Revoke"
        pending={revoke.pending}
        error={revoke.error}
        onConfirm={() => revoke.submit(undefined)}
      >
        The link that <PlainText value={invitation.email} /> has stops working at once.
      </ConfirmDialog>
    </div>
  );
}

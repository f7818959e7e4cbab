import { type ReactElement, useState } from "react";
import type { Invitation, SentInvitation } from "#shared/api/organization/invitations.js";
import { useApiMutation } from "../../../../api/use-mutation.js";
import { client } from "../../../../api/client.js";
import { Button } from "../../../../ui/actions/button.js";
import { Dialog } from "../../../../ui/overlays/dialog.js";
import { PlainText, visible } from "../../../../ui/text/plain-text.js";
import { InvitationLink } from "./invitation-link.js";
import { organizationsKey } from "../../../../api/queries/organization/organizations.js";
import { ConfirmButton } from "../../../../components/confirmations.js";

interface ActionsProps {
  orgId: string;
  invitation: Invitation;
  reason: string | undefined;
}

/** Resends or revokes an invitation. */
export function InvitationActions({ orgId, invitation, reason }: ActionsProps): ReactElement {
  const [sent, setSent] = useState<SentInvitation | null>(null);
  const params = { org_id: orgId, invitation_id: invitation.id };
  const email = visible(invitation.email);
  const resend = useApiMutation({
    run: (_input: undefined, headers) => client.invitations.resend({ params }, { headers }),
    refresh: [organizationsKey],
    onDone: setSent,
    toastErrors: true,
  });
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
      <ConfirmButton
        size="sm"
        label="Revoke"
        aria-label={`Revoke the invitation of ${email}`}
        disabledReason={reason}
        title="Revoke this invitation?"
        mutation={{
          run: () => client.invitations.revoke({ params }),
          refresh: [organizationsKey],
          successMessage: () => `The invitation of ${email} is revoked`,
        }}
      >
        The link that <PlainText value={invitation.email} /> has stops working at once.
      </ConfirmButton>
      <Dialog isOpen={sent !== null} onClose={() => setSent(null)} title="New invitation link">
        {sent && <InvitationLink invitation={sent} onClose={() => setSent(null)} />}
      </Dialog>
    </div>
  );
}

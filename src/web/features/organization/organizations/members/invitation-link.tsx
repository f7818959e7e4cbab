import type { ReactElement } from "react";
import type { SentInvitation } from "#shared/api/organization/invitations.js";
import { Alert } from "../../../../ui/feedback/alert.js";
import { Button } from "../../../../ui/actions/button.js";
import { CopyButton } from "../../../../ui/feedback/copy-button.js";
import { DialogActions } from "../../../../ui/overlays/dialog.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { useUnsentEmailNote } from "../../../identity/parts/auth/email-delivery.js";
import { Time } from "../../../../ui/text/time.js";
import { SecretText } from "../../../../ui/text/secret-text.js";

/** A new link, shown once. */
export function InvitationLink({
  invitation,
  onClose,
}: {
  invitation: SentInvitation;
  onClose: () => void;
}): ReactElement {
  const note = useUnsentEmailNote();
  const { email, expires_at, invite_url } = invitation;
  return (
    <div className="flex flex-col gap-4">
      <p>
        {note === null ? (
          <>
            An email is on its way to <PlainText value={email} className="font-medium" />.
          </>
        ) : (
          <>
            This server sends no email. Copy the link and pass it on to{" "}
            <PlainText value={email} className="font-medium" /> yourself.
          </>
        )}{" "}
        The invitation can be accepted until <Time value={expires_at} />.
      </p>
      {invite_url === null ? (
        <Alert tone="warn">
          The link was shown before and is not kept. Send the invitation again for a new one.
        </Alert>
      ) : (
        <>
          <Alert tone="info" live>
            {note === null && "You can also pass the link on yourself. "}
            The link is shown only now, and only this address can use it.
          </Alert>
          <SecretText data-testid="invite-url">{invite_url}</SecretText>
        </>
      )}
      <DialogActions>
        {invite_url !== null && (
          <CopyButton label="Copy link" text={invite_url} done="Link copied" />
        )}
        <Button variant="primary" onClick={onClose}>
          Done
        </Button>
      </DialogActions>
    </div>
  );
}

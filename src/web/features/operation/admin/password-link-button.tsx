import { type ReactElement, useState } from "react";
import type { AdminUserDetail, PasswordLink } from "#shared/api/operation/admin.js";
import { useApiMutation } from "../../../api/use-mutation.js";
import { client } from "../../../api/client.js";
import { Button } from "../../../ui/actions/button.js";
import { CopyButton } from "../../../ui/feedback/copy-button.js";
import { Dialog, DialogActions } from "../../../ui/overlays/dialog.js";
import { PlainText } from "../../../ui/text/plain-text.js";
import { Time } from "../../../ui/text/time.js";
import { adminKey } from "../../../api/queries/operation/admin.js";
import { SecretText } from "../../../ui/text/secret-text.js";

/** Creates a password reset link and shows it once. */
export function PasswordLinkButton({ user }: { user: AdminUserDetail }): ReactElement {
  const [link, setLink] = useState<PasswordLink | null>(null);
  const reset = useApiMutation({
    run: () => client.admin.resetPassword({ params: { user_id: user.id } }),
    refresh: [adminKey],
    onDone: setLink,
    toastErrors: true,
  });
  return (
    <>
      <Button
        pending={reset.pending}
        disabledReason={user.is_active ? undefined : "Enable the user first."}
        onClick={() => reset.submit(undefined)}
      >
        Create reset link
      </Button>
      <Dialog
        isOpen={link !== null}
        onClose={() => setLink(null)}
        title="Reset link"
        description={
          <>
            Give it to <PlainText value={user.email} /> yourself. It is shown only now.
          </>
        }
      >
        {link && (
          <div className="flex flex-col gap-4">
            <SecretText>{link.reset_url}</SecretText>
            <p className="text-muted">
              It works once, until <Time value={link.expires_at} />.
            </p>
            <DialogActions>
              <CopyButton label="Copy link" text={link.reset_url} done="Link copied" />
              <Button variant="primary" onClick={() => setLink(null)}>
                Done
              </Button>
            </DialogActions>
          </div>
        )}
      </Dialog>
    </>
  );
}

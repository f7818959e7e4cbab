import type { ReactElement } from "react";
import type { User } from "#shared/api/identity/auth.js";
import { Button, IconButton } from "../../../../ui/actions/button.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { useUnsentEmailNote } from "./email-delivery.js";
import { useResendVerification } from "./resend-verification.js";

/** Shown above every page until the user's address is confirmed; can be dismissed for the session. */
export function VerifyReminder({
  user,
  onDismiss,
}: {
  user: User;
  onDismiss: () => void;
}): ReactElement {
  const note = useUnsentEmailNote();
  const sendAgain = useResendVerification(user.email);
  return (
    <section
      aria-label="Reminder"
      className="flex flex-wrap items-center gap-x-3 border-b border-line bg-warn-soft px-4 py-1.5 text-[13px] text-warn sm:px-8"
    >
      <p className="min-w-0 flex-1 basis-[calc(100%-3.5rem)] sm:basis-0">
        {note === null ? (
          <>
            Confirm your email address: open the link sent to{" "}
            <strong className="font-semibold">
              <PlainText value={user.email} />
            </strong>
            .
          </>
        ) : (
          `Confirm your email address. ${note}`
        )}
      </p>
      <IconButton
        label="Hide this reminder"
        icon="close"
        className="-mr-2 shrink-0 sm:order-last"
        onClick={onDismiss}
      />
      <Button size="sm" pending={sendAgain.pending} onClick={() => sendAgain.submit(undefined)}>
        {note === null ? "Send again" : "Create new link"}
      </Button>
    </section>
  );
}

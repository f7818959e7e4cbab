import type { ReactElement } from "react";
import type { User } from "#shared/api/auth.js";
import { Button, IconButton } from "../../ui/button.js";
import { PlainText } from "../../ui/plain-text.js";
import { useResendVerification } from "./send-again.js";

/** Above every page while one's address is not confirmed; it can be put away for the visit. */
export function VerifyReminder({
  user,
  onDismiss,
}: {
  user: User;
  onDismiss: () => void;
}): ReactElement {
  const sendAgain = useResendVerification(user.email);
  return (
    <section
      aria-label="Reminder"
      className="flex items-center gap-x-3 border-b border-line bg-warn-soft px-4 py-1.5 text-[13px] text-warn sm:px-8"
    >
      <p className="min-w-0 flex-1">
        Confirm your email address by the link sent to{" "}
        <strong className="font-semibold">
          <PlainText value={user.email} />
        </strong>
        .
      </p>
      <Button size="sm" pending={sendAgain.pending} onClick={() => sendAgain.submit(undefined)}>
        Send again
      </Button>
      <IconButton
        label="Hide this reminder"
        icon="close"
        className="-mr-2 shrink-0"
        onClick={onDismiss}
      />
    </section>
  );
}

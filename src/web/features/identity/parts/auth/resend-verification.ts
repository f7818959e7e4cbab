import { type Action, useApiMutation } from "../../../../api/use-mutation.js";
import { client } from "../../../../api/client.js";
import { useUnsentEmailNote } from "./email-delivery.js";
import { visible } from "../../../../ui/text/plain-text.js";

/** Sends a new verification link. */
export function useResendVerification(email: string): Action<undefined> {
  const note = useUnsentEmailNote();
  return useApiMutation({
    run: () => client.auth.resendVerification({ body: { email } }),
    successMessage: () => note ?? `A link is on its way to ${visible(email)}`,
    toastErrors: true,
  });
}

import { type Action, useAction } from "../../api/use-mutation.js";
import { client } from "../../api/client.js";
import { visible } from "../../ui/plain-text.js";

/** Has a new link sent to confirm one's address. */
export function useSendAgain(email: string): Action<undefined> {
  return useAction({
    run: () => client.auth.resendVerification({ body: { email } }),
    say: () => `A link is on its way to ${visible(email)}`,
    toastErrors: true,
  });
}

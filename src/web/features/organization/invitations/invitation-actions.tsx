import { useQueryClient } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { useApiMutation } from "../../../api/use-mutation.js";
import { client } from "../../../api/client.js";
import { Alert } from "../../../ui/feedback/alert.js";
import { Button } from "../../../ui/actions/button.js";
import { PlainText } from "../../../ui/text/plain-text.js";
import { useAccept } from "../../identity/parts/auth/accept-invitation.js";

export function AcceptInvitation({ token }: { token: string }): ReactElement {
  const accept = useAccept(token);
  return (
    <div className="flex flex-col gap-3">
      {accept.error && <Alert live>{accept.error.message}</Alert>}
      <Button variant="primary" pending={accept.pending} onClick={() => accept.submit(undefined)}>
        Accept invitation
      </Button>
    </div>
  );
}

/** Signed in with another address: only the invited address can accept. */
export function SignOutFirst({
  signedInAs,
  email,
}: {
  signedInAs: string;
  email: string;
}): ReactElement {
  const queries = useQueryClient();
  const signOut = useApiMutation({
    run: () => client.auth.logout(),
    // Clear the previous session's data; this page's data is refetched.
    onDone: () => void queries.resetQueries(),
  });
  return (
    <div className="flex flex-col gap-3">
      <Alert tone="info">
        You are signed in as <PlainText value={signedInAs} />. Only <PlainText value={email} /> can
        accept this invitation.
      </Alert>
      {signOut.error && <Alert live>{signOut.error.message}</Alert>}
      <Button variant="primary" pending={signOut.pending} onClick={() => signOut.submit(undefined)}>
        Sign out and continue
      </Button>
    </div>
  );
}

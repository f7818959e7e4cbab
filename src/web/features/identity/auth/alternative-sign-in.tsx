import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { useApiMutation } from "../../../api/use-mutation.js";
import { Alert } from "../../../ui/feedback/alert.js";
import { Button, buttonClass } from "../../../ui/actions/button.js";
import { passkeyProblem, signInWithPasskey } from "../parts/auth/passkey.js";
import { methodsQuery } from "../../../api/queries/identity/auth.js";

/** Sign-in without a password: by passkey or identity provider. */
export function AlternativeSignIn({
  destination,
  onSignedIn,
}: {
  destination: string;
  onSignedIn: () => void;
}): ReactElement {
  const { data: methods } = useQuery(methodsQuery);
  const passkey = useApiMutation({ run: signInWithPasskey, onDone: onSignedIn });
  return (
    <div className="flex flex-col gap-3">
      <p className="flex items-center gap-3 text-[13px] text-muted before:h-px before:flex-1 before:bg-line after:h-px after:flex-1 after:bg-line">
        or
      </p>
      {passkey.error && <Alert live>{passkey.error.message}</Alert>}
      <Button
        icon="key"
        pending={passkey.pending}
        disabledReason={passkeyProblem(methods?.passkey_reason)}
        onClick={() => passkey.submit(undefined)}
      >
        Sign in with a passkey
      </Button>
      {methods?.oidc && (
        // Not a page of this app: the server redirects the browser.
        <a
          href={`/api/v1/auth/oidc/start?redirect=${encodeURIComponent(destination)}`}
          className={`${buttonClass()} min-w-0`}
        >
          <span className="truncate">Continue with {methods.oidc.name}</span>
        </a>
      )}
    </div>
  );
}

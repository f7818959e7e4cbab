import { useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { type ReactElement, useEffect, useRef, useState } from "react";
import { api } from "../../api/api-calls.js";
import { useApiMutation } from "../../api/use-mutation.js";
import { validateBody, client } from "../../api/client.js";
import { paths } from "../../paths/paths.js";
import { Alert } from "../../ui/feedback/alert.js";
import { Button, buttonClass } from "../../ui/actions/button.js";
import { RequestLinkForm } from "./request-link-form.js";
import { AuthLayout } from "../../components/auth/auth-layout.js";
import { useLinkToken } from "./link-token.js";
import { meQuery } from "../../api/queries/identity/auth.js";
import { mayBeSignedIn } from "../../access/signed-in.js";

const route = getRouteApi("/verify-email");
const page = paths.verifyEmail();

/** Confirms an address by a button: mail scanners open links but do not press buttons. */
export function VerifyEmailPage(): ReactElement {
  const token = useLinkToken(route.useSearch().token, page);
  const queries = useQueryClient();
  const me = useQuery({ ...meQuery, enabled: mayBeSignedIn() });
  const [outcome, setOutcome] = useState<"kept" | "revoked" | null>(null);
  const isDone = outcome !== null;
  const done = useRef<HTMLDivElement>(null);
  const verify = useApiMutation({
    run: async () => {
      const body = await validateBody(api.auth.verifyEmail, { token: token ?? "" });
      const answer = await client.auth.verifyEmail({ body });
      // The link may belong to another account, so check whether this session's account is verified
      // now.
      const after = me.data ? await client.auth.me().catch(() => null) : null;
      const isOwn = me.data?.is_verified === false && after?.data.is_verified === true;
      return { ...answer, data: isOwn };
    },
    onDone: (isOwn) => {
      queries.removeQueries({ queryKey: meQuery.queryKey });
      setOutcome(isOwn ? "kept" : "revoked");
    },
  });
  useEffect(() => {
    if (isDone) done.current?.focus();
  }, [isDone]);
  const isDead = token === undefined || verify.error?.code === "invalid_link";

  return (
    <AuthLayout
      title="Confirm your email address"
      lead="A confirmed address is needed to reset your password."
      footer={
        isDone ? null : (
          <Link {...paths.organizations()} className="font-medium text-accent-ink underline">
            Continue without confirming
          </Link>
        )
      }
    >
      {isDone ? (
        <div ref={done} tabIndex={-1} className="flex flex-col gap-4 outline-none">
          <Alert tone="good">Your email address is confirmed.</Alert>
          {outcome === "revoked" && <Revoked />}
          <Link {...paths.organizations()} className={buttonClass("primary")}>
            Continue
          </Link>
        </div>
      ) : isDead ? (
        <RequestLinkForm
          label="A new link"
          notice={
            <Alert live>
              {verify.error?.message ??
                "Open this page by the link in the mail, or ask for a new link."}
            </Alert>
          }
          action="Send a new link"
          validity="It works once, within 24 hours."
          endpoint={api.auth.resendVerification}
          ask={(body) => client.auth.resendVerification({ body })}
        />
      ) : me.isLoading ? null : (
        <div className="flex flex-col gap-4">
          {verify.error && <Alert live>{verify.error.message}</Alert>}
          {me.data === undefined ? (
            <>
              <p>
                You are not signed in here. Sign in first to keep your sessions, API keys, passkeys
                and second factor. Confirming without signing in ends them all.
              </p>
              <Link
                {...paths.login({ redirect: `/verify-email?token=${encodeURIComponent(token)}` })}
                className={buttonClass("primary")}
              >
                Sign in first
              </Link>
              <Button pending={verify.pending} onClick={() => verify.submit(undefined)}>
                Confirm without signing in
              </Button>
            </>
          ) : (
            <>
              <p>One click, and it is done.</p>
              <Button
                variant="primary"
                pending={verify.pending}
                onClick={() => verify.submit(undefined)}
              >
                Confirm email address
              </Button>
            </>
          )}
        </div>
      )}
    </AuthLayout>
  );
}

/** Explains the security reset of an account that was confirmed outside its own session. */
function Revoked(): ReactElement {
  return (
    <p>
      The link was not opened in a session of the account. Every session, API key, passkey, linked
      identity and second factor that the account had was removed. If you did not choose its
      password yourself,{" "}
      <Link {...paths.forgotPassword()} className="font-medium text-accent-ink underline">
        choose a new one
      </Link>{" "}
      now.
    </p>
  );
}

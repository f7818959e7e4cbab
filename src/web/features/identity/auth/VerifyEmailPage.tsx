import { useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { type ReactElement, useEffect, useRef, useState } from "react";
import { api } from "../../../api/api-calls.js";
import { useApiMutation } from "../../../api/use-mutation.js";
import { validateBody, client } from "../../../api/client.js";
import { paths } from "../../../paths/paths.js";
import { Alert } from "../../../ui/feedback/alert.js";
import { Button, buttonClass } from "../../../ui/actions/button.js";
import { RequestLinkForm } from "./request-link-form.js";
import { AuthLayout } from "../parts/auth/auth-layout.js";
import { useLinkToken } from "./link-token.js";
import { meQuery } from "../../../api/queries/identity/auth.js";
import { mayBeSignedIn } from "../../../access/signed-in.js";

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
    /** @param keep_access the answer of a person who is not signed in to the link's account */
    run: async (keep_access: boolean | undefined) => {
      const given = { token: token ?? "", ...(keep_access !== undefined && { keep_access }) };
      const body = await validateBody(api.auth.verifyEmail, given);
      const answer = await client.auth.verifyEmail({ body });
      // The link may belong to another account, so check whether this session's account is verified
      // now.
      const after = me.data ? await client.auth.me().catch(() => null) : null;
      const isOwn = me.data?.is_verified === false && after?.data.is_verified === true;
      return { ...answer, data: isOwn || keep_access === true };
    },
    onDone: (isKept) => {
      queries.removeQueries({ queryKey: meQuery.queryKey });
      setOutcome(isKept ? "kept" : "revoked");
    },
  });
  useEffect(() => {
    if (isDone) done.current?.focus();
  }, [isDone]);
  const isOfAnother = verify.error?.code === "link_of_another_account";
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
          {outcome === "revoked" ? (
            <Revoked />
          ) : (
            <Link {...paths.organizations()} className={buttonClass("primary")}>
              Continue
            </Link>
          )}
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
          {me.data === undefined || me.data.is_verified || isOfAnother ? (
            <Question pending={verify.pending} onAnswer={verify.submit} />
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

/** Asks a person outside the account's own session whose account it is: anyone can register any address. */
function Question({
  pending,
  onAnswer,
}: {
  pending: boolean;
  onAnswer: (keepsAccess: boolean) => void;
}): ReactElement {
  return (
    <>
      <p className="font-medium">Did you make the account with this address?</p>
      <div className="flex flex-col gap-1.5">
        <Button pending={pending} onClick={() => onAnswer(true)}>
          I made this account
        </Button>
        <p className="text-[13px] text-muted">
          Its sessions, API keys, passkeys, linked identities and second factor are kept.
        </p>
      </div>
      <div className="flex flex-col gap-1.5">
        <Button pending={pending} onClick={() => onAnswer(false)}>
          I did not
        </Button>
        <p className="text-[13px] text-muted">
          Another person used your address. Everything that lets them in is removed. You then choose
          a new password.
        </p>
      </div>
    </>
  );
}

/** Leads to a new password: the person who made the account knows the present one. */
function Revoked(): ReactElement {
  return (
    <>
      <p>
        Every session, API key, passkey, linked identity and second factor of the account was
        removed. Choose a new password now, unless you chose the present one yourself.
      </p>
      <Link {...paths.forgotPassword()} className={buttonClass("primary")}>
        Choose a new password
      </Link>
    </>
  );
}

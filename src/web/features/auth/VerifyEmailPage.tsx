import { useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { type ReactElement, useEffect, useRef, useState } from "react";
import { api } from "../../contract.js";
import { useAction } from "../../action.js";
import { checked, client } from "../../api.js";
import { paths } from "../../paths.js";
import { Alert } from "../../ui/alert.js";
import { Button, buttonClass } from "../../ui/button.js";
import { AskForLink } from "./ask-for-link.js";
import { AuthLayout } from "./auth-layout.js";
import { useLinkToken } from "./link-token.js";
import { meQuery } from "./queries.js";

const route = getRouteApi("/verify-email");
const page = paths.verifyEmail();

/** Confirms an address by a click: what scans mails opens links, but presses no buttons. */
export function VerifyEmailPage(): ReactElement {
  const token = useLinkToken(route.useSearch().token, page);
  const queries = useQueryClient();
  const [isDone, setDone] = useState(false);
  const done = useRef<HTMLDivElement>(null);
  const verify = useAction({
    run: async () =>
      client.auth.verifyEmail({
        body: await checked(api.auth.verifyEmail, { token: token ?? "" }),
      }),
    onDone: () => {
      // Who is signed in here, if anybody, is asked for afresh.
      queries.removeQueries({ queryKey: meQuery.queryKey });
      setDone(true);
    },
  });
  useEffect(() => {
    if (isDone) done.current?.focus();
  }, [isDone]);
  const isDead = token === undefined || verify.error?.code === "invalid_link";

  return (
    <AuthLayout
      title="Confirm your e-mail address"
      lead="So that you can be reached, for example to reset your password."
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
          <Alert tone="good">Your e-mail address is confirmed.</Alert>
          <Link {...paths.organizations()} className={buttonClass("primary")}>
            Continue
          </Link>
        </div>
      ) : isDead ? (
        <AskForLink
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
      ) : (
        <div className="flex flex-col gap-4">
          {verify.error && <Alert live>{verify.error.message}</Alert>}
          <p>One click, and it is done.</p>
          <Button
            variant="primary"
            pending={verify.pending}
            onClick={() => verify.submit(undefined)}
          >
            Confirm e-mail address
          </Button>
        </div>
      )}
    </AuthLayout>
  );
}

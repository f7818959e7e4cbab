import { useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link, Navigate, useRouter } from "@tanstack/react-router";
import { type ReactElement, useState } from "react";
import { oidcErrors } from "#shared/identity/oidc-errors.js";
import { paths } from "../../../paths/paths.js";
import { Alert } from "../../../ui/feedback/alert.js";
import { AuthLayout, destinationOf } from "../parts/auth/auth-layout.js";
import { AlternativeSignIn } from "./alternative-sign-in.js";
import { PasswordForm, type PasswordOutcome } from "./password-form.js";
import { methodsQuery } from "../../../api/queries/identity/auth.js";
import { SecondStep } from "./second-step.js";

const route = getRouteApi("/login");

export function LoginPage(): ReactElement {
  const { redirect, error, ended } = route.useSearch();
  const { history } = useRouter();
  const queries = useQueryClient();
  const { data: methods } = useQuery(methodsQuery);
  const [second, setSecond] = useState<PasswordOutcome>(null);
  const [message, setMessage] = useState<string | undefined>(error && oidcErrors[error]);

  const enter = (): void => {
    queries.clear();
    history.replace(destinationOf(redirect));
  };
  const isByInvitation = methods && methods.registration !== "open";
  const footer = isByInvitation ? (
    "Accounts are by invitation here. Ask an owner of your organization for one."
  ) : (
    <>
      New here?{" "}
      <Link {...paths.register({ redirect })} className="font-medium text-accent-ink underline">
        Create an account
      </Link>
    </>
  );

  if (methods?.needs_first_account) return <Navigate {...paths.register({ redirect })} replace />;
  if (second) {
    return (
      <AuthLayout
        title="Second factor"
        lead="Your password is right. One more step."
        footer="Lost both the app and the recovery codes? Ask the administrator of this server."
      >
        <SecondStep
          challenge={second.challenge}
          hasRecoveryCodes={second.methods.includes("recovery_code")}
          onSignedIn={enter}
          onExpired={(why) => {
            setMessage(why);
            setSecond(null);
          }}
        />
      </AuthLayout>
    );
  }
  return (
    <AuthLayout
      title="Sign in"
      lead="The control plane for your team's coding agents."
      footer={footer}
    >
      <div className="flex flex-col gap-5">
        {ended && !message && (
          <Alert tone="info">Your session has ended. Sign in to return to your page.</Alert>
        )}
        {message && <Alert live>{message}</Alert>}
        <PasswordForm
          onDone={(outcome) => {
            if (outcome) setSecond(outcome);
            else enter();
          }}
        />
        <AlternativeSignIn destination={destinationOf(redirect)} onSignedIn={enter} />
      </div>
    </AuthLayout>
  );
}

import { useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { api } from "../../../api/api-calls.js";
import { client } from "../../../api/client.js";
import { useForm } from "../../../forms/use-form.js";
import { paths } from "../../../paths/paths.js";
import { Alert } from "../../../ui/feedback/alert.js";
import { buttonClass } from "../../../ui/actions/button.js";
import { Form, SubmitButton } from "../../../ui/fields/form.js";
import { notify } from "../../../ui/feedback/toast.js";
import { AuthLayout } from "../parts/auth/auth-layout.js";
import { useLinkToken } from "./link-token.js";
import { NewPasswordField } from "../parts/auth/new-password-field.js";

const route = getRouteApi("/reset-password");
const page = paths.resetPassword();

export function ResetPasswordPage(): ReactElement {
  const token = useLinkToken(route.useSearch().token, page);
  const queries = useQueryClient();
  const navigate = useNavigate();
  const form = useForm({
    endpoint: api.auth.resetPassword,
    saved: { new_password: "" },
    toBody: ({ new_password }) => ({ token: token ?? "", new_password }),
    run: (body) => client.auth.resetPassword({ body }),
    isGuarded: false,
    onDone: () => {
      // The reset has ended the session in this browser.
      queries.clear();
      notify("Your password is changed. Sign in with it.");
      void navigate(paths.login());
    },
  });
  const isDead = token === undefined || form.error?.code === "invalid_link";

  return (
    <AuthLayout
      title="Choose a new password"
      lead="This signs you out on all devices. If your email address was not confirmed while you were signed in, the account's API keys, passkeys, linked identities and second factor are removed."
      footer={
        <Link {...paths.login()} className="font-medium text-accent-ink underline">
          Back to sign in
        </Link>
      }
    >
      {isDead ? (
        <div className="flex flex-col gap-4">
          <Alert live>
            {form.error?.message ??
              "Open this page by the link in the mail, or ask for a new link."}
          </Alert>
          <Link {...paths.forgotPassword()} className={buttonClass("primary")}>
            Ask for a new link
          </Link>
        </div>
      ) : (
        <Form label="Choose a new password" {...form.props}>
          <NewPasswordField {...form.field("new_password")} />
          <SubmitButton>Save password</SubmitButton>
        </Form>
      )}
    </AuthLayout>
  );
}

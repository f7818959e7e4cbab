import { useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { type ReactElement, useState } from "react";
import { useAction } from "../../action.js";
import { checked, client } from "../../api.js";
import { api } from "../../contract.js";
import { paths } from "../../paths.js";
import { Alert } from "../../ui/alert.js";
import { Button, buttonClass } from "../../ui/button.js";
import { Form } from "../../ui/form.js";
import { notify } from "../../ui/toast.js";
import { AuthLayout } from "./auth-layout.js";
import { useLinkToken } from "./link-token.js";
import { NewPasswordField } from "./new-password-field.js";

const route = getRouteApi("/reset-password");
const page = paths.resetPassword();

export function ResetPasswordPage(): ReactElement {
  const token = useLinkToken(route.useSearch().token, page);
  const queries = useQueryClient();
  const navigate = useNavigate();
  const [password, setPassword] = useState("");
  const reset = useAction({
    run: async () =>
      client.auth.resetPassword({
        body: await checked(api.auth.resetPassword, { token: token ?? "", new_password: password }),
      }),
    onDone: () => {
      // Whoever was signed in here is so no longer.
      queries.clear();
      notify("Your password is changed. Sign in with it.");
      void navigate(paths.login());
    },
  });
  const passwordError = reset.error?.field("new_password");
  const isDead = token === undefined || reset.error?.code === "invalid_link";

  return (
    <AuthLayout
      title="Choose a new password"
      lead="You are signed out everywhere, and sign in again with the new one."
      footer={
        <Link {...paths.login()} className="font-medium text-accent-ink underline">
          Back to sign in
        </Link>
      }
    >
      {isDead ? (
        <div className="flex flex-col gap-4">
          <Alert live>
            {reset.error?.message ??
              "Open this page by the link in the mail, or ask for a new link."}
          </Alert>
          <Link {...paths.forgotPassword()} className={buttonClass("primary")}>
            Ask for a new link
          </Link>
        </div>
      ) : (
        <Form
          label="Choose a new password"
          onSubmit={() => reset.submit(undefined)}
          error={reset.error}
          isShownAtField={passwordError !== undefined}
        >
          <NewPasswordField value={password} onChange={setPassword} error={passwordError} />
          <Button type="submit" variant="primary" pending={reset.pending}>
            Save password
          </Button>
        </Form>
      )}
    </AuthLayout>
  );
}

import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { client } from "../../../api/client.js";
import { api } from "../../../api/api-calls.js";
import { useForm } from "../../../forms/use-form.js";
import { paths } from "../../../paths/paths.js";
import { Card } from "../../../ui/layout/card.js";
import { TextField } from "../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../ui/fields/form.js";
import { NewPasswordField } from "../parts/auth/new-password-field.js";
import { meQuery } from "../../../api/queries/identity/auth.js";
import { sessionsQuery } from "../../../api/queries/identity/account.js";
import { secondFactorQuery } from "../../../api/queries/identity/sign-in-queries.js";

export function PasswordSection(): ReactElement {
  const factors = useQuery(secondFactorQuery);
  if (factors.data?.has_password !== false) return <ChangePassword />;
  return (
    <Card title="Password">
      <p className="text-muted">
        You sign in without a password.{" "}
        <Link {...paths.forgotPassword()} className="underline">
          Set one by email
        </Link>{" "}
        if you want another way in.
      </p>
    </Card>
  );
}

function ChangePassword(): ReactElement {
  const { data: me } = useQuery(meQuery);
  const form = useForm({
    endpoint: api.auth.changePassword,
    saved: { current_password: "", new_password: "" },
    toBody: (values) => values,
    run: (body) => client.auth.changePassword({ body }),
    refresh: [sessionsQuery.queryKey],
    successMessage: () => "Password changed. You are signed out on all other devices.",
    onDone: () => form.reset(),
  });
  return (
    <Card title="Password">
      <Form label="Password" {...form.props}>
        {/* Tells password managers which account the password belongs to. */}
        <input type="text" autoComplete="username" value={me?.email ?? ""} readOnly hidden />
        <TextField
          label="Current password"
          type="password"
          autoComplete="current-password"
          hint={
            <>
              Forgot it?{" "}
              <Link {...paths.forgotPassword()} className="underline">
                Reset your password
              </Link>
              .
            </>
          }
          {...form.field("current_password")}
        />
        <NewPasswordField {...form.field("new_password")} />
        <p className="text-[13px] text-muted">This signs you out on all other devices.</p>
        <SubmitButton className="self-start">Change password</SubmitButton>
      </Form>
    </Card>
  );
}

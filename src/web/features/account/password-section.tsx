import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type ReactElement, useState } from "react";
import { api } from "#shared/api/index.js";
import { useAction } from "../../action.js";
import { checked, client } from "../../api.js";
import { paths } from "../../paths.js";
import { Button } from "../../ui/button.js";
import { Card } from "../../ui/card.js";
import { TextField } from "../../ui/field.js";
import { Form } from "../../ui/form.js";
import { NewPasswordField } from "../auth/new-password-field.js";
import { meQuery } from "../auth/queries.js";
import { sessionsQuery } from "./queries.js";
import { secondFactorQuery } from "./sign-in-queries.js";

export function PasswordSection(): ReactElement {
  const factors = useQuery(secondFactorQuery);
  if (factors.data?.has_password !== false) return <ChangePassword />;
  return (
    <Card title="Password">
      <p className="text-muted">
        You sign in without a password.{" "}
        <Link {...paths.forgotPassword()} className="underline">
          Set one by e-mail
        </Link>{" "}
        if you want another way in.
      </p>
    </Card>
  );
}

function ChangePassword(): ReactElement {
  const { data: me } = useQuery(meQuery);
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const change = useAction({
    run: () =>
      client.auth.changePassword({
        body: checked(api.auth.changePassword, { current_password: current, new_password: next }),
      }),
    refresh: [sessionsQuery.queryKey],
    say: () => "Password changed. You are signed out everywhere else.",
    onDone: () => {
      setCurrent("");
      setNext("");
    },
  });
  const currentError = change.error?.field("current_password");
  const nextError = change.error?.field("new_password");
  return (
    <Card title="Password">
      <Form
        label="Password"
        onSubmit={() => change.submit(undefined)}
        error={change.error}
        isShownAtField={Boolean(currentError ?? nextError)}
      >
        {/* Tells password managers whose password it is. */}
        <input type="text" autoComplete="username" value={me?.email ?? ""} readOnly hidden />
        <TextField
          label="Current password"
          type="password"
          name="current_password"
          autoComplete="current-password"
          hint={
            <>
              Forgotten?{" "}
              <Link {...paths.forgotPassword()} className="underline">
                Reset it by e-mail
              </Link>
              .
            </>
          }
          value={current}
          onChange={setCurrent}
          error={currentError}
        />
        <NewPasswordField value={next} onChange={setNext} error={nextError} />
        <p className="text-[13px] text-muted">You will be signed out everywhere but here.</p>
        <div>
          <Button type="submit" variant="primary" pending={change.pending}>
            Change Password
          </Button>
        </div>
      </Form>
    </Card>
  );
}

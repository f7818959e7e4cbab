import { Link } from "@tanstack/react-router";
import { type ReactElement, useState } from "react";
import { useAction } from "../../action.js";
import { ApiError, checked, client } from "../../api.js";
import { api } from "../../contract.js";
import { paths } from "../../paths.js";
import { Button } from "../../ui/button.js";
import { TextField } from "../../ui/field.js";
import { Form } from "../../ui/form.js";

/** What a right password led to: one is in, or a second factor is asked for. */
export type PasswordOutcome = { challenge: string; methods: string[] } | null;

export function PasswordForm({
  onDone,
}: {
  onDone: (outcome: PasswordOutcome) => void;
}): ReactElement {
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");

  const signIn = useAction<undefined, PasswordOutcome>({
    // The answer's tokens are for programs; the browser keeps the cookie and forgets them.
    run: async () => {
      const body = await checked(api.auth.login, { email: email.trim(), password });
      try {
        const { status } = await client.auth.login({ body });
        return { data: null, status };
      } catch (error) {
        if (!(error instanceof ApiError) || error.code !== "second_factor_required") throw error;
        const { challenge, methods } = error.problem as unknown as NonNullable<PasswordOutcome>;
        return { data: { challenge, methods }, status: error.status };
      }
    },
    onDone,
  });
  const emailError = signIn.error?.field("email");
  const passwordError = signIn.error?.field("password");

  return (
    <Form
      label="Sign in"
      onSubmit={() => signIn.submit(undefined)}
      error={signIn.error}
      isShownAtField={Boolean(emailError ?? passwordError)}
    >
      <TextField
        label="E-mail address"
        type="email"
        name="email"
        autoComplete="username"
        // oxlint-disable-next-line jsx-a11y/no-autofocus -- signing in is all there is to do here
        autoFocus
        value={email}
        onChange={setEmail}
        error={emailError}
      />
      <TextField
        label="Password"
        type="password"
        name="password"
        autoComplete="current-password"
        value={password}
        onChange={setPassword}
        error={passwordError}
      />
      <Link
        {...paths.forgotPassword()}
        className="-mt-2 self-end text-[13px] text-accent-ink underline"
      >
        Forgot password?
      </Link>
      <Button type="submit" variant="primary" pending={signIn.pending}>
        Sign in
      </Button>
    </Form>
  );
}

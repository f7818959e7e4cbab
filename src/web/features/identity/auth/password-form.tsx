import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { api } from "../../../api/api-calls.js";
import { ApiError, client } from "../../../api/client.js";
import { useForm } from "../../../forms/use-form.js";
import { paths } from "../../../paths/paths.js";
import { TextField } from "../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../ui/fields/form.js";

/** Outcome of a correct password: null if signed in, or the challenge of a second factor. */
export type PasswordOutcome = { challenge: string; methods: string[] } | null;

export function PasswordForm({
  onDone,
}: {
  onDone: (outcome: PasswordOutcome) => void;
}): ReactElement {
  const form = useForm({
    endpoint: api.auth.login,
    saved: { email: "", password: "" },
    toBody: ({ email, password }) => ({ email: email.trim(), password }),
    // The response's tokens are for API clients; the browser uses the cookie and discards them.
    run: async (body): Promise<{ data: PasswordOutcome; status: number }> => {
      try {
        const { status } = await client.auth.login({ body });
        return { data: null, status };
      } catch (error) {
        if (!(error instanceof ApiError) || error.code !== "second_factor_required") throw error;
        const { challenge, methods } = error.problem as unknown as NonNullable<PasswordOutcome>;
        return { data: { challenge, methods }, status: error.status };
      }
    },
    isGuarded: false,
    onDone,
  });

  return (
    <Form label="Sign in" {...form.props}>
      <TextField
        label="Email address"
        type="email"
        autoComplete="username"
        // oxlint-disable-next-line jsx-a11y/no-autofocus -- signing in is this page's only task
        autoFocus
        {...form.field("email")}
      />
      <TextField
        label="Password"
        type="password"
        autoComplete="current-password"
        {...form.field("password")}
      />
      <Link
        {...paths.forgotPassword()}
        className="-mt-2 self-end text-[13px] text-accent-ink underline"
      >
        Forgot password?
      </Link>
      <SubmitButton>Sign in</SubmitButton>
    </Form>
  );
}

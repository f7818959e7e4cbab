import { useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link, useRouter } from "@tanstack/react-router";
import { type ReactElement, useState } from "react";
import { api } from "#shared/api/index.js";
import { useAction } from "../../action.js";
import { checked, client } from "../../api.js";
import { paths } from "../../paths.js";
import { Button } from "../../ui/button.js";
import { TextField } from "../../ui/field.js";
import { Form } from "../../ui/form.js";
import { AuthLayout, destinationOf } from "./auth-layout.js";

const route = getRouteApi("/login");

export function LoginPage(): ReactElement {
  const { redirect } = route.useSearch();
  const { history } = useRouter();
  const queries = useQueryClient();
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");

  const signIn = useAction({
    // The answer's tokens are for programs; the browser keeps the cookie and forgets them.
    run: async () => {
      const body = checked(api.auth.login, { email: email.trim(), password });
      const { status } = await client.auth.login({ body });
      return { data: undefined, status };
    },
    onDone: () => {
      queries.clear();
      history.replace(destinationOf(redirect));
    },
  });
  const emailError = signIn.error?.field("email");
  const passwordError = signIn.error?.field("password");

  return (
    <AuthLayout
      title="Sign in"
      lead="The control plane for your team's coding agents."
      footer={
        <>
          New here?{" "}
          <Link {...paths.register(redirect)} className="font-medium text-accent-ink underline">
            Create an account
          </Link>
        </>
      }
    >
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
    </AuthLayout>
  );
}

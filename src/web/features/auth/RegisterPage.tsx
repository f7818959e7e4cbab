import { useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link, useRouter } from "@tanstack/react-router";
import { type ReactElement, useState } from "react";
import { api } from "#shared/api/index.js";
import { useAction } from "../../action.js";
import { checked, client } from "../../api.js";
import { paths } from "../../paths.js";
import { Button } from "../../ui/button.js";
import { TextField } from "../../ui/field.js";
import { Form } from "../../ui/form.js";
import { visible } from "../../ui/plain-text.js";
import { acceptAtOnce, useWelcome } from "../invitations/accept.js";
import { invitationTokenOf, offerQuery } from "../invitations/queries.js";
import { AuthLayout, destinationOf } from "./auth-layout.js";
import { NewPasswordField } from "./new-password-field.js";

const route = getRouteApi("/register");

export function RegisterPage(): ReactElement {
  const { redirect } = route.useSearch();
  const { history } = useRouter();
  const queries = useQueryClient();
  const welcome = useWelcome();
  // Who comes from an invitation signs up with its address, and joins at once.
  const token = invitationTokenOf(redirect);
  const { data: offer } = useQuery({ ...offerQuery(token ?? ""), enabled: token !== undefined });
  const invitation = offer?.can_register ? { token, ...offer } : undefined;
  const [fullName, setFullName] = useState("");
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");

  const signUp = useAction({
    run: async () => {
      const address = invitation?.email ?? email.trim();
      const body = checked(api.auth.register, {
        email: address,
        password,
        full_name: fullName.trim() || null,
        invitation: invitation?.token ?? null,
      });
      await client.auth.register({ body });
      const { status } = await client.auth.login({ body: { email: address, password } });
      return { data: invitation?.token ? await acceptAtOnce(invitation.token) : null, status };
    },
    onDone: (member) => {
      queries.clear();
      if (member) welcome(member);
      else history.replace(destinationOf(redirect));
    },
  });
  const isTaken = signUp.error?.code === "email_taken";
  const errors = {
    fullName: signUp.error?.field("full_name"),
    email: signUp.error?.field("email") ?? (isTaken ? signUp.error?.message : undefined),
    password: signUp.error?.field("password"),
  };

  return (
    <AuthLayout
      title="Create an account"
      lead={
        invitation
          ? `With it you join ${visible(invitation.organization.name)} as ${visible(invitation.role_name)}.`
          : "You can create an organization right after, or join one that adds you."
      }
      footer={
        <>
          Already registered?{" "}
          <Link {...paths.login(redirect)} className="font-medium text-accent-ink underline">
            Sign in
          </Link>
        </>
      }
    >
      <Form
        label="Create an account"
        onSubmit={() => signUp.submit(undefined)}
        error={signUp.error}
        isShownAtField={Object.values(errors).some(Boolean)}
      >
        <TextField
          label="Full name"
          optional
          name="name"
          autoComplete="name"
          value={fullName}
          onChange={setFullName}
          error={errors.fullName}
        />
        <TextField
          label="E-mail address"
          type="email"
          name="email"
          autoComplete="username"
          value={invitation?.email ?? email}
          onChange={setEmail}
          error={errors.email}
          readOnly={invitation !== undefined}
          hint={invitation && "The invitation is for this address."}
          className="read-only:bg-sunken"
        />
        <NewPasswordField
          label="Password"
          value={password}
          onChange={setPassword}
          error={errors.password}
        />
        <Button type="submit" variant="primary" pending={signUp.pending}>
          Create account
        </Button>
      </Form>
    </AuthLayout>
  );
}

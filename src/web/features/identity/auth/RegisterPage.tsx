import { useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link, useRouter } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { client } from "../../../api/client.js";
import { api } from "../../../api/api-calls.js";
import { useForm } from "../../../forms/use-form.js";
import { paths } from "../../../paths/paths.js";
import { TextField } from "../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../ui/fields/form.js";
import { visible } from "../../../ui/text/plain-text.js";
import {
  acceptAfterRegistration,
  useOpenJoinedOrganization,
} from "../parts/auth/accept-invitation.js";
import { methodsQuery } from "../../../api/queries/identity/auth.js";
import { invitationTokenOf, offerQuery } from "../../../api/queries/organization/invitations.js";
import { AuthLayout, destinationOf } from "../parts/auth/auth-layout.js";
import { NewPasswordField } from "../parts/auth/new-password-field.js";

const route = getRouteApi("/register");

export function RegisterPage(): ReactElement {
  const { redirect } = route.useSearch();
  const { history } = useRouter();
  const queries = useQueryClient();
  const welcome = useOpenJoinedOrganization();
  // A user with an invitation registers with its address and joins immediately.
  const { data: methods } = useQuery(methodsQuery);
  const isFirst = methods?.needs_first_account === true;
  const token = invitationTokenOf(redirect);
  const { data: offer } = useQuery({ ...offerQuery(token ?? ""), enabled: token !== undefined });
  const invitation = offer?.can_register ? { token, ...offer } : undefined;
  const form = useForm({
    endpoint: api.auth.register,
    saved: { full_name: "", email: invitation?.email ?? "", password: "" },
    toBody: (values) => ({
      email: values.email.trim(),
      password: values.password,
      full_name: values.full_name.trim() || null,
      invitation: invitation?.token ?? null,
    }),
    run: async (body) => {
      await client.auth.register({ body });
      const { email, password } = body;
      const { status } = await client.auth.login({ body: { email, password } });
      return {
        data: invitation?.token ? await acceptAfterRegistration(invitation.token) : null,
        status,
      };
    },
    fieldOf: { email_taken: "email" },
    isGuarded: false,
    onDone: (member) => {
      queries.clear();
      if (member) welcome(member);
      // New users start with the setup guide.
      else history.replace(destinationOf(redirect, "/welcome"));
    },
  });

  return (
    <AuthLayout
      title={isFirst ? "Create the administrator account" : "Create an account"}
      lead={
        isFirst
          ? "This installation has no account yet. The first one manages its users and settings."
          : invitation
            ? `With it you join ${visible(invitation.organization.name)} as ${visible(invitation.role_name)}.`
            : "Then create an organization, or join one by invitation."
      }
      footer={
        !isFirst && (
          <>
            Already registered?{" "}
            <Link {...paths.login({ redirect })} className="font-medium text-accent-ink underline">
              Sign in
            </Link>
          </>
        )
      }
    >
      <Form label="Create an account" {...form.props}>
        <TextField label="Full name" optional autoComplete="name" {...form.field("full_name")} />
        <TextField
          label="Email address"
          type="email"
          autoComplete="username"
          {...form.field("email")}
          readOnly={invitation !== undefined}
          hint={invitation && "The invitation is for this address."}
          className="read-only:bg-sunken"
        />
        <NewPasswordField label="Password" {...form.field("password")} />
        <SubmitButton>{isFirst ? "Create administrator account" : "Create account"}</SubmitButton>
      </Form>
    </AuthLayout>
  );
}

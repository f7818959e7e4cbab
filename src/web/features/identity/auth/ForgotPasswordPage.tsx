import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { api } from "../../../api/api-calls.js";
import { client } from "../../../api/client.js";
import { paths } from "../../../paths/paths.js";
import { AuthLayout } from "../parts/auth/auth-layout.js";
import { useUnsentEmailNote } from "../parts/auth/email-delivery.js";
import { RequestLinkForm } from "./request-link-form.js";

export function ForgotPasswordPage(): ReactElement {
  const note = useUnsentEmailNote();
  return (
    <AuthLayout
      title="Reset your password"
      lead={
        note === null
          ? "You get an email with a link to choose a new password."
          : "This server sends no email. Create a link, then ask the administrator for it."
      }
      footer={
        <>
          Remembered it?{" "}
          <Link {...paths.login()} className="font-medium text-accent-ink underline">
            Sign in
          </Link>
        </>
      }
    >
      <RequestLinkForm
        label="Reset your password"
        action={note === null ? "Send link" : "Create link"}
        validity="It works once, within one hour."
        endpoint={api.auth.forgotPassword}
        ask={(body) => client.auth.forgotPassword({ body })}
      />
    </AuthLayout>
  );
}

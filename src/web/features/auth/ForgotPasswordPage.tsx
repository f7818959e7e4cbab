import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { api } from "../../api/api-calls.js";
import { client } from "../../api/client.js";
import { paths } from "../../paths/paths.js";
import { AuthLayout } from "../../components/auth/auth-layout.js";
import { AskForLink } from "./ask-for-link.js";

export function ForgotPasswordPage(): ReactElement {
  return (
    <AuthLayout
      title="Reset your password"
      lead="You get a link by e-mail to choose a new one."
      footer={
        <>
          Remembered it?{" "}
          <Link {...paths.login()} className="font-medium text-accent-ink underline">
            Sign in
          </Link>
        </>
      }
    >
      <AskForLink
        label="Reset your password"
        action="Send the link"
        validity="It works once, within one hour."
        endpoint={api.auth.forgotPassword}
        ask={(body) => client.auth.forgotPassword({ body })}
      />
    </AuthLayout>
  );
}

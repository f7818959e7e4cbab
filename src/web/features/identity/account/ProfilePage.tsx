import type { ReactElement } from "react";
import type { User } from "#shared/api/identity/auth.js";
import { useLoaded } from "../../../api/use-loaded.js";
import { client } from "../../../api/client.js";
import { api } from "../../../api/api-calls.js";
import { useForm } from "../../../forms/use-form.js";
import { queryClient } from "../../../api/query-client.js";
import { editOptions } from "../../../api/incoming.js";
import { StatusDot } from "../../../ui/feedback/badge.js";
import { Button } from "../../../ui/actions/button.js";
import { Card } from "../../../ui/layout/card.js";
import { TextField } from "../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../ui/fields/form.js";
import { Page } from "../../../ui/layout/page.js";
import { PlainText } from "../../../ui/text/plain-text.js";
import { meQuery } from "../../../api/queries/identity/auth.js";
import { ForgeAccountsSection } from "./forge-accounts-section.js";
import { useUnsentEmailNote } from "../parts/auth/email-delivery.js";
import { useResendVerification } from "../parts/auth/resend-verification.js";

export function ProfilePage(): ReactElement {
  const { data: me } = useLoaded(meQuery);
  return (
    <Page title="Profile" width="narrow" description="How you appear to the people you work with.">
      <NameSection key={me.id} user={me} />
      <EmailSection user={me} />
      <ForgeAccountsSection />
    </Page>
  );
}

function NameSection({ user }: { user: User }): ReactElement {
  const form = useForm({
    endpoint: api.auth.updateMe,
    ...editOptions(
      user,
      () => queryClient.fetchQuery({ ...meQuery, staleTime: 0 }),
      ({ full_name, department }) => ({
        full_name: full_name ?? "",
        department: department ?? "",
      }),
    ),
    toBody: (values, changed) => ({
      ...(changed.has("full_name") ? { full_name: values.full_name.trim() || null } : {}),
      ...(changed.has("department") ? { department: values.department.trim() || null } : {}),
    }),
    run: (body, headers) => client.auth.updateMe({ body }, { headers }),
    refresh: [meQuery.queryKey],
    successMessage: () => "Profile saved",
  });
  return (
    <Card title="About you">
      <Form label="About you" {...form.props}>
        <TextField label="Full name" optional autoComplete="name" {...form.field("full_name")} />
        <TextField
          label="Department"
          optional
          autoComplete="organization-title"
          {...form.field("department")}
        />
        <SubmitButton className="self-start">Save profile</SubmitButton>
      </Form>
    </Card>
  );
}

function EmailSection({ user }: { user: User }): ReactElement {
  const note = useUnsentEmailNote();
  const sendAgain = useResendVerification(user.email);
  return (
    <Card title="Email address">
      <div className="flex flex-wrap items-center justify-between gap-x-4 gap-y-3">
        <div className="min-w-0">
          <p className="font-medium">
            <PlainText value={user.email} />
          </p>
          <p className="mt-1 text-[13px]">
            {user.is_verified ? (
              <StatusDot tone="good">Confirmed</StatusDot>
            ) : (
              <StatusDot tone="warn">Not confirmed</StatusDot>
            )}
          </p>
        </div>
        {!user.is_verified && (
          <Button pending={sendAgain.pending} onClick={() => sendAgain.submit(undefined)}>
            {note === null ? "Send again" : "Create new link"}
          </Button>
        )}
      </div>
      {!user.is_verified && (
        <p className="mt-3 text-[13px] text-muted">
          {note ?? "Open the link in the email sent to you."} It works once, within 24 hours.
        </p>
      )}
    </Card>
  );
}

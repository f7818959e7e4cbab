import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import type { User } from "#shared/api/auth.js";
import { api } from "#shared/api/index.js";
import { useAction } from "../../action.js";
import { checked, client } from "../../api.js";
import { StatusDot } from "../../ui/badge.js";
import { Button } from "../../ui/button.js";
import { Card } from "../../ui/card.js";
import { TextField } from "../../ui/field.js";
import { Form } from "../../ui/form.js";
import { Page } from "../../ui/page.js";
import { PlainText } from "../../ui/plain-text.js";
import { Skeleton } from "../../ui/states.js";
import { meQuery } from "../auth/queries.js";
import { QueryError } from "../shell/query-state.js";
import { useSendAgain } from "./send-again.js";

export function ProfilePage(): ReactElement {
  const me = useQuery(meQuery);
  return (
    <Page title="Profile" width="narrow" description="How you appear to the people you work with.">
      {me.isPending ? (
        <Skeleton rows={2} />
      ) : me.isError ? (
        <QueryError error={me.error} onRetry={() => void me.refetch()} />
      ) : (
        <>
          <NameSection key={me.data.id} user={me.data} />
          <EmailSection user={me.data} />
        </>
      )}
    </Page>
  );
}

function NameSection({ user }: { user: User }): ReactElement {
  const [fullName, setFullName] = useState(user.full_name ?? "");
  const [department, setDepartment] = useState(user.department ?? "");
  const save = useAction({
    run: () =>
      client.auth.updateMe({
        body: checked(api.auth.updateMe, {
          full_name: fullName.trim() || null,
          department: department.trim() || null,
        }),
      }),
    refresh: [meQuery.queryKey],
    say: () => "Profile saved",
  });
  const nameError = save.error?.field("full_name");
  const departmentError = save.error?.field("department");
  return (
    <Card title="About you">
      <Form
        label="About you"
        onSubmit={() => save.submit(undefined)}
        error={save.error}
        isShownAtField={Boolean(nameError ?? departmentError)}
      >
        <TextField
          label="Full name"
          optional
          name="name"
          autoComplete="name"
          value={fullName}
          onChange={setFullName}
          error={nameError}
        />
        <TextField
          label="Department"
          optional
          name="department"
          autoComplete="organization-title"
          value={department}
          onChange={setDepartment}
          error={departmentError}
        />
        <div>
          <Button type="submit" variant="primary" pending={save.pending}>
            Save Profile
          </Button>
        </div>
      </Form>
    </Card>
  );
}

function EmailSection({ user }: { user: User }): ReactElement {
  const sendAgain = useSendAgain(user.email);
  return (
    <Card title="E-mail address">
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
            Send again
          </Button>
        )}
      </div>
      {!user.is_verified && (
        <p className="mt-3 text-[13px] text-muted">
          Open the link in the mail that was sent to you. It works once, within 24 hours.
        </p>
      )}
    </Card>
  );
}

import { useQueryClient } from "@tanstack/react-query";
import { type ReactElement, type ReactNode, useEffect, useRef, useState } from "react";
import type { z } from "zod";
import type { User } from "#shared/api/identity/auth.js";
import type { Endpoint } from "#shared/contract/endpoint.js";
import type { Call } from "../../../api/api-calls.js";
import { useForm } from "../../../forms/use-form.js";
import { Button } from "../../../ui/actions/button.js";
import { TextField } from "../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../ui/fields/form.js";
import { PlainText } from "../../../ui/text/plain-text.js";
import { useUnsentEmailNote } from "../parts/auth/email-delivery.js";
import { meQuery } from "../../../api/queries/identity/auth.js";

interface RequestLinkFormProps {
  /** The reason for the request, shown until it is sent. */
  notice?: ReactNode;
  label: string;
  action: string;
  validity: string;
  endpoint: Call<Endpoint & { body: z.ZodType<{ email: string }, { email: string }> }>;
  ask: (body: { email: string }) => Promise<{ data: undefined; status: number }>;
}

/** Requests an emailed link. The confirmation does not reveal whether the account exists. */
export function RequestLinkForm(props: RequestLinkFormProps): ReactElement {
  const queries = useQueryClient();
  // Fill in the address of a signed-in user.
  const me = queries.getQueryData<User>(meQuery.queryKey);
  const [sentTo, setSentTo] = useState<string | null>(null);
  const note = useUnsentEmailNote();
  const answer = useRef<HTMLDivElement>(null);
  const form = useForm({
    endpoint: props.endpoint,
    saved: { email: me?.email ?? "" },
    toBody: ({ email }) => ({ email: email.trim() }),
    run: props.ask,
    isGuarded: false,
    onDone: () => setSentTo(form.values.email.trim()),
  });
  useEffect(() => {
    if (sentTo !== null) answer.current?.focus();
  }, [sentTo]);

  if (sentTo !== null) {
    return (
      <div ref={answer} tabIndex={-1} className="flex flex-col gap-3 outline-none">
        {note === null ? (
          <>
            <h2 className="font-semibold">Check your email</h2>
            <p>
              If an account needs it, a link is on its way to <PlainText value={sentTo} />.{" "}
              {props.validity}
            </p>
            <p className="text-muted">No email after a few minutes? Check your spam folder.</p>
          </>
        ) : (
          <>
            <h2 className="font-semibold">The link is ready</h2>
            <p>
              If <PlainText value={sentTo} /> has an account that needs it, a link was created.{" "}
              {note} {props.validity}
            </p>
          </>
        )}
        <Button onClick={() => setSentTo(null)}>Use another address</Button>
      </div>
    );
  }
  return (
    <Form label={props.label} {...form.props}>
      {props.notice}
      <TextField
        label="Email address"
        type="email"
        autoComplete="username"
        {...form.field("email")}
      />
      <SubmitButton>{props.action}</SubmitButton>
    </Form>
  );
}

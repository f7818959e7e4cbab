import { useQueryClient } from "@tanstack/react-query";
import { type ReactElement, type ReactNode, useEffect, useRef, useState } from "react";
import type { User } from "#shared/api/auth.js";
import { useAction } from "../../action.js";
import { Button } from "../../ui/button.js";
import { TextField } from "../../ui/field.js";
import { Form } from "../../ui/form.js";
import { PlainText } from "../../ui/plain-text.js";
import { meQuery } from "./queries.js";

interface AskForLinkProps {
  /** Why it is asked, until it is. */
  notice?: ReactNode;
  label: string;
  action: string;
  validity: string;
  ask: (email: string) => Promise<{ data: undefined; status: number }>;
}

/** Asks where to send a link; afterwards says what is to be done, and not whether there is an account. */
export function AskForLink(props: AskForLinkProps): ReactElement {
  const queries = useQueryClient();
  // Who is signed in need not say it again.
  const [email, setEmail] = useState(
    () => queries.getQueryData<User>(meQuery.queryKey)?.email ?? "",
  );
  const [sentTo, setSentTo] = useState<string | null>(null);
  const answer = useRef<HTMLDivElement>(null);
  const send = useAction({
    run: props.ask,
    onDone: () => setSentTo(email.trim()),
  });
  useEffect(() => {
    if (sentTo !== null) answer.current?.focus();
  }, [sentTo]);

  if (sentTo !== null) {
    return (
      <div ref={answer} tabIndex={-1} className="flex flex-col gap-3 outline-none">
        <h2 className="font-semibold">Look into your mailbox</h2>
        <p>
          If there is an account that needs it, a link is on its way to <PlainText value={sentTo} />
          . {props.validity}
        </p>
        <p className="text-muted">Nothing there after a few minutes? Look among the spam.</p>
        <Button onClick={() => setSentTo(null)}>Use another address</Button>
      </div>
    );
  }
  const emailError = send.error?.field("email");
  return (
    <Form
      label={props.label}
      onSubmit={() => send.submit(email.trim())}
      error={send.error}
      isShownAtField={emailError !== undefined}
    >
      {props.notice}
      <TextField
        label="E-mail address"
        type="email"
        name="email"
        autoComplete="username"
        value={email}
        onChange={setEmail}
        error={emailError}
      />
      <Button type="submit" variant="primary" pending={send.pending}>
        {props.action}
      </Button>
    </Form>
  );
}

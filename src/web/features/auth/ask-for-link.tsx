import { type ReactElement, useEffect, useRef, useState } from "react";
import { useAction } from "../../action.js";
import { Button } from "../../ui/button.js";
import { TextField } from "../../ui/field.js";
import { Form } from "../../ui/form.js";
import { PlainText } from "../../ui/plain-text.js";

interface AskForLinkProps {
  label: string;
  action: string;
  validity: string;
  email: string;
  onChange: (email: string) => void;
  ask: (email: string) => Promise<{ data: undefined; status: number }>;
}

/** Asks where to send a link; afterwards says what is to be done, and not whether there is an account. */
export function AskForLink(props: AskForLinkProps): ReactElement {
  const [sentTo, setSentTo] = useState<string | null>(null);
  const answer = useRef<HTMLDivElement>(null);
  const send = useAction({
    run: props.ask,
    onDone: () => setSentTo(props.email.trim()),
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
      onSubmit={() => send.submit(props.email.trim())}
      error={send.error}
      isShownAtField={emailError !== undefined}
    >
      <TextField
        label="E-mail address"
        type="email"
        name="email"
        autoComplete="username"
        value={props.email}
        onChange={props.onChange}
        error={emailError}
      />
      <Button type="submit" variant="primary" pending={send.pending}>
        {props.action}
      </Button>
    </Form>
  );
}

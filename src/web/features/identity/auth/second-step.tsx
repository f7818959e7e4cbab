import { type ReactElement, useState } from "react";
import { api } from "../../../api/api-calls.js";
import { client } from "../../../api/client.js";
import { useForm } from "../../../forms/use-form.js";
import { Button } from "../../../ui/actions/button.js";
import { TextField } from "../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../ui/fields/form.js";

/** The second step of a sign-in: a code of the authenticator app, or a recovery code. */
export function SecondStep({
  challenge,
  hasRecoveryCodes,
  onSignedIn,
  onExpired,
}: {
  challenge: string;
  hasRecoveryCodes: boolean;
  onSignedIn: () => void;
  /** Returns to the password, with a message unless the user chose to go back. */
  onExpired: (message?: string) => void;
}): ReactElement {
  const [isRecovery, setRecovery] = useState(false);
  const form = useForm({
    endpoint: api.secondFactor.login,
    saved: { code: "" },
    toBody: ({ code }) => ({ challenge, code }),
    run: async (body) => {
      const { status } = await client.secondFactor.login({ body });
      return { data: undefined, status };
    },
    fieldOf: { invalid_code: "code" },
    isGuarded: false,
    onDone: onSignedIn,
  });
  const change = (): void => {
    setRecovery(!isRecovery);
    form.reset();
  };
  return (
    <div className="flex flex-col gap-4">
      <Form label="Second factor" {...form.props}>
        <TextField
          key={isRecovery ? "recovery" : "app"}
          label={isRecovery ? "Recovery code" : "Code"}
          autoComplete={isRecovery ? "off" : "one-time-code"}
          inputMode={isRecovery ? "text" : "numeric"}
          spellCheck={false}
          autoCapitalize="none"
          placeholder={isRecovery ? "xxxxx-xxxxx" : "123456"}
          // oxlint-disable-next-line jsx-a11y/no-autofocus -- this step's only field
          autoFocus
          hint={
            isRecovery
              ? "One of the codes that you kept when you set up the app. Each works once."
              : "The six digits that your authenticator app shows now."
          }
          {...form.field("code")}
          className="font-mono"
        />
        <SubmitButton>Continue</SubmitButton>
      </Form>
      {form.error?.code === "challenge_expired" && (
        <Button onClick={() => onExpired(form.error?.message)}>Begin again</Button>
      )}
      <div className="flex flex-wrap justify-between gap-2">
        {hasRecoveryCodes && (
          <Button variant="ghost" size="sm" className="-ml-2.5" onClick={change}>
            {isRecovery ? "Use the authenticator app" : "Use a recovery code"}
          </Button>
        )}
        <Button variant="ghost" size="sm" className="-mr-2.5 ml-auto" onClick={() => onExpired()}>
          Back
        </Button>
      </div>
    </div>
  );
}

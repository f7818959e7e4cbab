import { type ReactElement, useState } from "react";
import { api } from "../../../api/api-calls.js";
import { client } from "../../../api/client.js";
import { useForm } from "../../../forms/use-form.js";
import { Button } from "../../../ui/actions/button.js";
import { Dialog, DialogActions } from "../../../ui/overlays/dialog.js";
import { TextField } from "../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../ui/fields/form.js";
import { secondFactorQuery } from "../../../api/queries/identity/sign-in-queries.js";

interface DisableTotpDialogProps {
  isOpen: boolean;
  hasPassword: boolean;
  onClose: () => void;
}

/** Turns off the authenticator app; requires the password or, if the account has none, a code. */
export function DisableTotpDialog({ isOpen, ...rest }: DisableTotpDialogProps): ReactElement {
  return (
    <Dialog
      isOpen={isOpen}
      onClose={rest.onClose}
      title="Switch the authenticator app off?"
      description="Signing in then takes your password alone. The recovery codes stop working."
    >
      <SwitchOffForm {...rest} />
    </Dialog>
  );
}

function SwitchOffForm({
  hasPassword,
  onClose,
}: Omit<DisableTotpDialogProps, "isOpen">): ReactElement {
  const [isByCode, setByCode] = useState(!hasPassword);
  const form = useForm({
    endpoint: api.secondFactor.removeTotp,
    saved: { password: "", code: "" },
    toBody: ({ code, password }) => (isByCode ? { code } : { password }),
    run: (body) => client.secondFactor.removeTotp({ body }),
    fieldOf: { invalid_code: "code" },
    refresh: [secondFactorQuery.queryKey],
    successMessage: () => "Authenticator app switched off",
    isGuarded: false,
    onDone: onClose,
  });
  const change = (): void => {
    setByCode(!isByCode);
    form.reset();
  };
  return (
    <Form label="Switch off" {...form.props}>
      {isByCode ? (
        <TextField
          key="code"
          label="Code of the app, or a recovery code"
          autoComplete="one-time-code"
          {...form.field("code")}
        />
      ) : (
        <TextField
          key="password"
          label="Password"
          type="password"
          autoComplete="current-password"
          {...form.field("password")}
        />
      )}
      <DialogActions>
        {hasPassword && (
          <Button variant="ghost" className="mr-auto -ml-3.5" onClick={change}>
            {isByCode ? "Use the password" : "Use a code"}
          </Button>
        )}
        <Button onClick={onClose}>Cancel</Button>
        <SubmitButton variant="danger">Switch off</SubmitButton>
      </DialogActions>
    </Form>
  );
}

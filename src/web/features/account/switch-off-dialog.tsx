import { type ReactElement, useState } from "react";
import { useAction } from "../../action.js";
import { client } from "../../api.js";
import { Button } from "../../ui/button.js";
import { Dialog, DialogActions } from "../../ui/dialog.js";
import { TextField } from "../../ui/field.js";
import { Form } from "../../ui/form.js";
import { secondFactorQuery } from "./sign-in-queries.js";

/** Switches the authenticator app off, by the password or, without one, by a code. */
export function SwitchOffDialog({
  isOpen,
  hasPassword,
  onClose,
}: {
  isOpen: boolean;
  hasPassword: boolean;
  onClose: () => void;
}): ReactElement {
  const [isByCode, setByCode] = useState(!hasPassword);
  const [proof, setProof] = useState("");
  const switchOff = useAction({
    run: () =>
      client.secondFactor.removeTotp({ body: isByCode ? { code: proof } : { password: proof } }),
    refresh: [secondFactorQuery.queryKey],
    say: () => "Authenticator app switched off",
    onDone: () => close(),
  });
  const close = (): void => {
    setProof("");
    switchOff.reset();
    onClose();
  };
  const change = (): void => {
    setByCode(!isByCode);
    setProof("");
    switchOff.reset();
  };
  const error = switchOff.error?.field(isByCode ? "code" : "password");
  return (
    <Dialog
      isOpen={isOpen}
      onClose={close}
      title="Switch the authenticator app off?"
      description="Signing in then takes your password alone. The recovery codes stop working."
    >
      <Form
        label="Switch off"
        onSubmit={() => switchOff.submit(undefined)}
        error={switchOff.error}
        isShownAtField={error !== undefined}
      >
        <TextField
          key={isByCode ? "code" : "password"}
          label={isByCode ? "Code of the app, or a recovery code" : "Password"}
          type={isByCode ? "text" : "password"}
          name={isByCode ? "code" : "password"}
          autoComplete={isByCode ? "one-time-code" : "current-password"}
          value={proof}
          onChange={setProof}
          error={error}
        />
        <DialogActions>
          {hasPassword && (
            <Button variant="ghost" className="mr-auto -ml-3.5" onClick={change}>
              {isByCode ? "Use the password" : "Use a code"}
            </Button>
          )}
          <Button onClick={close}>Cancel</Button>
          <Button type="submit" variant="danger" pending={switchOff.pending}>
            Switch Off
          </Button>
        </DialogActions>
      </Form>
    </Dialog>
  );
}

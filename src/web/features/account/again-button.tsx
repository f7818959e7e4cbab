import type { QueryKey } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import { useAction } from "../../action.js";
import { ApiError } from "../../api.js";
import { Alert } from "../../ui/alert.js";
import { Button } from "../../ui/button.js";
import { Dialog, DialogActions } from "../../ui/dialog.js";
import { TextField } from "../../ui/field.js";
import { Form } from "../../ui/form.js";

interface AgainButtonProps<Data> {
  label: string;
  variant?: "primary" | "secondary";
  hasPassword: boolean;
  disabledReason?: string | undefined;
  run: (password: { password?: string }) => Promise<{ data: Data; status: number }>;
  refresh?: readonly QueryKey[];
  onDone: (data: Data) => void;
}

/** Does something that the server may first want the password for again: then it is asked. */
export function AgainButton<Data>({
  label,
  variant = "secondary",
  hasPassword,
  disabledReason,
  run,
  refresh,
  onDone,
}: AgainButtonProps<Data>): ReactElement {
  const [isAsking, setAsking] = useState(false);
  const [password, setPassword] = useState("");
  const action = useAction<{ password?: string }, Data | null>({
    run: async (given) => {
      try {
        return await run(given);
      } catch (error) {
        const isAsked = error instanceof ApiError && error.code === "reauthentication_required";
        if (!isAsked || !hasPassword) throw error;
        return { data: null, status: error.status };
      }
    },
    ...(refresh && { refresh }),
    onDone: (data) => {
      setAsking(data === null);
      setPassword("");
      if (data !== null) onDone(data);
    },
  });
  const fieldError = action.error?.field("password");
  return (
    <>
      <Button
        variant={variant}
        pending={action.pending}
        disabledReason={disabledReason}
        onClick={() => action.submit({})}
      >
        {label}
      </Button>
      {action.error && !isAsking && <Alert live>{action.error.message}</Alert>}
      <Dialog
        isOpen={isAsking}
        onClose={() => {
          setAsking(false);
          setPassword("");
          action.reset();
        }}
        title="Is it you?"
        description="It is a while since you signed in. Your password shows that it is still you."
      >
        <Form
          label="Is it you?"
          onSubmit={() => action.submit({ password })}
          error={action.error}
          isShownAtField={fieldError !== undefined}
        >
          <TextField
            label="Password"
            type="password"
            name="password"
            autoComplete="current-password"
            value={password}
            onChange={setPassword}
            error={fieldError}
          />
          <DialogActions>
            <Button type="submit" variant="primary" pending={action.pending}>
              Continue
            </Button>
          </DialogActions>
        </Form>
      </Dialog>
    </>
  );
}

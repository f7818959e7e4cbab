import type { QueryKey } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import type { api } from "../../../api/api-calls.js";
import { useApiMutation } from "../../../api/use-mutation.js";
import { ApiError } from "../../../api/client.js";
import { useForm } from "../../../forms/use-form.js";
import { Alert } from "../../../ui/feedback/alert.js";
import { Button } from "../../../ui/actions/button.js";
import { Dialog, DialogActions } from "../../../ui/overlays/dialog.js";
import { TextField } from "../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../ui/fields/form.js";

type Endpoint = typeof api.secondFactor.startTotp | typeof api.secondFactor.renewRecoveryCodes;

interface AgainButtonProps<Data> {
  endpoint: Endpoint;
  label: string;
  variant?: "primary" | "secondary";
  hasPassword: boolean;
  disabledReason?: string | undefined;
  run: (password: { password?: string | undefined }) => Promise<{ data: Data; status: number }>;
  refresh?: readonly QueryKey[];
  onDone: (data: Data) => void;
}

/** Performs an action; asks for the password first if the server requires it again. */
export function ReauthButton<Data>({
  label,
  variant = "secondary",
  hasPassword,
  disabledReason,
  ...call
}: AgainButtonProps<Data>): ReactElement {
  const [isAsking, setAsking] = useState(false);
  const action = useApiMutation<Record<string, never>, Data | null>({
    run: async () => {
      try {
        return await call.run({});
      } catch (error) {
        const isAsked = error instanceof ApiError && error.code === "reauthentication_required";
        if (!isAsked || !hasPassword) throw error;
        return { data: null, status: error.status };
      }
    },
    ...(call.refresh && { refresh: call.refresh }),
    onDone: (data) => {
      if (data === null) setAsking(true);
      else call.onDone(data);
    },
  });
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
      {action.error && <Alert live>{action.error.message}</Alert>}
      <Dialog
        isOpen={isAsking}
        onClose={() => setAsking(false)}
        title="Confirm it's you"
        description="It is a while since you signed in. Your password shows that it is still you."
      >
        <PasswordAgain
          {...call}
          onDone={(data) => {
            setAsking(false);
            call.onDone(data);
          }}
        />
      </Dialog>
    </>
  );
}

function PasswordAgain<Data>({
  endpoint,
  run,
  refresh,
  onDone,
}: Pick<AgainButtonProps<Data>, "endpoint" | "run" | "refresh" | "onDone">): ReactElement {
  const form = useForm({
    endpoint,
    saved: { password: "" },
    toBody: (values) => values,
    run: (body) => run(body ?? {}),
    ...(refresh && { refresh }),
    isGuarded: false,
    onDone,
  });
  return (
    <Form label="Confirm it's you" {...form.props}>
      <TextField
        label="Password"
        type="password"
        autoComplete="current-password"
        {...form.field("password")}
      />
      <DialogActions>
        <SubmitButton>Continue</SubmitButton>
      </DialogActions>
    </Form>
  );
}

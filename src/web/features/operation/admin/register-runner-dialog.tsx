import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { api } from "../../../api/api-calls.js";
import { client } from "../../../api/client.js";
import { adminKey, organizationChoicesQuery } from "../../../api/queries/operation/admin.js";
import { useForm } from "../../../forms/use-form.js";
import { Button } from "../../../ui/actions/button.js";
import { TextField } from "../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../ui/fields/form.js";
import { SelectField } from "../../../ui/fields/select.js";
import { Dialog, DialogActions } from "../../../ui/overlays/dialog.js";
import { visible } from "../../../ui/text/plain-text.js";

interface RegisterRunnerDialogProps {
  onClose: () => void;
  onRegistered: (name: string, token: string) => void;
}

/** Registers a runner, and hands its token over to be shown once. */
export function RegisterRunnerDialog({
  onClose,
  onRegistered,
}: RegisterRunnerDialogProps): ReactElement {
  const { data: organizations } = useQuery(organizationChoicesQuery);
  const form = useForm({
    endpoint: api.runners.create,
    saved: { name: "", organization: "" },
    toBody: ({ name, organization }) => ({
      name,
      organization_id: organization === "" ? null : organization,
    }),
    run: (body, headers) => client.runners.create({ body }, { headers }),
    alsoShown: ["organization_id"],
    refresh: [adminKey],
    onDone: ({ name, token }) => {
      if (token === null) onClose();
      else onRegistered(name, token);
    },
  });
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title="Register runner"
      description="A runner reads the files of the runs that it takes. Register machines that you trust with them."
    >
      <Form label="Runner" {...form.props}>
        <TextField label="Name" {...form.field("name")} placeholder="gpu-1" />
        <SelectField
          label="Takes runs of"
          value={form.values.organization}
          onChange={(organization) => form.set({ organization })}
          error={form.errorOf("organization_id")}
          options={[
            { value: "", label: "All organizations" },
            ...(organizations ?? []).map(({ id, name, slug }) => ({
              value: id,
              label: `${visible(name)} (${slug})`,
            })),
          ]}
        />
        <DialogActions>
          <Button onClick={onClose}>Cancel</Button>
          <SubmitButton>Register runner</SubmitButton>
        </DialogActions>
      </Form>
    </Dialog>
  );
}

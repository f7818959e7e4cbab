import type { ReactElement } from "react";
import type { Role } from "#shared/api/organization/roles.js";
import type { ServiceAccount } from "#shared/api/identity/service-accounts.js";
import type { DenyReason } from "../../../../access/deny-reason.js";
import { api } from "../../../../api/api-calls.js";
import { client } from "../../../../api/client.js";
import { editOptions } from "../../../../api/incoming.js";
import { organizationsKey } from "../../../../api/queries/organization/organizations.js";
import { readServiceAccount } from "../../../../api/queries/identity/service-accounts.js";
import { type FormState, useForm } from "../../../../forms/use-form.js";
import { Button } from "../../../../ui/actions/button.js";
import { TextField } from "../../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../../ui/fields/form.js";
import { SelectField } from "../../../../ui/fields/select.js";
import { Dialog, DialogActions } from "../../../../ui/overlays/dialog.js";
import { visible } from "../../../../ui/text/plain-text.js";
import { escalationReason } from "../members/invite-dialog.js";

interface AccountDialogProps {
  orgId: string;
  /** The roles that a service account can have. */
  roles: readonly Role[];
  refusal: DenyReason;
  onClose: () => void;
}

interface Values {
  name: string;
  description: string;
  role_id: string;
}

const savedOf = ({ name, description, role_id }: ServiceAccount): Values => ({
  name,
  description: description ?? "",
  role_id,
});

export function NewAccountDialog({
  orgId,
  roles,
  refusal,
  onClose,
  onCreated,
}: AccountDialogProps & { onCreated: (account: ServiceAccount) => void }): ReactElement {
  const allowed = roles.filter((role) => escalationReason(role, refusal) === undefined);
  const form = useForm({
    endpoint: api.serviceAccounts.create,
    saved: {
      name: "",
      description: "",
      role_id: (allowed.find(({ name }) => name === "member") ?? allowed[0])?.id ?? "",
    },
    toBody: ({ name, description, role_id }) => ({
      name,
      description: description.trim() || null,
      role_id,
    }),
    run: (body, headers) =>
      client.serviceAccounts.create({ params: { org_id: orgId }, body }, { headers }),
    fieldOf: { name_taken: "name" },
    refresh: [organizationsKey],
    onDone: onCreated,
  });
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title="New service account"
      description="A member of this organization that acts by API keys of its own."
    >
      <Form label="Service account" {...form.props}>
        <Fields form={form} roles={roles} refusal={refusal} />
        <DialogActions>
          <Button onClick={onClose}>Cancel</Button>
          <SubmitButton>Create service account</SubmitButton>
        </DialogActions>
      </Form>
    </Dialog>
  );
}

export function EditAccountDialog({
  orgId,
  account,
  roles,
  refusal,
  onClose,
}: AccountDialogProps & { account: ServiceAccount }): ReactElement {
  const form = useForm({
    endpoint: api.serviceAccounts.update,
    ...editOptions(account, () => readServiceAccount(orgId, account.id), savedOf),
    toBody: ({ name, description, role_id }, changed) => ({
      ...(changed.has("name") && { name }),
      ...(changed.has("description") && { description: description.trim() || null }),
      ...(changed.has("role_id") && { role_id }),
    }),
    run: (body, headers) =>
      client.serviceAccounts.update(
        { params: { org_id: orgId, service_account_id: account.id }, body },
        { headers },
      ),
    fieldOf: { name_taken: "name" },
    refresh: [organizationsKey],
    successMessage: () => "The service account is changed",
    onDone: onClose,
  });
  return (
    <Dialog isOpen onClose={onClose} title="Edit service account">
      <Form label="Service account" {...form.props}>
        <Fields form={form} roles={roles} refusal={refusal} />
        <DialogActions>
          <Button onClick={onClose}>Cancel</Button>
          <SubmitButton>Save</SubmitButton>
        </DialogActions>
      </Form>
    </Dialog>
  );
}

function Fields({
  form,
  roles,
  refusal,
}: {
  form: FormState<Values>;
  roles: readonly Role[];
  refusal: DenyReason;
}): ReactElement {
  const chosen = roles.find(({ id }) => id === form.values.role_id);
  return (
    <>
      <TextField label="Name" {...form.field("name")} placeholder="ci" />
      <TextField label="Description" optional {...form.field("description")} />
      <SelectField
        label="Role"
        {...form.field("role_id")}
        options={roles.map((role) => ({
          value: role.id,
          label: visible(role.name),
          disabledReason:
            escalationReason(role, refusal) === undefined ? undefined : "gives more than you hold",
        }))}
        hint={chosen?.description ?? undefined}
      />
    </>
  );
}

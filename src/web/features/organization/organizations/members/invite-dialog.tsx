import { type ReactElement, useState } from "react";
import type { SentInvitation } from "#shared/api/organization/invitations.js";
import type { Role } from "#shared/api/organization/roles.js";
import { expand } from "#shared/permissions.js";
import { client } from "../../../../api/client.js";
import { api } from "../../../../api/api-calls.js";
import { useForm } from "../../../../forms/use-form.js";
import { Button } from "../../../../ui/actions/button.js";
import { Dialog, DialogActions } from "../../../../ui/overlays/dialog.js";
import { TextField } from "../../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../../ui/fields/form.js";
import { visible } from "../../../../ui/text/plain-text.js";
import { SelectField } from "../../../../ui/fields/select.js";
import { InvitationLink } from "./invitation-link.js";
import type { DenyReason } from "../../../../access/deny-reason.js";
import { organizationsKey } from "../../../../api/queries/organization/organizations.js";

/** Returns why the viewer may not assign a role: a permission that they lack; undefined if they may. */
export function escalationReason(role: Role | undefined, refusal: DenyReason): string | undefined {
  return expand(role?.effective_permissions ?? [])
    .map(refusal)
    .find((reason) => reason !== undefined);
}

interface InviteDialogProps {
  orgId: string;
  roles: readonly Role[];
  refusal: DenyReason;
  isOpen: boolean;
  onClose: () => void;
}

export function InviteDialog({ isOpen, onClose, ...rest }: InviteDialogProps): ReactElement {
  const [sent, setSent] = useState<SentInvitation | null>(null);
  const close = (): void => {
    setSent(null);
    onClose();
  };
  return (
    <Dialog
      isOpen={isOpen}
      onClose={close}
      title={sent === null ? "Invite Member" : "Invitation created"}
      description={
        sent === null ? "A link lets them join the organization in the role you choose." : undefined
      }
    >
      {sent === null ? (
        <InviteForm {...rest} onSent={setSent} onClose={close} />
      ) : (
        <InvitationLink invitation={sent} onClose={close} />
      )}
    </Dialog>
  );
}

interface InviteFormProps extends Omit<InviteDialogProps, "isOpen"> {
  onSent: (invitation: SentInvitation) => void;
}

function InviteForm({ orgId, roles, refusal, onSent, onClose }: InviteFormProps): ReactElement {
  const allowed = roles.filter((role) => escalationReason(role, refusal) === undefined);
  const form = useForm({
    endpoint: api.invitations.create,
    saved: {
      email: "",
      role_id: (allowed.find(({ name }) => name === "member") ?? allowed[0])?.id ?? "",
    },
    toBody: ({ email, role_id }) => ({ email: email.trim(), role_id }),
    run: (body, headers) =>
      client.invitations.create({ params: { org_id: orgId }, body }, { headers }),
    fieldOf: { already_member: "email", already_invited: "email" },
    refresh: [organizationsKey],
    onDone: onSent,
  });
  const roleId = form.values.role_id;
  return (
    <Form label="Invite Member" {...form.props}>
      <TextField label="Email address" type="email" {...form.field("email")} />
      <SelectField
        label="Role"
        {...form.field("role_id")}
        options={roles.map((role) => ({
          value: role.id,
          label: visible(role.name),
          disabledReason: allowed.includes(role) ? undefined : "gives more than you hold",
        }))}
        hint={roles.find(({ id }) => id === roleId)?.description ?? undefined}
      />
      <DialogActions>
        <Button onClick={onClose}>Cancel</Button>
        <SubmitButton>Create invitation</SubmitButton>
      </DialogActions>
    </Form>
  );
}

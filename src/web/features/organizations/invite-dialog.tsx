import { type ReactElement, useState } from "react";
import { api } from "#shared/api/index.js";
import type { SentInvitation } from "#shared/api/invitations.js";
import type { Role } from "#shared/api/roles.js";
import { expand } from "#shared/permissions.js";
import { useAction } from "../../action.js";
import { checked, client } from "../../api.js";
import { Button } from "../../ui/button.js";
import { Dialog, DialogActions } from "../../ui/dialog.js";
import { TextField } from "../../ui/field.js";
import { Form } from "../../ui/form.js";
import { visible } from "../../ui/plain-text.js";
import { SelectField } from "../../ui/select.js";
import { InvitationLink } from "./invitation-link.js";
import type { Refusal } from "./permissions.js";
import { organizationsKey } from "./queries.js";

/** Why the viewer may not give a role: what it gives that he lacks; undefined where he may. */
export function beyondReason(role: Role | undefined, refusal: Refusal): string | undefined {
  return expand(role?.effective_permissions ?? [])
    .map(refusal)
    .find((reason) => reason !== undefined);
}

interface InviteDialogProps {
  orgId: string;
  roles: readonly Role[];
  refusal: Refusal;
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
      title={sent === null ? "Invite somebody" : "Invitation sent"}
      description={
        sent === null ? "They get a mail with a link, and join when they accept." : undefined
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
  const allowed = roles.filter((role) => beyondReason(role, refusal) === undefined);
  const [email, setEmail] = useState("");
  const [roleId, setRoleId] = useState(
    (allowed.find(({ name }) => name === "member") ?? allowed[0])?.id ?? "",
  );
  const invite = useAction({
    run: (_input: { email: string; roleId: string }, headers) =>
      client.invitations.create(
        {
          params: { org_id: orgId },
          body: checked(api.invitations.create, { email: email.trim(), role_id: roleId }),
        },
        { headers },
      ),
    refresh: [organizationsKey],
    onDone: onSent,
  });
  const isAboutAddress = ["already_member", "already_invited"].includes(invite.error?.code ?? "");
  const errors = {
    email: invite.error?.field("email") ?? (isAboutAddress ? invite.error?.message : undefined),
    role: invite.error?.field("role_id"),
  };
  return (
    <Form
      label="Invite somebody"
      onSubmit={() => invite.submit({ email, roleId })}
      error={invite.error}
      isShownAtField={Object.values(errors).some(Boolean)}
    >
      <TextField
        label="E-mail address"
        type="email"
        name="email"
        value={email}
        onChange={setEmail}
        error={errors.email}
      />
      <SelectField
        label="Role"
        name="role_id"
        value={roleId}
        options={roles.map((role) => ({
          value: role.id,
          label: visible(role.name),
          disabledReason: allowed.includes(role) ? undefined : "gives more than you hold",
        }))}
        onChange={setRoleId}
        error={errors.role}
        hint={roles.find(({ id }) => id === roleId)?.description ?? undefined}
      />
      <DialogActions>
        <Button onClick={onClose}>Cancel</Button>
        <Button type="submit" variant="primary" pending={invite.pending}>
          Send Invitation
        </Button>
      </DialogActions>
    </Form>
  );
}

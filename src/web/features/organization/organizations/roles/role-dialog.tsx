import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import type { Role } from "#shared/api/organization/roles.js";
import { expand, grants, permissionNames } from "#shared/permissions.js";
import { type ApiError, client } from "../../../../api/client.js";
import { api } from "../../../../api/api-calls.js";
import { useForm } from "../../../../forms/use-form.js";
import { queryClient } from "../../../../api/query-client.js";
import { editOptions } from "../../../../api/incoming.js";
import { Alert } from "../../../../ui/feedback/alert.js";
import { Button } from "../../../../ui/actions/button.js";
import { Dialog, DialogActions } from "../../../../ui/overlays/dialog.js";
import { SavedMeanwhile, TextField } from "../../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../../ui/fields/form.js";
import { countOf } from "../../../../ui/text/number.js";
import { PlainText, visible } from "../../../../ui/text/plain-text.js";
import { SelectField } from "../../../../ui/fields/select.js";
import { FoldedPermissions } from "./permission-list.js";
import { PermissionPicker } from "../../../identity/parts/api-keys/permission-picker.js";
import type { DenyReason } from "../../../../access/deny-reason.js";
import { organizationsKey, roleQuery } from "../../../../api/queries/organization/organizations.js";
import { RoleImpact } from "./role-impact.js";

interface RoleDialogProps {
  orgId: string;
  /** Null: a new role. */
  edited: Role | null;
  roles: readonly Role[];
  refusal: DenyReason;
  isOpen: boolean;
  onClose: () => void;
}

export function RoleDialog({ isOpen, ...rest }: RoleDialogProps): ReactElement {
  const { edited: role, onClose } = rest;
  return (
    <Dialog
      isOpen={isOpen}
      onClose={onClose}
      width="wide"
      title={role === null ? "New role" : `Edit role ${visible(role.name)}`}
      description="The role has the permissions chosen here and those it inherits."
    >
      <RoleForm {...rest} />
    </Dialog>
  );
}

/** Returns all roles that inherit from a role, directly or indirectly. */
function inheritingRoles(role: Role, roles: readonly Role[]): Role[] {
  const heirs = new Set<Role>();
  const visit = (name: string): void => {
    for (const heir of roles) {
      if (heir.inherits_from !== name || heir === role || heirs.has(heir)) continue;
      heirs.add(heir);
      visit(heir.name);
    }
  };
  visit(role.name);
  return [...heirs];
}

/** Assigns a `privilege_escalation` error to the field that the excess permission comes from. */
function escalationOf(
  error: ApiError | null,
  own: readonly string[],
): { permissions?: string; inheritsFrom?: string } {
  if (error?.code !== "privilege_escalation") return {};
  const isOwn = error.problem.missing_permissions?.some((permission) => grants(own, permission));
  return isOwn ? { permissions: error.message } : { inheritsFrom: error.message };
}

const fieldsOf = (role: Role | null, roles: readonly Role[]) => ({
  name: role?.name ?? "",
  description: role?.description ?? "",
  inherits_from: roles.find(({ name }) => name === role?.inherits_from)?.id ?? "",
  permissions: (role?.permissions ?? []) as readonly string[],
});

function RoleForm({
  orgId,
  edited: role,
  roles,
  refusal,
  onClose,
}: Omit<RoleDialogProps, "isOpen">): ReactElement {
  // An edit is based on a fresh version with its ETag, so that it does not overwrite a concurrent edit.
  const current = useQuery({ ...roleQuery(orgId, role?.id ?? ""), enabled: role !== null });
  const basis = role === null ? null : (current.data ?? role);
  const form = useForm({
    // Updates have the same fields and validation.
    endpoint: api.roles.create,
    ...(role === null || basis === null
      ? { saved: fieldsOf(null, roles) }
      : editOptions(
          basis,
          () => queryClient.fetchQuery({ ...roleQuery(orgId, role.id), staleTime: 0 }),
          (fresh) => fieldsOf(fresh, roles),
        )),
    toBody: (values) => ({
      name: values.name,
      description: values.description.trim() || null,
      permissions: [...values.permissions],
      inherits_from: values.inherits_from || null,
    }),
    run: (body, headers) => {
      const params = { org_id: orgId };
      return role === null
        ? client.roles.create({ params, body }, { headers })
        : client.roles.update({ params: { ...params, role_id: role.id }, body }, { headers });
    },
    refresh: [organizationsKey],
    successMessage: (data) => `Role ${visible(data.name)} ${role === null ? "created" : "saved"}`,
    onDone: onClose,
  });
  const { permissions, inherits_from: inheritsFrom } = form.values;

  const savedPermissions = form.field("permissions").incoming;

  const heirs = role === null ? [] : inheritingRoles(role, roles);
  const parent = roles.find(({ id }) => id === inheritsFrom);
  const inherited = parent?.effective_permissions ?? [];
  const sum = expand([...permissions, ...inherited]);

  const escalation = escalationOf(form.error, permissions);
  // A user cannot grant permissions that they lack.
  const allReason = permissionNames.map(refusal).find((reason) => reason !== undefined);
  const inheritedNote = (permission: (typeof sum)[number]): string | undefined =>
    parent && grants(inherited, permission) ? `from ${visible(parent.name)}` : undefined;

  return (
    <Form
      label={role === null ? "New role" : "Edit role"}
      {...form.props}
      isShownAtField={form.props.isShownAtField || form.error?.code === "privilege_escalation"}
    >
      {role !== null && <Affected role={role} heirs={heirs} />}
      <TextField label="Name" {...form.field("name")} />
      <TextField label="Description" optional {...form.field("description")} />
      <SelectField
        label="Inherits from"
        {...form.field("inherits_from")}
        options={[
          { value: "", label: "None" },
          // Without roles that would create a cycle.
          ...roles
            .filter((other) => other.id !== role?.id && !heirs.includes(other))
            .map((other) => ({ value: other.id, label: visible(other.name) })),
        ]}
        error={form.field("inherits_from").error ?? escalation.inheritsFrom}
        hint={
          parent &&
          `Gives ${countOf(expand(inherited).length, "permission")}, and follows when they change.`
        }
      />
      <PermissionPicker
        value={permissions.includes("*:*") ? null : permissions}
        onChange={(value) => form.set({ permissions: value ?? ["*:*"] })}
        refusal={refusal}
        error={form.field("permissions").error ?? escalation.permissions}
        all={{ hint: "Everything, now and later, as an owner may.", disabledReason: allReason }}
        note={inheritedNote}
      />
      {savedPermissions && <SavedMeanwhile label="Permissions" incoming={savedPermissions} />}
      <FoldedPermissions permissions={sum} note={inheritedNote} />
      {role !== null && (
        <RoleImpact
          orgId={orgId}
          edited={role}
          patterns={[...permissions, ...inherited]}
          heirs={heirs}
          roles={roles}
        />
      )}
      <DialogActions>
        <Button onClick={onClose}>Cancel</Button>
        <SubmitButton>{role === null ? "Create role" : "Save role"}</SubmitButton>
      </DialogActions>
    </Form>
  );
}

/** The number of people and agents that a change affects. */
function Affected({ role, heirs }: { role: Role; heirs: readonly Role[] }): ReactElement {
  const count = heirs.reduce((sum, heir) => sum + heir.member_count, role.member_count);
  return (
    <Alert tone={count === 0 ? "info" : "warn"}>
      {count === 0
        ? "No member is affected: the role has no members."
        : `${countOf(count, "member")} ${count === 1 ? "is" : "are"} affected, at once.`}
      {heirs.length > 0 && (
        <>
          {" "}
          The roles that inherit from it change too:{" "}
          {heirs.map((heir, index) => (
            <span key={heir.id}>
              {index > 0 && ", "}
              <PlainText value={heir.name} />
            </span>
          ))}
          .
        </>
      )}
    </Alert>
  );
}

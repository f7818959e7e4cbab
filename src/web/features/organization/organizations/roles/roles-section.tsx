import { type ReactElement, useId, useState } from "react";
import type { Role } from "#shared/api/organization/roles.js";
import { expand, permissionNames } from "#shared/permissions.js";
import { useListView } from "../../../../lists/list-search.js";
import { Badge } from "../../../../ui/feedback/badge.js";
import { Button } from "../../../../ui/actions/button.js";
import { Card } from "../../../../ui/layout/card.js";
import { ListTable } from "../../../../ui/tables/list-table.js";
import type { Sorting } from "../../../../ui/tables/list-view.js";
import { formatNumber } from "../../../../ui/text/number.js";
import { PlainText, visible } from "../../../../ui/text/plain-text.js";
import { DeleteRoleButton } from "./delete-role-button.js";
import { PermissionList } from "./permission-list.js";
import { SettingsHint } from "../../../../access/permission-hint.js";
import type { DenyReason } from "../../../../access/deny-reason.js";
import { RoleDialog } from "./role-dialog.js";

const sortings: readonly Sorting<Role>[] = [
  { key: "name", label: "Role", by: ({ name }) => name },
  { key: "members", label: "Members", by: ({ member_count }) => member_count },
  {
    key: "permissions",
    label: "Permissions",
    by: ({ effective_permissions }) => expand(effective_permissions).length,
  },
];
const textOf = ({ name, description }: Role): string => `${name} ${description ?? ""}`;

interface RolesSectionProps {
  orgId: string;
  roles: readonly Role[];
  refusal: DenyReason;
}

/** The system roles, which are fixed, and the organization's own roles. */
export function RolesSection({ orgId, roles, refusal }: RolesSectionProps): ReactElement {
  const id = useId();
  const [expanded, setExpanded] = useState<ReadonlySet<string>>(new Set());
  const [isCreating, setCreating] = useState(false);
  const view = useListView(roles, { sortings, textOf, prefix: "roles_" });
  const reason = refusal("org:roles:write");
  const toggle = (roleId: string): void => {
    const next = new Set(expanded);
    if (!next.delete(roleId)) next.add(roleId);
    setExpanded(next);
  };
  return (
    <Card
      title="Roles"
      actions={
        <Button size="sm" icon="plus" disabledReason={reason} onClick={() => setCreating(true)}>
          New role
        </Button>
      }
    >
      <div className="-m-4">
        <div className="flex flex-col gap-3 border-b border-line px-4 py-3">
          <p className="text-muted">
            System roles are the same in every organization and read-only. A custom role can inherit
            from another role and add permissions.
          </p>
          <SettingsHint reason={reason} />
        </div>
        <ListTable
          label="Roles"
          noun="role"
          placeholder="Name or description"
          view={view}
          rowKey={(role) => role.id}
          renderDetails={(role) =>
            expanded.has(role.id) ? (
              <section id={`${id}-${role.id}`} aria-label={`What ${visible(role.name)} can do`}>
                <PermissionList permissions={expand(role.effective_permissions)} />
              </section>
            ) : undefined
          }
          columns={[
            {
              name: "Role",
              sortKey: "name",
              renderCell: (role) => (
                <>
                  <span className="flex flex-wrap items-center gap-1.5">
                    <PlainText value={role.name} className="font-medium" />
                    {role.is_system ? <Badge>System</Badge> : <Badge tone="accent">Custom</Badge>}
                  </span>
                  {role.description !== null && (
                    <span className="block text-[13px] text-muted">
                      <PlainText value={role.description} />
                    </span>
                  )}
                </>
              ),
            },
            {
              name: "Inherits from",
              renderCell: ({ inherits_from }) =>
                inherits_from === null ? (
                  <span className="text-muted">None</span>
                ) : (
                  <PlainText value={inherits_from} />
                ),
            },
            {
              name: "Members",
              sortKey: "members",
              renderCell: (role) => formatNumber(role.member_count),
            },
            {
              name: "Permissions",
              sortKey: "permissions",
              renderCell: (role) => {
                const count = expand(role.effective_permissions).length;
                const total = `${count} of ${permissionNames.length}`;
                const isShown = expanded.has(role.id);
                return (
                  <Button
                    variant="ghost"
                    size="sm"
                    className="-ml-2.5"
                    icon={isShown ? "chevronDown" : "chevronRight"}
                    aria-expanded={isShown}
                    aria-controls={isShown ? `${id}-${role.id}` : undefined}
                    aria-label={`${total} permissions of ${visible(role.name)}`}
                    onClick={() => toggle(role.id)}
                  >
                    <span className="md:hidden lg:inline">{`${total} permissions`}</span>
                    <span className="hidden md:inline lg:hidden">{total}</span>
                  </Button>
                );
              },
            },
            {
              name: "Actions",
              hideName: true,
              renderCell: (role) =>
                role.is_system ? (
                  <p className="text-[13px] text-muted md:text-right">Read-only</p>
                ) : (
                  <RoleActions orgId={orgId} role={role} roles={roles} refusal={refusal} />
                ),
            },
          ]}
        />
      </div>
      <RoleDialog
        orgId={orgId}
        edited={null}
        roles={roles}
        refusal={refusal}
        isOpen={isCreating}
        onClose={() => setCreating(false)}
      />
    </Card>
  );
}

function RoleActions({
  orgId,
  role,
  roles,
  refusal,
}: RolesSectionProps & { role: Role }): ReactElement {
  const [isEditing, setEditing] = useState(false);
  // A role can only be changed by a user who has all its permissions.
  const reason = ["org:roles:write" as const, ...expand(role.effective_permissions)]
    .map(refusal)
    .find((text) => text !== undefined);
  return (
    <div className="flex gap-2 md:justify-end">
      <Button
        size="sm"
        aria-label={`Edit ${visible(role.name)}`}
        disabledReason={reason}
        onClick={() => setEditing(true)}
      >
        Edit
      </Button>
      <DeleteRoleButton orgId={orgId} role={role} reason={reason} />
      <RoleDialog
        orgId={orgId}
        edited={role}
        roles={roles}
        refusal={refusal}
        isOpen={isEditing}
        onClose={() => setEditing(false)}
      />
    </div>
  );
}

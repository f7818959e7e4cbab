import type { Role } from "#shared/api/organization/roles.js";
import { systemRoles } from "#shared/permissions.js";
import { diffFields } from "../../../db/audit/audit.js";
import { newId } from "../../../db/tables/columns.js";
import { violatedConstraint, type Queryable } from "../../../db/connection/connect.js";
import { AppError, invalidField, notFound } from "../../../errors.js";
import { permissionsBeyond, type Access } from "../../../access/access.js";
import type { OrgContext } from "../../../http/requests/request-context.js";
import * as queries from "./roles.queries.js";

interface RoleInput {
  name: string;
  description?: string | null | undefined;
  permissions: string[];
  inherits_from?: string | null | undefined;
  organization_id?: string | undefined;
}

/**
 * Creates a custom role, which must not exceed its creator's permissions.
 * @throws AppError 403 `privilege_escalation`; 409 `role_name_taken`; 422
 */
export async function createRole(context: OrgContext, input: RoleInput): Promise<Role> {
  if (input.organization_id !== undefined && input.organization_id !== context.orgId) {
    throw invalidField("organization_id", "must be the organization of the path");
  }
  refuseSystemName(input.name);
  const id = newId();
  return withNameErrors(input.name, () =>
    context.change(async (tx, audit, access) => {
      const parentId = await resolveParent(tx, input.inherits_from);
      await queries.insertRole(tx, {
        id,
        org_id: context.orgId,
        name: input.name,
        description: input.description ?? null,
        permissions: input.permissions,
        inherits_from: parentId,
      });
      const role = await requireNoEscalation(tx, access, id);
      audit({
        action: "role.created",
        target: targetOf(role),
        changes: diffFields(null, role, roleFields),
      });
      return role;
    }),
  );
}

/** @throws AppError 404 */
export async function readRole(tx: Queryable, roleId: string): Promise<Role> {
  const role = await queries.findRole(tx, roleId);
  if (!role) throw notFound();
  return role;
}

/**
 * Changes a custom role for all its holders. Neither the old nor the new permissions may exceed the
 * caller's.
 * @throws AppError 400 `system_role`; 403 `privilege_escalation`; 404; 409 `role_name_taken`; 422
 */
export async function updateRole(
  context: OrgContext,
  roleId: string,
  input: { [Field in keyof RoleInput]?: RoleInput[Field] | undefined },
): Promise<Role> {
  if (input.name !== undefined) refuseSystemName(input.name);
  return withNameErrors(input.name ?? "", () =>
    context.change(async (tx, audit, access) => {
      await requireCustomRole(tx, roleId);
      const before = await requireNoEscalation(tx, access, roleId);
      const { name, description, permissions, inherits_from } = input;
      const changes: Parameters<typeof queries.updateRole>[2] = {};
      if (name !== undefined) changes.name = name;
      if (description !== undefined) changes.description = description;
      if (permissions !== undefined) changes.permissions = permissions;
      if (inherits_from !== undefined) {
        const parentId = await resolveParent(tx, inherits_from);
        if (parentId !== null && (await queries.inheritsFrom(tx, parentId, roleId))) {
          throw invalidField("inherits_from", "would make the role inherit from itself", "cycle");
        }
        changes.inherits_from = parentId;
      }
      if (Object.keys(changes).length > 0) await queries.updateRole(tx, roleId, changes);
      const after = await requireNoEscalation(tx, access, roleId);
      const changed = diffFields(before, after, roleFields);
      if (Object.keys(changed).length > 0) {
        audit({ action: "role.updated", target: targetOf(after), changes: changed });
      }
      return after;
    }),
  );
}

/**
 * Deletes a custom role without holders.
 * @throws AppError 400 `system_role`; 403; 404; 409 `role_in_use`, naming the holders
 */
export async function deleteRole(context: OrgContext, roleId: string): Promise<void> {
  await context.change(async (tx, audit, access) => {
    const role = await requireCustomRole(tx, roleId);
    await requireNoEscalation(tx, access, roleId);
    const holders = await queries.roleHolders(tx, roleId);
    const named = [
      ...holders.members,
      ...holders.invitations.map((email) => `the invitation of ${email}`),
      ...holders.heirs.map((heir) => `the role ${heir}`),
    ];
    if (named.length > 0) {
      throw new AppError(
        "role_in_use",
        `"${role.name}" is assigned to ${named.slice(0, 5).join(", ")}${named.length > 5 ? " and others" : ""}; assign them another role first${holders.invitations.length > 0 ? ", and revoke the invitations" : ""}.`,
        holders,
      );
    }
    await queries.deleteRole(tx, roleId);
    audit({
      action: "role.deleted",
      target: targetOf(role),
      changes: diffFields(role, null, roleFields),
    });
  });
}

const roleFields = ["name", "description", "permissions", "inherits_from"] as const;

const targetOf = ({ id, name }: Role) => ({ type: "role", id, name }) as const;

async function requireCustomRole(tx: Queryable, roleId: string): Promise<Role> {
  const role = await readRole(tx, roleId);
  if (role.is_system) {
    throw new AppError(
      "system_role",
      `"${role.name}" is the same in every organization; create a custom role that inherits from it.`,
    );
  }
  return role;
}

/** Resolves the role to inherit from, given by name or id. */
async function resolveParent(
  tx: Queryable,
  reference: string | null | undefined,
): Promise<string | null> {
  if (reference === null || reference === undefined) return null;
  const parent = await queries.findRoleByReference(tx, reference);
  if (!parent)
    throw invalidField("inherits_from", "does not name a role of this organization", "unknown_id");
  return parent.id;
}

/** Reads the role in the transaction and rejects permissions that the caller lacks. */
async function requireNoEscalation(tx: Queryable, access: Access, roleId: string): Promise<Role> {
  const role = await queries.findRole(tx, roleId);
  if (!role) throw notFound();
  const beyond = permissionsBeyond(access, role.effective_permissions);
  if (beyond.length === 0) return role;
  throw new AppError(
    "privilege_escalation",
    `The role would grant ${beyond.slice(0, 3).join(", ")}, which you do not have; ask a member who has.`,
    { missing_permissions: beyond },
  );
}

function refuseSystemName(name: string): void {
  if (Object.hasOwn(systemRoles, name)) throw nameTaken(name);
}

async function withNameErrors<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (violatedConstraint(error) === "roles_org_name_key") throw nameTaken(name);
    throw error;
  }
}

function nameTaken(name: string): AppError {
  return new AppError("role_name_taken", `A role "${name}" exists here; choose another name.`, {
    errors: [
      { loc: ["body", "name"], msg: "is taken in this organization", type: "role_name_taken" },
    ],
  });
}

import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import type { Role } from "#shared/api/organization/roles.js";
import {
  excessPermissions,
  type Permission,
  permissions as sentences,
} from "#shared/permissions.js";
import { countOf } from "../../../../ui/text/number.js";
import { PlainText, visible } from "../../../../ui/text/plain-text.js";
import { membersQuery } from "../../../../api/queries/organization/organizations.js";

interface Impact {
  role: Role;
  gained: readonly Permission[];
  lost: readonly Permission[];
}

/** Returns the permissions gained and lost by an edited role and by each role that inherits from it. */
function impactsOf(
  edited: Role,
  patterns: readonly string[],
  heirs: readonly Role[],
  roles: readonly Role[],
): Impact[] {
  const after = (role: Role): readonly string[] => {
    if (role.id === edited.id) return patterns;
    if (!heirs.includes(role)) return role.effective_permissions;
    const parent = roles.find(({ name }) => name === role.inherits_from);
    return [...role.permissions, ...(parent ? after(parent) : [])];
  };
  return [edited, ...heirs].map((role) => ({
    role,
    gained: excessPermissions(after(role), role.effective_permissions),
    lost: excessPermissions(role.effective_permissions, after(role)),
  }));
}

interface RoleImpactProps {
  orgId: string;
  edited: Role;
  /** The edited role's patterns, including inherited ones. */
  patterns: readonly string[];
  heirs: readonly Role[];
  roles: readonly Role[];
}

/** Shows which members gain and lose which permissions. */
export function RoleImpact(props: RoleImpactProps): ReactElement {
  const { orgId, edited, patterns, heirs, roles } = props;
  const impacts = impactsOf(edited, patterns, heirs, roles).filter(
    ({ gained, lost }) => gained.length + lost.length > 0,
  );
  return (
    <section aria-label="What saving changes" className="rounded-md border border-line p-3">
      <h3 className="font-medium">What saving changes</h3>
      <div aria-live="polite" className="mt-1 flex flex-col gap-3">
        {impacts.length === 0 ? (
          <p className="text-muted">Nothing of what its members can do.</p>
        ) : (
          impacts.map((impact) => <ImpactOfRole key={impact.role.id} orgId={orgId} {...impact} />)
        )}
      </div>
    </section>
  );
}

function ImpactOfRole({ orgId, role, gained, lost }: Impact & { orgId: string }): ReactElement {
  return (
    <div>
      <p>
        <PlainText value={role.name} className="font-medium" />
        <span className="text-muted">
          {" "}
          · <Holders orgId={orgId} role={role} />
        </span>
      </p>
      <Difference title="Gains" mark="+" tone="text-good" permissions={gained} />
      <Difference title="Loses" mark="−" tone="text-bad" permissions={lost} />
    </div>
  );
}

const namesShown = 5;

/** The holders of a role, by name if the viewer may see the members. */
function Holders({ orgId, role }: { orgId: string; role: Role }): ReactElement {
  const { data: members = [] } = useQuery(membersQuery(orgId));
  const names = members
    .filter(({ role_id }) => role_id === role.id)
    .map(({ display_name }) => visible(display_name));
  if (role.member_count === 0) return <>not assigned</>;
  if (names.length === 0) return <>assigned to {countOf(role.member_count, "member")}</>;
  const more = names.length - namesShown;
  return (
    <>
      assigned to {names.slice(0, namesShown).join(", ")}
      {more > 0 && ` and ${countOf(more, "other")}`}
    </>
  );
}

function Difference({
  title,
  mark,
  tone,
  permissions,
}: {
  title: string;
  mark: string;
  tone: string;
  permissions: readonly Permission[];
}): ReactElement | null {
  if (permissions.length === 0) return null;
  return (
    <ul aria-label={title} className="mt-0.5">
      {permissions.map((permission) => (
        <li key={permission} className="flex gap-1.5">
          <span aria-hidden="true" className={`font-mono font-semibold ${tone}`}>
            {mark}
          </span>
          <span className="min-w-0">
            <span className="sr-only">{title}: </span>
            {sentences[permission]}{" "}
            <code className="font-mono text-xs text-muted">{permission}</code>
          </span>
        </li>
      ))}
    </ul>
  );
}

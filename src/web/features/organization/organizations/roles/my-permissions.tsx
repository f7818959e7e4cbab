import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import type { PermissionExplanation } from "#shared/api/organization/organizations.js";
import type { Role } from "#shared/api/organization/roles.js";
import {
  grants,
  type Permission,
  permissionNames,
  permissions as sentences,
} from "#shared/permissions.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { SelectField } from "../../../../ui/fields/select.js";
import { Waiting } from "../../../../components/await.js";
import { ResourceCard } from "../../../../components/resource-card.js";
import { FoldedPermissions } from "./permission-list.js";
import {
  explanationQuery,
  permissionsQuery,
} from "../../../../api/queries/organization/organizations.js";

interface MyPermissionsProps {
  orgId: string;
  roles: readonly Role[];
}

/** The viewer's permissions, and the server's explanation of a selected one. */
export function MyPermissions({ orgId, roles }: MyPermissionsProps): ReactElement {
  const mine = useQuery(permissionsQuery(orgId));
  const [asked, setAsked] = useState<Permission | undefined>();
  return (
    <ResourceCard title="Your permissions" query={mine} rows={1}>
      {(data) => (
        <div className="flex flex-col gap-4">
          <div className="max-w-xl">
            <SelectField
              label="Check a permission"
              value={asked ?? ""}
              options={[
                { value: "", label: "Choose one…" },
                ...permissionNames.map((name) => ({
                  value: name,
                  label: `${sentences[name]} (${name})`,
                })),
              ]}
              onChange={(value) => setAsked(permissionNames.find((name) => name === value))}
            />
          </div>
          <div aria-live="polite">
            {asked !== undefined && <Explanation orgId={orgId} asked={asked} roles={roles} />}
          </div>
          <FoldedPermissions
            permissions={permissionNames.filter((name) =>
              data.effective_permissions.includes(name),
            )}
          />
        </div>
      )}
    </ResourceCard>
  );
}

function Explanation({
  orgId,
  asked,
  roles,
}: MyPermissionsProps & { asked: Permission }): ReactElement {
  const explanation = useQuery(explanationQuery(orgId, asked));
  if (explanation.data === undefined) return <Waiting query={explanation} rows={1} />;
  const { allowed, because } = explanation.data;
  return allowed ? <Reasons because={because} /> : <Lacking asked={asked} roles={roles} />;
}

function Reasons({ because }: Pick<PermissionExplanation, "because">): ReactElement {
  return (
    <>
      <p className="font-medium text-good">You have this permission.</p>
      <ul>
        {because.map(({ role, via, pattern }) => (
          <li key={`${via} ${pattern}`}>
            Your role <PlainText value={role} className="font-medium" />{" "}
            {via === role ? (
              "has"
            ) : (
              <>
                inherits from <PlainText value={via} className="font-medium" />
              </>
            )}{" "}
            <code className="font-mono text-[13px]">{pattern}</code>.
          </li>
        ))}
      </ul>
    </>
  );
}

function Lacking({ asked, roles }: { asked: Permission; roles: readonly Role[] }): ReactElement {
  const having = roles.filter(({ effective_permissions }) => grants(effective_permissions, asked));
  return (
    <>
      <p className="font-medium text-bad">You do not have this permission.</p>
      <p>
        Nothing in your role grants <code className="font-mono text-[13px]">{asked}</code>. Roles
        that have it:{" "}
        {having.map((role, index) => (
          <span key={role.id}>
            {index > 0 && ", "}
            <PlainText value={role.name} className="font-medium" />
          </span>
        ))}
        .
      </p>
    </>
  );
}

import type { ReactElement } from "react";
import { type Permission, permissionNames, permissions as sentences } from "#shared/permissions.js";
import { resourceGroups } from "../../../identity/parts/api-keys/permission-groups.js";

interface PermissionListProps {
  permissions: readonly Permission[];
  /** Note beside a permission's name, such as its source. */
  note?: (permission: Permission) => string | undefined;
}

/** The number of permissions, which unfolds them by resource, each with its description. */
export function FoldedPermissions(props: PermissionListProps): ReactElement {
  return (
    <details className="rounded-md border border-line">
      <summary className="list-none px-3 py-2 font-medium before:mr-1.5 before:text-muted before:content-['▸'] in-open:before:content-['▾']">
        Permissions in total: {props.permissions.length} of {permissionNames.length}
      </summary>
      <div className="border-t border-line p-3">
        <PermissionList {...props} />
      </div>
    </details>
  );
}

/** Permissions by resource, each with its description. */
export function PermissionList({ permissions, note }: PermissionListProps): ReactElement {
  if (permissions.length === 0) return <p className="text-muted">Nothing.</p>;
  return (
    <div className="flex flex-col gap-3">
      {resourceGroups(permissions).map((group) => (
        <section key={group.title}>
          <h3 className="text-[13px] font-semibold">{group.title}</h3>
          <ul className="mt-1 grid gap-x-6 gap-y-1.5 sm:grid-cols-2">
            {group.permissions.map((permission) => {
              const more = note?.(permission);
              return (
                <li key={permission} className="min-w-0">
                  {sentences[permission]}
                  <span className="block text-[13px] text-muted">
                    <code className="font-mono text-xs">{permission}</code>
                    {more !== undefined && ` · ${more}`}
                  </span>
                </li>
              );
            })}
          </ul>
        </section>
      ))}
    </div>
  );
}

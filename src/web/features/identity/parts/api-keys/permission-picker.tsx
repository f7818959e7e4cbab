import { type ReactElement, useId, useState } from "react";
import {
  expand,
  grants,
  matches,
  type Permission,
  permissionNames,
  permissions,
} from "#shared/permissions.js";
import { Button } from "../../../../ui/actions/button.js";
import { Checkbox } from "../../../../ui/fields/field.js";
import { countOf } from "../../../../ui/text/number.js";
import { resourceGroups } from "./permission-groups.js";
import type { DenyReason } from "../../../../access/deny-reason.js";

/** Adds or removes one permission; a wildcard is replaced by the other permissions that it covers. */
function withPermission(
  patterns: readonly string[],
  permission: Permission,
  isOn: boolean,
): readonly string[] {
  if (isOn) return grants(patterns, permission) ? patterns : [...patterns, permission];
  const rest = patterns.flatMap((pattern) =>
    matches(pattern, permission)
      ? expand([pattern]).filter((covered) => covered !== permission)
      : [pattern],
  );
  return [...new Set(rest)];
}

interface PermissionPickerProps {
  /** Patterns; null means all permissions. */
  value: readonly string[] | null;
  onChange: (value: readonly string[] | null) => void;
  refusal: DenyReason;
  error: string | undefined;
  all: { hint: string; disabledReason?: string | undefined };
  /** Note beside a permission's name, such as its other source. */
  note?: (permission: Permission) => string | undefined;
}

/** [Select permissions…]: all, or a selection grouped by resource, with descriptions. */
export function PermissionPicker({
  value,
  onChange,
  refusal,
  error,
  all,
  note,
}: PermissionPickerProps): ReactElement {
  const id = useId();
  const [isOpen, setOpen] = useState(false);
  const count = value === null ? permissionNames.length : expand(value).length;
  return (
    <fieldset className="flex min-w-0 flex-col gap-1.5">
      <legend className="mb-1.5 text-[13px] font-medium">Permissions</legend>
      <div>
        <Button
          aria-expanded={isOpen}
          aria-controls={`${id}-panel`}
          aria-describedby={error ? `${id}-error` : undefined}
          aria-invalid={error ? true : undefined}
          icon={isOpen ? "chevronDown" : "chevronRight"}
          onClick={() => setOpen(!isOpen)}
        >
          {value === null
            ? "All permissions"
            : count === 0
              ? "Select permissions…"
              : countOf(count, "permission")}
        </Button>
      </div>
      {error && (
        <p id={`${id}-error`} className="text-[13px] text-bad first-letter:uppercase">
          {error}
        </p>
      )}
      <div
        id={`${id}-panel`}
        hidden={!isOpen}
        className={isOpen ? "flex flex-col gap-4 rounded-md border border-line p-3" : ""}
      >
        <Checkbox
          label="All permissions"
          hint={all.hint}
          checked={value === null}
          onChange={(isOn) => onChange(isOn ? null : [])}
          disabledReason={all.disabledReason}
        />
        {value !== null &&
          resourceGroups(permissionNames).map((group) => (
            <fieldset key={group.title} className="grid gap-x-4 gap-y-2.5 sm:grid-cols-2">
              <legend className="mb-1.5 text-[13px] font-semibold">{group.title}</legend>
              {group.permissions.map((permission) => {
                const more = note?.(permission);
                return (
                  <Checkbox
                    key={permission}
                    label={permissions[permission]}
                    hint={
                      <>
                        <code className="font-mono text-xs">{permission}</code>
                        {more !== undefined && ` · ${more}`}
                      </>
                    }
                    checked={grants(value, permission)}
                    onChange={(isOn) => onChange(withPermission(value, permission, isOn))}
                    disabledReason={refusal(permission)}
                  />
                );
              })}
            </fieldset>
          ))}
      </div>
    </fieldset>
  );
}

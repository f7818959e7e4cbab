import { type ReactElement, useId, useState } from "react";
import { type Permission, permissionNames, permissions } from "#shared/permissions.js";
import { Button } from "../../ui/button.js";
import { Checkbox } from "../../ui/field.js";
import { countOf } from "../../ui/number.js";
import type { Refusal } from "../organizations/permissions.js";

const resources = [
  { name: "org", title: "Organization" },
  { name: "project", title: "Projects" },
  { name: "agent", title: "Agents" },
] as const;

interface PermissionPickerProps {
  /** Null: all of them. */
  value: ReadonlySet<Permission> | null;
  onChange: (value: ReadonlySet<Permission> | null) => void;
  refusal: Refusal;
  error: string | undefined;
}

/** [Select permissions…]: all, or some by resource, each with its sentence. */
export function PermissionPicker({
  value,
  onChange,
  refusal,
  error,
}: PermissionPickerProps): ReactElement {
  const id = useId();
  const [isOpen, setOpen] = useState(false);
  const toggle = (permission: Permission, isOn: boolean): void => {
    const next = new Set(value);
    if (isOn) next.add(permission);
    else next.delete(permission);
    onChange(next);
  };
  return (
    <fieldset className="flex min-w-0 flex-col gap-1.5">
      <legend className="mb-1.5 text-[13px] font-medium">Permissions</legend>
      <div>
        <Button
          aria-expanded={isOpen}
          aria-controls={`${id}-panel`}
          aria-invalid={error ? true : undefined}
          icon={isOpen ? "chevronDown" : "chevronRight"}
          onClick={() => setOpen(!isOpen)}
        >
          {value === null
            ? "All permissions"
            : value.size === 0
              ? "Select permissions…"
              : countOf(value.size, "permission")}
        </Button>
      </div>
      {error && <p className="text-[13px] text-bad first-letter:uppercase">{error}</p>}
      <div
        id={`${id}-panel`}
        hidden={!isOpen}
        className={isOpen ? "flex flex-col gap-4 rounded-md border border-line p-3" : ""}
      >
        <Checkbox
          label="All permissions"
          hint="Everything you may do in the organization, now and later."
          checked={value === null}
          onChange={(isOn) => onChange(isOn ? null : new Set())}
        />
        {value !== null &&
          resources.map((resource) => (
            <fieldset key={resource.name} className="grid gap-x-4 gap-y-2.5 sm:grid-cols-2">
              <legend className="mb-1.5 text-[13px] font-semibold">{resource.title}</legend>
              {permissionNames
                .filter((permission) => permission.startsWith(`${resource.name}:`))
                .map((permission) => (
                  <Checkbox
                    key={permission}
                    label={permissions[permission]}
                    hint={<code className="font-mono text-xs">{permission}</code>}
                    checked={value.has(permission)}
                    onChange={(isOn) => toggle(permission, isOn)}
                    disabledReason={refusal(permission)}
                  />
                ))}
            </fieldset>
          ))}
      </div>
    </fieldset>
  );
}

import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import type { AuditEvent } from "#shared/api/organization/audit.js";
import { auditActionNames, auditActions } from "#shared/organization/audit.js";
import type { AuditSearch } from "../../../../api/queries/organization/audit.js";
import { Button } from "../../../../ui/actions/button.js";
import { TextField } from "../../../../ui/fields/field.js";
import { visible } from "../../../../ui/text/plain-text.js";
import { SelectField } from "../../../../ui/fields/select.js";
import { membersQuery } from "../../../../api/queries/organization/organizations.js";
import { actionOf } from "../../../../api/queries/organization/audit.js";

interface AuditFiltersProps {
  orgId: string;
  search: AuditSearch;
  onChange: (change: Partial<Record<keyof AuditSearch, string | undefined>>) => void;
  /** Former members are known only from their events. */
  events: readonly AuditEvent[];
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export function AuditFilters({ orgId, search, onChange, events }: AuditFiltersProps): ReactElement {
  const { data: members = [] } = useQuery(membersQuery(orgId));
  const people = new Map<string, string>();
  for (const { actor } of events) if (actor.id !== null) people.set(actor.id, actor.name);
  for (const { user_id, display_name } of members) {
    if (user_id !== null) people.set(user_id, display_name);
  }
  const { actor } = search;
  if (actor !== undefined && !people.has(actor)) people.set(actor, actor);

  const change = (name: keyof AuditSearch, value: string): void =>
    onChange({ [name]: value || undefined });
  return (
    <search
      aria-label="Filter the audit log"
      className="grid grid-cols-2 items-end gap-x-4 gap-y-3 *:first:col-span-2 *:nth-2:col-span-2 sm:*:first:col-span-1 sm:*:nth-2:col-span-1 xl:grid-cols-[2fr_2fr_1fr_1fr_auto]"
    >
      <SelectField
        label="Action"
        value={actionOf(search) ?? ""}
        onChange={(value) => change("action", value)}
        options={[
          { value: "", label: "All actions" },
          ...auditActionNames.map((name) => ({
            value: name,
            label: capitalized(auditActions[name]),
          })),
        ]}
      />
      <SelectField
        label="Person"
        value={actor ?? ""}
        onChange={(value) => change("actor", value)}
        options={[
          { value: "", label: "Everybody" },
          ...Array.from(people, ([value, name]) => ({ value, label: visible(name) })),
        ]}
      />
      <TextField
        label="From"
        type="date"
        value={search.from ?? ""}
        max={search.to}
        onChange={(value) => change("from", value)}
      />
      <TextField
        label="To"
        type="date"
        value={search.to ?? ""}
        min={search.from}
        onChange={(value) => change("to", value)}
      />
      <Button
        disabledReason={Object.keys(search).length === 0 ? "Nothing is filtered." : undefined}
        onClick={() =>
          onChange({ action: undefined, actor: undefined, from: undefined, to: undefined })
        }
      >
        Clear filters
      </Button>
    </search>
  );
}

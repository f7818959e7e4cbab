import type { ReactElement } from "react";
import type { Member } from "#shared/api/organization/members.js";
import { Icon } from "../../../ui/actions/icons.js";
import { SelectField } from "../../../ui/fields/select.js";
import { PlainText, visible } from "../../../ui/text/plain-text.js";

interface PeopleFieldProps {
  /** Ids of the chosen people. */
  chosen: readonly string[];
  names: ReadonlyMap<string, string>;
  people: readonly Member[];
  error: string | undefined;
  onChange: (chosen: readonly string[]) => void;
}

/** Chooses the people who work on a task: a choice adds one, a button removes one. */
export function PeopleField({
  chosen,
  names,
  people,
  error,
  onChange,
}: PeopleFieldProps): ReactElement {
  const others = people.filter(({ user_id }) => !chosen.includes(user_id ?? ""));
  return (
    <div className="flex flex-col gap-2">
      <SelectField
        label="Assignees"
        optional
        value=""
        error={error}
        onChange={(id) => id !== "" && onChange([...chosen, id])}
        options={[
          { value: "", label: "Add a person…" },
          ...others.map(({ user_id, display_name }) => ({
            value: user_id ?? "",
            label: visible(display_name),
          })),
        ]}
        hint="People who work on it beside its agents."
      />
      {chosen.length > 0 && (
        <ul aria-label="Chosen assignees" className="flex flex-wrap gap-2">
          {chosen.map((id) => {
            const name = names.get(id) ?? "Unknown";
            return (
              <li key={id}>
                <button
                  type="button"
                  aria-label={`Remove ${visible(name)}`}
                  onClick={() => onChange(chosen.filter((other) => other !== id))}
                  className="inline-flex min-h-7 items-center gap-1.5 rounded-full border border-line bg-sunken px-2.5 text-[13px] hover:border-control"
                >
                  <PlainText value={name} />
                  <Icon name="close" className="!size-3 text-muted" />
                </button>
              </li>
            );
          })}
        </ul>
      )}
    </div>
  );
}

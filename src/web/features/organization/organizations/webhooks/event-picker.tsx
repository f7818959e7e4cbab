import type { ReactElement } from "react";
import {
  describeEvent,
  eventNames,
  type EventName,
  permissionOfEvent,
  subjectOf,
} from "#shared/operation/event-types.js";
import type { DenyReason } from "../../../../access/deny-reason.js";
import { Checkbox } from "../../../../ui/fields/field.js";

interface EventPickerProps {
  value: readonly string[];
  onChange: (events: string[]) => void;
  error: string | undefined;
  refusal: DenyReason;
}

const titles: Record<string, string> = { api_key: "API key" };

const groups = [...new Set(eventNames.map(subjectOf))].map((subject) => ({
  subject,
  names: eventNames.filter((name) => subjectOf(name) === subject),
  title: titles[subject] ?? titleOf(subject),
}));

/** Chooses events: all of a subject, which includes those of later versions, or some of them. */
export function EventPicker({ value, onChange, error, refusal }: EventPickerProps): ReactElement {
  const chosen = new Set(value);
  const toggle = (pattern: string, isOn: boolean, instead: readonly string[] = []): void => {
    const rest = value.filter((selected) => selected !== pattern && !instead.includes(selected));
    onChange(isOn ? [...rest, pattern] : rest);
  };
  return (
    <fieldset className="flex min-w-0 flex-col gap-2">
      <legend className="mb-1.5 text-[13px] font-medium">Events</legend>
      <div className="max-h-80 divide-y divide-line overflow-y-auto rounded-md border border-line">
        {groups.map(({ subject, names, title }) => {
          const all = `${subject}.*`;
          const [first] = names as [EventName];
          const reason = refusal(permissionOfEvent(first));
          const isAll = chosen.has(all) || chosen.has("*");
          const count = names.filter((name) => chosen.has(name)).length;
          return (
            <details key={subject} className="group px-3 py-2">
              <summary className="cursor-pointer">
                <span className="font-medium">{title}</span>{" "}
                <span className="text-[13px] text-muted">
                  {isAll ? "all events" : count > 0 ? `${count} of ${names.length}` : ""}
                </span>
              </summary>
              <div className="flex flex-col gap-1.5 pt-2 pl-3.5">
                {reason !== undefined && <p className="text-[13px] text-muted">{reason}</p>}
                <Checkbox
                  label={`All ${title.toLowerCase()} events`}
                  checked={isAll}
                  disabledReason={reason}
                  onChange={(isOn) => toggle(all, isOn, [...names, "*"])}
                />
                {names.map((name) => (
                  <Checkbox
                    key={name}
                    label={<code className="font-mono text-[13px]">{name}</code>}
                    hint={describeEvent(name)}
                    checked={isAll || chosen.has(name)}
                    disabledReason={reason ?? (isAll ? "Included in all events." : undefined)}
                    onChange={(isOn) => toggle(name, isOn)}
                  />
                ))}
              </div>
            </details>
          );
        })}
      </div>
      {error !== undefined && <p className="text-[13px] text-bad">{error}</p>}
    </fieldset>
  );
}

function titleOf(subject: string): string {
  const words = subject.replaceAll("_", " ");
  return words.slice(0, 1).toUpperCase() + words.slice(1);
}

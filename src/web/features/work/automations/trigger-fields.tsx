import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useMemo } from "react";
import type { Schedule, Trigger } from "#shared/api/work/automation-parts.js";
import {
  forgeEventNames,
  forgeEvents,
  productEventNames,
  productEvents,
} from "#shared/work/automation-choices.js";
import { asApiError } from "../../../api/client.js";
import { nextTimesQuery } from "../../../api/queries/work/automations.js";
import { useDebounced } from "../../../hooks/use-debounced.js";
import { Button } from "../../../ui/actions/button.js";
import { Checkbox, TextField } from "../../../ui/fields/field.js";
import { SelectField } from "../../../ui/fields/select.js";
import { Time } from "../../../ui/text/time.js";
import { ownZone } from "./automation-values.js";

const kinds: Record<Trigger["type"], string> = {
  schedule: "At certain times",
  forge: "On the forge",
  event: "In Omoi",
  webhook: "A request to its address",
};

const firstOf: Record<Trigger["type"], () => Trigger> = {
  schedule: () => ({ type: "schedule", cron: "0 7 * * 1", timezone: ownZone() }),
  forge: () => ({ type: "forge", events: ["issue.opened"] }),
  event: () => ({ type: "event", types: ["task.done"] }),
  webhook: () => ({ type: "webhook", signed: false }),
};

interface TriggersProps {
  projectId: string;
  value: readonly Trigger[];
  onChange: (triggers: Trigger[]) => void;
  errorOf: (...names: string[]) => string | undefined;
}

/** What fires an automation: one or more triggers. */
export function TriggerFields({
  projectId,
  value,
  onChange,
  errorOf,
}: TriggersProps): ReactElement {
  const set = (index: number, next: Trigger): void =>
    onChange(value.map((trigger, at) => (at === index ? next : trigger)));
  return (
    <fieldset className="flex min-w-0 flex-col gap-3">
      <legend className="mb-1.5 text-[13px] font-medium">When</legend>
      {value.map((trigger, index) => (
        <div
          // The fields have no identity but their place.
          // oxlint-disable-next-line react/no-array-index-key
          key={index}
          className="flex flex-col gap-3 rounded-md border border-line px-3 py-3"
        >
          <div className="flex items-end justify-between gap-3">
            <div className="min-w-0 flex-1">
              <SelectField
                label="Trigger"
                value={trigger.type}
                onChange={(type) => set(index, firstOf[type as Trigger["type"]]())}
                options={Object.entries(kinds).map(([type, label]) => ({ value: type, label }))}
              />
            </div>
            {value.length > 1 && (
              <Button
                aria-label={`Remove trigger ${index + 1}`}
                onClick={() => onChange(value.filter((_trigger, at) => at !== index))}
              >
                Remove
              </Button>
            )}
          </div>
          {trigger.type === "schedule" && (
            <ScheduleFields
              projectId={projectId}
              value={trigger}
              onChange={(next) => set(index, next)}
              error={errorOf(`triggers.${index}.cron`)}
            />
          )}
          {trigger.type === "forge" && (
            <EventChoices
              names={forgeEventNames}
              titles={forgeEvents}
              value={trigger.events}
              onChange={(events) => set(index, { ...trigger, events })}
            />
          )}
          {trigger.type === "event" && (
            <EventChoices
              names={productEventNames}
              titles={productEvents}
              value={trigger.types}
              onChange={(types) => set(index, { ...trigger, types })}
            />
          )}
          {trigger.type === "webhook" && (
            <Checkbox
              label="Requests must be signed"
              hint="By the headers of Standard Webhooks, or X-Hub-Signature-256. The address and the secret are shown once."
              checked={trigger.signed}
              onChange={(signed) => set(index, { type: "webhook", signed })}
            />
          )}
        </div>
      ))}
      <Button
        size="sm"
        icon="plus"
        className="self-start"
        onClick={() => onChange([...value, firstOf.schedule()])}
      >
        Add trigger
      </Button>
      {errorOf("triggers") !== undefined && (
        <p className="text-[13px] text-bad">{errorOf("triggers")}</p>
      )}
    </fieldset>
  );
}

interface EventChoicesProps<Name extends string> {
  names: readonly Name[];
  titles: Readonly<Record<Name, string>>;
  value: readonly Name[];
  onChange: (names: Name[]) => void;
}

function EventChoices<Name extends string>({
  names,
  titles,
  value,
  onChange,
}: EventChoicesProps<Name>): ReactElement {
  return (
    <div className="grid gap-2 sm:grid-cols-2">
      {names.map((name) => (
        <Checkbox
          key={name}
          label={titles[name]}
          checked={value.includes(name)}
          onChange={(isChosen) =>
            onChange(isChosen ? [...value, name] : value.filter((other) => other !== name))
          }
        />
      ))}
    </div>
  );
}

const usual = [
  { value: "0 7 * * *", label: "Every day at 07:00" },
  { value: "0 7 * * 1-5", label: "Mondays to Fridays at 07:00" },
  { value: "0 7 * * 1", label: "Mondays at 07:00" },
  { value: "0 7 1 * *", label: "The first day of each month at 07:00" },
  { value: "0 * * * *", label: "Every hour" },
] as const;

interface ScheduleProps {
  projectId: string;
  value: Schedule;
  onChange: (schedule: Schedule) => void;
  error: string | undefined;
}

function ScheduleFields({ projectId, value, onChange, error }: ScheduleProps): ReactElement {
  const zones = useMemo(
    () => [...new Set(["UTC", value.timezone, ...Intl.supportedValuesOf("timeZone")])],
    [value.timezone],
  );
  const [cron, timezone] = [useDebounced(value.cron.trim(), 300), value.timezone];
  const times = useQuery({ ...nextTimesQuery(projectId, cron, timezone), enabled: cron !== "" });
  const fault = times.error === null ? undefined : asApiError(times.error).message;
  return (
    <>
      <div className="grid gap-3 sm:grid-cols-3">
        <SelectField
          label="Times"
          value={usual.some((choice) => choice.value === value.cron) ? value.cron : ""}
          onChange={(chosen) => chosen !== "" && onChange({ ...value, cron: chosen })}
          options={[...usual, { value: "", label: "Other times" }]}
        />
        <TextField
          label="Schedule"
          value={value.cron}
          onChange={(text) => onChange({ ...value, cron: text })}
          error={error ?? fault}
          spellCheck={false}
          autoComplete="off"
          className="font-mono text-[13px]"
          hint="Minute, hour, day, month, weekday"
        />
        <SelectField
          label="Time zone"
          value={value.timezone}
          onChange={(zone) => onChange({ ...value, timezone: zone })}
          options={zones.map((zone) => ({ value: zone, label: zone }))}
        />
      </div>
      {times.data && (
        <div className="text-[13px] text-muted">
          <p>Next, in your time zone ({ownZone()}):</p>
          <ul aria-label="Next times" className="flex flex-wrap gap-x-4">
            {times.data.map((time) => (
              <li key={time}>
                <Time value={time} />
              </li>
            ))}
          </ul>
        </div>
      )}
    </>
  );
}

import { type ReactElement, useEffect, useRef, useState } from "react";
import {
  MAX_MERGE_DRIVERS,
  MAX_REGENERATE_SECONDS,
  type MergeDriver,
  type MergeDriverName,
  REGENERATE_SECONDS,
} from "#shared/code/merge-drivers.js";
import type { Project } from "#shared/api/code/projects.js";
import { needsQueue } from "#shared/code/protection.js";
import { PermissionHint } from "../../../../access/permission-hint.js";
import type { DenyReason } from "../../../../access/deny-reason.js";
import { api } from "../../../../api/api-calls.js";
import { client } from "../../../../api/client.js";
import { editOptions } from "../../../../api/incoming.js";
import { queryClient } from "../../../../api/query-client.js";
import { projectQuery, projectsKey } from "../../../../api/queries/code/projects.js";
import { lineOf, wordsOf } from "../../../../components/command/command-line.js";
import { useForm } from "../../../../forms/use-form.js";
import { Button } from "../../../../ui/actions/button.js";
import { SavedMeanwhile, TextField } from "../../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../../ui/fields/form.js";
import { SelectField } from "../../../../ui/fields/select.js";
import { Card } from "../../../../ui/layout/card.js";
import { visible } from "../../../../ui/text/plain-text.js";

const sentences: Record<MergeDriverName, string> = {
  json: "Merges the data of JSON, YAML and TOML files key by key, for example of lock files.",
  union: "Keeps the lines of both sides, for example of go.sum and of changelogs.",
  regenerate: "Runs a command in the sandbox on the merged files, and takes the file from it.",
};
const options = [
  { value: "json", label: "json: merge the data" },
  { value: "union", label: "union: keep the lines of both" },
  { value: "regenerate", label: "regenerate: run a command" },
];
const networks = [
  { value: "none", label: "None" },
  { value: "full", label: "Full" },
];

/** A driver in the form; the last three fields are those of `regenerate`. */
interface DraftDriver {
  pattern: string;
  driver: MergeDriverName;
  line: string;
  seconds: string;
  network: "none" | "full";
}

const blank: DraftDriver = {
  pattern: "",
  driver: "json",
  line: "",
  seconds: String(REGENERATE_SECONDS),
  network: "none",
};

function draftOf(driver: MergeDriver): DraftDriver {
  const { pattern } = driver;
  if (driver.driver !== "regenerate") return { ...blank, pattern, driver: driver.driver };
  const { command, timeout_seconds, network } = driver;
  const seconds = String(timeout_seconds);
  return { pattern, driver: "regenerate", line: lineOf(command), seconds, network };
}

function driverOf({ pattern, driver, line, seconds, network }: DraftDriver): MergeDriver {
  if (driver !== "regenerate") return { pattern: pattern.trim(), driver };
  const parsed = wordsOf(line);
  return {
    pattern: pattern.trim(),
    driver,
    command: "words" in parsed ? parsed.words : [],
    timeout_seconds: Number(seconds),
    network,
  };
}

function textOf({ pattern, driver, line }: DraftDriver): string {
  return `${pattern}: ${driver}${driver === "regenerate" ? ` by ${line}` : ""}`;
}

const fieldsOf = ({ merge_drivers }: Project) => ({ merge_drivers: merge_drivers.map(draftOf) });

/** The project's merge drivers, in their order: a person adds, orders and removes them. */
export function MergeDriversCard({
  project,
  refusal,
}: {
  project: Project;
  refusal: DenyReason;
}): ReactElement {
  const params = { project_id: project.id };
  const reason =
    refusal("project:write") ??
    // They decide about the files that land.
    (project.protected_branches.some(needsQueue) ? refusal("project:protection:write") : undefined);
  const form = useForm({
    endpoint: api.projects.update,
    ...editOptions(
      project,
      () => queryClient.fetchQuery({ ...projectQuery(project.id), staleTime: 0 }),
      fieldsOf,
    ),
    toBody: ({ merge_drivers }) => ({ merge_drivers: merge_drivers.map(driverOf) }),
    run: (body, headers) => client.projects.update({ params, body }, { headers }),
    refresh: [projectsKey],
    successMessage: () => "Merge drivers saved",
  });
  const { value: drivers, onChange, incoming } = form.field("merge_drivers");
  const list = useRef<HTMLOListElement>(null);
  /** The button that was pressed, in the new place of its driver. */
  const [moved, setMoved] = useState<{ index: number; by: -1 | 1 } | null>(null);
  useEffect(() => {
    if (moved === null) return;
    const row = list.current?.children[moved.index];
    row?.querySelector<HTMLElement>(`[data-move="${moved.by}"]`)?.focus();
  }, [moved]);

  const change = (index: number, part: Partial<DraftDriver>): void =>
    onChange(drivers.map((driver, at) => (at === index ? { ...driver, ...part } : driver)));
  const move = (index: number, by: -1 | 1): void => {
    const others = drivers.filter((_driver, at) => at !== index);
    onChange(others.toSpliced(index + by, 0, drivers[index] as DraftDriver));
    setMoved({ index: index + by, by });
  };
  return (
    <Card title="Merge drivers">
      <Form label="Merge drivers" {...form.props}>
        <p className="text-muted">
          Files that both sides of a merge changed are merged by the first driver whose pattern
          matches their path, all others by lines. The .gitattributes of branches have no effect.
        </p>
        <PermissionHint reason={reason} />
        {drivers.length > 0 && (
          <ol ref={list} className="flex flex-col gap-4">
            {drivers.map((driver, index) => (
              // oxlint-disable-next-line react/no-array-index-key -- the place is the identity of a driver
              <li key={index} className="flex flex-col gap-2 border-b border-line pb-4">
                <DriverFields
                  driver={driver}
                  index={index}
                  reason={reason}
                  errorOf={(name) => form.errorOf(`merge_drivers.${index}.${name}`)}
                  onChange={(part) => change(index, part)}
                />
                <div className="flex flex-wrap gap-2">
                  {([-1, 1] as const).map((by) => (
                    <Button
                      key={by}
                      size="sm"
                      data-move={by}
                      aria-label={`Move ${by < 0 ? "up" : "down"}: ${nameOf(driver, index)}`}
                      disabledReason={reason ?? endReason(index + by, drivers.length)}
                      onClick={() => move(index, by)}
                    >
                      Move {by < 0 ? "up" : "down"}
                    </Button>
                  ))}
                  <Button
                    size="sm"
                    aria-label={`Remove: ${nameOf(driver, index)}`}
                    disabledReason={reason}
                    onClick={() => onChange(drivers.filter((_driver, at) => at !== index))}
                  >
                    Remove
                  </Button>
                </div>
              </li>
            ))}
          </ol>
        )}
        {incoming && (
          <SavedMeanwhile
            label="merge drivers"
            incoming={{
              ...incoming,
              value: incoming.value.map(textOf),
            }}
          />
        )}
        <div className="flex flex-wrap gap-2">
          <Button
            icon="plus"
            disabledReason={
              reason ??
              (drivers.length >= MAX_MERGE_DRIVERS
                ? `A project has at most ${MAX_MERGE_DRIVERS} merge drivers.`
                : undefined)
            }
            onClick={() => onChange([...drivers, blank])}
          >
            Add driver
          </Button>
          <SubmitButton disabledReason={reason}>Save Changes</SubmitButton>
        </div>
      </Form>
    </Card>
  );
}

function DriverFields({
  driver: draft,
  index,
  reason,
  errorOf,
  onChange,
}: {
  driver: DraftDriver;
  index: number;
  reason: string | undefined;
  errorOf: (name: string) => string | undefined;
  onChange: (part: Partial<DraftDriver>) => void;
}): ReactElement {
  const { pattern, driver } = draft;
  return (
    <div className="grid gap-3 sm:grid-cols-2">
      <TextField
        label={`Pattern ${index + 1}`}
        name={`merge_drivers.${index}.pattern`}
        value={pattern}
        placeholder="**/package-lock.json"
        className="font-mono text-[13px]"
        disabledReason={reason}
        error={errorOf("pattern")}
        hint="A path: * matches within a folder, ** any depth."
        onChange={(value) => onChange({ pattern: value })}
      />
      <SelectField
        label={`Driver ${index + 1}`}
        name={`merge_drivers.${index}.driver`}
        value={driver}
        options={options}
        disabledReason={reason}
        error={errorOf("driver")}
        hint={sentences[driver]}
        onChange={(value) => onChange({ driver: value as MergeDriverName })}
      />
      {driver === "regenerate" && (
        <CommandFields {...{ draft, index, reason, errorOf, onChange }} />
      )}
    </div>
  );
}

/** The command of the driver `regenerate`, and its limits. */
function CommandFields({
  draft: { line, seconds, network },
  index,
  reason,
  errorOf,
  onChange,
}: {
  draft: DraftDriver;
  index: number;
  reason: string | undefined;
  errorOf: (name: string) => string | undefined;
  onChange: (part: Partial<DraftDriver>) => void;
}): ReactElement {
  const parsed = wordsOf(line);
  return (
    <>
      <div className="sm:col-span-2">
        <TextField
          label={`Command ${index + 1}`}
          name={`merge_drivers.${index}.command`}
          value={line}
          placeholder="npm install --package-lock-only --ignore-scripts"
          className="font-mono text-[13px]"
          disabledReason={reason}
          error={"error" in parsed ? parsed.error : errorOf("command")}
          hint="A program and its arguments. For a shell script, use sh -c '…'. OMOI_PATHS names the files."
          onChange={(value) => onChange({ line: value })}
        />
      </div>
      <TextField
        label={`Timeout ${index + 1} in seconds`}
        name={`merge_drivers.${index}.timeout_seconds`}
        value={seconds}
        inputMode="numeric"
        disabledReason={reason}
        error={errorOf("timeout_seconds")}
        hint={`At most ${MAX_REGENERATE_SECONDS}. Then the file is a conflict.`}
        onChange={(value) => onChange({ seconds: value })}
      />
      <SelectField
        label={`Network ${index + 1}`}
        name={`merge_drivers.${index}.network`}
        value={network}
        options={networks}
        disabledReason={reason}
        error={errorOf("network")}
        hint="With full, scripts of branches can reach the network. It needs the permission agent:network:full."
        onChange={(value) => onChange({ network: value as DraftDriver["network"] })}
      />
    </>
  );
}

const nameOf = ({ pattern }: DraftDriver, index: number): string =>
  pattern === "" ? `driver ${index + 1}` : visible(pattern);

function endReason(place: number, count: number): string | undefined {
  if (place < 0) return "It is the first one.";
  return place >= count ? "It is the last one." : undefined;
}

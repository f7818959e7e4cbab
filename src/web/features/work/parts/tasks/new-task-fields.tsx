import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { type ReactElement, useId } from "react";
import { priorityNames, taskNumber } from "#shared/work/task-words.js";
import { membersQuery } from "../../../../api/queries/organization/organizations.js";
import { taskPagesQuery } from "../../../../api/queries/work/tasks.js";
import { Checkbox, TextField } from "../../../../ui/fields/field.js";
import { SelectField } from "../../../../ui/fields/select.js";
import { visible } from "../../../../ui/text/plain-text.js";
import { NetworkFields } from "../../../execution/parts/runs/start/network-fields.js";
import type { NewTaskValues, useNewTask } from "./use-new-task.js";

type State = ReturnType<typeof useNewTask>;

const attemptCounts = [1, 2, 3, 4, 5, 6, 7, 8];

/** Where, by which program and how often the task is worked on. */
export function ChoiceFields({ state }: { state: State }): ReactElement {
  const { form, project, projects = [], preset, presets } = state;
  const { values } = form;
  const isCustom = values.preset === "custom";
  const models = useId();
  return (
    <>
      <div className="grid grid-cols-2 gap-3 sm:grid-cols-4">
        <SelectField
          label="Project"
          value={project?.id ?? ""}
          onChange={state.chooseProject}
          options={[
            ...(project === undefined ? [{ value: "", label: "Choose…" }] : []),
            ...projects.map(({ id, name }) => ({ value: id, label: visible(name) })),
          ]}
        />
        <SelectField
          label="Program"
          value={values.preset}
          onChange={state.choosePreset}
          error={form.errorOf("preset")}
          options={presets.map(({ name, title, session }) => ({
            value: name,
            label: session?.available === false ? `${title} – not available` : title,
          }))}
        />
        {isCustom ? (
          <TextField
            label="Command"
            spellCheck={false}
            autoComplete="off"
            {...form.field("line")}
            error={form.errorOf("command")}
            className="font-mono text-[13px]"
          />
        ) : (
          <TextField
            label="Model"
            spellCheck={false}
            autoComplete="off"
            placeholder="Default"
            list={models}
            {...form.field("model")}
          />
        )}
        <SelectField
          label="Attempts"
          {...form.field("attempts")}
          options={attemptCounts.map((count) => ({
            value: String(count),
            label: count === 1 ? "1 attempt" : `${count} attempts`,
          }))}
        />
      </div>
      <datalist id={models}>
        {preset?.models.map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </datalist>
      {isCustom && (
        <p className="-mt-2 text-[13px] text-muted">
          The command is a program that speaks the Agent Client Protocol on its standard streams.
        </p>
      )}
    </>
  );
}

/** What is seldom needed, folded. */
export function MoreFields({ orgId, state }: { orgId: string; state: State }): ReactElement {
  const { form } = state;
  const members = useQuery(membersQuery(orgId));
  const projectId = state.project?.id ?? "";
  const unfinished = useInfiniteQuery({
    ...taskPagesQuery({ projectId }, { status: "unfinished" }),
    enabled: projectId !== "",
  });
  const others = unfinished.data?.pages.flatMap(({ rows }) => rows) ?? [];
  const people = (members.data ?? []).filter(({ kind }) => kind === "user");
  return (
    // Open where an error is in it.
    <details open={form.errorOf("title", "labels", "allowed_hosts") !== undefined || undefined}>
      <summary className="w-fit cursor-pointer text-[13px] font-medium">More options</summary>
      <div className="mt-3 flex flex-col gap-4">
        <div className="grid gap-3 sm:grid-cols-2">
          <TextField
            label="Title"
            optional
            {...form.field("title")}
            placeholder="Made from the first line"
          />
          <TextField
            label="Labels"
            optional
            {...form.field("labels")}
            placeholder="bug, invoices"
            spellCheck={false}
          />
          <SelectField
            label="Priority"
            {...form.field("priority")}
            onChange={(priority) => form.set({ priority: priority as NewTaskValues["priority"] })}
            options={Object.entries(priorityNames).map(([value, label]) => ({ value, label }))}
          />
          <SelectField
            label="Owner"
            {...form.field("owner")}
            options={[
              { value: "", label: "Me" },
              ...people.map(({ user_id, display_name }) => ({
                value: user_id ?? "",
                label: visible(display_name),
              })),
            ]}
          />
        </div>
        {others.length > 0 && (
          <SelectField
            label="Depends on"
            optional
            {...form.field("dependsOn")}
            options={[
              { value: "", label: "Nothing: it starts now" },
              ...others.map((task) => ({
                value: task.id,
                label: `${taskNumber(task)} ${visible(task.title)}`,
              })),
            ]}
            hint="It starts once that task is done."
          />
        )}
        <NetworkFields
          orgId={orgId}
          form={form}
          isolation={state.isolation}
          networks={undefined}
          projectHosts={state.projectHosts}
        />
        <Checkbox
          label="Start later"
          hint="Creates the task only. Its agents start from its page."
          checked={form.values.isLater}
          onChange={(isLater) => form.set({ isLater })}
        />
      </div>
    </details>
  );
}

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type ReactElement, useEffect, useRef } from "react";
import type { Member } from "#shared/api/organization/members.js";
import type { Task } from "#shared/api/work/tasks.js";
import { priorityNames } from "#shared/work/task-words.js";
import { api } from "../../../api/api-calls.js";
import { client } from "../../../api/client.js";
import { membersQuery } from "../../../api/queries/organization/organizations.js";
import { taskListsKey, taskQuery } from "../../../api/queries/work/tasks.js";
import { useForm } from "../../../forms/use-form.js";
import { Button } from "../../../ui/actions/button.js";
import { TextField } from "../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../ui/fields/form.js";
import { SelectField } from "../../../ui/fields/select.js";
import { visible } from "../../../ui/text/plain-text.js";
import { PeopleField } from "./people-field.js";

/** The fields of a task that its page changes. */
interface TaskValues {
  title: string;
  /** Empty without an owner. */
  owner: string;
  priority: Task["priority"];
  /** Separated by commas. */
  labels: string;
  assignees: readonly string[];
}

const valuesOf = ({ title, owner, priority, labels, assignees }: Task): TaskValues => ({
  title,
  owner: owner?.id ?? "",
  priority,
  labels: labels.join(", "),
  assignees: assignees.flatMap(({ type, id }) => (type === "person" ? [id] : [])),
});

const labelsOf = (text: string): string[] =>
  text
    .split(",")
    .map((label) => label.trim())
    .filter(Boolean);

/** Title, owner, people, priority and labels of a task as fields, in the place where the page shows them. */
export function EditTask({ task, onClose }: { task: Task; onClose: () => void }): ReactElement {
  const queries = useQueryClient();
  const members = useQuery(membersQuery(task.organization_id));
  const people = (members.data ?? []).filter(({ kind }) => kind === "user");
  const params = { task_id: task.id };
  const form = useForm({
    endpoint: api.tasks.update,
    saved: valuesOf(task),
    toBody: (values, changed) => ({
      ...(changed.has("title") && { title: values.title.trim() }),
      ...(changed.has("owner") && { owner: values.owner }),
      ...(changed.has("priority") && { priority: values.priority }),
      ...(changed.has("labels") && { labels: labelsOf(values.labels) }),
      ...(changed.has("assignees") && { assignees: [...values.assignees] }),
    }),
    run: (body, headers) => client.tasks.update({ params, body }, { headers }),
    refresh: [taskListsKey],
    successMessage: () => "Task saved",
    onDone: (changed) => {
      queries.setQueryData(taskQuery(task.id).queryKey, changed);
      onClose();
    },
  });
  const title = useRef<HTMLInputElement>(null);
  useEffect(() => title.current?.focus(), []);
  const priority = form.field("priority");
  return (
    <Form
      label="Edit task"
      {...form.props}
      className="mt-2 rounded-lg border border-line bg-surface p-4 text-ink"
    >
      <TextField label="Title" ref={title} maxLength={255} {...form.field("title")} />
      <div className="grid gap-3 sm:grid-cols-3">
        <SelectField
          label="Owner"
          {...form.field("owner")}
          options={ownersOf(task, people)}
          incoming={undefined}
        />
        <SelectField
          label="Priority"
          {...priority}
          onChange={(value) => form.set({ priority: value as Task["priority"] })}
          options={Object.entries(priorityNames).map(([value, label]) => ({ value, label }))}
        />
        <TextField
          label="Labels"
          optional
          placeholder="bug, invoices"
          spellCheck={false}
          {...form.field("labels")}
        />
      </div>
      <PeopleField
        chosen={form.values.assignees}
        names={namesOf(task, people)}
        people={people}
        error={form.errorOf("assignees")}
        onChange={(assignees) => form.set({ assignees })}
      />
      <div className="flex flex-wrap gap-2">
        <SubmitButton>Save task</SubmitButton>
        <Button onClick={onClose}>Cancel</Button>
      </div>
    </Form>
  );
}

/** The members; an owner who has left stays until another is chosen. */
function ownersOf({ owner }: Task, people: readonly Member[]): { value: string; label: string }[] {
  const known = people.map(({ user_id, display_name }) => ({
    value: user_id ?? "",
    label: visible(display_name),
  }));
  if (owner === null) return [{ value: "", label: "No owner" }, ...known];
  return known.some(({ value }) => value === owner.id)
    ? known
    : [{ value: owner.id, label: visible(owner.name) }, ...known];
}

function namesOf({ assignees }: Task, people: readonly Member[]): ReadonlyMap<string, string> {
  return new Map([
    ...assignees.map(({ id, name }) => [id, name] as const),
    ...people.map(({ user_id, display_name }) => [user_id ?? "", display_name] as const),
  ]);
}

import type { ReactElement } from "react";
import type { AgentTask } from "#shared/api/agents/agents.js";
import type { FormState } from "../../forms/use-form.js";
import { TextArea, TextField } from "../../ui/fields/field.js";

/** A task in a form; both empty for none. */
export interface TaskValues {
  "task.title": string;
  "task.text": string;
}

export function taskValues(task: AgentTask | null): TaskValues {
  return { "task.title": task?.title ?? "", "task.text": task?.text ?? "" };
}

export function taskOf(values: TaskValues): AgentTask | null {
  const { "task.title": title, "task.text": text } = values;
  return title.trim() === "" && text.trim() === "" ? null : { title: title.trim(), text };
}

interface TaskFieldsProps {
  form: Pick<FormState<TaskValues>, "field">;
}

export function TaskFields({ form }: TaskFieldsProps): ReactElement {
  return (
    <>
      <TextField
        label="Task"
        optional
        {...form.field("task.title")}
        placeholder="Fix the failing tests"
      />
      <TextArea
        label="Instructions"
        optional
        rows={5}
        {...form.field("task.text")}
        hint="The prompt of the agent's next run, up to 16 KiB."
      />
    </>
  );
}

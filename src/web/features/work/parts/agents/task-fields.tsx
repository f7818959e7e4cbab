import type { ReactElement } from "react";
import type { AgentTask } from "#shared/api/work/agents.js";
import type { FormState } from "../../../../forms/use-form.js";
import { TextArea, TextField } from "../../../../ui/fields/field.js";

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
  const title = form.field("task.title");
  const text = form.field("task.text");
  /** A task has both, or the agent has none. */
  const errorOf = ({ value, error }: typeof title | typeof text, cure: string) =>
    error !== undefined && value.trim() === "" ? cure : error;
  return (
    <>
      <TextField
        label="Task"
        optional
        {...title}
        error={errorOf(title, "Add a task, or clear the instructions")}
        placeholder="Fix the failing tests"
      />
      <TextArea
        label="Instructions"
        optional
        rows={5}
        {...text}
        error={errorOf(text, "Add instructions, or clear the task")}
        hint="The prompt of the agent's next run, up to 16 KiB."
      />
    </>
  );
}

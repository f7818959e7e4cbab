import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import type { Preset } from "#shared/api/execution/presets.js";
import type { Attempt, Task } from "#shared/api/work/tasks.js";
import { type ReviewerName, reviewerNames } from "#shared/execution/run-choices.js";
import { api } from "../../../../../api/api-calls.js";
import { client } from "../../../../../api/client.js";
import { presetsQuery } from "../../../../../api/queries/execution/runs.js";
import { openTasksKey } from "../../../../../api/queries/work/tasks.js";
import { Waiting } from "../../../../../components/await.js";
import { useForm } from "../../../../../forms/use-form.js";
import { Button } from "../../../../../ui/actions/button.js";
import { TextArea, TextField } from "../../../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../../../ui/fields/form.js";
import { SelectField } from "../../../../../ui/fields/select.js";
import { Dialog, DialogActions } from "../../../../../ui/overlays/dialog.js";

interface AskOpinionProps {
  task: Task;
  attempt: Attempt;
  onClose: () => void;
}

/** Asks an agent for a second opinion on the changes of an attempt. */
export function AskOpinionDialog(props: AskOpinionProps): ReactElement {
  const presets = useQuery(presetsQuery);
  return (
    <Dialog
      isOpen
      onClose={props.onClose}
      title="Ask for a second opinion"
      description="A program reads the changes in a read-only copy, and comments on lines as itself. It approves nothing. Its cost counts for the task."
    >
      {presets.data === undefined ? (
        <Waiting query={presets} what="The programs" />
      ) : (
        <AskOpinionForm {...props} presets={presets.data} />
      )}
    </Dialog>
  );
}

function AskOpinionForm({
  task,
  attempt,
  onClose,
  presets,
}: AskOpinionProps & { presets: readonly Preset[] }): ReactElement {
  const params = { task_id: task.id };
  const isAvailable = (wanted: ReviewerName): boolean =>
    presets.some(({ name, available }) => name === wanted && available);
  const available = reviewerNames.filter(isAvailable);
  // Another program than the author's sees more.
  const first = available.find((name) => name !== attempt.preset) ?? available[0];
  const form = useForm({
    endpoint: api.opinions.ask,
    saved: { preset: first ?? "claude-code", model: "", prompt: "" },
    toBody: ({ preset, model, prompt }) => ({
      preset,
      attempt_id: attempt.id,
      ...(model.trim() !== "" && { model: model.trim() }),
      ...(prompt.trim() !== "" && { prompt: prompt.trim() }),
    }),
    run: (body, headers) => client.opinions.ask({ params, body }, { headers }),
    refresh: [openTasksKey],
    successMessage: ({ title }) => `${title} is going to review the changes`,
    onDone: onClose,
    isGuarded: false,
  });
  const preset = presets.find(({ name }) => name === form.values.preset);
  return (
    <Form label="Ask for a second opinion" {...form.props}>
      <SelectField
        label="Program"
        value={form.values.preset}
        onChange={(name) => form.set({ preset: name as ReviewerName, model: "" })}
        error={form.errorOf("preset")}
        options={reviewerNames.map((name) => {
          const title = presets.find((one) => one.name === name)?.title ?? name;
          return { value: name, label: isAvailable(name) ? title : `${title} – not installed` };
        })}
      />
      <TextField
        label="Model"
        optional
        spellCheck={false}
        autoComplete="off"
        {...form.field("model")}
        hint={
          preset && preset.models.length > 0
            ? `For example ${preset.models.join(", ")}. Leave empty for the program's default.`
            : "Leave empty for the program's default."
        }
      />
      <TextArea
        label="What to look at"
        optional
        rows={3}
        {...form.field("prompt")}
        hint="For example: rounding of negative amounts. The changes as a whole are read anyway."
      />
      <DialogActions>
        <Button onClick={onClose}>Cancel</Button>
        <SubmitButton
          disabledReason={
            preset?.available === false
              ? (preset.reason ?? "The program isn't installed")
              : undefined
          }
        >
          Ask
        </SubmitButton>
      </DialogActions>
    </Form>
  );
}

import { type ReactElement, useState } from "react";
import type { mergeMethods } from "#shared/api/work/pull-requests.js";
import type { Task } from "#shared/api/work/tasks.js";
import { api } from "../../../api/api-calls.js";
import { client } from "../../../api/client.js";
import { openTasksKey, taskListsKey } from "../../../api/queries/work/tasks.js";
import { useApiMutation } from "../../../api/use-mutation.js";
import { ConfirmButton } from "../../../components/confirmations.js";
import { useForm } from "../../../forms/use-form.js";
import { Button } from "../../../ui/actions/button.js";
import { Checkbox, TextArea, TextField } from "../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../ui/fields/form.js";
import { RadioList } from "../../../ui/fields/radio.js";
import { Dialog, DialogActions } from "../../../ui/overlays/dialog.js";

type Method = (typeof mergeMethods)[number];
const byMergeCommit: { method: Method } = { method: "merge" };
const refresh = [openTasksKey, taskListsKey];

const listOf = (text: string): string[] =>
  text
    .split(",")
    .map((part) => part.trim().replace(/^@/, ""))
    .filter((part) => part !== "");

/** Opens a pull request with words, labels and reviewers of the person, or as a draft. */
export function OpenPullRequestDialog({
  taskId,
  onClose,
}: {
  taskId: string;
  onClose: () => void;
}): ReactElement {
  const form = useForm({
    endpoint: api.pullRequests.open,
    saved: { title: "", body: "", base: "", labels: "", reviewers: "", draft: false },
    toBody: ({ title, body, base, labels, reviewers, draft }) => ({
      ...(title.trim() !== "" && { title: title.trim() }),
      ...(body.trim() !== "" && { body }),
      ...(base.trim() !== "" && { base: base.trim() }),
      labels: listOf(labels),
      reviewers: listOf(reviewers),
      draft,
    }),
    run: (body, headers) =>
      client.pullRequests.open({ params: { task_id: taskId }, body }, { headers }),
    refresh,
    successMessage: ({ number }) => `Pull request #${number} is open`,
    onDone: onClose,
  });
  return (
    <Dialog
      isOpen
      onClose={onClose}
      width="wide"
      title="Open pull request"
      description="Fields that you leave empty are filled in: the title of the task, and what the agent has done."
    >
      <Form label="Pull request" {...form.props}>
        <TextField label="Title" optional {...form.field("title")} />
        <TextArea label="Body" optional rows={5} {...form.field("body")} />
        <div className="grid gap-4 sm:grid-cols-2">
          <TextField
            label="Labels"
            optional
            placeholder="bug, invoices"
            {...form.field("labels")}
          />
          <TextField
            label="Reviewers"
            optional
            placeholder="ann, grace"
            hint="Their logins on the forge."
            autoCapitalize="none"
            spellCheck={false}
            {...form.field("reviewers")}
          />
        </div>
        <TextField
          label="Base Branch"
          optional
          autoCapitalize="none"
          spellCheck={false}
          hint="By default that of the attempt."
          {...form.field("base")}
        />
        <Checkbox
          label="Open as a draft"
          checked={form.values.draft}
          onChange={(draft) => form.set({ draft })}
        />
        <DialogActions>
          <Button onClick={onClose}>Cancel</Button>
          <SubmitButton>Open pull request</SubmitButton>
        </DialogActions>
      </Form>
    </Dialog>
  );
}

/** The actions of a person on an open pull request on its forge. */
export function PullRequestActions({
  request,
}: {
  request: NonNullable<Task["pull_request"]>;
}): ReactElement | null {
  const params = { pull_request_id: request.id };
  const [isMerging, setMerging] = useState(false);
  const ready = useApiMutation({
    run: (_input: undefined, headers) => client.pullRequests.ready({ params }, { headers }),
    refresh,
    successMessage: () => "It is ready for review",
    toastErrors: true,
  });
  if (request.state !== "open" && request.state !== "draft") return null;
  return (
    <span className="flex flex-wrap gap-2">
      {request.state === "draft" ? (
        <Button size="sm" pending={ready.pending} onClick={() => ready.submit(undefined)}>
          Mark ready
        </Button>
      ) : (
        <Button size="sm" onClick={() => setMerging(true)}>
          Merge on the forge
        </Button>
      )}
      <ConfirmButton
        size="sm"
        label="Close pull request"
        title="Close this pull request?"
        mutation={{
          run: (_input, headers) => client.pullRequests.close({ params }, { headers }),
          refresh,
          successMessage: () => "The pull request is closed",
        }}
      >
        Its branch stays on the forge, and the task stays open. Another pull request can be opened.
      </ConfirmButton>
      {isMerging && <MergeDialog params={params} onClose={() => setMerging(false)} />}
    </span>
  );
}

function MergeDialog({
  params,
  onClose,
}: {
  params: { pull_request_id: string };
  onClose: () => void;
}): ReactElement {
  const form = useForm({
    endpoint: api.pullRequests.merge,
    saved: byMergeCommit,
    toBody: ({ method }) => ({ method }),
    run: (body, headers) => client.pullRequests.merge({ params, body }, { headers }),
    refresh,
    successMessage: () => "The pull request is merged",
    isGuarded: false,
    onDone: onClose,
  });
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title="Merge on the forge"
      description="The rules of the forge decide. The task is done once the base branch was fetched."
    >
      <Form label="Merge" {...form.props}>
        <RadioList
          legend="Method"
          value={form.values.method}
          onChange={(method) => form.set({ method })}
          options={[
            { value: "merge", label: "Merge commit" },
            { value: "squash", label: "Squash", hint: "One commit with all changes." },
            { value: "rebase", label: "Rebase", hint: "The commits on top of the base branch." },
          ]}
        />
        <DialogActions>
          <Button onClick={onClose}>Cancel</Button>
          <SubmitButton>Merge</SubmitButton>
        </DialogActions>
      </Form>
    </Dialog>
  );
}

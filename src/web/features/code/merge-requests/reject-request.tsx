import { type ReactElement, useState } from "react";
import type { MergeRequest } from "#shared/api/code/merge-requests.js";
import type { Attempt, Task } from "#shared/api/work/tasks.js";
import { client } from "../../../api/client.js";
import { projectsKey } from "../../../api/queries/code/projects.js";
import { openTasksKey, taskListsKey } from "../../../api/queries/work/tasks.js";
import { useApiMutation } from "../../../api/use-mutation.js";
import { Button } from "../../../ui/actions/button.js";
import { TextArea } from "../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../ui/fields/form.js";
import { Dialog, DialogActions } from "../../../ui/overlays/dialog.js";

interface RejectRequestProps {
  request: MergeRequest;
  task: Task;
  attempt: Attempt;
  /** Why the viewer may not do it. */
  reason: string | undefined;
}

/** Takes a merge request out of the queue, with a reason that its agent gets as the next prompt. */
export function RejectRequest(props: RejectRequestProps): ReactElement {
  const [isOpen, setOpen] = useState(false);
  const { prompt } = props.task.actions;
  return (
    <>
      <Button
        disabledReason={
          props.reason ?? (prompt.allowed ? undefined : (prompt.reason ?? "Not possible now"))
        }
        onClick={() => setOpen(true)}
      >
        Reject
      </Button>
      <Dialog
        isOpen={isOpen}
        onClose={() => setOpen(false)}
        title="Reject this merge?"
        description="It leaves the queue, and its checks stop. The agent gets the reason as its next prompt."
      >
        <RejectForm {...props} onClose={() => setOpen(false)} />
      </Dialog>
    </>
  );
}

function RejectForm({
  request,
  task,
  attempt,
  onClose,
}: RejectRequestProps & { onClose: () => void }): ReactElement {
  const [text, setText] = useState("");
  const params = { merge_request_id: request.id };
  const reject = useApiMutation({
    run: async (body: string, headers) => {
      const { source_commit, source_branch } = request;
      await client.reviews.publish(
        {
          params: { task_id: task.id },
          body: {
            verdict: "request_changes",
            body: `The merge of ${source_branch} was rejected.\n\n${body}`,
            comments: [],
            commit_sha: attempt.head_commit ?? source_commit ?? "",
            attempt_id: attempt.id,
          },
        },
        { headers },
      );
      return client.mergeQueue.cancel({ params });
    },
    refresh: [projectsKey, openTasksKey, taskListsKey],
    successMessage: () => "The merge is rejected",
    onDone: onClose,
  });
  const isEmpty = text.trim() === "";
  return (
    <Form
      label="Reject the merge"
      onSubmit={() => {
        if (!isEmpty) reject.submit(text.trim());
      }}
      error={reject.error}
      isShownAtField={false}
      pending={reject.pending}
    >
      <TextArea
        label="Reason"
        name="reason"
        value={text}
        rows={4}
        hint="What should be different?"
        onChange={setText}
      />
      <DialogActions>
        <Button onClick={onClose}>Keep the merge</Button>
        <SubmitButton variant="danger" disabledReason={isEmpty ? "Enter a reason" : undefined}>
          Reject merge
        </SubmitButton>
      </DialogActions>
    </Form>
  );
}

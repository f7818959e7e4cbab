import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import type { Task } from "#shared/api/work/tasks.js";
import { taskNumber } from "#shared/work/task-words.js";
import { client } from "../../../api/client.js";
import { agentsKey } from "../../../api/queries/work/agents.js";
import { openTasksKey, taskListsKey, taskLossQuery } from "../../../api/queries/work/tasks.js";
import { useApiMutation } from "../../../api/use-mutation.js";
import { Await } from "../../../components/await.js";
import { ConfirmDialog } from "../../../ui/overlays/dialog.js";
import { countOf } from "../../../ui/text/number.js";
import { PlainText } from "../../../ui/text/plain-text.js";
import { LineCounts } from "../parts/board/line-counts.js";

/** Asks whether to cancel a task, and shows what is lost by it. */
export function CancelTask({ task, onClose }: { task: Task; onClose: () => void }): ReactElement {
  const loss = useQuery(taskLossQuery(task.id));
  const cancel = useApiMutation({
    run: (_input: undefined, headers) =>
      client.tasks.delete({ params: { task_id: task.id }, query: {} }, { headers }),
    refresh: [openTasksKey, taskListsKey, agentsKey],
    successMessage: () => `Task ${taskNumber(task)} is canceled`,
    onDone: onClose,
  });
  return (
    <ConfirmDialog
      isOpen
      onClose={onClose}
      title={`Cancel task ${taskNumber(task)}?`}
      action="Cancel task"
      dismiss="Keep task"
      pending={cancel.pending}
      error={cancel.error}
      onConfirm={() => cancel.submit(undefined)}
    >
      <Await query={loss} rows={1} what="What would be lost">
        {({ agents, running, unmerged, child_tasks }) => (
          <ul className="flex list-disc flex-col gap-1 pl-5">
            {running > 0 && <li>{countOf(running, "run")} will be stopped.</li>}
            {unmerged.map(({ attempt_id, agent_name, changes }) => (
              <li key={attempt_id}>
                Not merged: <PlainText value={agent_name} />, {countOf(changes.files, "file")}{" "}
                <LineCounts additions={changes.added} deletions={changes.removed} />. The work is
                archived, not deleted.
              </li>
            ))}
            {agents.length > 0 && (
              <li>
                {agents.length === 1 ? "Its agent" : `Its ${agents.length} agents`} will be
                terminated: <PlainText value={agents.join(", ")} />.
              </li>
            )}
            {child_tasks > 0 && (
              <li>{countOf(child_tasks, "open task")} that its agents created will stay.</li>
            )}
            {agents.length === 0 && unmerged.length === 0 && running === 0 && (
              <li>No work is lost.</li>
            )}
          </ul>
        )}
      </Await>
    </ConfirmDialog>
  );
}

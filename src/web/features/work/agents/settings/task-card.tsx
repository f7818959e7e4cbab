import { type ReactElement, useState } from "react";
import type { Agent } from "#shared/api/work/agents.js";
import { api } from "../../../../api/api-calls.js";
import { client } from "../../../../api/client.js";
import { editOptions } from "../../../../api/incoming.js";
import { queryClient } from "../../../../api/query-client.js";
import { agentQuery, agentsKey } from "../../../../api/queries/work/agents.js";
import { useForm } from "../../../../forms/use-form.js";
import { Button } from "../../../../ui/actions/button.js";
import { Dialog, DialogActions } from "../../../../ui/overlays/dialog.js";
import { Form, SubmitButton } from "../../../../ui/fields/form.js";
import { Card } from "../../../../ui/layout/card.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { TaskFields, taskOf, taskValues } from "../../parts/agents/task-fields.js";

interface TaskCardProps {
  agent: Agent;
  disabledReason: string | undefined;
}

/** The agent's task, and its dialog. */
export function TaskCard({ agent, disabledReason }: TaskCardProps): ReactElement {
  const [isOpen, setOpen] = useState(false);
  const { task } = agent;
  return (
    <Card
      title="Task"
      actions={
        <Button size="sm" disabledReason={disabledReason} onClick={() => setOpen(true)}>
          {task === null ? "Set task" : "Edit task"}
        </Button>
      }
    >
      {task === null ? (
        <p className="text-muted">
          No task yet. A task is the default prompt of the agent's runs and the default subject of
          its merges.
        </p>
      ) : (
        <div className="flex flex-col gap-1">
          <span className="font-medium">
            <PlainText value={task.title} />
          </span>
          <div className="max-h-80 overflow-y-auto text-[13px] [overflow-wrap:anywhere]">
            <PlainText value={task.text} multiline />
          </div>
        </div>
      )}
      <Dialog
        isOpen={isOpen && disabledReason === undefined}
        onClose={() => setOpen(false)}
        title="Task"
        description="The default prompt of the agent's runs, and the default subject of its merges."
        width="wide"
      >
        <TaskForm agent={agent} onClose={() => setOpen(false)} />
      </Dialog>
    </Card>
  );
}

function TaskForm({ agent, onClose }: { agent: Agent; onClose: () => void }): ReactElement {
  const params = { agent_id: agent.id };
  const form = useForm({
    endpoint: api.agents.update,
    ...editOptions(
      agent,
      () => queryClient.fetchQuery({ ...agentQuery(agent.id), staleTime: 0 }),
      ({ task }: Agent) => taskValues(task),
    ),
    toBody: (values) => ({ task: taskOf(values) }),
    run: (body, headers) => client.agents.update({ params, body }, { headers }),
    refresh: [agentsKey],
    successMessage: ({ task }) => (task === null ? "Task removed" : "Task saved"),
    onDone: onClose,
  });
  return (
    <Form label="Task" {...form.props}>
      <TaskFields form={form} />
      <DialogActions>
        <Button onClick={onClose}>Cancel</Button>
        <SubmitButton>Save task</SubmitButton>
      </DialogActions>
    </Form>
  );
}

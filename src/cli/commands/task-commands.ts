/** The command of each call of tasks. */
import type { CallName } from "#shared/contract/client.js";
import { byOrganization, type CallCommand, type WithoutCommand, written } from "./call-command.js";
import { printTask } from "./task-output.js";

type TaskCall = Extract<CallName, `tasks.${string}`>;

export const taskCommands: Record<TaskCall, CallCommand | WithoutCommand> = {
  "tasks.list": byOrganization,
  "tasks.listAll": {
    command: "task list",
    ofProject: "tasks.list",
    columns: [
      "number",
      "status",
      "title",
      "project_name",
      "owner.name",
      "attention.summary",
      "updated_at",
    ],
    examples: [
      "task list --mine --status unfinished",
      "task list --project shop --attention any --sort urgency",
    ],
  },
  "tasks.create": written("task new"),
  "tasks.get": {
    command: "task show",
    print: printTask,
    examples: ["task show 12", "task show shop#12", "task show '#12' --project shop"],
  },
  "tasks.events": written("events --task"),
  "tasks.update": {
    command: "task update",
    print: printTask,
    examples: ["task update 12 --status done", "task update 12 --owner grace@example.com"],
  },
  "tasks.delete": written("task cancel"),
  "tasks.addAttempts": {
    command: "task add-attempts",
    args: ["task_id", "count?"],
    print: printTask,
    examples: ["task add-attempts 12 2 --preset codex"],
  },
  "tasks.compare": written("task compare"),
  "tasks.choose": { command: "task choose", print: printTask, examples: ["task choose 12 2"] },
  "tasks.prompt": written("task prompt"),
  "tasks.stop": { command: "task stop", print: printTask, examples: ["task stop 12"] },
  "tasks.retry": { command: "task retry", print: printTask, examples: ["task retry 12"] },
  "tasks.release": { command: "task release", print: printTask, examples: ["task release 12"] },
  "tasks.merge": { command: "task merge", print: printTask, examples: ["task merge 12"] },
};

import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { Task } from "#shared/api/work/tasks.js";
import { taskNumber } from "#shared/work/task-words.js";
import { paths } from "../../../../paths/paths.js";
import { Badge } from "../../../../ui/feedback/badge.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { RelativeTime } from "../../../../ui/text/time.js";
import { LineCounts } from "../board/line-counts.js";
import { TaskStatus } from "./task-status.js";

interface TaskRowProps {
  task: Task;
  withProject: boolean;
  /** Whether its group does not tell its status. */
  withStatus: boolean;
  onLabel: (label: string) => void;
  isSelected: boolean;
  onSelect: (isSelected: boolean) => void;
}

/** A task in a list: what it is about, why it needs a person, and how far it is. */
export function TaskRow({
  task,
  withProject,
  withStatus,
  onLabel,
  isSelected,
  onSelect,
}: TaskRowProps): ReactElement {
  const { attention, owner, labels, priority, attempts } = task;
  const chosen = attempts.find(({ id }) => id === task.chosen_attempt_id) ?? attempts[0];
  return (
    <li className="flex min-w-0 flex-wrap items-start gap-x-4 gap-y-1 px-4 py-2.5">
      <label className="flex min-h-6 w-14 shrink-0 items-center gap-2.5 text-muted tabular-nums">
        <input
          type="checkbox"
          aria-label={`Select ${taskNumber(task)}`}
          checked={isSelected}
          onChange={({ target }) => onSelect(target.checked)}
          className="size-4 shrink-0 accent-accent"
        />
        {taskNumber(task)}
      </label>
      <div className="flex min-w-0 flex-1 basis-48 flex-col gap-0.5">
        <span className="flex min-h-6 flex-wrap items-center gap-x-2 gap-y-1">
          <Link
            {...paths.task(task.id)}
            className="font-medium wrap-anywhere text-ink hover:text-accent-ink hover:underline"
          >
            <PlainText value={task.title} />
          </Link>
          {(priority === "high" || priority === "urgent") && (
            <Badge tone={priority === "urgent" ? "bad" : "warn"}>
              {priority === "urgent" ? "Urgent" : "High"}
            </Badge>
          )}
          {labels.map((label) => (
            <button
              key={label}
              type="button"
              title={`Only tasks with the label ${label}`}
              onClick={() => onLabel(label)}
              className="inline-flex min-h-6 items-center hover:underline"
            >
              <Badge>
                <PlainText value={label} />
              </Badge>
            </button>
          ))}
        </span>
        {attention && (
          <span className="line-clamp-2 text-[13px] text-muted">
            <PlainText value={attention.summary} />
          </span>
        )}
      </div>
      <span className="flex min-h-6 min-w-0 flex-wrap items-center gap-x-4 text-[13px] text-muted max-sm:basis-full sm:shrink-0">
        {withStatus && <TaskStatus status={task.status} />}
        {chosen?.changes && chosen.changes.files > 0 && (
          <LineCounts additions={chosen.changes.added} deletions={chosen.changes.removed} />
        )}
        {attempts.length > 1 && <span>{attempts.length} attempts</span>}
        {withProject && (
          <Link {...paths.projectTasks(task.project_id)} className="hover:underline">
            <PlainText value={task.project_name} />
          </Link>
        )}
        {owner && <PlainText value={owner.name} />}
        <span className="sm:w-20 sm:text-right">
          <RelativeTime value={task.created_at} />
        </span>
      </span>
    </li>
  );
}

import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { presetTitles } from "#shared/execution/run-choices.js";
import type { Attempt, Task } from "#shared/api/work/tasks.js";
import { priorityNames, taskNumber } from "#shared/work/task-words.js";
import { taskQuery } from "../../../api/queries/work/tasks.js";
import { paths } from "../../../paths/paths.js";
import { Button } from "../../../ui/actions/button.js";
import { Badge } from "../../../ui/feedback/badge.js";
import { PlainText } from "../../../ui/text/plain-text.js";
import { costText } from "../../organization/parts/usage/model-figures.js";
import { TaskStatus } from "../parts/tasks/task-status.js";
import { PullRequestState } from "./pull-request.js";
import { durationText, Since } from "./work-time.js";

interface TaskHeadProps {
  task: Task;
  /** The attempt that the page shows. */
  attempt: Attempt | undefined;
  /** Shows its fields; undefined where the viewer may not change them. */
  onEdit: (() => void) | undefined;
}

/** Status, cost and time of a task, whose it is, and who works on it. */
export function TaskHead({ task, attempt, onEdit }: TaskHeadProps): ReactElement {
  const { owner, assignees, priority, labels, source } = task;
  const people = assignees.filter(({ type }) => type === "person");
  return (
    <div className="flex flex-wrap items-center gap-x-4 gap-y-1">
      <span className="font-medium text-ink">
        <TaskStatus status={task.status} />
      </span>
      <span className="tabular-nums">
        {costText(task.cost_usd)}
        <WorkTime attempts={task.attempts} />
      </span>
      {owner && (
        <span>
          for <PlainText value={owner.name} />
        </span>
      )}
      {people.length > 0 && (
        <span>
          with <PlainText value={people.map(({ name }) => name).join(", ")} />
        </span>
      )}
      {attempt && (
        <span>
          {presetTitles[attempt.preset]}
          {attempt.model !== null && (
            <>
              , <PlainText value={attempt.model} />
            </>
          )}
        </span>
      )}
      {attempt && (
        <Link {...paths.agent(attempt.agent_id)} className="text-accent-ink hover:underline">
          Agent <PlainText value={attempt.agent_name} />
        </Link>
      )}
      {source.url !== null && /^https?:/.test(source.url) && (
        <a
          href={source.url}
          rel="noreferrer"
          target="_blank"
          className="text-accent-ink hover:underline"
        >
          Source
        </a>
      )}
      {task.pull_request && <PullRequestState request={task.pull_request} />}
      {task.parent_task_id !== null && (
        <OtherTask taskId={task.parent_task_id} relation="Part of" />
      )}
      {task.depends_on.map((id) => (
        <OtherTask key={id} taskId={id} relation="After" />
      ))}
      {task.trust === "untrusted" && <Badge tone="warn">Text from outside</Badge>}
      {priority !== "normal" && (
        <Badge tone={priority === "low" ? "neutral" : "warn"}>{priorityNames[priority]}</Badge>
      )}
      {labels.map((label) => (
        <Badge key={label}>
          <PlainText value={label} />
        </Badge>
      ))}
      {onEdit && (
        <Button size="sm" icon="edit" className="print:hidden" onClick={onEdit}>
          Edit
        </Button>
      )}
    </div>
  );
}

/** A link to a task that this one belongs to or waits for. */
function OtherTask({
  taskId,
  relation,
}: {
  taskId: string;
  relation: string;
}): ReactElement | null {
  const { data } = useQuery(taskQuery(taskId));
  return data === undefined ? null : (
    <Link {...paths.task(taskId)} className="text-accent-ink hover:underline">
      {relation} {taskNumber(data)}
    </Link>
  );
}

/** From the first start of an attempt to the last end, or until now. */
function WorkTime({ attempts }: { attempts: readonly Attempt[] }): ReactElement | null {
  const started = attempts.flatMap(({ started_at }) => started_at ?? []).toSorted()[0];
  if (started === undefined) return null;
  const isWorking = attempts.some(
    ({ started_at, ended_at }) => started_at !== null && ended_at === null,
  );
  const ended = attempts.flatMap(({ ended_at }) => ended_at ?? []).toSorted();
  const last = ended.at(-1);
  return (
    <>
      {" · "}
      {isWorking || last === undefined ? (
        <Since start={started} />
      ) : (
        durationText(Date.parse(last) - Date.parse(started))
      )}
    </>
  );
}

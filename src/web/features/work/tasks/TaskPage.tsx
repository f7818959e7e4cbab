import { useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { type ReactElement, useState } from "react";
import type { Attempt, Task } from "#shared/api/work/tasks.js";
import { taskNumber, taskStatusNames } from "#shared/work/task-words.js";
import { projectQuery } from "../../../api/queries/code/projects.js";
import { taskQuery } from "../../../api/queries/work/tasks.js";
import { useLoaded } from "../../../api/use-loaded.js";
import { CrumbLink } from "../../../components/crumb-link.js";
import type { TaskSearch } from "../../../paths/address-search.js";
import { paths } from "../../../paths/paths.js";
import { EmptyState } from "../../../ui/feedback/states.js";
import { Page } from "../../../ui/layout/page.js";
import { Tabs } from "../../../ui/layout/tabs.js";
import { useAnnounceChange } from "../../../ui/feedback/toast.js";
import { PlainText, visible } from "../../../ui/text/plain-text.js";
import { AttemptView } from "./attempt-view.js";
import { EditTask } from "./edit-task.js";
import { CompareAttempts } from "./compare-attempts.js";
import { TaskActions } from "./task-actions.js";
import { TaskHead } from "./task-head.js";

const route = getRouteApi("/app/tasks/$taskId");

/** A task: the conversation with its agent beside what changed, its attempts, and what can be done now. */
export function TaskPage(): ReactElement {
  const { taskId } = route.useParams();
  const { data: task } = useLoaded(taskQuery(taskId));
  return <Shown key={taskId} task={task} />;
}

function Shown({ task }: { task: Task }): ReactElement {
  const search = route.useSearch();
  const navigate = useNavigate();
  const { data: project } = useQuery(projectQuery(task.project_id));
  useAnnounceChange(task.id, task.status, `The task is now: ${taskStatusNames[task.status]}`);
  const change = (next: TaskSearch): void =>
    void navigate({ ...paths.task(task.id, next), replace: true, resetScroll: false });
  // It stays while the viewer reads and writes, although another attempt may come to need a person.
  const [first] = useState(() => attemptOf(task, undefined)?.number);
  const attempt = attemptOf(task, search.attempt ?? first);
  const [isEditing, setEditing] = useState(false);
  const mayEdit = task.actions.update.allowed;
  const view = attempt && (
    <AttemptView
      key={attempt.id}
      task={task}
      attempt={attempt}
      part={search.part}
      onPart={(part) => change({ ...search, part })}
      isFull={search.full === true}
      onFull={(isFull) => {
        const { full: _full, ...rest } = search;
        change({ ...rest, part: "changes", ...(isFull && { full: true }) });
      }}
    />
  );
  return (
    <Page
      title={task.title}
      documentTitle={`${taskNumber(task)} ${visible(task.title)}`}
      crumb={taskNumber(task)}
      width="full"
      crumbs={[
        <CrumbLink key="project" {...paths.project(task.project_id)}>
          <PlainText value={project?.name ?? task.project_name} />
        </CrumbLink>,
        <CrumbLink key="tasks" {...paths.projectTasks(task.project_id)}>
          Tasks
        </CrumbLink>,
      ]}
      description={
        isEditing && mayEdit ? (
          <EditTask task={task} onClose={() => setEditing(false)} />
        ) : (
          <TaskHead
            task={task}
            attempt={attempt}
            onEdit={mayEdit ? () => setEditing(true) : undefined}
          />
        )
      }
    >
      {task.attempts.length > 1 ? (
        <Tabs
          label="Attempts"
          value={search.compare ? "compare" : `attempt-${attempt?.number ?? 1}`}
          onChange={(name) =>
            change(
              name === "compare"
                ? { compare: true }
                : { attempt: Number(name.replace("attempt-", "")) },
            )
          }
          tabs={[
            ...task.attempts.map((each) => ({
              value: `attempt-${each.number}`,
              label: tabLabel(task, each),
              content: view,
            })),
            {
              value: "compare",
              label: "Compare",
              content: (
                <CompareAttempts task={task} onOpen={(number) => change({ attempt: number })} />
              ),
            },
          ]}
        />
      ) : (
        (view ?? <NotStarted task={task} />)
      )}
      <TaskActions
        task={task}
        attempt={attempt}
        onCompare={search.compare ? undefined : () => change({ compare: true })}
      />
    </Page>
  );
}

/** "Attempt 2 – needs you" */
function tabLabel(task: Task, { id, number, status }: Attempt): string {
  const isChosen = id === task.chosen_attempt_id;
  const needsYou = status === "needs_you" && task.chosen_attempt_id === null;
  return `Attempt ${number}${isChosen ? " ✓" : needsYou ? " – needs you" : ""}`;
}

/** The attempt of the address; else the chosen one, the one that needs a person, or the first. */
function attemptOf(task: Task, number: number | undefined): Attempt | undefined {
  const { attempts, chosen_attempt_id: chosen, attention } = task;
  return (
    attempts.find((attempt) => attempt.number === number) ??
    attempts.find(({ id }) => id === chosen) ??
    attempts.find(({ id }) => id === attention?.attempt_id) ??
    attempts[0]
  );
}

function NotStarted({ task }: { task: Task }): ReactElement {
  const [title, text] = whyNotStarted(task);
  return (
    <div className="flex flex-col gap-4">
      <div className="rounded-lg border border-line bg-surface px-4 py-3">
        <PlainText value={task.body} multiline />
      </div>
      <EmptyState title={title}>{text}</EmptyState>
    </div>
  );
}

/** The title and the sentence about a task that has not started. */
function whyNotStarted({ attention, status }: Task): readonly [title: string, text: string] {
  if (attention?.kind === "release") {
    return [
      "Waiting to be released",
      "Its text is by people from outside. Read it, then release the task. Its agent gets no secrets and never the full network.",
    ];
  }
  if (status === "waiting") {
    return ["Waiting for other tasks", "It starts once the tasks that it depends on are done."];
  }
  return ["Not started yet", "Its agent starts with the text above as its first prompt."];
}

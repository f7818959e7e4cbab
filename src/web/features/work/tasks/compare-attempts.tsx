import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import type { Task, TaskComparison } from "#shared/api/work/tasks.js";
import { presetTitles } from "#shared/execution/run-choices.js";
import { client } from "../../../api/client.js";
import { agentsKey } from "../../../api/queries/work/agents.js";
import {
  comparisonQuery,
  openTasksKey,
  taskListsKey,
  taskQuery,
} from "../../../api/queries/work/tasks.js";
import { useApiMutation } from "../../../api/use-mutation.js";
import { Await } from "../../../components/await.js";
import { Button } from "../../../ui/actions/button.js";
import { Alert } from "../../../ui/feedback/alert.js";
import { ConfirmDialog } from "../../../ui/overlays/dialog.js";
import { countOf } from "../../../ui/text/number.js";
import { PlainText } from "../../../ui/text/plain-text.js";
import { costText } from "../../organization/parts/usage/model-figures.js";
import { LineCounts } from "../parts/board/line-counts.js";
import { AttemptStatus } from "../parts/tasks/task-status.js";
import { durationText, Since } from "./work-time.js";

type Compared = TaskComparison["attempts"][number];

interface CompareAttemptsProps {
  task: Task;
  onOpen: (number: number) => void;
}

const namedPaths = 8;

/** The attempts of a task side by side, to choose one. */
export function CompareAttempts({ task, onOpen }: CompareAttemptsProps): ReactElement {
  const comparison = useQuery(comparisonQuery(task.id));
  const queries = useQueryClient();
  const [asked, setAsked] = useState<Compared>();
  const choose = useApiMutation({
    run: (attemptId: string, headers) =>
      client.tasks.choose({ params: { task_id: task.id, attempt_id: attemptId } }, { headers }),
    refresh: [openTasksKey, taskListsKey, agentsKey],
    onDone: (changed) => {
      queries.setQueryData(taskQuery(task.id).queryKey, changed);
      setAsked(undefined);
    },
    successMessage: () => "Attempt chosen",
  });
  const { allowed, reason } = task.actions.update;
  const isOpen = task.status !== "done" && task.status !== "cancelled";
  return (
    <Await query={comparison} what="The comparison">
      {({ attempts }) => (
        <div className="flex flex-col gap-3">
          {isOpen && !allowed && reason !== null && <Alert tone="info">{reason}</Alert>}
          <ul className="grid gap-4 sm:grid-cols-2 xl:grid-cols-4">
            {attempts.map((attempt) => (
              <li
                key={attempt.id}
                aria-label={`Attempt ${attempt.number}`}
                className="flex min-w-0 flex-col gap-3 rounded-lg border border-line bg-surface p-4"
              >
                <div>
                  <h2 className="font-semibold">
                    Attempt {attempt.number}
                    {attempt.id === task.chosen_attempt_id && " · chosen"}
                  </h2>
                  <p className="text-[13px] text-muted">
                    {presetTitles[attempt.preset]}
                    {attempt.model !== null && (
                      <>
                        , <PlainText value={attempt.model} />
                      </>
                    )}
                  </p>
                </div>
                <dl className="grid grid-cols-[6rem_minmax(0,1fr)] gap-x-3 gap-y-1.5">
                  <dt className="text-muted">Status</dt>
                  <dd>
                    <AttemptStatus status={attempt.status} />
                  </dd>
                  <dt className="text-muted">Changes</dt>
                  <dd>
                    {attempt.changes === null ? (
                      "None yet"
                    ) : (
                      <>
                        {countOf(attempt.changes.files, "file")}{" "}
                        <LineCounts
                          additions={attempt.changes.added}
                          deletions={attempt.changes.removed}
                        />
                      </>
                    )}
                  </dd>
                  <dt className="text-muted">Cost</dt>
                  <dd className="tabular-nums">{costText(attempt.cost_usd)}</dd>
                  <dt className="text-muted">Time</dt>
                  <dd className="tabular-nums">
                    <Time attempt={attempt} />
                  </dd>
                  <dt className="text-muted">Only here</dt>
                  <dd>
                    {attempt.paths_only_here.length === 0 ? (
                      "–"
                    ) : (
                      <ul className="font-mono text-[13px]">
                        {attempt.paths_only_here.slice(0, namedPaths).map((path) => (
                          <li key={path} className="wrap-anywhere">
                            <PlainText value={path} />
                          </li>
                        ))}
                        {attempt.paths_only_here.length > namedPaths && (
                          <li className="font-sans text-muted">
                            and {attempt.paths_only_here.length - namedPaths} more
                          </li>
                        )}
                      </ul>
                    )}
                  </dd>
                </dl>
                <div className="mt-auto flex flex-wrap gap-2 pt-1">
                  <Button size="sm" onClick={() => onOpen(attempt.number)}>
                    Open
                  </Button>
                  {isOpen && allowed && task.chosen_attempt_id === null && (
                    <Button
                      size="sm"
                      variant="primary"
                      aria-label={`Choose attempt ${attempt.number}`}
                      onClick={() => setAsked(attempt)}
                    >
                      Choose
                    </Button>
                  )}
                </div>
              </li>
            ))}
          </ul>
          <ConfirmDialog
            isOpen={asked !== undefined}
            onClose={() => setAsked(undefined)}
            title={`Choose attempt ${asked?.number ?? ""}?`}
            action="Choose attempt"
            pending={choose.pending}
            error={choose.error}
            onConfirm={() => asked && choose.submit(asked.id)}
          >
            The others are stopped and archived. Their work stays reachable.
          </ConfirmDialog>
        </div>
      )}
    </Await>
  );
}

function Time({ attempt }: { attempt: Compared }): ReactElement {
  const { started_at: start, ended_at: end } = attempt;
  if (start === null) return <>Not started</>;
  return end === null ? (
    <Since start={start} />
  ) : (
    <>{durationText(Date.parse(end) - Date.parse(start))}</>
  );
}

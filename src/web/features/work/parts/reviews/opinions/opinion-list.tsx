import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import type { Attempt, Task } from "#shared/api/work/tasks.js";
import { opinionsQuery } from "../../../../../api/queries/work/opinions.js";
import { Button } from "../../../../../ui/actions/button.js";
import { countOf } from "../../../../../ui/text/number.js";
import { AskOpinionDialog } from "./ask-opinion-dialog.js";
import { OpinionRow } from "./opinion-row.js";

/** Rows that are drawn at first; more on demand. */
const rowsAtFirst = 5;

interface OpinionListProps {
  task: Task;
  attempt: Attempt;
  /** Why the viewer may not ask. */
  reason: string | undefined;
}

/** The second opinions of agents on an attempt, newest first, and a button that asks for another one. */
export function OpinionList({ task, attempt, reason }: OpinionListProps): ReactElement {
  const { data: all = [] } = useQuery(opinionsQuery(task.id));
  const [isAsking, setAsking] = useState(false);
  const [isWhole, setWhole] = useState(false);
  const opinions = all.filter(({ attempt_id }) => attempt_id === attempt.id);
  const shown = isWhole ? opinions : opinions.slice(0, rowsAtFirst);
  return (
    <section aria-label="Second opinions" className="rounded-lg border border-line bg-surface">
      <header className="flex flex-wrap items-center gap-x-3 gap-y-1 px-3 py-1.5 text-[13px]">
        <h2 className="font-medium">
          {opinions.length === 0 ? "No second opinion" : countOf(opinions.length, "second opinion")}
        </h2>
        <Button
          size="sm"
          variant="ghost"
          className="ml-auto"
          disabledReason={reason}
          onClick={() => setAsking(true)}
        >
          Ask for a second opinion
        </Button>
      </header>
      {opinions.length > 0 && (
        <ul className="divide-y divide-line border-t border-line">
          {shown.map((opinion) => (
            <li key={opinion.id}>
              <OpinionRow
                opinion={opinion}
                task={task}
                agentId={attempt.agent_id}
                reason={reason}
              />
            </li>
          ))}
          {opinions.length > shown.length && (
            <li className="px-3 py-2">
              <Button size="sm" onClick={() => setWhole(true)}>
                Show earlier ones
              </Button>
            </li>
          )}
        </ul>
      )}
      {isAsking && (
        <AskOpinionDialog task={task} attempt={attempt} onClose={() => setAsking(false)} />
      )}
    </section>
  );
}

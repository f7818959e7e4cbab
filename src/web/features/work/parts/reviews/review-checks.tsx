import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { Attempt, Task } from "#shared/api/work/tasks.js";
import { taskChecksQuery } from "../../../../api/queries/work/reviews.js";
import { paths } from "../../../../paths/paths.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { CheckStatus } from "../../../code/parts/merge-requests/request-status.js";

/** The checks of a change, which begin with its review. */
export function ReviewChecks({
  task,
  attempt,
}: {
  task: Task;
  attempt: Attempt;
}): ReactElement | null {
  const { data: checks = [] } = useQuery(taskChecksQuery(task.id, attempt.id));
  return checks.length === 0 ? null : (
    <section aria-label="Checks" className="rounded-lg border border-line bg-surface px-3 py-1.5">
      <ul className="flex flex-wrap gap-x-5 gap-y-1 text-[13px]">
        {checks.map(({ name, status, detail, run_id }) => (
          <li key={name} className="flex min-h-6 flex-wrap items-center gap-x-2">
            {run_id === null ? (
              <PlainText value={name} className="font-medium" />
            ) : (
              <Link
                {...paths.run(attempt.agent_id, run_id)}
                className="font-medium text-accent-ink hover:underline"
              >
                <PlainText value={name} />
              </Link>
            )}
            <CheckStatus status={status} />
            {detail !== null && (
              <span className="text-muted">
                <PlainText value={detail} />
              </span>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

import { useQuery } from "@tanstack/react-query";
import { lazy, type ReactElement, Suspense } from "react";
import type { MergeRequest } from "#shared/api/code/merge-requests.js";
import type { Attempt, Task } from "#shared/api/work/tasks.js";
import { workspaceQuery } from "../../../api/queries/code/workspaces.js";
import { Await } from "../../../components/await.js";
import { loadPart } from "../../../hooks/connection.js";
import { Skeleton } from "../../../ui/feedback/states.js";

const ReviewPane = lazy(async () => ({
  default: (await loadPart(() => import("../../work/parts/reviews/review-pane.js"))).ReviewPane,
}));
const ReviewActions = lazy(async () => ({
  default: (await loadPart(() => import("../../work/parts/reviews/publish/review-actions.js")))
    .ReviewActions,
}));
const WorkspaceChanges = lazy(async () => ({
  default: (await loadPart(() => import("../../work/parts/agents/workspace-changes.js")))
    .WorkspaceChanges,
}));

interface RequestChangesProps {
  request: MergeRequest;
  /** Null without a task; undefined while it is looked for. */
  task: Task | null | undefined;
  attempt: Attempt | undefined;
}

/** What a merge request would change: with threads if its agent works on a task. */
export function RequestChanges({
  request,
  task,
  attempt,
}: RequestChangesProps): ReactElement | null {
  if (task === undefined) return <Skeleton rows={3} />;
  return (
    <section aria-label="Changes" className="flex min-w-0 flex-col gap-4">
      <Suspense fallback={<Skeleton rows={3} />}>
        {task && attempt ? (
          <>
            <ReviewPane task={task} attempt={attempt} />
            <div
              data-bottom-bar=""
              className="sticky bottom-0 z-20 flex flex-wrap items-center justify-end gap-2 rounded-t-lg border border-line bg-surface px-4 py-3 shadow-floating print:hidden"
            >
              <ReviewActions task={task} attempt={attempt} size="md" isWaiting />
            </div>
          </>
        ) : (
          <OfWorkspace agentId={request.agent_id} />
        )}
      </Suspense>
    </section>
  );
}

function OfWorkspace({ agentId }: { agentId: string }): ReactElement {
  return (
    <Await query={useQuery(workspaceQuery(agentId))} what="The changes">
      {(workspace) => <WorkspaceChanges workspace={workspace} />}
    </Await>
  );
}

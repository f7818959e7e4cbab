import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { lazy, type ReactElement, Suspense } from "react";
import type { Attempt, Task } from "#shared/api/work/tasks.js";
import { workspaceQuery } from "../../../api/queries/code/workspaces.js";
import { useMedia } from "../../../hooks/use-media.js";
import type { TaskPart } from "../../../paths/address-search.js";
import { paths } from "../../../paths/paths.js";
import { asApiError } from "../../../api/client.js";
import { Waiting } from "../../../components/await.js";
import { loadPart } from "../../../hooks/connection.js";
import { EmptyState, Skeleton } from "../../../ui/feedback/states.js";
import { Tabs } from "../../../ui/layout/tabs.js";
import { countOf } from "../../../ui/text/number.js";
import { WorkspaceChanges } from "../parts/agents/workspace-changes.js";
import { AttemptCommits } from "./attempt-commits.js";
import { AttemptRuns } from "./attempt-runs.js";
import { TaskConversation } from "./task-conversation.js";

const ReviewPane = lazy(async () => ({
  default: (await loadPart(() => import("../parts/reviews/review-pane.js"))).ReviewPane,
}));

interface AttemptViewProps {
  task: Task;
  attempt: Attempt;
  part: TaskPart | undefined;
  onPart: (part: TaskPart) => void;
  /** Whether the work has the whole width, without the conversation. */
  isFull: boolean;
  onFull: (isFull: boolean) => void;
}

/** The two halves of a task: the conversation, and what changed; on a narrow screen all are tabs. */
export function AttemptView({
  task,
  attempt,
  part,
  onPart,
  isFull,
  onFull,
}: AttemptViewProps): ReactElement {
  const isWide = useMedia("(min-width: 64rem)");
  const { changes } = attempt;
  const parts = [
    {
      value: "changes" as const,
      label:
        changes === null || changes.files === 0
          ? "Changes"
          : `Changes +${changes.added} −${changes.removed}`,
      content: (
        <Changes
          task={task}
          attempt={attempt}
          isFull={isWide ? isFull : undefined}
          onFull={onFull}
        />
      ),
    },
    {
      value: "commits" as const,
      label: "Commits",
      content: <AttemptCommits agentId={attempt.agent_id} />,
    },
    { value: "runs" as const, label: "Runs", content: <AttemptRuns agentId={attempt.agent_id} /> },
  ];
  const isWhole = isWide && isFull;
  const conversation = <TaskConversation task={task} attempt={attempt} isPane={isWide} />;
  if (!isWide) {
    return (
      <div className="min-w-0">
        <Tabs
          label="Task"
          value={part ?? "conversation"}
          onChange={onPart}
          tabs={[
            { value: "conversation" as const, label: "Conversation", content: conversation },
            ...parts,
          ]}
        />
        <AgentLinks attempt={attempt} />
      </div>
    );
  }
  return (
    <div className={`grid min-w-0 items-start gap-6 ${isWhole ? "" : "lg:grid-cols-2"}`}>
      {!isWhole && conversation}
      <section aria-label="Work" className="min-w-0">
        <Tabs
          label="Work"
          value={part === undefined || part === "conversation" ? "changes" : part}
          onChange={onPart}
          tabs={parts}
        />
        <AgentLinks attempt={attempt} />
      </section>
    </div>
  );
}

/** Everything else that belongs to the agent of an attempt, at its own address. */
function AgentLinks({ attempt }: { attempt: Attempt }): ReactElement {
  const { agent_id: agentId } = attempt;
  const links = [
    { label: "Workspace", path: paths.workspace(agentId) },
    { label: "Session", path: paths.agent(agentId) },
    { label: "Merge Conflicts", path: paths.agentConflicts(agentId) },
    { label: "Settings", path: paths.agentSettings(agentId) },
  ];
  return (
    <nav
      aria-label="Pages of the agent"
      className="mt-5 flex flex-wrap items-center gap-x-2 gap-y-1 border-t border-line pt-3 text-[13px] text-muted print:hidden"
    >
      <span>Agent:</span>
      {links.map(({ label, path }) => (
        <Link
          key={label}
          {...path}
          className="inline-flex min-h-6 items-center text-accent-ink hover:underline"
        >
          {label}
        </Link>
      ))}
    </nav>
  );
}

interface ChangesProps {
  task: Task;
  attempt: Attempt;
  isFull: boolean | undefined;
  onFull: (isFull: boolean) => void;
}

function Changes({ task, attempt, isFull, onFull }: ChangesProps): ReactElement {
  const workspace = useQuery(workspaceQuery(attempt.agent_id));
  const code = workspace.error === null ? undefined : asApiError(workspace.error).code;
  if (attempt.status === "merged") {
    return (
      <EmptyState
        title={`Merged into ${attempt.base_branch}`}
        action={
          <Link {...paths.workspace(attempt.agent_id)} className="text-accent-ink underline">
            Show its commits and merges
          </Link>
        }
      >
        {attempt.changes && attempt.changes.files > 0
          ? `It changed ${countOf(attempt.changes.files, "file")}.`
          : "Everything that this attempt changed is in its base branch."}
      </EmptyState>
    );
  }
  if (code === "workspace_missing" || code === "workspace_expired") {
    return (
      <EmptyState title="No changes">
        {code === "workspace_missing"
          ? "The workspace of this attempt does not exist yet."
          : "The workspace of this attempt was archived, and its time is over."}
      </EmptyState>
    );
  }
  if (workspace.data === undefined) return <Waiting query={workspace} what="The changes" />;
  if (attempt.head_commit !== null && attempt.changes?.files !== 0) {
    return (
      <Suspense fallback={<Skeleton rows={3} />}>
        <ReviewPane task={task} attempt={attempt} isFull={isFull} onFull={onFull} />
      </Suspense>
    );
  }
  return (
    <div className="flex min-w-0 flex-col gap-4">
      <WorkspaceChanges
        workspace={workspace.data}
        isNarrow
        isUnderWay={attempt.status === "starting" || attempt.status === "working"}
      />
    </div>
  );
}

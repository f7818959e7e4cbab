import { Link } from "@tanstack/react-router";
import { type ReactElement, type ReactNode, useState } from "react";
import type { AgentWork } from "#shared/api/work/overview.js";
import { paths } from "../../../../paths/paths.js";
import { Button } from "../../../../ui/actions/button.js";
import { Icon } from "../../../../ui/actions/icons.js";
import { countOf, formatNumber } from "../../../../ui/text/number.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { RelativeTime } from "../../../../ui/text/time.js";
import { statusName } from "../../../execution/parts/runs/run-status.js";
import { costText } from "../../../organization/parts/usage/model-figures.js";
import { LastLine } from "./last-line.js";
import { LineCounts } from "./line-counts.js";
import { WorkDuration } from "./work-duration.js";
import { askingText } from "./work-state.js";

const columns = [
  { state: "working", title: "Working", dot: "bg-good" },
  { state: "needs_you", title: "Needs you", dot: "bg-bad" },
  { state: "ready", title: "Ready to merge", dot: "bg-accent" },
  { state: "idle", title: "Idle", dot: "bg-control" },
] as const;

/** Cards of a column that are shown at first. */
const shownAtFirst = 30;

interface WorkBoardProps {
  rows: readonly AgentWork[];
  /** When the rows were read; milliseconds. */
  readAt: number;
  withProject: boolean;
}

/** Agents as cards in columns by state; one below the other on a phone. */
export function WorkBoard({ rows, readAt, withProject }: WorkBoardProps): ReactElement {
  return (
    <div className="grid items-start gap-4 md:grid-cols-2 xl:grid-cols-4">
      {columns.map(({ state, title, dot }) => (
        <Column
          key={state}
          title={title}
          dot={dot}
          rows={rows.filter((work) => work.state === state)}
          readAt={readAt}
          withProject={withProject}
        />
      ))}
    </div>
  );
}

interface ColumnProps extends WorkBoardProps {
  title: string;
  dot: string;
}

function Column({ title, dot, rows, readAt, withProject }: ColumnProps): ReactElement {
  const [isWhole, setWhole] = useState(false);
  const shown = isWhole ? rows : rows.slice(0, shownAtFirst);
  return (
    <section aria-label={title} className="min-w-0 rounded-lg bg-sunken p-2">
      <h2 className="flex items-center gap-2 px-1.5 py-1 text-[13px] font-semibold">
        <span aria-hidden="true" className={`size-2 rounded-full ${dot}`} />
        {title}
        <span className="font-medium text-muted tabular-nums">{formatNumber(rows.length)}</span>
      </h2>
      {rows.length === 0 ? (
        <p className="px-1.5 py-2 text-[13px] text-muted">No agents</p>
      ) : (
        <ul aria-label={title} className="mt-1 flex flex-col gap-2">
          {shown.map((work) => (
            <WorkCard
              key={work.agent_id}
              work={work}
              readAt={readAt}
              projectName={withProject ? work.project_name : null}
            />
          ))}
        </ul>
      )}
      {shown.length < rows.length && (
        <Button size="sm" variant="ghost" className="mt-2 w-full" onClick={() => setWhole(true)}>
          Show {countOf(rows.length - shown.length, "more agent")}
        </Button>
      )}
    </section>
  );
}

interface WorkCardProps {
  work: AgentWork;
  readAt: number;
  /** Null in lists of one project. */
  projectName: string | null;
}

/** A card; all of it leads to the agent. */
function WorkCard({ work, readAt, projectName }: WorkCardProps): ReactElement {
  const { agent_id, agent_name, task_title, current, last_line } = work;
  return (
    <li className="relative flex min-w-0 flex-col gap-1 rounded-md border border-line bg-surface px-3 py-2.5 shadow-raised focus-within:border-accent-ink hover:border-control">
      <div className="flex items-baseline gap-2">
        <Link
          {...paths.agent(agent_id)}
          className="line-clamp-2 min-w-0 font-medium wrap-anywhere after:absolute after:inset-0 after:rounded-md"
        >
          <PlainText value={agent_name} />
        </Link>
        <span className="ml-auto shrink-0 text-xs text-muted">
          {current === null ? (
            <Ended work={work} />
          ) : (
            <WorkDuration current={current} readAt={readAt} />
          )}
        </span>
      </div>
      {projectName !== null && (
        <p className="truncate text-xs text-muted">
          <PlainText value={projectName} />
        </p>
      )}
      {task_title !== null && (
        <p className="line-clamp-2 text-[13px]">
          <PlainText value={task_title} />
        </p>
      )}
      <LastLine text={last_line} />
      <Figures work={work} />
    </li>
  );
}

function Ended({ work: { last_outcome: last } }: { work: AgentWork }): ReactNode {
  return last && <RelativeTime value={last.ended_at} />;
}

/** Why it needs a person, and what its branch has. */
function Figures({ work }: { work: AgentWork }): ReactElement | null {
  const { state, current, last_outcome: last, conflicts, cost_usd, unmerged_commits } = work;
  const isFailed =
    state === "needs_you" &&
    work.waiting_session_id === null &&
    current === null &&
    last !== null &&
    last.status !== "succeeded";
  const parts: ReactElement[] = [];
  if (work.waiting_session_id !== null) {
    parts.push(
      <span key="asks" className="font-medium text-accent-ink">
        {askingText}
      </span>,
    );
  }
  if (isFailed && conflicts === 0) {
    parts.push(
      <span key="failed" className="font-medium text-bad">
        {statusName(last.status)}
        {last.status === "failed" && last.exit_code !== null && `, exit code ${last.exit_code}`}
      </span>,
    );
  }
  if (conflicts > 0) {
    parts.push(
      <span key="conflicts" className="inline-flex items-center gap-1 font-medium text-warn">
        <Icon name="branch" className="!size-3.5" />
        {countOf(conflicts, "conflict")}
      </span>,
    );
  }
  if (unmerged_commits !== null && unmerged_commits > 0) {
    parts.push(
      <span key="commits">{countOf(unmerged_commits, "commit")}</span>,
      <LineCounts key="lines" additions={work.additions} deletions={work.deletions} />,
    );
  }
  if (cost_usd > 0) parts.push(<span key="cost">{costText(cost_usd)}</span>);
  return parts.length === 0 ? null : (
    <p className="flex flex-wrap items-center gap-x-2.5 gap-y-0.5 text-xs text-muted">{parts}</p>
  );
}

import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { AgentWork } from "#shared/api/work/overview.js";
import { LastLine } from "../parts/board/last-line.js";
import { WorkDuration } from "../parts/board/work-duration.js";
import { runLink } from "../parts/board/work-run.js";
import { workTitle } from "../parts/board/work-title.js";
import { openNewTask } from "../../../hooks/new-task.js";
import { paths } from "../../../paths/paths.js";
import { PlainText } from "../../../ui/text/plain-text.js";
import { Rows, rowClass, Section } from "./section.js";
import { TaskName } from "./task-name.js";
import { rowLinkProps, rowProps } from "./use-row-keys.js";

/** Rows that are shown; the list of agents has all. */
const shown = 20;

interface RunningProps {
  work: readonly AgentWork[];
  /** When the work was read; milliseconds. */
  readAt: number;
}

/** The agents at work, with the last line of each. */
export function Running({ work, readAt }: RunningProps): ReactElement {
  // The longest first, so that rows keep their places.
  const sorted = work.toSorted((left, right) =>
    startOf(left) < startOf(right) ? -1 : startOf(left) > startOf(right) ? 1 : 0,
  );
  return (
    <Section title="Working now" count={work.length}>
      {work.length === 0 ? (
        <p className="text-muted">
          No agent is at work.{" "}
          <button
            type="button"
            aria-haspopup="dialog"
            onClick={() => openNewTask()}
            className="font-medium text-accent-ink underline"
          >
            Start a task
          </button>
        </p>
      ) : (
        <Rows label="Working now">
          {sorted.slice(0, shown).map((row) => (
            <RunningRow key={row.agent_id} row={row} readAt={readAt} />
          ))}
        </Rows>
      )}
      {work.length > shown && (
        <p>
          <Link
            {...paths.agents({ view: "board" })}
            className="font-medium text-accent-ink hover:underline"
          >
            Show all {work.length} agents at work
          </Link>
        </p>
      )}
    </Section>
  );
}

const startOf = ({ current }: AgentWork): string => current?.started_at ?? "later";

function RunningRow({ row, readAt }: { row: AgentWork; readAt: number }): ReactElement {
  const { agent_id, agent_name, project_name, project_id, current, last_line } = row;
  const { task_id, task_number, task_title } = row;
  const link =
    task_id !== null
      ? paths.task(task_id)
      : current === null
        ? paths.agent(agent_id)
        : runLink(agent_id, current);
  const title = task_id === null ? (task_title ?? (current && workTitle(current))) : null;
  return (
    <li {...rowProps(agent_id)} className={`flex flex-col gap-1 ${rowClass}`}>
      <div className="flex flex-wrap items-baseline gap-x-2">
        <span aria-hidden="true" className="size-2 shrink-0 self-center rounded-full bg-good" />
        <Link
          {...link}
          {...rowLinkProps}
          className="inline-block min-w-0 leading-6 font-medium hover:text-accent-ink hover:underline"
        >
          {task_number === null ? (
            <PlainText value={agent_name} />
          ) : (
            <TaskName number={task_number} title={task_title ?? ""} />
          )}
        </Link>
        {task_id !== null && (
          <Link
            {...paths.agent(agent_id)}
            className="inline-block min-w-0 truncate text-[13px] leading-6 text-muted hover:text-ink hover:underline"
          >
            <PlainText value={agent_name} />
          </Link>
        )}
        <Link
          {...paths.project(project_id)}
          className="inline-block min-w-0 truncate text-[13px] leading-6 text-muted hover:text-ink hover:underline"
        >
          <PlainText value={project_name} />
        </Link>
        <span className="ml-auto text-[13px] text-muted">
          <WorkDuration current={current} readAt={readAt} />
        </span>
      </div>
      {title !== null && (
        <p className="line-clamp-1 pl-4">
          <PlainText value={title} />
        </p>
      )}
      <div className="pl-4">
        <LastLine text={last_line} />
      </div>
    </li>
  );
}

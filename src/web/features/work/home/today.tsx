import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { Results } from "#shared/api/work/overview.js";
import { resultsQuery } from "../../../api/queries/work/overview.js";
import { LineCounts } from "../parts/board/line-counts.js";
import { Await } from "../../../components/await.js";
import { costText } from "../../organization/parts/usage/model-figures.js";
import { paths } from "../../../paths/paths.js";
import { countOf, formatNumber } from "../../../ui/text/number.js";
import { PlainText } from "../../../ui/text/plain-text.js";
import { RelativeTime } from "../../../ui/text/time.js";
import { isWorkOf } from "./attention-sections.js";
import { Rows, rowClass, Section } from "./section.js";
import { TaskName } from "./task-name.js";
import { rowLinkProps, rowProps } from "./use-row-keys.js";

/** The beginning of the day in the viewer's time zone; the same text all day long. */
function startOfToday(): string {
  const start = new Date();
  start.setHours(0, 0, 0, 0);
  return start.toISOString();
}

interface TodayProps {
  orgId: string;
  /** The owner of the tasks to show; null shows everything. */
  ofUser: string | null;
}

/** What the organization, or the agents of a user's tasks, have done today. */
export function Today({ orgId, ofUser }: TodayProps): ReactElement {
  const results = useQuery(resultsQuery(orgId, startOfToday()));
  return (
    <Section title="Done today">
      <Await query={results} rows={1} what="Today's results">
        {(data) => {
          const merges = data.merges.filter((merge) => ofUser === null || isWorkOf(ofUser, merge));
          const tasks = data.finished_tasks.filter(
            ({ owner_id }) => ofUser === null || owner_id === ofUser,
          );
          const rows = [
            ...merges.map((merge) => ({
              at: merge.at,
              row: <MergeRow key={merge.id} merge={merge} />,
            })),
            ...tasks.map((task) => ({ at: task.at, row: <TaskRow key={task.id} task={task} /> })),
          ].toSorted((left, right) => Date.parse(right.at) - Date.parse(left.at));
          return (
            <>
              {ofUser === null && <Figures results={data} />}
              {ofUser !== null && rows.length === 0 && (
                <p className="text-muted">Nothing was finished yet.</p>
              )}
              {rows.length > 0 && <Rows label="Done today">{rows.map(({ row }) => row)}</Rows>}
              {data.total_merges > data.merges.length && (
                <p className="text-[13px] text-muted">
                  The newest {data.merges.length} of {formatNumber(data.total_merges)} merges.
                </p>
              )}
            </>
          );
        }}
      </Await>
    </Section>
  );
}

function Figures({ results }: { results: Results }): ReactElement {
  const { runs, total_merges, cost_usd } = results;
  const figures: readonly [label: string, value: string, tone?: string][] = [
    ["Merges", formatNumber(total_merges)],
    ["Runs succeeded", formatNumber(runs.succeeded)],
    ["Runs failed", formatNumber(runs.failed), runs.failed > 0 ? "text-bad" : ""],
    ["Model cost", costText(cost_usd)],
  ];
  return (
    <dl className="grid grid-cols-2 gap-px overflow-clip rounded-lg border border-line bg-line shadow-raised md:grid-cols-4">
      {figures.map(([label, value, tone = ""]) => (
        <div key={label} className="flex flex-col-reverse justify-end bg-surface px-4 py-3">
          <dt className="text-[13px] text-muted">{label}</dt>
          <dd className={`text-xl leading-7 font-semibold tabular-nums ${tone}`}>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

const verbs: Partial<Record<Results["merges"][number]["kind"], string>> = {
  revert: "Revert",
  restore: "Restore",
};

function MergeRow({ merge }: { merge: Results["merges"][number] }): ReactElement {
  const { kind, agent_id, agent_name, project_id, project_name, target_branch, cost_usd } = merge;
  const { task_id, task_number, task_title } = merge;
  return (
    <li
      {...rowProps(merge.id)}
      className={`flex flex-wrap items-baseline gap-x-3 gap-y-0.5 ${rowClass}`}
    >
      <span className="min-w-0 leading-6">
        <Link
          {...(task_id === null ? paths.merge(agent_id, merge.id) : paths.task(task_id))}
          {...rowLinkProps}
          className="inline-block font-medium hover:text-accent-ink hover:underline"
        >
          {verbs[kind] !== undefined && `${verbs[kind]} of `}
          {task_number === null ? (
            <PlainText value={agent_name} />
          ) : (
            <TaskName number={task_number} title={task_title ?? ""} />
          )}
        </Link>
        <span className="text-muted"> merged into </span>
        <PlainText value={target_branch} />
      </span>
      <Link
        {...paths.project(project_id)}
        className="inline-block min-w-0 truncate text-[13px] leading-6 text-muted hover:text-ink hover:underline"
      >
        <PlainText value={project_name} />
      </Link>
      <span className="flex flex-wrap items-baseline gap-x-3 text-[13px] text-muted sm:ml-auto">
        {merge.commits !== null && <span>{countOf(merge.commits, "commit")}</span>}
        <LineCounts additions={merge.additions} deletions={merge.deletions} />
        {cost_usd > 0 && <span className="tabular-nums">{costText(cost_usd)}</span>}
        <span>
          by <PlainText value={merge.merged_by} />
        </span>
        <RelativeTime value={merge.at} />
      </span>
    </li>
  );
}

/** A task that was finished without a merge. */
function TaskRow({ task }: { task: Results["finished_tasks"][number] }): ReactElement {
  const { id, number, title, status, project_id, project_name, cost_usd, at } = task;
  return (
    <li {...rowProps(id)} className={`flex flex-wrap items-baseline gap-x-3 gap-y-0.5 ${rowClass}`}>
      <span className="min-w-0 leading-6">
        <Link
          {...paths.task(id)}
          {...rowLinkProps}
          className="inline-block font-medium hover:text-accent-ink hover:underline"
        >
          <TaskName number={number} title={title} />
        </Link>
        <span className="text-muted">
          {status === "done" ? " done without a merge" : " canceled"}
        </span>
      </span>
      <Link
        {...paths.project(project_id)}
        className="inline-block min-w-0 truncate text-[13px] leading-6 text-muted hover:text-ink hover:underline"
      >
        <PlainText value={project_name} />
      </Link>
      <span className="flex flex-wrap items-baseline gap-x-3 text-[13px] text-muted sm:ml-auto">
        {cost_usd > 0 && <span className="tabular-nums">{costText(cost_usd)}</span>}
        <RelativeTime value={at} />
      </span>
    </li>
  );
}

import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { Results } from "#shared/api/organizations/overview.js";
import { resultsQuery } from "../../api/queries/organization/overview.js";
import { LineCounts } from "../../components/agents/line-counts.js";
import { Await } from "../../components/await.js";
import { costText } from "../../components/usage/model-figures.js";
import { paths } from "../../paths/paths.js";
import { countOf, formatNumber } from "../../ui/text/number.js";
import { PlainText } from "../../ui/text/plain-text.js";
import { RelativeTime } from "../../ui/text/time.js";
import { Rows, rowClass, Section } from "./section.js";
import { rowLinkProps, rowProps } from "./use-row-keys.js";

/** The beginning of the day in the viewer's time zone; the same text all day long. */
function startOfToday(): string {
  const start = new Date();
  start.setHours(0, 0, 0, 0);
  return start.toISOString();
}

/** What the organization has done today. */
export function Today({ orgId }: { orgId: string }): ReactElement {
  const results = useQuery(resultsQuery(orgId, startOfToday()));
  return (
    <Section title="Today">
      <Await query={results} rows={1} what="Today's results">
        {(data) => (
          <>
            <Figures results={data} />
            {data.merges.length > 0 && (
              <Rows label="Merges today">
                {data.merges.map((merge) => (
                  <MergeRow key={merge.id} merge={merge} />
                ))}
              </Rows>
            )}
            {data.total_merges > data.merges.length && (
              <p className="text-[13px] text-muted">
                The newest {data.merges.length} of {formatNumber(data.total_merges)} merges.
              </p>
            )}
          </>
        )}
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
  const { kind, agent_id, agent_name, project_id, project_name, target_branch } = merge;
  return (
    <li
      {...rowProps(merge.id)}
      className={`flex flex-wrap items-baseline gap-x-3 gap-y-0.5 ${rowClass}`}
    >
      <Link
        {...paths.merge(agent_id, merge.id)}
        {...rowLinkProps}
        className="inline-block min-w-0 leading-6 font-medium hover:text-accent-ink hover:underline"
      >
        {verbs[kind] !== undefined && `${verbs[kind]} of `}
        <PlainText value={agent_name} />
        <span className="font-normal text-muted"> into </span>
        <PlainText value={target_branch} />
      </Link>
      <Link
        {...paths.project(project_id)}
        className="inline-block min-w-0 truncate text-[13px] leading-6 text-muted hover:text-ink hover:underline"
      >
        <PlainText value={project_name} />
      </Link>
      <span className="flex flex-wrap items-baseline gap-x-3 text-[13px] text-muted sm:ml-auto">
        {merge.commits !== null && <span>{countOf(merge.commits, "commit")}</span>}
        <LineCounts additions={merge.additions} deletions={merge.deletions} />
        <span>
          by <PlainText value={merge.merged_by} />
        </span>
        <RelativeTime value={merge.at} />
      </span>
    </li>
  );
}

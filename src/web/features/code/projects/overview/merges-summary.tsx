import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { ProjectMerge } from "#shared/api/code/merges.js";
import type { Project } from "#shared/api/code/projects.js";
import { recentMergesQuery } from "../../../../api/queries/code/projects.js";
import { Await } from "../../../../components/await.js";
import { paths } from "../../../../paths/paths.js";
import { Badge } from "../../../../ui/feedback/badge.js";
import { countOf } from "../../../../ui/text/number.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { RelativeTime } from "../../../../ui/text/time.js";
import { MergeLink } from "../merging/merge-link.js";
import { SummaryCard, SummaryList } from "./summary-card.js";

/** The newest merges of a project. */
export function MergesSummary({ project }: { project: Project }): ReactElement {
  const { merges } = project.counts;
  return (
    <SummaryCard
      title="Recent merges"
      whole={{
        ...paths.projectMerges(project.id),
        label: merges > 1 ? `All ${countOf(merges, "merge")}` : "All merges",
      }}
    >
      <Await query={useQuery(recentMergesQuery(project.id))} rows={2}>
        {(recent) =>
          recent.length === 0 ? (
            <p className="text-muted">No merges yet. Merge a workspace on its page.</p>
          ) : (
            <SummaryList label="Recent merges">
              {recent.map((merge) => (
                <MergeItem key={merge.id} merge={merge} />
              ))}
            </SummaryList>
          )
        }
      </Await>
    </SummaryCard>
  );
}

function MergeItem({ merge }: { merge: ProjectMerge }): ReactElement {
  const { agent_id, agent_name, target_branch, total_conflicts, created_at } = merge;
  return (
    <li className="flex flex-wrap items-center justify-between gap-x-4 gap-y-1 py-2">
      <span className="flex min-w-0 flex-wrap items-center gap-x-2 gap-y-1">
        <MergeLink merge={merge} />
        <span className="text-muted">
          from{" "}
          <Link {...paths.workspace(agent_id)} className="text-accent-ink hover:underline">
            <PlainText value={agent_name} />
          </Link>{" "}
          into <PlainText value={target_branch} className="font-mono text-[13px]" />
        </span>
        {total_conflicts > 0 && <Badge tone="warn">{countOf(total_conflicts, "conflict")}</Badge>}
      </span>
      <span className="text-[13px] text-muted">
        <RelativeTime value={created_at} />
      </span>
    </li>
  );
}

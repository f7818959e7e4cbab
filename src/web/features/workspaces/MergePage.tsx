import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { Merge } from "#shared/api/workspaces.js";
import { paths } from "../../paths.js";
import { Badge } from "../../ui/badge.js";
import { Card, Details } from "../../ui/card.js";
import { CommitId, CopyLine } from "../../ui/copy-button.js";
import { CrumbLink } from "../shell/crumb-link.js";
import { Page } from "../../ui/page.js";
import { PlainText } from "../../ui/plain-text.js";
import { EmptyState, Skeleton } from "../../ui/states.js";
import { Time } from "../../ui/time.js";
import { agentQuery } from "../agents/queries.js";
import { projectQuery } from "../projects/queries.js";
import { QueryError } from "../shell/query-state.js";
import { mergeRows } from "./conflicts-tab.js";
import { useWorkspaceCrumbs } from "./crumbs.js";
import { mergeQuery } from "./queries.js";
import { actLabels, kindLabel, winnerLabel } from "./resolution-labels.js";

const route = getRouteApi("/app/agents/$agentId/workspace/merges/$mergeId");

export function MergePage(): ReactElement {
  const { agentId, mergeId } = route.useParams();
  const merge = useQuery(mergeQuery(agentId, mergeId));
  const { data: agent } = useQuery(agentQuery(agentId));
  const { data: project } = useQuery({
    ...projectQuery(agent?.project_id ?? ""),
    enabled: agent !== undefined,
  });
  const crumbs = [
    ...useWorkspaceCrumbs(agentId, true),
    <CrumbLink key="conflicts" {...paths.workspace(agentId, "conflicts")}>
      Merge Conflicts
    </CrumbLink>,
  ];
  if (merge.isPending || merge.isError) {
    return (
      <Page title="Merge" crumbs={crumbs}>
        {merge.isPending ? (
          <Skeleton />
        ) : (
          <QueryError error={merge.error} onRetry={() => void merge.refetch()} what="The merge" />
        )}
      </Page>
    );
  }
  const { data } = merge;
  const sha = data.merge_commit_sha;
  return (
    <Page
      title={`${actLabels[data.kind]} ${sha?.slice(0, 12) ?? "details"}`}
      crumbs={crumbs}
      actions={data.reverted_by !== null && <Badge tone="warn">Reverted</Badge>}
    >
      <Card title="Details">
        <Details
          rows={{
            ...(sha === null ? {} : { [actLabels[data.kind]]: <CommitId sha={sha} /> }),
            ...mergeRows(data),
          }}
        />
      </Card>
      {data.resolutions.length === 0 ? (
        <EmptyState title="No conflicts">
          Git merged this cleanly; nothing had to be decided.
        </EmptyState>
      ) : (
        <section aria-labelledby="decisions" className="flex flex-col gap-3">
          <h2 id="decisions" className="text-base font-semibold">
            What was decided
          </h2>
          {data.resolutions.map((resolution) => (
            <ResolutionCard
              key={resolution.paths.join("\n")}
              resolution={resolution}
              merge={data}
              cloneUrl={project?.clone_url}
            />
          ))}
        </section>
      )}
    </Page>
  );
}

interface ResolutionCardProps {
  resolution: Merge["resolutions"][number];
  merge: Merge;
  cloneUrl: string | undefined;
}

/** One group of paths that were decided together. */
function ResolutionCard({ resolution, merge, cloneUrl }: ResolutionCardProps): ReactElement {
  const { paths: files, winner, source_time, target_time, loser_ref } = resolution;
  return (
    <Card
      level={3}
      title={
        <span className="flex flex-col font-mono text-[13px]">
          {files.map((path) => (
            <PlainText key={path} value={path} />
          ))}
        </span>
      }
      actions={<Badge>{kindLabel(resolution.kind)}</Badge>}
    >
      <div className="flex flex-col gap-3">
        <Details
          rows={{
            Winner: <span className="font-medium">{winnerLabel(winner, merge)}</span>,
            Why: <PlainText value={resolution.rule} />,
            "Source changed":
              source_time === null ? "Not known" : <Time value={source_time} withSeconds />,
            "Target changed":
              target_time === null ? "Not known" : <Time value={target_time} withSeconds />,
          }}
        />
        {loser_ref === null ? (
          <p className="text-[13px] text-muted">
            {winner === "merged"
              ? "Neither version was taken as it was. Both stay in git's history."
              : "The side that lost had deleted it, so there is nothing to fetch."}
          </p>
        ) : (
          cloneUrl !== undefined && (
            <div className="flex flex-col gap-1.5">
              <p className="text-[13px] font-medium">Fetch what lost</p>
              <CopyLine text={`git fetch ${cloneUrl} ${loser_ref}`} label="Copy fetch command" />
            </div>
          )
        )}
      </div>
    </Card>
  );
}

import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { MergeRequest } from "#shared/api/code/merge-requests.js";
import type { Project } from "#shared/api/code/projects.js";
import { mergeQueueQuery } from "../../../../api/queries/code/merge-queue.js";
import { Await } from "../../../../components/await.js";
import { RequestStatus } from "../../parts/merge-requests/request-status.js";
import { operationLabels } from "../../parts/merges/resolution-labels.js";
import { paths } from "../../../../paths/paths.js";
import { countOf } from "../../../../ui/text/number.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { EmptyQueue } from "../merging/empty-queue.js";
import { SummaryCard, SummaryList } from "./summary-card.js";

const shown = 5;

/** The first requests of the merge queue, live. */
export function QueueSummary({ project }: { project: Project }): ReactElement {
  const queue = useQuery(mergeQueueQuery(project.id));
  const waiting = queue.data?.length ?? 0;
  const label = waiting > shown ? `All ${countOf(waiting, "waiting merge")}` : "Whole queue";
  return (
    <SummaryCard title="Merge queue" whole={{ ...paths.projectMerges(project.id), label }}>
      <Await query={queue} rows={1}>
        {(open) =>
          open.length === 0 ? (
            <EmptyQueue project={project} />
          ) : (
            <SummaryList label="First in the merge queue">
              {open.slice(0, shown).map((request) => (
                <RequestItem key={request.id} request={request} />
              ))}
            </SummaryList>
          )
        }
      </Await>
    </SummaryCard>
  );
}

function RequestItem({ request }: { request: MergeRequest }): ReactElement {
  const { kind, agent_name, position, target_branch, status, reason } = request;
  return (
    <li className="py-2">
      <div className="flex flex-wrap items-center justify-between gap-x-4 gap-y-1">
        <span className="flex min-w-0 flex-wrap items-baseline gap-x-2">
          {position !== null && <span className="text-muted tabular-nums">{position}.</span>}
          <Link
            {...paths.mergeRequest(request.project_id, request.id)}
            className="text-accent-ink hover:underline"
          >
            {operationLabels[kind]} of <PlainText value={agent_name} />
          </Link>
          <span className="text-muted">
            into <PlainText value={target_branch} className="font-mono text-[13px]" />
          </span>
        </span>
        <RequestStatus status={status} />
      </div>
      {reason !== null && (
        <p className="text-[13px] text-muted">
          <PlainText value={reason} />
        </p>
      )}
    </li>
  );
}

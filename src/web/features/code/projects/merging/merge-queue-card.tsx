import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactElement, ReactNode } from "react";
import type { MergeRequest } from "#shared/api/code/merge-requests.js";
import type { Project } from "#shared/api/code/projects.js";
import type { DenyReason } from "../../../../access/deny-reason.js";
import {
  endedRequestPagesQuery,
  mergeQueueQuery,
} from "../../../../api/queries/code/merge-queue.js";
import { ResourceCard } from "../../../../components/resource-card.js";
import { operationLabels } from "../../parts/merges/resolution-labels.js";
import { RequestActions } from "../../parts/merge-requests/request-actions.js";
import { CheckStatus, RequestStatus } from "../../parts/merge-requests/request-status.js";
import { EmptyQueue } from "./empty-queue.js";
import { paths } from "../../../../paths/paths.js";
import { Button } from "../../../../ui/actions/button.js";
import { Table } from "../../../../ui/tables/table.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { RelativeTime } from "../../../../ui/text/time.js";

/** The merge queues of a project's protected branches, live, and what they did before. */
export function MergeQueueCard({
  project,
  refusal,
}: {
  project: Project;
  refusal: DenyReason;
}): ReactElement {
  const queue = useQuery(mergeQueueQuery(project.id));
  const ended = useInfiniteQuery(endedRequestPagesQuery(project.id));
  const past = ended.data?.pages.flatMap(({ rows }) => rows) ?? [];
  return (
    <ResourceCard title="Merge queue" query={queue} rows={1}>
      {(open) => (
        <div className="flex flex-col gap-4">
          {open.length === 0 ? (
            <EmptyQueue project={project} />
          ) : (
            <div className="-mt-4 last:-mb-4">
              <RequestTable
                label="Waiting merges"
                requests={open}
                last={{
                  name: "Actions",
                  renderCell: (request) => (
                    <RequestActions request={request} refusal={refusal} size="sm" />
                  ),
                }}
              />
            </div>
          )}
          {past.length > 0 && (
            <details>
              <summary className="cursor-pointer font-medium">Ended requests</summary>
              <div className="mt-3 flex flex-col items-start gap-3">
                <RequestTable
                  label="Ended merge requests"
                  requests={past}
                  last={{
                    name: "Ended",
                    renderCell: ({ ended_at }) =>
                      ended_at !== null && <RelativeTime value={ended_at} />,
                  }}
                />
                {ended.hasNextPage && (
                  <Button
                    size="sm"
                    pending={ended.isFetchingNextPage}
                    onClick={() => void ended.fetchNextPage()}
                  >
                    Show more
                  </Button>
                )}
              </div>
            </details>
          )}
        </div>
      )}
    </ResourceCard>
  );
}

interface RequestTableProps {
  label: string;
  requests: readonly MergeRequest[];
  last: { name: string; renderCell: (request: MergeRequest) => ReactNode };
}

function RequestTable({ label, requests, last }: RequestTableProps): ReactElement {
  return (
    <div className="-mx-4 self-stretch">
      <Table
        label={label}
        rows={requests}
        rowKey={({ id }) => id}
        columns={[
          { name: "Request", renderCell: (request) => <RequestName request={request} /> },
          {
            name: "Into",
            renderCell: ({ target_branch }) => (
              <PlainText value={target_branch} className="font-mono text-[13px]" />
            ),
          },
          { name: "Status", renderCell: (request) => <StatusCell request={request} /> },
          { name: "Checks", renderCell: ({ checks }) => <CheckList checks={checks} /> },
          last,
        ]}
      />
    </div>
  );
}

function RequestName({ request }: { request: MergeRequest }): ReactElement {
  const { kind, agent_name, position } = request;
  return (
    <span className="inline-flex items-baseline gap-2">
      {position !== null && <span className="text-muted tabular-nums">{position}.</span>}
      <Link
        {...paths.mergeRequest(request.project_id, request.id)}
        className="text-accent-ink hover:underline"
      >
        {operationLabels[kind]} of <PlainText value={agent_name} />
      </Link>
    </span>
  );
}

function StatusCell({ request }: { request: MergeRequest }): ReactElement {
  return (
    <span className="flex flex-col">
      <RequestStatus status={request.status} />
      {request.reason !== null && (
        <span className="max-w-[40ch] text-[13px] text-muted">
          <PlainText value={request.reason} />
        </span>
      )}
    </span>
  );
}

function CheckList({ checks }: Pick<MergeRequest, "checks">): ReactElement {
  if (checks.length === 0) return <span className="text-muted">None</span>;
  return (
    <span className="flex flex-col">
      {checks.map(({ name, status }) => (
        <span key={name} className="inline-flex gap-2">
          <PlainText value={name} />
          <CheckStatus status={status} />
        </span>
      ))}
    </span>
  );
}

import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { type ReactElement, useState } from "react";
import type { MergeRequest, RequestCheck } from "#shared/api/code/merge-requests.js";
import type { Task } from "#shared/api/work/tasks.js";
import { taskNumber } from "#shared/work/task-words.js";
import { useDenyReason } from "../../../access/permissions.js";
import { PermissionHint } from "../../../access/permission-hint.js";
import { mergeRequestQuery } from "../../../api/queries/code/merge-queue.js";
import { projectQuery } from "../../../api/queries/code/projects.js";
import { runQuery } from "../../../api/queries/execution/runs.js";
import { taskOfAgentQuery } from "../../../api/queries/work/tasks.js";
import { useLoaded } from "../../../api/use-loaded.js";
import { Await } from "../../../components/await.js";
import { CrumbLink } from "../../../components/crumb-link.js";
import { LogView } from "../../execution/parts/logs/log-view.js";
import { RequestActions } from "../parts/merge-requests/request-actions.js";
import {
  CheckStatus,
  RequestStatus,
  requestStatusName,
} from "../parts/merge-requests/request-status.js";
import { operationLabels } from "../parts/merges/resolution-labels.js";
import { paths } from "../../../paths/paths.js";
import { CommitId } from "../../../ui/feedback/copy-button.js";
import { Button } from "../../../ui/actions/button.js";
import { Alert } from "../../../ui/feedback/alert.js";
import { useAnnounceChange } from "../../../ui/feedback/toast.js";
import { Card, Details } from "../../../ui/layout/card.js";
import { Page } from "../../../ui/layout/page.js";
import { countOf } from "../../../ui/text/number.js";
import { PlainText, visible } from "../../../ui/text/plain-text.js";
import { Time } from "../../../ui/text/time.js";
import { RejectRequest } from "./reject-request.js";
import { RequestChanges } from "./request-changes.js";
import { RequestHistory } from "./request-history.js";

const route = getRouteApi("/app/projects/$projectId/merge-requests/$requestId");

/** A merge request: what it waits for, its history, checks and approvals, and the changes with threads. */
export function MergeRequestPage(): ReactElement {
  const { requestId } = route.useParams();
  const { data: request } = useLoaded(mergeRequestQuery(requestId));
  const { data: project } = useQuery(projectQuery(request.project_id));
  const refusal = useDenyReason(project?.organization_id);
  const reason = refusal("agent:workspace:merge");
  const isOpen = request.ended_at === null;
  const { agent_id: agentId, agent_name: agentName } = request;
  const { data: task } = useQuery(taskOfAgentQuery(request.project_id, agentId, agentName));
  const attempt = task?.attempts.find(({ agent_id }) => agent_id === agentId);
  useAnnounceChange(
    request.id,
    request.status,
    `The merge is ${requestStatusName(request.status).toLowerCase()}`,
  );
  return (
    <Page
      title={
        task && request.kind === "merge"
          ? task.title
          : `${operationLabels[request.kind]} of ${visible(request.agent_name)}`
      }
      width="full"
      crumbs={[
        <CrumbLink key="project" {...paths.project(request.project_id)}>
          {project ? <PlainText value={project.name} /> : "Project"}
        </CrumbLink>,
        <CrumbLink key="tab" {...paths.projectMerges(request.project_id)}>
          Merges and queue
        </CrumbLink>,
      ]}
      description={<RequestStatus status={request.status} />}
      actions={
        isOpen && (
          <>
            <RequestActions request={request} refusal={refusal} />
            {task && attempt && (
              <RejectRequest request={request} task={task} attempt={attempt} reason={reason} />
            )}
          </>
        )
      }
    >
      {isOpen && <PermissionHint reason={reason} />}
      <Explanation request={request} />
      <div className="grid items-start gap-5 lg:grid-cols-2">
        <Card title="Details">
          <Details rows={rowsOf(request, task ?? null)} />
        </Card>
        <RequestHistory request={request} task={task ?? null} />
      </div>
      <Card title="Checks">
        {request.checks.length === 0 ? (
          <p className="text-muted">
            <PlainText value={request.target_branch} /> requires no checks.
          </p>
        ) : (
          <ul className="-my-3 divide-y divide-line">
            {request.checks.map((check) => (
              <CheckItem key={check.name} check={check} />
            ))}
          </ul>
        )}
      </Card>
      {(request.required_approvals > 0 || request.approvals.length > 0) && (
        <Card title="Approvals">
          <Approvals request={request} />
        </Card>
      )}
      {isOpen && request.kind === "merge" && (
        <RequestChanges request={request} task={task} attempt={attempt} />
      )}
    </Page>
  );
}

/** The reason why the request waits, or how it ended. */
function Explanation({ request }: { request: MergeRequest }): ReactElement | null {
  const { status, reason, target_branch, position } = request;
  const branch = visible(target_branch);
  if (reason !== null) {
    return (
      <Alert tone={status === "rejected" ? "bad" : "info"}>
        <PlainText value={reason} multiline />
      </Alert>
    );
  }
  if (status === "checking") {
    return (
      <Alert tone="info">
        Its checks run on {branch} with this change and those before it. If they pass, exactly that
        commit lands.
      </Alert>
    );
  }
  if (status === "queued") {
    const before = (position ?? 1) - 1;
    return (
      <Alert tone="info">
        {before === 0
          ? `It is next to be checked for ${branch}.`
          : `${countOf(before, "request")} for ${branch} ${before === 1 ? "is" : "are"} before it.`}
      </Alert>
    );
  }
  return null;
}

function rowsOf(request: MergeRequest, task: Task | null) {
  const { agent_id, merge_id, source_commit, candidate_commit, requested_by, position } = request;
  return {
    ...(task && {
      Task: (
        <Link {...paths.task(task.id)} className="text-accent-ink hover:underline">
          {taskNumber(task)} <PlainText value={task.title} />
        </Link>
      ),
    }),
    Agent: (
      <Link {...paths.workspace(agent_id)} className="text-accent-ink hover:underline">
        <PlainText value={request.agent_name} />
      </Link>
    ),
    From: <PlainText value={request.source_branch} className="font-mono text-[13px]" />,
    Into: <PlainText value={request.target_branch} className="font-mono text-[13px]" />,
    ...(source_commit === null ? {} : { Commit: <CommitId sha={source_commit} /> }),
    ...(candidate_commit === null ? {} : { "Checked commit": <CommitId sha={candidate_commit} /> }),
    ...(position === null ? {} : { "Place in the queue": String(position) }),
    ...(requested_by === null ? {} : { "Requested by": <PlainText value={requested_by.name} /> }),
    Requested: <Time value={request.created_at} />,
    ...(request.ended_at === null ? {} : { Ended: <Time value={request.ended_at} /> }),
    ...(merge_id === null
      ? {}
      : {
          Result: (
            <Link {...paths.merge(agent_id, merge_id)} className="text-accent-ink hover:underline">
              Open the merge
            </Link>
          ),
        }),
  };
}

function CheckItem({ check }: { check: RequestCheck }): ReactElement {
  const { name, status, detail, run_id } = check;
  const [isOpen, setOpen] = useState(status === "failed");
  return (
    <li className="flex flex-col gap-3 py-3">
      <div className="flex flex-wrap items-center justify-between gap-x-4 gap-y-2">
        <span className="flex flex-wrap items-center gap-x-3">
          <PlainText value={name} className="font-medium" />
          <CheckStatus status={status} />
          {detail !== null && (
            <span className="text-[13px] text-muted">
              <PlainText value={detail} />
            </span>
          )}
        </span>
        {run_id !== null && (
          <Button
            size="sm"
            aria-expanded={isOpen}
            aria-label={`${isOpen ? "Hide" : "Show"} log of ${visible(name)}`}
            onClick={() => setOpen(!isOpen)}
          >
            {isOpen ? "Hide log" : "Show log"}
          </Button>
        )}
      </div>
      {isOpen && run_id !== null && <CheckLog runId={run_id} />}
    </li>
  );
}

function CheckLog({ runId }: { runId: string }): ReactElement {
  return (
    <Await query={useQuery(runQuery(runId))} what="The run">
      {(run) => <LogView key={run.id} run={run} />}
    </Await>
  );
}

function Approvals({ request }: { request: MergeRequest }): ReactElement {
  const { approvals, required_approvals: required } = request;
  return (
    <div className="flex flex-col gap-2">
      <p>
        {approvals.length} of {countOf(required, "approval")}.{" "}
        <span className="text-muted">
          The agent, the person who requested the merge, and people who pushed to its branch cannot
          approve it.
        </span>
      </p>
      {approvals.length > 0 && (
        <ul className="divide-y divide-line">
          {approvals.map(({ by, at }) => (
            <li key={by.id} className="flex flex-wrap justify-between gap-x-4 py-2">
              <PlainText value={by.name} />
              <Time value={at} />
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

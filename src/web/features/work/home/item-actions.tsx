import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { AttentionItem } from "#shared/api/work/overview.js";
import { approvalRefusal, type DenyReason } from "../../../access/deny-reason.js";
import { client } from "../../../api/client.js";
import { overviewKey } from "../../../api/queries/work/overview.js";
import { projectsKey } from "../../../api/queries/code/projects.js";
import { useApiMutation } from "../../../api/use-mutation.js";
import { PermissionAnswers } from "../parts/sessions/permission-answers.js";
import { paths } from "../../../paths/paths.js";
import { Button, buttonClass } from "../../../ui/actions/button.js";
import { visible } from "../../../ui/text/plain-text.js";
import type { ItemOf } from "./attention-sections.js";
import { budgetLink, conflictLink } from "./item-title.js";
import { LinkOr } from "./link-or.js";
import { RunAgainButton } from "./run-again-button.js";
import { TaskItemActions } from "./task-item-actions.js";

interface ItemActionsProps {
  item: AttentionItem;
  orgId: string;
  refusal: DenyReason;
  isAnswering: boolean;
  onAnswering: (isOpen: boolean) => void;
}

/** The actions of an item in place; disabled ones say why. */
export function ItemActions(props: ItemActionsProps): ReactElement {
  const { item, orgId, refusal } = props;
  switch (item.type) {
    case "task":
      return <TaskItemActions {...props} item={item} />;
    case "permission_request":
      return (
        <PermissionAnswers
          sessionId={item.session_id}
          request={item.request}
          disabledReason={refusal("agent:run")}
        />
      );
    case "failed_run":
      return <FailedRunActions item={item} reason={refusal("agent:run")} />;
    case "conflict":
      return (
        <LinkOr reason={refusal("agent:workspace:read")} label="Compare">
          <Link
            {...conflictLink(item)}
            aria-label={`Compare ${visible(item.path)}`}
            className={buttonClass("secondary", "sm")}
          >
            Compare
          </Link>
        </LinkOr>
      );
    case "merge_request":
      return <ApproveButton item={item} orgId={orgId} reason={approvalRefusal(refusal)} />;
    case "budget":
      return (
        <LinkOr reason={refusal("org:limits:write")} label="Raise…">
          <Link {...budgetLink(item, orgId)} className={buttonClass("secondary", "sm")}>
            Raise…
          </Link>
        </LinkOr>
      );
    case "api_key":
      return item.is_own ? (
        <Link {...paths.apiKey(item.key_id)} className={buttonClass("secondary", "sm")}>
          Rotate key
        </Link>
      ) : (
        <Link
          {...paths.organizationSettings(orgId, { tab: "members" })}
          className={buttonClass("secondary", "sm")}
        >
          View key
        </Link>
      );
  }
}

function FailedRunActions({
  item,
  reason,
}: {
  item: ItemOf<"failed_run">;
  reason: string | undefined;
}): ReactElement {
  const { agent_id, run_id, session_id, kind } = item;
  const agentId = agent_id ?? "";
  if (session_id !== null) {
    return (
      <Link {...paths.session(agentId, session_id)} className={buttonClass("secondary", "sm")}>
        View session
      </Link>
    );
  }
  return (
    <>
      {kind === "managed" && <RunAgainButton agentId={agentId} runId={run_id} reason={reason} />}
      <Link {...paths.run(agentId, run_id)} className={buttonClass("secondary", "sm")}>
        View log
      </Link>
    </>
  );
}

function ApproveButton({
  item,
  orgId,
  reason,
}: {
  item: ItemOf<"merge_request">;
  orgId: string;
  reason: string | undefined;
}): ReactElement {
  const params = { merge_request_id: item.merge_request_id };
  const approve = useApiMutation({
    run: (_input: undefined, headers) => client.mergeQueue.approve({ params }, { headers }),
    refresh: [projectsKey, overviewKey(orgId)],
    successMessage: () => "Approved",
    toastErrors: true,
  });
  return (
    <>
      <Link
        {...paths.mergeRequest(item.project_id ?? "", item.merge_request_id)}
        className={buttonClass("secondary", "sm")}
      >
        Review
      </Link>
      <Button
        size="sm"
        variant="primary"
        aria-label={`Approve ${visible(`${item.source_branch} into ${item.target_branch}`)}`}
        pending={approve.pending}
        disabledReason={reason}
        onClick={() => approve.submit(undefined)}
      >
        Approve
      </Button>
    </>
  );
}

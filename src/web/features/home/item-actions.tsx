import { Link } from "@tanstack/react-router";
import type { ReactElement, ReactNode } from "react";
import type { AttentionItem } from "#shared/api/organizations/overview.js";
import type { DenyReason } from "../../access/permissions.js";
import { client } from "../../api/client.js";
import { overviewKey } from "../../api/queries/organization/overview.js";
import { projectsKey } from "../../api/queries/projects/projects.js";
import { useApiMutation } from "../../api/use-mutation.js";
import { PermissionAnswers } from "../../components/sessions/permission-answers.js";
import { paths } from "../../paths/paths.js";
import { Button, buttonClass } from "../../ui/actions/button.js";
import { visible } from "../../ui/text/plain-text.js";
import { budgetLink } from "./item-title.js";
import { RunAgainButton } from "./run-again-button.js";

interface ItemActionsProps {
  item: AttentionItem;
  orgId: string;
  refusal: DenyReason;
}

/** The actions of an item in place; disabled ones say why. */
export function ItemActions({ item, orgId, refusal }: ItemActionsProps): ReactElement {
  switch (item.type) {
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
        <LinkOr reason={refusal("agent:workspace:read")} label="Preview merge">
          <Link {...paths.newMerge(item.agent_id ?? "")} className={buttonClass("secondary", "sm")}>
            Preview merge
          </Link>
        </LinkOr>
      );
    case "merge_request":
      return <ApproveButton item={item} orgId={orgId} reason={refusal("agent:workspace:merge")} />;
    case "budget":
      return (
        <LinkOr reason={refusal("org:limits:write")} label="Raise limit">
          <Link {...budgetLink(item, orgId)} className={buttonClass("secondary", "sm")}>
            {item.kind.startsWith("model") ? "Raise budget" : "Raise limit"}
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

/** A link, or a disabled button that says why the viewer cannot use what it leads to. */
function LinkOr({
  reason,
  label,
  children,
}: {
  reason: string | undefined;
  label: string;
  children: ReactNode;
}): ReactNode {
  if (reason === undefined) return children;
  return (
    <Button size="sm" disabledReason={reason}>
      {label}
    </Button>
  );
}

function FailedRunActions({
  item,
  reason,
}: {
  item: Extract<AttentionItem, { type: "failed_run" }>;
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
  item: Extract<AttentionItem, { type: "merge_request" }>;
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
  );
}

import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import type { MergeRequest } from "#shared/api/code/merge-requests.js";
import { approvalRefusal, type DenyReason } from "../../../../access/deny-reason.js";
import { client } from "../../../../api/client.js";
import { projectsKey } from "../../../../api/queries/code/projects.js";
import { meQuery } from "../../../../api/queries/identity/auth.js";
import { useApiMutation } from "../../../../api/use-mutation.js";
import { Button } from "../../../../ui/actions/button.js";
import { visible } from "../../../../ui/text/plain-text.js";
import { ConfirmButton } from "../../../../components/confirmations.js";

interface RequestActionsProps {
  request: MergeRequest;
  refusal: DenyReason;
  size?: "sm";
}

/** The buttons of an open merge request: approve it while it needs approvals, or cancel it. */
export function RequestActions({ request, refusal, size }: RequestActionsProps): ReactElement {
  const params = { merge_request_id: request.id };
  const approve = useApiMutation({
    run: (_input: undefined, headers) => client.mergeQueue.approve({ params }, { headers }),
    refresh: [projectsKey],
    successMessage: () => "Approved",
    toastErrors: true,
  });
  const { data: me } = useQuery(meQuery);
  const isMissingApproval = request.required_approvals > request.approvals.length;
  const isOwn = request.requested_by?.type === "user" && request.requested_by.id === me?.id;
  const name = visible(`${request.source_branch} into ${request.target_branch}`);
  return (
    <span className="inline-flex flex-wrap items-center gap-2">
      {isMissingApproval && isOwn && (
        <span className="text-[13px] text-muted">
          You requested this merge; someone else has to approve it.
        </span>
      )}
      {isMissingApproval && !isOwn && (
        <Button
          variant="primary"
          {...(size && { size })}
          aria-label={`Approve ${name}`}
          pending={approve.pending}
          disabledReason={approvalRefusal(refusal)}
          onClick={() => approve.submit(undefined)}
        >
          Approve
        </Button>
      )}
      <ConfirmButton
        {...(size && { size })}
        label="Cancel"
        action="Cancel the merge"
        aria-label={`Cancel ${name}`}
        disabledReason={refusal("agent:workspace:merge")}
        title="Cancel this merge?"
        mutation={{
          run: (_input, headers) => client.mergeQueue.cancel({ params }, { headers }),
          refresh: [projectsKey],
          successMessage: () => "The merge is canceled",
        }}
      >
        Its checks stop, and the requests behind it move up. The workspace stays as it is, and its
        merge can be queued again.
      </ConfirmButton>
    </span>
  );
}

import type { ReactElement } from "react";
import type { MergeRequest } from "#shared/api/projects/merge-requests.js";
import { client } from "../../api/client.js";
import { projectsKey } from "../../api/queries/projects/projects.js";
import { useApiMutation } from "../../api/use-mutation.js";
import { Button } from "../../ui/actions/button.js";
import { visible } from "../../ui/text/plain-text.js";
import { ConfirmButton } from "../confirmations.js";

interface RequestActionsProps {
  request: MergeRequest;
  /** Why the viewer may neither approve nor cancel. */
  reason: string | undefined;
  size?: "sm";
}

/** The buttons of an open merge request: approve it while it needs approvals, or cancel it. */
export function RequestActions({ request, reason, size }: RequestActionsProps): ReactElement {
  const params = { merge_request_id: request.id };
  const approve = useApiMutation({
    run: (_input: undefined, headers) => client.mergeQueue.approve({ params }, { headers }),
    refresh: [projectsKey],
    successMessage: () => "Approved",
    toastErrors: true,
  });
  const name = visible(`${request.source_branch} into ${request.target_branch}`);
  return (
    <span className="inline-flex flex-wrap gap-2">
      {request.required_approvals > request.approvals.length && (
        <Button
          variant="primary"
          {...(size && { size })}
          aria-label={`Approve ${name}`}
          pending={approve.pending}
          disabledReason={reason}
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
        disabledReason={reason}
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

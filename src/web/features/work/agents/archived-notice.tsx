import { type ReactElement, useState } from "react";
import type { Agent } from "#shared/api/work/agents.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { useApiMutation } from "../../../api/use-mutation.js";
import { client } from "../../../api/client.js";
import { Alert } from "../../../ui/feedback/alert.js";
import { Button } from "../../../ui/actions/button.js";
import { Time } from "../../../ui/text/time.js";
import { agentsKey } from "../../../api/queries/work/agents.js";
import type { DenyReason } from "../../../access/deny-reason.js";
import { projectsKey } from "../../../api/queries/code/projects.js";
import { workspacesKey } from "../../../api/queries/code/workspaces.js";

interface ArchivedNoticeProps {
  agent: Agent;
  workspace: Workspace;
  refusal: DenyReason;
}

/** On an archived workspace's page: the deadline for restoration, and the button. */
export function ArchivedNotice({
  agent,
  workspace,
  refusal,
}: ArchivedNoticeProps): ReactElement | null {
  const restore = useApiMutation({
    run: (_: undefined, headers) =>
      client.workspaces.restore({ params: { agent_id: agent.id } }, { headers }),
    refresh: [agentsKey, workspacesKey, projectsKey],
    successMessage: () => `The workspace of ${agent.name} is restored`,
    toastErrors: true,
  });
  const [openedAt] = useState(() => Date.now());
  const { archived_at: since, retention_ends_at: ends } = workspace;
  if (workspace.status !== "archived" || since === null || ends === null) return null;
  const isOver = Date.parse(ends) <= openedAt;
  const reason =
    refusal("agent:workspace:write") ??
    (agent.status === "terminated" ? "This agent has been terminated." : undefined);
  return (
    <Alert tone="warn">
      <div className="flex flex-wrap items-center justify-between gap-x-6 gap-y-2">
        <div>
          <p>
            <strong className="font-semibold">This workspace is archived</strong>, since{" "}
            <Time value={since} />.{" "}
            {isOver ? (
              <>
                Its retention ended on <Time value={ends} dateOnly />. While no branch holds its
                commits, it is kept.
              </>
            ) : (
              <>
                It can be restored until <Time value={ends} />.
              </>
            )}
          </p>
          <p className="text-[13px]">
            Every committed file comes back; what .gitignore left out and the agent’s home do not.
            {reason !== undefined && ` ${reason}`}
          </p>
        </div>
        <Button
          size="sm"
          icon="retry"
          pending={restore.pending}
          disabledReason={reason}
          onClick={() => restore.submit(undefined)}
        >
          Restore
        </Button>
      </div>
    </Alert>
  );
}

import type { ReactElement } from "react";
import type { Agent } from "#shared/api/work/agents.js";
import { hasServerFolder } from "#shared/code/workspace-choices.js";
import type { DenyReason } from "../../../../access/deny-reason.js";
import { client } from "../../../../api/client.js";
import { agentsKey } from "../../../../api/queries/work/agents.js";
import { workspacesKey } from "../../../../api/queries/code/workspaces.js";
import { ConfirmButton } from "../../../../components/confirmations.js";
import { Card } from "../../../../ui/layout/card.js";

/** What the agent's programs keep between runs, and the button that deletes it. */
export function HomeCard({
  agent,
  refusal,
}: {
  agent: Agent;
  refusal: DenyReason;
}): ReactElement | null {
  // Runs elsewhere have another home.
  if (agent.workspace_type === null || !hasServerFolder(agent.workspace_type)) return null;
  const isRunning = agent.status === "running";
  return (
    <Card
      title="Home"
      actions={
        <ConfirmButton
          label="Clear home"
          size="sm"
          disabledReason={
            refusal("agent:write") ??
            (isRunning ? "The agent is running; stop its run first." : undefined)
          }
          mutation={{
            run: (_input, headers) =>
              client.agents.clearHome({ params: { agent_id: agent.id } }, { headers }),
            refresh: [agentsKey, workspacesKey],
            successMessage: () => `The home of ${agent.name} is cleared`,
          }}
          title={`Clear the home of ${agent.name}?`}
        >
          All files in <span className="font-mono text-[13px]">/home/agent</span> are deleted: saved
          sessions, settings, sign-ins and caches of its programs. The workspace stays as it is.
          This cannot be undone.
        </ConfirmButton>
      }
    >
      <p className="text-muted">
        The agent's programs keep sessions, settings and caches in{" "}
        <span className="font-mono text-[13px]">/home/agent</span> from run to run. They are in
        neither the workspace nor commits.
      </p>
    </Card>
  );
}

import { useQueryClient } from "@tanstack/react-query";
import type { ReactElement } from "react";
import type { Agent } from "#shared/api/work/agents.js";
import type { Project } from "#shared/api/code/projects.js";
import { client } from "../../../api/client.js";
import { api } from "../../../api/api-calls.js";
import { useForm } from "../../../forms/use-form.js";
import { TextField } from "../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../ui/fields/form.js";
import { PlainText } from "../../../ui/text/plain-text.js";
import { CreateWorkspaceButton } from "../parts/agents/create-workspace-button.js";
import { agentsKey } from "../../../api/queries/work/agents.js";
import { PermissionHint } from "../../../access/permission-hint.js";
import { useDenyReason } from "../../../access/permissions.js";
import { organizationsKey } from "../../../api/queries/organization/organizations.js";
import { projectsKey } from "../../../api/queries/code/projects.js";
import { workspacesKey } from "../../../api/queries/code/workspaces.js";

interface AgentStepProps {
  orgId: string;
  project: Project;
  /** An agent without a workspace. */
  agent: Agent | undefined;
  onDone: () => void;
}

/** Creates an agent and its workspace. */
export function AgentStep({ orgId, project, agent, onDone }: AgentStepProps): ReactElement {
  const refusal = useDenyReason(orgId);
  const reason = refusal("agent:write") ?? refusal("agent:workspace:write");
  const queries = useQueryClient();
  const form = useForm({
    endpoint: api.agents.create,
    saved: { name: "worker-1" },
    toBody: ({ name }) => ({ project_id: project.id, name: name.trim() }),
    run: async (body, headers) => {
      const created = await client.agents.create({ body }, { headers });
      try {
        await client.workspaces.create({ params: { agent_id: created.data.id }, body: {} });
      } catch (error) {
        // The agent exists now; only its workspace is missing.
        await queries.invalidateQueries({ queryKey: agentsKey });
        throw error;
      }
      return created;
    },
    fieldOf: { name_taken: "name" },
    refresh: [agentsKey, workspacesKey, projectsKey, organizationsKey],
    successMessage: ({ name }) => `${name} has its workspace`,
    onDone,
    isGuarded: false,
  });
  if (reason !== undefined) return <PermissionHint reason={reason} />;
  if (agent) {
    return (
      <div className="flex flex-wrap items-center gap-3">
        <p>
          <PlainText value={agent.name} /> has no workspace yet.
        </p>
        <CreateWorkspaceButton
          variant="primary"
          agentId={agent.id}
          agentName={agent.name}
          disabledReason={undefined}
        />
      </div>
    );
  }
  return (
    <Form label="Create an agent" {...form.props}>
      <TextField
        label="Agent name"
        {...form.field("name")}
        hint={
          <>
            a-z, 0-9 and hyphens. It works on <PlainText value={project.name} />, on the branch{" "}
            <code className="font-mono">workspace-{form.values.name.trim() || "…"}</code>.
          </>
        }
      />
      <SubmitButton className="self-start">Create agent and workspace</SubmitButton>
    </Form>
  );
}

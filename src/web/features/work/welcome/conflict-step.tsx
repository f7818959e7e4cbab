import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { type ReactElement, useEffect, useRef, useState } from "react";
import type { Agent } from "#shared/api/work/agents.js";
import type { Project } from "#shared/api/code/projects.js";
import { ButtonReason } from "../../../access/permission-hint.js";
import { useDenyReason } from "../../../access/permissions.js";
import { agentsKey } from "../../../api/queries/work/agents.js";
import { organizationsKey } from "../../../api/queries/organization/organizations.js";
import { sandboxQuery } from "../../../api/queries/execution/runs.js";
import { projectsKey } from "../../../api/queries/code/projects.js";
import { workspacesKey } from "../../../api/queries/code/workspaces.js";
import { useApiMutation } from "../../../api/use-mutation.js";
import { commandDisabledReason, isolationOf } from "../../execution/parts/runs/isolation.js";
import { paths } from "../../../paths/paths.js";
import { Button, buttonClass } from "../../../ui/actions/button.js";
import { Alert } from "../../../ui/feedback/alert.js";
import { makeConflict, type Opponents } from "./opponents.js";

interface ConflictStepProps {
  /** The first agent, whose type of workspace the two get, too. */
  agent: Agent;
  project: Project;
  opponents: Opponents;
  /** Whether the step must stay open: it is done before the conflict is found. */
  onKeep: (isKept: boolean) => void;
}

/** Makes two agents that change the same line, and opens the page that predicts the conflict. */
export function ConflictStep({
  agent,
  project,
  opponents,
  onKeep,
}: ConflictStepProps): ReactElement {
  const navigate = useNavigate();
  const refusal = useDenyReason(agent.organization_id);
  const { data: sandbox } = useQuery(sandboxQuery);
  const [stage, setStage] = useState<string | null>(null);
  const leaving = useRef(new AbortController());
  useEffect(() => {
    leaving.current = new AbortController();
    return () => leaving.current.abort();
  }, []);
  const make = useApiMutation({
    run: async (_input: undefined) => {
      const { signal } = leaving.current;
      onKeep(true);
      try {
        return { data: await makeConflict(project, setStage, signal), status: 200 };
      } catch (error) {
        if (!signal.aborted) onKeep(false);
        throw error;
      }
    },
    refresh: [agentsKey, workspacesKey, projectsKey, organizationsKey],
    onDone: ({ id }) => {
      if (!leaving.current.signal.aborted) void navigate(paths.agentConflicts(id));
    },
  });
  const isBegun = opponents.left !== undefined || opponents.right !== undefined;
  const reason =
    refusal("agent:write") ??
    refusal("agent:workspace:write") ??
    refusal("agent:run") ??
    (sandbox && commandDisabledReason(isolationOf(sandbox, agent.workspace_type)));
  return (
    <div className="flex flex-col gap-4">
      <p>
        Two scripts play the agents: they need no key of a model. Each rewrites the first line of
        hello.md on its own branch.
      </p>
      {make.error && <Alert live>{make.error.message}</Alert>}
      {make.pending && stage !== null && (
        <Alert tone="info" live>
          {stage}
        </Alert>
      )}
      <div>
        <Button
          variant="primary"
          pending={make.pending}
          disabledReason={reason}
          onClick={() => make.submit(undefined)}
        >
          {isBegun ? "Go on with the two agents" : "Make two agents conflict"}
        </Button>
        <ButtonReason reason={reason} />
      </div>
    </div>
  );
}

/** Leads back to the predicted conflict, whose page tells how to resolve it. */
export function ConflictLink({
  opponents: { left, right },
}: {
  opponents: Opponents;
}): ReactElement | null {
  if (!left || !right) return null;
  return (
    <Link {...paths.agentConflicts(right.id)} className={buttonClass("secondary", "sm")}>
      Open the conflict
    </Link>
  );
}

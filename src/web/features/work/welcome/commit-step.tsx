import { type ReactElement, useState } from "react";
import type { Agent } from "#shared/api/work/agents.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { useApiMutation } from "../../../api/use-mutation.js";
import { client } from "../../../api/client.js";
import { Alert } from "../../../ui/feedback/alert.js";
import { Button } from "../../../ui/actions/button.js";
import { CopyLine } from "../../../ui/feedback/copy-button.js";
import { FirstRun } from "./first-run.js";
import { projectsKey } from "../../../api/queries/code/projects.js";
import { commitMessage } from "../../code/parts/workspaces/commit-message.js";
import { workspacesKey } from "../../../api/queries/code/workspaces.js";

/** Quotes a path for a shell. */
function quoted(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`;
}

interface CommitStepProps {
  agent: Agent;
  workspace: Workspace;
  onDone: () => void;
}

/** Starts the agent, whose changes are committed at the end, or commits changes made by hand. */
export function CommitStep({ agent, workspace, onDone }: CommitStepProps): ReactElement {
  const [isNothing, setNothing] = useState(false);
  const commit = useApiMutation({
    run: (_input: undefined, headers) =>
      client.workspaces.createCommit(
        { params: { agent_id: workspace.agent_id }, body: { commit_type: "checkpoint" } },
        { headers },
      ),
    refresh: [workspacesKey, projectsKey],
    successMessage: (data) => (data.created ? commitMessage(data) : undefined),
    onDone: ({ created }) => {
      setNothing(!created);
      if (created) onDone();
    },
    toastErrors: true,
  });
  const folder = workspace.working_directory;
  if (folder === null) {
    return (
      <p>
        {workspace.workspace_type === "kubernetes"
          ? "This workspace has no folder here: start the agent on its page, and its run in the cluster brings its commits to the branch"
          : "This workspace is remote: its agent commits where it works, and pushes the branch"}{" "}
        <code className="font-mono text-[13px]">{workspace.branch_name}</code>.
      </p>
    );
  }
  const file = quoted(`${folder}/hello.md`);
  return (
    <div className="flex flex-col gap-4">
      <FirstRun agent={agent} />
      <div className="flex flex-col gap-1.5">
        <p>
          You can also change something in the folder yourself, on the machine that Omoi runs on,
          and commit it:
        </p>
        <CopyLine text={`echo '# Hello' > ${file}`} label="Copy the command" />
      </div>
      {isNothing && (
        <Alert tone="warn" live>
          Nothing has changed in the folder yet. Run the command there, then commit again.
        </Alert>
      )}
      <div>
        <Button
          pending={commit.pending}
          disabledReason={
            workspace.status === "active" ? undefined : `The workspace is ${workspace.status}.`
          }
          onClick={() => commit.submit(undefined)}
        >
          Commit
        </Button>
      </div>
    </div>
  );
}

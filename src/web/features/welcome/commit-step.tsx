import { type ReactElement, useState } from "react";
import type { Workspace } from "#shared/api/projects/workspaces.js";
import { useApiMutation } from "../../api/use-mutation.js";
import { client } from "../../api/client.js";
import { Alert } from "../../ui/feedback/alert.js";
import { Button } from "../../ui/actions/button.js";
import { CopyLine } from "../../ui/actions/copy-button.js";
import { projectsKey } from "../../api/queries/projects.js";
import { commitMessage } from "../../components/workspaces/commit-message.js";
import { workspacesKey } from "../../api/queries/workspaces.js";

/** Quotes a path for a shell. */
function quoted(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`;
}

interface CommitStepProps {
  workspace: Workspace;
  onDone: () => void;
}

/** Writes to the agent's folder, as the agent would, and commits. */
export function CommitStep({ workspace, onDone }: CommitStepProps): ReactElement {
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
        This workspace is remote: its agent commits where it works, and pushes the branch{" "}
        <code className="font-mono text-[13px]">{workspace.branch_name}</code>.
      </p>
    );
  }
  const file = quoted(`${folder}/hello.md`);
  return (
    <div className="flex flex-col gap-4">
      <div className="flex flex-col gap-1.5">
        <p>
          On the machine that Omoi runs on, change something in the folder. This is what an agent
          does all day:
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
          variant="primary"
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

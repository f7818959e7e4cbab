import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { paths } from "../../../../paths/paths.js";
import { CopyLine } from "../../../../ui/feedback/copy-button.js";
import { projectQuery } from "../../../../api/queries/code/projects.js";

/** Git commands for a remote workspace, each ready to be pasted. */
export function PushCommands({ workspace }: { workspace: Workspace }): ReactElement | null {
  const { data: project } = useQuery(projectQuery(workspace.project_id));
  if (!project) return null;
  const { branch_name: branch } = workspace;
  return (
    <div className="flex flex-col gap-1.5">
      <p className="text-[13px] font-medium">Clone the branch, commit, and push</p>
      <CopyLine
        text={`git clone --branch ${branch} ${project.clone_url}`}
        label="Copy clone command"
      />
      <CopyLine text={`git push origin ${branch}`} label="Copy push command" />
      <p className="text-[13px] text-muted">
        Git asks for a login: use any user name and an{" "}
        <Link {...paths.apiKeys()} className="text-accent-ink underline">
          API key
        </Link>{" "}
        as the password: the agent&apos;s own, or one that may push.
      </p>
    </div>
  );
}

import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { paths } from "../../../../paths/paths.js";
import { Alert } from "../../../../ui/feedback/alert.js";
import { Card, Details, type Rows } from "../../../../ui/layout/card.js";
import { CommitId, CopyIcon } from "../../../../ui/feedback/copy-button.js";
import { formatBytes } from "../../../../ui/text/number.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { Time } from "../../../../ui/text/time.js";
import { CheckpointError } from "./checkpoint-error.js";
import { BaseDistance } from "../../../code/parts/workspaces/base-distance.js";
import { PendingChanges } from "./pending-changes.js";
import { PushCommands } from "./push-commands.js";
import { isUsable, WorkspaceStatus } from "../../../code/parts/workspaces/workspace-status.js";

const code = "font-mono text-[13px]";

export function WorkspaceDetails({ workspace }: { workspace: Workspace }): ReactElement {
  return (
    <Card title="Workspace Details">
      <div className="flex flex-col gap-4">
        {workspace.error !== null && (
          <Alert>
            <PlainText value={workspace.error} multiline />
          </Alert>
        )}
        <CheckpointError error={workspace.checkpoint_error} />
        <WorkingDirectory workspace={workspace} />
        {workspace.workspace_type === "remote" && isUsable(workspace) && (
          <PushCommands workspace={workspace} />
        )}
        <Details
          columns={2}
          rows={{
            "Git Branch": <PlainText value={workspace.branch_name} className={code} />,
            "Base Branch": <PlainText value={workspace.base_branch} className={code} />,
            "Workspace Type": workspace.workspace_type,
            "Parent Agent": <ParentAgent workspace={workspace} />,
            "Parent Commit":
              workspace.parent_commit === null ? (
                "None"
              ) : (
                <CommitId sha={workspace.parent_commit} />
              ),
            Status: <WorkspaceStatus status={workspace.status} />,
            ...folderRows(workspace),
            Created: <Time value={workspace.created_at} />,
            Updated: <Time value={workspace.updated_at} />,
            "Ahead/Behind": <BaseDistance workspace={workspace} />,
          }}
        />
        {workspace.status !== "archived" && (
          <PendingChanges agentId={workspace.agent_id} base={workspace.base_branch} />
        )}
      </div>
    </Card>
  );
}

const folderKinds = {
  overlay: "Overlay over shared files",
  "fuse-overlayfs": "Overlay over shared files (FUSE)",
  checkout: "Files of its own",
} as const;

/** The folder's driver and disk usage, while it exists. */
function folderRows({ folder_driver, disk }: Workspace): Rows {
  if (folder_driver === null) return {};
  const measured = disk && (
    <>
      {formatBytes(disk.bytes)} <span className="text-muted">measured</span>{" "}
      <Time value={disk.measured_at} />
    </>
  );
  return { Folder: folderKinds[folder_driver], "Disk usage": measured ?? "Not measured yet" };
}

function WorkingDirectory({
  workspace: { working_directory: path, workspace_type },
}: {
  workspace: Workspace;
}): ReactElement {
  return (
    <div className="flex flex-col gap-0.5">
      <span className="text-muted">Working Directory:</span>
      {path === null ? (
        <span>
          {workspace_type === "kubernetes"
            ? "None here: the agent's runs are Jobs in the Kubernetes cluster and bring their commits to its branch."
            : "None here: the agent works elsewhere and pushes to its branch."}
        </span>
      ) : (
        <span className="flex items-start gap-0.5">
          <PlainText value={path} className={code} />
          <CopyIcon text={path} label="Copy working directory" />
        </span>
      )}
    </div>
  );
}

function ParentAgent({ workspace }: { workspace: Workspace }): ReactElement {
  if (workspace.parent_agent_id === null) return <>None</>;
  return (
    <Link
      {...paths.workspace(workspace.parent_agent_id)}
      className="text-accent-ink hover:underline"
    >
      <PlainText value={workspace.parent_agent_name ?? workspace.parent_agent_id} />
    </Link>
  );
}

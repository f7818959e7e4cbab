import type { ReactElement } from "react";
import type { Project } from "#shared/api/code/projects.js";
import { Alert } from "../../../ui/feedback/alert.js";
import { Meter } from "../../../ui/feedback/meter.js";
import { PlainText } from "../../../ui/text/plain-text.js";
import { PermissionHint } from "../../../access/permission-hint.js";
import { useDenyReason } from "../../../access/permissions.js";
import { NewProjectForm } from "../../code/parts/projects/new-project-dialog.js";

interface ProjectStepProps {
  orgId: string;
  /** A project whose import is in progress or has failed. */
  project: Project | undefined;
  onDone: () => void;
}

export function ProjectStep({ orgId, project, onDone }: ProjectStepProps): ReactElement {
  const reason = useDenyReason(orgId)("project:write");
  if (project?.status === "importing") {
    return (
      <div className="flex flex-col gap-2">
        <p>
          Importing <PlainText value={project.name} />… It goes on when you leave this page.
        </p>
        <Meter
          label="Import"
          current={project.progress}
          limit={100}
          text={`${project.progress} of 100`}
        />
      </div>
    );
  }
  if (reason !== undefined) return <PermissionHint reason={reason} />;
  return (
    <div className="flex flex-col gap-4">
      {project?.error && (
        <Alert>
          <PlainText value={project.error} multiline />
        </Alert>
      )}
      <NewProjectForm orgId={orgId} name="First project" onCreated={onDone} />
    </div>
  );
}
